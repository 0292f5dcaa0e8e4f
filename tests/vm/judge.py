#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a row of tests/vm/run-all by what its case printed and how it ended.

  judge.py NAME KERNEL STATUS TAP ERR   says what failed and a line about the row; "N N" (passed, failed) go to
                                        NAME.sum beside TAP
  judge.py                              shows that it can fail: TAP

Failed: each "not ok"; a case that did not end with 0 though nothing was "not ok" (it broke off); a VM that crashed
or took too long; nothing that passed; a SKIP that `skips` does not allow on this kernel.
"""

import fnmatch
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_SHOWN = 30
OF_THE_BENCH = 124  # from here on the status is tools/vm's own (123: the command's, changed)
ENDINGS = {124: "it ran out of time", 126: "the guest crashed"}


def read_skips(lines):
    """Rows of (kernels, pattern of names, reason): columns two spaces or more apart."""
    rows = [re.split(r"\s{2,}", line.strip(), maxsplit=2) for line in lines
            if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 3:
            raise ValueError(f"not of the form \"kernels  name  reason\": {row}")
    return [(kernels.split(","), name, reason) for kernels, name, reason in rows]


def may_skip(skips, kernel, name):
    """What is tried once more on another file system has its type in front of the name: "xfs: rename.root"."""
    names = {name, re.sub(r"^[a-z0-9]+: ", "", name)}
    return any(("*" in kernels or kernel in kernels) and any(fnmatch.fnmatchcase(n, pattern) for n in names)
               for kernels, pattern, _ in skips)


def judge(kernel, status, tap, skips):
    """(how many passed, what failed)."""
    lines = tap.splitlines()
    failed = [line for line in lines if line.startswith("not ok ")]
    good = [line[3:] for line in lines if line.startswith("ok ")]
    skipped = [line.partition(" # SKIP") for line in good if " # SKIP" in line]
    for name, _, reason in skipped:
        if not may_skip(skips, kernel, name):
            failed.append(f"not ok {name} was skipped ({reason.strip(' :')}), which tests/vm/skips does not allow on {kernel}")
    passed = len(good) - len(skipped)
    if status >= OF_THE_BENCH:
        failed.append(f"not ok the VM: {ENDINGS.get(status, f'it ended with status {status}')}")
    elif status != 0 and not failed:
        failed.append(f"not ok the case ended with status {status}, though it says of nothing that it failed")
    elif not good and not failed:
        failed.append("not ok no result was printed")
    return passed, failed


# Status, TAP, and how many of these pass and fail on 6.1 with SKIPS.
SKIPS = read_skips(["# a comment", "", "5.10,6.1  old.*  it is old", "*  anywhere, two words   of  all kernels"])
OWN = [
    ("all is well", 0, "ok a\nok b c\n# ok\n", 2, 0),
    ("what failed", 1, "ok a\nnot ok b: why\n", 1, 1),
    ("a traceback after a good line", 1, "ok a\n", 1, 1),
    ("a command that is not there", 127, "ok a\n", 1, 1),
    ("nothing printed", 0, "", 0, 1),
    ("nothing but a status", 3, "", 0, 1),
    ("out of time", 124, "ok a\n", 1, 1),
    ("a crash", 126, "ok a\nnot ok b\n", 1, 2),
    ("a VM that did not start", 125, "", 0, 1),
    ("a skip that is allowed", 0, "ok a\nok old.x # SKIP not here\n", 1, 0),
    ("one on another file system", 0, "ok a\nok xfs: old.x # SKIP not here\n", 1, 0),
    ("one of all kernels", 0, "ok a\nok anywhere, two words # SKIP: no\n", 1, 0),
    ("a skip that is not allowed", 0, "ok a\nok new.x # SKIP not here\n", 1, 1),
    ("a name that only begins like one that is allowed", 0, "ok a\nok anywhere, two words more # SKIP no\n", 1, 1),
    ("all that a case has may be skipped", 0, "ok old.x # SKIP not here\n", 0, 0),
]


def check_itself():
    bad = 0
    for name, status, tap, passed, failed in OWN:
        got = judge("6.1", status, tap, SKIPS)
        good = (got[0], len(got[1])) == (passed, failed)
        bad += not good
        print("ok" if good else "not ok", name, "" if good else f"{got}")
    other = judge("6.12", 0, "ok a\nok old.x # SKIP not here\n", SKIPS)
    bad += len(other[1]) != 1
    print("ok" if len(other[1]) == 1 else "not ok", "a skip that is allowed on other kernels only")
    try:
        read_skips(["6.1 no columns"])
        print("not ok a line of skips without columns is refused")
        bad += 1
    except ValueError:
        print("ok a line of skips without columns is refused")
    return 1 if bad else 0


def tail(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return "".join(f.readlines()[-15:])


def main():
    if len(sys.argv) == 1:
        return check_itself()
    name, kernel, status, tap, err = sys.argv[1:]
    with open(f"{HERE}/skips", encoding="utf-8") as f:
        skips = read_skips(f)
    with open(tap, encoding="utf-8", errors="replace") as f:
        said = f.read()
    passed, failed = judge(kernel, int(status), said, skips)
    for line in failed[:MAX_SHOWN]:
        print(f"{name}: {line}")
    if len(failed) > MAX_SHOWN:
        print(f"{name}: ... and {len(failed) - MAX_SHOWN} more in {tap}")
    if int(status) != 0:
        print(tail(err), end="")
    with open(os.path.join(os.path.dirname(tap), f"{name}.sum"), "w", encoding="utf-8") as f:
        f.write(f"{passed} {len(failed)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
