# SPDX-License-Identifier: Apache-2.0
"""What a guest boots from: the root image, the init, the initramfs of a kernel and of a run."""

import os
import pathlib
import re
import stat
import subprocess

from . import kernels, packages
from .common import (OUTDATED_AGE, PARTS, BenchError, cache_directory, digest, locked, prune,
                     published, read_list, run, say, tool, workspace)

ROOT_SUITES = ("bookworm", "bookworm-security")
SPARE_MB = 1024
# What each is made of, by the endings of root-packages. Those with systemd have it as init.
ROOTS = {"plain": (), "build": ("build",), "names": ("names",), "network": ("names", "network"), "systemd": ("systemd",), "accounts": ("systemd", "accounts")}
LIBRARIES = "usr/lib/x86_64-linux-gnu"

# Where the project's programs are in a build directory; everything executable there goes along.
PROGRAM_PLACES = ("", "src", "tests/vm", "tests/bench", "tools")


# -- The root image ---------------------------------------------------------------------------

def _root_packages(root):
    return [PARTS / "root-packages", *(PARTS / f"root-packages.{more}" for more in ROOTS[root])]


def root_image(root="plain"):
    """Path of a root image; made from packages on first use."""
    recipe = PARTS / "make-root"
    lists = _root_packages(root)
    name = digest(*(part.read_bytes() for part in (*lists, recipe)), SPARE_MB)
    home = cache_directory() / "root" / name
    if home.exists():
        return home / "root.img"
    suites = packages.Suites(*ROOT_SUITES)
    suites.update()
    with locked("root"):
        if not home.exists():
            # Images of older recipes; a guest that still runs from one keeps its open file.
            prune(home.parent, "*", OUTDATED_AGE)
            _make_root(suites, recipe, lists, home)
    return home / "root.img"


def _make_root(suites, recipe, lists, home):
    wanted = [package for part in lists for package in read_list(part)]
    with published(home) as draft, workspace() as work:
        suites.download_closure(wanted, work / "debs", "the guest's root")
        say("making the guest's root image")
        draft.mkdir()
        fake = [] if os.geteuid() == 0 else ["fakeroot"]
        run([*fake, "bash", recipe, work / "debs", work / "tree", draft / "root.img", SPARE_MB],
            "make the guest's root image")
        names = sorted(p.name for p in (work / "tree" / LIBRARIES).iterdir())
        (draft / "libraries").write_text("\n".join(names) + "\n", encoding="utf-8")


# -- The init ---------------------------------------------------------------------------------

def init_program():
    """Path of the static init, compiled when its source has changed."""
    sources = sorted((PARTS / "guest").glob("*.[ch]"))
    home = cache_directory() / "init"
    path = home / digest(*(s.read_bytes() for s in sources))
    with locked("init"):
        if not path.exists():
            with published(path) as draft:
                run(["cc", "-D_GNU_SOURCE", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static",
                     "-o", draft, *(s for s in sources if s.suffix == ".c")],
                    "compile the guest's init")
    return path


# -- The initramfs ----------------------------------------------------------------------------

class Cpio:
    """An archive in the kernel's initramfs form ("newc"); all files belong to root."""

    def __init__(self, stream):
        self.stream = stream
        self.known = set()
        self.count = 0

    def _entry(self, name, mode, size, major=0, minor=0, mtime=0):
        encoded = os.fsencode(name) + b"\0"
        self.count += 1
        fields = (self.count, mode, 0, 0, 1, mtime, size, 0, 0, major, minor, len(encoded), 0)
        self.stream.write(b"070701" + b"".join(b"%08x" % field for field in fields))
        self.stream.write(encoded)
        self._pad()

    def _pad(self):
        self.stream.write(b"\0" * (-self.stream.tell() % 4))

    def directory(self, name, mode=0o755):
        if name and name not in self.known:
            self.directory(os.path.dirname(name))
            self.known.add(name)
            self._entry(name, stat.S_IFDIR | mode, 0)

    def data(self, name, content, mode=0o644, mtime=0):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, len(content), mtime=mtime)
        self.stream.write(content)
        self._pad()

    def symlink(self, name, target):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, len(os.fsencode(target)))
        self.stream.write(os.fsencode(target))
        self._pad()

    def device(self, name, major, minor):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, 0, major, minor)

    def tree(self, name, source):
        """A file or a directory of this machine with everything below; links stay links."""
        source = pathlib.Path(source)
        info = source.lstat()
        if stat.S_ISLNK(info.st_mode):
            self.symlink(name, os.readlink(source))
        elif stat.S_ISDIR(info.st_mode):
            self.directory(name, info.st_mode & 0o7777)
            for entry in sorted(source.iterdir()):
                self.tree(f"{name}/{entry.name}", entry)
        elif stat.S_ISREG(info.st_mode):
            self.data(name, source.read_bytes(), info.st_mode & 0o7777, int(info.st_mtime))

    def close(self):
        self._entry("TRAILER!!!", 0, 0)
        self.stream.write(b"\0" * (-self.stream.tell() % 512))


def boot_archive(kernel, memory_root, root="plain", network=False):
    """Path of the part of the initramfs that depends on the kernel only."""
    init = init_program()
    names = (kernels.BOOT_MODULES + (kernels.MEMORY_ROOT_MODULES if memory_root else ()) +
             (kernels.NETWORK_MODULES if network else ()))
    root_kb = root_image(root).stat().st_size // 1024
    parameters = {"brd": f"rd_nr=1 rd_size={root_kb}"}
    path = kernel.home / f"boot-{digest(init.name, names, root_kb)}.cpio"
    if path.exists():
        return path
    prune(kernel.home, "boot-*.cpio", OUTDATED_AGE)
    with published(path) as draft, open(draft, "wb") as stream:
        archive = Cpio(stream)
        archive.data("init", init.read_bytes(), 0o755)
        archive.device("dev/console", 5, 1)
        for place in ("proc", "sys", "root"):
            archive.directory(place)
        lines = []
        for module in kernel.boot_modules(names):
            stem = module.name.split(".ko")[0]
            archive.data(f"sg/{stem}.ko", _plain_module(module))
            lines.append(f"/sg/{stem}.ko {parameters.get(stem, '')}".strip())
        archive.data("sg/modules", "".join(f"{line}\n" for line in lines).encode())
        archive.close()
    return path


def _plain_module(path):
    program = {".xz": "xz", ".zst": "zstd", ".gz": "gzip"}.get(path.suffix)
    if not program:
        return path.read_bytes()
    return subprocess.run([tool(program), "-dc", path], check=True, capture_output=True).stdout


def run_archive(stream, request, memory_root):
    """Writes what belongs to one run: command, options, programs, shares."""
    archive = Cpio(stream)
    archive.data("sg/command", b"".join(os.fsencode(word) + b"\0" for word in request.command))
    environment = {
        "PATH": "/opt/safeguard/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash",
        "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb") if request.tty else "dumb",
        **request.environment,
    }
    archive.data("sg/environment",
                 b"".join(os.fsencode(f"{k}={v}") + b"\0" for k, v in environment.items()))
    options = {"tty": int(request.tty), "memory_root": int(memory_root),
               "collect": int(bool(request.out)), "systemd": int("systemd" in ROOTS[request.root]), "rows": request.window[0],
               "columns": request.window[1], "network": int(bool(request.forwards))}
    archive.data("sg/options", "".join(f"{k}={v}\n" for k, v in options.items()).encode())
    _add_programs(archive, request.build, request.root)
    for source, name in request.shares:
        archive.tree(f"payload/opt/safeguard/share/{name}", source)
    archive.close()


# -- The project's programs -------------------------------------------------------------------

def programs(build):
    """The executables of a build directory that go into the guest, by name."""
    found = {}
    for place in PROGRAM_PLACES:
        top = pathlib.Path(build, place)
        for directory, below, names in os.walk(top):
            # Objects of the compiler and meson's own checks are no programs.
            below[:] = [] if not place else [d for d in below
                                             if not d.endswith(".p") and d != "meson-private"]
            for name in sorted(names):
                path = pathlib.Path(directory, name)
                if path.is_file() and os.access(path, os.X_OK) and \
                        not re.search(r"\.so(\.\d+)*$", name):
                    found.setdefault(name, path)
    return found


def _add_programs(archive, build, root):
    if not build:
        return
    present = set((root_image(root).parent / "libraries").read_text(encoding="utf-8").split())
    wanted = {}
    for name, path in programs(build).items():
        archive.tree(f"payload/opt/safeguard/bin/{name}", path.resolve())
        wanted.update(_libraries(path))
    for name, path in sorted(wanted.items()):
        if name not in present:
            archive.data(f"payload/{LIBRARIES}/{name}", path.read_bytes(), 0o755)


def _libraries(program):
    """The shared libraries that a program loads on this machine, by name."""
    with open(program, "rb") as f:
        if f.read(4) != b"\x7fELF":
            return {}
    done = subprocess.run([tool("ldd"), program], capture_output=True, text=True, check=False)
    missing = re.findall(r"^\s*(\S+) => not found", done.stdout, re.M)
    if missing:
        raise BenchError(f"{program} needs {', '.join(missing)}, which this machine lacks. "
                         "Build again, or install the package that has it.")
    return {name: pathlib.Path(path)
            for name, path in re.findall(r"^\s*(\S+) => (/\S+)", done.stdout, re.M)}
