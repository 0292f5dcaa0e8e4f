#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# File systems in which one file answers to several names: a rule's path holds for all of them. Some are mounted before
# the agent starts, some after. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"

# A file system of one kind, at /srv/NAME, with what the rules are about.
fill() { mkdir -p "/srv/$1/Dir" && echo secret >"/srv/$1/Dir/Key-for-Root" && echo open >"/srv/$1/Dir/key-for-roots"; }
make_ext4() {
    truncate -s 16M "/root/$1.img" && mkfs.ext4 -q -O casefold -E encoding=utf8 "/root/$1.img" &&
        mkdir -p "/srv/$1" && mount -o loop "/root/$1.img" "/srv/$1" && mkdir "/srv/$1/Dir" && chattr +F "/srv/$1/Dir" && fill "$1"
}
make_vfat() {
    truncate -s 16M "/root/$1.img" && mkfs.vfat "/root/$1.img" >/dev/null && mkdir -p "/srv/$1" &&
        mount -o loop,iocharset=iso8859-1 "/root/$1.img" "/srv/$1" && fill "$1"
}
make_tmpfs() {
    mkdir -p "/srv/$1" && mount -t tmpfs -o casefold tmpfs "/srv/$1" && mkdir "/srv/$1/Dir" && chattr +F "/srv/$1/Dir" && fill "$1"
}

try() { # file system
    local at=/srv/$1
    check "$1: as it is written" denied "$at/Dir/Key-for-Root"
    check "$1: in small letters" denied "$at/Dir/key-for-root"
    check "$1: in capitals" denied "$at/Dir/KEY-FOR-ROOT"
    check "$1: a name that goes on" cat "$at/Dir/key-for-roots"
    check "$1: a name that goes on, in capitals" cat "$at/Dir/KEY-FOR-ROOTS"
    check "$1: cannot be moved away by another name" bash -c "! mv $at/Dir/KEY-for-root $at/away"
    [[ $1 == tmpfs ]] || # it is met by the name that it was made with
        check "$1: explain agrees" bash -c "safeguard policy explain --agent $at/Dir/KEY-for-root | grep -q 10-keys.yaml"
}

modprobe loop
modprobe vfat
modprobe nls_iso8859-1
mkdir -p "$policies"
cat >"$policies/10-keys.yaml" <<'YAML'
safeguard: 1
name: keys
mode: enforce
files:
  - {path: "/srv/*/Dir/Key-for-Root", access: [read, rename], not_by: {exe: /usr/bin/mount}, do: deny}
YAML
check "ext4 with casefold" make_ext4 ext4
check "vfat" make_vfat vfat
check "the agent starts" start_agent

try ext4
try vfat
# The sign for kelvin is a k to ext4, and what joins letters does not count.
check "ext4: another letter k" denied $'/srv/ext4/Dir/\xe2\x84\xaaey-for-root'
check "ext4: a sign without width" denied $'/srv/ext4/Dir/key\xe2\x80\x8d-for-root'

# What is mounted later.
make_vfat later || echo "not ok later: cannot be mounted"
check "the agent takes it up" await 60 'policy 2 is in force' "$run_log"
try later
if mount -t tmpfs -o casefold tmpfs /mnt 2>/dev/null; then
    umount /mnt
    check "tmpfs with casefold" make_tmpfs tmpfs
    try tmpfs
else
    echo "ok tmpfs with casefold # SKIP: this kernel's tmpfs has it not (from 6.13)"
fi
safeguard stop --detach >/dev/null
wait "$agent" 2>/dev/null
cat "$run_log" >&2
