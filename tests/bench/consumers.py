# SPDX-License-Identifier: Apache-2.0
"""Measures programs that write records: what the caller pays, and what they do themselves for one.

In a guest that counts instructions, a nanosecond of processor time is an instruction, also in
/proc/PID/task/*/schedstat. The caller is measured by its own processor time: a reader that is woken in
the middle of it, or that lags behind, is not in it. A reader's own work is read when it has written
what the load made and nothing more comes, less what it does in the same time when nothing happens.

Every wait is for an event of the kernel's (a file that grows, a message, a program that ends), and is
over after a time of the guest's that is given to it: there, a program that never rests takes as long
as its instructions do.
"""

import ctypes
import glob
import os
import re
import select
import socket
import subprocess
import time

QUIET = 2      # seconds without a change; writers flush after less
REST = 30      # a reader that has not come to rest by then does not: it feeds itself
LOADS = 3      # how often each is measured; the median counts
IDLE = 20
POKE = 0.2     # between two tries to have a reader write something
CHANGES = 0x2 | 0x8 | 0x80 | 0x100  # IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE


class Watch:
    """What is written in a directory, as events of inotify."""

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, directory.encode(), CHANGES) < 0:
            raise OSError(ctypes.get_errno(), "inotify", directory)

    def fileno(self):
        return self.fd

    def drain(self):
        """Whether there was anything."""
        seen = False
        try:
            while os.read(self.fd, 65536):
                seen = True
        except BlockingIOError:
            return seen

    def await_change(self, seconds):
        """False: nothing was written in that time."""
        return bool(select.select([self.fd], [], [], max(seconds, 0))[0]) and self.drain()

    def close(self):
        os.close(self.fd)


class Notices:
    """What a program tells a service manager: READY=1."""

    def __init__(self, directory):
        self.path = f"{directory}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(self.path)
        self.ready = False

    def fileno(self):
        return self.socket.fileno()

    def drain(self):
        try:
            while True:
                self.ready |= b"READY=1" in self.socket.recv(4096).split(b"\n")
        except BlockingIOError:
            pass

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def cpu_ns(pids):
    """Processor time of all threads of these processes."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path, encoding="ascii") as f:
                    total += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass  # the thread has ended
    return total


def kernel_thread(name):
    for path in glob.glob("/proc/[0-9]*/comm"):
        with open(path, encoding="ascii") as f:
            if f.read().strip() == name:
                return int(path.split("/")[2])
    raise RuntimeError(f"there is no kernel thread {name}")


def resident_kib(pid, field="VmRSS"):
    """VmHWM: the most since forget_peak()."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{field}:\s+(\d+)", f.read(), re.M)[1])


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def grep(pattern, path):
    """Lines of these files that match."""
    n = 0
    for each in glob.glob(path):
        with open(each, "rb") as f:
            n += sum(re.search(pattern, line) is not None for line in f)
    return n


class Reader:
    """A program that writes records of accesses to a file, in a directory that has nothing else."""

    def __init__(self, name, child, log, helpers=()):
        self.name = name
        self.child = child
        self.pids = [child.pid, *helpers]
        self.log = log
        self.watch = Watch(os.path.dirname(log))

    def size(self):
        return sum(os.stat(path).st_size for path in glob.glob(f"{self.log}*"))

    def settle(self):
        """Waits until nothing is written any more."""
        end = time.monotonic() + REST
        while self.watch.await_change(QUIET):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} still writes after {REST} s: {self.size()} bytes")

    def idle(self, seconds):
        """Its work for each second in which nothing happens."""
        start, before = time.monotonic(), cpu_ns(self.pids)
        time.sleep(seconds)
        return (cpu_ns(self.pids) - before) / (time.monotonic() - start)

    def load(self, run, pattern, idle=0):
        """run() makes a load, of which each record has the pattern in a line. Returns the reader's own
        work, and what of it came after the load; the number of records, and their bytes."""
        self.settle()
        n, size = grep(pattern, f"{self.log}*"), self.size()
        start, before = time.monotonic(), cpu_ns(self.pids)
        run()
        between = cpu_ns(self.pids)
        self.settle()
        used = cpu_ns(self.pids) - before - idle * (time.monotonic() - start)
        n = grep(pattern, f"{self.log}*") - n
        if n == 0:
            raise RuntimeError(f"the load left no record of {self.name}")
        return {"own": used, "later": used - (between - before), "records": n,
                "bytes": self.size() - size}

    def stop(self):
        self.watch.close()
        stop(self.child)


def start(command, log, source, ready, env=None, seconds=900, poke=None):
    """Starts a program, its output to `log`, and waits until ready() holds; that is asked whenever `source`
    (a Watch or Notices) says something. poke() is what the program is given to say something about."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
    ended = os.pidfd_open(child.pid)
    end = time.monotonic() + seconds
    try:
        while not ready():
            left = end - time.monotonic()
            if left <= 0:
                raise RuntimeError(f"{command[0]} is not ready after {seconds} s")
            if poke:
                poke()
            said = select.select([source, ended], [], [], POKE if poke else left)[0]
            if ended in said:
                with open(log, encoding="utf-8", errors="replace") as f:
                    raise RuntimeError(f"{command[0]} ended with {child.wait()}: {f.read()[-300:]}")
            source.drain()
    except BaseException:
        stop(child)
        raise
    finally:
        os.close(ended)
    return child


def stop(child):
    child.terminate()
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
