# SPDX-License-Identifier: Apache-2.0
"""One run: starts QEMU, relays the command's output, tells apart how it ended."""

import contextlib
import ctypes
import dataclasses
import fcntl
import os
import pathlib
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty

from . import guest, kernels, qemu
from .common import (EXIT_CRASH, EXIT_TIMEOUT, EXIT_TOOL, BenchError, cache_directory, say, tool)

CONSOLE_LOGS_KEPT = 40
CONSOLE_TAIL = 40    # lines shown of a console without a crash
CONSOLE_CRASH = 100  # from its first sign on
PIECE = 32 << 10
ESCAPE = b"\x1d"  # Ctrl-]
INTERRUPT = b"\x03"
PR_SET_PDEATHSIG = 1
CRASH_SIGNS = (b"Kernel panic", b"BUG: ", b"Oops: ", b"general protection fault")


@dataclasses.dataclass
class Request:
    command: list
    kernel: str = "6.1"
    root: str = "plain"
    lsm: str = ""
    memory: int = 1024
    timeout: float = 300
    cpus: int = 1
    append: str = ""
    icount: bool = False
    kvm: "bool | None" = None  # None: when it works here, and nothing is counted
    tty: bool = False
    build: str = ""
    out: str = ""
    shares: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    window: tuple = (24, 80)
    forwards: list = dataclasses.field(default_factory=list)  # (port of this machine, port of the guest)
    boot_time: bool = False


class Outcome(Exception):
    """How a run ended: a status for the caller and what to say."""

    def __init__(self, status, text="", tail=False):
        super().__init__(text)
        self.status = status
        self.text = text
        self.tail = tail


def run(request):
    """Runs the request's command in a new guest; returns the exit status to pass on."""
    kernel = kernels.get(request.kernel)
    program = qemu.get()
    with Session(request, kernel, program) as session:
        try:
            session.relay()
        except Outcome as outcome:
            session.stop()
            if outcome.text:
                say(outcome.text)
            if outcome.tail:
                session.show_console()
            return outcome.status
    raise AssertionError("a relay ends with an outcome")


def command_line(request, kernel, program, images, port, console, initrd):
    """The whole QEMU command line of a run."""
    # no_timer_check: while it boots the kernel waits a few ticks for its timer, and panics without them. Where this machine is
    # busy an emulated processor may stand still for as long. Under KVM kernels leave that check out by themselves.
    kernel_line = ["console=ttyS0", "panic=-1", "oops=panic", "no_timer_check", "loglevel=5", "rdinit=/init"]
    accel, cpu = ["-accel", "tcg"], "max"
    if request.icount:
        # Repeatable counts: one thread, virtual time by instructions, no string instructions that
        # count as one, nothing that the kernel does per page or per entry for safety.
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
        cpu = "max,-erms,-fsrm"
        kernel_line += ["init_on_alloc=0", "mitigations=off"]
    elif request.kvm is not False:
        if qemu.kvm_works(program, kernel.image):
            accel = ["-accel", "kvm"]
        elif request.kvm:
            raise BenchError(f"KVM does not work here (no access to {qemu.KVM_DEVICE}, or a guest hangs). "
                             "Leave out --kvm.")
    if request.lsm:
        kernel_line.append(f"lsm={request.lsm}")
    if request.append:
        kernel_line.append(request.append)
    drives = []
    for name, path, how in images:
        drives += ["-drive", f"if=none,id={name},file={path},format=raw,{how}",
                   "-device", f"virtio-blk-pci,drive={name}"]
    network = []
    if request.forwards:
        # The guest reaches nobody; who is on this machine reaches these ports.
        ports = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-10.0.2.15:{theirs}"
                        for ours, theirs in request.forwards)
        network = ["-netdev", f"user,id=net,restrict=on{ports}",
                   "-device", "virtio-net-pci,netdev=net,romfile="]
    return [
        *program.command(), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-name", f"safeguard-{kernel.release}", "-machine", "pc", *accel, "-cpu", cpu,
        "-smp", str(request.cpus), "-m", str(request.memory),
        "-kernel", str(kernel.image), "-initrd", initrd, "-append", " ".join(kernel_line),
        "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
        "-device", "virtio-serial-pci,max_ports=2", "-chardev", f"socket,id=port,fd={port}",
        "-device", "virtserialport,chardev=port,nr=1,name=safeguard",
        *drives, *network, "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
    ]


def _die_with_parent():
    """In the child: no QEMU outlives the bench, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Session:
    """A started QEMU with everything that has to be undone at the end."""

    def __init__(self, request, kernel, program):
        self.request = request
        self.kernel = kernel
        self.program = program
        self.started = None
        self.archive = None
        self.pending = b""
        self.escapes = 0
        self.process = self.work = self.scratch = self.console = self.socket = self.messages = None
        self.begin = 0.0
        self.cleanup = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.work = pathlib.Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix="safeguard-vm-")))
            # QEMU's own, where it would make it: it takes the name away, but not when it ends in between.
            self.scratch = stack.enter_context(tempfile.TemporaryDirectory(
                prefix="safeguard-vm-", dir=os.environ.get("TMPDIR") or "/var/tmp"))
            self.console = self._console_log()
            self._launch()
            stack.callback(self.stop)
            if self.request.tty:
                self._take_terminal(stack)
            self.cleanup = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.cleanup.close()

    # -- Starting ---------------------------------------------------------------------------

    def _console_log(self):
        logs = cache_directory() / "console"
        logs.mkdir(exist_ok=True)
        for old in sorted(logs.glob("*.log"))[:-CONSOLE_LOGS_KEPT]:
            old.unlink(missing_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return logs / f"{stamp}-{self.request.kernel.replace('/', '_')}-{os.getpid()}.log"

    def _launch(self):
        initrd = self.work / "initrd"
        with open(initrd, "wb") as stream:
            with open(guest.boot_archive(self.kernel, self.request.icount, self.request.root,
                                         bool(self.request.forwards)), "rb") as boot:
                shutil.copyfileobj(boot, stream)
            guest.run_archive(stream, self.request, self.request.icount)
        self.socket, theirs = socket.socketpair()
        # What a guest writes to its root goes to a nameless file that ends with it.
        images = (("root", guest.root_image(self.request.root), "snapshot=on,cache=unsafe"),
                  ("modules", self.kernel.modules_image, "readonly=on"))
        command = command_line(self.request, self.kernel, self.program, images, theirs.fileno(),
                               self.console, str(initrd))
        self.messages = open(self.work / "qemu.log", "w+b")  # pylint: disable=consider-using-with
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.messages, stderr=self.messages,
            pass_fds=[theirs.fileno()], start_new_session=True, preexec_fn=_die_with_parent,
            env={**os.environ, "TMPDIR": self.scratch},
        )
        theirs.close()
        self.socket.setblocking(False)

    def _take_terminal(self, stack):
        saved = termios.tcgetattr(0)

        @stack.callback
        def _give_back():
            with contextlib.suppress(termios.error):  # it may be gone
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
        tty.setraw(0, termios.TCSADRAIN)

    def stop(self):
        """Ends QEMU, only the one that this session started."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        if self.archive:
            self.archive.stdin.close()
            self.archive.wait()
            self.archive = None

    # -- Relaying ---------------------------------------------------------------------------

    def relay(self):
        """Passes output and input on until the run is over; ends with an Outcome."""
        deadline = self.begin + self.request.timeout if self.request.timeout else None
        selector = selectors.DefaultSelector()
        selector.register(self.socket, selectors.EVENT_READ, self._receive)
        pidfd = os.pidfd_open(self.process.pid)
        selector.register(pidfd, selectors.EVENT_READ, self._ended)
        if self.request.tty:
            selector.register(0, selectors.EVENT_READ, self._type)
            signal.signal(signal.SIGWINCH, lambda *_: self._send_window())
        try:
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._time_out()
                # What the guest said before it ended comes first.
                ready = sorted(selector.select(left), key=lambda r: r[0].fileobj == pidfd)
                for key, _ in ready:
                    key.data()
        finally:
            selector.close()
            os.close(pidfd)

    def _type(self):
        data = b""
        with contextlib.suppress(OSError):
            data = os.read(0, 4096)
        # The terminal is gone, and nobody may have sent a signal about that to this process.
        if not data:
            raise Outcome(128 + signal.SIGHUP)
        # Before there is anybody in the guest whom it could be for.
        if self.started is None and INTERRUPT in data:
            raise Outcome(128 + signal.SIGINT)
        self.escapes = self.escapes + len(data) if data.strip(ESCAPE) == b"" else 0
        if self.escapes >= 3:
            raise Outcome(128 + signal.SIGINT, "ended by Ctrl-]")
        self._send(b"i", data)

    def _send_window(self):
        rows, columns = window_size()
        self._send(b"w", struct.pack("<HH", rows, columns))

    def _send(self, kind, data):
        self.socket.setblocking(True)
        try:
            self.socket.sendall(kind + struct.pack("<I", len(data)) + data)
        except OSError:
            pass  # QEMU is gone; the end of its process tells how
        finally:
            self.socket.setblocking(False)

    def _receive(self):
        try:
            data = self.socket.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):
            return
        if not data:
            self._ended()
        self.pending += data
        at = 0
        while len(self.pending) - at >= 5:
            kind, size = struct.unpack_from("<cI", self.pending, at)
            if size > PIECE:
                raise BenchError("the guest sent what is no frame; did the command write to "
                                 "/dev/vport0p1?")
            if len(self.pending) - at < 5 + size:
                break
            self._handle(kind, self.pending[at + 5:at + 5 + size])
            at += 5 + size
        self.pending = self.pending[at:]

    def _handle(self, kind, data):
        if kind == b"s":
            self.started = time.monotonic() - self.begin
            if self.request.boot_time:
                say(f"{self.kernel.release}: {self.started:.2f} s from start to command")
        elif kind in b"oe":
            write_all(1 if kind == b"o" else 2, data)
        elif kind == b"t":
            self._unpack(data)
        elif kind == b"f":
            raise Outcome(EXIT_TOOL, data.decode(errors="replace").strip(), tail=True)
        elif kind == b"x":
            self._finish(struct.unpack("<I", data)[0])

    def _unpack(self, data):
        if not self.archive:
            os.makedirs(self.request.out, exist_ok=True)
            self.archive = subprocess.Popen(
                [tool("tar"), "-C", self.request.out, "-xf", "-", "--no-same-owner"],
                stdin=subprocess.PIPE)
        self.archive.stdin.write(data)

    # -- Ending -----------------------------------------------------------------------------

    def _finish(self, wait_status):
        if self.archive:
            self.archive.stdin.close()
            status, self.archive = self.archive.wait(), None
            if status != 0:
                raise Outcome(EXIT_TOOL, f"cannot unpack the guest's /out into {self.request.out}")
        status = os.waitstatus_to_exitcode(wait_status)
        if status < 0:
            say(f"the command was ended by signal {-status} ({signal.strsignal(-status)})")
            status = 128 - status
        if status in (EXIT_TIMEOUT, EXIT_TOOL, EXIT_CRASH):
            say(f"the command's own status was {status}, which has another meaning here; "
                "passing on 123")
            status = 123
        raise Outcome(status)

    def _time_out(self):
        where = "the command was running" if self.started else "the guest was still starting"
        raise Outcome(EXIT_TIMEOUT,
                      f"time-out: {self.request.timeout:g} s are over and {where}. Give it more "
                      f"with --timeout S. Console: {self.console}", tail=not self.started)

    def _ended(self):
        """QEMU ended, or closed the port, without the command's status."""
        code = self.process.wait()
        console = self.console.read_bytes() if self.console.exists() else b""
        if any(sign in console for sign in CRASH_SIGNS):
            raise Outcome(EXIT_CRASH, "the guest's kernel crashed", tail=True)
        if self.started:
            raise Outcome(EXIT_CRASH, f"the guest ended before its command did (QEMU's status "
                          f"{code}): it was switched off or restarted", tail=True)
        self.messages.seek(0)
        said = self.messages.read().decode(errors="replace").strip() or "nothing"
        if not console:
            said += ". The kernel said nothing either: is --memory too small?"
        raise Outcome(EXIT_TOOL, f"the VM could not start (QEMU's status {code}). QEMU said: "
                      f"{said}", tail=True)

    def show_console(self):
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        lines = text.splitlines()
        crash = [i for i, line in enumerate(lines) if any(s.decode() in line for s in CRASH_SIGNS)]
        if crash:
            lines = lines[crash[0]:][:CONSOLE_CRASH]
        else:
            lines = lines[-CONSOLE_TAIL:]
        say(f"the end of the guest's console ({self.console}):")
        for line in lines:
            print("  | " + line.rstrip(), file=sys.stderr)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:
            selectors_wait(fd)


def selectors_wait(fd):
    """Waits until a descriptor that somebody else made non-blocking takes more."""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_WRITE)
        selector.select()


def window_size():
    """Rows and columns of the terminal on standard input."""
    packed = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    rows, columns = struct.unpack_from("HH", packed)
    return rows or 24, columns or 80
