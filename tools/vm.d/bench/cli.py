# SPDX-License-Identifier: Apache-2.0
"""The command line of tools/vm."""

import argparse
import os
import pathlib
import signal
import sys

from . import guest, kernels, machine, packages, qemu
from .common import (EXIT_TOOL, REPOSITORY, BenchError, cache_directory, published, run, say,
                     workspace)

EXIT_STATUS = """
exit status of `run`:
  0-123, 127-255  the command's own (127: no such command, 128+N: ended by signal N)
  124             time-out
  125             the VM could not start, or an error of this tool
  126             the guest's kernel crashed, or the guest was switched off
"""


def main(arguments):
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    arguments, command = _split(arguments)
    try:
        options = parser().parse_args(arguments)
        if command is not None and options.action is not _run:
            raise BenchError("only `run` takes a command after `--`.")
        options.command = command
        return options.action(options) or 0
    except BenchError as e:
        say(e)
        return EXIT_TOOL
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except OSError as e:
        say(f"{e.filename or 'the machine'}: {e.strerror}")
        return EXIT_TOOL
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


class Parser(argparse.ArgumentParser):
    """Wrong usage has the status of other errors of this tool: 2 could be the command's own."""

    def error(self, message):
        raise BenchError(f"{message}. See {self.prog} --help")


def _split(arguments):
    """What comes after the first `--` is the guest's command, word for word."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1:]


def _terminated(number, _):
    sys.exit(128 + number)


def parser():
    top = Parser(
        prog="tools/vm", description="Runs a command in a VM with a stock Debian kernel.",
        epilog=EXIT_STATUS + f"\ncache: {cache_directory()} (SAFEGUARD_VM_CACHE chooses another)",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    p = _command(commands, "run", _run, "run a command in a guest, as root")
    _machine_options(p, timeout=300)
    p.add_argument("--out", metavar="DIR", default="",
                   help="copy what the command leaves in the guest's /out to DIR")
    p.add_argument("--tty", action="store_true",
                   help="the command has this terminal, for a person; its Ctrl-C goes to the guest")
    p.usage = "tools/vm run [OPTION …] -- COMMAND [ARGUMENT …]"

    p = _command(commands, "shell", _shell, "an interactive shell in a guest")
    _machine_options(p, timeout=0)

    _command(commands, "list", _list, "the kernels, what they are and whether they are here")

    p = _command(commands, "fetch", _fetch, "download and prepare everything beforehand")
    p.add_argument("kernels", nargs="*", metavar="KERNEL", help="default: all of `list`")

    for name, action, help_text in (
            ("kernel-config", _kernel_config, "print the build configuration of a kernel"),
            ("vmlinux-btf", _vmlinux_btf, "write a kernel's raw BTF"),
            ("vmlinux-h", _vmlinux_h, "write vmlinux.h of a kernel")):
        p = _command(commands, name, action, help_text)
        p.add_argument("kernel", metavar="KERNEL")
        p.add_argument("out", metavar="OUT", nargs="?", default="-",
                       help="default: standard output")

    p = _command(commands, "source", _source, "unpack a directory of the source of a package of the root")
    p.add_argument("package", metavar="PACKAGE")
    p.add_argument("part", metavar="PART", help="below the top of upstream's archive, such as tests")
    p.add_argument("out", metavar="OUT", help="becomes a directory with what PART has")
    return top


def _command(commands, name, action, help_text):
    p = commands.add_parser(name, help=help_text, description=help_text, epilog=EXIT_STATUS,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    p.set_defaults(action=action)
    return p


def _machine_options(p, timeout):
    p.add_argument("--kernel", default="6.1", metavar="NAME", help="see `list` (default: 6.1)")
    p.add_argument("--root", default="plain", choices=guest.ROOTS,
                   help="systemd: with systemd as init; the command is started after "
                   "multi-user.target; accounts: likewise, with programs that change credentials; build: "
                   "plain, with a compiler; names: plain, with servers of domain names; network: names, with a web server, sshd and iperf3 "
                   "(default: plain, without an init system)")
    p.add_argument("--lsm", default="", metavar="LIST",
                   help="lsm= of the kernel's command line (default: the kernel's own list)")
    p.add_argument("--memory", type=int, default=1024, metavar="MB", help="default: 1024")
    p.add_argument("--timeout", type=float, default=timeout, metavar="S",
                   help=f"seconds from the start of the VM; 0: none (default: {timeout})")
    p.add_argument("--cpus", type=int, default=1, metavar="N", help="default: 1")
    p.add_argument("--append", default="", metavar="'K=V …'",
                   help="more words for the kernel's command line, such as preempt=full")
    p.add_argument("--icount", action="store_true",
                   help="count instructions: repeatable virtual time, root on a RAM disk")
    accelerator = p.add_mutually_exclusive_group()
    accelerator.add_argument("--kvm", action="store_true", default=None, dest="kvm",
                             help="only under KVM (default: when a kernel comes up under it here, which "
                             "is tried once after each start of this machine; never with --icount)")
    accelerator.add_argument("--tcg", action="store_false", dest="kvm",
                             help="only under TCG, QEMU's translation of instructions")
    p.add_argument("--build", metavar="DIR", default=None,
                   help="build directory whose programs go along (default: build/ if it is "
                   "there; '': none)")
    p.add_argument("--share", action="append", default=[], metavar="SRC[:NAME]",
                   help="copy a file or directory to /opt/safeguard/share/NAME of the guest")
    p.add_argument("--env", action="append", default=[], metavar="K=V",
                   help="set a variable in the command's environment")
    p.add_argument("--forward", action="append", default=[], metavar="PORT[:GUEST]",
                   help="a TCP port of this machine's loopback that leads to the guest's eth0 (10.0.2.15)")
    p.add_argument("--boot-time", action="store_true", help="say how long the guest took to start")


def _request(options, command, tty):
    if options.icount and (options.cpus != 1 or options.kvm):
        raise BenchError("--icount counts on one CPU under TCG; leave out --cpus and --kvm.")
    return machine.Request(
        command=command, kernel=options.kernel, root=options.root, lsm=options.lsm, memory=options.memory,
        timeout=options.timeout, cpus=options.cpus, append=options.append, icount=options.icount,
        kvm=options.kvm, tty=tty, build=_build(options.build), out=getattr(options, "out", ""),
        shares=[_share(text) for text in options.share],
        environment=dict(_variable(text) for text in options.env),
        window=machine.window_size() if tty else (24, 80), boot_time=options.boot_time,
        forwards=[_ports(text) for text in options.forward])


def _build(chosen):
    if chosen is None:
        default = REPOSITORY / "build"
        return str(default) if default.is_dir() else ""
    if chosen == "":
        return ""
    if not os.path.isdir(chosen):
        raise BenchError(f"--build {chosen}: there is no such directory. Build first.")
    return chosen


def _share(text):
    source, _, name = text.partition(":")
    if not os.path.lexists(source):
        raise BenchError(f"--share {text}: there is no {source}.")
    name = name or pathlib.Path(source).resolve().name
    if name.startswith("/") or ".." in name.split("/"):
        raise BenchError(f"--share {text}: NAME is a relative path below /opt/safeguard/share.")
    return os.path.realpath(source), name


def _ports(text):
    ours, _, theirs = text.partition(":")
    for port in (ours, theirs or ours):
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise BenchError(f"--forward {text}: expected PORT or PORT:GUEST, ports from 1 to 65535.")
    return int(ours), int(theirs or ours)


def _variable(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BenchError(f"--env {text}: expected NAME=VALUE.")
    return name, value


def _run(options):
    if not options.command:
        raise BenchError("no command was given. Usage: tools/vm run [OPTION …] -- COMMAND …")
    if options.tty:
        _needs_terminal("--tty")
    return machine.run(_request(options, options.command, tty=options.tty))


def _needs_terminal(what):
    if not (os.isatty(0) and os.isatty(1)):
        raise BenchError(f"{what} needs a terminal. For scripts there is `run -- COMMAND`.")


def _shell(options):
    _needs_terminal("`shell`")
    say("a root shell in the guest; exit ends it, and so does Ctrl-] three times")
    return machine.run(_request(options, ["/bin/bash"], tty=True))


def _list(_):
    form = "{:8} {:28} {:16} {:12} {:5} {:20} {}"
    print(form.format("NAME", "RELEASE", "VERSION", "FLAVOUR", "HERE", "PREEMPTION", "LSM"))
    for name, _, suites in kernels.rows():
        kernel = kernels.cached(name)
        if not kernel:
            print(form.format(name, f"(of {suites[0]})", "?", "?", "no", "?", "?"))
            continue
        info = kernel.info
        for alias in dict.fromkeys((name, kernel.series)):
            print(form.format(alias, info["release"], info["version"], info["flavour"], "yes",
                              info["preempt"], info["lsm"]))


def _fetch(options):
    qemu.fetch()
    # Others are made when they are first used: few need them.
    for root in ("plain", "systemd"):
        guest.root_image(root)
    for name in options.kernels or [row[0] for row in kernels.rows()]:
        kernel = kernels.fetch(name, max_age=3600)
        for memory_root in (False, True):
            guest.boot_archive(kernel, memory_root)
        kernel.btf()
        _learn(kernel)
        say(f"{name}: {kernel.release} is here and starts")


def _learn(kernel):
    """Starts the kernel once and keeps what it says about itself, for `list`."""
    if "lsm_active" in kernel.info:
        return
    read_lsm = ["run", "--build=", "--kernel", kernel.release, "--", "cat",
                "/sys/kernel/security/lsm"]
    active = run([sys.executable, str(REPOSITORY / "tools/vm"), *read_lsm],
                 f"start {kernel.release} to see what it has").decode().strip()
    kernel.learn(lsm=active, lsm_active=True)


def _kernel_config(options):
    kernel = kernels.get(options.kernel)
    _write(options.out, (kernel.home / "config").read_bytes())


def _vmlinux_btf(options):
    _write(options.out, kernels.get(options.kernel).btf().read_bytes())


def _vmlinux_h(options):
    btf = kernels.get(options.kernel).btf()
    _write(options.out, run(["bpftool", "btf", "dump", "file", btf, "format", "c"],
                            f"turn the BTF of {options.kernel} into C"))


def _source(options):
    suites = packages.Suites(*guest.ROOT_SUITES, source=True)
    suites.update()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with workspace() as work:
        for archive in suites.download_source(options.package, work):
            run(["tar", "-x", "-C", out, "--strip-components=2", "--wildcards", "-f", archive, f"*/{options.part}"],
                f"unpack {options.part} of {archive.name}")


def _write(out, data):
    if out == "-":
        machine.write_all(1, data)
        return
    with published(out) as draft:
        draft.write_bytes(data)
