# SPDX-License-Identifier: Apache-2.0
"""src/policy/served_by.def says of each operation and kind what sees it, and agrees with the tables by which hooks are attached: a hook
that is said to see something is attached for it, and one that is attached for a kind sees something of it."""

import re

from common import Finding, def_rows

NAME = "served"
SEEN = "src/policy/served_by.def"
HOOKS = "abi/hooks.def"
CONTROL = "abi/control.def"
POLICY = "abi/policy.h"
# Together with these it is asked whose record there will be; and what control kinds are asked with is a table of its own.
NOT_OF_FILES = {"LAUNCH", "CONTROL"}


def _attached(tree):
    """Operations by hook, as the names in its row say them."""
    groups = dict(re.findall(r"#define SG_OPS_(\w+)\s+((?:.*\\\n)*.*)", tree.text(POLICY)))

    def ops(text):
        found = set(re.findall(r"SG_OP_(\w+)", text))
        for group in re.findall(r"SG_OPS_(\w+)", text):
            found |= ops(groups.get(group, ""))
        return found

    return {args[0]: ops(args[1]) for _, name, args in def_rows(tree, HOOKS) if name == "SG_HOOK"}


def check(tree):
    if SEEN not in tree.paths:
        return
    attached = _attached(tree)
    rows = list(def_rows(tree, SEEN))
    kinds = {(args[0], args[1]) for _, name, args in def_rows(tree, CONTROL) if name == "SG_CONTROL_HOOK"}
    seen_ops, seen_kinds = set(), set()
    for line, name, args in rows:
        if name == "SEEN":
            seen_ops.add(args[0])
            if args[0] not in attached.get(args[1], ()):
                yield Finding(SEEN, line, f"{HOOKS}: {args[1]} is not attached for SG_OP_{args[0]}")
        elif name in ("SEEN_CONTROL", "SEEN_WITHOUT"):
            seen_kinds.add((args[0], args[2]))
            if (args[0], args[2]) not in kinds:
                yield Finding(SEEN, line, f"{CONTROL}: {args[2]} is not attached for the kind {args[0]}")
    for kind, hook in sorted(kinds - seen_kinds):
        yield Finding(SEEN, 1, f"it is not said what {hook} sees of the kind {kind}")
    ops = set(re.findall(r"^\s*SG_OP_(\w+) =", tree.text(POLICY), re.M))
    for op in sorted(ops - seen_ops - NOT_OF_FILES):
        yield Finding(SEEN, 1, f"it is not said what sees SG_OP_{op}")
    always = {args[0] for _, name, args in rows if name == "SEEN_ALWAYS"}
    for _, name, args in def_rows(tree, CONTROL):
        if name == "SG_CONTROL" and args[0] not in always | {kind for kind, _ in seen_kinds}:
            yield Finding(SEEN, 1, f"it is not said what sees the kind {args[0]}")


_WHOLE = {
    POLICY: "enum {\n    SG_OP_READ = 1,\n    SG_OP_LINK = 2,\n};\n#define SG_OPS_ANY (SG_OP_READ | \\\n    SG_OP_LINK)\n",
    HOOKS: 'SG_HOOK(open, SG_OP_READ, x, "a")\nSG_HOOK(link, SG_OPS_ANY, x, "b")\n',
    CONTROL: 'SG_CONTROL(kill, NUMBER, "c")\nSG_CONTROL(exit, NUMBER, "d")\nSG_CONTROL_HOOK(kill, task_kill)\n',
    SEEN: 'SEEN(READ, open, NEEDED, "")\nSEEN(LINK, link, NEEDED, "")\nSEEN_CONTROL(kill, "", task_kill, NEEDED, "")\n'
          'SEEN_ALWAYS(exit, end)\n',
}


def _without(part):
    return {**_WHOLE, SEEN: "".join(line for line in _WHOLE[SEEN].splitlines(True) if part not in line)}


BAD = [
    *(_without(part) for part in ("READ", "LINK", "kill", "exit")),
    {**_WHOLE, SEEN: _WHOLE[SEEN] + 'SEEN(LINK, open, PART, "x")\n'},
    {**_WHOLE, SEEN: _WHOLE[SEEN] + 'SEEN_CONTROL(exit, "", task_kill, PART, "x")\n'},
]
GOOD = [_WHOLE]
