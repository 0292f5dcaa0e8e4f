#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the agent's records about the network against what programs say of themselves. Called by net_agent.sh.

  net_agent.py judge PART EVENTS FACTS
  net_agent.py scan ADDRESS    tries 10,000 ports
  net_agent.py connect ADDRESS
  net_agent.py many            asks for 500 names
"""

import collections
import json
import socket
import sys

PORTS = 10000
CLIENT, SERVER, CLIENT6, SERVER6 = "10.0.1.2", "10.0.2.2", "fd00:1::2", "fd00:2::2"
OPEN, CLOSE, RESET, FAIL, REFUSE, TRAFFIC, LISTEN = 1, 2, 3, 4, 5, 6, 7


def scan(address):
    for port in range(20000, 20000 + PORTS):
        with socket.socket() as s:
            s.connect_ex((address, port))
    print(PORTS)


def connect(address):
    """Waits for what the network says. curl asks for the socket's error itself, which takes it away before the socket ends."""
    with socket.socket() as s:
        s.connect_ex((address, 80))


def many():
    for i in range(500):
        socket.gethostbyname(f"n{i}.many.test")


def check(name, good, *said):
    print("ok" if good else "not ok", name, *([] if good else [":", *(json.dumps(s)[:1500] for s in said)]))


class Judge:
    def __init__(self, events, facts):
        self.all = [json.loads(line) for line in open(events)]
        self.flows = [r for r in self.all if r["class_uid"] == 4001]
        self.dns = [r for r in self.all if r["class_uid"] == 4003]
        self.facts = {f["name"]: f for f in map(json.loads, open(facts))}

    def of(self, fact, activity=None):
        pid = self.facts[fact]["pid"]
        return [r for r in self.flows if r["actor"]["process"]["pid"] == pid and activity in (None, r["activity_id"])]

    def curl(self, fact, address, own):
        f = self.facts[fact]
        port, ip, remote, request, header, body, code = f["said"].split()
        ends = {"src": (own, int(port)), "dst": (address, int(remote))}
        check(f"{fact}.curl has it", (f["status"], ip, code, body) == (0, address, "200", "1234567"), f)
        opened, closed = self.of(fact, OPEN), self.of(fact, CLOSE)
        check(f"{fact}.one beginning, one end", len(opened) == len(closed) == 1, self.of(fact))
        if not opened or not closed:
            return
        o, c = opened[0], closed[0]
        for name, r in (("beginning", o), ("end", c)):
            got = {k: (r[f"{k}_endpoint"]["ip"], r[f"{k}_endpoint"].get("port")) for k in ("src", "dst")}
            check(f"{fact}.{name}: ends", got == ends, got, ends)
            check(f"{fact}.{name}: name", r["dst_endpoint"].get("hostname") == "www.test", r["dst_endpoint"])
            check(f"{fact}.{name}: program", r["actor"]["process"]["file"]["path"].endswith("/curl"), r["actor"])
            check(f"{fact}.{name}: direction and place", r["connection_info"]["direction_id"] == 2 and r["connection_info"]["boundary_id"] == 2 and
                  r["connection_info"]["protocol_ver_id"] == (6 if ":" in own else 4), r["connection_info"])
        check(f"{fact}.bytes", (c["traffic"]["bytes_out"], c["traffic"]["bytes_in"]) == (int(request), int(header) + int(body)), c["traffic"],
              [request, header, body])
        check(f"{fact}.why it ended, and how long it took", c["status_detail"] == "fin_by_us" and c["duration"] >= 0 and c["unmapped"]["rtt_us"] > 0, c)
        # The server's end is the client's, the other way round.
        theirs = [r for r in self.flows if r.get("src_endpoint", {}).get("port") == int(port) and r["connection_info"]["direction_id"] == 1 and
                  r["src_endpoint"]["ip"] == own and o["time"] - 1000 <= r["time"] <= c["time"] + 1000]  # a port may be another's later
        kinds = sorted(r["activity_id"] for r in theirs)
        check(f"{fact}.the server's records", kinds == [OPEN, CLOSE], theirs)
        if kinds == [OPEN, CLOSE]:
            t = [r for r in theirs if r["activity_id"] == CLOSE][0]
            check(f"{fact}.the server's end", (t["traffic"]["bytes_in"], t["traffic"]["bytes_out"]) == (c["traffic"]["bytes_out"], c["traffic"]["bytes_in"]) and
                  t["actor"]["process"]["file"]["path"].endswith("/nginx") and t["actor"]["process"]["user"]["name"] == "www-data", t)

    def web(self):
        self.curl("web4", SERVER, CLIENT)
        self.curl("web6", SERVER6, CLIENT6)
        refused = [r for r in self.of("refused") if r["activity_id"] != TRAFFIC]
        check("refused.one record", len(refused) == 1 and refused[0]["activity_id"] == REFUSE, refused)
        check("refused.what it says", refused and refused[0]["status_code"] == "ECONNREFUSED" and refused[0]["status_id"] == 2 and
              refused[0]["dst_endpoint"] == {"ip": SERVER, "port": 81, "hostname": "www.test", "zone": "private"}, refused)
        away = self.of("unreachable", FAIL)
        check("unreachable.one record", len(away) == 1 and away[0]["status_detail"] == "unreachable" and away[0]["status_code"] == "EHOSTUNREACH",
              self.of("unreachable"), self.facts["unreachable"])

    def quick(self):
        opened = [r for r in self.flows if r["activity_id"] == OPEN and r["connection_info"]["direction_id"] == 2 and
                  r["actor"]["process"].get("file", {}).get("name") in ("quick", "bash")]
        programs = collections.Counter(r["actor"]["process"]["file"]["path"] for r in opened)
        check("quick.each is the program that connected", programs == {"/tmp/quick": 100}, dict(programs))

    def asked(self, fact, name=None):
        return [r for r in self.dns if r["actor"]["process"]["pid"] == self.facts[fact]["pid"] and name in (None, r["query"]["hostname"])]

    def names(self):
        four = [r for r in self.asked("web4", "www.test") if r["query"]["type"] == "A"]
        six = [r for r in self.asked("web6", "www.test") if r["query"]["type"] == "AAAA"]
        for name, found, rdata in (("A", four, SERVER), ("AAAA", six, SERVER6)):
            check(f"names.{name}: one record", len(found) == 1, found)
            r = found[0] if found else {}
            check(f"names.{name}: what it says", r and [a["rdata"] for a in r["answers"]] == [rdata] and r["answers"][0]["ttl"] == 300 and
                  r["rcode"] == "NoError" and r["activity_id"] == 2 and r["dst_endpoint"]["ip"] == SERVER and r["dst_endpoint"]["port"] == 53, r)
        no = self.asked("nowhere", "nowhere.test")
        check("names.that there is none", no and all(r["rcode"] == "NXDomain" and r["status_id"] == 2 and "answers" not in r for r in no), no)
        tcp = self.asked("dig_tcp", "www.test")
        check("names.over TCP", len(tcp) == 1 and tcp[0]["connection_info"]["protocol_name"] == "tcp" and tcp[0]["answers"][0]["rdata"] == SERVER, tcp)
        none = self.asked("dig_nobody", "silent.test")
        check("names.without an answer", len(none) == 1 and none[0]["activity_id"] == 1 and none[0]["status_detail"] == "unanswered" and
              none[0]["dst_endpoint"]["ip"] == "10.0.2.99", none)

    def shells(self):
        opened, closed = self.of("ssh", OPEN), [r for r in self.of("ssh", CLOSE)]
        check("ssh.one beginning, one end", len(opened) == len(closed) == 1, self.of("ssh"))
        if not closed:
            return
        c = closed[0]
        theirs = [r for r in self.flows if r["activity_id"] in (CLOSE, RESET) and r.get("src_endpoint", {}).get("port") == c["src_endpoint"]["port"] and
                  r["connection_info"]["direction_id"] == 1 and abs(r["time"] - c["time"]) < 1000]
        check("ssh.its bytes are the server's", len(theirs) == 1 and theirs[0]["traffic"]["bytes_in"] == c["traffic"]["bytes_out"] and
              theirs[0]["traffic"]["bytes_out"] == c["traffic"]["bytes_in"] > 100000, c, theirs)
        check("ssh.the server's process", theirs and theirs[0]["actor"]["process"]["name"] == "sshd", theirs)

    def streams(self):
        said = json.loads(self.facts["iperf_udp"]["said"])
        sent = said["end"]["sum"]["bytes"]
        udp = [r for r in self.of("iperf_udp", TRAFFIC) if r["dst_endpoint"].get("port") == 5201]
        # A datagram of 4 bytes each way says that both are there.
        check("iperf_udp.bytes", len(udp) == 1 and udp[0]["traffic"]["bytes_out"] == sent + 4 and udp[0]["traffic"]["bytes_in"] == 4, udp, sent)
        check("iperf_udp.datagrams", udp and udp[0]["traffic"]["packets_out"] == said["end"]["sum"]["packets"] + 1, udp, said["end"]["sum"])
        check("iperf_udp.name and protocol", udp and udp[0]["dst_endpoint"].get("hostname") == "www.test" and
              udp[0]["connection_info"]["protocol_name"] == "udp", udp)
        said = json.loads(self.facts["iperf_tcp"]["said"])
        ports = {c["local_port"] for c in said["start"]["connected"]}
        tcp = [r for r in self.of("iperf_tcp", CLOSE) + self.of("iperf_tcp", RESET) if r["src_endpoint"]["port"] in ports]
        sent = said["end"]["sum_sent"]["bytes"]
        # A cookie of 37 bytes goes in front. A server that has enough may reset: then some of what was written was never sent.
        out = tcp[0]["traffic"]["bytes_out"] - 37 if tcp else -1
        least = said["end"]["sum_received"]["bytes"] if tcp and tcp[0]["activity_id"] == RESET else sent
        check("iperf_tcp.bytes", len(tcp) == 1 and least <= out <= sent and tcp[0]["connection_info"]["protocol_ver_id"] == 6, [least, out, sent], tcp)
        ping = self.of("ping", TRAFFIC)
        echo = [r for r in ping if r["connection_info"]["protocol_num"] == 1]
        check("ping.echo requests and answers", echo and echo[0]["traffic"]["packets_out"] == 3 == echo[0]["traffic"]["packets_in"], ping)

    def scans(self):
        found = self.of("scan", REFUSE)
        total = sum(r.get("count", 1) for r in found)
        check("scan.all of it", total == PORTS, total)
        check("scan.few records", len(found) <= 400, len(found))
        wide = [r for r in found if r["unmapped"].get("merged") == "ports"]
        check("scan.most of it is one", wide and all(r["dst_endpoint"] == {"ip": SERVER, "zone": "private"} for r in wide), wide[:1])
        asked = self.asked("many")
        total = sum(r.get("count", 1) for r in asked)
        check("many names.all of them", total >= 500, total)
        check("many names.few records", len(asked) <= 300, len(asked))

    def looks(self):
        flows = json.load(open("/tmp/flows.json"))
        listens = [r for r in self.flows if r["activity_id"] == LISTEN and r["dst_endpoint"].get("port") == 8100]
        check("looks.a listener", len(listens) == 1 and listens[0]["actor"]["process"]["name"].startswith("python3") and
              any(r["type"] == "listen" and r["local_port"] == 8100 for r in flows["live"]), listens)
        check("looks.a connection that goes on", any(r["type"] == "connect" and r["program"].endswith("/ssh") and r.get("name") == "www.test" and
                                                     r["peer_program"].endswith("/sshd") for r in flows["live"]), flows["live"])
        check("looks.those that ended", any(r["program"].endswith("/curl") and r["reason"] == "fin_by_us" and r["bytes_in"] > 1234567 for r in flows["closed"]),
              flows["closed"][:2])
        dns = json.load(open("/tmp/dns.json"))["questions"]
        check("looks.questions", any(q["name"] == "www.test" and q.get("program", "").endswith("/curl") and q["answers"] for q in dns), dns[:2])
        drops = json.load(open("/tmp/drops.json"))["drops"]
        check("looks.drops", sum(d["packets"] for d in drops) > 0 and all(d["place"] for d in drops), drops[:2])
        # The router is of this host, too. Beside what curl was sent there are headers, and acknowledgements went back.
        passed = [r for r in json.load(open("/tmp/forwarded.json"))["forwarded"] if r["service"] == 80 and r["protocol"] == 6]
        by = {(r["source"], r["destination"]): r for r in passed}
        for server, client in ((SERVER, CLIENT), (SERVER6, CLIENT6)):
            there, back = by.get((server, client), {}), by.get((client, server), {})
            check(f"forwarded.{server}", 1234567 < there.get("bytes", 0) < 1234567 * 1.2 and
                  0 < back.get("bytes", 0) < 200000, there, back)
        edges = json.load(open("/tmp/map.json"))["edges"]
        local = [e for e in edges if e["peer"] == "127.0.0.1" and e["port"] == 8000]
        check("map.both ends are here", any(e["program"].endswith("/curl") and "python3" in e.get("peer_program", "") and not e["incoming"] for e in local) and
              any("python3" in e["program"] and e.get("peer_program", "").endswith("/curl") and e["incoming"] for e in local), local)
        named = [e for e in edges if e.get("name") == "www.test" and e["program"].endswith("/curl") and e["port"] == 80]
        check("map.names", named and sum(e["flows"] for e in named) == 2, named)
        check("loopback.no records", not [r for r in self.flows if r.get("dst_endpoint", {}).get("ip") == "127.0.0.1"])

    def status(self):
        network = json.load(open("/tmp/status.json"))["network"]
        losses = json.load(open("/tmp/status.json"))["losses"]
        check("status.both are on", network["flows"] and network["dns"] and not network.get("not_seen"), network)
        check("nothing was lost", losses["flows_lost"] == losses["dns_lost"] == losses["records_bad"] == 0, losses)
        numbers = [r["metadata"]["sequence"] for r in self.flows + self.dns if ":network:" in r["metadata"]["uid"]]
        check("each number once", sorted(numbers) == list(range(1, len(numbers) + 1)), len(numbers), max(numbers, default=0))
        # Who began what is older than the agent nobody has seen.
        nobody = collections.Counter(r["message"][:60] for r in self.flows + self.dns if r["actor"]["process"]["name"] == "unknown" and
                                     not r["unmapped"].get("beginning_unseen"))
        check("everybody is known", not nobody, dict(nobody.most_common(5)))


def judge(part, events, facts):
    j = Judge(events, facts)
    parts = [j.web, j.quick, j.names, j.shells, j.status]
    if part == "all":
        parts += [j.streams, j.scans, j.looks]
    for one in parts:
        one()


{"scan": scan, "connect": connect, "many": many, "judge": judge}[sys.argv[1]](*sys.argv[2:])
