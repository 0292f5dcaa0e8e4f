# SPDX-License-Identifier: Apache-2.0
"""No .def table holds the same row twice.

A table may have sections (#if ... #endif); each counts alone.
"""

import bisect

from common import Finding, def_rows

NAME = "rows"


def check(tree):
    for path in tree.written(".def"):
        seen = {}
        walls = [n for n, text in enumerate(tree.lines(path), 1) if text.lstrip().startswith("#")]
        for line, macro, args in def_rows(tree, path):
            row = (bisect.bisect(walls, line), macro, *args)
            if row in seen:
                text = ", ".join(args)[:60]
                yield Finding(path, line, f"the row of line {seen[row]} again: {text}")
            seen.setdefault(row, line)


BAD = [
    {"src/a/a.def": 'ROW(a, "x, (y)")\nROW(b, c)\nROW(a,  "x, (y)")\n'},
    {"src/a/a.def": "ROW(a,\n    {1, 2})\nROW(a, {1,\n2})\n"},
]
GOOD = [
    {"src/a/a.def": 'ROW(a, 1)\n// ROW(a, 1)\nROW(a, 2)\nOTHER(a, 1)\nROW(b, "ROW(a, 1)")\n'},
    {"src/a/a.def": "#ifdef X\nROW(a, 1)\n#endif\n#ifdef Y\nROW(a, 1)\n#endif\n"},
]
