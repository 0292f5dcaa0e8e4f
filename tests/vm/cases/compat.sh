#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What needs a descriptor that may be opened: inode flags changed by ioctl, by both entries of the kernel. (32-bit system calls
# that are refused at once are ways of sg-attack.) Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")

if [[ ${1:-} == run ]]; then
    for what in setflags int80-setflags; do
        for file in flags free; do
            sg-do $what /srv/c/$file 2>/tmp/err
            echo "$what $file $?"
        done
    done
    exit 0
fi
mkdir -p /srv/c
touch /srv/c/flags /srv/c/free
sg-do int80-setflags /srv/c/free
case $? in
    0) ;;
    77 | 139) echo "ok compat # SKIP no 32-bit system calls here"; exit 0 ;;
    *) echo "not ok compat: int 0x80 does not work without a policy"; exit 1 ;;
esac
sg-protect -p "$cases/compat.yaml" -o /tmp/records bash "$0" run >/tmp/ran || echo "not ok policy in force"
while read -r what file status; do
    [[ $file == flags ]] && wanted=1 || wanted=0
    if ((status == wanted)); then echo "ok compat.$what of $file"; else echo "not ok compat.$what of $file: $status"; fi
done </tmp/ran
python3 - <<'PY'
import json
hooks = [r["hook"] for r in map(json.loads, open("/tmp/records")) if r["kind"] == "file" and not r["merged"]]
print("ok" if len(hooks) == 2 and hooks[0] == "file_ioctl" and hooks[1].startswith("file_ioctl") else "not ok", "hooks:", *hooks)
PY
