#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Six processes try forbidden opens while directories move: not one passes. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")

root=/srv/host
mkdir -p "$root"
sg-attack setup "$root" || exit 1
if sg-protect -p "$cases/vault.yaml" -t "$root" -o /tmp/records sg-attack race "$root" 8 6 >/tmp/race 2>&1; then
    echo "ok no forbidden open passed: $(tr -d '\n' </tmp/race | cut -c1-200)"
else
    echo "not ok no forbidden open passed: $(tr -d '\n' </tmp/race | cut -c1-400)"
fi
