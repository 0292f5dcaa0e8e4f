# SPDX-License-Identifier: Apache-2.0
#
# What became of the ways of sg-control: what each gave, and the records of its process. As a hook of type fmod_ret the same.
import json
import os
import platform
import sys

ABSENT = 200
SIGNALS = {"usr1": 10, "usr2": 12, "quit": 3, "urg": 23, "winch": 28, "cont": 18, "alrm": 14, "xcpu": 24, "xfsz": 25, "vtalrm": 26,
           "prof": 27}
WORDS = {
    "signal": SIGNALS,
    "ptrace": {"read": 0, "attach": 1, "traceme": 2},
    "capability": {"CAP_SYS_CHROOT": 18, "CAP_SYS_NICE": 23},
    "unshare": {"mount": 0, "uts": 1, "ipc": 2, "user": 3},
    "setns": {"uts": 1, "ipc": 2},
    "bpf": {"prog_get_next_id": 11},
    "keyctl": {"create": 0, "view": 1, "read": 2, "write": 3, "search": 4, "link": 5, "setattr": 6, "unlink": 7},
    "io_uring": {"setup": 0, "sqpoll": 1, "personality": 2, "command": 3},
    "socket": {"raw": 0, "packet": 1, "xdp": 2, "vsock": 3, "alg": 4},
    "memory": {"anonymous": 0, "stack": 1, "heap": 2, "modified": 3, "shared": 4},
    "syslog": {"read": 0, "clear": 1, "console": 2},
    "kexec": {"file": 0, "memory": 1},
}


def release():
    major, minor = platform.release().split(".")[:2]
    return int(major) * 100 + int("".join(c for c in minor if c.isdigit()))


def argument_is(record, kind, argument):
    if argument == "":
        return True
    if kind in ("mount", "module"):
        return record["name"] == argument
    if kind in ("setuid", "setgid"):
        return record["number"] == int(argument)
    return record["number"] == WORDS[kind][argument]


def judge(way, ran, records):
    name, since, error, kind, argument, outcome = way
    pid, got = ran
    if got == ABSENT:
        return "absent"
    mine = [r for r in records if r["kind"] == "control" and r["pid"] == pid and r["control"] == kind]
    if got != error:
        return "gave %d (%s) instead of %d; records: %s" % (got, os.strerror(got) if got < 200 else "-", error, mine)
    if outcome == "":
        return "recorded: %s" % mine if mine else None
    fits = [r for r in mine if argument_is(r, kind, argument) and r["outcome"] == outcome]
    if not fits:
        return "no such record; there are: %s" % mine
    refused = error if outcome == "denied" and kind != "module" else 1 if outcome == "killed" else None
    if kind == "ptrace" and outcome == "denied":
        refused = 1
    if refused is not None and fits[0]["error"] != refused:
        return "recorded with errno %d" % fits[0]["error"]
    if kind in ("signal", "ptrace") and fits[0]["target"] == 0:
        return "no target in the record"
    return None


ways = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
ran = {f[0]: (int(f[1]), int(f[2])) for f in (line.rstrip("\n").split("\t") for line in open(sys.argv[2]))}
records = [json.loads(line) for line in open(sys.argv[3])]
for way in ways:
    way[1], way[2] = int(way[1]), int(way[2])
    if way[0] not in ran:
        if len(ran) == len(ways):
            print("not ok %s: it was not run" % way[0])
        continue
    if way[1] > release():
        print("ok %s # SKIP this kernel has no hook for it" % way[0])
        continue
    problem = judge(way, ran[way[0]], records)
    if problem == "absent":
        print("ok %s # SKIP this kernel does not have it" % way[0])
    else:
        print("ok %s" % way[0] if not problem else "not ok %s: %s" % (way[0], problem))
lost = [r for r in records if r["kind"] == "undecodable" or (r["kind"] == "counter" and r["counter"] in (1, 3))]
print("not ok nothing lost: %s" % lost if lost else "ok nothing lost")
