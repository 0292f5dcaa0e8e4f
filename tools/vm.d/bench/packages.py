# SPDX-License-Identifier: Apache-2.0
"""Packages from Debian's suites, with lists and state of our own.

The machine's apt configuration and release are only read: where its packages come from is taken
from its own sources, everything else (suites, lists, cache, a dpkg status without packages) lives
in the bench's cache.
"""

import os
import pathlib
import re
import subprocess
import time

from .common import BenchError, cache_directory, digest, locked, published, run, say, tool

KEYRINGS = "/usr/share/keyrings"
LISTS_MAX_AGE = 24 * 3600


def machine_sources():
    """(URI, suite) pairs of this machine's apt, in both file formats."""
    places = [pathlib.Path("/etc/apt/sources.list")]
    places += sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))
    pairs = []
    for place in places:
        if place.suffix not in (".list", ".sources") or not place.is_file():
            continue
        text = place.read_text(encoding="utf-8", errors="replace")
        pairs += _deb822(text) if place.suffix == ".sources" else _one_line(text)
    return pairs


def _one_line(text):
    pattern = re.compile(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", re.M)
    return pattern.findall(text)


def _deb822(text):
    pairs = []
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            m[1].lower(): m[2].split()
            for m in re.finditer(r"^([\w-]+):((?:.*)(?:\n[ \t]+.*)*)", stanza, re.M)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled") != ["no"]:
            pairs += [(u, s) for u in fields.get("uris", []) for s in fields.get("suites", [])]
    return pairs


def mirrors():
    """The URIs of Debian's main and security archives as this machine has them."""
    main = security = None
    for uri, suite in machine_sources():
        if re.fullmatch(r"[a-z]+-security|[a-z]+/updates", suite):
            security = security or uri
        elif re.fullmatch(r"(oldoldstable|oldstable|stable|testing|sid|unstable|forky|"
                          r"trixie|bookworm|bullseye)(-updates|-backports)?", suite):
            main = main or uri
    if not main:
        raise BenchError(
            "no source of Debian packages was found in /etc/apt/sources.list or "
            "/etc/apt/sources.list.d. Kernels and QEMU are packages of Debian: add a source for "
            "this machine's own release there; the other suites are derived from it."
        )
    return main, security


class Suites:
    """One set of suites with its own lists; sets do not see each other's versions."""

    def __init__(self, *suites, source=False):
        self.suites = suites
        self.kind = "deb-src" if source else "deb"  # sources of packages, or packages
        self.home = cache_directory() / "apt" / "+".join([*suites, *(["source"] if source else [])])

    def _write_configuration(self):
        """A whole apt configuration; of the machine's own only how it reaches the network."""
        h = self.home
        values = {
            "Dir::Etc": h / "etc", "Dir::Etc::main": "/dev/null", "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::trustedparts": KEYRINGS,
            "Dir::State": h / "state", "Dir::State::status": h / "etc/status",
            "Dir::Cache": h / "cache", "Dir::Cache::srcpkgcache": "", "Dir::Log": h / "log",
            # Suites out of support still have their last, by now expired, Release file.
            "Acquire::Check-Valid-Until": "false", "Acquire::Languages": "none",
            "Acquire::Retries": "3", "Acquire::GzipIndexes": "true",
            "APT::Architecture": "amd64", "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root", "Debug::NoLocking": "true",
        }
        network = run(["apt-config", "dump", "Acquire::http", "Acquire::https"],
                      "read apt's network settings").decode()
        lines = [line for line in network.splitlines() if re.match(r"Acquire::https?::\w", line)]
        lines += [f'{key} "{value}";' for key, value in values.items()]
        with published(h / "etc/apt.conf") as draft:
            draft.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _environment(self):
        return dict(os.environ, LC_ALL="C", APT_CONFIG=str(self.home / "etc/apt.conf"))

    def _sources(self):
        main, security = mirrors()
        lines = []
        for suite in self.suites:
            uri = security if suite.endswith("-security") else main
            if uri:
                lines.append(f"{self.kind} {uri} {suite} main\n")
        return "".join(lines)

    def update(self, max_age=LISTS_MAX_AGE):
        """Brings the lists up to date unless they are younger than max_age seconds."""
        stamp = self.home / "updated"
        with locked("apt-" + self.home.name):
            sources = self._sources()
            if stamp.exists() and stamp.read_text() == digest(sources) and \
                    time.time() - stamp.stat().st_mtime < max_age:
                return
            for part in ("etc/preferences.d", "state/lists/partial", "cache/archives/partial",
                         "log"):
                (self.home / part).mkdir(parents=True, exist_ok=True)
            (self.home / "etc/status").touch()
            self._write_configuration()
            (self.home / "etc/sources.list").write_text(sources)
            say(f"reading the package lists of {', '.join(self.suites)}")
            self._apt("apt-get", "update", "-qq", what="read the package lists")
            stamp.write_text(digest(sources))

    def _apt(self, program, *arguments, what):
        return run([program, *arguments], what, env=self._environment()).decode()

    def show(self, package, release=None):
        """The fields of the version of a package that would be taken; None when there is none."""
        prefer = [f"-oAPT::Default-Release={release}"] if release else []
        done = subprocess.run(
            [tool("apt-cache"), *prefer, "--no-all-versions", "show", package],
            env=self._environment(), capture_output=True, text=True, check=False,
        )
        fields = {}
        for line in done.stdout.splitlines():
            if line[:1].strip() and ": " in line:
                key, value = line.split(": ", 1)
                fields.setdefault(key, value)
        return fields or None

    def names(self, pattern):
        """Names of all packages that match a regular expression."""
        known = self._apt("apt-cache", "pkgnames", what="list the packages").split()
        return [name for name in known if re.fullmatch(pattern, name)]

    def download(self, packages, directory):
        """Fetches exactly these packages into a directory; apt checks signatures and sums."""
        uris = self._apt("apt-get", "download", "--print-uris", *packages,
                         what=f"find {', '.join(packages)}")
        size = sum(int(line.rsplit(" ", 2)[1]) for line in uris.splitlines() if line[:1] == "'")
        say(f"downloading {', '.join(packages)} ({size / 1e6:.0f} MB)")
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        run(["apt-get", "download", *packages],
            f"download {', '.join(packages)}", cwd=directory, env=self._environment())
        return sorted(pathlib.Path(directory).glob("*.deb"))

    def download_source(self, package, directory):
        """Fetches the source of a package; its upstream archives are returned."""
        say(f"downloading the source of {package}")
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        run(["apt-get", "source", "--download-only", package], f"download the source of {package}",
            cwd=directory, env=self._environment())
        return sorted(pathlib.Path(directory).glob("*.orig.tar.*z*"))

    def download_closure(self, packages, directory, what, release=None):
        """Fetches packages with everything that they depend on; `what` names the whole."""
        prefer = ["-t", release] if release else []
        arguments = [*prefer, "install", "-y", "--no-install-recommends", *packages]
        plan = self._apt("apt-get", *arguments, "--print-uris", what=f"find the packages of {what}")
        rows = [line.split(" ") for line in plan.splitlines() if line[:1] == "'"]
        say(f"downloading {what} ({len(rows)} packages, "
            f"{sum(int(r[2]) for r in rows) / 1e6:.0f} MB)")
        directory = pathlib.Path(directory)
        (directory / "partial").mkdir(parents=True, exist_ok=True)
        run(["apt-get", f"-oDir::Cache::archives={directory}", "-d",
             *arguments], f"download {what}", env=self._environment())
        return sorted(directory.glob("*.deb"))
