#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks for domain names in all ways that dns.sh has servers for, and compares what programs were told with what the kernel side has in
its table when their calls return, and with its records.

  dns.py RECORDS        with servers that are all believed
  dns.py RECORDS only   with 127.0.0.53 and ::1 as the only ones
  dns.py serve HOST     the server that lies, until it is killed
"""

import errno
import os
import pwd
import random
import re
import socket
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns_wire import (AAAA, CNAME, FORGED, GOOD, SELF, Counters, Liar, Names, address, answer, check, question,  # noqa: E402
                      record, records)

QUESTION, ANSWER = 1, 2
TCP, NOBODY, NAMELESS, MORE, PARTIAL, BAD, IGNORED = (1 << n for n in range(7))
STUB, LIAR, FORWARDER = "127.0.0.53", "127.0.0.55", "127.0.0.54"
TIMEOUT = 10


def has(address_, name, most=None, least=0):
    """Is the address known by the name, for that long?"""
    left = names.entries(address_).get(name)
    return left is not None and left > least and (most is None or left <= most)


def ask(message, server=LIAR, sock=None, tries=1, family=socket.AF_INET):
    """What a program does that does not believe everybody: sends, waits for an answer to this from there."""
    own = sock or socket.socket(family, socket.SOCK_DGRAM)
    own.settimeout(TIMEOUT if tries == 1 else 1)
    for _ in range(tries):
        own.sendto(message, (server, 53))
        try:
            while True:
                got, sender = own.recvfrom(4096)
                if sender[0] == server and sender[1] == 53 and got[:2] == message[:2] and got[12:len(message)] == message[12:]:
                    return got
        except socket.timeout:
            continue
    return None


def resolver():
    """The C library's resolver, which takes what resolv.conf says: the stub."""
    def addresses(name, family):
        return sorted({found[4][0] for found in socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)})

    found = addresses("one.example", socket.AF_INET)
    check("resolver.in the table when the call returns", found == ["192.0.2.1"] and has("192.0.2.1", "one.example", 120, 100), (found, names.entries("192.0.2.1")))
    found = addresses("one.example", socket.AF_INET6)
    check("resolver.IPv6", found == ["2001:db8::1"] and has("2001:db8::1", "one.example"), (found, names.entries("2001:db8::1")))
    found = addresses("www.example", socket.AF_UNSPEC)
    check("resolver.by the name that was asked for", found == ["192.0.2.10", "2001:db8::10"] and
          set(names.entries("192.0.2.10")) == {"www.example"} == set(names.entries("2001:db8::10")), (found, names.entries("192.0.2.10")))
    late = 0
    for i in range(200):
        name = f"n{i}.many.example"
        late += addresses(name, socket.AF_INET) != ["192.0.2.99"] or not has("192.0.2.99", name)
    check("resolver.each of 200 when its call returns", late == 0, late)
    check("resolver.the last four names stay", set(names.entries("192.0.2.99")) == {f"n{i}.many.example" for i in range(196, 200)}, names.entries("192.0.2.99"))
    for name in ("first.example", "second.example"):
        addresses(name, socket.AF_INET)
    check("resolver.two names of one address", set(names.entries("192.0.2.7")) == {"first.example", "second.example"}, names.entries("192.0.2.7"))
    asked = records(path, lambda r: r["type"] == ANSWER and r["name"] == "www.example" and r["qtype"] == AAAA)
    good = len(asked) == 1 and asked[0]["tgid"] == os.getpid() and asked[0]["uid"] == 0 and not asked[0]["flags"]
    check("resolver.who asked", good, asked)
    r = asked[0]
    check("resolver.what was answered", [a for a, _ in r["answers"]] == ["2001:db8::10"] and r["records"] == 2 and r["header"] & 0x800f == 0x8000 and
          r["server"] == STUB and r["server_port"] == 53 and r["local"].startswith("127.") and r["local_port"] > 1023 and r["sent"] == 1, r)
    check("resolver.how long it took", 0 < r["duration"] < 5e9 and r["time"] > r["duration"], r)
    start = int(open("/proc/self/stat", encoding="ascii").read().rpartition(")")[2].split()[19])
    check("resolver.which process", r["start"] // 10_000_000 == start, (r, start))
    check("resolver.its question", len(records(path, lambda q: q["type"] == QUESTION and (q["cookie"], q["id"], q["name"]) == (r["cookie"], r["id"], r["name"]))) == 1)


def connects():
    """Another object refuses what has no name beneath connect.example: who was told the address is let through at once."""
    def errno_of(address_):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as own:
            own.settimeout(TIMEOUT)
            return own.connect_ex((address_, 9))

    refused = errno_of("127.9.0.1")
    socket.gethostbyname("other.many.example")
    bad = []
    for i in range(50):
        told = socket.gethostbyname(f"n{i}.connect.example")
        if errno_of(told) != errno.ECONNREFUSED:
            bad.append(i)
    check("connects.without the name", refused == errno.EPERM, refused)
    check("connects.as soon as the name is told", not bad and told == "127.9.0.1", (bad, told))


def missing():
    try:
        socket.gethostbyname("nowhere.example")
    except socket.gaierror:
        pass
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "nowhere.example")
    check("missing.is told", found and found[0]["header"] & 15 == 3 and found[0]["answers"] == [], found)


def others():
    """Other programs, other users, sockets that change hands."""
    alice = pwd.getpwnam("alice")
    asked = subprocess.Popen(["python3", "-c", "import socket; print(socket.gethostbyname('alice.example'))"],
                             user=alice.pw_uid, group=alice.pw_gid, stdout=subprocess.PIPE, text=True)
    said = asked.communicate()[0]
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "alice.example")
    check("others.another user", "192.0.2.3" in said and found and (found[0]["tgid"], found[0]["uid"]) == (asked.pid, alice.pw_uid), (said, found))
    pid = os.fork()
    if pid == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            os.setresuid(alice.pw_uid, alice.pw_uid, alice.pw_uid)
            ask(question("good-handed.example"), sock=own)
        os._exit(0)
    os.waitpid(pid, 0)
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "good-handed.example")
    check("others.who has another one's socket is not named", found and found[0]["flags"] == NOBODY and found[0]["tgid"] == 0 and found[0]["uid"] == -1, found)
    check("others.but its name is learnt", has(GOOD, "good-handed.example"), names.entries(GOOD))


def dig(*words):
    return subprocess.run(["dig", "+tries=1", "+time=10", *words], stdout=subprocess.PIPE, text=True, check=False).stdout


def of_dig():
    said = dig(f"@{STUB}", "edns.example", "+cookie", "+bufsize=1232")
    check("dig.EDNS", "EDNS: version: 0" in said and "192.0.2.4" in said and has("192.0.2.4", "edns.example"), said)
    said = dig("@::1", "AAAA", "six.example")
    check("dig.over IPv6", "2001:db8::6" in said and has("2001:db8::6", "six.example"), said)
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "six.example")
    check("dig.its server", found and (found[0]["server"], found[0]["local"]) == ("::1", "::1"), found)
    said = dig("+tcp", f"@{STUB}", "tcp.example")
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "tcp.example")
    check("dig.over TCP", "192.0.2.5" in said and has("192.0.2.5", "tcp.example") and found and found[0]["flags"] == TCP, (said, found))
    check("dig.over TCP, who asked", found and found[0]["tgid"] > 0 and found[0]["uid"] == 0, found)
    said = dig("+tcp", "@::1", "AAAA", "tcp6.example")
    check("dig.over TCP and IPv6", "2001:db8::5" in said and has("2001:db8::5", "tcp6.example"), said)
    said = dig(f"@{STUB}", "lots.example", "+bufsize=4096")
    told = re.findall(r"\sA\s+(198\.51\.100\.\d+)", said)
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "lots.example")
    check("dig.forty addresses", len(told) == 40 and all(has(a, "lots.example") for a in told), (len(told), said[:200]))
    check("dig.of which sixteen are told", found and len(found[0]["answers"]) == 16 and found[0]["flags"] == MORE and found[0]["records"] == 40, found)
    dig(f"@{STUB}", "MiXeD.ExAmPlE")
    check("dig.in lower case", has("192.0.2.8", "mixed.example"), names.entries("192.0.2.8"))


def forwarder():
    """One server that asks another: each question is seen, with who asks; the first one writes names in letters of its own choice."""
    said = dig(f"@{FORWARDER}", "far.example")
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "far.example" and r["server"] == STUB)
    check("forwarder.its client", "192.0.2.9" in said and has("192.0.2.9", "far.example"), said)
    check("forwarder.itself", found and found[0]["tgid"] == int(os.environ["UNBOUND"]), found)


def packets():
    """Packets that do not look as usual."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1\1\1\0")
    ask(question("good-options.example"), sock=own)
    check("packets.options of IPv4", has(GOOD, "good-options.example"), names.entries(GOOD))
    own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    mapped = ask(question("good-mapped.example"), f"::ffff:{LIAR}", own)
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "good-mapped.example")
    check("packets.IPv4 of a socket of IPv6", mapped and has(GOOD, "good-mapped.example") and found[0]["server"] == LIAR, found)
    own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for option in (socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS):
        own.setsockopt(socket.IPPROTO_IPV6, option, b"\0\0\1\4\0\0\0\0")
    grown = counters.of(lambda: ask(question("six.example", AAAA), "::1", own))
    check("packets.extension headers of IPv6", grown.get("questions") == 1 == grown.get("answers"), grown)
    grown = counters.of(lambda: ask(struct.pack(">6H", 9, 0x100, 1, 0, 0, 0) + b"\3a/b\7example\0\0\1\0\1", STUB))
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "a?b.example")
    check("packets.a name that no rule can speak of", grown.get("unusable") == 2 and found and found[0]["flags"] & NAMELESS and "learnt" not in grown, (grown, found))


def split():
    """TCP in pieces is counted, and nothing is guessed of it."""
    message = question("split.example")
    def in_two():
        with socket.create_connection((STUB, 53), TIMEOUT) as own:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.sendall(struct.pack(">H", len(message)))
            own.sendall(message)
            own.recv(4096)
    grown = counters.of(in_two)
    check("split.counted", grown.get("segment", 0) >= 1 and "questions" not in grown and "learnt" not in grown, grown)


def forged():
    for kind, counted in (("wrongid", "unasked"), ("wrongname", "unasked"), ("wrongtype", "unasked"), ("elsewhere", "unasked"),
                          ("wrongport", None), ("twice", "unasked")):
        name = f"{kind}-a.example"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            grown = counters.of(lambda n=name, to=own: ask(question(n), sock=to), counted)
        good = has(GOOD, name) and grown.get("answers") == 1 and grown.get("learnt") == 1
        check(f"forged.{kind}", good and grown.get(counted, 0) == (1 if counted else 0), (names.entries(GOOD), grown))
    grown = counters.of(lambda: ask(question("poison-a.example")))
    check("forged.records of other names", has(GOOD, "poison-a.example") and grown.get("learnt") == 1, grown)
    grown = counters.of(lambda: ask(question("loop-a.example")))
    check("forged.CNAMEs in a circle", grown.get("bad chain") == 1 and "learnt" not in grown, grown)
    grown = counters.of(lambda: ask(question("cut-a.example")))
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "cut-a.example")
    check("forged.an answer that ends too early", grown.get("bad cut") == 1 and found and found[0]["flags"] == BAD and found[0]["reason"] == 6, (grown, found))
    check("forged.none of it is in the table", names.entries(FORGED) == {}, names.entries(FORGED))
    # Nobody asks: as a stranger sends it to a port that he guesses.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.98", 53))
            grown = counters.of(lambda: stranger.sendto(answer(question("good-never.example"), [address(SELF, FORGED)]), own.getsockname()))
    check("forged.to who has not asked", grown == {"unasked": 1} and names.entries(FORGED) == {}, grown)


def hostile():
    """Answers with bytes that chance has changed: each is counted as what it is, and the host goes on."""
    chance = random.Random(20)
    def one(client, server, i):
        asked = question(f"h{i}.hostile.example")
        client.sendto(asked, ("127.0.0.57", 53))
        _, back = server.recvfrom(4096)
        said = bytearray(answer(asked, [record(SELF, CNAME, 30, b"\1x\xc0\x0f"), address(b"\1x\xc0\x0f", "198.18.0.1"),
                                        address(SELF, "198.18.0.1")]))
        for _ in range(chance.randrange(1, 4)):
            said[chance.randrange(4, len(said))] = chance.choice((0, 1, 63, 64, 192, 255, chance.randrange(256)))
        server.sendto(said[:chance.randrange(13, len(said) + 1)] if i % 4 == 0 else said, back)
        client.recv(4096)

    def many():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            client.settimeout(TIMEOUT)
            server.settimeout(TIMEOUT)
            server.bind(("127.0.0.57", 53))
            for i in range(1000):
                one(client, server, i)
    grown = counters.of(many)
    bad = sum(n for name, n in grown.items() if name.startswith("bad "))
    taken = grown.get("answers", 0) + grown.get("unasked", 0)
    check("hostile.each is counted", grown.get("questions") == 1000 and taken <= 1000 <= taken + bad and 0 < bad and 0 < grown.get("learnt", 0), grown)
    check("hostile.of the names that were asked for", set(names.entries("198.18.0.1")) <= {f"h{i}.hostile.example" for i in range(1000)},
          names.entries("198.18.0.1"))


def again():
    """Sent a second time: one question, and its answer says how often."""
    got = ask(question("second-a.example"), tries=3)
    found = records(path, lambda r: r["name"] == "second-a.example" and r["type"] == ANSWER)
    asked = records(path, lambda r: r["name"] == "second-a.example" and r["type"] == QUESTION)
    check("again.one question", got and len(asked) == 1 == len(found) and found[0]["sent"] == 2 and found[0]["duration"] >= 9e8, (asked, found))
    ask(question("never-a.example"), tries=2)
    found = records(path, lambda r: r["name"] == "never-a.example")
    check("again.without an answer", [r["type"] for r in found] == [QUESTION], found)


def at_once():
    """Many threads, many sockets."""
    bad = []
    def one(n):
        for i in range(50):
            name = f"t{n}-{i}.many.example"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                if ask(question(name), STUB, own) is None:
                    bad.append(name)
    grown = counters.of(lambda: [t.join() for t in [threading.Thread(target=one, args=(n,)) for n in range(8)] if not t.start()])
    check("at_once.all are seen", not bad and (grown["questions"], grown["answers"], grown["learnt"]) == (400, 400, 400), (bad, grown))


def only():
    """Names are learnt of the servers that are named, in their network namespace."""
    socket.gethostbyname("one.example")
    check("only.of a server that is named", has("192.0.2.1", "one.example"), names.entries("192.0.2.1"))
    grown = counters.of(lambda: ask(question("good-other.example")))
    found = records(path, lambda r: r["type"] == ANSWER and r["name"] == "good-other.example")
    check("only.not of another one", grown.get("untrusted") == 1 and "learnt" not in grown and found and found[0]["flags"] == IGNORED and
          [a for a, _ in found[0]["answers"]] == [GOOD], (grown, found))
    grown = counters.of(lambda: subprocess.run(
        ["unshare", "-n", "bash", "-c", f'ip link set lo up; python3 {sys.argv[0]} serve {STUB} & sleep 3; '
         f'python3 -c "import socket; socket.gethostbyname(\'good-ns.example\')"; kill $!'], check=False))
    check("only.not in another namespace", grown.get("untrusted", 0) >= 1 and "learnt" not in grown and not has(GOOD, "good-ns.example"), grown)


def serve(host):
    liar = Liar(host)
    while True:
        liar.one()


if sys.argv[1] == "serve":
    serve(sys.argv[2])
path = sys.argv[1]
names, counters = Names(), Counters()
for part in (only,) if len(sys.argv) > 2 else (resolver, connects, missing, others, of_dig, forwarder, packets, split, forged, hostile, again, at_once):
    part()
after = counters.now()
check("nothing was lost", after["lost"] == after["busy"] == after["full"] == 0 and after["sent"] > 0, after)
