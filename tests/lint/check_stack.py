# SPDX-License-Identifier: Apache-2.0
"""No chain of calls of the kernel side takes more stack, or more frames, than the verifier gives it.

The verifier adds up the frames of each chain, each rounded up (check_max_stack_depth of kernel/bpf/verifier.c: 32 bytes, fewer
on newer kernels with a JIT); 512 bytes and 8 frames are all there is. It leaves out what is dead on the kernel at hand; this
does not, so that what is dead here and not elsewhere is seen, too.
"""

import os
import re
import shutil
import struct
import subprocess
import tempfile

from check_processors import OWN, compiled
from common import Finding

NAME = "stack"
MAX_STACK = 512
MAX_FRAMES = 8
ROUNDED_TO = 32
# Programs by the sections that the build gives them; the functions that they call lie in .text.
PROGRAMS = re.compile(r"^(lsm|fmod_ret|fentry|fexit|tp_btf|iter|cgroup|struct_ops|tracepoint|raw_tp|kprobe)\b")
FRAME, CALL, MOVE, ADD = 10, 0x85, 0xbf, 0x07


class Function:
    """What one function takes of the stack, and whom it calls."""

    def __init__(self, name, section):
        self.name, self.section = name, section
        self.frame, self.calls, self._copies = 0, [], {}

    def see(self, pc, raw):
        """One instruction: an access by way of the frame pointer or a copy of it, or a call."""
        op, dst, src = raw[0], raw[1] & 15, raw[1] >> 4
        off, imm = struct.unpack("<hi", raw[2:8])
        if op & 7 in (1, 2, 3):
            base = src if op & 7 == 1 else dst
            at = off if base == FRAME else self._copies.get(base, 0) + off if base in self._copies else 0
            self.frame = max(self.frame, -at)
        if op == ADD and dst in self._copies:
            self._copies[dst] += imm
            self.frame = max(self.frame, -self._copies[dst])
        elif op == CALL:
            for register in range(6):
                self._copies.pop(register, None)
            if src == 1:
                self.calls.append([self.section, pc + 1 + imm, None, imm])
        elif op & 7 in (0, 1, 4, 7):  # it gets something else
            self._copies.pop(dst, None)
        if op == MOVE and src == FRAME:
            self._copies[dst] = 0

    def size(self):
        return -(-max(self.frame, 1) // ROUNDED_TO) * ROUNDED_TO


def functions(disassembly):
    """{(section, instruction): Function} of what llvm-objdump -d -r says."""
    found, section, current = {}, "", None
    for line in disassembly.splitlines():
        if line.startswith("Disassembly of section "):
            section = line[len("Disassembly of section "):-1]
        elif label := re.match(r"^([0-9a-f]+) <(?!LBB)(.*)>:$", line):
            current = Function(label.group(2), section)
            found[section, int(label.group(1), 16) // 8] = current
        elif current and (code := re.match(r"\s*(\d+):\s+((?:[0-9a-f]{2} ?){8})", line)):
            current.see(int(code.group(1)), bytes.fromhex(code.group(2)))
        elif current and current.calls and (there := re.search(r"R_BPF_64_32\s+(\S+)", line)):
            current.calls[-1][2] = there.group(1)
    return found


def chains(function, found, by_name, seen):
    """((bytes, frames), …) of the deepest and of the longest chain that begin here, with the names of their functions."""
    if function.name not in seen:
        deep, long = (0, []), (0, [])
        for section, pc, name, imm in function.calls:
            at = (".text", imm + 1) if name == ".text" else (section, pc)
            called = by_name.get(name) or found.get(at)
            if called:
                below = chains(called, found, by_name, seen)
                deep, long = max(deep, below[0]), max(long, below[1])
        own = [f"{function.name} {function.frame}"]
        seen[function.name] = (deep[0] + function.size(), own + deep[1]), (long[0] + 1, own + long[1])
    return seen[function.name]


def too_deep(disassembly):
    """What is wrong with each program whose chains are too deep or too long."""
    found, seen = functions(disassembly), {}
    by_name = {f.name: f for f in found.values()}
    for function in found.values():
        if not PROGRAMS.match(function.section):
            continue
        (size, deep), (frames, long) = chains(function, found, by_name, seen)
        if size > MAX_STACK:
            yield f"{size} bytes of stack, {MAX_STACK} are allowed: {' > '.join(deep)}"
        if frames > MAX_FRAMES:
            yield f"{frames} frames, {MAX_FRAMES} are allowed: {' > '.join(long)}"


def check(tree):
    objdump = shutil.which("llvm-objdump-14") or shutil.which("llvm-objdump")
    with tempfile.TemporaryDirectory() as folder:
        for path in tree.written(".bpf.c", under=("bpf",)):
            output = os.path.join(folder, "a.o")
            wrong = compiled(tree, path, OWN, output) if objdump else "there is no llvm-objdump"
            if wrong:
                yield Finding(path, 1, f"cannot be looked at:\n{wrong}")
                continue
            text = subprocess.run([objdump, "-d", "-r", output], check=True, stdout=subprocess.PIPE, text=True).stdout
            for wrong in too_deep(text):
                yield Finding(path, 1, wrong)


_SOURCE = """
static __attribute__((noinline)) int leaf(char *p)
{
    char more[%d];
    asm volatile("" : : "r"(more), "r"(p) : "memory");
    return more[0];
}
__attribute__((section("%s"))) int program(void *ctx)
{
    char here[%d];
    asm volatile("" : : "r"(here) : "memory");
    return leaf(here);
}
"""

_LAST = """static __attribute__((noinline)) int f8(int x)
{
    asm volatile("" : "+r"(x));
    return x;
}
"""
_CHAIN = _LAST + "".join(f"static __attribute__((noinline)) int f{n}(int x) {{ return f{n + 1}(x) + 1; }}\n" for n in range(7, 0, -1))
_BEGIN = "__attribute__((section(\"lsm/file_open\"))) int program(void *ctx) { return f%d(1); }\n"

BAD = [
    {"bpf/a.bpf.c": _SOURCE % (256, "lsm/file_open", 264)},
    {"bpf/a.bpf.c": _CHAIN + _BEGIN % 1},
    {"bpf/a.bpf.c": "#include \"gone.h\"\n"},
]
GOOD = [
    {"bpf/a.bpf.c": _SOURCE % (256, "lsm/file_open", 256)},
    {"bpf/a.bpf.c": _SOURCE % (256, "other", 264)},
    {"bpf/a.bpf.c": _CHAIN + _BEGIN % 2},
]
