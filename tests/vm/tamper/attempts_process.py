# SPDX-License-Identifier: Apache-2.0
"""Attempts on its process: signals, ptrace, limits (attempts.py)."""
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct

from trying import PREVENTED, RECORDED, FOUND, FLOOD, attempt, run, syscall, write

# Signals -------------------------------------------------------------------------------------------------------

@attempt(PREVENTED, "signal 9")
def kill_9(a):
    os.kill(a.pid, signal.SIGKILL)


@attempt(PREVENTED, "signal 19")
def sigstop(a):
    os.kill(a.pid, signal.SIGSTOP)


@attempt(PREVENTED, "signal 15")
def sigterm(a):
    os.kill(a.pid, signal.SIGTERM)


@attempt(PREVENTED, "signal 11")
def sigsegv(a):
    os.kill(a.pid, signal.SIGSEGV)


@attempt(PREVENTED, "signal 1")
def sighup(a):
    os.kill(a.pid, signal.SIGHUP)


@attempt(PREVENTED, "signal 9")
def kill_the_self_test(a):
    a.test_process(lambda pid: os.kill(pid, signal.SIGKILL))


@attempt(PREVENTED, "signal 19")
def stop_the_self_test(a):
    a.test_process(lambda pid: os.kill(pid, signal.SIGSTOP))


@attempt(PREVENTED, "ptrace")
def write_the_memory_of_the_self_test(a):
    def write_it(pid):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            at = maps.readline().split("-")[0]
        # Of one that ends there is nothing to be read or written any more, and no hook is asked.
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            if not at or not os.pread(memory.fileno(), 1, int(at, 16)):
                raise ProcessLookupError(pid)
    a.test_process(write_it)


@attempt(PREVENTED, "ptrace")
def take_a_descriptor_of_the_self_test(a):
    a.test_process(lambda pid: syscall("pidfd_getfd", syscall("pidfd_open", pid, 0), 0, 0))


@attempt(PREVENTED, "signal 9")
def tgkill_a_thread(a):
    syscall("tgkill", a.pid, a.thread, 9)


@attempt(PREVENTED, "signal 9")
def tkill_a_thread(a):
    syscall("tkill", a.thread, 9)


@attempt(PREVENTED, "signal 9")
def sigqueue(a):
    info = ctypes.create_string_buffer(struct.pack("=iii", 9, 0, -1).ljust(128, b"\0"), 128)
    syscall("rt_sigqueueinfo", a.pid, 9, info)


@attempt(PREVENTED, "signal 9")
def pidfd_send_signal(a):
    syscall("pidfd_send_signal", a.pidfd(), 9, 0, 0)


@attempt(PREVENTED, "signal 9")
def kill_its_process_group(a):
    os.kill(-os.getpgid(a.pid), signal.SIGKILL)


@attempt(RECORDED, "signal 28")
def kill_everybody(a):
    # One that all others ignore: what counts is that the agent is among those that are not reached.
    os.kill(-1, signal.SIGWINCH)


@attempt(RECORDED, "signal_by_descriptor 9")
def kill_by_a_descriptor(a):
    one, other = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, a.pid)
    fcntl.fcntl(one, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_ASYNC)
    other.send(b"x")


@attempt(PREVENTED, "signal 12")
def kill_it_a_thousand_times(a):
    # By a process of its own: as many refusals as there were attempts have to be recorded, in a few records.
    child = os.fork()
    if child == 0:
        for _ in range(FLOOD):
            try:
                os.kill(a.pid, signal.SIGUSR2)
                os._exit(1)
            except PermissionError:
                continue
        os._exit(0)
    a.flooded_by = child
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        raise PermissionError(1, "each of them was refused")


@attempt(PREVENTED, "signal 9")
def kill_as_another_user_with_cap_kill(a):
    run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+kill", "--ambient-caps=+kill",
        "bash", "-c", f"kill -9 {a.pid}")


# Its process ---------------------------------------------------------------------------------------------------

@attempt(PREVENTED, "ptrace")
def ptrace_attach(a):
    syscall("ptrace", 16, a.pid, 0, 0)


@attempt(PREVENTED, "ptrace")
def ptrace_seize(a):
    syscall("ptrace", 0x4206, a.pid, 0, 0)


@attempt(PREVENTED)
def write_its_memory_by_procfs(a):
    os.close(os.open(f"/proc/{a.pid}/mem", os.O_RDWR))


@attempt(PREVENTED, "ptrace")
def write_its_memory_by_process_vm_writev(a):
    text = ctypes.create_string_buffer(b"x" * 8)
    iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(text), 8), 16)
    syscall("process_vm_writev", a.pid, iov, 1, iov, 1, 0)


@attempt(PREVENTED, "ptrace")
def read_its_memory_by_process_vm_readv(a):
    text = ctypes.create_string_buffer(b"x" * 8)
    iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(text), 8), 16)
    syscall("process_vm_readv", a.pid, iov, 1, iov, 1, 0)


@attempt(PREVENTED, "ptrace")
def steal_a_descriptor(a):
    syscall("pidfd_getfd", a.pidfd(), 3, 0)


@attempt(PREVENTED, "resource_limit 7")
def limit_its_descriptors(a):
    resource.prlimit(a.pid, resource.RLIMIT_NOFILE, (0, 0))


@attempt(PREVENTED, "resource_limit 0")
def limit_its_processor_time(a):
    resource.prlimit(a.pid, resource.RLIMIT_CPU, (1, 1))


@attempt(PREVENTED, "nice 19")
def nice_it(a):
    os.setpriority(os.PRIO_PROCESS, a.pid, 19)


@attempt(PREVENTED, "scheduler")
def schedule_it_when_idle(a):
    os.sched_setscheduler(a.pid, os.SCHED_IDLE, os.sched_param(0))


@attempt(PREVENTED, "scheduler")
def choose_its_processors(a):
    os.sched_setaffinity(a.pid, {0})


@attempt(PREVENTED, "io_priority")
def idle_its_input_and_output(a):
    syscall("ioprio_set", 1, a.pid, 3 << 13)


@attempt(PREVENTED, "move_memory")
def move_its_memory(a):
    nodes = ctypes.create_string_buffer(struct.pack("=Q", 1), 8)
    syscall("migrate_pages", a.pid, 64, nodes, nodes)


@attempt(PREVENTED)
def have_it_killed_first(a):
    write(f"/proc/{a.pid}/oom_score_adj", "1000")


@attempt(FOUND, r"oom_score_adj was set to 1000; it has set it back")
def have_it_killed_first_by_another_procfs(a):
    with a.procfs() as proc:
        write(f"{proc}/{a.pid}/oom_score_adj", "1000")


@attempt(PREVENTED)
def name_its_threads(a):
    write(f"/proc/{a.pid}/comm", "nothing")


@attempt(PREVENTED)
def choose_its_core_dump(a):
    write(f"/proc/{a.pid}/coredump_filter", "0xff")


@attempt(PREVENTED, "ptrace")
def trace_the_server(a):
    syscall("ptrace", 0x4206, a.server_pid, 0, 0)


@attempt(PREVENTED, "ptrace")
def read_the_servers_memory(a):
    os.close(os.open(f"/proc/{a.server_pid}/mem", os.O_RDONLY))
