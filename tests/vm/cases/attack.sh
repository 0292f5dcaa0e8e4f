#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every way to a protected file that sg-attack knows: denied to everybody but one program, each with one correct
# record. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")

root=/srv/host
mkdir -p "$root"
# Ways through these count as tried only where the kernel has them.
modprobe -a overlay loop || printf 'not ok the modules overlay and loop\n'
sg-attack setup "$root" || exit 1
sg-protect -p "$cases/vault.yaml" -t "$root" -o /tmp/records sg-attack run --json "$root" >/tmp/ways 2>/tmp/ways.err
status=$?
cat /tmp/ways.err >&2
if ((status == 99)); then
    printf 'not ok policy in force\n'
    exit 1
fi
if ((status > 1)); then
    printf 'not ok the ways were tried: %s\n' "$(tail -n 1 /tmp/ways.err)"
    exit 1
fi
# The sensor tries other programs where the kernel refuses the quicker ones: right, and several times as dear.
refused=/run/safeguard/verifier.log
if [[ -e $refused ]]; then
    printf 'not ok every program was accepted: %s\n' "$(head -n 3 "$refused" | tr '\n' ' ')"
else
    printf 'ok every program was accepted\n'
fi
sg-attack list --json >/tmp/list || printf 'not ok the list of ways\n'
python3 "$cases/records.py" --list /tmp/list /tmp/ways /tmp/records "$cases/attack.gaps" ||
    printf 'not ok what was recorded was judged to its end (status %d)\n' $?
# With a place for results, what was judged goes there.
if [[ -d /out ]]; then cp /tmp/ways /tmp/records /out; fi
