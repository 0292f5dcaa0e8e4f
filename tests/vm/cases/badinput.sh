#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Bad input from every side, end to end: the agent stays up, its memory bounded, the policy in force.
# Runs inside a VM. Prints TAP.
set -u
exec python3 "$(dirname "$0")/badinput.py"
