# SPDX-License-Identifier: Apache-2.0
"""Sets records of processes against what the kernel's own tracing said: each that began, executed a program or ended has one
record, or is counted as lost.

  lives.py NAME TRACE ROOT LOST SKIPPED RECORDS...   prints TAP

TRACE is of lives.lib, RECORDS are of the agent or of sg-protect. Asked about are the descendants of the process ROOT, in which
there is no second thread (the trace does not tell threads from processes). What was lost of others is not known, but how much
that can be: what the trace has of them.
"""

import collections
import json
import re
import sys

EXEC = re.compile(r"sched_process_exec: filename=.* pid=(\d+) old_pid=\d+$")
FORK = re.compile(r"sched_process_fork: comm=.* pid=(\d+) child_comm=.* child_pid=(\d+)$")
EXIT = re.compile(r"sched_process_exit: comm=.* pid=(\d+) prio=\d+")
KINDS = "fork", "exec", "exit"


def traced(lines):
    """(kind, pid) of all that was traced, in any order, and who forked whom."""
    happened, parents = collections.Counter(), {}
    for line in lines:
        line = line.rstrip()
        if m := FORK.search(line):
            parents[int(m[2])] = int(m[1])
            happened["fork", int(m[2])] += 1
        elif m := EXEC.search(line):
            happened["exec", int(m[1])] += 1
        elif m := EXIT.search(line):
            happened["exit", int(m[1])] += 1
        else:
            raise ValueError(f"not a line of these traces: {line}")
    return happened, parents


def descends(pid, root, parents):
    while pid in parents:
        pid = parents[pid]
        if pid == root:
            return True
    return False


def of_record(r):
    """(kind, pid), or nothing: of another kind, or of an exec that did not take place."""
    if r.get("class_uid") == 1007:
        kind = {(1, 2): "fork", (1, 3): "exec", (2, None): "exit"}.get((r["activity_id"], r.get("launch_type_id")))
        return (kind, r["process"]["pid"]) if kind and r.get("status_id") != 2 else None
    if r.get("kind") in KINDS and not r["merged"]:
        return r["kind"], r["child" if r["kind"] == "fork" else "pid"]
    return None


def recorded(paths):
    found = collections.Counter()
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                r = json.loads(line)
                what = of_record(r)
                if what:
                    found[what] += r.get("count", 1)
    return found


def main(name, trace, root, lost, skipped, *paths):
    root, lost, skipped = int(root), int(lost), int(skipped)
    with open(trace, encoding="utf-8", errors="replace") as f:
        happened, parents = traced(f)
    ours = {pid: descends(pid, root, parents) for _, pid in happened}
    mine = collections.Counter({what: n for what, n in happened.items() if ours[what[1]]})
    found = collections.Counter({what: n for what, n in recorded(paths).items() if ours.get(what[1])})
    missing, more = mine - found, found - mine
    others = happened.total() - mine.total()
    said = [f"{sum(n for w, n in mine.items() if w[0] == k)} {k}s, {sum(n for w, n in found.items() if w[0] == k)} recorded"
            for k in KINDS]
    print(f"# {name}: {'; '.join(said)}; {lost} lost, at most {skipped} skipped; of others {others}")

    def check(what, good):
        print("ok" if good else "not ok", f"{name}: {what}")

    check(f"the kernel told of {sum(n for w, n in mine.items() if w[0] == 'exec')} execs", mine.total() > 0)
    check(f"nothing is recorded that did not happen {list(more)[:3] or ''}", not more)
    check(f"what has no record was counted as lost: {missing.total()}",
          missing.total() - skipped <= lost <= missing.total() + (others if lost else 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
