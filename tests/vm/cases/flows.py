# SPDX-License-Identifier: Apache-2.0
#
# What programs do for flows.sh, and whether what was recorded of it is right.
#
#   flows.py server                             serves until it is killed
#   flows.py tcp|fails|udp|… NAME ADDRESS …     does it and prints a fact, a line of JSON
#   flows.py judge PART RECORDS FACTS           TAP
import json
import os
import re
import socket
import struct
import sys
import threading
import time

PORT, UDP_PORT = 7000, 7001
HEADER = 64
ANSWER_EACH = 50
UDP_SEGMENT = 103  # include/uapi/linux/udp.h


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def receive(s, n):
    got = 0
    while got < n:
        data = s.recv(min(65536, n - got))
        if not data:
            break
        got += len(data)
    return got


def close(s, reset):
    if reset:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def serve_one(s):
    """Reads a header and what it announces, sends as much as it asks for."""
    try:
        head = b""
        while len(head) < HEADER:
            data = s.recv(HEADER - len(head))
            if not data:
                s.close()
                return
            head += data
        take, give, first, reset = json.loads(head)
        receive(s, take)
        s.sendall(b"g" * give)
        if first != "server":
            s.recv(1)
            s.close()
        else:
            # What it has sent is to be there before it resets.
            if reset:
                time.sleep(1)
            close(s, reset)
    except OSError:
        s.close()


def serve_datagrams(s):
    n = 0
    while True:
        s.recvfrom(2048, socket.MSG_PEEK)  # is no receipt
        data, peer = s.recvfrom(2048)
        n = 1 if data[:1] == b"0" else n + 1
        if n % ANSWER_EACH == 0 and data[:1] != b"q":
            s.sendto(b"a" * 10, peer)


def server():
    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    u.bind(("::", UDP_PORT))
    threading.Thread(target=serve_datagrams, args=(u,), daemon=True).start()
    s = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    print("ready", os.getpid(), flush=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve_one, args=(c,), daemon=True).start()


def say(name, **fact):
    print(json.dumps({"name": name, "pid": os.getpid(), **fact}))


def options(words):
    o = {"size": "300000", "first": "client", "reset": "", "uid": "0", "connect": ""}
    o.update(w.split("=", 1) for w in words)
    return o


def tcp(name, address, *words):
    o = options(words)
    take, give = int(o["size"]), int(o["size"]) * 2 // 3
    os.setuid(int(o["uid"]))
    s = socket.socket(family_of(address), socket.SOCK_STREAM)
    begin = time.monotonic()
    s.connect((address, PORT))
    local = s.getsockname()
    s.sendall(json.dumps([take, give, o["first"], bool(o["reset"])]).encode().ljust(HEADER))
    s.sendall(b"t" * take)
    got = receive(s, give)
    error = None
    if o["first"] == "server":
        try:
            s.recv(1)
        except OSError as e:
            error = e.errno
        s.close()
    else:
        time.sleep(0.5)
        close(s, o["reset"])
    say(name, port=local[1], sent=take + HEADER, got=got, seconds=time.monotonic() - begin, uid=int(o["uid"]), error=error)


def fails(name, address, port):
    s = socket.socket(family_of(address), socket.SOCK_STREAM)
    begin = time.monotonic()
    error = None
    try:
        if name == "cancelled":
            s.settimeout(0.3)
        s.connect((address, int(port)))
    except OSError as e:
        error = e.errno or 0  # 0: the program's own patience
    s.close()
    say(name, address=address, remote_port=int(port), error=error, seconds=time.monotonic() - begin)


def listen(port, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", int(port)))
    s.listen(5)
    s.listen(10)  # again, which is no other listener
    time.sleep(1)
    s.close()
    say(f"listen{port}", port=int(port))


def udp(name, address, *words):
    o = options(words)
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.settimeout(20)
    if o["connect"]:
        s.connect((address, UDP_PORT))
    answers = 0
    for i in range(1000):
        data = (b"0" if i == 0 else b"d") * 100
        if o["connect"]:
            s.send(data)
        else:
            s.sendto(data, (address, UDP_PORT))
        if i % ANSWER_EACH == ANSWER_EACH - 1:
            answers += len(s.recv(100)) == 10
    say(name, port=s.getsockname()[1], sent=1000, answers=answers)
    s.close()


def segments(name, address):
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 100)
    s.sendto(b"q" * 950, (address, UDP_PORT))
    say(name, port=s.getsockname()[1])


def corked(name, address):
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.connect((address, UDP_PORT))
    s.send(b"q" * 10, socket.MSG_MORE)
    s.send(b"q" * 20)
    say(name, port=s.getsockname()[1])


def closed(name, address, port):
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    for _ in range(4):
        s.sendto(b"x" * 30, (address, int(port)))
        time.sleep(0.1)
    say(name, port=s.getsockname()[1])


def storm(name, address, n):
    for _ in range(int(n)):
        s = socket.create_connection((address, PORT))
        s.shutdown(socket.SHUT_WR)
        s.recv(1)  # the server has taken it, and is done with it
        s.close()
    say(name, n=int(n))


def spread(name, address, n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(int(n)):
        s.sendto(b"q", (address, 10000 + i))
    say(name, n=int(n), port=s.getsockname()[1])


class Judge:
    def __init__(self, records, facts):
        self.records = [json.loads(line) for line in open(records)]
        self.facts = {f["name"]: f for f in map(json.loads, open(facts))}
        self.counts = [r for r in self.records if r["type"] == "counts"][-1]
        self.server = self.facts["server"]["pid"]
        self.equal("all places are there", self.records[0], type="ready", absent="")

    def check(self, name, good, *said):
        print("ok" if good else "not ok", name, *([] if good else [":", *map(str, said)]))

    def equal(self, name, record, **wanted):
        wrong = {k: (record.get(k), v) for k, v in wanted.items() if record.get(k) != v}
        self.check(name, not wrong, wrong)

    def one(self, name, **wanted):
        found = [r for r in self.records if all(r.get(k) == v for k, v in wanted.items())]
        self.check(f"{name}: one record", len(found) == 1, len(found), "of", wanted)
        return found[0] if found else {}


def judge_tcp(j, name, ours, theirs, family=4, address="10.0.2.2", client="10.0.1.2"):
    f = j.facts[name]
    out = {"local": client, "local_port": f["port"], "remote": address, "remote_port": PORT}
    back = {"local": address, "local_port": PORT, "remote": client, "remote_port": f["port"]}
    j.equal(f"{name}.connect", j.one(f"{name}.connect", type="connect", **out), pid=f["pid"], uid=f["uid"], family=family,
            incoming=False, unseen=False)
    j.equal(f"{name}.accept", j.one(f"{name}.accept", type="accept", **back), pid=j.server, family=family, incoming=True)
    c = j.one(f"{name}.client's end", type="close", **out)
    j.equal(f"{name}.client's end", c, reason=ours, pid=f["pid"], bytes_out=f["sent"], bytes_in=f["got"], unseen=False, family=family)
    s = j.one(f"{name}.server's end", type="close", **back)
    j.equal(f"{name}.server's end", s, reason=theirs, pid=j.server, bytes_out=f["got"], bytes_in=f["sent"], unseen=False)
    ns = c.get("duration_ns", 0)
    j.check(f"{name}.duration", abs(ns / 1e9 - f["seconds"]) < 0.1 + f["seconds"] * 0.2, ns, f["seconds"])
    return c, s


def judge_connections(j):
    judge_tcp(j, "v4", "fin_by_us", "fin_by_them")
    judge_tcp(j, "v6", "fin_by_us", "fin_by_them", 6, "fd00:2::2", "fd00:1::2")
    judge_tcp(j, "mapped", "fin_by_us", "fin_by_them")
    judge_tcp(j, "by_server", "fin_by_them", "fin_by_us")
    judge_tcp(j, "user", "fin_by_us", "fin_by_them")
    judge_tcp(j, "reset_by_client", "reset_sent", "reset_received")
    judge_tcp(j, "reset_by_server", "reset_received", "reset_sent")
    for name, reason, errors in (("refused", "refused", (111,)), ("refused6", "refused", (111,)), ("unreachable", "unreachable", (113,)),
                                 ("no_route", "unreachable", (101,)), ("timed_out", "timed_out", (110,)),
                                 ("cancelled", "cancelled", (0,))):
        f = j.facts[name]
        j.check(f"{name}.the program's error", f["error"] in errors, f["error"])
        r = j.one(name, type="close", remote=f["address"], remote_port=f["remote_port"])
        j.equal(name, r, reason=reason, pid=f["pid"], bytes_out=0, error=f["error"], unseen=False)
        j.check(f"{name}.duration", abs(r.get("duration_ns", 0) / 1e9 - f["seconds"]) < 0.3, r.get("duration_ns"), f["seconds"])
    for port, local, family in ((7100, "0.0.0.0", 4), (7101, "::", 6)):
        f = j.facts[f"listen{port}"]
        j.equal("listen", j.one("listen", type="listen", local_port=port), pid=f["pid"], local=local, family=family)
        e = j.one("listen.its end", type="listen_end", local_port=port)
        j.equal("listen.its end", e, pid=f["pid"], unseen=False)
        j.check("listen.duration", 0.9e9 < e.get("duration_ns", 0) < 3e9, e.get("duration_ns"))
    c, _ = judge_tcp(j, "delay", "fin_by_us", "fin_by_them")
    j.check("delay.round trip", 200000 <= c.get("rtt_us", 0) <= 240000, c.get("rtt_us"))
    c, _ = judge_tcp(j, "loss", "fin_by_us", "fin_by_them")
    j.check("loss.sent again", c.get("retransmits", 0) > 0, c.get("retransmits"))
    j.equal("nothing lost", j.counts, lost=0, bad=0, full=0, connections_full=0, unseen_ends=0, replaced=0)


def judge_udp(j, name, reason, family=4, address="10.0.2.2", client="10.0.1.2"):
    f = j.facts[name]
    out = {"remote": address, "remote_port": UDP_PORT, "local": client, "local_port": f["port"]}
    back = {"local": address, "local_port": UDP_PORT, "remote": client, "remote_port": f["port"]}
    j.check(f"{name}.the program", f["answers"] == 20, f)
    j.equal(f"{name}.begin", j.one(f"{name}.begin", type="begin", **out), pid=f["pid"], family=family, incoming=False)
    j.equal(f"{name}.end", j.one(f"{name}.end", type="end", **out), pid=f["pid"], reason=reason, packets_out=1000, bytes_out=100000,
            packets_in=20, bytes_in=200)
    j.equal(f"{name}.server's end", j.one(f"{name}.server's end", type="end", **back), pid=j.server, reason="idle", packets_in=1000,
            bytes_in=100000, packets_out=20, bytes_out=200, incoming=True, family=family)


def judge_datagrams(j):
    release = tuple(int("".join(c for c in p if c.isdigit())) for p in os.uname().release.split(".")[:2])
    judge_udp(j, "many", "idle")
    judge_udp(j, "many6", "idle", 6, "fd00:2::2", "fd00:1::2")
    judge_udp(j, "mapped", "idle")
    judge_udp(j, "connected", "closed")
    judge_udp(j, "connected6", "closed", 6, "fd00:2::2", "fd00:1::2")
    judge_udp(j, "connected_mapped", "closed")
    j.equal("segmented", j.one("segmented", type="end", local_port=j.facts["segmented"]["port"]), packets_out=10, bytes_out=950)
    j.equal("corked", j.one("corked", type="end", local_port=j.facts["corked"]["port"]), packets_out=1, bytes_out=30)
    j.equal("ping", j.one("ping", type="end", protocol=1), packets_out=3, packets_in=3, remote="10.0.2.2", reason="idle")
    j.equal("ping6", j.one("ping6", type="end", protocol=58), packets_out=2, packets_in=2, remote="fd00:2::2", reason="idle")
    for name, address in (("closed", "10.0.2.2"), ("closed6", "fd00:2::2")):
        f = j.facts[name]
        r = j.one(name, type="drop", protocol=17, service=79, destination=address)
        j.equal(name, r, packets=4, reason="NO_SOCKET" if release >= (5, 17) else "", source_port=f["port"], destination_port=79)
        j.check(f"{name}.place", re.match(r"\w*udp\w*_rcv\+0x", r.get("place", "")), r.get("place"))
    j.equal("nothing lost", j.counts, lost=0, bad=0, full=0, flows_full=0, evicted=0, drops_full=0)


def judge_storm(j):
    n = j.facts["one"]["n"]
    for kind, port in (("connect", "remote_port"), ("accept", "local_port")):
        got = sum(r["type"] == kind and r[port] == PORT for r in j.records)
        j.check(f"storm.{kind}", got == n, got)
    ends = [r for r in j.records if r["type"] == "close" and PORT in (r["remote_port"], r["local_port"])]
    j.check("storm.ends", len(ends) == 2 * n, len(ends))
    j.check("storm.each with its process", all(r["pid"] in (j.facts["one"]["pid"], j.server) for r in ends))
    # Of each connection four, and one of the listener.
    j.equal("storm.nothing lost", j.counts, records=4 * n + 1, lost=0, bad=0, unseen_ends=0, replaced=0)


def judge_unread(j):
    n, c = j.facts["unread"]["n"], j.counts
    j.check("unread.something was lost", c["lost"] > 0, c)
    told = c["records"] + c["lost"]
    j.check("unread.each loss is counted", told <= 4 * n + 1 <= told + c["missed"], c)
    j.check("unread.rows go all the same", c["live"] < 20, c)


def judge_evicted(j):
    f, c = j.facts["spread"], j.counts
    ours = {"local_port": f["port"], "protocol": 17}
    begun = [r for r in j.records if r["type"] == "begin" and all(r[k] == v for k, v in ours.items())]
    ended = [r for r in j.records if r["type"] == "end" and all(r[k] == v for k, v in ours.items())]
    live = [r for r in j.records if r["type"] == "live" and all(r[k] == v for k, v in ours.items())]
    j.check("evicted.each began", len(begun) == f["n"], len(begun), c)
    j.check("evicted.some were put out", len(ended) > 1000 and all(r["reason"] == "evicted" for r in ended), len(ended))
    j.check("evicted.each is live or ended", len(ended) + len(live) == f["n"], len(ended), len(live))
    j.check("evicted.counted", c["evicted"] >= len(ended), c)


def main():
    what, *rest = sys.argv[1:]
    if what == "judge":
        part, records, facts = rest
        globals()[f"judge_{part}"](Judge(records, facts))
    elif what == "listen6":
        listen(rest[0], socket.AF_INET6)
    elif what == "closed6":
        closed(*rest)
    else:
        globals()[what](*rest)


main()
