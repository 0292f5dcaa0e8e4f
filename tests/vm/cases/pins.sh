#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a file with several names is worth by the others is kept by the number of its inode and the inode's generation. On a file
# system where its owner can set the generation, under a policy that says nothing of chmod. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
in=/srv/x/in out=/srv/x/out

generations() {
    echo secret >$out/a
    check "linked in" /srv/bin/exempt $out/a $in/a
    check "refused by the free name" denied $out/a
    refused "its generation, by the free name" sg-do set-generation $out/a
    refused "its generation, by the protected name" sg-do set-generation $in/a
    check "still refused by the free name" denied $out/a
    refused "over an exec, opened by the free name" /srv/bin/shell -c 'exec cat <'$out/a
    echo free >$out/free
    refused "that of a file that no rule names" sg-do set-generation $out/free
    check "that on a file system that no rule names" sg-do set-generation /mnt/y/free
    check "other ioctls" sg-do setflags $out/free

    # Reading is denied, and writing is not: content must not leave by a descriptor that can only write.
    echo secret >$in/one && echo mine >$out/mine
    refused "its content, for that of the boot loader" sg-do swap-boot $in/one
    refused "that, for the content of a file that no rule names" sg-do swap-boot $out/mine
    check "nothing has come out" grep -qx mine $out/mine
}

# Nobody is asked about names here; what cannot be found out of a file must not get one all the same.
unknown() {
    refused "a name for a file without a path" sg-do link-by-handle $in/cold $out/cold
    check "it has none" test ! -e $out/cold
}

# A file that had two names when the policy came is gone, and another one has its number.
reused() {
    local number
    number=$(stat -c %i $out/gone)
    check "a file from before the policy, by its free name" denied $out/gone
    rm $in/gone $out/gone
    echo free >$out/new
    for ((i = 0; i < 64 && $(stat -c %i $out/new) != number; i++)); do mv $out/new "$out/new$i" && echo free >$out/new; done
    check "its number is used again" test "$(stat -c %i $out/new)" = "$number"
    ln $out/new $out/new-too
    check "for a file that is free, also with two names" cat $out/new-too
}

# What user space knew of a file when the policy came, and what the kernel side learns of it, count together, in as many places
# as there is room for.
several() {
    check "read by the free name" denied $out/both
    check "executed by it" $out/both
    for i in 2 3 4; do check "linked to $i" /srv/bin/exempt $out/both /srv/x/in$i/both; done
    refused "linked to 5: there is no room" /srv/bin/exempt $out/both /srv/x/in5/both
    check "read by the free name, again" denied $out/both
    refused "executed by it, now" $out/both
}

# Subvolumes of btrfs number their files on their own: the same number means nothing.
subvolumes() {
    local s
    for s in s1 s2; do
        echo secret >/srv/b/$s/out/a
        sync -f /srv/b # the next file is of another generation
    done
    check "two files of one number" test "$(stat -c %i /srv/b/s1/out/a)" = "$(stat -c %i /srv/b/s2/out/a)"
    for s in s1 s2; do check "$s: linked in" /srv/bin/exempt /srv/b/$s/out/a /srv/b/$s/in/a; done
    for s in s1 s2; do check "$s: refused by the free name" denied /srv/b/$s/out/a; done
}

if [[ ${1:-} == run ]]; then
    several
    subvolumes
    unknown
    reused
    generations
    exit 0
fi

make_fs() { # directory
    truncate -s 32M "/root/${1##*/}.img" && mkfs.ext4 -q -O ^metadata_csum "/root/${1##*/}.img" && mkdir -p "$1" &&
        mount -o loop "/root/${1##*/}.img" "$1"
}
modprobe loop
make_fs /srv/x && make_fs /mnt/y || echo "not ok file systems without check sums"
modprobe btrfs
truncate -s 160M /root/btrfs.img && mkfs.btrfs -q /root/btrfs.img && mkdir /srv/b && mount -o loop /root/btrfs.img /srv/b || echo "not ok btrfs"
for s in s1 s2; do btrfs -q subvolume create /srv/b/$s && mkdir /srv/b/$s/{in,out}; done
mkdir -p $in /srv/x/in{2,3,4,5} $out /srv/bin
cp "$(type -P ln)" /srv/bin/exempt
cp "$(type -P bash)" /srv/bin/shell
echo free >/mnt/y/free
echo secret >$in/gone && ln $in/gone $out/gone
echo secret >$in/cold
cp "$(type -P true)" $in/both && ln $in/both $out/both
check "before the policy" sg-do set-generation /mnt/y/free
under_policy -p "$cases/pins.yaml" -t /srv/x
about_records '
check("and links, because of what is not known", [r["reason"] for r in denied if r["hook"] == "inode_link"] == ["memory", "disconnected"])
ioctls = [r for r in denied if r["hook"] == "file_ioctl"]
check("a record for each that was refused: %d" % len(ioctls), len(ioctls) == 5)
check("and why: %s" % {r["reason"] for r in ioctls}, {r["reason"] for r in ioctls} == {"generation"})'
