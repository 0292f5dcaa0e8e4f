# SPDX-License-Identifier: Apache-2.0
#
# Ways to reach what has a name, by a client that rules speak of, and what became of them.
#   names.py run RAN [lasting]     runs them, each in a process of its own, and writes down what each gave
#   names.py judge RAN [RECORDS]   compares that and the records with what was to come. Prints TAP.
#   names.py one NAME ADDRESS PORT ERROR   one way, after a question for NAME ("": none)
#   names.py liar                  asks a server of its own for a name that it may go to, and is refused
import errno
import ipaddress
import json
import os
import selectors
import socket
import sys
import threading
import time

CLIENT = 4400
DEADLINE = 90  # seconds; the shortest life of a name is 60


class Way:
    def __init__(self, name, asks, how, address, port, error=0, outcome="", by="", rule_by_name=False):
        self.name, self.asks, self.how, self.address, self.port = name, asks, how, address, port
        self.error, self.outcome, self.by, self.rule_by_name = error, outcome, by, rule_by_name


DENIED, REFUSED = errno.EPERM, errno.EHOSTUNREACH
WAYS = [
    Way("before it was asked for", [], "tcp", "10.8.1.1", 7000, DENIED, "denied"),
    Way("an answer was given for it", ["api.example"], "tcp", "10.8.1.1", 7000),
    Way("another port", ["api.example"], "tcp", "10.8.1.1", 7001, DENIED, "denied", "api.example"),
    Way("another protocol", ["api.example"], "udp", "10.8.1.1", 7000, DENIED, "denied", "api.example"),
    Way("IPv6", ["api.example"], "tcp", "fd08:1::1", 7000),
    Way("IPv6, another port", ["api.example"], "tcp", "fd08:1::1", 7001, DENIED, "denied", "api.example"),
    Way("IPv4-mapped", ["api.example"], "tcp", "::ffff:10.8.1.1", 7000),
    Way("asked for in capitals", ["API.Example"], "tcp", "10.8.1.1", 7000),
    Way("the next address", ["api.example"], "tcp", "10.8.1.2", 7000, DENIED, "denied"),
    Way("beneath", ["a.wild.example"], "tcp", "10.8.1.20", 7000),
    Way("beneath, IPv6", ["a.wild.example"], "tcp", "fd08:1::20", 7001),
    Way("further beneath", ["b.a.wild.example"], "tcp", "10.8.1.21", 7001),
    Way("not beneath but itself", ["wild.example"], "tcp", "10.8.1.22", 7000, DENIED, "denied", "wild.example"),
    Way("a name that ends alike", ["notwild.example"], "tcp", "10.8.1.23", 7000, DENIED, "denied", "notwild.example"),
    Way("by another name (CNAME)", ["www.wild.example"], "tcp", "10.8.1.24", 7000),
    Way("a datagram", ["a.wild.example"], "sendto", "10.8.1.20", 7000),
    Way("a datagram, IPv6", ["a.wild.example"], "sendto", "fd08:1::20", 7000),
    Way("a datagram to the port that may not", ["api.example"], "sendto", "10.8.1.1", 7000, DENIED, "denied", "api.example"),
    Way("connected datagrams", ["a.wild.example"], "udp", "10.8.1.20", 7000),
    Way("fast open", ["a.wild.example"], "fastopen", "10.8.1.20", 7000),
    Way("fast open to another port", ["api.example"], "fastopen", "10.8.1.1", 7001, DENIED, "denied", "api.example"),
    Way("a name that is denied", ["evil.example"], "tcp", "10.8.1.3", 7000, REFUSED, "denied", "evil.example", True),
    Way("a datagram to one", ["evil.example"], "sendto", "10.8.1.3", 7000, REFUSED, "denied", "evil.example", True),
    Way("a name for a denied address", ["rebind.example"], "tcp", "10.8.4.1", 7000, DENIED, "denied", "rebind.example"),
    Way("a name for a denied address, IPv6", ["rebind.example"], "tcp", "fd08:4::1", 7000, DENIED, "denied", "rebind.example"),
    Way("a name that is recorded", ["audit.example"], "tcp", "10.8.1.5", 7000, 0, "passed", "audit.example", True),
    Way("two names, the first rule's", ["second.example", "first.example"], "tcp", "10.8.1.6", 7000),
    Way("an address that a rule allows", [], "tcp", "10.8.1.8", 7000),
    Way("and by a name without a rule", ["unruled.example"], "tcp", "10.8.1.8", 7000),
    Way("a name without a rule", ["other.example"], "tcp", "10.8.1.9", 7000, DENIED, "denied", "other.example"),
    Way("only watched", ["watched.example"], "tcp", "10.8.1.10", 7000, 0, "would_deny", "watched.example", True),
]


def sock(address, kind):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.settimeout(20)
    return s


def go(how, address, port):
    if how == "tcp":
        s = sock(address, socket.SOCK_STREAM)
        s.connect((address, port))
        s.sendall(b"hello")
        if s.recv(5) != b"hello":
            raise OSError(errno.EBADMSG, "another answer")
    elif how == "udp":
        s = sock(address, socket.SOCK_DGRAM)
        s.connect((address, port))
        s.send(b"hello")
        s.recv(5)
    elif how == "sendto":
        s = sock(address, socket.SOCK_DGRAM)
        s.sendto(b"hello", (address, port))
        s.recv(5)
    elif how == "fastopen":
        s = sock(address, socket.SOCK_STREAM)
        s.setblocking(True)
        s.sendto(b"hello", socket.MSG_FASTOPEN, (address, port))
        s.recv(5)


def errno_of(call, *args):
    try:
        call(*args)
        return 0
    except OSError as e:
        return e.errno or errno.ETIMEDOUT


def ask(name):
    # One family at a time: of several addresses the resolver would try which are nearer, by connecting to them.
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
        except socket.gaierror as e:
            if family == socket.AF_INET:
                raise OSError(errno.ENOENT, "%s: %s" % (name, e))


def forked(call):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setresgid(CLIENT, CLIENT, CLIENT)
        os.setresuid(CLIENT, CLIENT, CLIENT)
        try:
            answer = call()
        except Exception as e:
            answer = repr(e)
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return pid, json.loads(text)


def echo():
    chooser = selectors.DefaultSelector()
    for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in (7000, 7001):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = socket.socket(family, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((any_, port))
                if kind == socket.SOCK_STREAM:
                    s.listen(16)
                # Answers come from the address that was asked.
                elif family == socket.AF_INET:
                    s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
                else:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                    s.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND: they are routes, and no addresses
                chooser.register(s, selectors.EVENT_READ, kind == socket.SOCK_STREAM)

    def serve():
        while True:
            for key, _ in chooser.select():
                s = key.fileobj
                if key.data is True:
                    c, _ = s.accept()
                    chooser.register(c, selectors.EVENT_READ, "stream")
                elif key.data == "stream":
                    data = s.recv(100)
                    if data:
                        s.sendall(data)
                    else:
                        chooser.unregister(s)
                        s.close()
                else:
                    data, more, _, who = s.recvmsg(100, 200)
                    s.sendmsg([data], more, 0, who)

    threading.Thread(target=serve, daemon=True).start()


def lasting():
    ask("lasting.wild.example")
    at = ("10.8.1.30", 7000)
    stream, connected, free = sock(at[0], socket.SOCK_STREAM), sock(at[0], socket.SOCK_DGRAM), sock(at[0], socket.SOCK_DGRAM)
    stream.connect(at)
    connected.connect(at)
    begun = time.monotonic()

    def exchange():
        gave = {}
        for name, s, send in (
            ("stream", stream, lambda: stream.sendall(b"hello")),
            ("connected datagrams", connected, lambda: connected.send(b"hello")),
            ("datagrams", free, lambda: free.sendto(b"hello", at)),
        ):
            gave[name] = errno_of(lambda: (send(), s.recv(5)))
        return gave

    before = exchange()
    while True:
        time.sleep(1)  # what is waited for is an end of a life: there is no event of it
        late = errno_of(go, "tcp", *at)
        during = exchange()
        if late or time.monotonic() - begun > DEADLINE:
            break
    return {
        "before": before,
        "seconds": time.monotonic() - begun,
        "late": late,
        "late datagram": errno_of(go, "sendto", *at),
        "after": during,
        "again": (ask("lasting.wild.example"), errno_of(go, "tcp", *at))[1],
    }


def run(path, part):
    echo()
    ran = []
    with open(path, "w") as out:
        if part == "lasting":
            ran.append(("lasting",) + forked(lasting))
        else:
            for way in WAYS:
                ran.append((way.name,) + forked(lambda: ([ask(n) for n in way.asks], errno_of(go, way.how, way.address, way.port))[1]))
        json.dump(ran, out)


def same(a, b):
    a, b = ipaddress.ip_address(a), ipaddress.ip_address(b)
    return (getattr(a, "ipv4_mapped", None) or a) == (getattr(b, "ipv4_mapped", None) or b)


def judge_way(way, pid, gave, records):
    mine = [r for r in records or [] if r["kind"] == "control" and r["pid"] == pid and r.get("remote_port") == way.port]
    if records is None:
        return None if gave == way.error else "gave %s instead of %d" % (gave, way.error)
    if gave != way.error:
        return "gave %s instead of %d; records: %s" % (gave, way.error, mine)
    if not way.outcome:
        return "recorded: %s" % mine if mine else None
    for r in mine:
        if r["outcome"] == way.outcome and same(r["remote"], way.address):
            named = bool(r["flags"] & 16)
            if (r["name"] or "") != way.by:
                return "its record has the name '%s': %s" % (r["name"], r)
            return None if named == way.rule_by_name else "it says of itself that %s name decided: %s" % ("a" if named else "no", r)
    return "no such record; there are: %s" % [r for r in records if r["pid"] == pid]


def judge_lasting(gave):
    if not isinstance(gave, dict):
        return [("it ran", str(gave))]
    return [
        ("all went at first", None if not any(gave["before"].values()) else gave),
        ("a new connection is denied when the name's time is over", None if gave["late"] == DENIED and gave["seconds"] >= 59 else gave),
        ("so is a datagram", None if gave["late datagram"] == DENIED else gave),
    ] + [("%s go on" % name, None if e == 0 else gave) for name, e in gave["after"].items()] + [
        ("it is asked for again", None if gave["again"] == 0 else gave),
    ]


def judge(path, records_path):
    records = [json.loads(line) for line in open(records_path)] if records_path else None
    ways = {w.name: w for w in WAYS}
    for name, pid, gave in json.load(open(path)):
        for text, problem in judge_lasting(gave) if name == "lasting" else [(name, judge_way(ways[name], pid, gave, records))]:
            print("ok %s" % text if not problem else "not ok %s: %s" % (text, problem))
    if records is None:
        return
    lost = [r for r in records if r["kind"] == "undecodable" or (r["kind"] == "counter" and r["counter"] in (1, 3))]
    print("not ok nothing lost: %s" % lost if lost else "ok nothing lost")


def one(name, address, port, error):
    echo()
    _, gave = forked(lambda: (ask(name) if name else None, errno_of(go, "tcp", address, int(port)))[1])
    if gave != int(error):
        sys.exit("gave %s" % gave)


# A server at 127.0.0.66:53, with an answer that is well made: api.example is 10.8.9.9.
def liar():
    echo()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.66", 53))

    def lie():
        while True:
            query, who = server.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            answer = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + b"\xc0\x0c\0\1\0\1\0\0\1\0\0\4" + bytes([10, 8, 9, 9])
            server.sendto(answer, who)

    threading.Thread(target=lie, daemon=True).start()

    def fooled():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(20)
        s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3api\7example\0\0\1\0\1", ("127.0.0.66", 53))
        if s.recv(512)[-4:] != bytes([10, 8, 9, 9]):
            return "no answer"
        return errno_of(go, "tcp", "10.8.9.9", 7000)

    _, gave = forked(fooled)
    if gave != DENIED:
        sys.exit("gave %s" % gave)


if sys.argv[1] == "run":
    run(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
elif sys.argv[1] == "judge":
    judge(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
elif sys.argv[1] == "one":
    one(*sys.argv[2:6])
else:
    liar()
