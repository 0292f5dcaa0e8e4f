#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Nobody gets another file under a protected name by mounting over it or above it, or by taking a mount away; what is next to it,
# and what is done in a namespace of one's own, goes on. Runs inside a VM, in the host's mount namespace. Prints TAP.
set -u
cases=$(dirname "$0")
h=/srv/h

# name, command…: refused with EPERM, or done. mount(8) has other words for EPERM where the target is a file.
yes() {
    local name=$1
    shift
    if "$@" >/tmp/out 2>&1; then
        echo "not ok $name: let through"
    elif grep -qiE 'not permitted|permission denied|must be superuser|mount point is not a directory' /tmp/out; then
        echo "ok $name"
    else
        echo "not ok $name: $(tr "\n" " " </tmp/out)"
    fi
}
no() {
    local name=$1
    shift
    if "$@" >/tmp/out 2>&1; then echo "ok $name"; else echo "not ok $name: $(tr "\n" " " </tmp/out)"; fi
}

over() {
    yes "over.the file" mount --bind /dev/null $h/a/secret
    yes "over.its directory" mount -t tmpfs none $h/a
    yes "over.the directory above" mount -t tmpfs none $h
    yes "over.two above" mount -t tmpfs none /srv
    yes "over.the root" mount --bind /mnt /
    yes "over.by a bind mount" mount --bind /mnt $h/a
    yes "over.by the new interface" sg-do mount-new $h
    yes "over.by move_mount" sg-do move-mount /mnt/free $h
    yes "over.a mount that is there" mount -t tmpfs none $h/m
    no "over.a sibling" mount -t tmpfs none $h/b
    no "over.a directory beside the file" mount -t tmpfs none $h/a/other
    no "over.an unrelated place" mount -t tmpfs none /mnt/x
    no "over.an alias of the directory" mount --bind /srv/h/a /mnt/alias-a
    no "over.the alias" mount -t tmpfs none /mnt/alias-a
    no "over.by an exempt program" /srv/bin/sg-exempt mount-new $h/a
    if [[ ! -e $h/a/secret ]]; then echo "ok over.and it is seen"; else echo "not ok over.and it is seen"; fi
    no "off.by nobody's leave what an exempt program mounted, by itself" /srv/bin/sg-exempt umount $h/a
    umount $h/b $h/a/other /mnt/x /mnt/alias-a /mnt/alias-a
}

off() {
    yes "off.a protected mount" umount $h/m
    yes "off.lazily" umount -l $h/m
    yes "off.a mount above" umount -l /srv/up
    no "off.an alias" umount /mnt/alias
    yes "off.by move_mount" sg-do move-mount $h/m /mnt/x
    yes "off.by mount --move" sg-do mount-move $h/m /mnt/x
    yes "off.by mount --move through a link" sg-do mount-move /mnt/link /mnt/x
    no "off.an unrelated mount, by move_mount" sg-do move-mount /mnt/free /mnt/x
    no "off.an unrelated mount" umount /mnt/x
    yes "off.by another root" sg-do pivot /mnt/root /mnt/root/old
}

spaces() {
    no "own.over its directory" unshare --mount mount -t tmpfs none $h/a
    no "own.over the root" unshare --mount mount --bind /mnt /
    no "own.takes a mount away" unshare --mount umount $h/m
    no "own.moves one away" unshare --mount sg-do mount-move $h/m /mnt/x
    yes "shared.over its directory" unshare --mount --propagation unchanged mount -t tmpfs none /srv/shared/p
    no "shared.a mount on one of its own" unshare --mount --propagation unchanged umount -l /srv/shared
    no "shared.beside it" unshare --mount --propagation unchanged mount -t tmpfs none /srv/shared/q
    yes "setns.back to the host" unshare --mount nsenter -t 1 -m mount -t tmpfs none $h/a
    no "setns.for something else" unshare --mount nsenter -t 1 -m mount -t tmpfs none /mnt/x
    for file in $h/a/secret $h/m/secret /srv/up/d/secret /srv/shared/p/secret; do
        if /srv/bin/sg-exempt read "$file" 4; then echo "ok $file is what it was"; else echo "not ok $file is what it was"; fi
    done
}

if [[ ${1:-} == run ]]; then
    over
    off
    spaces
    exit 0
fi

mkdir -p $h/a/other $h/b $h/m /srv/up /srv/shared /srv/bin /mnt/{x,alias,alias-a,free,root}
cp "$(command -v sg-do)" /srv/bin/sg-exempt
mount -t tmpfs none $h/m
mount --bind $h/m /mnt/alias
mount -t tmpfs none /srv/up && mkdir /srv/up/d && mount -t tmpfs none /srv/up/d
mount -t tmpfs none /srv/shared && mount --make-shared /srv/shared && mkdir /srv/shared/p /srv/shared/q
mount -t tmpfs none /mnt/free
mount -t tmpfs none /mnt/root && mkdir /mnt/root/old
ln -s $h/m /mnt/link
for file in $h/a/secret $h/m/secret /srv/up/d/secret /srv/shared/p/secret; do echo secret >"$file"; done
if [[ $(stat -Lc %i /proc/self/ns/mnt) != $(stat -Lc %i /proc/1/ns/mnt) ]]; then
    echo "not ok this is the host's mount namespace"
    exit 1
fi
sg-protect -p "$cases/mounts.yaml" -o /tmp/records bash "$0" run >/tmp/mounts 2>/tmp/mounts.err
status=$?
cat /tmp/mounts
tail -n 5 /tmp/mounts.err >&2
if ((status != 0)); then
    echo "not ok policy in force"
    exit 1
fi
python3 - <<'PY'
import json
records = [json.loads(line) for line in open("/tmp/records")]
denied = [r for r in records if r["kind"] == "file" and r["outcome"] == "denied" and not r["merged"]]
hooks = {r["hook"] for r in denied}
print("ok" if len(denied) > 15 else "not ok", "records of denials:", len(denied))
print("ok" if hooks == {"sb_mount", "sb_umount", "move_mount", "sb_pivotroot"} else "not ok", "hooks:", *sorted(hooks))
PY
