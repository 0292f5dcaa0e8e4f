#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the kernel adds up about scheduling is what loads of a known kind really do, and rules that schedule hold: from the first
# instruction on, after a change by others, and until they go. Nobody stays stopped for them. Runs inside a VM with two
# CPUs. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/schedule.lib
. "$(dirname "$0")/schedule.lib"

attached() { bpftool -j prog show | grep -c '"name":"sched_switch_'; }

top() {
    local hog nap wait look short
    check "top.nothing is attached before somebody looks" test "$(attached)" = 0
    sg-load hog 60 >/tmp/hog.out &
    hog=$!
    sg-load nap 20 60 &
    nap=$!
    sg-load wait 60 &
    wait=$!
    timeout 60 safeguard top --sched --json --interval 2s --once --limit 1000 >/tmp/top.json
    check "top.attached while somebody looks" test "$(attached)" = 1
    compare loads /tmp/top.json $hog $nap $wait
    timeout 60 safeguard top --json --interval 1s --once >/tmp/plain.json
    compare plain /tmp/plain.json $hog
    timeout 60 safeguard top --sched --interval 500ms --once >/tmp/top.txt
    check "top.a table" grep -qE 'waiting for a CPU: mean .* below' /tmp/top.txt
    kill $hog $nap $wait
    timeout 60 safeguard top --sched --json --interval 500ms --limit 1000 >/tmp/short.json &
    look=$!
    check "top.a look" timeout 20 bash -c 'until grep -q "since_start\":false" <(tr -d " \n" </tmp/short.json); do sleep 0.1; done'
    sg-load threads 3 300 >/tmp/short &
    short=$!
    wait $short
    # The one that tells of its end.
    check "top.a look that tells of an end" timeout 20 bash -c 'until tr -d " \n" </tmp/short.json | grep -q "\"pid\":'$short',[^}]*\"ended\":true"; do sleep 0.1; done'
    kill $look
    wait $look
    compare short /tmp/short.json $short /tmp/short
    safeguard top --sched --json --once --interval 100ms >/tmp/before.json
    sg-load forks 2000
    timeout 60 safeguard top --sched --json --once --interval 100ms --limit 1000 >/tmp/forks.json
    compare forks /tmp/before.json /tmp/forks.json
    compare terminal $agent
    start_agent safeguard-agent
}

shares() {
    mkdir -p $groups/light.slice $groups/usual.slice
    against "share.weight of a group" 0.2 in_group /light.slice taskset -c 0 /srv/other -- in_group /usual.slice taskset -c 0 /srv/other
    check "share.its file" grep -qx 20 $groups/light.slice/cpu.weight
    against "share.weight of a program" 0.2 taskset -c 0 /srv/light -- taskset -c 0 /srv/other
    against "share.nice" 0.107 taskset -c 0 /srv/nice -- taskset -c 0 /srv/other
    /srv/half hog 6 >/tmp/half &
    wait $!
    compare quota "share.quota" 0.5 6 /tmp/half
    check "share.empty groups go" timeout 40 bash -c 'while compgen -G "/sys/fs/cgroup/safeguard-*" >/dev/null; do sleep 0.5; done'
}

reasons() {
    local disk read stopped parent
    disk=/dev/$(lsblk -dno NAME | grep -m 1 -E '^[vs]d')
    sg-load read "$disk" 60 &
    read=$!
    sg-load stopped &
    stopped=$!
    sg-load parent 60 &
    parent=$!
    timeout 60 safeguard top --sched --json --interval 2s --once --limit 1000 >/tmp/reasons.json
    compare reasons /tmp/reasons.json io=$read stopped=$stopped lock=$parent
    kill -KILL $read $stopped $parent
    wait $read $stopped $parent 2>/dev/null
}

nice_of() { awk '{ print $19 }' <"/proc/$1/stat"; }
becomes() { # nice value, pid, seconds
    timeout "$3" bash -c 'until [[ $(awk "{ print \$19 }" </proc/$1/stat) = "$2" ]]; do sleep 0.2; done' - "$2" "$1"
}

kept_and_undone() {
    local pid pinned
    check "kept.what ran before the policy" becomes 10 $older 5
    /srv/nice nap 100 300 &
    pid=$!
    /srv/pinned nap 100 300 &
    pinned=$!
    check "kept.at first" becomes 10 $pid 10
    python3 -c "import os, sys; os.setpriority(os.PRIO_PROCESS, int(sys.argv[1]), 3)" $pid
    check "kept.others may change it" test "$(nice_of $pid)" = 3
    check "kept.after somebody changed it" becomes 10 $pid 30
    check "kept.in its group" timeout 10 bash -c "until grep -q safeguard- /proc/$pinned/cgroup; do sleep 0.1; done"
    echo $pinned >$groups/cgroup.procs
    check "kept.after it was moved" timeout 30 bash -c "until grep -q safeguard- /proc/$pinned/cgroup; do sleep 0.5; done"
    grep -vE 'srv/nice|srv/pinned|light.slice' "$cases/schedule.yaml" >"$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
    check "undone.nice" becomes 0 $pid 10
    check "undone.what ran before the policy" becomes 1 $older 10
    check "undone.class" test "$(chrt -p $pid | sed -n 's/.*policy: //p')" = SCHED_OTHER
    check "undone.its group" grep -qx '0::/' /proc/$pinned/cgroup
    check "undone.no group is left" bash -c '! compgen -G "/sys/fs/cgroup/safeguard-*"'
    check "undone.weight" grep -qx 100 $groups/light.slice/cpu.weight
    kill $pid $pinned $older
}

group_is() { # extended regular expression, pid, seconds
    timeout "$3" bash -c 'until grep -qE "^0::$1\$" /proc/$2/cgroup; do sleep 0.2; done' - "$1" "$2"
}
# Who is still the same after a look at all processes.
stays() { sleep 13 && [[ $(nice_of "$2") = "$1" ]]; }

# Who comes under a rule without a program that begins, and who is under none any more.
moved() {
    local pid one two user shell child window quota many
    mkdir -p $groups/n.slice
    date -s 12:01 >/dev/null
    cp /bin/bash /srv/shell
    cat >"$policies/20-schedule.yaml" <<'YAML'
safeguard: 1
name: schedule
mode: enforce
processes:
  - {by: {cgroup: /n.slice}, schedule: {nice: 10}}
  - {by: {user: 1000}, schedule: {nice: 5}}
  - {by: {user: 1001}, schedule: {quota: 50%}}
  - {by: {exe: /srv/shell}, schedule: {nice: 7}}
  - {by: {exe: /srv/light, time: "12:00-12:05"}, schedule: {nice: 3}}
YAML
    safeguard policy reload >/dev/null
    sg-load nap 100 600 &
    pid=$!
    sg-load as 1000 40 &
    user=$!
    sg-load as 1001 40 &
    quota=$!
    /srv/light nap 100 600 &
    window=$!
    /srv/shell -c 'exec sg-load nap 100 600' &
    shell=$!
    /srv/shell -c 'sg-load nap 100 600; true' &
    child=$!
    check "moved.not yet" stays 0 $pid
    check "moved.in a window of time" test "$(nice_of $window)" = 3
    echo $pid >$groups/n.slice/cgroup.procs
    date -s 12:06 >/dev/null
    check "moved.into a group" becomes 10 $pid 20
    check "moved.to another user" becomes 5 $user 20
    check "moved.to another user, with a group" group_is '/safeguard-[0-9a-f]+' $quota 20
    check "moved.the window ends" becomes 0 $window 20
    check "moved.what it gave stays with the next program" test "$(nice_of $shell)" = 7
    check "moved.and with a child" test "$(nice_of "$(pgrep -P $child)")" = 7
    echo $pid >$groups/cgroup.procs
    check "moved.out of the group" becomes 0 $pid 20
    check "moved.back to who it was" becomes 0 $user 50
    check "moved.back, with a group" group_is / $quota 50
    check "moved.groups that are empty go" timeout 30 bash -c 'while compgen -G "/sys/fs/cgroup/safeguard-*" >/dev/null; do sleep 0.5; done'
    sg-load many 1000 300 >/tmp/many &
    many=$!
    check "moved.many processes" await 60 many /tmp/many
    sleep 11
    one=$(pgrep -oP $many) two=$(pgrep -nP $many)
    echo "$one" >$groups/n.slice/cgroup.procs
    echo "$two" >$groups/n.slice/cgroup.procs
    check "moved.the first of many" becomes 10 "$one" 60
    check "moved.the last of many" becomes 10 "$two" 60
    # A machine that is too slow for them in ten seconds has used what it may.
    check "moved.one look at all of them" awk -v ms="$(status_number scheduling look_ms)" -v cpu="$(status_number scheduling look_cpu_ms)" \
        'BEGIN { print ms, cpu; exit !(ms && (ms <= 11000 || cpu >= 0.07 * ms)) }'
    grep -v srv/shell "$policies/20-schedule.yaml" >/tmp/without
    cp /tmp/without "$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
    check "moved.undone for the next program" becomes 0 $shell 10
    check "moved.and for the child" becomes 0 "$(pgrep -P $child)" 10
    kill $pid $user $quota $window $shell $child $many 2>/dev/null
    wait $pid $user $quota $window $shell $child $many 2>/dev/null
    cp "$cases/schedule.yaml" "$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
}

io_weight_by() { # who, seconds
    timeout "$2" bash -c "until safeguard status --json | tr -d ' \n' | grep -q '\"io_weight\":\"$1\"'; do sleep 0.5; done"
}

# Weights of I/O need a scheduler of the disk that goes by them: BFQ, of a disk that takes its time for one request after the other.
io() {
    local disk=nullb0 pids=() group
    if ! modprobe bfq || ! modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 completion_nsec=10000000 hw_queue_depth=1 submit_queues=1; then
        echo "ok io.weight # SKIP this kernel has no BFQ or no null_blk"
        return
    fi
    mkdir -p $groups/one.slice $groups/four.slice
    cat >"$policies/20-schedule.yaml" <<'YAML'
safeguard: 1
name: schedule
mode: enforce
processes:
  - {by: {cgroup: /one.slice}, schedule: {io_weight: 100}}
  - {by: {cgroup: /four.slice}, schedule: {io_weight: 400}}
YAML
    safeguard policy reload >/dev/null
    check "io.nobody goes by it at first" io_weight_by nothing 5
    check "io.which is said" bash -c 'safeguard status | grep -q "io_weight has no effect"'
    check "io.also when the policy is checked" bash -c "safeguard policy check '$policies' | grep -q 'io_weight has no effect'"
    echo bfq >/sys/block/$disk/queue/scheduler
    # Room for the requests of both, each by itself: of a few, who comes first would have his, whatever he weighs.
    echo 64 >/sys/block/$disk/queue/nr_requests && echo 2 >/sys/block/$disk/queue/nomerges || echo "not ok io.requests"
    # No favours for who has just begun.
    echo 0 >/sys/block/$disk/queue/iosched/low_latency
    check "io.now BFQ does" io_weight_by bfq 20
    check "io.which is not said" bash -c '! safeguard status | grep -q "io_weight has no effect"'
    check "io.its file" grep -qx 'default 400' $groups/four.slice/io.bfq.weight
    check "io.the kernel's other one" grep -qx 'default 400' $groups/four.slice/io.weight
    for group in one four; do
        in_group /$group.slice sg-load stream /dev/$disk 100 &
        pids+=($!)
    done
    sleep 5
    compare io_share "io.who weighs four times as much reads four times as much" 0.25 $groups/one.slice/io.stat $groups/four.slice/io.stat 20
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
    cp "$cases/schedule.yaml" "$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
    check "io.undone" grep -qx 'default 100' $groups/four.slice/io.bfq.weight
}

is_stopped() { timeout 10 bash -c 'until grep -q "^State:.T" /proc/$1/status; do sleep 0.05; done' - "$1"; }
ends() { # seconds, pid
    timeout "$1" tail --pid="$2" -f /dev/null
}

# Between the stop and the agent's answer: the agent is stopped, so that it cannot give one.
windows() {
    local pid
    cp "$cases/schedule.yaml" "$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
    kill -STOP $agent
    /srv/nice who >/tmp/held &
    pid=$!
    check "window.stopped for an agent that does not answer" is_stopped $pid
    check "window.continued all the same" ends 10 $pid
    /srv/nice who >/tmp/held &
    pid=$!
    check "window.stopped again" is_stopped $pid
    kill -KILL $agent
    check "window.continued when the agent is killed" ends 5 $pid
    check "window.nobody is stopped without an agent" timeout 5 /srv/nice who
    start_agent safeguard-agent
    kill -STOP "$(pgrep -x sg-continuer)" $agent
    /srv/nice who >/tmp/held &
    pid=$!
    check "window.stopped while nobody looks" is_stopped $pid
    kill -KILL "$(pgrep -x sg-continuer)" $agent
    start_agent safeguard-agent
    check "window.continued by the next agent" ends 5 $pid
    check "window.which says so" await 15 ' [123] processes were continued before' "$run_log"
    check "window.which goes on" says 'policy=3 nice=10 ' /srv/nice who
    check "window.the status" bash -c 'safeguard status --json | python3 -c "
import json, sys
s = json.load(sys.stdin)[\"scheduling\"]
assert s[\"rules\"] == 8 and s[\"stopped\"] >= 1 and s[\"continued_late\"] == 3 and not s[\"error\"], s"'
}

make_programs
vault_policy read
cp "$cases/schedule.yaml" "$policies/20-schedule.yaml"
nice -n 1 /srv/nice nap 100 600 &
older=$!
start_agent safeguard-agent
parts=${1:-all}
[[ $parts == all ]] && parts="top reasons first_instruction shares kept_and_undone windows"
for part in $parts; do $part; done
safeguard stop --detach >/dev/null
check "gone with the agent" timeout 20 bash -c 'while bpftool -j prog show | grep -q "\"name\":\"sched_switch_" || pgrep -x sg-continuer; do sleep 0.1; done'
