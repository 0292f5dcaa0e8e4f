#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every key of a subject decides in the kernel: whom it names is refused, who is next to it is not, and nobody becomes
# one by what he can do to himself. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
s=/srv/s

# name, command…: refused with EPERM, or let through.
yes() {
    local name=$1
    shift
    if "$@" >/tmp/out 2>&1; then
        echo "not ok $name: let through"
    elif grep -qiE 'not permitted|Errno 1\b' /tmp/out; then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -n 1 /tmp/out)"
    fi
}
no() {
    local name=$1
    shift
    if "$@" >/tmp/out 2>&1; then echo "ok $name"; else echo "not ok $name: $(tail -n 1 /tmp/out)"; fi
}
alice() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
in_cgroup() { bash -c 'echo $$ >"/sys/fs/cgroup$1/cgroup.procs" && shift && exec "$@"' - "$@"; }
move_and_read() { bash -c 'echo $$ >"/sys/fs/cgroup$1/cgroup.procs" && read -r x <"$2"' - "$@"; }

programs() {
    yes "exe.named" cat $s/exe
    no "exe.another" head -n 1 $s/exe
    cp /usr/bin/cat /tmp/cat
    no "exe.a copy" /tmp/cat $s/exe
    yes "parent.named" dash -c "cat $s/parent; exit \$?"
    no "parent.another" bash -c "cat $s/parent; exit \$?"
    no "parent.only a grandparent" dash -c "bash -c 'cat $s/parent; exit \$?'; exit \$?"
    yes "ancestor.named" timeout 20 bash -c "cat $s/ancestor; exit \$?"
    yes "ancestor.far" timeout 20 bash -c "bash -c 'cat $s/ancestor; exit \$?'; exit \$?"
    no "ancestor.none" bash -c "cat $s/ancestor; exit \$?"
    yes "descendants.a child" timeout 20 cat $s/descendants
    yes "descendants.an orphan" bash -c "timeout 20 bash -c '(sleep 0.2; cat $s/descendants >/tmp/orphan 2>&1; echo done >>/tmp/orphan) & exit 0';
        until grep -q done /tmp/orphan 2>/dev/null; do sleep 0.1; done; cat /tmp/orphan; ! grep -q 'not permitted' /tmp/orphan"
    no "descendants.none" cat $s/descendants
}

ids() {
    yes "user.named" alice cat $s/user
    no "user.another" cat $s/user
    yes "user.effective" python3 -c "import os; os.seteuid(1000); open('$s/user')"
    no "user.and back" python3 -c "import os; os.seteuid(1000); os.seteuid(0); open('$s/user')"
    yes "user.in a namespace of his own" alice unshare --user --map-root-user cat $s/user
    yes "group.supplementary" setpriv --groups=2000 cat $s/group
    yes "group.effective" setpriv --regid=2000 --clear-groups cat $s/group
    yes "group.without exec" python3 -c "import os; open('$s/group'); os.setgroups([5, 2000]); open('$s/group')"
    no "group.another" setpriv --groups=2001 cat $s/group
    yes "both.all keys" setpriv --reuid=1000 --regid=1000 --groups=2000 cat $s/both
    no "both.one key" alice cat $s/both
    no "both.the other key" setpriv --groups=2000 cat $s/both
    yes "login_user.named" bash -c "echo 1000 >/proc/self/loginuid && exec cat $s/login"
    no "login_user.another" bash -c "echo 1001 >/proc/self/loginuid && exec cat $s/login"
    no "login_user.none" cat $s/login
}

capabilities() {
    yes "capability.there" cat $s/capability
    no "capability.taken" setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin cat $s/capability
    no "capability.user" alice cat $s/capability
    no "capability.exempts" cat $s/capability-only
    yes "capability.exempts nobody else" alice cat $s/capability-only
    yes "capability.not by a namespace of his own" alice unshare --user --map-root-user cat $s/capability-only
}

places() {
    mkdir -p /sys/fs/cgroup/test.slice/sub /sys/fs/cgroup/test.slice2 /sys/fs/cgroup/docker/web /sys/fs/cgroup/docker/db
    yes "cgroup.named" in_cgroup /test.slice cat $s/cgroup
    yes "cgroup.beneath" in_cgroup /test.slice/sub cat $s/cgroup
    yes "cgroup.without exec" move_and_read /test.slice $s/cgroup
    no "cgroup.a near name" in_cgroup /test.slice2 cat $s/cgroup
    no "cgroup.none" cat $s/cgroup
    yes "container.named" in_cgroup /docker/web cat $s/container
    no "container.another" in_cgroup /docker/db cat $s/container
    no "container.none" cat $s/container
    yes "session.ssh" /usr/sbin/sshd -c "cat $s/session; exit \$?"
    yes "session.lasts" /usr/sbin/sshd -c "bash -c 'cat $s/session; exit \$?'; exit \$?"
    yes "session.lasts without privileges" /usr/sbin/sshd -c "setpriv --reuid=1000 --regid=1000 --clear-groups cat $s/session; exit \$?"
    no "session.none" cat $s/session
    no "session.not by starting sshd oneself" alice /usr/sbin/sshd -c "cat $s/session; exit \$?"
    yes "namespace.container" unshare --pid --fork cat $s/namespace
    yes "namespace.container with users of its own" unshare --user --map-root-user --pid --fork cat $s/namespace
    no "namespace.host" cat $s/namespace
    no "namespace.container exempts" unshare --pid --fork cat $s/namespace-only
    yes "namespace.host does not" cat $s/namespace-only
    yes "namespace.not by a user namespace of his own" alice unshare --user --map-root-user cat $s/namespace-only
    yes "namespace.not by pids of his own" alice unshare --user --map-root-user --pid --fork cat $s/namespace-only
    yes "namespace.not by root's users" unshare --user --map-root-user cat $s/namespace-only
    yes "time.inside" cat $s/time-in
    no "time.outside" cat $s/time-out
}

# Overwrites its own environment, then opens; with a child that does it before it first asks.
overwrite='
import ctypes, os, sys
f = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
start, end = int(f[47]), int(f[48])
def wipe():
    ctypes.memset(start, 0, end - start)
if sys.argv[1] == "child" and os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
wipe()
open(sys.argv[2])'
environments() {
    yes "env.set" env SG_KEY=on cat $s/env
    no "env.another value" env SG_KEY=off cat $s/env
    no "env.longer value" env SG_KEY=on2 cat $s/env
    no "env.a near name" env SG_KEY2=on XSG_KEY=on cat $s/env
    no "env.not set" env -u SG_KEY cat $s/env
    yes "env.first" env -i SG_KEY=on /usr/bin/cat $s/env
    no "env.empty" env -i /usr/bin/cat $s/env
    yes "env.child of a shell" bash -c "export SG_KEY=on; cat $s/env; exit \$?"
    no "env.set after the exec" bash -c "export SG_KEY=on; read -r x <$s/env"
    yes "env.glob" env SG_A=/tmp/a/b SG_B=xyz cat $s/env-glob
    no "env.glob, only one of two" env SG_A=/tmp/a/b cat $s/env-glob
    no "env.glob, one does not match" env SG_A=/var/tmp/a SG_B=xyz cat $s/env-glob
    yes "env.behind long ones" env -i LONG="$(head -c 100000 /dev/zero | tr '\0' x)" SG_KEY=on /usr/bin/cat $s/env
    yes "env.255 bytes in front" env -i L="$(head -c 253 /dev/zero | tr '\0' x)" SG_KEY=on /usr/bin/cat $s/env
    yes "env.overwritten" env SG_KEY=on python3 -c "$overwrite" self $s/env
    yes "env.overwritten in a child" env SG_KEY=on python3 -c "$overwrite" child $s/env
    no "env.overwritten without" python3 -c "$overwrite" self $s/env
    mapfile -t many < <(seq -f 'V%g=1' 1500)
    no "env.many before the bound" env -i "${many[@]:0:900}" /usr/bin/cat $s/env
    yes "env.what is cut counts as set" env -i "${many[@]}" /usr/bin/cat $s/env
}

if [[ ${1:-} == run ]]; then
    programs
    ids
    capabilities
    places
    environments
    exit 0
fi

mkdir -p $s
sed -n 's/.*{path: \([^,]*\),.*/\1/p' "$cases/subjects.yaml" | while read -r file; do echo content >"$file"; done
cp /usr/bin/bash /usr/sbin/sshd
sysctl -qw kernel.unprivileged_userns_clone=1 2>/dev/null
noon=$(date -d "12:00" +%s)
sg-protect -p "$cases/subjects.yaml" -w "$noon" -o /tmp/records bash "$0" run >/tmp/subjects 2>/tmp/subjects.err
status=$?
cat /tmp/subjects
if ((status != 0)); then
    tail -n 5 /tmp/subjects.err >&2
    echo "not ok policy in force"
    exit 1
fi
python3 - <<'PY'
import json
records = [json.loads(line) for line in open("/tmp/records")]
cut = [r for r in records if r["kind"] == "counter" and r["counter"] == 24]
print("ok" if cut else "not ok", "env.what is cut is counted")
denied = [r for r in records if r["kind"] == "file" and r["outcome"] == "denied" and not r["merged"]]
print("ok" if len(denied) > 30 else "not ok", "records of denials:", len(denied))
PY
