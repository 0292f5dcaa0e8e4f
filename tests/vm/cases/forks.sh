#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Many programs at once: a storm of short ones, as a build is, and a fork bomb that a control group bounds. Every exec has a
# record, or is counted as lost. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
root=/srv/exec makers=4 each=1000

if [[ ${1:-} == run ]]; then
    for ((i = 0; i < makers; i++)); do
        # xargs goes on after each program that fails, as this one does; its own status says that some did.
        seq "$each" | xargs -n 1 "$root/bin/target" &
    done
    wait
    echo "# the storm took $SECONDS s"
    echo +pids >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p /sys/fs/cgroup/bomb
    echo 200 >/sys/fs/cgroup/bomb/pids.max || echo "not ok a bound for the bomb"
    (
        echo $BASHPID >/sys/fs/cgroup/bomb/cgroup.procs
        bomb() { /bin/true bomb; bomb | bomb & }
        bomb
    ) 2>/dev/null
    # Until the bound was met often enough. Who looks starts no process for it: he would hardly get to run.
    met=0 end=$((SECONDS + 120))
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
    # How often the kernel ran neither of the programs that tell of execs, at most.
    once=$(missed_by tp_exec)
    again=$(missed_by tp_exec_again)
    again=${again:-$once}
    echo $((once < again ? once : again)) >/tmp/skipped
    exit 0
fi
sg-exec setup "$root" >/tmp/exec.yaml || { echo "not ok files to execute"; exit 1; }
under_policy -p /tmp/exec.yaml
python3 - "$records" "$root/bin/target" $((makers * each)) <<'PY' || echo "not ok what was recorded can be read"
import json, sys
execs, bombs, counters, bad = 0, 0, {}, 0
with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
    for r in map(json.loads, f):
        if r["kind"] == "exec" and not r["merged"]:
            execs += r["path"] == sys.argv[2] and len(r["args"]) == 2 and r["argc"] == 2
            bombs += r["args"][1:] == ["bomb"]
        elif r["kind"] == "counter":
            counters[r["counter"]] = r["n"]
        bad += r["kind"] == "undecodable"
skipped = int(open("/tmp/skipped").read())
made, lost = int(sys.argv[3]), counters.get(5, 0) + skipped
def check(name, good):
    print("ok" if good else "not ok", name)
check(f"{execs} of {made} execs were recorded with their arguments, {lost} records were lost and counted, {skipped} of them skipped",
      execs == made if not lost else made - lost <= execs <= made)
check(f"the bomb's programs, too: {bombs}", bombs > 0)
check(f"all could be read ({counters.get(4, 0)} were sent)", not bad)
PY
