#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input from every side: policy files, a full disk, signals, the log, the control socket.

A bad policy is refused by `safeguard policy check` and by the agent, with the place of the mistake, in bounded time
and memory; what was in force stays in force. Prints TAP.
"""

import glob
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

POLICIES, LOG_DIR = "/etc/safeguard/policies", "/var/log/safeguard"
EVENTS, SOCKET, RUN_LOG = f"{LOG_DIR}/events.ndjson", "/run/safeguard/control.sock", "/tmp/agent.log"
BAD = f"{POLICIES}/50-bad.yaml"
SECONDS = 240  # of one look at a policy, on a slow machine
CHECK_KIB, AGENT_KIB = 192 * 1024, 256 * 1024  # resident at most; a check has sanitised copies of nothing
GOOD = """safeguard: 1
name: vault
mode: enforce
files:
  - {path: "/srv/vault/**", access: any, not_by: {exe: /usr/bin/tar}, do: deny}
"""
HEAD = "safeguard: 1\nname: bad\nmode: enforce\nfiles:\n"


def say(ok, name, why=""):
    why = re.sub(r"\s+", " ", str(why))[-300:]
    print(f"{'ok' if ok else 'not ok'} {name}" + ("" if ok or not why else f": {why}"), flush=True)


def rules(n, path="/srv/other/{}/**"):
    return HEAD + "".join(f'  - {{path: "{path.format(i)}", access: write, do: deny}}\n' for i in range(n))


def laughs():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 12):
        text += f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]\n"
    return text + HEAD + "  - {path: *a11, access: any, do: deny}\n"


# ---- policy files: name, content or how to make it, and what is said of it
REFUSED, EITHER = "refused", "refused or in force"
PLACE = r"50-bad\.yaml:\d+:\d+:"


def text_cases():
    one = "  - {path: /a, access: read, do: deny}\n"
    return [
        ("one byte", b"x", REFUSED), ("a byte of zero", b"\0", REFUSED), ("only a byte order mark", b"\xef\xbb\xbf", EITHER),
        ("100 MB of letters", (b"a" * 65536, 1600), REFUSED), ("100 MB of blank lines", (b"\n" * 65536, 1600), REFUSED),
        ("a line of 3 MB", HEAD.encode() + b"  - {path: /" + b"a" * (3 << 20) + b", access: read, do: deny}\n", REFUSED),
        ("an anchor inside itself", "safeguard: 1\nmode: enforce\nfiles: &a\n  - *a\n", REFUSED),
        ("an anchor around itself", "safeguard: 1\nmode: enforce\nfiles: [{path: &b [*b], access: read, do: deny}]\n", REFUSED),
        ("a billion laughs", laughs(), REFUSED),
        ("unknown keys", HEAD + "  - {path: /a, acess: read, do: deny}\n", REFUSED),
        ("an unknown section", HEAD + one + "fils:\n" + one, REFUSED),
        ("a list for a word", HEAD + "  - {path: /a, access: read, do: [deny]}\n", REFUSED),
        ("a number for a path", HEAD + "  - {path: 7, access: read, do: deny}\n", REFUSED),
        ("a word for the rules", "safeguard: 1\nmode: enforce\nfiles: all\n", REFUSED),
        ("another version", "safeguard: 99\nmode: enforce\nfiles: []\n", REFUSED),
        ("a path without a slash", HEAD + "  - {path: a/b, access: read, do: deny}\n", REFUSED),
        ("an empty path", HEAD + '  - {path: "", access: read, do: deny}\n', REFUSED),
        ("a path with ..", HEAD + "  - {path: /a/../b, access: read, do: deny}\n", REFUSED),
        ("not UTF-8", HEAD.encode() + b"  - {path: /a\xff\xfe, access: read, do: deny}\n", REFUSED),
        ("nested a thousand deep", HEAD + "  - " + "[" * 1000 + "]" * 1000 + "\n", REFUSED),
        ("nested a hundred thousand deep", HEAD + "  - " + "[" * 100000 + "\n", REFUSED),
        ("a document in two", HEAD + one + "---\n" + HEAD + one, REFUSED),
        ("tabs", "safeguard: 1\n\tfiles: []\n", REFUSED),
        ("10,000 rules", rules(10000), EITHER),
        ("a pattern that explodes", HEAD + f'  - {{path: "/**/*a{"?" * 21}b", access: read, do: deny}}\n', REFUSED),
        ("a component of 300 bytes", HEAD + "  - {path: /" + "a" * 300 + ", access: read, do: deny}\n", EITHER),
        ("100,000 paths of one rule", HEAD + "  - {path: [" + ", ".join(f"/p/{i}" for i in range(100000)) + "], access: read, do: deny}\n", EITHER),
    ]


def odd_files():
    def fifo():
        os.mkfifo(BAD)

    def unix():
        s = socket.socket(socket.AF_UNIX)
        s.bind(BAD)
        s.close()

    return [("a directory", lambda: os.mkdir(BAD)), ("a named pipe", fifo), ("a socket", unix),
            ("a link to itself", lambda: os.symlink(BAD, BAD)), ("a link to nothing", lambda: os.symlink("/nowhere", BAD)),
            ("an endless device", lambda: os.symlink("/dev/zero", BAD)),
            ("a device node", lambda: os.mknod(BAD, stat.S_IFCHR | 0o600, os.makedev(1, 5)))]


def write(path, content):
    """Bytes, text, or (bytes, how often)."""
    block, n = content if isinstance(content, tuple) else (content, 1)
    with open(path, "wb") as f:
        for _ in range(n):
            f.write(block if isinstance(block, bytes) else block.encode())


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def run(command):
    """Status (negative: the signal), output, seconds, resident KiB."""
    start = time.monotonic()
    with open("/tmp/run.out", "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        timer = signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except TimeoutError:
            child.kill()
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
    with open("/tmp/run.out", encoding="utf-8", errors="replace") as f:
        return os.waitstatus_to_exitcode(status), f.read(1 << 20), time.monotonic() - start, usage.ru_maxrss


def too_late(*_):
    raise TimeoutError


def read_denied(path="/srv/vault/a"):
    try:
        with open(path, "rb"):
            return False
    except PermissionError:
        return True


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def log_has(pattern, since=0):
    with open(RUN_LOG, encoding="utf-8", errors="replace") as f:
        f.seek(since)
        return re.search(pattern, f.read()) is not None


class Agent:
    def __init__(self):
        self.log = open(RUN_LOG, "wb")
        # It edits policies all the time: what the defence is against.
        self.child = subprocess.Popen(["safeguard-agent", "--defence=no", "--credentials=off"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.ready = until(lambda: log_has("ready after"), 400)

    def alive(self):
        return self.child.poll() is None

    def resident(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def well(self):
        """What is not as it should be, or an empty text."""
        if not self.alive():
            return f"the agent ended: {self.child.returncode}"
        if not read_denied():
            return "the policy is not in force any more"
        if self.resident() > AGENT_KIB:
            return f"{self.resident()} KiB resident"
        return ""


def judge(agent, name, wanted, place):
    status, out, seconds, kib = run(["safeguard", "policy", "check", POLICIES])
    fine = status in ((1,) if wanted == REFUSED else (0, 1)) and kib <= CHECK_KIB and seconds < SECONDS
    fine = fine and (status == 0 or re.search(place, out))
    say(fine, f"check: {name}", f"status {status}, {seconds:.0f} s, {kib} KiB: {out[:200]}")
    verdict = status
    status, out, seconds, _ = run(["safeguard", "policy", "reload"])
    fine = (status != 0) == (verdict != 0) and (status == 0 or re.search(place, out))
    say(fine and not agent.well(), f"agent: {name}", f"status {status}, {seconds:.0f} s: {out[:200]} {agent.well()}")


def policy_files(agent):
    for name, content, wanted in text_cases():
        write(BAD, content)
        judge(agent, name, wanted, PLACE if not name.startswith("100 MB") else r"50-bad\.yaml")
        remove(BAD)
    for name, make in odd_files():
        make()
        judge(agent, name, EITHER if name == "a directory" else REFUSED, r"50-bad\.yaml")
        remove(BAD)
    with open(BAD, "w", encoding="ascii") as f:
        f.write(GOOD)
    os.chmod(BAD, 0)
    status, out, *_ = run(["runuser", "-u", "alice", "--", "/opt/safeguard/bin/safeguard", "policy", "check", BAD])
    say(status == 1 and "50-bad.yaml" in out, "check: what may not be read", f"{status} {out}")
    remove(BAD)


def many_files(agent):
    for i in range(5000):
        with open(f"{POLICIES}/60-{i:04}.yaml", "w", encoding="ascii") as f:
            f.write(f"safeguard: 1\nmode: enforce\nfiles:\n  - {{path: /srv/many/{i}, access: read, do: audit}}\n")
    judge(agent, "5,000 files", EITHER, r"policies|\.yaml")
    for path in glob.glob(f"{POLICIES}/60-*"):
        os.unlink(path)
    run(["safeguard", "policy", "reload"])


def changing_file(agent):
    """A writer that truncates and writes in pieces while the agent reads."""
    writer = subprocess.Popen([sys.executable, "-c", f"""
import itertools
for n in itertools.count():
    with open({BAD!r}, "w", buffering=64) as f:
        f.write({rules(200)!r}[: 100 + n * 997 % 12000])
"""])
    bad = {run(["safeguard", "policy", "reload"])[0] for _ in range(30)} - {0, 1}
    writer.kill()
    writer.wait()
    remove(BAD)
    status, out, *_ = run(["safeguard", "policy", "reload"])
    say(not bad and status == 0 and not agent.well(), "a file that changes while it is read",
        f"{bad} {status} {out} {agent.well()}")


def signals(agent):
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        for _ in range(1000):
            os.kill(agent.child.pid, number)
        status, out, *_ = run(["safeguard", "status"])
        say(not agent.well() and status == 0, f"1,000 times {number.name}", f"{status} {agent.well()} {out[-200:]}")


def denials(n, name):
    """n different denials: each needs a line of its own."""
    for i in range(n):
        try:
            os.mkdir(f"/srv/vault/{name}{i}")
        except PermissionError:
            pass


def full_disk(agent):
    denials(3000, "full")
    said = until(lambda: run(["safeguard", "status"])[0] != 0)
    out = run(["safeguard", "status"])[1]
    say(said and re.search("No space|full|dropped|wait", out) and not agent.well(), "a full disk under the log: status says so",
        f"{agent.well()} {out}")
    say(until(lambda: log_has("No space|space")), "... and so does the agent's own log")
    run(["mount", "-o", "remount,size=64M", LOG_DIR])
    # Until what waits is written there is no room for more, and that is counted.
    say(until(lambda: denials(1, f"after{time.monotonic_ns()}-") or
              "/srv/vault/after" in open(EVENTS, encoding="utf-8", errors="replace").read()),
        "... with room again it writes on")
    bad = sum(1 for line in open(EVENTS, encoding="utf-8", errors="replace") if not line.startswith("{") or not line.endswith("}\n"))
    say(bad == 0, "... and no line is broken", f"{bad} lines")


def log_file(agent):
    os.unlink(EVENTS)
    denials(1, "removed")
    os.kill(agent.child.pid, signal.SIGUSR1)
    denials(1, "again")
    say(until(lambda: os.path.exists(EVENTS) and "/srv/vault/again0" in open(EVENTS, encoding="utf-8").read()) and not agent.well(),
        "the log was removed: a new one after SIGUSR1", agent.well())
    os.rename(EVENTS, f"{EVENTS}.old")
    os.mkdir(EVENTS)
    os.kill(agent.child.pid, signal.SIGUSR1)
    denials(2, "directory")
    said = until(lambda: log_has("Is a directory|directory"))
    status, out, *_ = run(["safeguard", "status"])
    say(said and not agent.well(), "the log became a directory: it is said", f"{agent.well()} {status} {out}")
    os.rmdir(EVENTS)
    os.kill(agent.child.pid, signal.SIGUSR1)
    denials(1, "back")
    say(until(lambda: os.path.exists(EVENTS) and os.path.isfile(EVENTS) and "/srv/vault/back0" in open(EVENTS, encoding="utf-8").read()),
        "... and it goes on when that is gone", agent.well())


def control_socket(agent):
    before, clients = agent.descriptors(), []
    for i in range(300):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        try:
            s.connect(SOCKET)
            s.sendall([b"\xff" * 4096, b"{" * 65536, b"\0" * 100, b'{"command":"status"', b"\x7f\xff\xff\xff"][i % 5])
        except OSError:
            pass
        clients.append(s)
    answered = until(lambda: run(["safeguard", "status"])[0] in (0, 1) and "agent" in run(["safeguard", "status"])[1], 60)
    say(answered and not agent.well(), "300 clients that talk garbage or stop half-way: status answers meanwhile or soon after",
        agent.well())
    say(agent.descriptors() - before < 300, "... and not all of them are kept", f"{before} to {agent.descriptors()}")
    for s in clients:
        s.close()
    say(until(lambda: agent.descriptors() <= before + 2), "... and none when they are gone", f"{before} to {agent.descriptors()}")
    status, out, *_ = run(["safeguard", "status"])
    say(status in (0, 1) and "pid" in out and not agent.well(), "... and it answers", f"{status} {out} {agent.well()}")


def main():
    signal.signal(signal.SIGALRM, too_late)
    os.makedirs("/srv/vault")
    os.makedirs(POLICIES, exist_ok=True)
    os.makedirs(LOG_DIR, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "log", LOG_DIR], check=True)
    with open("/srv/vault/a", "w", encoding="ascii") as f:
        f.write("secret\n")
    with open(f"{POLICIES}/10-vault.yaml", "w", encoding="ascii") as f:
        f.write(GOOD)
    agent = Agent()
    say(agent.ready, "the agent starts")
    say(not agent.well(), "the policy is in force", agent.well())
    for part in (policy_files, many_files, changing_file, signals, full_disk, log_file, control_socket):
        part(agent)
    print(f"# {agent.resident()} KiB resident at most")
    status, out, *_ = run(["safeguard", "stop", "--detach"])
    say(status == 0 and agent.child.wait(60) == 0, "it ends as it should", out)
    with open(RUN_LOG, encoding="utf-8", errors="replace") as f:
        sys.stderr.write(f.read()[-20000:])


if __name__ == "__main__":
    main()
