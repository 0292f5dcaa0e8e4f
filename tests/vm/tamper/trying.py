# SPDX-License-Identifier: Apache-2.0
"""What attempts are made of (attempts.py): their rows, and calls that Python has no words for."""
import ctypes
import os
import resource
import struct
import subprocess

PREVENTED, RECORDED, FOUND, WITHSTOOD, DOCUMENTED = "prevented", "recorded", "found", "withstood", "DOCUMENTED"
NO_RECORD = "-"
ROWS = []
libc = ctypes.CDLL(None, use_errno=True)
PINS = "/sys/fs/bpf/safeguard"
UNIT = "/etc/systemd/system/safeguard-agent.service"

# x86-64
NR = dict(tkill=200, tgkill=234, rt_sigqueueinfo=129, pidfd_send_signal=424, pidfd_open=434, pidfd_getfd=438, process_vm_writev=311,
          process_vm_readv=310, ioprio_set=251, bpf=321, ptrace=101, migrate_pages=256, clock_settime=227, clone3=435, pivot_root=155)


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
    return subprocess.run(argv, check=True, capture_output=True, text=True, **more).stdout


FLOOD = 1000


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


def held(number, name):
    """A descriptor of the file of this name that was opened before there was an agent: tamper.sh leaves them."""
    try:
        path = os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError as e:
        raise NotHere(name) from e
    if os.path.basename(path) != name:
        raise NotHere(name)
    return number


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


def bpf_program(kind, pid, sig):
    """A program that sends a signal to the process that runs it, where that is `pid`."""
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # programs count up to 5.10
    steps = [(0x85, 0, 0, 14),      # r0 = bpf_get_current_pid_tgid()
             (0x77, 0, 0, 32),      # r0 >>= 32
             (0x55, 0, 2, pid),     # if r0 != pid: two further
             (0xb7, 1, 0, sig),     # r1 = sig
             (0x85, 0, 0, 109),     # bpf_send_signal(r1)
             (0xb7, 0, 0, 0), (0x95, 0, 0, 0)]  # return 0
    code = ctypes.create_string_buffer(b"".join(struct.pack("=BBhi", op, reg, off, imm) for op, reg, off, imm in steps))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = ctypes.create_string_buffer(
        struct.pack("=IIQQ", kind, len(steps), ctypes.addressof(code), ctypes.addressof(licence)).ljust(120, b"\0"), 120)
    return syscall("bpf", 5, attr, 120)  # BPF_PROG_LOAD


def raw_tracepoint(name, program):
    text = ctypes.create_string_buffer(name)
    attr = ctypes.create_string_buffer(struct.pack("=QI", ctypes.addressof(text), program).ljust(120, b"\0"), 120)
    return syscall("bpf", 17, attr, 120)  # BPF_RAW_TRACEPOINT_OPEN


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
