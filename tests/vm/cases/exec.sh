#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every way to execute a program: its record, and what becomes of it where rules refuse it. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
root=/srv/exec

if [[ ${1:-} == run ]]; then
    sg-exec run "$root" ${2:+"$2"} >/tmp/ways 2>/tmp/ways.err </dev/null
    tail -n 20 /tmp/ways.err >&2
    exit 0
fi
modprobe -aq overlay binfmt_misc
sg-exec setup "$root" >/tmp/exec.yaml || { echo "not ok files to execute"; exit 1; }
under_policy -p /tmp/exec.yaml -t "$root"
python3 "$cases/exec.py" /tmp/ways "$records" || echo "not ok what was recorded was judged to its end"
if [[ -d /out ]]; then cp /tmp/ways "$records" /out; fi
