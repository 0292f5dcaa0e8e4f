#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Many programs at once: a storm of short ones, as a build is, and a fork bomb that a control group bounds; with the sensor alone,
# with one that nobody reads for a while, and with the agent as it comes. Each process that began, executed a program or ended, by
# what the kernel's own tracing says, has a record, or is counted as lost. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/lives.lib
. "$(dirname "$0")/lives.lib"
root=/srv/exec makers=4 each=1000

storm() { # first argument, if any
    for ((i = 0; i < makers; i++)); do
        # xargs goes on after each program that fails, as this one does; its own status says that some did.
        seq "$each" | xargs -n 1 "$root/bin/target" "$@" &
        pipes[i]=$!
    done
    wait "${pipes[@]}"
}

bomb() {
    local met=0 end=$((SECONDS + 120)) word n
    local -a pids
    echo +pids >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p /sys/fs/cgroup/bomb
    echo 200 >/sys/fs/cgroup/bomb/pids.max || echo "not ok a bound for the bomb"
    (
        echo $BASHPID >/sys/fs/cgroup/bomb/cgroup.procs
        again() { /bin/true bomb; again | again & }
        again
    ) 2>/dev/null
    # Until the bound was met often enough. Who looks starts no process for it: he would hardly get to run.
    while ((met < 500 && SECONDS < end)); do
        while read -r word n; do [[ $word == max ]] && met=$n; done </sys/fs/cgroup/bomb/pids.events
        read -r -t 0.1 <> <(:)
    done
    ((met >= 500)) && echo "ok the bomb met its bound $met times" || echo "not ok the bomb met its bound: $met times"
    # Frozen, none of them starts another one.
    echo 1 >/sys/fs/cgroup/bomb/cgroup.freeze
    until grep -q 'populated 0' /sys/fs/cgroup/bomb/cgroup.events; do
        mapfile -t pids </sys/fs/cgroup/bomb/cgroup.procs
        for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
        ((SECONDS > end + 120)) && echo "not ok the bomb is over" && break
    done
    rmdir /sys/fs/cgroup/bomb
}

# How often the kernel ran neither of the two programs that tell of the same, at most.
skipped_at_most() {
    local program once again n=0
    for program in tp_fork tp_exec tp_exit; do
        once=$(missed_by "$program") again=$(missed_by "${program}_again")
        once=${once:-0} again=${again:-$once}
        n=$((n + (once < again ? once : again)))
    done
    echo "$n"
}

if [[ ${1:-} == run && $part == threads ]]; then
    for ((i = 0; i < 200; i++)); do sg-load together 8; done >/tmp/together
    exit 0
fi
if [[ ${1:-} == run ]]; then
    lives_begin || echo "not ok the kernel traces"
    if [[ $part == unread ]]; then
        each=$((each / 2))
        kill -STOP "$PPID"
        storm "$(printf '%02000d' 0)"
        kill -CONT "$PPID"
        # Until it has read all and waits for more: what is lost of what follows has no trace.
        for ((i = 0; i < 1200; i++)); do
            read -r status </proc/$PPID/stat
            [[ $status == *") S "* ]] && break
            read -r -t 0.05 <> <(:)
        done
    else
        storm
        echo "# the storm took $SECONDS s"
        bomb
    fi
    lives_end /tmp/lives || echo "not ok the kernel traced all"
    echo $$ >/tmp/root
    skipped_at_most >/tmp/skipped
    exit 0
fi
sg-exec setup "$root" >/tmp/exec.yaml || { echo "not ok files to execute"; exit 1; }

# What is known without a trace: how many the storm has.
storm_is_whole() {
    local n
    n=$(grep -cF "filename=$root/bin/target " /tmp/lives)
    echo "$n programs"
    ((n == makers * each)) && grep -qF 'filename=/bin/true ' /tmp/lives
}
# SG_COUNT_PROCESS_LOST
lost() {
    python3 -c 'import json, sys
print(sum(r["n"] for r in map(json.loads, open(sys.argv[1], errors="replace")) if r.get("counter") == 5))' "$records"
}
export part=both
under_policy -p /tmp/exec.yaml
python3 - "$records" "$root/bin/target" $((makers * each)) <<'PY' || echo "not ok what was recorded can be read"
import json, sys
execs, whole, bombs, bad = 0, 0, 0, 0
with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
    for r in map(json.loads, f):
        if r["kind"] == "exec" and not r["merged"]:
            execs += r["path"] == sys.argv[2]
            whole += r["path"] == sys.argv[2] and len(r["args"]) == 2 and r["argc"] == 2
            bombs += r["args"][1:] == ["bomb"]
        bad += r["kind"] == "undecodable"
def check(name, good):
    print("ok" if good else "not ok", name)
check(f"{execs} of {sys.argv[3]} programs of the storm have a record, {whole} with their arguments", whole == execs > 0)
check(f"the bomb's have, too: {bombs}", bombs > 0)
check("all could be read", not bad)
PY
check "the storm was traced whole" storm_is_whole
lives_compare "the sensor" /tmp/lives "$(</tmp/root)" "$(lost)" "$(</tmp/skipped)" "$records"

# Nobody reads: the ring is full long before the storm is over.
part=unread
under_policy -p /tmp/exec.yaml
check "records were lost" test "$(lost)" -gt 0
lives_compare "a sensor that nobody reads" /tmp/lives "$(</tmp/root)" "$(lost)" "$(</tmp/skipped)" "$records"

# Threads that end with their process at the same time: it has one end.
part=threads
under_policy -p /tmp/exec.yaml
python3 - "$records" /tmp/together <<'PY' || echo "not ok what was recorded can be read"
import collections, json, sys
ends = collections.Counter(r["pid"] for r in map(json.loads, open(sys.argv[1], errors="replace")) if r["kind"] == "exit")
numbers = collections.Counter(ends[int(pid)] for pid in open(sys.argv[2]))
print("ok" if numbers == {1: 200} else "not ok", f"200 processes whose threads end together have one end each: {dict(numbers)}")
PY

# The agent as it is after an installation, but that it writes records of processes.
defence=yes credentials=record
check "the agent starts" start_agent safeguard-agent --process-records=yes
before=$(lives_lost) skipped=$(status_number losses lives_skipped)
check "the kernel traces" lives_begin
storm
bomb
check "the kernel traced all" lives_end /tmp/lives
check "everything is written" lives_written "$events"
check "the storm was traced whole, too" storm_is_whole
lives_compare "the agent" /tmp/lives $$ $(($(lives_lost) - before)) $(($(status_number losses lives_skipped) - skipped)) "$events"*
