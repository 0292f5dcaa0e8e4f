# SPDX-License-Identifier: Apache-2.0
"""What root can still do, as an attempt shows it, has its heading in the threat model, and each heading there its attempt."""

import re

from common import Finding

NAME = "threats"

ATTEMPTS = re.compile(r"^tests/vm/tamper/attempts\w*\.py$")
PAGE = "docs/threat-model.md"
OPEN = "## What root can still do"
DOCUMENTED = re.compile(r'^@attempt\(DOCUMENTED, "([^"]+)"')


def headings(text):
    return {m.group(1) for m in re.finditer(r"^#{1,6}\s+(.*?)\s*$", text, re.MULTILINE)}


def open_headings(text):
    """Those beneath "What root can still do", with their lines."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("## "):
            inside = line == OPEN
        elif inside and line.startswith("### "):
            yield number, line[4:].strip()


def check(tree):
    shown = set()
    for path in tree.paths:
        if not ATTEMPTS.match(path):
            continue
        known = headings(tree.text(PAGE))
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            match = DOCUMENTED.match(line)
            if match and match.group(1) not in known:
                yield Finding(path, number, f"{PAGE} has no heading '{match.group(1)}'")
            if match:
                shown.add(match.group(1))
    if PAGE not in tree.paths:
        return
    for number, heading in open_headings(tree.text(PAGE)):
        if heading not in shown:
            yield Finding(PAGE, number, f"no attempt of tests/vm/tamper shows '{heading}'")


FILE = "tests/vm/tamper/attempts_host.py"
ROW = '@attempt(DOCUMENTED, "The raw disk")\ndef f(a):\n    pass\n'
BAD = [{FILE: ROW, PAGE: "# Threats\n\nThe raw disk\n"},
       {FILE: ROW, PAGE: f"# Threats\n\n{OPEN}\n\n### The raw disk\n\n### Libraries\n"}]
GOOD = [{FILE: ROW, PAGE: f"# Threats\n\n{OPEN}\n\n### The raw disk\n\n## Others\n\n### Libraries\n"},
        {PAGE: "# Threats\n"}]
