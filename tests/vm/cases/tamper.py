# SPDX-License-Identifier: Apache-2.0
"""Does every attempt of tests/vm/tamper/attempts.py and says what came of it, as TAP. Arguments: the pids of agent and server, the
agent's log."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tamper"))
from attempts import DOCUMENTED, FOUND, PREVENTED, RECORDED, ROWS, NotHere, run, syscall  # noqa: E402

FOUND_WITHIN = 10
SLOW = 6  # an emulated processor's seconds; what is measured is printed


class Agent:
    def __init__(self, pid, server_pid, log):
        self.pid, self.server_pid, self.log = pid, server_pid, log
        self.program = os.readlink(f"/proc/{pid}/exe")
        self.policy = "/etc/safeguard/policies/10-vault.yaml"
        self.events = "/var/log/safeguard/events.ndjson"
        self.thread = max(int(t) for t in os.listdir(f"/proc/{pid}/task"))
        with open(f"/proc/{pid}/cgroup") as f:
            self.cgroup = re.search(r"^0::(.*)$", f.read(), re.M).group(1)
        with open(f"/proc/{pid}/maps") as f:
            self.library = re.search(r"(/\S*/libsystemd\S*)$", f.read(), re.M).group(1)

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

    def said(self, pattern, since):
        with open(self.log) as f:
            f.seek(since)
            return re.search(pattern, f.read())

    def log_end(self):
        return os.path.getsize(self.log)


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


def wait_for(agent, pattern, since):
    """Seconds until it was said or stands in the status."""
    start = time.monotonic()
    while time.monotonic() - start < FOUND_WITHIN * SLOW:
        if agent.said(pattern, since):
            return time.monotonic() - start
        time.sleep(0.2)
        if re.search(pattern, json.dumps(agent.status().get("problems", []))):
            return time.monotonic() - start
    return None


def do(agent, what, text, fn):
    """None: as it has to be; else what is wrong."""
    since = agent.log_end()
    if what == PREVENTED:
        if refused(fn, agent) is None:
            return why_not(fn, agent)
    elif what in (RECORDED, FOUND):
        try:
            fn(agent)
        except (OSError, subprocess.CalledProcessError) as e:
            if what == FOUND:
                return f"refused: {e}"
        took = wait_for(agent, text, since)
        if took is None:
            return f"'{text}' was not said"
        if took > FOUND_WITHIN:
            print(f"# found after {took:.1f} s of an emulated processor")
    else:
        try:
            fn(agent)
        except (OSError, subprocess.CalledProcessError) as e:
            return f"documented as open, but refused: {e}"
    return None if agent.lives() else "the agent does not run any more"


def main():
    agent = Agent(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    only = os.environ.get("ATTEMPTS", "")
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)
    subprocess.run(["safeguard", "unlock", "--new-secret"], check=True, stdout=open("/tmp/secret", "w"))
    subprocess.run(["safeguard", "lock"], check=False, capture_output=True)
    for name, what, text, fn in ROWS:
        if only and not re.search(only, name):
            continue
        try:
            problem = do(agent, what, text, fn)
        except NotHere as e:
            print(f"ok {name} # SKIP this kernel has no {e}", flush=True)
            continue
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
        f"{sum(1 for r in ROWS if r[1] == w)} {w}" for w in (PREVENTED, RECORDED, FOUND, DOCUMENTED)))


main()
