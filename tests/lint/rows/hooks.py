# SPDX-License-Identifier: Apache-2.0
"""A row of abi/hooks.def has all that a hook is made of: its program, its canary (or, above the row, the reason why there is
none), what it is in OCSF, and a case in tests/vm that knows it by name."""

import re

from common import Finding, def_rows

NAME = "hooks"
HOOKS = "abi/hooks.def"
CANARIES = "src/sensor/canary.def"
CLASSES = "src/ocsf/classes.def"


def _names(tree, path, macro):
    rows = def_rows(tree, path) if path in tree.paths else ()
    return {args[0] for _, name, args in rows if name == macro}


def _words(tree, *suffixes, under):
    return set(re.findall(r"\w+", "\n".join(tree.text(p) for p in tree.written(*suffixes, under=under))))


def check(tree):
    if HOOKS not in tree.paths:
        return
    canaries = _names(tree, CANARIES, "CANARY")
    classes = _names(tree, CLASSES, "OCSF_FILE_OP")
    programs = set(re.findall(r"\b(?:SG_(?:PROGRAMS|LSM)\(|BPF_PROG\(lsm_)(\w+)", "\n".join(
        tree.text(p) for p in tree.written(".bpf.h", ".bpf.c", under=("bpf",)))))
    cases = _words(tree, ".py", ".sh", under=("tests/vm/cases",))
    lines = tree.lines(HOOKS)
    for line, macro, args in def_rows(tree, HOOKS):
        if macro != "SG_HOOK":
            continue
        name, canary = args[0], args[2]
        above = lines[line - 2].strip() if line > 1 else ""
        if name not in programs:
            yield Finding(HOOKS, line, f"{name} has no program in bpf/")
        if canary == "none" and not above.endswith("*/"):
            yield Finding(HOOKS, line, f"{name} has no canary, and no comment above its row says why")
        if canary not in canaries | {"none"}:
            yield Finding(HOOKS, line, f"{name}: {CANARIES} has no {canary}")
        # What a close says of reads and writes is a class of its own, whatever the hook.
        if name not in classes and args[1] != "SG_OP_IO":
            yield Finding(HOOKS, line, f"{name}: {CLASSES} does not say what it is in OCSF")
        # What makes no record can be known to a case by its effect alone.
        if canary != "none" and name not in cases:
            yield Finding(HOOKS, line, f"no case in tests/vm/cases knows {name}")


_ROW = 'SG_HOOK(file_a, SG_OP_READ, open, "files")\n'
_WHOLE = {
    HOOKS: _ROW, CANARIES: 'CANARY(open, act_open, "open")\n', CLASSES: 'OCSF_FILE_OP(file_a, 0, 6, "x")\n',
    "bpf/a.bpf.h": "SG_PROGRAMS(file_a, file_a, 0)\n", "tests/vm/cases/a.py": "x = {'file_a': 1}\n",
}
_NONE = 'SG_HOOK(file_a, SG_OP_READ, none, "files")\n'

BAD = [
    *({p: text for p, text in _WHOLE.items() if p != gone} for gone in _WHOLE if gone != HOOKS),
    {**_WHOLE, HOOKS: "/* A comment. */\n\n" + _NONE},
    {**_WHOLE, "tests/vm/cases/a.py": "x = {'file_ab': 1}\n"},
]
GOOD = [_WHOLE, {**_WHOLE, HOOKS: "/* It refuses nothing. */\n" + _NONE}]
