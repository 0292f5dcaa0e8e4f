#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what `safeguard top --sched --json` says with loads of a known kind. Prints TAP."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


def check(name, good, seen=""):
    print(f"{'ok' if good else 'not ok'} {name}{'' if good else f': {seen}'}")


def row_of(answer, pid):
    return next((r for r in answer["rows"] if r["pid"] == int(pid)), None)


def loads(path, hog, nap, wait):
    answer = json.load(open(path))
    check("top.scheduling is looked at", answer["scheduling"], answer.get("scheduling_error"))
    rows = [row_of(answer, pid) for pid in (hog, nap, wait)]
    check("top.all loads are listed", all(r and "sched" in r for r in rows), rows)
    if not all(r and "sched" in r for r in rows):
        return
    busy, naps, waits = (r["sched"] for r in rows)
    total = busy["on_permille"] + busy["wait_permille"] + sum(
        v for k, v in busy["off_permille"].items() if k != "preempted")
    check("top.hog: runs or waits for a CPU all the time", 950 <= total <= 1050, busy)
    check("top.hog: never sleeps", busy["off_permille"]["sleep"] <= 20, busy)
    check("top.hog: has most of a CPU", busy["on_permille"] >= 600, busy)
    check("top.nap: sleeps nearly all the time", 850 <= naps["off_permille"]["sleep"] <= 1010, naps)
    # 20 ms and what a timer may be late, which is much where others want the same machine: 50 a second at most.
    check("top.nap: leaves its CPU at each nap", 8 <= naps["switches"] <= 60, naps)
    check("top.nap: every wait has a delay", naps["delay"]["count"] > 0 and
          0 < naps["delay"]["mean_ns"] <= naps["delay"]["max_ns"], naps)
    # Two threads sleep all the time, though neither was seen to begin or to end it.
    check("top.wait: both threads sleep", 1900 <= waits["off_permille"]["sleep"] <= 2020, waits)
    host = answer["host"]
    check("top.host: switches at least as often as one of them", host["switches"] >= naps["switches"], host)
    check("top.host: the histogram is the number of waits", sum(host["delays"]) == host["delay"]["count"], host)
    check("top.nothing is lost", not any(host["lost"].values()), host["lost"])
    check("top.who it is", rows[0]["name"] == "sg-load" and rows[0]["exe"].endswith("sg-load"), rows[0])


def reasons(path, **pids):
    """What each waits for is told under this reason, and under no other: name=pid."""
    answer = json.load(open(path))
    for reason, pid in pids.items():
        row = row_of(answer, pid)
        off = row["sched"]["off_permille"] if row and "sched" in row else {}
        rest = sum(v for k, v in off.items() if k not in (reason, "preempted"))
        # A read also has to be asked for, and its disk may be fast.
        least = 100 if reason == "io" else 900
        check(f"top.reason: {reason}", off and off[reason] >= least and rest <= off[reason] / 10, off or row)


def short(path, pid, used):
    """Of a process that began and ended while somebody looked, from one look to the next."""
    decoder, text, on, off, switches, ended = json.JSONDecoder(), open(path).read().strip(), 0, 0, 0, 0
    while text:
        try:
            answer, end = decoder.raw_decode(text)
        except ValueError:
            break  # the last one was being written
        text = text[end:].lstrip()
        row = row_of(answer, pid)
        if row and "sched" in row:
            seconds = answer["interval_ns"] / 1e9
            on += row["sched"]["on_permille"] * seconds / 1000
            off += sum(row["sched"]["off_permille"].values()) * seconds / 1000
            switches += row["sched"]["switches"] * seconds
            ended += row["ended"]
    used = cpu_of(used) / 1e9
    check("top.short: all that it used, threads that ended before it among them", abs(on - used) <= 0.05 + 0.1 * used,
          f"{on} of {used}")
    check("top.short: its threads slept, and left their CPUs", 0.5 <= off <= 10 and switches >= 8, f"{off} {switches}")
    check("top.short: it is told once that it has ended", ended == 1, ended)


def plain(path, hog):
    answer = json.load(open(path))
    row = row_of(answer, hog)
    check("top.plain: the hog has a CPU", row and 600 <= row["cpu_permille"] <= 1050, row)
    check("top.plain: memory and threads", row and row["rss_bytes"] > 0 and row["threads"] == 1, row)
    check("top.plain: the hog stands first", answer["rows"][0]["pid"] == int(hog), answer["rows"][0])


def forks(before, after):
    old, new = (json.load(open(p))["host"]["lost"] for p in (before, after))
    answer = json.load(open(after))
    ended = sum(r["ended"] for r in answer["rows"])
    lost = {k: new[k] - old[k] for k in new}
    # All 2000 ended before this look began its interval: the first reading of it has them, and forgets them.
    check("top.forks: what has ended is forgotten", ended < 100, ended)
    check("top.forks: no task is unknown, no process without room",
          not lost["unknown"] and not lost["full"], lost)


def cpu_of(path):
    return int(open(path).read().split()[1])


def ran(pid):
    """Nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst)."""
    return int(open(f"/proc/{pid}/schedstat").read().split()[0])


class Terminal:
    """`safeguard top --sched` on a terminal of 24 lines of 80 characters."""

    def __init__(self, *options):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp("safeguard", ["safeguard", "top", "--sched", *options])
        self.before = termios.tcgetattr(self.fd)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self, wanted, seconds=60):
        """What it wrote up to there; with None up to its end."""
        end, begin = time.monotonic() + seconds, len(self.text)
        while wanted is None or not re.search(wanted, self.text[begin:], re.S):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {wanted!r} in {self.text[begin:][-300:]!r}")
            try:
                self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
            except OSError:  # its end
                if wanted is None:
                    break
                raise AssertionError(f"it ended: {self.text[begin:][-300:]!r}") from None
        return self.text[begin:]

    def end(self):
        rest = self.read(None)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), rest


ENTER, CLEAR, LEAVE = "\x1b[?1049h", "\x1b[H\x1b[J", "\x1b[?1049l"


def terminal(agent):
    """A screen that fits, keys, and whatever ends it leaves the terminal as it was."""
    t = Terminal("--interval", "300ms")
    picture = t.read(re.escape(CLEAR) + ".*" + re.escape(CLEAR)).split(CLEAR)[1]
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in picture.rstrip("\r\n").split("\r\n")]
    check("top.a screen of its own", ENTER in t.text, t.text[:200])
    check("top.which fits", len(lines) == 24 and max(map(len, lines)) <= 80, (len(lines), lines))
    check("top.with a table", any("PID" in line and "NAME" in line for line in lines), lines)
    os.write(t.fd, b"q")
    status, rest = t.end()
    check("top.q ends it", status == 0 and rest.rstrip().endswith(LEAVE), (status, rest))
    t = Terminal("--interval", "3600s")
    t.read(re.escape(ENTER))
    for key in (b"m", b"t"):
        os.write(t.fd, key)
        t.read(re.escape(CLEAR) + ".*NAME")
    check("top.a key is answered at once", True)
    # Of the terminal itself, which its other end sees, too.
    check("top.no echo meanwhile", not termios.tcgetattr(t.fd)[3] & (termios.ECHO | termios.ICANON))
    os.kill(t.pid, signal.SIGTERM)
    t.read(re.escape(LEAVE))
    check("top.a signal leaves the terminal as it was", termios.tcgetattr(t.fd) == t.before, termios.tcgetattr(t.fd))
    t.end()
    t = Terminal("--interval", "300ms")
    t.read(re.escape(CLEAR) + ".*NAME")
    os.kill(int(agent), signal.SIGKILL)
    status, rest = t.end()
    check("top.that the agent has gone is said on the screen that stays", status != 0 and "agent" in rest.split(LEAVE)[-1],
          (status, rest[-500:]))


def check_part(name, wanted, a, b):
    part = wanted / (1 + wanted)
    print(f"# {name}: {a} and {b}, {a / b if b else 0:.3f}:1")
    check(name, a + b > 0 and abs(a / (a + b) - part) <= 0.1 * part, f"{a} {b}")


def share(name, wanted, one, two, seconds):
    """The first (pids with commas between) have `wanted` times the CPU of the second, within 10 % of their own part."""
    wanted = float(wanted)
    sides = one.split(","), two.split(",")
    for pid in (*sides[0], *sides[1]):
        while not os.readlink(f"/proc/{pid}/exe").startswith("/srv/") or ran(pid) < 300e6:
            time.sleep(0.05)
    before = [sum(map(ran, side)) for side in sides]
    time.sleep(float(seconds))
    a, b = (sum(map(ran, side)) - was for side, was in zip(sides, before))
    check_part(name, wanted, a, b)


def io_share(name, wanted, one, two, seconds):
    """The first of two groups (their files io.stat) reads `wanted` times what the second does, likewise."""
    def has_read(path):
        return sum(int(word.split("=")[1]) for word in open(path).read().split() if word.startswith("rbytes="))

    before = has_read(one), has_read(two)
    time.sleep(float(seconds))
    check_part(name, float(wanted), has_read(one) - before[0], has_read(two) - before[1])


def quota(name, wanted, seconds, path):
    used = cpu_of(path) / 1e9 / float(seconds)
    check(name, abs(used - float(wanted)) <= 0.1 * float(wanted), used)


if sys.argv[1] == "reasons":
    reasons(sys.argv[2], **dict(argument.split("=") for argument in sys.argv[3:]))
else:
    globals()[sys.argv[1]](*sys.argv[2:])
