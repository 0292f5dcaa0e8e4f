# SPDX-License-Identifier: Apache-2.0
"""What root may try on safeguard itself: one row an attempt, done by tests/vm/cases/tamper.py in a VM.

Each attempt is a function that does it and raises OSError, or subprocess.CalledProcessError, when it is refused. `@attempt(what, text)`:
what  PREVENTED   it has to be refused with EPERM, and the agent and what it enforces have to be as before
      RECORDED    it does not fail, since it hits others as well, but the agent is left alone: its refusal has to be recorded
      FOUND       it succeeds, and `text` (a pattern) has to be in the status or the records within 10 s
      DOCUMENTED  it succeeds and nobody notices: `text` has to be a heading of docs/threat-model.md
"""
import ctypes
import fcntl
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

PREVENTED, RECORDED, FOUND, DOCUMENTED = "prevented", "recorded", "found", "DOCUMENTED"
ROWS = []
libc = ctypes.CDLL(None, use_errno=True)
PINS = "/sys/fs/bpf/safeguard"
UNIT = "/etc/systemd/system/safeguard-agent.service"

# x86-64
NR = dict(tkill=200, tgkill=234, rt_sigqueueinfo=129, pidfd_send_signal=424, pidfd_open=434, pidfd_getfd=438, process_vm_writev=311,
          process_vm_readv=310, ioprio_set=251, bpf=321, ptrace=101, migrate_pages=256, clock_settime=227)


def attempt(what, text=""):
    def add(fn):
        ROWS.append((fn.__name__.replace("_", "-"), what, text, fn))
        return fn
    return add


def syscall(name, *args):
    r = libc.syscall(ctypes.c_long(NR[name]), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


def run(*argv, **more):
    subprocess.run(argv, check=True, capture_output=True, text=True, **more)


class NotHere(Exception):
    """This kernel does not have what is to be attempted."""


def write(path, text):
    if path.startswith("/sys/fs/cgroup/") and not os.path.exists(path):
        raise NotHere(path)
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def mount(source, target, flags):
    if libc.mount(source, target, None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), "mount")


def bpf(cmd, *words):
    attr = ctypes.create_string_buffer(struct.pack("=%dI" % len(words), *words).ljust(120, b"\0"), 120)
    return syscall("bpf", cmd, attr, 120)


def bpf_path(path, flags=0):
    name = ctypes.create_string_buffer(path.encode())
    attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), 0, flags).ljust(120, b"\0"), 120)
    return syscall("bpf", 7, attr, 120)  # BPF_OBJ_GET


def bpf_ids(next_cmd):
    """The ids of all maps, programs or links."""
    at, ids = 0, []
    while True:
        attr = ctypes.create_string_buffer(struct.pack("=II", at, 0).ljust(120, b"\0"), 120)
        try:
            syscall("bpf", next_cmd, attr, 120)
        except OSError:
            return ids
        at = struct.unpack("=II", attr.raw[:8])[1]
        ids.append(at)


# Signals -------------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def kill_9(a):
    os.kill(a.pid, signal.SIGKILL)


@attempt(PREVENTED)
def sigstop(a):
    os.kill(a.pid, signal.SIGSTOP)


@attempt(PREVENTED)
def sigterm(a):
    os.kill(a.pid, signal.SIGTERM)


@attempt(PREVENTED)
def sigsegv(a):
    os.kill(a.pid, signal.SIGSEGV)


@attempt(PREVENTED)
def sighup(a):
    os.kill(a.pid, signal.SIGHUP)


@attempt(PREVENTED)
def tgkill_a_thread(a):
    syscall("tgkill", a.pid, a.thread, 9)


@attempt(PREVENTED)
def tkill_a_thread(a):
    syscall("tkill", a.thread, 9)


@attempt(PREVENTED)
def sigqueue(a):
    info = ctypes.create_string_buffer(struct.pack("=iii", 9, 0, -1).ljust(128, b"\0"), 128)
    syscall("rt_sigqueueinfo", a.pid, 9, info)


@attempt(PREVENTED)
def pidfd_send_signal(a):
    syscall("pidfd_send_signal", a.pidfd(), 9, 0, 0)


@attempt(PREVENTED)
def kill_its_process_group(a):
    os.kill(-os.getpgid(a.pid), signal.SIGKILL)


@attempt(RECORDED, r"a signal to the agent \(28\)")
def kill_everybody(a):
    # One that all others ignore: what counts is that the agent is among those that are not reached.
    os.kill(-1, signal.SIGWINCH)


@attempt(RECORDED, r"a signal by descriptor to the agent \(9\)")
def kill_by_a_descriptor(a):
    one, other = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, a.pid)
    fcntl.fcntl(one, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_ASYNC)
    other.send(b"x")


@attempt(PREVENTED)
def kill_as_another_user_with_cap_kill(a):
    run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+kill", "--ambient-caps=+kill",
        "bash", "-c", f"kill -9 {a.pid}")


# Its process ---------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def ptrace_attach(a):
    syscall("ptrace", 16, a.pid, 0, 0)


@attempt(PREVENTED)
def ptrace_seize(a):
    syscall("ptrace", 0x4206, a.pid, 0, 0)


@attempt(PREVENTED)
def write_its_memory_by_procfs(a):
    os.close(os.open(f"/proc/{a.pid}/mem", os.O_RDWR))


@attempt(PREVENTED)
def write_its_memory_by_process_vm_writev(a):
    text = ctypes.create_string_buffer(b"x" * 8)
    iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(text), 8), 16)
    syscall("process_vm_writev", a.pid, iov, 1, iov, 1, 0)


@attempt(PREVENTED)
def read_its_memory_by_process_vm_readv(a):
    text = ctypes.create_string_buffer(b"x" * 8)
    iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(text), 8), 16)
    syscall("process_vm_readv", a.pid, iov, 1, iov, 1, 0)


@attempt(PREVENTED)
def steal_a_descriptor(a):
    syscall("pidfd_getfd", a.pidfd(), 3, 0)


@attempt(PREVENTED)
def limit_its_descriptors(a):
    resource.prlimit(a.pid, resource.RLIMIT_NOFILE, (0, 0))


@attempt(PREVENTED)
def limit_its_processor_time(a):
    resource.prlimit(a.pid, resource.RLIMIT_CPU, (1, 1))


@attempt(PREVENTED)
def nice_it(a):
    os.setpriority(os.PRIO_PROCESS, a.pid, 19)


@attempt(PREVENTED)
def schedule_it_when_idle(a):
    os.sched_setscheduler(a.pid, os.SCHED_IDLE, os.sched_param(0))


@attempt(PREVENTED)
def choose_its_processors(a):
    os.sched_setaffinity(a.pid, {0})


@attempt(PREVENTED)
def idle_its_input_and_output(a):
    syscall("ioprio_set", 1, a.pid, 3 << 13)


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


@attempt(PREVENTED)
def trace_the_server(a):
    syscall("ptrace", 0x4206, a.server_pid, 0, 0)


@attempt(PREVENTED)
def read_the_servers_memory(a):
    os.close(os.open(f"/proc/{a.server_pid}/mem", os.O_RDONLY))


# Its cgroup ----------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def cgroup_kill(a):
    write(a.cgroup_file("cgroup.kill"), "1")


@attempt(PREVENTED)
def cgroup_freeze(a):
    write(a.cgroup_file("cgroup.freeze"), "1")


@attempt(PREVENTED)
def freeze_the_parent(a):
    write(a.parent_file("cgroup.freeze"), "1")


@attempt(PREVENTED)
def kill_the_parent(a):
    write(a.parent_file("cgroup.kill"), "1")


@attempt(PREVENTED)
def starve_it_of_memory(a):
    write(a.cgroup_file("memory.max"), "1")


@attempt(PREVENTED)
def starve_the_parent_of_processors(a):
    write(a.parent_file("cpu.max"), "1000 1000000")


@attempt(PREVENTED)
def let_it_have_no_threads(a):
    write(a.cgroup_file("pids.max"), "1")


@attempt(PREVENTED)
def freeze_by_another_mount_of_cgroups(a):
    with a.mounted("cgroup2", "none") as place:
        write(f"{place}{a.cgroup}/cgroup.freeze", "1")


@attempt(FOUND, r"moved to the cgroup /elsewhere; it has moved itself back")
def move_it_to_another_cgroup(a):
    os.makedirs("/sys/fs/cgroup/elsewhere", exist_ok=True)
    write("/sys/fs/cgroup/elsewhere/cgroup.procs", str(a.pid))


# What it has in the kernel ---------------------------------------------------------------------------------------

@attempt(PREVENTED)
def unlink_a_pinned_map(a):
    os.unlink(f"{PINS}/maps/sg_images")


@attempt(PREVENTED)
def unlink_a_pinned_program(a):
    os.unlink(f"{PINS}/links/{sorted(os.listdir(PINS + '/links'))[0]}")


@attempt(PREVENTED)
def rename_the_pins(a):
    os.rename(PINS, "/sys/fs/bpf/elsewhere")


@attempt(PREVENTED)
def exchange_pins(a):
    os.rename(f"{PINS}/maps/sg_roots", f"{PINS}/maps/sg_pins")


@attempt(PREVENTED)
def unmount_bpffs(a):
    run("umount", "/sys/fs/bpf")


@attempt(PREVENTED)
def unmount_bpffs_lazily(a):
    run("umount", "-l", "/sys/fs/bpf")


@attempt(PREVENTED)
def mount_over_bpffs(a):
    run("mount", "-t", "tmpfs", "none", "/sys/fs/bpf")


@attempt(PREVENTED)
def mount_over_the_parent_of_bpffs(a):
    run("mount", "-t", "tmpfs", "none", "/sys/fs")


@attempt(PREVENTED)
def mount_over_sys(a):
    run("mount", "-t", "tmpfs", "none", "/sys")


@attempt(PREVENTED)
def bind_over_the_pins(a):
    run("mount", "--bind", "/tmp", PINS)


@attempt(PREVENTED)
def move_bpffs(a):
    os.makedirs("/mnt/moved", exist_ok=True)
    mount(b"/sys/fs/bpf", b"/mnt/moved", 8192)  # MS_MOVE: mount(8) has another way


@attempt(PREVENTED)
def move_bpffs_as_mount_does(a):
    os.makedirs("/mnt/moved", exist_ok=True)
    run("mount", "--move", "/sys/fs/bpf", "/mnt/moved")


@attempt(PREVENTED)
def remove_pins_by_another_mount(a):
    os.makedirs("/mnt/of-my-own", exist_ok=True)
    run("mount", "--bind", "/sys/fs/bpf", "/mnt/of-my-own")
    try:
        os.unlink("/mnt/of-my-own/safeguard/maps/sg_images")
    finally:
        run("umount", "/mnt/of-my-own")


@attempt(PREVENTED)
def take_a_map_by_its_pin(a):
    os.close(bpf_path(f"{PINS}/maps/sg_agents"))


@attempt(PREVENTED)
def take_a_map_by_its_pin_for_reading(a):
    os.close(bpf_path(f"{PINS}/maps/sg_agents", 1 << 3))


@attempt(PREVENTED)
def take_maps_by_their_numbers(a):
    for number in bpf_ids(12):  # BPF_MAP_GET_NEXT_ID
        os.close(bpf(14, number))  # BPF_MAP_GET_FD_BY_ID


@attempt(PREVENTED)
def take_programs_by_their_numbers(a):
    for number in bpf_ids(11):
        os.close(bpf(13, number))


def sysctl_link():
    return bpf_path(f"{PINS}/links/guard_sysctl")


@attempt(PREVENTED)
def detach_a_program(a):
    fd = sysctl_link()
    bpf(34, fd)  # BPF_LINK_DETACH


@attempt(PREVENTED)
def replace_a_program(a):
    fd = sysctl_link()
    bpf(29, fd, 0)  # BPF_LINK_UPDATE


@attempt(PREVENTED)
def switch_ftrace_off(a):
    write("/proc/sys/kernel/ftrace_enabled", "0")


@attempt(PREVENTED)
def switch_ftrace_off_by_sysctl(a):
    run("sysctl", "-w", "kernel.ftrace_enabled=0")


@attempt(PREVENTED)
def switch_ftrace_off_by_another_procfs(a):
    with a.procfs() as proc:
        write(f"{proc}/sys/kernel/ftrace_enabled", "0")


@attempt(PREVENTED)
def switch_ftrace_off_in_namespaces(a):
    run("unshare", "--mount", "--pid", "--fork", "bash", "-c",
        "mount -t proc none /mnt && echo 0 >/mnt/sys/kernel/ftrace_enabled")


@attempt(PREVENTED)
def switch_ftrace_off_with_blanks_and_zeros(a):
    with a.procfs() as proc:
        write(f"{proc}/sys/kernel/ftrace_enabled", " 00\n")


@attempt(PREVENTED)
def ask_sysrq_to_kill_all(a):
    write("/proc/sysrq-trigger", "h")


@attempt(DOCUMENTED, "A procfs of one's own, and magic keys")
def ask_sysrq_by_another_procfs(a):
    with a.procfs() as proc:
        write(f"{proc}/sysrq-trigger", "h")  # help, where 'i' would kill all


# Its files -------------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def write_to_the_agents_program(a):
    os.close(os.open(a.program, os.O_RDWR | os.O_APPEND))


@attempt(PREVENTED)
def rename_over_the_agents_program(a):
    shutil.copy("/bin/true", a.program + ".new")
    try:
        os.rename(a.program + ".new", a.program)
    finally:
        if os.path.exists(a.program + ".new"):
            os.unlink(a.program + ".new")


@attempt(PREVENTED)
def remove_the_agents_program(a):
    os.unlink(a.program)


@attempt(PREVENTED)
def mount_over_the_agents_program(a):
    # mount(8) calls this a wrong mount point: it is asked without it.
    with open("/tmp/mine", "w"):
        mount(b"/tmp/mine", a.program.encode(), 4096)  # MS_BIND


@attempt(PREVENTED)
def rename_a_parent_of_the_program(a):
    os.rename(os.path.dirname(a.program), os.path.dirname(a.program) + ".x")


@attempt(PREVENTED)
def edit_a_policy(a):
    os.close(os.open(a.policy, os.O_WRONLY | os.O_APPEND))


@attempt(PREVENTED)
def add_a_policy(a):
    os.close(os.open("/etc/safeguard/policies/00-mine.yaml", os.O_WRONLY | os.O_CREAT))


@attempt(PREVENTED)
def remove_a_policy(a):
    os.unlink(a.policy)


@attempt(PREVENTED)
def edit_a_policy_by_a_hard_link(a):
    os.link(a.policy, "/root-link")
    os.close(os.open("/root-link", os.O_WRONLY))


@attempt(PREVENTED)
def truncate_the_settings(a):
    os.truncate("/etc/safeguard/agent.yaml", 0)


@attempt(PREVENTED)
def mount_over_the_settings(a):
    run("mount", "-t", "tmpfs", "none", "/etc/safeguard")


@attempt(PREVENTED)
def rename_the_settings(a):
    os.rename("/etc/safeguard", "/etc/elsewhere")


@attempt(PREVENTED)
def change_the_mode_of_the_state(a):
    os.chmod("/var/lib/safeguard", 0o777)
    os.chmod("/var/lib/safeguard/accepted-policies.json", 0o666)


@attempt(PREVENTED)
def remove_the_state(a):
    shutil.rmtree("/var/lib/safeguard")


@attempt(PREVENTED)
def forge_the_secret(a):
    os.close(os.open("/var/lib/safeguard/unlock-secret", os.O_WRONLY))


@attempt(PREVENTED)
def replace_the_secret(a):
    with open("/tmp/secret-of-mine", "w") as f:
        f.write("sha256 00 00\n")
    shutil.copy("/tmp/secret-of-mine", "/var/lib/safeguard/unlock-secret.new")


@attempt(PREVENTED)
def remove_the_control_socket(a):
    os.unlink("/run/safeguard/control.sock")


@attempt(PREVENTED)
def remove_the_records(a):
    os.unlink(a.events)


@attempt(PREVENTED)
def empty_the_records(a):
    os.truncate(a.events, 0)


@attempt(PREVENTED)
def override_the_unit(a):
    os.makedirs(UNIT + ".d")


@attempt(PREVENTED)
def mask_the_unit(a):
    os.makedirs(os.path.dirname(UNIT), exist_ok=True)
    os.symlink("/dev/null", UNIT)


@attempt(PREVENTED)
def disable_the_unit(a):
    os.unlink("/etc/systemd/system/multi-user.target.wants/safeguard-agent.service")


@attempt(PREVENTED)
def preload_a_library_into_all_programs(a):
    os.close(os.open("/etc/ld.so.preload", os.O_WRONLY | os.O_CREAT))


@attempt(DOCUMENTED, "Libraries")
def write_to_a_library_of_the_agent(a):
    os.close(os.open(a.library, os.O_RDWR))


# Its own commands ------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def ask_it_to_stop(a):
    a.cli("stop")


@attempt(PREVENTED)
def ask_it_to_detach(a):
    a.cli("stop", "--detach")


@attempt(PREVENTED)
def make_another_secret(a):
    a.cli("unlock", "--new-secret")


@attempt(FOUND, r"a wrong secret was given")
def guess_the_secret(a):
    for i in range(5):
        try:
            a.cli("unlock", "--secret-stdin", input="ABCDE-ABCDE-ABCDE-ABCDE-ABCD%d\n" % i)
        except subprocess.CalledProcessError:
            continue
        raise AssertionError("a guess was right")


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


# What stays open -------------------------------------------------------------------------------------------------

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
