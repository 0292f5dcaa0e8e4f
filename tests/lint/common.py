# SPDX-License-Identifier: Apache-2.0
"""What every lint shares: the list of files, and views of C sources without comments or strings.

A lint is a module check_*.py here, or *.py in rows/ (rules about .def tables), with

    NAME = "includes"                     # for messages and for `tests/lint/run includes`
    def check(tree): yield Finding(path, line, "what is wrong")
    BAD = [{"src/x/a.c": "..."}, ...]     # small trees; check() must find something in each
    GOOD = [{"src/x/a.c": "..."}, ...]    # and nothing in these

and, where small trees are not enough, `def self_checks(): yield ("name", worked)`.
"""

import os
import re
import subprocess
from dataclasses import dataclass

SKIPPED_DIRS = re.compile(r"(^|/)(\.git|build|build-[^/]*|node_modules|__pycache__|\.cache)(/|$)")
GENERATED = re.compile(r"(^|/)(vmlinux[^/]*\.h|[^/]*\.skel\.h|package-lock\.json)$|^ui/src/api/types\.ts$")


@dataclass
class Finding:
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


class Tree:
    """The files of the project below root, as paths relative to it."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(p for p in self._list() if not SKIPPED_DIRS.search(p))
        self._texts = {}

    def _list(self):
        if os.path.exists(os.path.join(self.root, ".git")):
            command = ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                       "--exclude-standard"]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            names = set(out.decode().split("\0")) - {""}
            return [n for n in names if os.path.isfile(os.path.join(self.root, n))]
        found = []
        for folder, _, names in os.walk(self.root):
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names]
        return found

    def full(self, path):
        return os.path.join(self.root, path)

    def text(self, path):
        """The contents, or "" for what is not text."""
        if path not in self._texts:
            with open(self.full(path), "rb") as f:
                data = f.read()
            try:
                self._texts[path] = "" if b"\0" in data else data.decode("utf-8")
            except UnicodeDecodeError:
                self._texts[path] = ""
        return self._texts[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def first_line(self, path):
        return self.text(path).split("\n", 1)[0]

    def written(self, *suffixes, under=()):
        """Files that people wrote, with one of the suffixes, below one of the folders."""
        for path in self.paths:
            if GENERATED.search(path) or not path.endswith(suffixes):
                continue
            if not under or path.startswith(tuple(f + "/" for f in under)):
                yield path

    def scripts(self, *interpreters):
        """Files whose first line names one of the interpreters."""
        wanted = re.compile(r"^#!.*\b(" + "|".join(interpreters) + r")\b")
        for path in self.paths:
            if wanted.match(self.first_line(path)):
                yield path


C_SUFFIXES = (".c", ".h", ".def")

TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """C with every comment, string and character constant replaced by blanks; lines stay lines."""
    return TOKENS.sub(blank, text)


def without_comments(text):
    return TOKENS.sub(lambda m: blank(m) if m.group(0)[0] == "/" else m.group(0), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def def_rows(tree, path):
    """The rows of a .def table: (line, name of the macro, [arguments as written])."""
    text = without_comments(tree.text(path))
    for match in re.finditer(r"^([A-Z][A-Z0-9_]*)\(", text, re.MULTILINE):
        depth, at, start, args, quoted = 1, match.end(), match.end(), [], False
        while at < len(text) and depth:
            c = text[at]
            if c == '"' and text[at - 1] != "\\":
                quoted = not quoted
            elif not quoted and c in "([{":
                depth += 1
            elif not quoted and c in ")]}":
                depth -= 1
            if not quoted and ((c == "," and depth == 1) or depth == 0):
                args.append(re.sub(r"\s+", " ", text[start:at].strip()))
                start = at + 1
            at += 1
        yield line_of(text, match.start()), match.group(1), args
