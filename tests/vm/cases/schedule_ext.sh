#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Rules that schedule, served by safeguard's own scheduler (sched_ext): they hold within 10 % of what they ask. It is in charge only
# while rules schedule and the agent runs: however that ends, the default scheduler has the host again, nobody hangs, and the rules
# go on. Where the kernel has no sched_ext, the agent says so, and the default scheduler serves them. Runs inside a VM with two
# CPUs. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/schedule.lib
. "$(dirname "$0")/schedule.lib"
ext=/sys/kernel/sched_ext
seconds=20

state() { cat $ext/state; }
becomes() { # state, seconds
    timeout "$2" bash -c "until [[ \$(cat $ext/state) = $1 ]]; do sleep 0.1; done"
}
status_is() { # Python about `e`, what the status says of sched_ext, and `s`, of the rules
    safeguard status --json | python3 -c "
import json, sys
s = json.load(sys.stdin)['scheduling']
e = s['sched_ext']
assert $1, s"
}
noticed() { # pattern
    timeout 20 bash -c "until grep -E '\"notice\":\"scheduling\"' $events | grep -qE '$1'; do sleep 0.2; done"
}
ran() { cut -d' ' -f1 "/proc/$1/schedstat"; }
runs() { # pid: does it get anywhere?
    local before
    before=$(ran "$1")
    timeout 10 bash -c "until ((\$(cut -d' ' -f1 /proc/$1/schedstat) > $before + 100000000)); do sleep 0.1; done"
}

# Without sched_ext. A kernel that has it must not get here.
absent() {
    check "absent.this kernel has none" test ! -e $ext/state
    check "absent.the status" status_is 'e["state"] == "unavailable" and "no sched_ext" in e["error"]["what"] and s["rules"] == 8'
    check "absent.it is said" noticed 'the default scheduler serves the rules.*no sched_ext'
    check "absent.for people" bash -c 'safeguard status | grep -qE "scheduling .*8 rules, served by the default scheduler"'
    against "absent.weight of a program" 0.2 taskset -c 0 /srv/light -- taskset -c 0 /srv/other
}

in_charge() {
    check "charge.enabled" becomes enabled 20
    check "charge.by safeguard" grep -q '^safeguard' $ext/root/ops
    check "charge.the status" status_is 'e["state"] == "in charge" and not e["error"] and s["rules"] == 8'
    check "charge.for people" bash -c "safeguard status | grep -qE \"scheduling .*8 rules, served by safeguard's scheduler\""
}

# Of the whole host, by who is not bound to a CPU: two processes on each side. Those that no rule is about are two beside the rule's group.
free() {
    local pids=() i
    for i in light light other other; do
        /srv/$i hog 200 >/dev/null &
        pids+=($!)
    done
    compare share "share.weight over all CPUs" 0.1 "${pids[0]},${pids[1]}" "${pids[2]},${pids[3]}" $seconds
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
}

# One group of a rule, several processes: the quota is for all of them.
quotas() {
    local one two
    /srv/half hog 10 >/tmp/half &
    wait $!
    compare quota "share.quota" 0.5 10 /tmp/half
    /srv/half hog 10 >/tmp/half.1 &
    one=$!
    /srv/half hog 10 >/tmp/half.2 &
    two=$!
    wait $one $two
    awk '{ n += $2 } END { print "hog", n }' /tmp/half.1 /tmp/half.2 >/tmp/half
    compare quota "share.quota of two together" 0.5 10 /tmp/half
}

shares() {
    mkdir -p $groups/light.slice $groups/usual.slice
    against "share.weight of a group" 0.2 in_group /light.slice taskset -c 0 /srv/other -- in_group /usual.slice taskset -c 0 /srv/other
    against "share.weight of a program" 0.2 taskset -c 0 /srv/light -- taskset -c 0 /srv/other
    # Weights of sched_ext are whole numbers: 11 to 100 for ten steps.
    against "share.nice" 0.11 taskset -c 0 /srv/nice -- taskset -c 0 /srv/other
    free
    quotas
}

# A weight that changes, and a process that changes groups, while it runs.
changes() {
    local one two
    (in_group /light.slice taskset -c 0 /srv/other hog 200 >/dev/null) &
    one=$!
    (in_group /usual.slice taskset -c 0 /srv/other hog 200 >/dev/null) &
    two=$!
    compare share "change.before" 0.2 $one $two $seconds
    echo 50 >$groups/usual.slice/cpu.weight
    compare share "change.another weight" 0.4 $one $two $seconds
    echo 100 >$groups/usual.slice/cpu.weight
    echo $one >$groups/usual.slice/cgroup.procs
    compare share "change.another group" 1 $one $two $seconds
    kill $one $two
    wait $one $two 2>/dev/null
}

only_for_rules() {
    mv "$policies/20-schedule.yaml" /tmp/20-schedule.yaml
    safeguard policy reload >/dev/null
    check "rules.without any the default scheduler is in charge" becomes disabled 20
    check "rules.the status" status_is 'e["state"] == "idle" and s["rules"] == 0'
    mv /tmp/20-schedule.yaml "$policies/20-schedule.yaml"
    safeguard policy reload >/dev/null
    check "rules.with some it is again" becomes enabled 20
}

killed() {
    local light other
    taskset -c 0 /srv/light hog 300 >/dev/null &
    light=$!
    taskset -c 0 /srv/other hog 300 >/dev/null &
    other=$!
    check "killed.they run" runs $light
    kill -KILL $agent
    check "killed.the default scheduler is in charge" becomes disabled 5
    check "killed.nobody hangs" runs $light
    check "killed.nor do others" runs $other
    compare share "killed.the rule holds" 0.2 $light $other $seconds
    start_agent safeguard-agent --sched-ext=on
    check "killed.the next agent puts it in charge again" becomes enabled 20
    kill -STOP $agent
    check "killed.a stopped agent changes nothing" runs $light
    compare share "killed.nor does the rule stop" 0.2 $light $other $seconds
    kill -CONT $agent
    kill $light $other
    wait $light $other 2>/dev/null
}

# What the kernel itself does about a scheduler that is not wanted (SysRq), or that lets somebody wait for too long.
taken_away() {
    local victim hogs=() i
    echo 1 >/proc/sys/kernel/sysrq
    echo S >/proc/sysrq-trigger
    check "sysrq.the default scheduler is in charge" becomes disabled 10
    check "sysrq.it is said" noticed 'took the scheduler out of charge'
    check "sysrq.the status" status_is 'e["state"] == "ended" and "out of charge" in e["error"]["what"]'
    check "sysrq.needs attention" bash -c 'safeguard status | grep -A9 "Needs attention" | grep -q "took the scheduler out of charge"'
    safeguard stop >/dev/null
    wait $agent 2>/dev/null
    : >$events
    start_agent safeguard-agent --sched-ext=on
    check "watchdog.in charge" becomes enabled 20
    taskset -c 0 /srv/other hog 300 >/dev/null &
    victim=$!
    check "watchdog.it runs" runs $victim
    # Real-time processes that never give way, with all that the kernel keeps free for others taken away.
    echo -1 >/proc/sys/kernel/sched_rt_runtime_us
    for i in /sys/kernel/debug/sched/*_server/cpu0/runtime; do echo 0 >"$i"; done
    chrt -f 50 taskset -c 0 sg-load hog 60 >/dev/null &
    hogs+=($!)
    check "watchdog.the default scheduler is in charge" becomes disabled 60
    check "watchdog.it is said" noticed 'took the scheduler out of charge.*stall'
    kill "${hogs[@]}"
    check "watchdog.who waited goes on" runs $victim
    kill $victim
    safeguard stop >/dev/null
    wait $agent 2>/dev/null
}

another() {
    local other
    : >$events
    sg-ext >/tmp/another &
    other=$!
    check "another.in charge" await 20 'in charge' /tmp/another
    start_agent safeguard-agent --sched-ext=on
    check "another.it is said" noticed 'another scheduler is in charge by sched_ext: safeguard'
    check "another.the status" status_is 'e["state"] == "unavailable"'
    kill -KILL $other
    check "another.gone, the agent takes its place" becomes enabled 90
}

make_programs
vault_policy read
cp "$cases/schedule.yaml" "$policies/20-schedule.yaml"
start_agent safeguard-agent --sched-ext=on
parts=${1:-in_charge first_instruction shares changes only_for_rules killed taken_away another}
[[ -e $ext/state ]] || parts=absent
for part in $parts; do $part; done
safeguard stop --detach >/dev/null
[[ $parts == absent ]] || check "gone with the agent" becomes disabled 10
