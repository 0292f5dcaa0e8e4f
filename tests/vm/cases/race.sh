#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Six processes try forbidden opens while directories move: not one passes. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")

mkdir -p /srv
sg-attack setup /srv || exit 1
if sg-protect -p "$cases/vault.yaml" -t /srv -o /tmp/records sg-attack race /srv 8 6 >/tmp/race 2>&1; then
    echo "ok no forbidden open passed: $(tr -d '\n' </tmp/race | cut -c1-200)"
else
    echo "not ok no forbidden open passed: $(tr -d '\n' </tmp/race | cut -c1-400)"
fi
