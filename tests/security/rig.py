# SPDX-License-Identifier: Apache-2.0
"""What the attacks share: the server that is attacked, HTTP as bytes, and rows of tables.

An attack is a row: a name, what is sent (a function of the rig that returns an Answer), what must come back, and what must
be true afterwards. What must come back is "STATUS CODE", or "closed" (the connection ends without an answer), or several of
these between " | ". What must be true afterwards is a function that returns True, or says what is wrong.
"""

import collections
import ctypes
import functools
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
SERVER = BUILD / "src/server/safeguard-server"
CLI = BUILD / "src/cli/safeguard"
PATIENCE = 30
ROLES = ("viewer", "operator", "admin", "auditor")
PASSWORD = "correct horse battery"

Row = collections.namedtuple("Row", "name send expect after", defaults=(None,))


class Answer:
    """status 0: the connection was closed, or not even made; `why` says how."""

    def __init__(self, status=0, headers=(), body=b"", why=""):
        self.status, self.headers, self.body, self.why = status, headers, body, why

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        try:
            return self.json["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return ""

    def __str__(self):
        return f"{self.status} {self.code}".strip() if self.status else "closed"

    def fits(self, expect):
        return any(str(self) == e or str(self.status) == e for e in expect.split(" | "))


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, good, why=""):
        if good:
            self.passed += 1
            print(f"ok {name}", flush=True)
        else:
            self.failed += 1
            print(f"-- security: {name}\nnot ok {name}\n{why}", flush=True)

    def rows(self, title, rows, rig):
        print(f"# {title}", flush=True)
        for row in rows:
            try:
                answer = row.send(rig)
                good = answer.fits(row.expect)
                why = "" if good else f"{answer}, expected {row.expect}\n{answer.why} {answer.body[:400]!r}"
                if good and row.after:
                    said = row.after(rig)
                    good, why = said is True, str(said)
            except Exception as e:  # noqa: BLE001 an attack that cannot be made is a failure of its own
                good, why = False, f"{type(e).__name__}: {e}"
            self.check(row.name, good, why)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """The server that was built, with a data directory of its own."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.data = self.place / "data"
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.log = self.place / "server.log"
        self.process = None
        self.secrets = {}  # name: what must be in no file

    def _base(self):
        return [str(SERVER), "--data-dir", str(self.data), "--run-dir", str(self.place / "run")]

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [*self._base(), "--address", "127.0.0.1", "--port", str(self.port), "--url", self.url, "--names",
                 "127.0.0.1,localhost", "--ui-dir", str(self.place / "ui"), "--log-level", "debug",
                 "--connections-per-address", "300"], stdout=out, stderr=out, preexec_fn=die_with_parent)
        end = time.monotonic() + PATIENCE
        while b"ready at" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        self.ca_pem = (self.data / "ca/ca.pem").read_text()

    def stop(self):
        self.process.terminate()
        return self.process.wait()

    def command(self, *words, text=None):
        return subprocess.run([*self._base(), *words], input=text, text=True, check=True,
                              capture_output=True).stdout

    def memory(self):
        """KiB that are its own."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text)[1])

    def secret(self, name, text):
        self.secrets[name] = text
        return text


class Wire:
    """A connection, by bytes. `certificate`: (certificate, key) files of a client."""

    def __init__(self, port, certificate=None, context=None, timeout=PATIENCE, name=None):
        if context is None:
            context = plain_context(certificate)
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.s = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        self.buffer = b""

    def send(self, data):
        self.s.sendall(data)

    def _more(self):
        data = self.s.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                raise EOFError(f"closed after {self.buffer[:80]!r}")
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def _exactly(self, n):
        while len(self.buffer) < n:
            if not self._more():
                raise EOFError("closed in the middle of a body")
        part, self.buffer = self.buffer[:n], self.buffer[n:]
        return part

    def _chunks(self):
        body = b""
        while True:
            n = int(self._until(b"\r\n"), 16)
            body += self._exactly(n)
            self._exactly(2)
            if n == 0:
                return body

    def head(self):
        while True:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status != 100:
                return status, [tuple(line.split(": ", 1)) for line in lines[1:]]

    def answer(self, head_only=False):
        status, headers = self.head()
        a = Answer(status, headers)
        if head_only or status in (204, 304):
            return a
        if a.header("Transfer-Encoding") == "chunked":
            a.body = self._chunks()
        elif a.header("Content-Length") is not None:
            a.body = self._exactly(int(a.header("Content-Length")))
        else:
            while self._more():
                pass
            a.body, self.buffer = self.buffer, b""
        return a

    def ended(self, seconds):
        """Whether the other side ends the connection within that time."""
        self.s.settimeout(seconds)
        try:
            while self._more():
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@functools.lru_cache(maxsize=None)
def _context(certificate):
    # Who attacks does not ask whom he talks to.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    return context


def plain_context(certificate=None):
    """One for all connections with that certificate, which nobody may change."""
    return _context(certificate)


BROKEN = (OSError, EOFError, ValueError, IndexError)


def raw(rig, data, certificate=None, context=None, head_only=False, timeout=PATIENCE):
    """Bytes as they are, and the first answer."""
    try:
        with Wire(rig.server.port, certificate, context, timeout) as w:
            try:
                w.send(data)
            except OSError:
                pass  # it was enough: the answer may be there
            return w.answer(head_only)
    except BROKEN as e:
        return Answer(why=f"{type(e).__name__}: {e}")


def head_of(rig, method, target, headers=(), body=None):
    lines = [f"{method} {target} HTTP/1.1"]
    names = {n.lower() for n, _ in headers}
    if "host" not in names:
        lines.append(f"Host: 127.0.0.1:{rig.server.port}")
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{n}: {v}" for n, v in headers]
    return "\r\n".join(lines).encode("latin-1", "surrogateescape") + b"\r\n\r\n"


def ask(rig, method, target, headers=(), body=None, certificate=None, wire=None):
    """One request. `body`: bytes, or a value for JSON."""
    headers = list(headers)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        if "content-type" not in {n.lower() for n, _ in headers}:
            headers.append(("Content-Type", "application/json"))
    data = head_of(rig, method, target, headers, body) + (body or b"")
    if wire is None:
        return raw(rig, data, certificate, head_only=method == "HEAD")
    wire.send(data)
    return wire.answer(method == "HEAD")


def query(target, **parameters):
    return target + "?" + urllib.parse.urlencode(parameters, doseq=True)


class Person:
    """Somebody with a session, or with an API token; nobody when there is neither."""

    def __init__(self, rig, name=None, password=PASSWORD, headers=()):
        self.rig, self.name = rig, name
        self.cookie = self.csrf = self.token = None
        self.roles = []
        if name:
            a = ask(rig, "POST", "/api/v1/login", headers, {"user": name, "password": password})
            if a.status != 200:
                raise RuntimeError(f"{name} cannot log in: {a} {a.body!r}")
            self.taken(a)

    def taken(self, answer):
        """What an answer of a log-in gives."""
        self.cookie = answer.header("Set-Cookie").split(";")[0]
        self.csrf = answer.json["csrf"]
        self.rig.server.secret(f"the session {len(self.rig.server.secrets)} of {self.name}", self.cookie.split("=", 1)[1])
        return self

    def headers(self, method):
        if self.token:
            return [("Authorization", f"Bearer {self.token}")]
        own = [("Cookie", self.cookie)] if self.cookie else []
        return own + ([("X-CSRF-Token", self.csrf)] if self.cookie and method not in ("GET", "HEAD") else [])

    def ask(self, method, target, body=None, headers=()):
        return ask(self.rig, method, target, [*self.headers(method), *headers], body)

    def get(self, target, **parameters):
        return self.ask("GET", query(target, **parameters) if parameters else target)

    def must(self, method, target, body=None):
        """For what is no attack: anything but success is an error of the test."""
        a = self.ask(method, target, body)
        if a.status not in (200, 201, 204):
            raise RuntimeError(f"{method} {target}: {a} {a.body[:300]!r}")
        return a.json if a.body else None
