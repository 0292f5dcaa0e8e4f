#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every way of sg-attack against what was recorded of it. Prints TAP.

  records.py [OPTIONS] WAYS RECORDS GAPS [TYPE]   WAYS: sg-attack --json; RECORDS: sg-protect; TYPE of file system, ext4
    --events           RECORDS are the agent's events
    --list LIST        what sg-attack list --json prints: each of them was tried, once
    --held             the held ones, too
    --losses STATUS    what safeguard status --json prints: nothing was lost

A way that was denied has exactly one record (equal denials within a second are one with a number), with
the operation, the canonical path of the protected object, its rule, the process that asked and the
outcome. What passed has none. A way that is listed in GAPS gets through and says so here. What the kernel counted
of accesses that could not be resolved is not less than what was recorded of them.
"""

import argparse
import json
import os
import sys

RULE_BENEATH, RULE_NONE = 65534, 65535
FIRST_LINE = 7  # of a rule in vault.yaml
NO_RULE_PATH = 128  # components that a record has room for
# Why an access could not be resolved, and the kernel's counter of it (abi/event.h: SG_COUNT_UNRESOLVED_…).
COUNTED = {"disconnected": 8, "depth": 9, "race": 10, "image": 11, "memory": 12}

# What each hook can be asked for.
OPS_OF_HOOK = {
    "file_open": {"read", "write", "exec"}, "file_receive": {"read", "write"},
    "bprm_check_security": {"read", "write"}, "file_permission": {"read", "write"},
    "path_truncate": {"write"}, "file_truncate": {"write"}, "inode_create": {"create"},
    "inode_mkdir": {"create"}, "inode_mknod": {"create"}, "inode_symlink": {"create"},
    "inode_link": {"link"}, "inode_unlink": {"delete"}, "inode_rmdir": {"delete"},
    "inode_rename": {"rename"}, "inode_setattr": {"chmod", "chown", "write"},
    "inode_setxattr": {"xattr"}, "inode_removexattr": {"xattr"}, "inode_set_acl": {"xattr"},
    "inode_remove_acl": {"xattr"}, "mmap_file": {"mmap"}, "file_mprotect": {"mmap"},
    "file_ioctl": {"chmod"}, "file_ioctl_compat": {"chmod"}, "inode_file_setattr": {"chmod"},
    "sb_mount": {"mount"}, "move_mount": {"mount"}, "sb_umount": {"mount"}, "sb_pivotroot": {"mount"},
}
# Where a descriptor is refused before anything is done with it.
DESCRIPTOR_HOOKS = {"file_open", "file_receive", "bprm_check_security", "file_permission"}
# Which operations a way that wants to do the word's may be refused: names that change are one record for both.
OPS_OF_WORD = {
    "read": {"read"}, "write": {"write"}, "exec": {"exec"}, "mmap": {"mmap"},
    "create": {"create", "link", "rename", "write"}, "delete": {"delete", "rename"},
    "rename": {"rename"}, "link": {"link"}, "chmod": {"chmod"}, "chown": {"chown"},
    "xattr": {"xattr"}, "mount": {"mount"},
}
# The other names that setup gives protected files.
LINKS = {"open/oldlink": "vault/secret", "open/old2link": "vault/tree/old2"}


class Record:
    """One record, from either source."""

    def __init__(self, **known):
        self.__dict__.update(known)

    def __str__(self):
        other = f" -> {self.path2[-60:]}" if self.path2 else ""
        return (f"{self.outcome} {self.hook} {','.join(sorted(self.ops))} {self.path[-60:]}{other} rule "
                f"{self.rule} {self.reason} pid {self.pid} {self.exe or ''}")


def of_kernel(row):
    """A line of sg-protect."""
    return Record(time=row["time_ns"], outcome=row["outcome"], hook=row["hook"], ops=set(row["ops"]),
                  flags=row["flags"], reason=row["reason"], rule=row["rule"], error=row["error"],
                  pid=row["pid"], count=row["count"], merged=row["merged"], exe=None, reached_by="",
                  path=row.get("path", ""), kind=row.get("path_kind", "none"),
                  path2=row.get("path2", ""))


def of_event(row):
    """A line of the agent's. Its time is that of the first of equal ones."""
    more, actor = row.get("unmapped", {}), row.get("actor", {}).get("process", {})
    count = row.get("count", 1)
    outcome = {"Blocked": "denied"}.get(row.get("disposition"), row.get("disposition"))
    rule = RULE_BENEATH if more.get("rule_beneath") else RULE_NONE
    if more.get("rule_file", "").endswith("vault.yaml"):  # numbers of rules are the agent's own affair
        rule = more["rule_line"] - FIRST_LINE
    error = {"EPERM": 1}.get(row.get("status_code"), 0)
    return Record(time=row["time"], outcome=outcome, hook=more.get("hook"), ops=set(more.get("access", [])),
                  flags=more.get("flags", []), reason=more.get("reason", "none"), rule=rule,
                  error=error, pid=actor.get("pid"), count=count, merged=row["metadata"].get("sequence", 0) == 0,
                  exe=actor.get("file", {}).get("path", ""), reached_by=more.get("reached_by", ""),
                  path=row.get("file", {}).get("path", ""), kind=more.get("path_kind", "host"),
                  path2=row.get("file_result", {}).get("path", ""))


def opened_with(flags):
    ops = {0: {"read"}, 1: {"write"}, 2: {"read", "write"}}[flags & 3]
    return ops | ({"write"} if flags & os.O_TRUNC else set())


class Checker:
    def __init__(self, root, events):
        self.root, self.events = root, events

    def operation(self, way, r):
        """What is wrong with the operation, or None."""
        if r.hook not in OPS_OF_HOOK or not r.ops or not r.ops <= OPS_OF_HOOK[r.hook]:
            return f"{r.hook} was asked for {','.join(sorted(r.ops))}"
        if r.hook == "file_open" and way["step"].startswith("open(a->target, flags"):
            wanted = opened_with(way["flags"])
            return None if r.ops == wanted else f"opened for {','.join(sorted(wanted))}"
        if r.ops & OPS_OF_WORD[way["op"]] or r.hook in DESCRIPTOR_HOOKS:
            # An overlay reads the lower file whatever is asked of it; a descriptor comes before its use.
            return None
        if "mmap" in r.ops and way["name"].startswith(("held.", "nomap.")):
            return None  # that it wants to change a mapping shows by what it does then
        return f"the operation was {way['op']}"

    def canonical(self, way, r):
        """What is wrong with the path, or None."""
        wanted, name = way["path"], way["name"]
        if wanted in (r.path, r.path2) and r.kind == "host":
            if wanted == r.path or r.hook in ("inode_link", "inode_rename"):
                return None
        if r.kind == "cut" and "unresolved" not in r.flags or r.reason == "depth":
            parts, all_parts = r.path.split("/"), wanted.split("/")
            if "path_cut" not in r.flags or len(parts) < NO_RULE_PATH and len(r.path) < 3800:
                return "cut too early"
            if way["op"] == "create":
                parts.pop(), all_parts.pop()
            ends = range(len(parts), len(all_parts) + 1) if "middle" in name else [len(all_parts)]
            return None if any(all_parts[e - len(parts):e] == parts for e in ends) else "the end differs"
        if r.reason == "disconnected":
            return None if name.startswith("handle.") and r.path == "" else "has no path"
        if name in ("held.openat", "held.fchdir") and r.path.startswith(wanted + "/"):
            return None
        if name.startswith("hardlink.old") and ".deep" in name:
            wanted = f"{self.root}/vault/tree/old2"
            if r.path == wanted:
                return None
        for link, target in LINKS.items():
            if r.path == f"{self.root}/{link}":
                return "the other name" if self.events else None
        if name == "create.tmpfile" and r.path.startswith(os.path.dirname(wanted) + "/#"):
            return None  # without a name yet, in its directory
        if name.startswith(("late.linked-in-other", "late.linked-moved-in-other", "hardlink.new")) and \
                r.path.startswith(f"{self.root}/scratch/"):
            return None  # linked by a program that may: nobody was told
        return "is not the object's"

    def rule(self, way, r):
        """What is wrong with the rule, or None."""
        below = way["path"][len(self.root):]
        if r.reason != "none":
            wanted = RULE_NONE
        elif below == "/vault/secret":
            wanted = 0
        elif below.startswith("/vault/tree/"):
            wanted = 1
        elif below in ("/vault/ro", "/vault/nomap"):
            wanted = 2 + (below == "/vault/nomap")
        else:
            wanted = RULE_BENEATH
        return None if r.rule == wanted else f"not {wanted}"

    def process(self, way, r):
        if way["pid"] not in (r.pid, -1):
            return f"not {way['pid']}"
        if not self.events or way["pid"] == -1:
            return None
        program = os.path.basename(r.exe)
        if way["name"].startswith("inherit."):
            return None if r.exe == f"{self.root}/bin/sg-exempt" else "not the program that has the descriptor"
        if way["name"].startswith("spoof."):
            return None if r.exe and r.exe != f"{self.root}/bin/sg-exempt" else "the program is the exempt one"
        return None if program == "sg-attack" else "not the program"

    def record(self, way, r):
        checks = (("operation", self.operation), ("path", self.canonical), ("rule", self.rule),
                  ("process", self.process))
        wrong = [f"{what}: {why}" for what, check in checks if (why := check(way, r))]
        if r.outcome != "denied" or r.error != 1:
            wrong.append(f"outcome: {r.outcome} {r.error}")
        return "; ".join(wrong) + f" [{r}]" if wrong else None

    def way(self, way, records):
        """What is wrong with what was recorded of a way, or None."""
        if way["result"] != "denied":
            wanted = 1 if way["name"] == "near.moved-out" else 0  # looked at while it was protected
            return None if len(records) == wanted else f"{len(records)} records of what passed [{records[0]}]"
        first = [r for r in records if not r.merged]
        if len(first) != 1:
            return f"{len(first)} records instead of one" + "".join(f" [{r}]" for r in first)
        for r in records:
            if r.merged and (r.hook, r.path, r.rule) != (first[0].hook, first[0].path, first[0].rule):
                return f"the number of repeats is of something else [{r}]"
        return self.record(way, first[0])


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return [json.loads(line) for line in f if line.startswith("{")]


def gaps_of(path, fstype):
    """The names of the exceptions on a file system of this type."""
    with open(path, encoding="utf-8") as f:
        words = [line.split()[0] for line in f if line.strip() and not line.startswith("#")]
    parted = [word.rpartition(":") for word in words]
    return {name for types, _, name in parted if not types or fstype in types.split(",")}


def belongs(way, record, events):
    if record.merged or events and way["pid"] != -1:
        return record.pid == way["pid"]
    start, end = way["start_ns"], way["end_ns"]
    if events:  # to the millisecond of another clock
        start, end = ((t + way["real_ns"]) // 1000000 for t in (start, end))
    return start <= record.time <= end


def report(way, gaps, why):
    """One line of TAP for a way; `why` its record is wrong, or None."""
    name, text = way["name"], f"{way['result']} {way['errname']} {way['reason']}".strip()
    if way["result"] == "skipped":
        return f"ok {name} # SKIP {way['reason']}"
    if not way["ok"]:
        return f"ok {name} # documented exception" if name in gaps else f"not ok {name} {text} at {way['step']}"
    if name in gaps:
        return f"not ok {name} is as it should be now: take it from attack.gaps"
    return f"not ok {name} record: {why}" if why else f"ok {name} {text}"


def say(good, what):
    print("ok" if good else "not ok", what)


def were_tried(ways, listed, held):
    """Each way that is listed was tried once: a run that ended half-way must not look like one that is well."""
    names, wanted = [w["name"] for w in ways], [w["name"] for w in listed if held or not w["held"]]
    missing, more = set(wanted) - set(names), {n for n in names if n not in wanted or names.count(n) > 1}
    say(wanted and not missing and not more, f"{len(names)} ways were tried, of {len(wanted)}"
        + "".join(f", not {n}" for n in sorted(missing)[:10]) + "".join(f", unasked or twice: {n}" for n in sorted(more)[:10]))


def were_counted(ways, denied, counted, in_memory):
    """The counters of what could not be resolved, by reason; reads of such pass without a record."""
    for reason, n in counted.items():
        recorded = sum(r.count for r in denied if r.reason == reason)
        say(n >= recorded, f"as many unresolved ({reason}) counted, {n}, as recorded, {recorded}")
    cold = [w for w in ways if w["name"].startswith("handle.cold") and w["result"] == "denied"]
    # A file in memory has its name as long as it is there.
    say(not cold or in_memory or counted["disconnected"] > 0, f"files by handle are counted as not resolved: {counted['disconnected']}")


def of_the_agent(status):
    """What its status says was lost, and what could not be resolved, by reason."""
    with open(status, encoding="utf-8") as f:
        losses = json.load(f)["losses"]
    lost = {k: v for k, v in losses.items() if v and k in ("denials_lost", "audits_lost", "records_dropped", "records_bad", "records_unknown")}
    say("denials_lost" in losses and not lost, f"no record was lost: {lost}")
    return {reason: losses[f"unresolved_{reason}"] for reason in COUNTED}


def of_the_kernel(rows, denied):
    """The same, from what sg-protect printed."""
    numbers = {r["counter"]: r["n"] for r in rows if r["kind"] == "counter"}
    lost = sum(numbers.get(n, 0) for n in (1, 3, 5))
    bad = sum(r["kind"] == "undecodable" for r in rows)
    say(not lost and not bad, f"no record was lost ({lost}) or could not be read ({bad})")
    total, unresolved = sum(r.count for r in denied), {reason: numbers.get(n, 0) for reason, n in COUNTED.items()}
    say(total == numbers.get(19), f"as many as the kernel counted: {total} of {numbers.get(19)}")
    say(sum(unresolved.values()) == numbers.get(7, 0), f"unresolved by reason, {unresolved}, are all: {numbers.get(7, 0)}")
    return unresolved


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", action="store_true")
    parser.add_argument("--list")
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--losses")
    parser.add_argument("ways")
    parser.add_argument("records")
    parser.add_argument("gaps")
    parser.add_argument("type", nargs="?", default="ext4")
    return parser.parse_args()


def main():
    args = read_arguments()
    ways, rows, events = read(args.ways), read(args.records), args.events
    gaps = gaps_of(args.gaps, args.type)
    known = [of_event(r) for r in rows if r.get("class_uid") == 1001] if events else \
        [of_kernel(r) for r in rows if r["kind"] == "file"]
    denied = [r for r in known if r.outcome in ("denied", "not_held")]
    root = next(w["path"] for w in ways if w["path"].endswith("/vault/secret"))[:-len("/vault/secret")]
    checker, owned = Checker(root, events), set()

    for way in ways:
        mine = [r for r in denied if belongs(way, r, events)] if way["result"] != "skipped" else []
        owned.update(id(r) for r in mine)
        print(report(way, gaps, checker.way(way, mine)))
    # The bench's own attempt to undo a mount of the protected file.
    strays = [r for r in denied if id(r) not in owned and r.hook != "sb_umount"]
    say(not strays, "every record belongs to a way" + "".join(f" [{r}]" for r in strays[:5]))
    if args.list:
        were_tried(ways, read(args.list), args.held)
    if args.losses or not events:
        were_counted(ways, denied, of_the_agent(args.losses) if events else of_the_kernel(rows, denied), args.type == "tmpfs")


if __name__ == "__main__":
    main()
