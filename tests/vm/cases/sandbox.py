#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run as the server's unit is: what can be done in its sandbox, and what cannot. TAP on standard output.

The modes and owners of files would keep its user from most of it; the sandbox is a second wall, so that errors are looked at
which only it makes, wherever there is one.
"""

import ctypes
import errno
import mmap
import os
import pathlib
import socket
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
STATE = "/var/lib/safeguard-server"
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
# System calls of x86-64, and arguments that are no harm.
CALLS = {"mount": 165, "ptrace": 101, "add_key": 248, "keyctl": 250, "bpf": 321, "perf_event_open": 298, "init_module": 175,
         "kexec_load": 246, "swapon": 167, "reboot": 169, "settimeofday": 164, "chroot": 161, "setns": 308, "userfaultfd": 323,
         "process_vm_readv": 310, "iopl": 172, "pivot_root": 155}


def check(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name}: {why}", flush=True)


def error_of(act):
    try:
        act()
    except OSError as e:
        return e.errno
    return 0


def call(number, *arguments):
    LIBC.syscall(number, *(arguments or (0, 0, 0, 0, 0)))
    return ctypes.get_errno()


def refused(name, act, errors):
    e = error_of(act)
    check(name, e in errors, os.strerror(e) if e else "it can be done")


def files():
    for directory in ("/usr", "/etc", "/boot", "/srv", "/var/log", "/var/lib", "/opt", "/sys", "/"):
        refused(f"nothing is written to {directory}", lambda d=directory: open(f"{d}/probe", "w"), (errno.EROFS,))
    check("homes are empty", error_of(lambda: os.listdir("/root")) == errno.EACCES or not os.listdir("/root"))
    check("its /tmp is its own", not os.path.exists("/tmp/seen"))
    check("it can write to its /tmp", error_of(lambda: pathlib.Path("/tmp/probe").write_text("x")) == 0)
    check("it can write to its data", error_of(lambda: pathlib.Path(STATE, "probe").write_text("x")) == 0)
    os.unlink(f"{STATE}/probe")
    check("there are no devices of the machine", not [d for d in ("mem", "kmsg", "vda", "sda") if os.path.exists(f"/dev/{d}")])
    check("other processes are not seen", not os.path.exists("/proc/1") or os.getpid() == 1)
    refused("the kernel's settings are not written", lambda: open("/proc/sys/kernel/hostname", "w"), (errno.EROFS, errno.EACCES, errno.ENOENT))
    refused("control groups are not written", lambda: os.mkdir("/sys/fs/cgroup/probe"), (errno.EROFS,))


def calls():
    for name, number in CALLS.items():
        e = call(number)
        check(f"{name}(2) is refused", e == errno.EPERM, os.strerror(e))
    for name, flag in (("user", CLONE_NEWUSER), ("mount", CLONE_NEWNS)):
        e = call(272, flag, 0)
        check(f"no {name} namespace is made", e == errno.EPERM, os.strerror(e))
    refused("no memory is both written and run", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), (errno.EPERM,))
    refused("no file gets its owner's powers", lambda: os.chmod("/tmp/probe", 0o4755), (errno.EPERM,))


def families():
    for name in ("AF_PACKET", "AF_VSOCK", "AF_BLUETOOTH", "AF_ALG"):
        refused(f"no socket of {name}", lambda n=name: socket.socket(getattr(socket, n), socket.SOCK_RAW), (errno.EAFNOSUPPORT,))
    refused("no raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), (errno.EPERM,))


def talk(family, address):
    """As to a mail server or a webhook on this machine."""
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        said = []
        thread = threading.Thread(target=lambda: said.append(listener.accept()[0].recv(5)))
        thread.start()
        with socket.create_connection(listener.getsockname()[:2]) as s:
            s.sendall(b"hello")
        thread.join()
    return said == [b"hello"]


def network():
    check("it reaches a listener over IPv4", talk(socket.AF_INET, "127.0.0.1"))
    check("  ... over IPv6", talk(socket.AF_INET6, "::1"))
    check("  ... by a name", bool(socket.getaddrinfo("localhost", 25)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        check("it sends to syslog over UDP", s.sendto(b"<14>x", ("127.0.0.1", 514)) == 5)
    check("it knows the machine's addresses", bool(socket.if_nameindex()))


for part in (files, calls, families, network):
    part()
