# SPDX-License-Identifier: Apache-2.0
"""Nothing in the project says where it was made: no paths of one machine, no mirrors of packages,
no numbers of issues that a reader cannot look up.

The patterns are written in pieces, so that this file does not find itself.
"""

import re

from common import GENERATED, Finding

NAME = "words"

PATTERNS = [
    (r"(?<![\w.])/wo" + r"rk/", "a path of one machine"),
    (r"/tm" + r"p/w/", "a path of one machine"),
    (r"/ho" + r"me/(?!\*|ann|bob|user|\$|\w+\*)\w+/(src|git|work)\b", "a path of one machine"),
    (r"\b(deb|security|snapshot|ftp|cdn-fastly)\.deb" + r"ian\.org\b", "a mirror: read it from "
     "the machine's own configuration"),
    (r"\bregistry\.(npmjs|yarnpkg)\b", "a registry"),
    (r"https?://(deb|registry|security|snapshot)\.", "a mirror or registry"),
    (r"https?://[a-z.-]*pro" + r"xy\b", "a proxy"),
    (r"\bfar" + r"m-[a-z]+", "a tool of one workplace"),
    (r"\bhel" + r"per-[a-z0-9]+", "a name of one workplace"),
    # An issue's number, but not a colour, an operand of assembly, an anchor or an expression.
    (r"(?:^|[^,\s] |\(|[^\s,]\t)#" + r"[1-9]\d{0,4}\b(?![\w-])", "the number of an issue"),
    (r"(?i)\bissue " + r"#?\d+\b", "the number of an issue"),
]
COMPILED = [(re.compile(p), why) for p, why in PATTERNS]


def check(tree):
    for path in tree.paths:
        if GENERATED.search(path):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            for pattern, why in COMPILED:
                match = pattern.search(line)
                if match:
                    yield Finding(path, number, f"'{match.group(0)}': {why}")


BAD = [
    {"a.md": "see /wo" + "rk/x\n"},
    {"a.md": "see /tm" + "p/w/x/y\n"},
    {"a.md": "from http:" + "//deb.deb" + "ian.org/debian\n"},
    {"a.c": "// fixes #" + "12\n"},
    {"a.c": "// see #" + "7.\n"},
    {"a.md": "- done (#" + "123)\n"},
    {"a.c": "// see iss" + "ue 12\n"},
    {"a.txt": "made by hel" + "per-3\n"},
    {"a.txt": "run far" + "m-test\n"},
    {"a.json": "https:" + "//registry.npm" + "js.org/x\n"},
]
GOOD = [
    {"a.css": "a { color: #123456; border: 1px solid #ccc }\n", "a.c": "#define X 1\n// C#\n"},
    {"a.md": "[x](#1-first) &#39; /network/x /usr/wo" + "rk/ the bpf helper functions\n"},
    {"a.S": "mov x8, #93; mov $#42\n", "a.sh": "if [ $# -gt 1 ]; then echo ${#1} ${x#12}; fi\n"},
]
