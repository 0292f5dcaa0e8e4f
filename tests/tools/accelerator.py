# SPDX-License-Identifier: Apache-2.0
"""Whether tools/vm takes KVM: only where a kernel came up under it, asked once after each start of
the machine, and never to count instructions."""

import json
import os
import pathlib
import time

from bench import kernels, machine, qemu
from bench.common import BenchError


class FakeQemu:
    """A shell script in QEMU's place, which notes that it was started."""

    def __init__(self, work, script):
        self.log = pathlib.Path(work) / "started"
        self.script = f"echo >>{self.log}; {script}"

    def command(self):
        return ["sh", "-c", self.script, "qemu"]

    def started(self):
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


class _Place:
    """A cache and a device of the case's own, instead of the machine's."""

    def __init__(self, work):
        self.work = pathlib.Path(work)

    def __enter__(self):
        self.saved = os.environ.get("SAFEGUARD_VM_CACHE"), qemu.KVM_DEVICE, qemu.KVM_PROBE_SECONDS
        os.environ["SAFEGUARD_VM_CACHE"] = str(self.work / "cache")
        qemu.KVM_DEVICE, qemu.KVM_PROBE_SECONDS = str(self.work / "kvm"), 1
        (self.work / "kvm").touch()
        return self

    def __exit__(self, *_):
        cache, qemu.KVM_DEVICE, qemu.KVM_PROBE_SECONDS = self.saved
        if cache is None:
            del os.environ["SAFEGUARD_VM_CACHE"]
        else:
            os.environ["SAFEGUARD_VM_CACHE"] = cache


COMES_UP = "echo 'Linux version 6'; echo 'VFS: Unable to mount root fs'"
KERNEL = kernels.Kernel("6.0-test")


def probe(results, work):
    with _Place(work) as place:
        good = FakeQemu(work, COMES_UP)
        results.check("KVM is taken where a kernel comes up", qemu.kvm_works(good, "image"))
        results.check("it is not asked again", qemu.kvm_works(good, "image") and good.started() == 1)
        note = place.work / "cache/kvm-boots.json"
        note.write_text(json.dumps({"boot": "another", "works": True}))
        begin = time.monotonic()
        hangs = FakeQemu(work, "echo 'Linux version 6'; exec sleep 1000")
        results.check("after a new start of the machine it is asked again; a guest that hangs is not trusted",
                      not qemu.kvm_works(hangs, "image") and hangs.started() == 2)
        took = time.monotonic() - begin
        results.check("that ends soon", took < 10, f"{took:.1f} s")
        results.check("nor is it asked again", not qemu.kvm_works(good, "image") and good.started() == 2)
        note.unlink()
        (place.work / "kvm").unlink()
        results.check("without the device nothing is tried",
                      not qemu.kvm_works(good, "image") and good.started() == 2 and not note.exists())


def _accelerator(program, **request):
    line = machine.command_line(machine.Request(command=["true"], **request), KERNEL, program, [], 3,
                                "console", "initrd")
    return line[line.index("-accel") + 1]


def choice(results, work):
    with _Place(work):
        good = FakeQemu(work, COMES_UP)
        results.check("by itself", _accelerator(good) == "kvm")
        results.check("never with --icount", _accelerator(good, icount=True).startswith("tcg"))
        results.check("not with --tcg", _accelerator(good, kvm=False) == "tcg")
        os.unlink(qemu.KVM_DEVICE)
        results.check("TCG where KVM does not work", _accelerator(good) == "tcg")
        try:
            results.check("--kvm is refused there", False, _accelerator(good, kvm=True))
        except BenchError as e:
            results.check("--kvm is refused there", "KVM does not work here" in str(e), e)


CASES = [probe, choice]
