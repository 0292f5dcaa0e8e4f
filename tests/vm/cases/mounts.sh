#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Nobody gets another file under a protected name by mounting over it or above it, or by taking a mount away; what is next to it,
# and what is done in a namespace of one's own, goes on. Runs inside a VM, in the host's mount namespace. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
refusal+='|permission denied|must be superuser|mount point is not a directory' # mount(8), of files too
h=/srv/h
secrets=("$h/a/secret" "$h/m/secret" /srv/up/d/secret /srv/shared/p/secret)

over() {
    refused "over.the file" mount --bind /dev/null $h/a/secret
    refused "over.its directory" mount -t tmpfs none $h/a
    refused "over.the directory above" mount -t tmpfs none $h
    refused "over.two above" mount -t tmpfs none /srv
    refused "over.the root" mount --bind /mnt /
    refused "over.by a bind mount" mount --bind /mnt $h/a
    refused "over.by a bind mount with a flag of propagation" sg-do bind-private /mnt $h/a
    refused "over.by the new interface" sg-do mount-new $h
    refused "over.by move_mount" sg-do move-mount /mnt/free $h
    refused "over.a mount that is there" mount -t tmpfs none $h/m
    check "over.a sibling" mount -t tmpfs none $h/b
    check "over.a directory beside the file" mount -t tmpfs none $h/a/other
    check "over.an unrelated place" mount -t tmpfs none /mnt/x
    check "over.an alias of the directory" mount --bind /srv/h/a /mnt/alias-a
    check "over.the alias" mount -t tmpfs none /mnt/alias-a
    check "over.by an exempt program" /srv/bin/sg-exempt mount-new $h/a
    check "over.and it is seen" test ! -e $h/a/secret
    check "off.by nobody's leave what an exempt program mounted, by itself" /srv/bin/sg-exempt umount $h/a
    umount $h/b $h/a/other /mnt/x /mnt/alias-a /mnt/alias-a
}

off() {
    refused "off.a protected mount" umount $h/m
    refused "off.lazily" umount -l $h/m
    refused "off.a mount above" umount -l /srv/up
    check "off.an alias" umount /mnt/alias
    refused "off.by move_mount" sg-do move-mount $h/m /mnt/x
    refused "off.by mount --move" sg-do mount-move $h/m /mnt/x
    refused "off.by mount --move through a link" sg-do mount-move /mnt/link /mnt/x
    check "off.an unrelated mount, by move_mount" sg-do move-mount /mnt/free /mnt/x
    check "off.an unrelated mount" umount /mnt/x
    refused "off.by another root" sg-do pivot /mnt/root /mnt/root/old
}

spaces() {
    check "own.over its directory" unshare --mount mount -t tmpfs none $h/a
    check "own.over the root" unshare --mount mount --bind /mnt /
    check "own.takes a mount away" unshare --mount umount $h/m
    check "own.moves one away" unshare --mount sg-do mount-move $h/m /mnt/x
    refused "shared.over its directory" unshare --mount --propagation unchanged mount -t tmpfs none /srv/shared/p
    check "shared.a mount on one of its own" unshare --mount --propagation unchanged umount -l /srv/shared
    check "shared.beside it" unshare --mount --propagation unchanged mount -t tmpfs none /srv/shared/q
    refused "setns.back to the host" unshare --mount nsenter -t 1 -m mount -t tmpfs none $h/a
    check "setns.for something else" unshare --mount nsenter -t 1 -m mount -t tmpfs none /mnt/x
    for file in "${secrets[@]}"; do check "$file is what it was" /srv/bin/sg-exempt read "$file" 4; done
}

# A file system is under the rules of its place from its first moment, whatever was in the table of roots before it.
first() {
    check "first.one that was read before it had a place" /srv/bin/sg-exempt mount-warm $h/a secret
    refused "first.its file" cat $h/a/secret
    /srv/bin/sg-exempt umount $h/a
    local number
    number=$(stat -c %d /mnt/gone)
    umount /mnt/gone
    check "first.one with the number of another" /srv/bin/sg-exempt mount-file $h/a secret
    check "first.it is the number" test "$(stat -c %d $h/a)" = "$number"
    refused "first.that one's file" cat $h/a/secret
    /srv/bin/sg-exempt umount $h/a
}

if [[ ${1:-} == run ]]; then
    first
    over
    off
    spaces
    exit 0
fi

mkdir -p $h/a/other $h/b $h/m /srv/up /srv/shared /srv/bin /mnt/{x,alias,alias-a,free,gone,root}
cp "$(command -v sg-do)" /srv/bin/sg-exempt
mount -t tmpfs none $h/m
mount --bind $h/m /mnt/alias
mount -t tmpfs none /srv/up && mkdir /srv/up/d && mount -t tmpfs none /srv/up/d
mount -t tmpfs none /srv/shared && mount --make-shared /srv/shared && mkdir /srv/shared/p /srv/shared/q
mount -t tmpfs none /mnt/free
mount -t tmpfs none /mnt/root && mkdir /mnt/root/old
mount -t tmpfs none /mnt/gone
ln -s $h/m /mnt/link
for file in "${secrets[@]}"; do echo secret >"$file"; done
check "this is the host's mount namespace" test /proc/self/ns/mnt -ef /proc/1/ns/mnt
under_policy -p "$cases/mounts.yaml"
about_records '
hooks = {r["hook"] for r in denied if r["hook"] != "file_open"}
check("records of denials: %d" % len(denied), len(denied) > 15)
check("hooks: %s" % sorted(hooks), hooks == {"sb_mount", "sb_umount", "move_mount", "sb_pivotroot"})'
