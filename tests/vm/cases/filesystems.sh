#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The ways that depend on the file system, on others than the root's ext4. Each is mounted before the policy is in
# force, at /srv/host in turn; sg-protect compiles against what is mounted. Runs inside a VM. Prints TAP.
set -uo pipefail
cases=$(dirname "$0")
root=/srv/host
ways=('open.*' 'hardlink.*' 'handle.*' 'late.*' 'create.*' 'rename.*' 'mount.*' 'mmap.*' 'overlay.*' 'near.*' 'xattr.*'
    'names.newline*' 'names.bytes*' 'names.255*' 'ro.*')

make_tmpfs() { mount -t tmpfs tmpfs "$root"; }
make_image() { # type, size, options of mkfs
    local type=$1 size=$2
    shift 2
    truncate -s "$size" "/root/$type.img" && "mkfs.$type" -q "$@" "/root/$type.img" >&2 && mount -o loop "/root/$type.img" "$root"
}
make_btrfs() { make_image btrfs 160M -f; }
make_xfs() { make_image xfs 320M -f; }

mkdir -p "$root"
modprobe -a overlay loop || echo 'not ok the modules overlay and loop'
for type in tmpfs btrfs xfs; do
    if ! modprobe "$type" 2>/dev/null && ! grep -qw "$type" /proc/filesystems; then
        echo "ok $type # SKIP this kernel has it not"
        continue
    fi
    if ! "make_$type"; then
        echo "not ok $type: it cannot be mounted"
        continue
    fi
    sg-attack setup "$root" || echo "not ok $type: the tree"
    sg-protect -p "$cases/vault.yaml" -t "$root" -o /tmp/records sg-attack run --json "$root" "${ways[@]}" >/tmp/ways 2>/tmp/ways.err
    status=$?
    ((status <= 1)) || echo "not ok $type: the ways were tried: $(tail -n 1 /tmp/ways.err)"
    cat /tmp/ways.err >&2
    if [[ -d /out ]]; then cp /tmp/ways "/out/$type.ways" && cp /tmp/records "/out/$type.records"; fi
    python3 "$cases/records.py" /tmp/ways /tmp/records "$cases/attack.gaps" "$type" | sed "s/^\(not ok\|ok\) /&$type: /" ||
        echo "not ok $type: what was recorded was judged to its end"
    umount -l "$root"
done
