#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What was decided once is kept with files, directories, tasks and processors (bpf/lib/quick, known, dead). It does not outlive
# what it rests on: the user, the program, the name, whose turn it is on a processor. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

if [[ ${1:-} == run ]]; then
    python3 "$cases/known.py" /srv/k
    # In whose directory transfers are counted, which must not say what the file beneath is worth.
    check "read by who may, through the overlay" /srv/bin/reader /srv/k/merged/secret
    for i in 1 2 3; do check "not by others, $i" denied /srv/k/merged/secret; done
    exit 0
fi

mkdir -p /srv/k/{names,in,out,lower,upper,work,merged} /srv/bin
echo content >/srv/k/lower/secret
echo content >/srv/k/lower/plain
modprobe overlay
mount -t overlay -o lowerdir=/srv/k/lower,upperdir=/srv/k/upper,workdir=/srv/k/work overlay /srv/k/merged || echo "not ok an overlay"
for name in user login exe; do echo content >/srv/k/$name; done
cp "$(type -P mv)" /srv/bin/exempt
cp "$(type -P cat)" /srv/bin/reader
cp "$(realpath "$(type -P python3)")" /srv/bin/named
under_policy -p "$cases/known.yaml"
about_records '
closed = [r for r in records if r.get("hook") == "file_close" and r["path"] == "/srv/k/merged/secret"]
check("transfers are counted by the name that was used: %d" % len(closed), len(closed) == 1 and closed[0]["bytes_read"] == 8)
hooks = {r["hook"] for r in denied}
check("what was denied is what was opened, %d records of %s" % (len(denied), hooks), hooks == {"file_open"} and len(denied) >= 5)'
