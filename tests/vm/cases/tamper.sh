#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What root may try on safeguard itself: tests/vm/tamper/attempts.py. The agent runs in a cgroup of its own, in monitor mode: its defence is
# none of the policy's. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
vault_policy any
mkdir -p /etc/safeguard /var/log/safeguard /etc/systemd/system/multi-user.target.wants /sys/fs/cgroup/tamper.slice
echo "log_level: info" >/etc/safeguard/agent.yaml
ln -sf /usr/lib/systemd/system/safeguard-agent.service /etc/systemd/system/multi-user.target.wants/
mount -t tmpfs -o size=4M none /var/log/safeguard
echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
echo '+cpu +memory +pids' >/sys/fs/cgroup/tamper.slice/cgroup.subtree_control 2>/dev/null
for controller in +cpuset +io; do
    for place in /sys/fs/cgroup /sys/fs/cgroup/tamper.slice; do echo $controller >$place/cgroup.subtree_control; done
done 2>/dev/null
mkdir -p /sys/fs/cgroup/tamper.slice/safeguard-agent.service
# Where what is attempted on the program happens to nobody else's.
cp /opt/safeguard/bin/safeguard-agent /opt/safeguard/bin/safeguard-server /usr/sbin/

defence=yes
# As its unit has it.
in_cgroup() {
    echo 0 >"$group/cgroup.procs"
    echo -900 >/proc/self/oom_score_adj
    exec setsid "$@" 6>&- 7>&- 8>&-
}
# Held from before there is an agent, for attempts by them.
group=/sys/fs/cgroup/tamper.slice/safeguard-agent.service
exec 6>"$group/cgroup.freeze" 8<>/proc/sys/kernel/ftrace_enabled
[[ -e $group/cgroup.kill ]] && exec 7>"$group/cgroup.kill"
: >"$run_log"
(in_cgroup /usr/sbin/safeguard-agent --mode monitor) >"$run_log" 2>&1 &
agent=$!
check "the agent starts" await 600 'ready after' "$run_log"
# Whom to trace: the server's program, waiting for somebody to read what it writes.
mkfifo /tmp/waits
/usr/sbin/safeguard-server --generate openapi >/tmp/waits &
server=$!
exec 9</tmp/waits

python3 "$(dirname "$0")/tamper.py" "$agent" "$server" "$run_log" || echo "not ok all of it was tried"
exec 9<&-
tail -n 3 "$run_log" >&2
