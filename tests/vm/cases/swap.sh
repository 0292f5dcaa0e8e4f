#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Policies are swapped while processes access files: no decision mixes two of them, none falls in between.
# Runs inside a VM. Prints TAP.
set -u
mkdir -p /srv
sg-swap /srv/swap "${SWAPS:-300}" 4
status=$?
((status < 2)) || echo "not ok the policies could be put in force (status $status)"
exit "$status"
