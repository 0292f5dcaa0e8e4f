# SPDX-License-Identifier: Apache-2.0
"""Nothing lies about unbuilt: every C file of src/<room>, every unit test and every fuzzer is named
in the meson.build of its folder."""

import os
import re

from common import Finding

NAME = "build"

# Folder, file, what the meson.build beside it must hold.
RULES = [
    (re.compile(r"^(src/.+)/([^/]+\.c)$"), r"'(?:[\w/-]*/)?{0}'"),
    (re.compile(r"^(tests/unit/[^/]+)/test_([^/]+)\.c$"), r"'{0}'"),
    (re.compile(r"^(tests/fuzz/[^/]+)/fuzz_([^/]+)\.c$"), r"'{0}'"),
]


def check(tree):
    for path in tree.written(".c"):
        for rule, wanted in RULES:
            match = rule.match(path)
            if not match:
                continue
            folder, name = match.groups()
            # A file in a folder of a room may be named by the room.
            texts = []
            while folder not in ("src", "tests/unit", "tests/fuzz"):
                texts.append(tree.text(f"{folder}/meson.build")
                             if f"{folder}/meson.build" in tree.paths else "")
                folder = os.path.dirname(folder)
            if not re.search(wanted.format(re.escape(name)), "\n".join(texts)):
                yield Finding(path, 1, "no meson.build builds it")


BAD = [
    {"src/a/a.c": "", "src/a/meson.build": "x = ['b.c']\n"},
    {"src/a/a.c": ""},
    {"tests/unit/a/test_b.c": "", "tests/unit/a/meson.build": "unit_tests += [['a', 'c', []]]\n"},
    {"tests/fuzz/a/fuzz_b.c": "", "tests/fuzz/a/meson.build": ""},
]
GOOD = [
    {"src/a/a.c": "", "src/a/b/c.c": "", "src/a/meson.build": "x = ['a.c', 'b/c.c']\n",
     "tests/unit/a/test_b.c": "", "tests/unit/a/meson.build": "unit_tests += [['a', 'b', []]]\n"},
]
