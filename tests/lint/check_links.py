# SPDX-License-Identifier: Apache-2.0
"""Links between pages lead somewhere: the file is there, and so is the heading."""

import os
import re
import urllib.parse

from common import Finding

NAME = "links"

LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)")
ELSEWHERE = re.compile(r"^([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def prose(text):
    """(line number, line) without what stands in fences or in `code`."""
    fence = None
    for number, line in enumerate(text.split("\n"), 1):
        mark = re.match(r"^\s*(```+|~~~+)", line)
        if mark:
            fence = None if fence and mark.group(1).startswith(fence) else fence or mark.group(1)
        elif not fence:
            yield number, re.sub(r"(`+)(?!`).+?\1", lambda m: " " * len(m.group(0)), line)


def anchor(heading):
    """The name that a heading gets: lower case, no punctuation, blanks as hyphens."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def anchors(text):
    found, seen = set(), {}
    fence = False
    for line in text.split("\n"):
        if re.match(r"^\s*(```|~~~)", line):
            fence = not fence
        match = None if fence else re.match(r"^#{1,6}\s+(.*?)\s*#*$", line)
        if match:
            name = anchor(match.group(1))
            n = seen.get(name, 0)
            seen[name] = n + 1
            found.add(f"{name}-{n}" if n else name)
        found |= set(re.findall(r'(?:id|name)="([^"]+)"', line))
    return found


def check_target(tree, path, target):
    """What is wrong with a link from path, or None."""
    if ELSEWHERE.match(target):
        return None
    name, _, fragment = urllib.parse.unquote(target).partition("#")
    place = path
    if name:
        base = "" if name.startswith("/") else os.path.dirname(path)
        place = os.path.normpath(os.path.join(base, name.lstrip("/")))
        if place.startswith("..") or not os.path.exists(tree.full(place)):
            return f"'{target}' is not there"
    if fragment and place.endswith(".md") and fragment not in anchors(tree.text(place)):
        return f"'{target}': {place} has no such heading"
    return None


def check(tree):
    for path in tree.written(".md"):
        for number, line in prose(tree.text(path)):
            for target in LINK.findall(line) + REFERENCE.findall(line):
                wrong = check_target(tree, path, target)
                if wrong:
                    yield Finding(path, number, wrong)


BAD = [
    {"a.md": "[x](b.md)\n"},
    {"docs/a.md": "[x](../../b.md)\n"},
    {"a.md": "# One\n[x](#two)\n"},
    {"a.md": "[x](b.md#two)\n", "b.md": "# One\n"},
    {"a.md": "[x][y]\n\n[y]: none.md\n"},
    {"a.md": "![picture](none.png)\n"},
]
GOOD = [
    {"a.md": "[x](docs/b.md#one--two) [y](https://example.org/none) [z](#here)\n## Here\n",
     "docs/b.md": "# One & `two`\n[up](../a.md) [root](/a.md)\n"},
    {"a.md": "`[x](none.md)`\n```\n[y](none.md)\n```\n"},
]
