# SPDX-License-Identifier: Apache-2.0
"""What cases about domain names share: messages, the tables of the kernel side, records, and a server that answers as it is told.

By the name that is asked for, the server on UDP says:
  good-*      192.0.2.200
  wrongid-*   an answer with another id first, then a good one
  wrongname-* one to a question for another name
  wrongtype-* one to a question for another type
  wrongport-* one from another port
  elsewhere-* one from another address
  twice-*     a good one, and another one with the same id
  poison-*    with further records of other names, in the answer and in the additional section
  loop-*      CNAMEs in a circle, with an address
  cut-*       a message that ends within a record
  second-*    nothing to the first question, a good one to the second
  never-*     nothing
"""

import ctypes
import ipaddress
import json
import os
import socket
import struct
import time

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_LOOKUP, BPF_OBJ_GET = 1, 7
NAMES, NAME_BYTES = 4, 272
A, CNAME, AAAA = 1, 5, 28
FORGED = "203.0.113.66"
GOOD = "192.0.2.200"
BOOTTIME = time.CLOCK_BOOTTIME

libc = ctypes.CDLL(None, use_errno=True)


def check(name, good, said=""):
    print("ok" if good else "not ok", name + ("" if good else f": {said}"), flush=True)


# -- The kernel's tables ----------------------------------------------------------------------

def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    return libc.syscall(SYS_BPF, command, buffer, 128)


class Table:
    def __init__(self, path):
        self.path = ctypes.create_string_buffer(path.encode())
        self.fd = bpf(BPF_OBJ_GET, struct.pack("<QII", ctypes.addressof(self.path), 0, 0))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), path)

    def look(self, key, size):
        key = ctypes.create_string_buffer(key, len(key))
        value = ctypes.create_string_buffer(size)
        if bpf(BPF_LOOKUP, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)) != 0:
            return None
        return value.raw


def mapped(address):
    address = ipaddress.ip_address(address)
    return (b"\0" * 10 + b"\xff\xff" + address.packed) if address.version == 4 else address.packed


def sum_of(key, expires, length, name):
    """As abi/names.h has it."""
    total = expires
    for word in struct.unpack("<2Q", key) + (length,) + struct.unpack("<32Q", name):
        total = ((total ^ word) * 0x9e3779b97f4a7c15) & (1 << 64) - 1
    return total >> 32


class Names:
    """The table of names by address."""

    def __init__(self):
        self.table = Table("/sys/fs/bpf/sg_dns/maps/sg_names")

    def entries(self, address):
        """{name: seconds that it still has} of those that hold."""
        key = mapped(address)
        value = self.table.look(key, NAMES * NAME_BYTES)
        now = time.clock_gettime_ns(BOOTTIME)
        found = {}
        for i in range(NAMES if value else 0):
            expires, length, checked, name = struct.unpack_from("<QII256s", value, i * NAME_BYTES)
            if expires > now:
                assert checked == sum_of(key, expires, length, name), "an entry whose sum is wrong"
                found[name[:length].decode()] = (expires - now) / 1e9
        return found


class Counters:
    """By their names in abi/dns.h."""
    ROWS = ("sent lost questions answers unasked learnt full busy unusable more fragment headers segment window "
            "untrusted").split()
    REASONS = "fine short long opcode questions class cut label pointer pointers name_long data chain".split()

    def __init__(self):
        self.table = Table("/sys/fs/bpf/sg_dns/maps/dns_counters")
        with open("/sys/devices/system/cpu/possible", encoding="ascii") as f:
            self.cpus = int(f.read().strip().split("-")[-1]) + 1

    def now(self):
        found = {}
        for i, name in enumerate([*self.ROWS, *("bad " + reason for reason in self.REASONS)]):
            found[name] = sum(struct.unpack(f"<{self.cpus}Q", self.table.look(struct.pack("<I", i), 8 * self.cpus)))
        return found

    def of(self, act, until=None):
        """What grew while act() ran, and until this one did."""
        before = self.now()
        act()
        for _ in range(100):
            if not until or self.now()[until] > before[until]:
                break
            time.sleep(0.05)
        return {name: n - before[name] for name, n in self.now().items() if n != before[name]}


def records(path, wanted, seconds=10):
    """Records for which wanted(record) holds; waits for the first one."""
    end = time.monotonic() + seconds
    while True:
        found = []
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.endswith("\n"):
                    record = json.loads(line)
                    if "type" in record and wanted(record):
                        found.append(record)
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)


# -- Messages ---------------------------------------------------------------------------------

def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question(name, qtype=A, number=None):
    number = int.from_bytes(os.urandom(2), "big") if number is None else number
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + wire(name) + struct.pack(">2H", qtype, 1)


def record(owner, rtype, ttl, data):
    return owner + struct.pack(">HHIH", rtype, 1, ttl, len(data)) + data


def address(owner, text, ttl=300):
    return record(owner, A, ttl, socket.inet_aton(text))


def name_of(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += message[at] + 1
    return ".".join(labels), message[12:at + 5]


def answer(message, answers, more=(), asked=None, number=None):
    """To a question; `asked`: as if that had been the question, `number`: with this id."""
    _, here = name_of(message)
    return (struct.pack(">H", number if number is not None else struct.unpack_from(">H", message)[0]) +
            struct.pack(">5H", 0x8180, 1, len(answers), 0, len(more)) + (asked or here) + b"".join([*answers, *more]))


SELF = b"\xc0\x0c"  # the name that is asked for


class Liar:
    """The server on UDP: one() answers one question."""

    def __init__(self, host):
        self.sock, self.other_port, self.elsewhere = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
        self.sock.bind((host, 53))
        self.other_port.bind((host, 5300))
        self.elsewhere.bind(("127.0.0.99", 53))
        self.seen = set()

    def one(self):
        message, client = self.sock.recvfrom(4096)
        name, _ = name_of(message)
        kind = name.split("-")[0]
        number = struct.unpack_from(">H", message)[0]
        forged, good = [address(SELF, FORGED)], answer(message, [address(SELF, GOOD)])
        first = {
            "wrongid": lambda: self.sock.sendto(answer(message, forged, number=number ^ 1), client),
            "wrongname": lambda: self.sock.sendto(answer(message, forged, asked=wire("bank.example") + b"\0\1\0\1"), client),
            "wrongtype": lambda: self.sock.sendto(answer(message, forged, asked=wire(name) + b"\0\xff\0\1"), client),
            "wrongport": lambda: self.other_port.sendto(answer(message, forged), client),
            "elsewhere": lambda: self.elsewhere.sendto(answer(message, forged), client),
        }
        last = {
            "twice": lambda: (self.sock.sendto(good, client), self.sock.sendto(answer(message, forged), client)),
            "poison": lambda: self.sock.sendto(answer(
                message, [address(wire("bank.example"), FORGED), address(SELF, GOOD)], [address(wire("bank.example"), FORGED), address(SELF, FORGED)]), client),
            "loop": lambda: self.sock.sendto(answer(message, [
                record(SELF, CNAME, 30, wire("x.example")), record(wire("x.example"), CNAME, 30, SELF), address(SELF, FORGED)]), client),
            "cut": lambda: self.sock.sendto(answer(message, forged + [address(SELF, FORGED)])[:-2], client),
            "never": lambda: None,
        }
        if kind == "second" and name not in self.seen:
            self.seen.add(name)
            return
        first.get(kind, lambda: None)()
        last.get(kind, lambda: self.sock.sendto(good, client))()
