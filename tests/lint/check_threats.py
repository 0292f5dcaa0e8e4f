# SPDX-License-Identifier: Apache-2.0
"""What root can still do, as an attempt shows it, has its heading in the threat model."""

import re

from common import Finding

NAME = "threats"

ATTEMPTS = re.compile(r"^tests/vm/tamper/attempts\w*\.py$")
PAGE = "docs/threat-model.md"
DOCUMENTED = re.compile(r'^@attempt\(DOCUMENTED, "([^"]+)"')


def headings(text):
    return {m.group(1) for m in re.finditer(r"^#{1,6}\s+(.*?)\s*$", text, re.MULTILINE)}


def check(tree):
    for path in tree.paths:
        if not ATTEMPTS.match(path):
            continue
        known = headings(tree.text(PAGE))
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            match = DOCUMENTED.match(line)
            if match and match.group(1) not in known:
                yield Finding(path, number, f"{PAGE} has no heading '{match.group(1)}'")


FILE = "tests/vm/tamper/attempts_host.py"
BAD = [{FILE: '@attempt(DOCUMENTED, "The raw disk")\ndef f(a):\n    pass\n', PAGE: "# Threats\n\nThe raw disk\n"}]
GOOD = [{FILE: '@attempt(DOCUMENTED, "The raw disk")\ndef f(a):\n    pass\n', PAGE: "# Threats\n\n### The raw disk\n"},
        {PAGE: "# Threats\n"}]
