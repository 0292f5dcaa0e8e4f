# SPDX-License-Identifier: Apache-2.0
"""The parts of tools/vm; see README.md beside this directory."""
