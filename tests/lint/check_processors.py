# SPDX-License-Identifier: Apache-2.0
"""The kernel side compiles for every processor that bpf/meson.build knows, and for no other by
accident: an unknown one is an error there."""

import os
import platform
import re
import shutil
import subprocess

from common import Finding

NAME = "processors"
BUILD = "bpf/meson.build"
# The build itself compiles for this one.
OWN = {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine())
# Those that the project promises.
PROMISED = {"x86", "arm64"}


def _includes():
    """The build machine's headers are in a folder that clang for BPF does not know."""
    done = subprocess.run(["cc", "-print-multiarch"], stdout=subprocess.PIPE, text=True, check=False)
    multiarch = done.stdout.strip()
    return ["-idirafter", f"/usr/include/{multiarch}"] if multiarch else []


def known(tree):
    """The processors that bpf_archs of the build knows, by the names that headers call them."""
    build = tree.text(BUILD) if BUILD in tree.paths else ""
    table = re.search(r"^bpf_archs = \{(.*)\}$", build, re.M)
    return set(re.findall(r": '(\w+)'", table.group(1))) if table else set()


def compiled(tree, path, name, output):
    """Compiles a source of the kernel side for a processor; returns what was wrong, "" for nothing."""
    clang = shutil.which("clang-14") or shutil.which("clang")
    if not clang:
        return "there is no clang to compile the kernel side with"
    done = subprocess.run(
        [clang, "-g", "-O2", "-target", "bpf", "-mcpu=v2", f"-D__TARGET_ARCH_{name}", "-Wall", "-Wextra",
         "-Werror", "-Wno-unused-parameter", "-Wno-unused-function", *_includes(),
         f"-I{tree.root}", f"-I{os.path.join(tree.root, 'bpf')}", "-c", tree.full(path), "-o", output],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return done.stderr[:1000] if done.returncode != 0 else ""


def check(tree):
    build = tree.text(BUILD) if BUILD in tree.paths else ""
    for name in sorted(PROMISED - known(tree)):
        yield Finding(BUILD, 1, f"bpf_archs does not have {name}")
    if not re.search(r"^bpf_arch = bpf_archs\.get\(host_machine\.cpu_family\(\), ''\)\n"
                     r"if bpf_arch == ''\n  error\(", build, re.M):
        yield Finding(BUILD, 1, "an unknown processor is not refused")
    for path in tree.written(".bpf.c"):
        for name in sorted(known(tree) - {OWN}):
            wrong = compiled(tree, path, name, os.devnull)
            if wrong:
                yield Finding(path, 1, f"does not compile for {name}:\n{wrong}")


_REFUSES = "bpf_arch = bpf_archs.get(host_machine.cpu_family(), '')\nif bpf_arch == ''\n  error('no')\nendif\n"
_BOTH = "bpf_archs = {'x86_64': 'x86', 'aarch64': 'arm64'}\n"
_SOURCE = "int f(void) { return 0; }\n"

BAD = [
    {BUILD: _BOTH + "bpf_arch = bpf_archs.get(host_machine.cpu_family(), 'x86')\n"},
    {BUILD: "bpf_archs = {'x86_64': 'x86'}\n" + _REFUSES},
    {BUILD: _BOTH + _REFUSES, "bpf/a.bpf.c": "#ifndef __TARGET_ARCH_none\n#error no\n#endif\n" + _SOURCE},
    {BUILD: _BOTH + _REFUSES, "bpf/a.bpf.c": "#include \"gone.h\"\n"},
]
GOOD = [
    {BUILD: _BOTH + _REFUSES,
     "bpf/a.bpf.c": "#if !defined(__TARGET_ARCH_arm64) && !defined(__TARGET_ARCH_x86)\n#error no\n#endif\n" + _SOURCE},
]
