# SPDX-License-Identifier: Apache-2.0
"""Whoever sends a byte now and then holds a connection for a bounded time, and nobody else waits for it. Begun before all other tables."""

import socket
import threading
import time

from rig import Answer, Row, Wire, ask, head_of

HEAD_S = 30  # head_timeout_ms of src/api: TLS, first line and headers together; the same for a body, and a second for each 16 KiB
SLACK_S = 10
DRIP_S = 1.5


class Slow:
    """A connection, and when it was ended by the other side."""

    def __init__(self, r, begin, drip):
        self.begun, self.ended = time.monotonic(), None
        self.s = begin(r)
        self.drip = drip
        threading.Thread(target=self._go, daemon=True).start()

    def _go(self):
        self.s.settimeout(DRIP_S)
        while self.ended is None:
            try:
                if self.drip:
                    self.s.send(self.drip)
                if self.s.recv(4096) == b"":
                    self.ended = time.monotonic()
            except TimeoutError:
                if time.monotonic() - self.begun > HEAD_S + SLACK_S + 5:
                    return
            except OSError:
                self.ended = time.monotonic()


def tcp(r):
    return socket.create_connection(("127.0.0.1", r.server.port))


def tls(data):
    def begin(r):
        w = Wire(r.server.port)
        if data:
            w.send(data(r) if callable(data) else data)
        return w.s
    return begin


def post(*headers):
    return lambda r: head_of(r, "POST", "/api/v1/login", [("Content-Type", "application/json"), *headers])


WAYS = {
    "a connection on which nothing is said": (tcp, b""),
    "a handshake, a byte now and then": (tcp, b"\x16"),
    "TLS, and then nothing": (tls(b""), b""),
    "a first line, a byte now and then": (tls(b"GET /"), b"a"),
    "headers, one now and then": (tls(b"GET / HTTP/1.1\r\n"), b"X-A: b\r\n"),
    "a header, a byte now and then": (tls(b"GET / HTTP/1.1\r\nX-A: "), b"a"),
    "a body, a byte now and then": (tls(post(("Content-Length", "60000"))), b" "),
    "chunks, one now and then": (tls(post(("Transfer-Encoding", "chunked"))), b"1\r\n \r\n"),
    "a chunk's size, a digit now and then": (tls(post(("Transfer-Encoding", "chunked"))), b"0"),
}


def prepare(r):
    r.slow = {name: Slow(r, begin, drip) for name, (begin, drip) in WAYS.items()}


def ends(name):
    def send(r):
        slow = r.slow[name]
        while slow.ended is None and time.monotonic() - slow.begun < HEAD_S + SLACK_S:
            time.sleep(0.1)
        return Answer() if slow.ended else Answer(200, why="it is open yet")

    def after(r):
        took = r.slow[name].ended - r.slow[name].begun
        return took < HEAD_S + SLACK_S or f"it took {took:.0f} s"
    return Row(name, send, "closed", after)


def others(r):
    """While all of them are held: as fast as ever."""
    start = time.monotonic()
    a = ask(r, "GET", "/healthz")
    r.took = time.monotonic() - start
    return a


ROWS = [ends(name) for name in WAYS]


def run(r, results):
    results.rows("slow ones", ROWS, r)


def run_beside(r, results):
    results.rows("beside slow ones", [Row("others are answered", others, "200", lambda r: r.took < 3 or f"after {r.took} s")], r)
