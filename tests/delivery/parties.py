# SPDX-License-Identifier: Apache-2.0
"""A server and hosts that report to it: the programs themselves, in a directory of this test's own."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
SERVER = BUILD / "src/server/safeguard-server"
CLI = BUILD / "src/cli/safeguard"
PRODUCER = BUILD / "tests/delivery/sg-producer"
AT_ONCE = 100  # as in producer.c
PATIENCE = 120       # seconds for one thing to happen
PATIENCE_ALL = 600   # for all that waits to be sent
PASSWORD = "correct horse battery\n"
BIG = 1 << 30
ESTABLISHED = "01"  # in /proc/net/tcp


class Stuck(RuntimeError):
    """What was waited for does not come."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def await_true(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Stuck(f"{what}: not within {patience} s")
        time.sleep(0.03)


def fill_disk(path):
    """To the last byte, with what is in it already. Nothing may be left in a buffer: closing such a file would fail, too."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while True:
            os.write(fd, bytes(1 << 16))
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
    finally:
        os.close(fd)


class Server:
    def __init__(self, place, link):
        self.place = pathlib.Path(place)
        self.disk = self.place / "disk"
        self.log = self.place / "server.log"
        self.link = link
        self.port = free_port()
        link.serve(self.port)
        self.process = None
        self.token = self.ca = None
        self.taken = AT_ONCE  # numbers that hosts were given; none of them has 0

    def _base(self):
        return [str(SERVER), "--data-dir", str(self.disk / "data"), "--run-dir", str(self.place / "run")]

    def launch(self):
        """Where its log goes on from."""
        at = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [*self._base(), "--address", self.link.server_address, "--port", str(self.port), "--names",
                 f"127.0.0.1,{self.link.address}", "--url", f"https://{self.link.address}:{self.link.port}"],
                stdout=out, stderr=out, preexec_fn=die_with_parent)
        return at

    def start(self):
        at = self.launch()
        await_true("the server starts", lambda: self.said("ready at", at) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise Stuck(f"the server does not start:\n{self.log.read_text()[-2000:]}")

    def revive(self, at):
        """After launch(): until it is ready, launched again whenever it ends, as an init does."""
        def ready():
            if self.process.poll() is not None:
                self.launch()
            return self.said("ready at", at)
        await_true("the server starts again", ready)

    def said(self, text, at=0):
        return text.encode() in self.log.read_bytes()[at:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def command(self, *words, text=None):
        return subprocess.run([*self._base(), *words], input=text, text=True, check=True,
                              capture_output=True).stdout

    def log_in(self):
        """A user who may read records and how the server is, by what people type."""
        self.command("user", "add", "ann", "--role", "viewer", "--role", "auditor", text=PASSWORD)
        first = self.command("ca", "show").split("\n")[0]
        config = self.place / "config"
        subprocess.run([CLI, "login", f"127.0.0.1:{self.port}", "--user", "ann", "--password-stdin", "--fingerprint",
                        first.split()[-1]], input=PASSWORD, text=True, check=True, capture_output=True,
                       env={**os.environ, "XDG_CONFIG_HOME": str(config)})
        kept = json.loads((config / "safeguard/servers.json").read_text())
        entry = kept["servers"][kept["last"]]
        self.token, self.ca = entry["token"], entry["ca"]

    def ask(self, path):
        context = ssl.create_default_context(cadata=self.ca)
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/api/v1/{path}",
                                         headers={"Authorization": f"Bearer {self.token}"})
        return urllib.request.urlopen(request, context=context)

    def ingested(self):
        """What it has counted since it was started."""
        with self.ask("server") as answer:
            return json.load(answer)["ingest"]


class Host:
    """One that makes so many records, with numbers that no other has."""

    def __init__(self, server, name, records, disk="."):
        self.place = server.place / disk / name
        self.server = server
        self.process = None
        self.unsure = set()  # numbers that it was at when it was killed
        self.token = server.command("token", "create").strip()
        # The producer does not give those again that it may have been at.
        self.first = server.taken + AT_ONCE
        self.end = self.first + records // AT_ONCE * AT_ONCE
        self.place.mkdir()
        (self.place / "accepted").write_bytes(struct.pack("=QQQQ", server.taken, 0, 0, 0))
        server.taken = self.end

    def _enter(self):
        die_with_parent()
        self.server.link.enter_host()

    def start(self, per_second, spool_bytes=BIG, records=None):
        """As far as `records`; None: all."""
        end = self.end if records is None else self.first + records
        self.process = subprocess.Popen(
            [PRODUCER, self.place, self.token, str(end), str(per_second), str(spool_bytes)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=self._enter)

    def made(self):
        return max(0, self._shared(0) - self.first)

    def unanswered(self):
        """Records since it was started whose answers were lost, as it knows."""
        return self._shared(3)

    def _shared(self, nth):
        return struct.unpack_from("=Q", (self.place / "accepted").read_bytes(), 8 * nth)[0]

    @contextlib.contextmanager
    def held(self, more):
        """Not more than so many are made meanwhile, however long that takes."""
        self._hold(self.first + self.made() + more)
        try:
            yield
        finally:
            self._hold(0)

    def _hold(self, until):
        with open(self.place / "accepted", "r+b", buffering=0) as f:
            os.pwrite(f.fileno(), struct.pack("=Q", until), 8)

    def numbers(self):
        return range(self.first, self.end)

    def ended(self):
        return self.process.poll() is not None

    def await_made(self, n):
        n = min(n, self.end - self.first)
        await_true(f"the host makes {n} records", lambda: self.made() >= n or self.ended(), PATIENCE_ALL)
        if self.made() < n:
            raise Stuck(f"the host stands at {self.made()}: {self.process.communicate()[0]}")

    def _connections(self):
        """Local ports of those to the server that it takes for whole."""
        if self.ended():
            return set()
        rows = pathlib.Path(f"/proc/{self.process.pid}/net/tcp").read_text().split("\n")[1:-1]
        port = f":{self.server.link.port:04X}"
        return {words[1] for words in map(str.split, rows) if words[2].endswith(port) and words[3] == ESTABLISHED}

    def connected(self):
        """Its connections, once it has some; of a host that has ended none."""
        found = set()
        await_true("the host connects", lambda: found.update(self._connections()) or found or self.ended())
        return found

    def given_up(self, before):
        """Whether it has left one of these connections."""
        return bool(before - self._connections()) or self.ended()

    def kill(self):
        self.process.kill()
        self.process.communicate()
        at = self.first + self.made()
        self.unsure |= set(range(at, at + AT_ONCE)) & set(self.numbers())

    def finish(self):
        """What the spool and the link counted, once everything is sent."""
        said = self.process.communicate(timeout=PATIENCE_ALL)[0]
        words = said.split()
        if self.process.returncode != 0 or len(words) % 2:
            raise Stuck(f"the host ended with {self.process.returncode}: {said}")
        return dict(zip(words[::2], map(int, words[1::2])))

    def stored(self):
        """How often the server has each number of this host."""
        agent = json.loads((self.place / "identity.json").read_text())["agent_id"]
        found = {}
        with self.server.ask(f"events/export?from=-1d&host={agent}") as lines:
            for line in lines:
                n = json.loads(line)["unmapped"]["number"]
                found[n] = found.get(n, 0) + 1
        return found
