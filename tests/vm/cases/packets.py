# SPDX-License-Identifier: Apache-2.0
"""Rules about packets, between a client, this host as a router, and two servers, each in a network of its own.

packets.py PART…   the parts, as root of the guest
"""

import json
import os
import signal
import subprocess
import sys
import time

from packets_peer import detach, offload

ME = os.path.abspath(__file__)
PEER = os.path.join(os.path.dirname(ME), "packets_peer.py")
PINS = "/sys/fs/bpf/sg-packets"
POLICY, STATUS, OUTPUT = "/tmp/packets.yaml", "/tmp/packets.status", "/tmp/packets.out"
NETS = [("client", "c0", 1), ("server", "s0", 2), ("second", "s1", 3), ("ids", "ids0", 4)]
REASONS, FRAG_UNKNOWN, CONNS, BACK, QUOTED, NO_ROUTE = 9, 17, 21, 25, 26, 28


def check(name, good, why=""):
    print("ok" if good else "not ok", name + ("" if good else f": {str(why)[:1500]}"), flush=True)
    return good


def sh(*args, ok=True):
    done = subprocess.run(args, capture_output=True, text=True)
    if ok and done.returncode:
        print("#", " ".join(args), done.stderr.strip()[:300], flush=True)
    return done


def netns(name, *args, **kw):
    return sh("ip", "netns", "exec", name, *args, **kw)


def do(name, *args):
    """What a client in a namespace says of what it did."""
    done = netns(name, "python3", PEER, *map(str, args), ok=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"failed": (done.stderr or done.stdout).strip()[-200:]}


# This host.

class Rules:
    """sg-packets, with the rules of a part."""

    def __init__(self, *rules, pins=PINS, mode="enforce"):
        self.pins, self.mode = pins, mode
        self.write(rules)
        self.start()

    def write(self, rules):
        with open(POLICY, "w") as f:
            f.write(f"safeguard: 1\nmode: {self.mode}\npackets:\n" + "".join(f"  - {r}\n" for r in rules))

    def start(self):
        self.out = open(OUTPUT, "w+")
        self.run = subprocess.Popen(["sg-packets", self.pins, POLICY, STATUS], stdout=self.out, stderr=subprocess.PIPE, text=True)
        if not self.wait("ready"):
            check("rules.load", False, self.run.stderr.read() if self.run.poll() is not None else "not ready")

    def lines(self):
        with open(OUTPUT) as f:
            return f.read().splitlines()

    def wait(self, line, n=1):
        for _ in range(600):
            if sum(each.startswith(line) for each in self.lines()) >= n:
                return True
            if self.run.poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def again(self, *rules):
        n = sum(each.startswith("again") for each in self.lines()) + 1
        self.write(rules)
        self.run.send_signal(signal.SIGHUP)
        if not self.wait("again", n) or not [each for each in self.lines() if each.startswith("again")][-1].endswith(" 0"):
            check("rules.again", False, self.lines()[-3:])

    def status(self):
        n = sum(each.startswith("status") for each in self.lines()) + 1
        self.run.send_signal(signal.SIGUSR1)
        self.wait("status", n)
        with open(STATUS) as f:
            return json.load(f)

    def records(self):
        return [json.loads(each) for each in self.lines() if each.startswith("{")]

    def until(self, what):
        """Waits for what a status says."""
        for _ in range(100):
            status = self.status()
            if what(status):
                return status
            time.sleep(0.1)
        return self.status()

    def end(self, how=signal.SIGTERM):
        if self.run.poll() is None:
            self.run.send_signal(how)
        self.run.wait()

    def clear(self):
        self.end()
        done = sh("sg-packets", self.pins, "clear")
        return done.returncode == 0


def background(name, *args):
    run = subprocess.Popen((["ip", "netns", "exec", name] if name else []) + ["python3", PEER, *map(str, args)],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    run.stdout.readline()
    return run


def networks():
    for name, device, n in NETS:
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "addr", "add", f"10.0.{n}.1/24", "dev", device)
        sh("ip", "addr", "add", f"fd00:{n}::1/64", "dev", device, "nodad")
        sh("ip", "link", "set", device, "up")
        netns(name, "ip", "addr", "add", f"10.0.{n}.2/24", "dev", "eth0")
        netns(name, "ip", "addr", "add", f"fd00:{n}::2/64", "dev", "eth0", "nodad")
        netns(name, "ip", "link", "set", "lo", "up")
        netns(name, "ip", "link", "set", "eth0", "up")
        netns(name, "ip", "route", "add", "default", "via", f"10.0.{n}.1")
        netns(name, "ip", "-6", "route", "add", "default", "via", f"fd00:{n}::1")
    netns("second", "ip", "addr", "add", "198.51.100.1/32", "dev", "lo")
    netns("second", "ip", "addr", "add", "2001:db8:9::1/128", "dev", "lo", "nodad")
    sh("ip", "link", "set", "lo", "up")
    sh("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
       "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000")
    for name in ("server", "second"):
        background(name, "serve")


def offloads(on):
    for name, device, _ in NETS[:3]:
        offload(device, on)
        netns(name, "python3", PEER, "offload", "eth0", str(on))


def part_drop():
    rules = Rules("{interface: c0, direction: in, protocol: udp, port: 5301, do: drop}",
                  "{interface: s0, direction: out, protocol: udp, port: 5302, do: drop}",
                  "{interface: c0, direction: in, protocol: udp, port: 5303, do: {limit: {packets: 1, burst: 5}}}",
                  "{interface: c0, direction: in, protocol: udp, port: 5304, mode: monitor, do: drop}",
                  "{interface: c0, direction: in, to: 'fd00:2::2', protocol: tcp, port: 7000, do: drop}")
    check("drop.in", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    check("drop.out", do("client", "udp", "10.0.2.2", 5302, 20, 0.3) == {"error": "timeout"})
    check("drop.other", do("client", "udp", "10.0.2.2", 5300).get("whole"))
    check("drop.ipv6", do("client", "udp", "fd00:2::2", 5301, 20, 0.3) == {"error": "timeout"})
    check("drop.monitor", do("client", "udp", "10.0.2.2", 5304).get("whole"))
    came = do("client", "flood", "10.0.2.2", 5303, 1)
    check("limit.rate", 5 <= came.get("back", 0) <= 8 and came.get("sent", 0) > 50, came)
    check("limit.by_source", do("server", "udp", "10.0.2.2", 5303).get("whole"))
    status = rules.status()
    places = {p["interface"]: p for p in status["places"]}
    check("drop.places", set(places) == {"c0", "s0"} and places["c0"]["in"] and not places["c0"]["out"] and
          places["s0"]["out"] and not places["s0"]["in"], places)
    check("drop.xdp", places["c0"]["early"].startswith("xdp") and not places["s0"]["early"], places)
    print("#", places, flush=True)
    sums = status["rules"]
    check("drop.sums", sums["4"][0] == 2 and sums["4"][2] == 2 and sums["5"][2] == 1 and sums["7"][2] == 0 and
          sums["7"][0] == 1 and sums["6"][2] == came["sent"] - came["back"], (sums, came))
    # Kinds that nothing comes of are told of to their end.
    rules.until(lambda _: sum(r["packets"] for r in rules.records() if r["line"] == 6) == sums["6"][2])
    records = rules.records()
    first = [r for r in records if r["line"] == 4 and r["src"] == "10.0.1.2"]
    check("record.drop", len(first) == 1 and first[0]["interface"] == "c0" and first[0]["direction"] == 0 and
          first[0]["dst"] == "10.0.2.2" and first[0]["port"] == 5301 and first[0]["verdict"] == 1 and
          first[0]["packets"] == 1 and first[0]["length"] == 48, first)
    check("record.monitor", [r["monitor"] for r in records if r["line"] == 7] == [1], records)
    limited = [r for r in records if r["line"] == 6]
    check("record.merged", 1 < len(limited) < 6 and sum(r["packets"] for r in limited) == sums["6"][2], (limited, sums))
    check("clear", rules.clear())


def both_ways(name, vip, real, port, seen):
    said = do("client", "tcp", vip, 80, 1000000)
    check(f"rewrite.{name}.tcp", said.get("whole") and said["peer"] == seen and said["to"] == vip, said)
    said = do("client", "udp", vip, port, 1000)
    check(f"rewrite.{name}.udp", said.get("whole") and said["peer"] == seen, said)
    said = do("client", "udp", vip, port, 4000)
    check(f"rewrite.{name}.fragments", said.get("whole"), said)
    check(f"rewrite.{name}.refused", do("client", "udp", vip, 99) == {"error": 111})
    check(f"rewrite.{name}.ping", do("client", "ping", vip).get("fine"))
    check(f"rewrite.{name}.direct", do("client", "tcp", real, 8080, 1000).get("whole"))


def part_rewrite():
    rules = Rules("{interface: c0, direction: in, protocol: tcp, to: '10.9.0.1:80', do: {rewrite: {to: '10.0.2.2:8080'}}}",
                  "{interface: c0, direction: in, to: 10.9.0.1, do: {rewrite: {to: 10.0.2.2}}}",
                  "{interface: c0, direction: in, protocol: tcp, to: '[fd09::1]:80', do: {rewrite: {to: '[fd00:2::2]:8080'}}}",
                  "{interface: c0, direction: in, to: 'fd09::1', do: {rewrite: {to: 'fd00:2::2'}}}")
    for on, name in ((0, "sums"), (1, "offload")):
        offloads(on)
        both_ways(f"{name}4", "10.9.0.1", "10.0.2.2", 5300, "10.0.1.2")
        both_ways(f"{name}6", "fd09::1", "fd00:2::2", 5300, "fd00:1::2")
    offloads(0)
    said = do("client", "traceroute", "10.9.0.1").get("said")
    check("traceroute4", said == ["10.0.1.1", "10.9.0.1"], said)
    said = do("client", "traceroute", "fd09::1").get("said")
    check("traceroute6", said == ["fd00:1::1", "fd09::1"], said)
    sh("ip", "link", "set", "s0", "mtu", "1300")
    check("mtu4", do("client", "mtu", "10.9.0.1", 5300, 1400) == {"mtu": 1300})
    check("mtu6", do("client", "mtu", "fd09::1", 5300, 1400) == {"mtu": 1300})
    check("mtu.tcp", do("client", "tcp", "10.9.0.1", 80, 300000).get("whole"))
    sh("ip", "link", "set", "s0", "mtu", "1500")
    counts = rules.status()["counts"]
    check("rewrite.counts", counts[CONNS] >= 16 and counts[BACK] > 100 and counts[QUOTED] >= 8 and
          not any(counts[2:REASONS]) and not counts[FRAG_UNKNOWN] and not counts[29], counts)
    check("clear", rules.clear())
    check("rewrite.over", do("client", "udp", "10.9.0.1", 5300, 20, 0.5).get("error") in ("timeout", 113, 101))


def part_source():
    offloads(0)
    rules = Rules("{interface: s0, direction: out, from: 10.0.1.0/24, do: {rewrite: {from: '10.0.2.1:20000-39999'}}}",
                  "{interface: s0, direction: out, from: 'fd00:1::/64', do: {rewrite: {from: 'fd00:2::1'}}}")
    said = do("client", "tcp", "10.0.2.2", 8080, 1000000)
    check("source.tcp", said.get("whole") and said["peer"] == "10.0.2.1" and 20000 <= said["port"] <= 39999, said)
    said = do("client", "tcp", "fd00:2::2", 8080, 100000)
    check("source.tcp6", said.get("whole") and said["peer"] == "fd00:2::1", said)
    check("source.refused", do("client", "udp", "10.0.2.2", 99) == {"error": 111})
    check("source.ping", do("client", "ping", "10.0.2.2").get("fine"))
    said = do("client", "udp", "10.0.2.2", 5300, 4000)
    check("source.fragments", said.get("whole") and said["peer"] == "10.0.2.1", said)
    said = do("client", "many", "10.0.2.2", 5300, 10000)
    check("source.many", said.get("missing") == 0 and said["wrong"] == 0 and said["ports"] == 10000 and
          said["least"] >= 20000 and said["most"] <= 39999, said)
    counts = rules.status()["counts"]
    check("source.counts", counts[CONNS] >= 10000 and counts[23] == 0, counts)
    check("clear", rules.clear())
    # Two clients' flows that would look the same: one gets another port, and both work.
    netns("client", "ip", "addr", "add", "10.0.1.3/24", "dev", "eth0")
    rules = Rules("{interface: s0, direction: out, from: 10.0.1.0/24, do: {rewrite: {from: 10.0.2.1}}}")
    one = do("client", "udp", "10.0.2.2", 5300, 20, 1, 5555)
    netns("client", "ip", "route", "replace", "default", "via", "10.0.1.1", "src", "10.0.1.3")
    two = do("client", "udp", "10.0.2.2", 5300, 20, 1, 5555)
    netns("client", "ip", "route", "replace", "default", "via", "10.0.1.1")
    check("source.keeps_port", one.get("port") == 5555, one)
    check("source.collision", two.get("whole") and two["port"] != 5555, two)
    check("clear", rules.clear())


def part_others():
    """Marks, DSCP, copies, other ways."""
    sh("ip", "rule", "add", "fwmark", "7", "lookup", "77")
    sh("ip", "route", "add", "prohibit", "default", "table", "77")
    sh("ip", "route", "add", "198.51.100.0/24", "via", "10.0.2.2")
    sh("ip", "-6", "route", "add", "2001:db8:9::/48", "via", "fd00:2::2")
    sh("ip", "route", "add", "default", "via", "10.0.3.2", "dev", "s1", "table", "100")
    rules = Rules("{interface: c0, direction: in, protocol: udp, port: 5301, do: {mark: 0x7/0xf}}",
                  "{interface: c0, direction: in, protocol: udp, port: 5302, do: {dscp: 46}}",
                  "{interface: c0, direction: in, protocol: udp, port: 5303, do: {mirror: ids0, dscp: cs1, audit: true}}",
                  "{interface: c0, direction: in, protocol: tcp, to: '198.51.100.1:8080', do: {route: {interface: s1, via: 10.0.3.2}}}",
                  "{interface: c0, direction: in, protocol: tcp, to: '[2001:db8:9::1]:8080', do: {route: {interface: s1, via: 'fd00:3::2'}}}",
                  "{interface: c0, direction: in, protocol: tcp, to: '198.51.100.1:80', do: {route: {table: 100}}}",
                  "{interface: c0, direction: in, protocol: tcp, port: 7000, do: {route: {interface: none0}}}")
    said = do("client", "udp", "10.0.2.2", 5301)
    check("mark", said == {"error": 113}, said)
    check("dscp4", do("client", "udp", "10.0.2.2", 5302).get("tos") == 46 << 2)
    check("dscp6", do("client", "udp", "fd00:2::2", 5302).get("tos") == 46 << 2)
    ids = background("ids", "sniff", "eth0", 3)
    said = do("client", "udp", "10.0.2.2", 5303)
    check("mirror.goes_on", said.get("whole") and said["tos"] == 8 << 2, said)
    check("mirror.copy", json.loads(ids.communicate()[0]) == {"seen": 1})
    check("route.via", do("client", "tcp", "198.51.100.1", 8080, 100000).get("whole"))
    check("route.via6", do("client", "tcp", "2001:db8:9::1", 8080, 100000).get("whole"))
    said = do("client", "tcp", "198.51.100.1", 80, 1000)
    status = rules.status()
    knows = not any("cannot route by a table" in p for p in status["problems"])
    check("route.table.known", knows or [int(n) for n in os.uname().release.split(".")[:2]] < [6, 5], status["problems"])
    check("route.table", said.get("whole") if knows else
          "error" in said, said)
    check("route.missing", do("client", "tcp", "10.0.2.2", 7000, 10).get("error") is not None)
    check("route.problem", any("no interface none0" in p for p in status["problems"]), status["problems"])
    check("route.counted", rules.status()["counts"][NO_ROUTE] >= 1)
    check("record.audit", any(r["line"] == 6 and r["verdict"] == 3 for r in rules.records()), rules.records())
    check("clear", rules.clear())


def part_neighbours():
    """What others have put onto interfaces, and interfaces that come, go and change."""
    sh("tc", "qdisc", "add", "dev", "c0", "clsact")
    sh("tc", "filter", "add", "dev", "c0", "ingress", "prio", "1", "matchall", "action", "skbedit", "priority", "3")
    other = background(None, "xdp", "s0")
    rules = Rules("{interface: 'c*', direction: in, protocol: udp, port: 5301, do: drop}",
                  "{interface: s0, direction: in, protocol: udp, port: 5300, do: drop}")
    status = rules.status()
    check("others.xdp_said", any("s0" in p and "somebody else" in p for p in status["problems"]), status["problems"])
    check("others.xdp_stays", "prog/xdp" in sh("ip", "-d", "link", "show", "s0").stdout)
    check("others.tc_instead", do("server", "udp", "10.0.1.2", 5300, 20, 0.3) == {"error": "timeout"} and
          rules.status()["rules"]["5"][2] == 1)
    check("others.drop", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    check("others.filter", "skbedit" in sh("tc", "filter", "show", "dev", "c0", "ingress").stdout)

    sh("ip", "netns", "add", "late")
    sh("ip", "link", "add", "x7", "type", "veth", "peer", "name", "eth0", "netns", "late")
    sh("ip", "addr", "add", "10.0.7.1/24", "dev", "x7")
    sh("ip", "link", "set", "x7", "up")
    netns("late", "ip", "addr", "add", "10.0.7.2/24", "dev", "eth0")
    netns("late", "ip", "link", "set", "eth0", "up")
    netns("late", "ip", "route", "add", "default", "via", "10.0.7.1")
    check("late.not_named", do("late", "udp", "10.0.2.2", 5301).get("whole"))
    sh("ip", "link", "set", "x7", "down")
    sh("ip", "link", "set", "x7", "name", "c7")
    sh("ip", "link", "set", "c7", "up")
    netns("late", "ip", "route", "replace", "default", "via", "10.0.7.1")
    status = rules.until(lambda s: any(p["interface"] == "c7" for p in s["places"]))
    check("late.named", any(p["interface"] == "c7" and p["in"] for p in status["places"]), status["places"])
    check("late.drop", do("late", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    check("late.other", do("late", "udp", "10.0.2.2", 5300).get("whole"))
    sh("ip", "link", "set", "c7", "down")
    sh("ip", "link", "set", "c7", "up")
    netns("late", "ip", "route", "replace", "default", "via", "10.0.7.1")
    check("late.up_again", do("late", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    sh("ip", "link", "del", "c7")
    status = rules.until(lambda s: not any(p["interface"] == "c7" for p in s["places"]))
    check("late.gone", not any(p["interface"] == "c7" for p in status["places"]) and
          not any(name.endswith("-7") for name in os.listdir(PINS)), os.listdir(PINS))
    check("clear", rules.clear())
    check("others.filter_stays", "skbedit" in sh("tc", "filter", "show", "dev", "c0", "ingress").stdout)
    check("others.xdp_stays_after", "prog/xdp" in sh("ip", "-d", "link", "show", "s0").stdout)
    other.communicate()
    sh("tc", "qdisc", "del", "dev", "c0", "clsact")
    left_nothing()


def part_root():
    """Somebody takes away what he can: a filter comes back, a link is not his to take."""
    rules = Rules("{interface: s0, direction: out, protocol: udp, port: 5302, do: drop}",
                  "{interface: c0, direction: in, protocol: udp, port: 5301, do: drop}")
    clsact = {p["interface"]: p["out"] for p in rules.status()["places"]}["s0"] == "clsact"
    check("root.drop", do("client", "udp", "10.0.2.2", 5302, 20, 0.3) == {"error": "timeout"})
    sh("tc", "qdisc", "del", "dev", "s0", "clsact", ok=False)
    sh("ip", "link", "set", "s0", "xdp", "off", ok=False)
    status = rules.until(lambda s: not clsact or s["problems"])
    check("root.said", len(status["problems"]) == (1 if clsact else 0), status["problems"])
    check("root.drops_again", do("client", "udp", "10.0.2.2", 5302, 20, 0.3) == {"error": "timeout"})
    links = [name for name in os.listdir(PINS) if name.split("-")[0] in ("in", "out", "xdp")]
    check("root.links", len(links) == (1 if clsact else 3), links)
    for name in links:
        detach(f"{PINS}/{name}")
    status = rules.until(lambda s: any("taken a program off" in p for p in s["problems"]))
    check("root.links_said", any("taken a program off" in p for p in status["problems"]), status["problems"])
    status = rules.until(lambda s: all(p["early"] for p in s["places"] if p["interface"] == "c0"))
    check("root.links_back", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"} and
          do("client", "udp", "10.0.2.2", 5302, 20, 0.3) == {"error": "timeout"} and
          status["rules"]["5"][0] == rules.status()["rules"]["5"][0] - 1, status)
    check("clear", rules.clear())
    left_nothing()


def left_nothing():
    for _ in range(50):  # links are taken apart some time after their last name is gone
        names = [p.get("name", "") for p in json.loads(sh("bpftool", "-j", "prog", "show").stdout or "[]")]
        if not any(name.startswith("packet_") for name in names):
            break
        time.sleep(0.1)
    check("left.programs", not any(name.startswith("packet_") for name in names), names)
    check("left.pins", not os.path.exists(PINS))
    check("left.qdiscs", "clsact" not in sh("tc", "qdisc", "show").stdout, sh("tc", "qdisc", "show").stdout)


def part_takeover():
    rules = ("{interface: c0, direction: in, protocol: tcp, to: '10.9.0.1:80', do: {rewrite: {to: '10.0.2.2:8080'}}}",
             "{interface: c0, direction: in, protocol: udp, port: 5301, do: drop}",
             "{interface: s0, direction: out, protocol: udp, port: 5302, do: drop}")
    first = Rules(*rules)
    hold = background("client", "hold", "10.9.0.1", 80)

    def still():
        hold.stdin.write("go\n")
        hold.stdin.flush()
        return hold.stdout.readline().strip() == "back"

    check("hold", still())
    floods = [subprocess.Popen(["ip", "netns", "exec", "client", "python3", PEER, "flood", "10.0.2.2", str(port), "12", "0.01"],
                               stdout=subprocess.PIPE, text=True) for port in (5301, 5302, 5300)]
    first.again(*rules)
    check("hold.new_policy", still())
    first.end(signal.SIGKILL)
    check("hold.killed", still())
    second = Rules(*rules)
    check("hold.taken_over", still())
    second.again(*rules, "{interface: c0, direction: in, protocol: udp, port: 5304, do: {limit: {packets: 5}}}")
    check("hold.another_object", still())
    second.end(signal.SIGKILL)
    third = Rules(*rules)
    check("hold.taken_over_again", still())
    said = [json.loads(f.communicate()[0]) for f in floods]
    check("takeover.no_gap", said[0]["back"] == 0 and said[1]["back"] == 0, said)
    check("takeover.no_loss", said[2]["back"] >= said[2]["sent"] * 0.98, said)
    places = third.status()["places"]
    check("takeover.places", {p["interface"] for p in places} == {"c0", "s0"}, places)
    third.again("{interface: s0, direction: out, protocol: udp, port: 5302, do: drop}")
    check("fewer.places", [p["interface"] for p in third.status()["places"]] == ["s0"])
    hold.kill()
    check("clear", third.clear())
    left_nothing()


class Agent:
    """The agent, with its policies where they are on a host."""

    policy, events, log = "/etc/safeguard/policies/50-packets.yaml", "/var/log/safeguard/events.ndjson", "/tmp/packets.agent"

    def __init__(self):
        os.makedirs(os.path.dirname(self.policy), exist_ok=True)

    def write(self, *rules):
        with open(self.policy, "w") as f:
            f.write("safeguard: 1\nname: wires\nmode: enforce\nfiles:\n  - {path: /srv/none, access: read, do: deny}\n" +
                    ("packets:\n" if rules else "") + "".join(f"  - {r}\n" for r in rules))

    def start(self):
        self.out = open(self.log, "w")
        self.run = subprocess.Popen(["safeguard-agent", "--defence=no", "--credentials=off"], stdout=self.out, stderr=self.out)
        for _ in range(1200):
            with open(self.log) as f:
                if "ready after" in f.read():
                    return True
            if self.run.poll() is not None:
                break
            time.sleep(0.1)
        return False

    def status(self):
        return json.loads(sh("safeguard", "status", "--json").stdout)

    def records(self):
        with open(self.events) as f:
            return [r for r in map(json.loads, f) if r["class_uid"] == 4001]


def part_agent():
    agent = Agent()
    rules = ("{interface: c0, direction: in, protocol: udp, port: 5301, do: drop}",
             "{interface: c0, direction: in, protocol: tcp, to: '10.9.0.1:80', do: {rewrite: {to: '10.0.2.2:8080'}, audit: true}}",
             "{interface: c0, direction: in, protocol: udp, port: 5303, mode: monitor, do: drop}")
    agent.write(*rules)
    check("agent.starts", agent.start(), open(agent.log).read())
    check("agent.drops", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    check("agent.rewrites", do("client", "tcp", "10.9.0.1", 80, 10000).get("whole"))
    check("agent.monitors", do("client", "udp", "10.0.2.2", 5303).get("whole"))
    status = agent.status()["packets"]
    check("agent.status", [p["interface"] for p in status["interfaces"]] == ["c0"] and
          status["interfaces"][0]["early"].startswith("xdp") and status["counts"]["connections"] == 1 and
          [r["drops"] for r in status["rules"]] == [1, 0, 0] and status["rules"][0]["line"] == 7, status)
    for _ in range(100):
        records = agent.records()
        if len({r["dst_endpoint"]["port"] for r in records}) == 3:
            break
        time.sleep(0.1)
    by_port = {r["dst_endpoint"]["port"]: r for r in records}
    dropped, changed, watched = (by_port.get(port, {}) for port in (5301, 80, 5303))
    check("agent.record.drop", dropped.get("disposition") == "Blocked" and dropped["activity_id"] == 5 and
          dropped["src_endpoint"]["ip"] == "10.0.1.2" and dropped["unmapped"]["interface"] == "c0" and
          dropped["policy"]["name"] == "wires" and dropped["unmapped"]["rule_line"] == 7 and
          dropped["message"].startswith("dropped a packet from 10.0.1.2:"), dropped)
    check("agent.record.rewrite", changed.get("activity_id") == 6 and changed["unmapped"]["packet_verdict"] == "changed", changed)
    check("agent.record.monitor", watched.get("disposition") == "Detected" and watched["unmapped"]["mode"] == "monitor", watched)
    with open("/tmp/packets.records.json", "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in records)
    share = os.path.dirname(os.path.dirname(ME))
    if os.path.exists(f"{share}/validate.py"):
        with open("/tmp/packets.schema", "w") as f:
            f.write(sh("safeguard-ocsf-schema").stdout)
        done = sh("python3", f"{share}/validate.py", "/tmp/packets.schema", "/tmp/packets.records.json", ok=False)
        check("agent.record.schema", done.returncode == 0, done.stdout + done.stderr)
    agent.run.kill()
    agent.run.wait()
    check("agent.killed", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    check("agent.starts_again", agent.start(), open(agent.log).read())
    check("agent.drops_again", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    agent.write()
    sh("safeguard", "reload", ok=False)
    for _ in range(100):
        if do("client", "udp", "10.0.2.2", 5301, 20, 0.3).get("whole"):
            break
    check("agent.no_rules", agent.status()["packets"] == {}, agent.status()["packets"])
    names = [p.get("name", "") for p in json.loads(sh("bpftool", "-j", "prog", "show").stdout or "[]")]
    check("agent.nothing_loaded", not any(name.startswith("packet_") for name in names), names)
    agent.write(*rules)
    agent.run.send_signal(signal.SIGHUP)
    for _ in range(100):
        if agent.status()["packets"]:
            break
        time.sleep(0.2)
    check("agent.rules_back", do("client", "udp", "10.0.2.2", 5301, 20, 0.3) == {"error": "timeout"})
    sh("safeguard", "stop", "--detach")
    agent.run.wait()
    check("agent.detached", do("client", "udp", "10.0.2.2", 5301).get("whole"))
    left_nothing()


def main():
    networks()
    time.sleep(1)
    for part in sys.argv[1:]:
        globals()[f"part_{part}"]()


main()
