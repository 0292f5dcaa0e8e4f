# SPDX-License-Identifier: Apache-2.0
"""What root can still do, as an attempt shows it, has its heading in the threat model."""

import re

from common import Finding

NAME = "threats"

ATTEMPTS = "tests/vm/tamper/attempts.py"
PAGE = "docs/threat-model.md"
DOCUMENTED = re.compile(r'^@attempt\(DOCUMENTED, "([^"]+)"')


def headings(text):
    return {m.group(1) for m in re.finditer(r"^#{1,6}\s+(.*?)\s*$", text, re.MULTILINE)}


def check(tree):
    if ATTEMPTS not in tree.paths:
        return
    known = headings(tree.text(PAGE))
    for number, line in enumerate(tree.text(ATTEMPTS).split("\n"), 1):
        match = DOCUMENTED.match(line)
        if match and match.group(1) not in known:
            yield Finding(ATTEMPTS, number, f"{PAGE} has no heading '{match.group(1)}'")


BAD = [{ATTEMPTS: '@attempt(DOCUMENTED, "The raw disk")\ndef f(a):\n    pass\n', PAGE: "# Threats\n\nThe raw disk\n"}]
GOOD = [{ATTEMPTS: '@attempt(DOCUMENTED, "The raw disk")\ndef f(a):\n    pass\n', PAGE: "# Threats\n\n### The raw disk\n"},
        {PAGE: "# Threats\n"}]
