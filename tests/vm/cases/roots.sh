#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The table of roots has room for 16,384 file systems. Those that no rule speaks of take it from nobody. When it is full of the
# others, no further file system comes to a protected place: its files would pass. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
many=17000
a=/srv/h/a

idle() {
    check "idle.a file system comes to a protected place" /srv/bin/sg-exempt mount-file $a secret
    refused "idle.its file" cat $a/secret
    /srv/bin/sg-exempt umount $a
    check "idle.by move_mount" /srv/bin/sg-exempt mount-warm $a secret
    refused "idle.that one's file" cat $a/secret
    /srv/bin/sg-exempt umount $a
}

full() {
    refused "full.a file system for a protected place" /srv/bin/sg-exempt mount-file $a secret
    refused "full.by move_mount" /srv/bin/sg-exempt mount-warm $a secret
    check "full.it is not there" test "$(stat -c %d $a)" = "$(stat -c %d /srv/h)"
    check "full.one for another place" /srv/bin/sg-exempt mount-file /mnt/x secret
    check "full.its file" cat /mnt/x/secret
    umount /mnt/x
}

if [[ ${1:-} == run ]]; then
    "$phase"
    exit 0
fi

mkdir -p $a /srv/bin /mnt/x
cp "$(command -v sg-do)" /srv/bin/sg-exempt
export phase
phase=idle
(under_policy -p "$cases/mounts.yaml" -i $many)
phase=full
(under_policy -p "$cases/mounts.yaml" -f $many)
check "full.it is said, with what to do" grep -q 'do not fit into the table of roots' /tmp/under.err
about_records '
refused = [r for r in denied if r["hook"] in ("sb_kern_mount", "move_mount")]
check("full.records: %s" % [(r["hook"], r["reason"]) for r in refused],
      sorted((r["hook"], r["reason"]) for r in refused) == [("move_mount", "memory"), ("sb_kern_mount", "memory")])
counters = {r["counter"]: r["n"] for r in records if r["kind"] == "counter"}
check("full.counted: %s" % counters.get(25), counters.get(25) == 2)'
