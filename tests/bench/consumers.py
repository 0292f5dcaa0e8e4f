# SPDX-License-Identifier: Apache-2.0
"""Measures programs that write records: what the caller pays, and what they do themselves for one.

In a guest that counts instructions, a nanosecond of processor time is an instruction, also in
/proc/PID/task/*/schedstat. The caller is measured by its own processor time: a reader that is woken in
the middle of it, or that lags behind, is not in it. A reader's own work is read when it has written
what the load made and nothing more comes, less what it does in the same time when nothing happens.
"""

import glob
import os
import re
import subprocess
import time

SETTLE = 2      # seconds; writers flush after less
TIMEOUT = 120   # for a reader to get through what the load made
LOADS = 3       # how often each is measured; the median counts
IDLE = 20


def wait_until(condition, what, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def cpu_ns(pids):
    """Processor time of all threads of these processes."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
    return total


def kernel_thread(name):
    for path in glob.glob("/proc/[0-9]*/comm"):
        with open(path, encoding="ascii") as f:
            if f.read().strip() == name:
                return int(path.split("/")[2])
    raise RuntimeError(f"there is no kernel thread {name}")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)[1])


class Reader:
    """A program that writes a record for every access; `mark` is in each of them once."""

    def __init__(self, pids, log, mark):
        self.pids = pids
        self.log = log
        self.mark = mark

    def records(self):
        with open(self.log, "rb") as f:
            return sum(self.mark in line for line in f)

    def settle(self, expected=0):
        """Waits until nothing is written any more."""
        end = time.monotonic() + TIMEOUT
        last, quiet = -1, 0
        while quiet < 2:
            time.sleep(SETTLE / 2)
            now = os.stat(self.log).st_size
            quiet = quiet + 1 if now == last else 0
            last = now
            if time.monotonic() > end:
                raise RuntimeError(f"{self.log} does not come to rest")
        n = self.records()
        if n < expected:
            print(f"  {self.log}: {n} records of {expected} arrived", flush=True)
        return n

    def idle(self, seconds):
        """Its work for each second in which nothing happens."""
        start, before = time.monotonic(), cpu_ns(self.pids)
        time.sleep(seconds)
        return (cpu_ns(self.pids) - before) / (time.monotonic() - start)

    def load(self, run, idle):
        """run() makes a load. Returns the reader's own work for one record, how many, bytes of one."""
        n, size = self.settle(), os.stat(self.log).st_size
        start, before = time.monotonic(), cpu_ns(self.pids)
        run()
        n = self.settle() - n
        used = cpu_ns(self.pids) - before - idle * (time.monotonic() - start)
        if n == 0:
            raise RuntimeError("the load left no record")
        return used / n, n, (os.stat(self.log).st_size - size) / n


def says(log, pattern):
    with open(log, "rb") as f:
        return re.search(pattern, f.read()) is not None


def polls(pid):
    """Has an epoll descriptor and sleeps."""
    links = (os.path.join(f"/proc/{pid}/fd", fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        state = f.read().rsplit(")", 1)[1].split()[0]
    return state == "S" and any("[eventpoll]" in os.readlink(link) for link in links)


def start(command, log, ready, env=None, seconds=600):
    """Starts a program, its output to `log`; ready(its pid) says whether it works."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)

    def is_ready():
        if child.poll() is not None:
            with open(log, encoding="utf-8", errors="replace") as f:
                raise RuntimeError(f"{command[0]} ended with {child.returncode}: {f.read()[-300:]}")
        return ready(child.pid)
    try:
        wait_until(is_ready, f"{command[0]} is not ready", seconds)
    except BaseException:
        stop(child)
        raise
    return child


def stop(child):
    child.terminate()
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
