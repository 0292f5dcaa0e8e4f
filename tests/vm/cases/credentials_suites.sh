#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No false alert: whatever Debian's programs do with credentials, and the test suites of such programs that Debian has, run under an
# agent that kills who has some that no system call gave. Nothing is found, and what has to work works. At the end a kernel
# module changes some, and that is found. Runs inside a VM whose root is `accounts`. Prints TAP.
set -u
here=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$here/agent.lib"
# shellcheck source=tests/vm/cases/accounts.lib
. "$here/accounts.lib"
tools=/opt/safeguard/share/module
cd /tmp || exit

# A program has to end well and to say this. What it complains of is in a directory that not everybody writes to: some programs give
# away what they print to, and root may not open such a file in /tmp.
says() { # name, what, command…
    local got status
    got=$(timeout 60 "${@:3}" 2>/run/says </dev/null)
    status=$?
    # shellcheck disable=SC2053
    if ((status == 0)) && [[ $got == $2 ]]; then echo "ok $1"; else
        echo "not ok $1: $status, '${got:0:200}' instead of '$2' $(tail -n 2 /run/says | tr '\n' ' ')"
    fi
}
# A program has to refuse, by itself: nobody kills it, and it does not hang.
refuses() { # name, command…
    local status
    timeout 60 "${@:2}" >/run/says 2>&1 </dev/null
    status=$?
    if ((status == 255 || (status > 0 && status < 128 && status != 124))); then echo "ok $1"; else echo "not ok $1: $status $(tail -n 2 /run/says | tr '\n' ' ')"; fi
}
await_file() { # seconds, file
    timeout "$1" bash -c 'until [[ -s $0 ]]; do sleep 0.2; done' "$2"
}

# After each suite: whoever was found was found in it.
found=0
nothing_found() { # name
    local all
    await_quiet wc -l "$events"
    all=$(grep -c '"class_uid":2004' "$events")
    if ((all == found)); then echo "ok $1: nothing was found"; else
        echo "not ok $1: $((all - found)) found, first: $(grep '"class_uid":2004' "$events" | tail -n +$((found + 1)) | head -n 1 | cut -c 1-1500)"
    fi
    found=$all
}

# What containers have as their root.
make_rootfs() {
    mkdir -p /srv/bundle/rootfs/{usr,proc,sys,dev,tmp,etc}
    for link in bin sbin lib lib64; do ln -sfn "usr/$link" "/srv/bundle/rootfs/$link"; done
    cp /usr/lib/os-release /srv/bundle/rootfs/etc/os-release
}

suite_su() {
    says "su" alice su alice -c 'id -un'
    says "su as who logs in" alice su - alice -c 'id -un'
    says "su with a password" '*bob*' as alice answer builder su bob -c 'id -un'
    says "runuser" alice runuser -u alice -- id -un
    says "runuser -l" alice runuser -l alice -c 'id -un'
    says "setpriv" "1000 1000" setpriv --reuid alice --regid alice --init-groups --inh-caps=-all --bounding-set=-all sh -c 'echo $(id -u) $(id -g)'
    says "setpriv with ambient capabilities" '*cap_net_raw*' setpriv --reuid alice --regid alice --clear-groups --inh-caps=+net_raw --ambient-caps=+net_raw capsh --print
    says "capsh" 1000 capsh --drop=cap_sys_admin --keep=1 --user=alice -- -c 'id -u'
    says "chroot --userspec" 1000 chroot --userspec=alice:alice / id -u
    says "start-stop-daemon" 1000 start-stop-daemon --start --chuid alice --exec /usr/bin/id -- -u
    says "sg" painters sg painters -c 'id -gn'
    says "newgrp" '*painters*' bash -c 'echo id -gn | newgrp painters'
    says "sg with a password" '*painters*' as bob answer brush sg painters -c 'id -gn'
    says "passwd -S" 'alice P*' su alice -c 'passwd -S'
    says "chage" '*' as alice chage -l alice
    says "chsh" '*' as alice answer wonderland chsh -s /bin/dash
    says "chfn" '*' as alice answer wonderland chfn -r 1
    says "passwd" '*updated successfully*' as bob answer builder:looking-glass-1:looking-glass-1 passwd
    echo bob:builder | chpasswd
    says "gpasswd" '*' gpasswd -a root painters
    says "ping with a capability of its file" '*1 received*' as alice ping -c 1 127.0.0.1
    says "mount and umount by a user" '*' bash -c 'mkdir -p /mnt/u; echo "tmpfs /mnt/u tmpfs noauto,user 0 0" >>/etc/fstab; setpriv --reuid alice --regid alice --init-groups sh -c "mount /mnt/u && umount /mnt/u && echo done"'
    says "login with a password" '*1000*' answer wonderland timeout 20 sh -c 'echo "id -u; exit" >/home/alice/.profile; exec login alice'
    refuses "a traced set-user-id program" as alice strace -qq -o /tmp/strace.out su bob -c id
    says "fakeroot" 0 as alice fakeroot-sysv id -u
}

suite_sudo() {
    says "sudo by root" 1000 sudo -u alice id -u
    says "sudo" 0 as alice sudo -n id -u
    says "sudo to a user and a group" "bob painters" as alice sudo -n -u bob -g painters sh -c 'echo $(id -un) $(id -gn)'
    says "sudo -i" 0 as alice sudo -n -i id -u
    says "sudo -s" 0 as alice sudo -n -s id -u
    says "sudo with a password" '*0' as bob answer builder sudo id -u
    says "sudo with a terminal" '*0*' as alice script -qec 'sudo -n id -u' /dev/null
    says "sudo in sudo" 1000 as alice sudo -n sudo -u alice sudo -n sudo -u alice id -u
    says "sudo -l" '*NOPASSWD*' as alice sudo -n -l
    says "sudoedit" '*' as alice env EDITOR=true sudo -n -e /etc/hostname
    refuses "sudo refuses" as bob sudo -n cat /etc/shadow
    says "sudo of a child of sudo" 0 as alice sudo -n bash -c 'for i in $(seq 5); do sudo -u alice sudo -n true; done; id -u'
    says "visudo -c" '*' visudo -c
    says "doas" 0 as alice doas id -u
    says "pkexec by root" 1000 pkexec --user alice id -u
    says "pkexec" 0 as alice pkexec id -u
    refuses "pkexec refuses" as bob pkexec --disable-internal-agent id -u
}

suite_services() {
    echo '* * * * * /usr/bin/id -un >/tmp/by-cron' | crontab -u alice -
    as alice crontab -l >/dev/null
    says "at" '*' as alice sh -c 'echo "id -un >/tmp/by-at" | at now'
    as root batch <<<'id -un >/tmp/by-batch' 2>/dev/null
    says "atd ran it" alice sh -c 'until test -s /tmp/by-at; do sleep 0.2; done; cat /tmp/by-at'
    dbus-send --system --dest=org.safeguard.Test --type=method_call / org.freedesktop.DBus.Peer.Ping
    check "the message bus starts a service as a user" await_file 60 /tmp/by-bus
    says "which is alice" alice cat /tmp/by-bus
    says "logind" '*' loginctl list-sessions
    ssh=(ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q)
    says "ssh" alice "${ssh[@]}" alice@127.0.0.1 id -un
    says "ssh as root" root "${ssh[@]}" root@127.0.0.1 id -un
    says "ssh with a terminal" '*alice*' "${ssh[@]}" -tt alice@127.0.0.1 id -un
    says "sudo by ssh" root "${ssh[@]}" alice@127.0.0.1 sudo -n id -un
    says "sftp" '*/etc/hostname*' bash -c 'echo "ls /etc/hostname" | sftp -b - -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q alice@127.0.0.1'
    says "scp" '*' bash -c 'scp -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null /etc/hostname alice@127.0.0.1:/tmp/scp && cat /tmp/scp'
    refuses "ssh refuses" "${ssh[@]}" bob@127.0.0.1 id
    says "ssh with a password" '*1001*' answer builder ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q -o PubkeyAuthentication=no bob@127.0.0.1 id -u
    says "five sessions at once" 5 bash -c 'for i in $(seq 5); do '"${ssh[*]}"' alice@127.0.0.1 true & done; wait; echo 5'
    for job in hourly daily; do says "run-parts of cron.$job" '*' run-parts "/etc/cron.$job"; done
    check "cron ran it" await_file 130 /tmp/by-cron
    says "as alice" alice cat /tmp/by-cron
    crontab -r -u alice
}

# What a unit may say about credentials. `run` waits, and hands on what was printed.
suite_units() {
    run=(systemd-run -q --wait --pipe)
    says "User" 1000 "${run[@]}" --uid=alice id -u
    says "User and Group" "1000 1001" "${run[@]}" --uid=alice --gid=bob sh -c 'echo $(id -u) $(id -g)'
    says "SupplementaryGroups" '*painters*' "${run[@]}" --uid=alice -p SupplementaryGroups=painters id -Gn
    says "DynamicUser" '6[0-9][0-9][0-9][0-9]' "${run[@]}" -p DynamicUser=yes id -u
    says "AmbientCapabilities" '*cap_net_raw*' "${run[@]}" --uid=alice -p AmbientCapabilities=CAP_NET_RAW capsh --print
    says "CapabilityBoundingSet" 0 "${run[@]}" -p CapabilityBoundingSet=CAP_NET_RAW id -u
    says "CapabilityBoundingSet of a user" 1000 "${run[@]}" --uid=alice -p CapabilityBoundingSet= id -u
    says "PrivateUsers" 0 "${run[@]}" -p PrivateUsers=yes id -u
    says "PrivateUsers of a user" 1000 "${run[@]}" --uid=alice -p PrivateUsers=yes id -u
    says "SecureBits" 0 "${run[@]}" -p SecureBits='keep-caps noroot' id -u
    says "NoNewPrivileges" 1000 "${run[@]}" --uid=alice -p NoNewPrivileges=yes id -u
    says "PAMName" 1000 "${run[@]}" --uid=alice -p PAMName=login id -u
    says "KeyringMode" 1000 "${run[@]}" --uid=alice -p KeyringMode=shared id -u
    says "what confines a service" 1000 "${run[@]}" --uid=alice -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes \
        -p ProtectKernelTunables=yes -p ProtectControlGroups=yes -p RestrictNamespaces=yes -p RestrictSUIDSGID=yes -p LockPersonality=yes \
        -p MemoryDenyWriteExecute=yes -p SystemCallFilter=@system-service -p PrivateNetwork=yes -p ProtectProc=invisible id -u
    says "a directory as its root" 0 "${run[@]}" -p RootDirectory=/srv/bundle/rootfs -p BindReadOnlyPaths=/usr -p MountAPIVFS=yes id -u
    says "a credential" secret "${run[@]}" -p SetCredential=x:secret sh -c 'cat $CREDENTIALS_DIRECTORY/x'
    says "directories of its own" '*' "${run[@]}" -p DynamicUser=yes -p StateDirectory=x -p CacheDirectory=x -p RuntimeDirectory=x sh -c 'touch $STATE_DIRECTORY/y && echo done'
    says "a scope" 1000 systemd-run -q --scope --uid=alice id -u
    says "a socket's service" '*' bash -c 'systemd-run -q --socket-property=ListenStream=/run/suite.sock --socket-property=Accept=yes --uid=alice -p StandardInput=socket id; timeout 20 nc -NU /run/suite.sock </dev/null'
    says "a user's manager" 1000 systemd-run -q --user -M alice@.host --wait --pipe id -u
    says "PrivateUsers of a user's manager" '*' systemd-run -q --user -M alice@.host --wait --pipe -p PrivateUsers=yes id -u
    says "machinectl shell" '*alice*' timeout 60 script -qec 'machinectl -q shell alice@.host /usr/bin/id -un' /dev/null
    for prefix in '' + ! !!; do
        printf '[Service]\nType=oneshot\nUser=alice\nExecStart=%s/bin/sh -c "id -u >/tmp/by-unit"\n' "$prefix" >/run/systemd/system/suite.service
        systemctl daemon-reload
        says "ExecStart=${prefix:-as it is}" '*' bash -c 'rm -f /tmp/by-unit; systemctl start suite.service && cat /tmp/by-unit'
    done
}

suite_containers() {
    says "unshare -Ur" 0 unshare -Ur id -u
    says "unshare by a user" 0 as alice unshare -Ur id -u
    says "all namespaces" '*' as alice unshare -UrmpfuinC --mount-proc sh -c 'mount -t tmpfs x /mnt && id -u'
    says "one in another" 0 as alice unshare -Ur unshare -Ur unshare -Ur id -u
    says "newuidmap and newgidmap" 5 as alice unshare -Ur --map-auto --setuid 0 setpriv --reuid 5 --regid 5 --clear-groups id -u
    says "lxc-usernsexec" '*7*' as alice lxc-usernsexec -m b:0:100000:1000 -- setpriv --reuid 7 --regid 7 --clear-groups id -u
    says "lxc-unshare" '*' lxc-unshare -s 'MOUNT|PID|UTSNAME|IPC' -- id -u
    says "bwrap" 1000 as alice bwrap --bind / / --dev /dev --proc /proc --unshare-all --die-with-parent id -u
    says "bwrap as another" 0 as alice bwrap --bind / / --unshare-user --uid 0 --gid 0 id -u
    says "bwrap by root" 0 bwrap --bind / / --proc /proc --unshare-pid id -u
    says "firejail" '*1000*' as alice firejail --quiet --noprofile --private-tmp id -u
    says "a user namespace with mounts of overlay" '*low*' as alice unshare -Urm sh -c 'mkdir -p /tmp/o/l /tmp/o/u /tmp/o/w /tmp/o/m; echo low >/tmp/o/l/f; mount -t overlay o -o lowerdir=/tmp/o/l,upperdir=/tmp/o/u,workdir=/tmp/o/w /tmp/o/m && echo more >>/tmp/o/m/f; cat /tmp/o/m/f'
    says "fuse-overlayfs" '*' as alice unshare -Urm sh -c 'mkdir -p /tmp/q/l /tmp/q/u /tmp/q/w /tmp/q/m; echo low >/tmp/q/l/f; fuse-overlayfs -o lowerdir=/tmp/q/l,upperdir=/tmp/q/u,workdir=/tmp/q/w /tmp/q/m && cat /tmp/q/m/f'
    says "nspawn" 0 systemd-nspawn -q --register=no --keep-unit --pipe -D /srv/bundle/rootfs --bind-ro=/usr /usr/bin/id -u
    says "nspawn with users of its own" 0 systemd-nspawn -q --register=no --keep-unit --pipe -U -D /srv/bundle/rootfs --bind-ro=/usr /usr/bin/id -u
    chown -R alice /srv/bundle
    mount --bind /usr /srv/bundle/rootfs/usr
    (
        cd /srv/bundle || exit
        crun spec
        python3 - <<'PY'
import json
with open("config.json") as f:
    spec = json.load(f)
spec["process"].update(args=["id", "-u"], terminal=False, user={"uid": 42, "gid": 42, "additionalGids": [7]})
spec["root"]["readonly"] = False
with open("config.json", "w") as f:
    json.dump(spec, f)
PY
        says "crun" 42 crun run suite
        rm -f config.json
        install -d -o alice -m 700 /run/alice
        as alice crun spec --rootless
        sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"id"/' config.json
        says "crun by a user" '*uid=0*' as alice env XDG_RUNTIME_DIR=/run/alice crun --cgroup-manager=disabled run suite
    )
    umount /srv/bundle/rootfs/usr
    unshare -Ur sleep 60 &
    pid=$!
    timeout 20 bash -c 'until [[ $(readlink /proc/$0/ns/user) != $(readlink /proc/self/ns/user) ]]; do sleep 0.1; done' "$pid"
    says "nsenter" 0 nsenter -t "$pid" -U --preserve-credentials id -u
    kill "$pid"
    says "keyctl session" '*' as alice keyctl session - sh -c 'keyctl add user k v @s && sudo -n id -u'
    says "keyctl session for the parent" '*' as alice bash -c 'keyctl new_session; id -un'
}

# The suites that Debian has: those of util-linux on the programs of this host, those of systemd, and what wears the kernel out.
suite_util_linux() {
    local passed
    mkdir -p /srv/util-linux
    cp -a /opt/safeguard/share/util-linux-tests /srv/util-linux/tests
    (cd /srv/util-linux && timeout 1500 tests/run.sh --use-system-commands --srcdir=/srv/util-linux --builddir=/srv/util-linux) >/tmp/util-linux.log 2>&1 </dev/null
    passed=$(grep -c '\.\.\. OK' /tmp/util-linux.log)
    sed 's/^/# /' /tmp/util-linux.log
    check "util-linux: $passed of its tests passed" test "$passed" -ge 60
}

suite_systemd() {
    local passed=0 test status
    for test in acl-util async bus-creds bus-server capability chown-rec copy exec-util execute fd-util fs-util loopback mount-util \
        mountpoint-util namespace nss-users process-util rlimit-util rm-rf sched-prio seccomp serialize sleep socket-util stat-util sysusers.sh \
        tmpfiles uid-range umount user-util watch-pid xattr-util; do
        [[ -x /usr/lib/systemd/tests/test-$test ]] || { echo "# systemd: there is no test-$test"; continue; }
        timeout 900 "/usr/lib/systemd/tests/test-$test" >/tmp/systemd-test.log 2>&1 </dev/null
        status=$?
        echo "# systemd: test-$test $status"
        ((status == 0)) && passed=$((passed + 1))
    done
    check "systemd: $passed of its tests passed" test "$passed" -ge 20
}

suite_stress() {
    local name passed=0 status
    for name in cap chroot clone daemon env exec fork get io-uring key prctl rlimit session set sigchld spawn switch unshare vfork vforkmany zombie; do
        stress-ng --quiet "--$name" 2 --timeout 3 >/dev/null 2>&1
        status=$?
        echo "# stress-ng --$name $status"
        ((status == 0)) && passed=$((passed + 1))
    done
    check "stress-ng: $passed of its kinds ended well" test "$passed" -ge 15
    check "every legitimate change" sg-legitimate
    bash "$here/credentials_honest.sh" 2>&1 | sed 's/^/# /'
}

check "accounts, programs and services are as Debian makes them" own_root
make_rootfs
# Nothing is denied: where something is, whoever moves a mount by the old call is refused.
mkdir -p "$policies"
cat >"$policies/10-watch.yaml" <<'YAML'
safeguard: 1
name: watch
mode: enforce
files:
  - {path: /etc/shadow, access: write, do: audit}
YAML
echo "the secret" >/srv/secret
chmod 640 /srv/secret
credentials=enforce
check "an agent that is to enforce" start_agent
suites=("$@")
((${#suites[@]})) || suites=(su sudo services units containers stress systemd util_linux)
for suite in "${suites[@]}"; do
    start=$SECONDS
    "suite_$suite"
    nothing_found "$suite"
    echo "# $suite took $((SECONDS - start)) s"
done
check "nothing was in doubt" test "$(status_number losses credentials_doubt)" = 0
check "all had room" test "$(status_number losses credentials_full)" = 0

# It can be found: the same agent, after all that.
check "the module" python3 "$tools/loader.py" "$tools/tamper.ko"
chmod 666 /sys/module/tamper/parameters/do
as alice "$(command -v sg-victim)" ids open >/tmp/said 2>&1
check "a process that the kernel was made to take for root is killed" test $? = 137
check "before it used it" bash -c '! grep -q "the secret" /tmp/said'
check "and that is found" await 60 '"class_uid":2004' "$events"
await_quiet wc -l "$events"
check "once" test "$(grep -c '"class_uid":2004' "$events")" = $((found + 1))
check "it ends, and nothing stays" safeguard stop --detach
wait "$agent" 2>/dev/null
