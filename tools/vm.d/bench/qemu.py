# SPDX-License-Identifier: Apache-2.0
"""QEMU from packages, with its own libraries and its own loader: the machine's are not used.

Debian 12's own QEMU is too old: its TCG crashes about one boot of 6.12 in five (cmpxchg16b).
"""

import contextlib
import json
import os
import pathlib
import selectors
import subprocess
import time

from . import packages
from .common import BenchError, cache_directory, link, locked, published, run, say, workspace

SUITES = ("bookworm", "bookworm-security", "bookworm-backports")
RELEASE = "bookworm-backports"
TRIPLET = "x86_64-linux-gnu"
KVM_DEVICE = "/dev/kvm"
KVM_PROBE_SECONDS = 8


class Qemu:
    def __init__(self, home):
        self.home = pathlib.Path(home).resolve()

    def command(self):
        """The start of a command line: loader, libraries, program, firmware."""
        tree = self.home
        libraries = f"{tree}/lib/{TRIPLET}:{tree}/usr/lib/{TRIPLET}"
        return [f"{tree}/lib/{TRIPLET}/ld-linux-x86-64.so.2", "--library-path", libraries,
                f"{tree}/usr/bin/qemu-system-x86_64",
                "-L", f"{tree}/usr/share/seabios", "-L", f"{tree}/usr/share/qemu"]


def cached():
    home = cache_directory() / "qemu/current"
    return Qemu(home) if home.exists() else None


def get():
    return cached() or fetch()


def fetch():
    suites = packages.Suites(*SUITES)
    suites.update()
    with locked("qemu-fetch"):
        fields = suites.show("qemu-system-x86", RELEASE)
        if not fields:
            raise BenchError(f"none of {', '.join(SUITES)} has qemu-system-x86")
        # The version has a colon; a library path cannot.
        version = fields["Version"].replace(":", "_")
        home = cache_directory() / "qemu" / version
        if not home.exists():
            with published(home) as draft, workspace() as work:
                debs = suites.download_closure(["qemu-system-x86"], work, "QEMU",
                                               release=RELEASE)
                for deb in debs:
                    run(["dpkg-deb", "-x", deb, draft], f"unpack {deb.name}")
        link(cache_directory() / "qemu/current", version)
    return Qemu(home)


def kvm_works(qemu, image):
    """Whether KVM really runs a kernel here. /dev/kvm may be there, and even run firmware, and still
    hang. Tried once after each start of the machine; the answer is kept in the cache."""
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return False
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    note = cache_directory() / "kvm-boots.json"
    with locked("kvm"):
        if note.exists():
            known = json.loads(note.read_text(encoding="ascii"))
            if known["boot"] == boot:
                return known["works"]
        works = _probe(qemu, image)
        with published(note) as draft:
            draft.write_text(json.dumps({"boot": boot, "works": works}), encoding="ascii")
    return works


def _probe(qemu, image):
    """Starts a kernel under KVM, with nothing to run, until it says so: then its processors, its
    timers and its drivers have done their part."""
    say("trying whether KVM works here (once after each start of this machine)")
    process = subprocess.Popen(
        [*qemu.command(), "-nodefaults", "-no-reboot", "-display", "none", "-machine", "pc",
         "-accel", "kvm", "-cpu", "max", "-m", "512", "-kernel", str(image),
         "-append", "console=ttyS0 panic=-1", "-serial", "stdio"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    try:
        works = _says(process.stdout, b"Unable to mount root fs", KVM_PROBE_SECONDS)
    finally:
        process.kill()
        # A process that hangs in the kernel cannot be waited for; it ends when the kernel lets it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KVM_PROBE_SECONDS)
    say("it does: guests run under KVM" if works else
        f"it does not: no kernel came up in {KVM_PROBE_SECONDS} s. Guests run under TCG, which is slower")
    return works


def _says(stream, word, seconds):
    """Whether a word comes out of a pipe within that time."""
    seen, end = b"", time.monotonic() + seconds
    with stream, selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while word not in seen and selector.select(max(0, end - time.monotonic())):
            piece = os.read(stream.fileno(), 4096)
            if not piece:
                break
            seen += piece
    return word in seen
