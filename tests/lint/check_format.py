# SPDX-License-Identifier: Apache-2.0
"""All C is laid out as .clang-format says (make format does it).

Versions of clang-format differ in details; 14 is the one that counts. Another version is not asked.
"""

import os
import re
import subprocess

from common import Finding

NAME = "format"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("abi", "bpf", "src", "tests", "tools")


def program():
    """clang-format 14, or None."""
    for name in ("clang-format-14", "clang-format"):
        try:
            out = subprocess.run([name, "--version"], stdout=subprocess.PIPE, text=True).stdout
        except FileNotFoundError:
            continue
        if re.search(r"version 14\.", out):
            return name
    return None


def files(tree):
    return list(tree.written(".c", ".h", under=FOLDERS))


def check(tree):
    name, paths = program(), files(tree)
    if name is None:
        print("note: clang-format 14 is not here, the layout was not checked")
        return
    if not paths:
        return
    command = [name, "--dry-run", "-Werror", f"--style=file:{ROOT}/.clang-format", *paths]
    done = subprocess.run(command, cwd=tree.root, stderr=subprocess.PIPE, text=True)
    first = {}
    for path, line in re.findall(r"^([^\s:]+):(\d+):\d+: error: ", done.stderr, re.MULTILINE):
        first.setdefault(path, int(line))
    for path, line in first.items():
        yield Finding(path, line, "not as .clang-format says, from here on: make format")
    if done.returncode != 0 and "error: code should be" not in done.stderr:
        yield Finding(".clang-format", 1, done.stderr.strip()[:200])


BAD = [
    {"src/a/a.c": "int a  ;\n"},
    {"bpf/a.c": "int f(void) {\n  return 0; }\n"},
] if program() else []
GOOD = [{"src/a/a.c": "int f(void)\n{\n    return 0;\n}\n", "ui/x.c": "int a  ;\n"}]

