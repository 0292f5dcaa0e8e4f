#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The kernel against `safeguard policy explain`, on random policies. Runs inside a VM. Prints TAP. With another
# kernel, seed or number of cases by hand:
#   tools/vm run --kernel newest --build build --timeout 3600 -- sg-random SEED CASES
set -u
mkdir -p /srv
sg-random 1 6000
status=$?
((status < 2)) || echo "not ok the cases could be tried (status $status)"
exit "$status"
