# SPDX-License-Identifier: Apache-2.0
"""Attempts on the host that it lives on: time, room, memory; and what stays open (attempts.py)."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

from trying import FOUND, WITHSTOOD, DOCUMENTED, attempt, libc, run, syscall, write

# Time, room ------------------------------------------------------------------------------------------------------

def step_clock(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


@attempt(FOUND, r"the clock of this host was set forward by 3[56]")
def set_the_clock_forward(a):
    step_clock(3600)


@attempt(FOUND, r"the clock of this host was set back by 3[56]")
def set_the_clock_back(a):
    step_clock(-3600)


@attempt(FOUND, r"records cannot be written")
def fill_the_disk_of_the_records(a):
    try:
        with open("/var/log/safeguard/filling", "wb") as f:
            while f.write(b"x" * 65536):
                f.flush()
    except OSError:
        pass
    # Something to be recorded.
    for _ in range(200):
        try:
            open("/srv/vault/a").close()
        except OSError:
            continue


# Exhaustion ------------------------------------------------------------------------------------------------------

def still_refused(a):
    try:
        os.kill(a.pid, signal.SIGKILL)
    except PermissionError:
        return
    raise AssertionError("the agent could be killed")


@attempt(WITHSTOOD)
def fork_bomb(a):
    # In a cgroup with a bound, since what comes after this row needs a host that lives.
    place = "/sys/fs/cgroup/bomb"
    os.makedirs(place, exist_ok=True)
    write(f"{place}/pids.max", "300")
    bomb = subprocess.Popen(["bash", "-c", f"echo 0 >{place}/cgroup.procs && b() {{ b | b & }}; b 2>/dev/null; wait"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        still_refused(a)
        time.sleep(0.1)
    # Whoever forks between two looks is in the next one; without room for more of them all end.
    write(f"{place}/pids.max", "0")
    while members := open(f"{place}/cgroup.procs").read().split():
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    bomb.wait()
    os.rmdir(place)


@attempt(WITHSTOOD)
def take_all_memory(a):
    # Until the kernel kills somebody: whoever has the most, and that is not the agent.
    hog = subprocess.Popen(["python3", "-c", "held = []\nwhile True: held.append(b'x' * (8 << 20))"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 240
    while hog.poll() is None and time.monotonic() < end:
        still_refused(a)
        time.sleep(0.1)
    if hog.poll() is None:
        hog.kill()
        raise AssertionError("memory did not end")
    if hog.returncode != -signal.SIGKILL:
        raise AssertionError(f"it ended with {hog.returncode}: nobody was killed for memory")


@contextlib.contextmanager
def set_to(values):
    """Files in /proc/sys for a while: written through descriptors from before, since what is set may keep others from being opened."""
    held = {}
    for name in values:
        fd = os.open(f"/proc/sys/{name}", os.O_RDWR)
        held[name] = fd, os.read(fd, 100)
    try:
        for name, value in values.items():
            os.pwrite(held[name][0], value, 0)
        yield
    finally:
        for fd, before in reversed(held.values()):
            os.pwrite(fd, before, 0)
            os.close(fd)


@attempt(FOUND, r"the self-test cannot be run: Cannot allocate memory")
def promise_no_memory_to_anybody(a):
    with set_to({"vm/admin_reserve_kbytes": b"0", "vm/user_reserve_kbytes": b"0", "vm/overcommit_kbytes": b"1",
                 "vm/overcommit_memory": b"2"}):
        time.sleep(20)


@attempt(FOUND, r"the self-test cannot be run: Resource temporarily unavailable")
def let_nobody_have_threads(a):
    with set_to({"kernel/threads-max": b"20"}):
        time.sleep(18)


# What stays open -------------------------------------------------------------------------------------------------

@attempt(DOCUMENTED, "A server on the same host")
def stop_the_server(a):
    os.kill(a.server_pid, signal.SIGSTOP)
    os.kill(a.server_pid, signal.SIGCONT)


@attempt(DOCUMENTED, "Kernel modules, kexec, another kernel")
def reach_for_kernel_modules(a):
    # That it may be asked at all: a module with a valid signature would be loaded.
    r = libc.syscall(ctypes.c_long(313), ctypes.c_long(-1), b"", ctypes.c_long(0))  # finit_module
    if r < 0 and ctypes.get_errno() != 9:  # EBADF: it was asked for its file
        raise OSError(ctypes.get_errno(), "refused before its file was asked for")


@attempt(DOCUMENTED, "The raw disk")
def write_to_the_raw_disk(a):
    os.mknod("/dev/raw-of-mine", 0o600 | 0o060000, os.makedev(1, 0))  # /dev/ram0, as any other device of blocks
    try:
        os.close(os.open("/dev/raw-of-mine", os.O_RDWR))
    except OSError as e:
        if e.errno not in (6, 19):  # no such device here
            raise
    finally:
        os.unlink("/dev/raw-of-mine")


@attempt(DOCUMENTED, "Who passes for the service manager")
def trace_the_service_manager(a):
    # By a process of its own, whose end lets it go.
    child = os.fork()
    if child == 0:
        try:
            syscall("ptrace", 0x4206, 1, 0, 0)  # PTRACE_SEIZE
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(1, "pid 1 cannot be traced")


@attempt(DOCUMENTED, "Before the agent starts")
def order_a_unit_before_it(a):
    place = "/etc/systemd/system/mine.service"
    with open(place, "w") as f:
        f.write("[Unit]\nBefore=safeguard-agent.service\n[Service]\nExecStart=/bin/true\n")
    os.unlink(place)


@attempt(DOCUMENTED, "The agent's own program, when none runs")
def choose_the_environment_of_its_program(a):
    # Of one that says its version: one that protects does not start while another one runs.
    with open("/tmp/preloaded", "w") as log:
        subprocess.run([a.program, "--version"], check=True, stdout=subprocess.DEVNULL, stderr=log,
                       env={"LD_PRELOAD": "/library-of-mine.so"})
    with open("/tmp/preloaded") as log:
        if "/library-of-mine.so" not in log.read():
            raise AssertionError("its dynamic linker did not look for the library")


@attempt(DOCUMENTED, "Exhaustion")
def be_one_that_is_never_killed(a):
    # Not until memory has ended, which would be the end of the agent, too.
    child = subprocess.Popen(["sleep", "100"])
    try:
        write(f"/proc/{child.pid}/oom_score_adj", "-1000")
    finally:
        child.kill()
        child.wait()


@attempt(DOCUMENTED, "The network of the host")
def take_a_link_down(a):
    run("ip", "link", "set", "lo", "down")
    run("ip", "link", "set", "lo", "up")
