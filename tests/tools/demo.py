# SPDX-License-Identifier: Apache-2.0
"""`make run` at a terminal, in a VM: what it shows, and that Ctrl-C leaves nothing behind."""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import termios
import time

PATIENCE = 400  # with a machine that does other things, too; alone it takes a tenth
CTRL_C = "\x03"
PROMPT = r"\[safeguard\] /srv # "


class Failed(Exception):
    pass


def free_port():
    """Of its own for each case: they run beside one another."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Terminal:
    """A command that believes that a person sits before it."""

    def __init__(self, command, work, **variables):
        self.text = ""
        self.deadline = time.monotonic() + PATIENCE
        self.work = work
        self.status = None
        environment = {**os.environ, "TMPDIR": work, "TERM": "xterm", "NO_COLOR": "1", "WHERE": "vm",
                       "PORT": str(free_port()), **variables}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    def _read(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Failed(f"{PATIENCE} s are over; it said:\n{self.text[-3000:]}")
        if not select.select([self.fd], [], [], left)[0]:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:  # nobody has the terminal open any more
            piece = b""
        self.text += piece.decode(errors="replace").replace("\r", "")
        return bool(piece)

    def expect(self, *patterns, after=0):
        """Waits until all of them have been said."""
        while not all(re.search(p, self.text[after:]) for p in patterns):
            if not self._read():
                raise Failed(f"it ended without {patterns}; it said:\n{self.text[-3000:]}")

    def type(self, text):
        """Returns where what it brings about begins."""
        at = len(self.text)
        os.write(self.fd, text.encode())
        return at

    def insist(self, text, every=5):
        """Types it again and again until the command ends. A shell that has shown its prompt does not read yet: what is
        pressed in this moment waits for the next key."""
        while self.deadline > time.monotonic():
            self.type(text)
            end = time.monotonic() + every
            while (left := end - time.monotonic()) > 0:
                if select.select([self.fd], [], [], left)[0] and not self._read():
                    return

    def hang_up(self):
        """As when the window is closed. Waits until everything that was started has ended."""
        os.close(self.fd)
        self.fd = -1
        self._take_status()

    def await_end(self):
        while self._read():
            pass
        self._take_status()

    def _take_status(self):
        process = os.pidfd_open(self.pid)
        ended = select.select([process], [], [], max(0, self.deadline - time.monotonic()))[0]
        os.close(process)
        if not ended:
            raise Failed(f"it does not end; it said:\n{self.text[-3000:]}")
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def guests(self):
        """Command lines of QEMU that have a file in the directory of this case."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"-initrd {self.work}/" in line:
                found.append(line)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever is still there after a failure goes with its terminal."""
        if self.fd >= 0:
            os.close(self.fd)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def leftovers(self):
        return self.guests() + sorted(os.listdir(self.work))


def _ends(results, name, terminal, status):
    terminal.await_end()
    results.check(f"{name} ends it with {status}", terminal.status == status,
                  f"it was {terminal.status}\n{terminal.text[-1500:]}")
    left = terminal.leftovers()
    results.check(f"no QEMU and no file is left after {name}", not left, left)


def shell(results, work):
    with Terminal(["make", "--no-print-directory", "run", "SCENE=none"], work) as t:
        t.expect(PROMPT)
        results.check("without a scene: the agent is started and a shell opens",
                      "In a VM" not in t.text and "it proves every hook" in t.text, t.text)
        at = t.type("cat vault/secret\n")
        t.expect(r"cat: vault/secret: Operation not permitted",
                 r"DENIED +root cat\[\d+\] ← bash +read /srv/vault/secret", after=at)
        results.check("what is denied is shown as it happens", True)
        at = t.type("echo hello >notes/today\n")
        t.expect(r"audit +root bash\[\d+\].* write /srv/notes/today", after=at)
        results.check("what is audited is shown as it happens", True)
        # What is typed before the shell has given the terminal back can lie there until the next line.
        at = t.type("echo started; cat\n")
        t.expect(r"\nstarted\n", after=at)
        at = t.type("echoed\n")
        t.expect(r"echoed\n(.*\n)*echoed\n", after=at)
        at = t.type(CTRL_C)
        t.expect(PROMPT, after=at)
        results.check("Ctrl-C ends a command and not the shell", True)
        t.insist(CTRL_C)
        _ends(results, "Ctrl-C at the prompt", t, 0)


def scene(results, work):
    with Terminal(["tools/run"], work) as t:
        t.expect(r"# by its name\n", r"DENIED +root cat\[\d+\] ← bash +read /srv/vault/secret")
        results.check("the scene plays", True)
        t.type(CTRL_C)
        _ends(results, "Ctrl-C in the scene", t, 130)


def early(results, work):
    with Terminal(["tools/run", "none"], work) as t:
        t.expect("The policy is put in force in a VM")
        while not t.guests():
            if time.monotonic() > t.deadline:
                raise Failed(f"no guest starts; it said:\n{t.text}")
            select.select([], [], [], 0.05)
        t.type(CTRL_C)
        _ends(results, "Ctrl-C before the guest has started", t, 130)


def starting(results, work):
    with Terminal(["tools/run", "none"], work) as t:
        t.expect("it proves every hook")
        t.type(CTRL_C)
        _ends(results, "Ctrl-C while the agent starts", t, 130)


def hang_up(results, work):
    with Terminal(["make", "--no-print-directory", "run", "SCENE=none"], work) as t:
        t.expect("it proves every hook")
        t.hang_up()
        left = t.leftovers()
        results.check("no QEMU and no file is left when the terminal is closed", not left, left)


CASES = [shell, scene, early, starting, hang_up]
