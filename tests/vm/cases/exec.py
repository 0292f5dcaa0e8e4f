#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every way of sg-exec against what was recorded of it. Prints TAP.

  exec.py WAYS RECORDS   WAYS: what sg-exec run printed; RECORDS: sg-protect's

Audited: the program ran, and its exec is one record with the rule. Denied: it did not run, the caller got EPERM, and that is
one record with the rule, who asked and what for; with kill and stop the caller was besides. Free: it ran, and its record has no rule. What rules about libraries refuse
is a record of the file. Fields of the records are those of the way's row in ways.def.
"""

import json
import os
import sys

RAN, NO_RULE = 42, 65535
# In the order of print_policy() of sg-exec.
RULES = {("path", "audit"): 0, ("path", "deny"): 1, ("load", "audit"): 2, ("load", "deny"): 3, ("memfd", "audit"): 4,
         ("memfd", "deny"): 5, ("deleted", "audit"): 6, ("deleted", "deny"): 7, ("foreign", "audit"): 8,
         ("foreign", "deny"): 9, ("path", "kill"): 10, ("path", "stop"): 11}
# Of the modes that refuse: the outcome, what the caller sees, and how it ends.
REFUSED = {"deny": ("denied", "EPERM", None), "kill": ("killed", None, 128 + 9), "stop": ("stopped", "EPERM", None)}
NAMESPACES = ("mnt_ns", "pid_ns", "net_ns", "user_ns", "uts_ns", "ipc_ns", "cgroup_ns", "timens")
LIVES_NS = 300_000_000  # LIVES_MS of exec.h
CORE = 0x80
LONG = "n" * 255


class Way:
    """A way as it was tried."""

    def __init__(self, row, records):
        self.row, self.mode, self.by, self.pid = row, row["mode"], row["by"], row["pid"]
        self.want = json.loads(self.filled(row["want"].replace("'", '"')))
        if self.mode in REFUSED:
            # Of who asked: not yet a program, nor one for a script.
            for key in ("launch", "script") + (("args",) if "script" in self.want else ()):
                self.want.pop(key, None)
            if self.by != "path":
                self.want["launch"] = [self.by.replace("memfd", "memory")]
            self.want.update(self.want.get("denied", {}))
        self.name = f"{row['way']}, {self.mode}"
        self.bad = []
        mine = [r for r in records if self.pid in (r.get("pid"), -r.get("ppid", 0)) and not r["merged"]]
        self.execs = [r for r in mine if r["kind"] == "exec"]
        self.files = [r for r in mine if r["kind"] == "file"]
        self.ends = [r for r in mine if r["kind"] == "exit" and r["pid"] == self.pid]
        self.births = [r for r in records if r["kind"] == "fork" and r["child"] == self.pid]
        self.skipped = row["skipped"] if row["status"] == 98 else ""

    def filled(self, text):
        for mark, value in (("%A", self.row["area"]), ("%R", self.row["root"]), ("%M", self.mode), ("%N", LONG)):
            text = text.replace(mark, value)
        return text

    def check(self, good, what):
        if not good:
            self.bad.append(what)

    def same(self, what, got, wanted):
        self.check(got == wanted, f"{what} is {str(got)[:200]}, not {str(wanted)[:200]}")

    def judge(self):
        ran = self.want.get("ran", RAN)
        if self.skipped:
            return
        self.life()
        if "fails" in self.want:
            self.same("errno", errno_name(self.row["error"]), self.want["fails"])
            self.same("records of execs", len(self.execs), 0)
        elif self.mode not in REFUSED or self.row["way"] in ("map_read", "memfd_map_shared"):
            self.same("status", self.row["status"], ran)
            self.passed()
        elif "still" in self.want:
            self.same("status", self.row["status"], self.want["still"])
            self.load_denied()
        else:
            outcome, errno, status = REFUSED[self.mode]
            self.check(self.row["status"] != ran, "the program ran")
            self.same("errno", errno_name(self.row["error"]), errno)
            self.same("stopped", self.row["stopped"], self.mode == "stop")
            if status:
                self.same("status", self.row["status"], status)
            self.refused(outcome)

    def life(self):
        """Who forked it, how it ended, and how long it was there: of a process that the runner waited for itself."""
        if self.row["ended"] < 0:
            return
        self.same("births", [r["pid"] for r in self.births], [self.row["parent"]])
        self.same("ends", [r["status"] for r in self.ends], [self.row["ended"]])
        for r in self.ends:
            least = LIVES_NS if self.want.get("lives") else 1
            self.check(least <= r["lived_ns"] <= self.row["ns_max"], f"lived {r['lived_ns']} of {self.row['ns_max']} ns")
            if self.want.get("lives"):
                self.same("core", bool(r["status"] & CORE), self.want.get("core", False))

    def passed(self):
        n = self.want.get("execs", 1)
        self.same("records of execs", len(self.execs), n)
        self.same("records of files", len(self.files) if self.by != "load" or self.mode == "free" else 0, 0)
        if not n or not self.execs:
            return
        r = self.execs[0]
        self.same("outcome", r["outcome"], "passed")
        self.same("error", r["error"], 0)
        rule = RULES.get((self.by, self.mode), NO_RULE)
        if self.mode == "free" or self.by == "load" or "skip_rule" in self.want:
            rule = NO_RULE
        self.same("rule", r["rule"], rule)
        if self.by == "load" and self.mode == "audit":
            self.same("files that were loaded", [(f["ops"], f["rule"], f["outcome"]) for f in self.files][:1],
                      [(["load"], RULES["load", "audit"], "passed")])
        self.fields(r)

    def refused(self, outcome):
        tries = self.want.get("tries", 1)
        records = [r for r in self.execs if r["outcome"] == outcome]
        self.check(1 <= len(records) <= tries, f"records of denials: {len(records)}")
        self.same("records of programs that ran", len(self.execs) - len(records), 0)
        self.same("records of files", len(self.files), 0)
        if not records:
            return
        r = records[0]
        self.same("rule", r["rule"], RULES[self.by, self.mode])
        self.same("error", r["error"], 1)
        self.same("ops", r["ops"], ["exec"])
        self.same("hook", r["hook"], "file_open" if self.by == "path" else "bprm_check_security")
        self.check("caller" in r["launch"], "not marked as the caller's")
        self.fields(r)

    def load_denied(self):
        self.same("ops and rules of files", [(f["ops"], f["rule"], f["outcome"], f["error"]) for f in self.files][:1],
                  [(["load"], RULES[self.by, "deny"], "denied", 1)])
        for f in self.files:
            if self.by == "memfd":
                self.same("file", (f["path"], f["path_kind"]), ("memfd:way", "text"))
            else:
                self.check(f["path"].startswith(self.row["area"] + "/"), f"another file: {f['path']}")
        for r in self.execs:
            self.same("rule of the program that asked", r["rule"], NO_RULE)

    def fields(self, r):
        w = self.want
        for key in ("path", "path_kind", "script", "cwd", "args", "argc", "envc", "env", "euid", "uid", "cap_effective",
                    "cap_permitted", "args_cut"):
            if w.get(key) is None:
                continue
            # Of a call that is refused there is what was in memory.
            if key == "args" and self.mode in REFUSED and r["args_cut"]:
                self.same("args", r["args"], w["args"][:len(r["args"])])
            else:
                self.same(key, r.get(key), w[key])
        if "script" not in w and not w.get("skip_path"):
            self.same("script", r.get("script"), None)
        if "path_end" in w:
            self.check(r["path"].endswith(w["path_end"]), f"path is {r['path']}")
        if "args_begin" in w:
            self.check(all(g.startswith(b) for g, b in zip(r["args"], w["args_begin"])), f"args: {str(r['args'])[:100]}")
        if "args_bytes" in w and w["args_bytes"] is not None:
            self.same("bytes of args", sum(len(a) + 1 for a in r["args"]), w["args_bytes"])
        flags = {f for f in r["launch"] if f not in ("caller", "args_cut")}
        if not (w.get("launch_any") and self.mode in REFUSED):
            self.same("launch", flags, set(w.get("launch", [])))
        self.descriptors(r)
        self.state(r)

    def descriptors(self, r):
        for fd, wanted in enumerate(self.want.get("stdio", [])):
            for key, value in (wanted or {}).items():
                if value in ("%P", "%L"):
                    value = int(r["args"]["%P%L".index(value) // 2 + 1])
                self.same(f"{key} of descriptor {fd}", r["stdio"][fd].get(key), value)
        if self.want.get("pair"):
            a, b = r["stdio"][0], r["stdio"][1]
            self.check(a["other"] == b["ino"] and b["other"] == a["ino"] and a["ino"] != b["ino"], "not each other's end")

    def state(self, r):
        if self.want.get("tty"):
            self.check(r["tty"] >> 20 == 136 and r["tty"] == r["stdio"][0]["dev"], f"terminal {r['tty']}")
        else:
            self.same("terminal", r["tty"], 0)
        if self.want.get("own_cgroup"):
            self.same("control group", r["cgroup"], os.stat("/sys/fs/cgroup/sg-exec").st_ino)
        own = os.stat("/proc/self/ns/user").st_ino
        self.same("in the first user namespace", r["user_ns"] == own, not self.want.get("other_user_ns"))
        own = os.stat("/proc/self/ns/net").st_ino
        self.same("in the first network namespace", r["net_ns"] == own, not self.want.get("other_net_ns"))
        self.namespaces(r)
        self.same("cwd", bool(r.get("cwd")), True)


    def namespaces(self, r):
        """As /proc had them right before the exec."""
        if "namespaces" not in self.want:
            return
        self.check(all(self.row["ns"]), f"/proc has {self.row['ns']}")
        self.same("namespaces", [r[name] for name in NAMESPACES], self.row["ns"])
        hosts = [os.stat(f"/proc/self/ns/{name.removesuffix('_ns').removesuffix('ns')}").st_ino for name in NAMESPACES]
        self.same("how many differ from the host's", sum(a != b for a, b in zip(hosts, self.row["ns"])), self.want["namespaces"])


def errno_name(number):
    return {0: None, 1: "EPERM", 8: "ENOEXEC", 13: "EACCES", 40: "ELOOP"}.get(number, number)


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
        rows = [json.loads(line) for line in f]
    with open(sys.argv[2], encoding="utf-8", errors="replace") as f:
        records = [json.loads(line) for line in f]
    tried = set()
    for row in rows:
        way = Way(row, records)
        way.judge()
        if way.skipped:
            print("ok", way.name, "# SKIP", way.skipped)
            continue
        tried.add(row["way"])
        print("ok" if not way.bad else "not ok", way.name + (": " + "; ".join(way.bad) if way.bad else ""))
        if way.bad:
            for r in way.execs + way.files:
                print("#", str({k: v for k, v in r.items() if k not in ("env",)})[:1500])
    lost = [r for r in records if r["kind"] == "counter" and r["counter"] in (1, 3, 5)]
    print("ok" if not lost and not [r for r in records if r["kind"] == "undecodable"] else "not ok", "nothing was lost")
    print("ok" if len(tried) >= 60 else "not ok", f"{len(tried)} ways")


main()
