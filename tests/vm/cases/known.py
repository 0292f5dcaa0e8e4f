# SPDX-License-Identifier: Apache-2.0
"""Opens the same files again and again while what decides about them changes. Prints TAP. Used by known.sh.

    known.py DIRECTORY
"""

import os
import subprocess
import sys

ROUNDS = 40
ALICE = 1000


def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
        return True
    except PermissionError:
        return False


def warm(path, times=4):
    """What the first access to a file and by a task leaves is used by the third at the latest."""
    return [opens(path) for _ in range(times)]


def check(name, wrong):
    print(f"{'not ok' if wrong else 'ok'} {name}{': ' + str(wrong[:4]) if wrong else ''}", flush=True)


def in_child(body):
    """Runs body in a child and returns what it returns, a number below 128."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(body())
        except BaseException as e:  # the child must not go on as the parent
            print(f"not ok in a child: {e!r}", flush=True)
            os._exit(127)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def users(path):
    wrong = []
    for i in range(ROUNDS):
        for uid in (0, ALICE):
            os.seteuid(uid)
            wrong += [(i, uid) for opened in warm(path, 2) if opened != (uid == 0)]
            os.seteuid(0)
    check("users that one process takes on by turns", wrong)


def logins(path):
    def body():
        before = warm(path)
        with open("/proc/self/loginuid", "w", encoding="ascii") as f:
            f.write(str(ALICE))
        return int(not all(before) or any(warm(path)))
    status = in_child(body)
    check("a login that begins", [status] if status else [])


READ = """
import os, sys
def opens():
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY))
        return True
    except PermissionError:
        return False
allowed = sys.argv[2] == 'allowed'
good = all(opens() == allowed for _ in range(4))
if good and len(sys.argv) > 3:
    os.execv(sys.argv[3], [sys.argv[3], '-c', sys.argv[4], sys.argv[1], sys.argv[5]])
sys.exit(not good)
"""


def programs(path):
    """The same process, thread and start, by exec: another program."""
    other, named = os.path.realpath(sys.executable), "/srv/bin/named"
    wrong = []
    for first, second, says in ((other, named, ("allowed", "denied")), (named, other, ("denied", "allowed"))):
        done = subprocess.run([first, "-c", READ, path, says[0], second, READ, says[1]], check=False)
        if done.returncode:
            wrong.append((first, done.returncode))
    check("programs that one process becomes", wrong)


def turns(path):
    """Two processes on one processor, of which one is denied what the other has."""
    os.sched_setaffinity(0, {0})
    to_child, to_parent = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.seteuid(ALICE)
        for _ in range(ROUNDS):
            os.read(to_child[0], 1)
            os.write(to_parent[1], b"x" if opens(path) else b".")
        os._exit(0)
    wrong = []
    for i in range(ROUNDS):
        if not opens(path):
            wrong.append((i, "denied"))
        os.write(to_child[1], b".")
        if os.read(to_parent[0], 1) != b".":
            wrong.append((i, "let through"))
    os.waitpid(pid, 0)
    check("turns of two on one processor", wrong)


def names(directory):
    """A file that was opened under a name that no rule speaks of, and gets one that is denied."""
    for what, before, after in (("in a directory", "names/s-out", "names/s-in"),
                                ("from one directory to another", "out/xa", "in/xa")):
        wrong = []
        for i in range(ROUNDS):
            old, new = f"{directory}/{before}{i}", f"{directory}/{after}{i}"
            with open(old, "w", encoding="ascii") as f:
                f.write("content")
            if not all(warm(old)):
                wrong.append((i, "denied before"))
            os.rename(old, new)
            if any(warm(new)):
                wrong.append((i, "let through"))
            subprocess.run(["/srv/bin/exempt", new, old], check=True)
            if not all(warm(old)):
                wrong.append((i, "denied after"))
        check(f"a name that is denied, {what}, and back", wrong)


def layers(directory):
    """Rules speak of a layer's name; in the overlay one speaks of another name of the same directory."""
    check("a file beneath an overlay, by the name that is free there", [i for i, o in enumerate(warm(f"{directory}/secret")) if o])
    check("its neighbour", [i for i, o in enumerate(warm(f"{directory}/plain")) if not o])


def main():
    directory = sys.argv[1]
    users(f"{directory}/user")
    logins(f"{directory}/login")
    programs(f"{directory}/exe")
    turns(f"{directory}/user")
    names(directory)
    layers(f"{directory}/merged")


main()
