#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every key of a subject decides in the kernel: whom it names is refused, who is next to it is not, and nobody becomes
# one by what he can do to himself. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
s=/srv/s

alice() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
in_cgroup() { bash -c 'echo $$ >"/sys/fs/cgroup$1/cgroup.procs" && shift && exec "$@"' - "$@"; }
move_and_read() { bash -c 'echo $$ >"/sys/fs/cgroup$1/cgroup.procs" && read -r x <"$2"' - "$@"; }

programs() {
    refused "exe.named" cat $s/exe
    check "exe.another" head -n 1 $s/exe
    cp /usr/bin/cat /tmp/cat
    check "exe.a copy" /tmp/cat $s/exe
    refused "parent.named" dash -c "cat $s/parent; exit \$?"
    check "parent.another" bash -c "cat $s/parent; exit \$?"
    check "parent.only a grandparent" dash -c "bash -c 'cat $s/parent; exit \$?'; exit \$?"
    refused "ancestor.named" timeout 20 bash -c "cat $s/ancestor; exit \$?"
    refused "ancestor.far" timeout 20 bash -c "bash -c 'cat $s/ancestor; exit \$?'; exit \$?"
    check "ancestor.none" bash -c "cat $s/ancestor; exit \$?"
    refused "descendants.a child" timeout 20 cat $s/descendants
    refused "descendants.an orphan" bash -c "timeout 20 bash -c '(sleep 0.2; cat $s/descendants >/tmp/orphan 2>&1; echo done >>/tmp/orphan) & exit 0';
        until grep -q done /tmp/orphan 2>/dev/null; do sleep 0.1; done; cat /tmp/orphan; ! grep -q 'not permitted' /tmp/orphan"
    check "descendants.none" cat $s/descendants
}

ids() {
    refused "user.named" alice cat $s/user
    check "user.another" cat $s/user
    refused "user.effective" python3 -c "import os; os.seteuid(1000); open('$s/user')"
    check "user.and back" python3 -c "import os; os.seteuid(1000); os.seteuid(0); open('$s/user')"
    refused "user.in a namespace of his own" alice unshare --user --map-root-user cat $s/user
    refused "group.supplementary" setpriv --groups=2000 cat $s/group
    refused "group.effective" setpriv --regid=2000 --clear-groups cat $s/group
    refused "group.without exec" python3 -c "import os; open('$s/group'); os.setgroups([5, 2000]); open('$s/group')"
    check "group.another" setpriv --groups=2001 cat $s/group
    refused "both.all keys" setpriv --reuid=1000 --regid=1000 --groups=2000 cat $s/both
    check "both.one key" alice cat $s/both
    check "both.the other key" setpriv --groups=2000 cat $s/both
    refused "login_user.named" bash -c "echo 1000 >/proc/self/loginuid && exec cat $s/login"
    check "login_user.another" bash -c "echo 1001 >/proc/self/loginuid && exec cat $s/login"
    check "login_user.none" cat $s/login
}

capabilities() {
    refused "capability.there" cat $s/capability
    check "capability.taken" setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin cat $s/capability
    check "capability.user" alice cat $s/capability
    check "capability.exempts" cat $s/capability-only
    refused "capability.exempts nobody else" alice cat $s/capability-only
    refused "capability.not by a namespace of his own" alice unshare --user --map-root-user cat $s/capability-only
}

places() {
    mkdir -p /sys/fs/cgroup/test.slice/sub /sys/fs/cgroup/test.slice2 /sys/fs/cgroup/docker/web /sys/fs/cgroup/docker/db
    refused "cgroup.named" in_cgroup /test.slice cat $s/cgroup
    refused "cgroup.beneath" in_cgroup /test.slice/sub cat $s/cgroup
    refused "cgroup.without exec" move_and_read /test.slice $s/cgroup
    check "cgroup.a near name" in_cgroup /test.slice2 cat $s/cgroup
    check "cgroup.none" cat $s/cgroup
    refused "container.named" in_cgroup /docker/web cat $s/container
    check "container.another" in_cgroup /docker/db cat $s/container
    check "container.none" cat $s/container
    refused "namespace.container" unshare --pid --fork cat $s/namespace
    refused "namespace.container with users of its own" unshare --user --map-root-user --pid --fork cat $s/namespace
    check "namespace.host" cat $s/namespace
    check "namespace.container exempts" unshare --pid --fork cat $s/namespace-only
    refused "namespace.host does not" cat $s/namespace-only
    refused "namespace.not by a user namespace of his own" alice unshare --user --map-root-user cat $s/namespace-only
    refused "namespace.not by pids of his own" alice unshare --user --map-root-user --pid --fork cat $s/namespace-only
    refused "namespace.not by root's users" unshare --user --map-root-user cat $s/namespace-only
    refused "time.inside" cat $s/time-in
    check "time.outside" cat $s/time-out
}

# What opens a session is the program that root executes (copies of bash where the daemon is not there), in a terminal
# agetty(8); what init starts and nobody else opened is a service; what the kernel starts is none.
on_console() { # program
    python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
        agetty --noclear --noissue --skip-login --login-program "$1" - linux </dev/null
}
helper() { # waits for what the kernel's helper for crashes wrote
    rm -f /tmp/helped
    bash -c 'kill -SEGV $$'
    timeout 60 bash -c 'until [[ -e /tmp/helped ]]; do sleep 0.1; done' && cat /tmp/helped && ! grep -q 'not permitted' /tmp/helped
}
as_helper() { # file
    printf '#!/bin/bash\ncat %s >/tmp/helping 2>&1\nmv /tmp/helping /tmp/helped\n' "$1" >/tmp/helper.sh
    helper
}

sessions() {
    refused "session.ssh" /usr/sbin/sshd -c "cat $s/session; exit \$?"
    refused "session.lasts" /usr/sbin/sshd -c "bash -c 'cat $s/session; exit \$?'; exit \$?"
    refused "session.lasts without privileges" /usr/sbin/sshd -c "setpriv --reuid=1000 --regid=1000 --clear-groups cat $s/session; exit \$?"
    check "session.not by starting sshd oneself" alice /usr/sbin/sshd -c "cat $s/session; exit \$?"
    refused "session.cron" /usr/sbin/cron -c "cat $s/session-cron; exit \$?"
    refused "session.cron lasts" /usr/sbin/cron -c "setpriv --reuid=1000 --regid=1000 --clear-groups bash -c 'cat $s/session-cron; exit \$?'; exit \$?"
    check "session.cron, not by starting it oneself" alice /usr/sbin/cron -c "cat $s/session-cron; exit \$?"
    printf '#!/bin/bash\ncat %s\nexit $?\n' $s/session-console >/tmp/console.sh
    refused "session.console" on_console /tmp/console.sh
    printf '#!/bin/bash\ncat %s %s %s\nexit $?\n' $s/session $s/session-cron $s/session-service >/tmp/console.sh
    check "session.console is none of the others" on_console /tmp/console.sh
    refused "session.service" cat $s/session-service
    refused "session.service of a user" alice cat $s/session-service
    check "session.service is none of the others" cat $s/session $s/session-cron $s/session-console $s/session-none
    check "session.ssh is none of the others" /usr/sbin/sshd -c "cat $s/session-cron $s/session-console $s/session-service; exit \$?"
    check "session.cron is none of the others" /usr/sbin/cron -c "cat $s/session $s/session-console $s/session-service; exit \$?"
    refused "session.the last that was opened" /usr/sbin/cron -c "/usr/sbin/sshd -c 'cat $s/session; exit \$?'; exit \$?"
    check "session.no longer that before" /usr/sbin/cron -c "/usr/sbin/sshd -c 'cat $s/session-cron; exit \$?'; exit \$?"
    refused "session.none" as_helper $s/session-none
    check "session.none is none of the others" as_helper $s/session-service
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
    refused "env.set" env SG_KEY=on cat $s/env
    check "env.another value" env SG_KEY=off cat $s/env
    check "env.longer value" env SG_KEY=on2 cat $s/env
    check "env.a near name" env SG_KEY2=on XSG_KEY=on cat $s/env
    check "env.not set" env -u SG_KEY cat $s/env
    refused "env.first" env -i SG_KEY=on /usr/bin/cat $s/env
    check "env.empty" env -i /usr/bin/cat $s/env
    refused "env.child of a shell" bash -c "export SG_KEY=on; cat $s/env; exit \$?"
    check "env.set after the exec" bash -c "export SG_KEY=on; read -r x <$s/env"
    refused "env.glob" env SG_A=/tmp/a/b SG_B=xyz cat $s/env-glob
    check "env.glob, only one of two" env SG_A=/tmp/a/b cat $s/env-glob
    check "env.glob, one does not match" env SG_A=/var/tmp/a SG_B=xyz cat $s/env-glob
    refused "env.behind long ones" env -i LONG="$(head -c 100000 /dev/zero | tr '\0' x)" SG_KEY=on /usr/bin/cat $s/env
    refused "env.255 bytes in front" env -i L="$(head -c 253 /dev/zero | tr '\0' x)" SG_KEY=on /usr/bin/cat $s/env
    refused "env.overwritten" env SG_KEY=on python3 -c "$overwrite" self $s/env
    refused "env.overwritten in a child" env SG_KEY=on python3 -c "$overwrite" child $s/env
    check "env.overwritten without" python3 -c "$overwrite" self $s/env
    mapfile -t many < <(seq -f 'V%g=1' 1500)
    check "env.many before the bound" env -i "${many[@]:0:900}" /usr/bin/cat $s/env
    refused "env.what is cut counts as set" env -i "${many[@]}" /usr/bin/cat $s/env
}

tasks() {
    mapfile -t many < <(seq 1001 1299)
    refused "group.the last of 300" setpriv --groups="$(IFS=,; echo "${many[*]},2000")" cat $s/group
    refused "group.the first of 300" setpriv --groups="2000,$(seq -s, 3001 3299)" cat $s/group
    refused "group.the middle of 300" setpriv --groups="$(seq -s, 1001 1150),2000,$(seq -s, 3001 3149)" cat $s/group
    check "group.none of 300" setpriv --groups="$(IFS=,; echo "${many[*]},2001")" cat $s/group
    refused "group.one more of 300" python3 -c "import os; g = list(range(1001, 1301)); os.setgroups(g); open('$s/group'); os.setgroups(g + [2000]); open('$s/group')"
    refused "descendants.an orphan's thread" sg-do reap timeout 20 sg-do orphan-thread cat $s/descendants
    check "descendants.an orphan's thread of none" sg-do reap sg-do orphan-thread cat $s/descendants
    refused "session.an orphan's thread" sg-do reap /usr/sbin/sshd -c "sg-do orphan-thread cat $s/session; exit \$?"
    refused "overlay.user" alice cat $s/merged/secret
    check "overlay.another user" cat $s/merged/secret
    refused "overlay.user beneath" alice cat $s/lower/secret
}

if [[ ${1:-} == run ]]; then
    tasks
    programs
    ids
    capabilities
    places
    sessions
    environments
    exit 0
fi

modprobe overlay
mkdir -p $s/{lower,upper,work,merged}
sed -n 's/.*{path: \([^,]*\),.*/\1/p' "$cases/subjects.yaml" | while read -r file; do echo content >"$file"; done
mount -t overlay -o lowerdir=$s/lower,upperdir=$s/upper,workdir=$s/work overlay $s/merged || echo "not ok an overlay"
cp /usr/bin/bash /usr/sbin/sshd
cp /usr/bin/bash /usr/sbin/cron
printf '#!/bin/bash\n' >/tmp/helper.sh && printf '#!/bin/bash\n' >/tmp/console.sh && chmod +x /tmp/helper.sh /tmp/console.sh
echo '|/tmp/helper.sh' >/proc/sys/kernel/core_pattern
sysctl -qw kernel.unprivileged_userns_clone=1 2>/dev/null
under_policy -p "$cases/subjects.yaml" -w "$(date -d "12:00" +%s)"
about_records '
cut = [r for r in records if r["kind"] == "counter" and r["counter"] == 24]
check("env.what is cut is counted", bool(cut))
check("records of denials: %d" % len(denied), len(denied) > 30)
beneath = [r["uid"] for r in denied if r.get("path") == "/srv/s/lower/secret"]
check("overlay.records name the user: %s" % beneath, len(beneath) >= 2 and set(beneath) == {1000})'
