# SPDX-License-Identifier: Apache-2.0
"""Functions that must not be used.

Calls do not compile (src/base/banned.h); here is shown that they do not, and found what a macro
cannot catch: the function taken by address, and names that are banned in some folders only.
"""

import os
import re
import subprocess

from common import C_SUFFIXES, Finding, code_only, line_of

NAME = "banned"
HEADER = "src/base/banned.h"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

USER_SPACE = ("src", "tests", "tools", "abi")
# Name, folders, why.
BY_FOLDER = [
    ("sleep", USER_SPACE, "await the event instead"),
    ("usleep", USER_SPACE, "await the event instead"),
    ("signal", USER_SPACE, "use loop_add_signal() or sigaction()"),
    ("setjmp", ("src", "tools"), "return an error"),
    ("longjmp", ("src", "tools"), "return an error"),
    ("sscanf", ("src/policy", "src/model", "src/ocsf"), "use parse_*() of base/strutil.h"),
    ("printf", ("src/base", "src/model", "src/policy", "src/sensor", "src/process", "src/ocsf"),
     "libraries do not print; return an error"),
    ("exit", ("src/base", "src/model", "src/policy", "src/sensor", "src/process", "src/ocsf"),
     "libraries do not end the program"),
    ("abort", ("src/base", "src/model", "src/policy", "src/sensor", "src/process", "src/ocsf"),
     "libraries do not end the program"),
]
# Rooms that are libraries must not log: everything of src/ but these.
LOGGING = re.compile(r"^src/(agent|server|cli|base)/")
LOG_CALL = re.compile(r"\blog_(error|warning|info|debug)(_code|_struct)?\s*\(")


def banned_names(text):
    return re.findall(r"^#define (\w+)\(\.\.\.\) BANNED\(", text, re.MULTILINE)


def header_text():
    with open(os.path.join(ROOT, HEADER), encoding="utf-8") as f:
        return f.read()


def check_addresses(path, code, names):
    """A banned name that is no call and no member of something."""
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\b(?!\s*[(=:\[])")
    for match in pattern.finditer(code):
        before = code[:match.start()].rstrip()
        # A declaration of something else: `struct system`, `int rand;`, a member, a parameter.
        if re.search(r"(\w|\*)$", before) and not re.search(r"\b(return|case|else)$", before):
            continue
        yield Finding(path, line_of(code, match.start()), f"{match.group(1)} taken by address")


def check_by_folder(path, code):
    for name, folders, why in BY_FOLDER:
        if not path.startswith(tuple(f + "/" for f in folders)):
            continue
        for match in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
            yield Finding(path, line_of(code, match.start()), f"{name}(): {why}")


def check(tree):
    names = banned_names(header_text())
    for path in tree.written(*C_SUFFIXES, under=USER_SPACE):
        if path == HEADER:
            continue
        code = code_only(tree.text(path))
        yield from check_addresses(path, code, names)
        yield from check_by_folder(path, code)
        for match in re.finditer(r"^\s*#\s*undef\s+(\w+)", code, re.MULTILINE):
            if match.group(1) in names:
                yield Finding(path, line_of(code, match.start(1)), f"#undef {match.group(1)}")
        if path.startswith("src/") and not LOGGING.match(path):
            for match in LOG_CALL.finditer(code):
                yield Finding(path, line_of(code, match.start()),
                              "libraries do not log; return an error")


def compiles(code):
    command = ["cc", "-fsyntax-only", "-w", "-D_GNU_SOURCE", "-I", os.path.join(ROOT, "src"),
               "-include", "base/banned.h", "-x", "c", "-"]
    done = subprocess.run(command, input=code, text=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    return done.returncode == 0, done.stderr


def self_checks():
    """A call of each banned function is an error that names it; other code compiles."""
    worked, _ = compiles("void f(char *s); void f(char *s) { free(strdup(s)); }\n")
    yield "code without banned functions compiles", worked
    names = banned_names(header_text())
    yield "banned.h has rows", len(names) >= 20
    # One compilation: each call has an error of its own.
    code = "".join(f"void f_{name}(void) {{ {name}(0); }}\n" for name in names)
    _, messages = compiles(code)
    for name in names:
        yield f"{name}() does not compile", f"BANNED_{name}_is_not_used_here" in messages


BAD = [
    {"src/a/a.c": "char *(*f)(char *, const char *) = strcpy;\n"},
    {"src/a/a.c": "void g(void) { call(1, system); }\n"},
    {"src/a/a.c": "#undef strcpy\n"},
    {"src/a/a.c": "void g(void) { sleep(1); }\n"},
    {"src/policy/a.c": 'void g(void) { printf("x"); }\n'},
    {"src/policy/a.c": "void g(void) { exit(1); }\n"},
    {"src/policy/a.c": 'void g(void) { log_error("x"); }\n'},
    {"tests/a.c": "void g(void) { usleep(1); }\n"},
]
GOOD = [
    {"src/a/a.c": '// strcpy, sleep(1)\nconst char *s = "strcpy system(x)"; int n = x.rand;\n'},
    {"src/a/a.c": "struct system { int rand; }; int my_sleep(int);\n"
                  "void f(void) { my_sleep(1); }\n"},
    {"src/agent/a.c": 'void g(void) { log_error("x"); exit(1); }\n'},
    {"bpf/a.c": 'void g(void) { bpf_printk("x"); }\n'},
]
