# SPDX-License-Identifier: Apache-2.0
"""Files of at most 700 lines (about 500 is the aim) and functions of at most 80 (about 50).

A function body is what stands between a `{` and the next `}` in the first column, which is where
.clang-format puts them. Tables (.def), shipped content and generated files have no limit.
"""

import re

from common import Finding

NAME = "sizes"
FILE_MAX = 700
FILE_LONG = 500
FUNCTION_MAX = 80

SUFFIXES = (".c", ".h", ".py", ".sh", ".ts", ".tsx")
SCRIPTS = ("bash", "sh", "python3")


def functions(lines):
    """(line, length, name) of every function body."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1, name_before(lines, start)
            start = None


def name_before(lines, start):
    for line in reversed(lines[max(0, start - 8):start - 1]):
        match = re.match(r"^\w.*?(\w+)\(", line)
        if match:
            return match.group(1)
    return "?"


def files(tree):
    return sorted({*tree.written(*SUFFIXES), *tree.scripts(*SCRIPTS)})


def check(tree):
    for path in files(tree):
        lines = tree.lines(path)
        n = len(lines) - (lines[-1] == "")
        if n > FILE_MAX:
            yield Finding(path, n, f"{n} lines, {FILE_MAX} at the most: is there a wall to move?")
        elif n > FILE_LONG:
            print(f"note: {path}: {n} lines (about {FILE_LONG} is the aim)")
        if path.endswith((".c", ".h")):
            for line, length, name in functions(lines):
                if length > FUNCTION_MAX:
                    yield Finding(path, line,
                                  f"{name}(): {length} lines, {FUNCTION_MAX} at the most")


def body(n):
    return "int f(int a,\n      int b)\n{\n" + "    a++;\n" * (n - 2) + "}\n"


BAD = [
    {"src/a/a.c": "int a;\n" * 701},
    {"tools/x": "#!/bin/bash\n" + "true\n" * 700},
    {"src/a/a.c": body(81)},
    {"src/a/a.h": "static inline " + body(100)},
]
GOOD = [
    {"src/a/a.c": body(80) + body(80)},
    {"src/a/a.def": "ROW(1)\n" * 2000, "bpf/vmlinux.h": "int a;\n" * 2000},
    {"src/a/a.c": "static const int t[] = {\n" + "    1,\n" * 200 + "};\n"},
]
