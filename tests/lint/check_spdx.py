# SPDX-License-Identifier: Apache-2.0
"""Every source file says its licence in one of its first three lines, the one of its folder."""

import re

from common import Finding

NAME = "spdx"

SUFFIXES = (".c", ".h", ".def", ".py", ".sh", ".ts", ".tsx", ".css")
NAMES = re.compile(r"(^|/)(meson\.build|Makefile)$")
KERNEL_LICENCE = "GPL-2.0-only"
SHARED_LICENCE = "(GPL-2.0-only OR Apache-2.0)"
OTHER_LICENCE = "Apache-2.0"


def expected(path):
    # Kernel programs call helpers that ask for it, wherever they stand, and so do modules.
    if path.startswith("bpf/") and path.endswith((".c", ".h", ".def")) or path.endswith((".bpf.c", ".kmod.c")):
        return KERNEL_LICENCE
    if path.startswith("abi/"):
        return SHARED_LICENCE
    return OTHER_LICENCE


def sources(tree):
    found = set(tree.written(*SUFFIXES))
    found |= {p for p in tree.paths if NAMES.search(p)}
    found |= set(tree.scripts("bash", "sh", "python3", "awk", "node"))
    return sorted(found)


def check(tree):
    for path in sources(tree):
        head = "\n".join(tree.lines(path)[:3])
        match = re.search(r"SPDX-License-Identifier: ([^\n*]+)", head)
        if not match:
            yield Finding(path, 1, "no SPDX-License-Identifier in the first three lines")
        elif match.group(1).strip() != expected(path):
            yield Finding(path, 1, f"{match.group(1).strip()}: here it is {expected(path)}")


TAG = "SPDX-License-" + "Identifier: "
BAD = [
    {"src/a/a.c": "int a;\n"},
    {"src/a/a.c": "//\n//\n//\n// " + TAG + "Apache-2.0\n"},
    {"src/a/a.c": "// " + TAG + "GPL-2.0-only\n"},
    {"bpf/a.bpf.c": "// " + TAG + "Apache-2.0\n"},
    {"abi/a.h": "// " + TAG + "Apache-2.0\n"},
    {"tools/x": "#!/usr/bin/env bash\ntrue\n"},
    {"src/a/meson.build": "x = 1\n"},
]
GOOD = [
    {"src/a/a.c": "// " + TAG + "Apache-2.0\n", "bpf/a.c": "// " + TAG + "GPL-2.0-only\n",
     "abi/a.h": "/* " + TAG + "(GPL-2.0-only OR Apache-2.0) */\n", "README.md": "text\n",
     "tools/x": "#!/bin/sh\n# " + TAG + "Apache-2.0\n"},
]
