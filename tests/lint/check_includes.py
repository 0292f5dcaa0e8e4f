# SPDX-License-Identifier: Apache-2.0
"""Includes go one way: abi <- base <- {model, db} <- {middle rooms} <- {agent, server, cli}.

bpf/ looks at abi/ and at itself, db/ (access to SQLite) at base/. Middle rooms never look at one another; they exchange records of
src/model. Below src/ a header is named by its room ("base/error.h"), nowhere by a path with "..".
<bpf/...> is libbpf.
"""

import os
import re

from common import C_SUFFIXES, Finding, line_of, without_comments

NAME = "includes"

# (who includes, what) pairs that are allowed although the direction says no. Empty, and to stay so.
EXCEPTIONS = set()

TOP = {"agent", "server", "cli"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">\n]+)[">]', re.MULTILINE)
# Made by the build next to where it is used, or part of the kernel's interface.
GENERATED = re.compile(r"^(vmlinux(-[\w.]+)?\.h|[\w-]+\.skel\.h)$")


def rooms_of(tree):
    found = {"abi", "bpf"}
    for path in tree.paths:
        parts = path.split("/")
        if parts[0] == "src" and len(parts) > 2:
            found.add(parts[1])
    return found


def room_of(path):
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] in ("abi", "bpf") else None


def allowed(room, other, rooms):
    if room == other:
        return True
    if room == "abi":
        return False
    if room == "bpf":
        return other == "abi"
    if room == "base":
        return other == "abi"
    if room in ("model", "db"):
        return other in ("abi", "base")
    if room in TOP:
        return other in rooms - TOP - {"bpf"}
    return other in ("abi", "base", "model", "db")


def check_file(tree, path, room, rooms):
    text = without_comments(tree.text(path))
    for match in INCLUDE.finditer(text):
        quote, name = match.groups()
        where = line_of(text, match.start())
        beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
        if quote == '"' and room in ("abi", "bpf") and beside in tree.paths:
            name = beside
        other = name.split("/")[0] if "/" in name else None
        if quote == "<" and other == "bpf":
            continue
        if ".." in match.group(2).split("/"):
            yield Finding(path, where, f'"{name}": name the header by its room, not by ".."')
        elif name.startswith("src/"):
            yield Finding(path, where, f'"{name}": without "src/"')
        elif quote == '"' and other is None and not GENERATED.match(name):
            yield Finding(path, where, f'"{name}": name the header by its room: "{room}/{name}"')
        elif other in rooms and not allowed(room, other, rooms) and (path, name) not in EXCEPTIONS:
            yield Finding(path, where, f"{room} must not look at {other} (\"{name}\")")
        elif quote == '"' and other is not None and other not in rooms:
            yield Finding(path, where, f'"{name}": there is no room {other}')


def check(tree):
    rooms = rooms_of(tree)
    for path in tree.written(*C_SUFFIXES, under=("abi", "bpf", "src")):
        room = room_of(path)
        if room:
            yield from check_file(tree, path, room, rooms)


ROOMS = {"abi/a.h": "", "src/base/b.h": "", "src/model/m.h": "", "src/db/d.h": "", "src/policy/p.h": "",
         "src/sensor/s.h": "", "src/agent/main.c": ""}
BAD = [
    {**ROOMS, "abi/x.h": '#include "base/b.h"\n'},
    {**ROOMS, "bpf/x.c": '#include "base/b.h"\n'},
    {**ROOMS, "src/base/x.c": '#include "model/m.h"\n'},
    {**ROOMS, "src/model/x.c": '#include "policy/p.h"\n'},
    {**ROOMS, "src/model/x.c": '#include "db/d.h"\n'},
    {**ROOMS, "src/db/x.c": '#include "model/m.h"\n'},
    {**ROOMS, "src/policy/x.c": '  #  include <sensor/s.h>\n'},
    {**ROOMS, "src/policy/x.def": '#include "sensor/s.h"\n'},
    {**ROOMS, "src/policy/x.c": '#include "agent/a.h"\n'},
    {**ROOMS, "src/policy/x.c": '#include "../sensor/s.h"\n'},
    {**ROOMS, "src/policy/x.c": '#include "src/policy/p.h"\n'},
    {**ROOMS, "src/policy/x.c": '#include "p.h"\n'},
    {**ROOMS, "src/policy/x.c": '#include "nowhere/p.h"\n'},
    {**ROOMS, "bpf/lib/x.h": '#include "../../src/base/b.h"\n'},
    {**ROOMS, "bpf/x.h": '#include "nowhere.h"\n'},
    {**ROOMS, "src/agent/x.c": '#include "cli/c.h"\n', "src/cli/c.h": ""},
    {**ROOMS, "src/sensor/x.c": '#include "bpf/lib/emit.h"\n'},
]
GOOD = [
    {**ROOMS, "src/policy/x.c": '// #include "sensor/s.h"\n#include "policy/p.h"\n'
                                '#include "model/m.h"\n#include "db/d.h"\n#include "base/b.h"\n#include "abi/a.h"\n'
                                '#include <stdio.h>\n#include <linux/bpf.h>\n#include "x.skel.h"\n'},
    {**ROOMS, "src/agent/x.c": '#include "sensor/s.h"\n#include "policy/p.h"\n'},
    {**ROOMS, "bpf/x.bpf.c": '#include "vmlinux.h"\n#include "abi/a.h"\n#include "bpf/lib/l.h"\n'
                             '#include <bpf/bpf_helpers.h>\n#include "lib/l.h"\n',
     "bpf/lib/l.h": '#include "m.h"\n', "bpf/lib/m.h": "", "abi/y.h": '#include "a.h"\n',
     "src/sensor/y.c": "#include <bpf/libbpf.h>\n"},
]
