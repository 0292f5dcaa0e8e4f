#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The section `control`: every way of tests/vm/control to what its kinds speak of gives the right errno and the right record, and
# its neighbours pass. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
dir=/srv/control

if [[ ${1:-} == run ]]; then
    sg-control run $dir ${2:+"$2"} >/tmp/ran
    exit
fi
sysctl -qw kernel.unprivileged_userns_clone=1 2>/dev/null
sg-control prepare $dir || { echo "not ok prepared"; exit 1; }
$dir/guarded wait >/dev/null &
echo $! >$dir/older
sg-protect -p "$cases/control.yaml" -o /tmp/records bash "$0" run "${2:-}" 2>/tmp/protect.err ||
    { tail -n 20 /tmp/protect.err; echo "not ok policy in force"; exit 1; }
sg-control list >/tmp/ways
python3 "$cases/control.py" /tmp/ways /tmp/ran /tmp/records "${1:-}"
