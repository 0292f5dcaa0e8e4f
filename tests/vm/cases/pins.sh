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
    echo free >$out/free
    refused "that of a file that no rule names" sg-do set-generation $out/free
    check "that on a file system that no rule names" sg-do set-generation /mnt/y/free
    check "other ioctls" sg-do setflags $out/free
}

# Nobody is asked about names here; what cannot be found out of a file must not get one all the same.
unknown() {
    refused "a name for a file without a path" sg-do link-by-handle $in/cold $out/cold
    check "it has none" test ! -e $out/cold
}

if [[ ${1:-} == run ]]; then
    unknown
    generations
    exit 0
fi

make_fs() { # directory
    truncate -s 32M "/root/${1##*/}.img" && mkfs.ext4 -q -O ^metadata_csum "/root/${1##*/}.img" && mkdir -p "$1" &&
        mount -o loop "/root/${1##*/}.img" "$1"
}
modprobe loop
make_fs /srv/x && make_fs /mnt/y || echo "not ok file systems without check sums"
mkdir -p $in $out /srv/bin
cp "$(type -P ln)" /srv/bin/exempt
echo free >/mnt/y/free
echo secret >$in/cold
check "before the policy" sg-do set-generation /mnt/y/free
under_policy -p "$cases/pins.yaml" -t /srv/x
about_records '
check("and links, because of what is not known", [r["reason"] for r in denied if r["hook"] == "inode_link"] == ["disconnected"])
ioctls = [r for r in denied if r["hook"] == "file_ioctl"]
check("a record for each that was refused: %d" % len(ioctls), len(ioctls) == 3)
check("and why: %s" % {r["reason"] for r in ioctls}, {r["reason"] for r in ioctls} == {"generation"})'
