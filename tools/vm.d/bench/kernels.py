# SPDX-License-Identifier: Apache-2.0
"""Stock Debian kernels: which there are, fetching and unpacking them, what is inside."""

import json
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess

from . import packages
from .common import (PARTS, BenchError, cache_directory, link, locked, published, read_list,
                     run, say, tool, workspace)

# Modules that init loads before it can see its disks and its port; some kernels have them built in.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")
MEMORY_ROOT_MODULES = ("brd",)
NETWORK_MODULES = ("virtio_net",)

# What the tests need from a kernel; a flavour without one of them is not used.
NEEDED = ("OVERLAY_FS", "EXT4_FS", "BLK_DEV_LOOP", "BLK_DEV_RAM", "FUSE_FS", "SECURITY_APPARMOR",
          "AUDIT", "VETH", "BPF_LSM", "DEBUG_INFO_BTF", "VIRTIO_BLK", "VIRTIO_CONSOLE")
FLAVOURS = ("cloud-amd64", "amd64")


def rows():
    """The table of names: (name, version prefix or "", suites)."""
    table = []
    for line in read_list(PARTS / "kernels"):
        name, prefix, suites = line.split()
        table.append((name, "" if prefix == "-" else prefix, suites.split(",")))
    return table


def _version_key(text):
    return [int(n) for n in re.findall(r"\d+", text)]


class Kernel:
    """One unpacked kernel in the cache."""

    def __init__(self, home):
        self.home = pathlib.Path(home).resolve()
        self.release = self.home.name
        self.image = self.home / "vmlinuz"
        self.modules = self.home / "lib/modules" / self.release
        self.modules_image = self.home / "modules.img"

    @property
    def series(self):
        """The real version as a name, such as 7.3."""
        return ".".join(self.release.split(".")[:2])

    @property
    def info(self):
        return json.loads((self.home / "info.json").read_text(encoding="utf-8"))

    def learn(self, **facts):
        """Adds to what is known about the kernel."""
        with locked(f"info-{self.release}"):
            info = {**self.info, **facts}
            with published(self.home / "info.json") as draft:
                draft.write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")

    def config(self):
        """CONFIG_ values by name, without the prefix."""
        text = (self.home / "config").read_text(encoding="utf-8")
        return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M))

    def boot_modules(self, names):
        """Files of these modules and what they depend on, in the order of loading."""
        dependencies, paths = {}, {}
        for line in (self.modules / "modules.dep").read_text(encoding="utf-8").splitlines():
            path, _, needs = line.partition(":")
            stem = os.path.basename(path).split(".ko")[0].replace("-", "_")
            paths[stem] = path
            dependencies[path] = needs.split()
        builtin = (self.modules / "modules.builtin").read_text(encoding="utf-8")
        order = []
        for name in names:
            if name in paths:
                # modules.dep lists the nearest need first, so that the reverse can be loaded.
                order += [*reversed(dependencies[paths[name]]), paths[name]]
            elif not re.search(rf"/{name.replace('_', '[-_]')}\.ko$", builtin, re.M):
                raise BenchError(f"the kernel {self.release} has no module {name}")
        return [self.modules / path for path in dict.fromkeys(order)]

    def vmlinux(self):
        """The kernel's ELF file, taken out of the compressed image."""
        data = self.image.read_bytes()
        # The boot protocol's header says where the payload lies (Documentation/arch/x86/boot.rst:
        # setup_sects, payload_offset, payload_length; the last four bytes are its plain size).
        start = ((data[0x1F1] or 4) + 1) * 512
        offset, length = struct.unpack_from("<II", data, 0x248)
        payload = data[start + offset:start + offset + length - 4]
        if payload.startswith(b"\xfd7zXZ"):
            return lzma.decompress(payload)
        for magic, program in ((b"\x02\x21\x4c\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd"),
                               (b"\x1f\x8b", "gzip")):
            if payload.startswith(magic):
                done = subprocess.run([tool(program), "-dc"], input=payload, capture_output=True,
                                      check=False)
                if done.stdout.startswith(b"\x7fELF"):
                    return done.stdout
        raise BenchError(f"{self.image} has a payload of an unknown form: {payload[:4].hex()}")

    def btf(self):
        """Path of the kernel's raw BTF, as /sys/kernel/btf/vmlinux would show it."""
        path = self.home / "vmlinux.btf"
        if not path.exists():
            with published(path) as draft:
                draft.write_bytes(_elf_section(self.vmlinux(), ".BTF"))
        return path


def _elf_section(elf, name):
    table, = struct.unpack_from("<Q", elf, 0x28)
    size, count, strings = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * size) for i in range(count)]
    base = headers[strings][4]
    for header in headers:
        end = elf.index(b"\0", base + header[0])
        if elf[base + header[0]:end] == name.encode():
            return elf[header[4]:header[4] + header[5]]
    raise BenchError(f"the kernel image has no section {name}")


def cached(name):
    """The kernel of that name when it is already in the cache, else None."""
    path = cache_directory() / "kernels" / name
    return Kernel(path) if (path / "info.json").exists() else None


def get(name):
    """The kernel of that name, fetched if it is not in the cache."""
    return cached(name) or fetch(name)


def fetch(name, max_age=packages.LISTS_MAX_AGE):
    """The newest kernel that the suites have for a name; downloads it unless it is there."""
    suites, prefix = _suites_of(name)
    suites.update(max_age)
    with locked("kernel-fetch"):
        for flavour in FLAVOURS:
            release, version = _newest(suites, prefix, flavour, name)
            kernel = cached(release)
            if not kernel:
                _unpack(suites, release, version, flavour)
                kernel = Kernel(cache_directory() / "kernels" / release)
            lacking = kernel.info["lacking"]
            if not lacking:
                break
            say(f"{release} lacks {', '.join(lacking)}; trying the next flavour")
        for alias in (name, kernel.series):
            link(cache_directory() / "kernels" / alias, release)
    return kernel


def _suites_of(name):
    for row_name, prefix, suites in rows():
        if row_name == name:
            return packages.Suites(*suites), prefix
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", name):
        names = ", ".join(row[0] for row in rows())
        raise BenchError(
            f"there is no kernel {name!r}. Known names: {names}; a plain version such as 6.18 "
            "works too while the suites of `newest` still have it."
        )
    newest = next(row for row in rows() if row[0] == "newest")
    return packages.Suites(*newest[2]), name


def _newest(suites, prefix, flavour, name):
    """Release and package version of the newest kernel with that version prefix."""
    pattern = rf"linux-image-(\d[\w.+~-]*?)-{flavour}"
    found = []
    for package in suites.names(pattern):
        release = re.fullmatch(pattern, package)[1]
        version = release.split("+")[0].split("-")[0]
        if flavour == "amd64" and re.search(r"-(cloud|rt)$", release):
            continue
        if prefix and not (version + ".").startswith(prefix + "."):
            continue
        found.append((_version_key(release), release))
    # Names of old kernels stay in the lists of packages without a version: ask from the newest on.
    for _, release in sorted(found, reverse=True):
        fields = suites.show(f"linux-image-{release}-{flavour}")
        if fields:
            return f"{release}-{flavour}", fields["Version"]
    raise BenchError(
        f"no suite of {', '.join(suites.suites)} has a kernel for {name!r} ({flavour}). "
        f"Change the row in {PARTS / 'kernels'} if Debian has moved it."
    )


def _package_names(suites, release):
    """The packages that hold a kernel: one, or in newer releases several beside it."""
    image = f"linux-image-{release}"
    pattern = r"linux-(?:base|binary|modules)-" + re.escape(release)
    others = dict.fromkeys(re.findall(pattern, suites.show(image).get("Depends", "")))
    # Some releases in between depend on a base that has gone from the suites and is not needed.
    return [image, *(name for name in others if suites.show(name))]


def _unpack(suites, release, version, flavour):
    with published(cache_directory() / "kernels" / release) as draft, workspace() as work:
        tree = work / "tree"
        for deb in suites.download(_package_names(suites, release), work / "debs"):
            run(["dpkg-deb", "-x", deb, tree], f"unpack {deb.name}")
        draft.mkdir()
        _arrange(tree, draft, release)
        kernel = Kernel(draft)
        config = kernel.config()
        facts = {"release": release, "version": version, "flavour": flavour,
                 "lacking": [n for n in NEEDED if config.get(n) not in ("y", "m")],
                 "lsm": config.get("LSM", "").strip('"'), "preempt": _preemption(config)}
        (draft / "info.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _arrange(tree, home, release):
    """Takes image, config and modules from where the packages have them."""
    (home / "lib/modules").mkdir(parents=True)
    for place in ("lib/modules", "usr/lib/modules"):
        if (tree / place / release).is_dir():
            shutil.move(tree / place / release, home / "lib/modules" / release)
    modules = home / "lib/modules" / release
    for source, target in ((tree / f"boot/vmlinuz-{release}", "vmlinuz"),
                           (modules / "vmlinuz", "vmlinuz"),
                           (tree / f"boot/config-{release}", "config"),
                           (modules / "config", "config")):
        if source.exists():
            shutil.move(source, home / target)
    for part in (home / "vmlinuz", home / "config", modules / "modules.builtin"):
        if not part.exists():
            raise BenchError(f"the packages of {release} have no {part.name} where it was looked "
                             f"for; see _package_names and _arrange in {__file__}")
    run(["depmod", "-b", home, release], f"list the dependencies of {release}'s modules")
    make_image(home / "lib/modules", home / "modules.img", spare_mb=8)


def make_image(tree, image, spare_mb):
    """An ext4 image of a directory, readable by every kernel of the table."""
    used = sum(max(p.lstat().st_size, 1024) + 1024 for p in pathlib.Path(tree).rglob("*"))
    size_kb = int(used * 1.15 / 1024) + 16384 + spare_mb * 1024
    # Newer default features are left out: 5.10 does not know them. Tables are written now, so that
    # no thread of the guest does it during a measurement.
    run(["mke2fs", "-q", "-t", "ext4", "-F", "-O", "^orphan_file,^metadata_csum_seed",
         "-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-m", "0", "-d", tree,
         image, f"{size_kb}k"], f"make the image {pathlib.Path(image).name}")


def _preemption(config):
    if config.get("PREEMPT_RT") == "y":
        return "rt"
    default = next((m for m in ("LAZY", "NONE", "VOLUNTARY")
                    if config.get(f"PREEMPT_{m}") == "y"), "")
    default = default.lower() or ("full" if config.get("PREEMPT") == "y" else "unknown")
    return default + (" (dynamic)" if config.get("PREEMPT_DYNAMIC") == "y" else "")
