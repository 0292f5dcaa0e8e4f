#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the agent's events say of who did it and to what, and what becomes of a storm of denials. Prints TAP.

  agent_events.py who FILE      one denied access by a process of which everything is known
  agent_events.py storm FILE N  the same denied access N times, as fast as it goes
  agent_events.py lives AGENT   whose beginning and end is told: that of processes of here, with how, and not of the agent's self-tests
"""

import json
import os
import subprocess
import sys
import time

EVENTS = "/var/log/safeguard/events.ndjson"
CONTAINER = "0123456789abcdef" * 4
CGROUP = f"/sys/fs/cgroup/docker/{CONTAINER}"
SSHD = "/usr/sbin/sshd"  # a copy of bash: the program's path makes the session
SECONDS = 60


def say(name, good, detail=""):
    print("ok" if good else "not ok", name, "" if good else detail, flush=True)


def events_of(pid, path):
    with open(EVENTS, encoding="utf-8") as f:
        events = [json.loads(line) for line in f if path in line and line.endswith("\n")]
    return [e for e in events if e["class_uid"] == 1001 and e["actor"]["process"]["pid"] == pid
            and e.get("file", {}).get("path") == path]


def await_denials(pid, path, n):
    """The events, once they are about n denials; what there is when that takes too long."""
    end = time.monotonic() + SECONDS
    while True:
        found = events_of(pid, path)
        if sum(e.get("count", 1) for e in found) >= n or time.monotonic() > end:
            return found
        time.sleep(0.2)


def who(path):
    os.makedirs(CGROUP, exist_ok=True)
    # In a container, logged in as alice over ssh, now bob.
    script = (f"echo $$ >{CGROUP}/cgroup.procs && echo 1000 >/proc/self/loginuid || exit 99; "
              f"setpriv --reuid=1001 --regid=1001 --clear-groups cat {path} 2>/dev/null & echo $!; wait $!; "
              "read -r session </proc/self/sessionid; echo $session")
    started_ms = time.time() * 1000
    with subprocess.Popen([SSHD, "-c", script], stdout=subprocess.PIPE, text=True) as sshd:
        pid, session = (int(line) for line in sshd.stdout.read().split())
    found = await_denials(pid, path, 1)
    say("who.one event", len(found) == 1, f"{len(found)}")
    if not found:
        return
    event, about = found[0], os.stat(path)
    actor, p = event["actor"], event["actor"]["process"]
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        boot = f.read().strip()
    chain = [(a["pid"], a.get("path")) for a in p.get("ancestry", [])]
    parent = p.get("parent_process", {})
    for name, got, wanted in [
            ("program", p["file"]["path"], os.path.realpath("/usr/bin/cat")),
            ("command line", p.get("cmd_line"), f"cat {path}"),
            ("user", p.get("user"), {"uid": "1001", "name": "bob"}),
            ("group", p.get("group", {}).get("uid"), "1001"),
            ("login user", (actor.get("user"), p.get("auid")), ({"uid": "1000", "name": "alice"}, 1000)),
            ("session", actor.get("session"), {"uid": str(session), "issuer": "ssh", "is_remote": True}),
            ("container", p.get("container"), {"uid": CONTAINER, "runtime": "docker"}),
            ("cgroup", event["unmapped"].get("cgroup"), f"/docker/{CONTAINER}"),
            ("parent", (parent.get("pid"), parent.get("path")), (sshd.pid, SSHD)),
            ("ancestry", chain[:2], [(sshd.pid, SSHD), (os.getpid(), os.path.realpath(sys.executable))]),
            ("the last ancestor", chain[-1:] and chain[-1][0], 1),
            ("the parent is the first ancestor", parent.get("uid"), (p.get("ancestry") or [{}])[0].get("uid")),
            ("identity of the process", p["uid"].split(":")[:2], [boot, str(pid)]),
            ("identity of the file", (event["file"].get("uid"), event["file"].get("volume"), event["file"].get("attributes")),
             (str(about.st_ino), f"{os.major(about.st_dev)}:{os.minor(about.st_dev)}", about.st_mode))]:
        say(f"who.{name}", got == wanted, f"is {got}, not {wanted}")
    say("who.created when it was", started_ms - 20 <= p.get("created_time", 0) <= event["time"] + 20,
        f"{started_ms} {p.get('created_time')} {event['time']}")


def storm(path, n):
    refused = 0
    start = time.monotonic()
    for _ in range(n):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError as e:
            refused += e.errno == 1
    seconds = time.monotonic() - start
    say(f"storm.{n} denials ({seconds:.2f} s)", refused == n, f"{refused}")
    found = await_denials(os.getpid(), path, n)
    counts = [e.get("count", 1) for e in found]
    say("storm.their number is exact", sum(counts) == n, f"{counts}")
    # A window is a second at least: the first of it has a record of its own, the number comes when it is over.
    most = 2 * (int(seconds) + 1)
    say("storm.a record, and its number", 2 <= len(found) <= most and counts[0] == 1 and max(counts) > n / most,
        f"{counts}, at most {most} in {seconds:.2f} s")
    alike = {(e["file"].get("uid"), e["unmapped"].get("rule_line"), e["unmapped"].get("hook"), e["disposition"],
              e["actor"]["process"].get("uid")) for e in found}
    say("storm.the number is of the same", len(alike) == 1 and None not in next(iter(alike)), f"{alike}")
    whole = [e for e in found if e.get("count", 1) > 1]
    say("storm.it says since when", bool(whole) and all(e["start_time"] <= e["end_time"] for e in whole), f"{whole[:1]}")


def live(command, env):
    """Its pid, and how many milliseconds it was there at most."""
    start = time.monotonic()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], env)
    os.waitpid(pid, 0)
    return pid, 1000 * (time.monotonic() - start)


def end_of(told, pid, most, code, **unmapped):
    """What the record of its end says; it slept for 300 ms."""
    ends = [e for e in told if e["process"]["pid"] == pid and e["activity_name"] == "Terminate"]
    got = [(e["exit_code"], {k: e["unmapped"].get(k) for k in ("signal", "core_dumped")}) for e in ends]
    wanted = [(code, {"signal": None, "core_dumped": None, **unmapped})]
    say(f"lives.the end with {code}, {unmapped}", got == wanted, f"{got}, not {wanted}")
    say(f"lives.how long until {code}, {unmapped}", all(300 <= e.get("duration", 0) <= most + 1 and
        abs(e["end_time"] - e["start_time"] - e["duration"]) <= 1 for e in ends), f"{ends}, at most {most:.0f} ms")


def lives(agent):
    """Records come in the order of their ring: with the end of a process that is started now, all before it are there."""
    with open("/proc/sys/kernel/core_pattern", "w", encoding="ascii") as f:
        f.write("/tmp/core")
    code, code_ms = live("sleep 0.3; exit 7", {"SG_TOKEN": "hunter2", "SG_COLOUR": "blue", "SG_OTHER": "no"})
    signal, signal_ms = live("ulimit -c 0; sleep 0.3; kill -SEGV $$", {})
    pid, core_ms = live("ulimit -c unlimited; sleep 0.3; kill -SEGV $$", {})
    end = time.monotonic() + SECONDS
    while True:
        with open(EVENTS, encoding="utf-8") as f:
            told = [json.loads(line) for line in f if line.endswith("\n")]
        told = [e for e in told if e["class_uid"] == 1007]
        mine = [e["activity_name"] for e in told if e["process"]["pid"] == pid]
        if "Terminate" in mine or time.monotonic() > end:
            break
        time.sleep(0.2)
    say("lives.a process of here", "Launch" in mine and "Terminate" in mine, f"{mine}")
    forks = [e["actor"]["process"]["pid"] for e in told
             if e["process"]["pid"] == code and e["activity_name"] == "Launch" and e.get("launch_type_id") == 2]
    say("lives.who forked it", forks == [os.getpid()], f"{forks}, not {os.getpid()}")
    end_of(told, code, code_ms, 7)
    end_of(told, signal, signal_ms, 139, signal=11)
    end_of(told, pid, core_ms, 139, signal=11, core_dumped=True)
    variables = [{v["name"]: v["value"] for v in e["process"].get("environment_variables", [])} for e in told
                 if e["process"]["pid"] == code and e["process"].get("environment_variables")]
    say("lives.variables that the policy names", variables and set(variables[-1]) == {"SG_TOKEN", "SG_COLOUR"} and
        variables[-1]["SG_COLOUR"] == "blue", f"{variables}")
    say("lives.none has a secret", variables and "hunter2" not in str(variables), f"{variables}")
    tests = []
    for event in told:
        process = event["process"]
        above = [event.get("actor", {}).get("process", {}), process.get("parent_process", {}),
                 *process.get("ancestry", [])]
        if process["pid"] != agent and agent in (p.get("pid") for p in above):
            tests.append((event["activity_name"], process["pid"]))
    say("lives.none of the self-tests", not tests, f"{len(tests)}: {tests[:6]}")


if sys.argv[1] == "who":
    who(sys.argv[2])
elif sys.argv[1] == "lives":
    lives(int(sys.argv[2]))
else:
    storm(sys.argv[2], int(sys.argv[3]))
