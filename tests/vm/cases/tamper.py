# SPDX-License-Identifier: Apache-2.0
"""Does every attempt of tests/vm/tamper/attempts.py and says what came of it, as TAP. Arguments: the pids of agent and server, the
agent's log.

What has to be found has 10 s for that, by the clock of the guest since its boot: from the end of the attempt until it stands in the log,
in the records or in the status. Refusals are held against their records once all of them are done."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tamper"))
from attempts import (DOCUMENTED, FLOOD, FOUND, NO_RECORD, PREVENTED, RECORDED, ROWS, WITHSTOOD, NotHere, run,  # noqa: E402
                      syscall)

FOUND_WITHIN = 10
RULE = "safeguard's own defence"


class Agent:
    def __init__(self, pid, server_pid, log):
        self.pid, self.server_pid, self.log = pid, server_pid, log
        self.program = os.readlink(f"/proc/{pid}/exe")
        self.policy = "/etc/safeguard/policies/10-vault.yaml"
        self.events = "/var/log/safeguard/events.ndjson"
        self.tests = set()  # processes of self-tests
        self.thread = max(int(t) for t in os.listdir(f"/proc/{pid}/task"))
        with open(f"/proc/{pid}/cgroup") as f:
            self.cgroup = re.search(r"^0::(.*)$", f.read(), re.M).group(1)
        with open(f"/proc/{pid}/maps") as f:
            self.library = re.search(r"(/\S*/libsystemd\S*)$", f.read(), re.M).group(1)

    def test_process(self, attempt):
        """Attempts something on a process of the self-test, which lives for milliseconds."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{thread}/children") as f:
                    children = [int(pid) for pid in f.read().split()]
                for pid in children:
                    self.tests.add(pid)
                    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                        return attempt(pid)
        raise TimeoutError("no self-test was met")

    def cgroup_file(self, name):
        return f"/sys/fs/cgroup{self.cgroup}/{name}"

    def parent_file(self, name):
        return f"/sys/fs/cgroup{os.path.dirname(self.cgroup)}/{name}"

    def pidfd(self):
        return syscall("pidfd_open", self.pid, 0)

    @contextlib.contextmanager
    def mounted(self, kind, what):
        place = "/mnt/of-my-own"
        os.makedirs(place, exist_ok=True)
        run("mount", "-t", kind, what, place)
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=False)

    def procfs(self):
        return self.mounted("proc", "none")

    def cli(self, *argv, **more):
        run("safeguard", *argv, **more)

    def status(self):
        out = subprocess.run(["safeguard", "status", "--json"], capture_output=True, text=True, timeout=60)
        return json.loads(out.stdout) if out.stdout else {}

    def lives(self):
        """It runs, and is not stopped."""
        try:
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] not in "TtZX"
        except OSError:
            return False

    def ends(self):
        """Where log and records end now."""
        return [(path, os.path.getsize(path)) for path in (self.log, self.events)]

    def records(self):
        """Of refusals of the defence."""
        with open(self.events) as f:
            records = [json.loads(line) for line in f if line.endswith("\n")]
        return [r for r in records if r.get("unmapped", {}).get("rule") == RULE or r.get("unmapped", {}).get("rule_beneath")]


def refused(fn, agent):
    """The reason for which it was refused, None when it was not."""
    try:
        fn(agent)
    except PermissionError as e:
        return str(e)
    except OSError as e:
        # A program that runs is not written to, whoever asks.
        return str(e) if e.errno in (1, 26) else None
    except subprocess.CalledProcessError as e:
        said = (e.stderr or "") + (e.stdout or "")
        # mount(8) and umount(8) have words of their own for EPERM.
        return said.strip() if re.search(r"not permitted|permission denied|superuser|defends itself|a secret already", said) else None
    return None


def why_not(fn, agent):
    try:
        fn(agent)
    except (OSError, subprocess.CalledProcessError) as e:
        return f"{e} {getattr(e, 'stderr', '') or ''}".strip()
    return "let through"


def wait_for(agent, pattern, ends):
    """Seconds until it was said, recorded, or stood in the status; None: it was not in time."""
    start = time.monotonic()
    asked = start + 3  # asking takes an emulated processor seconds; what is told is told before
    while (took := time.monotonic() - start) <= FOUND_WITHIN:
        for path, end in ends:
            with open(path) as f:
                f.seek(end)
                if re.search(pattern, f.read()):
                    return took
        if time.monotonic() > asked:
            asked = time.monotonic() + 3
            problems = json.dumps(agent.status().get("problems", []))
            took = time.monotonic() - start
            if took <= FOUND_WITHIN and re.search(pattern, problems):
                return took
        time.sleep(0.05)
    return None


def find(agent, text, fn):
    ends = agent.ends()
    try:
        fn(agent)
    except (OSError, subprocess.CalledProcessError) as e:
        return f"refused: {e}"
    took = wait_for(agent, text, ends)
    if took is None:
        return f"'{text}' was not told within {FOUND_WITHIN} s"
    agent.slowest = max(agent.slowest, took)
    print(f"# found after {took:.1f} s")
    return None


def withstand(agent, fn):
    fn(agent)
    start = time.monotonic()
    state = agent.status().get("defence", {}).get("state")
    print(f"# it answers after {time.monotonic() - start:.1f} s")
    return None if state == "locked" else f"it says of its defence: {state}"


def let_through(agent, fn):
    try:
        fn(agent)
    except (OSError, subprocess.CalledProcessError) as e:
        return f"documented as open, but refused: {e}"
    return None


def do(agent, what, text, fn):
    """None: as it has to be; else what is wrong."""
    problem = None
    try:
        if what == PREVENTED:
            problem = why_not(fn, agent) if refused(fn, agent) is None else None
        elif what == FOUND:
            problem = find(agent, text, fn)
        elif what == WITHSTOOD:
            problem = withstand(agent, fn)
        elif what == RECORDED:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                fn(agent)
        else:
            problem = let_through(agent, fn)
    except AssertionError as e:
        problem = str(e)
    return problem or (None if agent.lives() else "the agent does not run any more")


# Records of refusals -----------------------------------------------------------------------------------------------

def fits(record, text, start, end):
    """Is it a record of what was tried between these two moments (ms)?"""
    unmapped = record["unmapped"]
    word, _, number = text.partition(" ")
    if record.get("start_time", record["time"]) > end + 50 or record["time"] < start - 50 or record["action"] != "Denied":
        return False
    if not word:
        return True
    return unmapped.get("defence") == word and (not number or unmapped.get("argument_number") == int(number))


def whole(record, agent):
    """Does it say who did it, and to whom?"""
    actor = record["actor"]["process"]
    who = actor.get("pid") and actor.get("file", {}).get("path") and record["actor"].get("user") and actor.get("parent_process")
    target = record.get("process")
    # A signal to its process group meets a self-test as well, which is gone by now.
    return who and (not target or target["pid"] in (agent.pid, agent.server_pid, *agent.tests) or
                    (target["pid"] > agent.pid and not os.path.exists(f"/proc/{target['pid']}")))


def check_records(agent, done):
    """Of all attempts so far: name, what, text, start and end in ms."""
    wanted = [d for d in done if d[1] in (PREVENTED, RECORDED) and d[2] != NO_RECORD]
    end = time.monotonic() + FOUND_WITHIN
    while True:
        records = agent.records()
        missing = [name for name, _, text, start, stop in wanted if not any(fits(r, text, start, stop) for r in records)]
        of_hooks = [r for r in records if "defence" in r["unmapped"]]
        counted = sum(r.get("count", 1) for r in of_hooks)
        refused_by_hooks = agent.status().get("defence", {}).get("refused")
        if (not missing and counted == refused_by_hooks) or time.monotonic() > end:
            break
        time.sleep(0.5)
    say(not missing, f"{len(wanted)} refusals have records of \"{RULE}\"", f"but not {missing}")
    say(counted == refused_by_hooks, f"those of its programs stand for {counted} refusals, as many as the kernel counted",
        f"which are {refused_by_hooks}")
    bad = [r["message"] for r in of_hooks if not whole(r, agent) or r["severity_id"] != 4 or not r["is_alert"]]
    say(not bad, "each of them says who did it, with program, user and parent, and to which process", f"not {bad[:3]}")
    flood = [r for r in of_hooks if r["actor"]["process"]["pid"] == getattr(agent, "flooded_by", 0)]
    total = sum(r.get("count", 1) for r in flood)
    say(total == FLOOD and len(flood) < FLOOD / 10, f"{FLOOD} signals of one process are {len(flood)} records",
        f"which stand for {total}")


    shown = run("safeguard", "events", "--denied", "--rule", "safeguard", "--color", "never").splitlines()
    lines = [line for line in shown if "DENIED" in line and "send the signal kill to safeguard-agent" in line]
    say(lines and RULE in lines[0], "'safeguard events' shows them", f"not among {len(shown)} lines: {shown[:2]}")


def say(good, name, why):
    print(f"ok {name}" if good else f"not ok {name}: {why}", flush=True)


def main():
    agent = Agent(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    only = os.environ.get("ATTEMPTS", "")
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)
    subprocess.run(["safeguard", "unlock", "--new-secret"], check=True, stdout=open("/tmp/secret", "w"))
    subprocess.run(["safeguard", "lock"], check=False, capture_output=True)
    agent.slowest = 0
    done = []
    for name, what, text, fn in ROWS:
        if only and not re.search(only, name):
            continue
        # From here on clocks jump, and disks are full.
        if name == "set-the-clock-forward":
            check_records(agent, done)
        start = time.time() * 1000
        try:
            problem = do(agent, what, text, fn)
        except NotHere as e:
            print(f"ok {name} # SKIP this kernel has no {e}", flush=True)
            continue
        done.append((name, what, text, start, time.time() * 1000))
        print(f"not ok {name} ({what}): {problem}" if problem else f"ok {name} ({what})", flush=True)
        if not agent.lives():
            break
    end(agent)


def end(agent):
    status = agent.status()
    hooks = [h["id"] for h in status.get("hooks", []) if h["state"] == "failed"]
    good = status.get("defence", {}).get("state") == "locked" and not hooks
    print(f"{'ok' if good else 'not ok'} at the end it is locked, and every hook proves itself {hooks or ''}")
    print(f"{'ok' if status.get('defence', {}).get('attempts', 0) > 40 else 'not ok'} what was tried is counted: "
          f"{status.get('defence', {}).get('attempts')}")
    print("ok attempts of root: " + ", ".join(
        f"{sum(1 for r in ROWS if r[1] == w)} {w}" for w in (PREVENTED, RECORDED, FOUND, WITHSTOOD, DOCUMENTED)))
    print(f"# the slowest was found after {agent.slowest:.1f} s")


main()
