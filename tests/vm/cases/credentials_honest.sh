#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# For credentials.sh: programs that change credentials, run by Debian as they are, and what the kernel starts by itself. Says what it
# did; nothing of it has to succeed, since what a root has differs.
set -u

try() { # command…
    command -v "$1" >/dev/null || { echo "not here: $1"; return; }
    "$@" >/dev/null 2>&1 </dev/null
    echo "$? $*"
}

sysctl -qw kernel.unprivileged_userns_clone=1 2>/dev/null
try su alice -c 'id; cat /etc/hostname'
try su - alice -c 'exec id'
try runuser -u alice -- cat /etc/hostname
try setpriv --reuid alice --regid alice --init-groups --inh-caps=-all --bounding-set=-all cat /etc/hostname
try setpriv --reuid alice --regid alice --clear-groups --ambient-caps=+net_raw --inh-caps=+net_raw cat /etc/hostname
try setpriv --no-new-privs --securebits=+noroot cat /etc/hostname
try sg daemon -c 'cat /etc/hostname'
try newgrp daemon
try capsh --drop=cap_sys_admin --user=alice -- -c 'cat /etc/hostname'
try unshare -Ur cat /etc/hostname
try unshare -Urmpf --mount-proc sh -c 'mount -t tmpfs x /mnt; cat /etc/hostname'
try su alice -c 'unshare -Ur sh -c "unshare -Ur cat /etc/hostname"'
try su alice -c 'unshare -Ur --map-users=auto cat /etc/hostname'
try ping -c 1 127.0.0.1
try su alice -c 'ping -c 1 127.0.0.1'
try sudo -u alice cat /etc/hostname
try su alice -c 'sudo -n true'
try chroot --userspec=alice / cat /etc/hostname
try chage -l alice
try su alice -c 'passwd -S'
try su alice -c 'chfn -f Alice alice'
try mount -t tmpfs tmpfs /mnt
try su alice -c 'umount /mnt'
try umount /mnt
try start-stop-daemon --start --chuid alice --exec /bin/cat -- /etc/hostname

# A process in another user namespace, and programs that enter it.
unshare -Ur sleep 60 &
pid=$!
for ((i = 0; i < 100; i++)); do [[ $(readlink /proc/$pid/ns/user) != $(readlink /proc/self/ns/user) ]] && break; sleep 0.1; done
try nsenter -t "$pid" -U cat /etc/hostname
try nsenter -t "$pid" -U --preserve-credentials cat /etc/hostname
kill "$pid"

# An overlay opens what lies beneath it as who mounted it.
mkdir -p /srv/lower /srv/upper /srv/work /srv/merged
echo x >/srv/lower/file
try mount -t overlay overlay -o lowerdir=/srv/lower,upperdir=/srv/upper,workdir=/srv/work /srv/merged
try su alice -c 'cat /srv/merged/file'
try sh -c 'echo y >>/srv/merged/file; cat /srv/merged/file'
try umount /srv/merged

# Programs that the kernel starts: for a core dump, for a module.
pattern=$(cat /proc/sys/kernel/core_pattern)
cat >/tmp/core-reader <<'READER'
#!/bin/sh
cat >/dev/null
cat /etc/shadow >/dev/null
READER
chmod 755 /tmp/core-reader
echo '|/tmp/core-reader %p' >/proc/sys/kernel/core_pattern
try su alice -c 'ulimit -c unlimited; sh -c "kill -SEGV \$\$"'
echo "$pattern" >/proc/sys/kernel/core_pattern
try modprobe loop
try su alice -c 'python3 -c "import socket; socket.socket(socket.AF_CAN, socket.SOCK_RAW, 1)"'
try bash -c 'for i in $(seq 200); do /bin/true; done'
