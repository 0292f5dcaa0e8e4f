# SPDX-License-Identifier: Apache-2.0
"""What every part of the bench uses: errors for people, the cache, locks, processes."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PARTS = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = PARTS.parent.parent

# Results of `vm run` that are not the command's own.
EXIT_TIMEOUT = 124
EXIT_TOOL = 125
EXIT_CRASH = 126

LEFTOVER_AGE = 24 * 3600
OUTDATED_AGE = 7 * 24 * 3600


class BenchError(Exception):
    """Something the person must know: what happened, why, what to do."""


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def cache_directory():
    """The one directory that the bench writes to; made on first use."""
    chosen = os.environ.get("SAFEGUARD_VM_CACHE")
    if not chosen:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        chosen = os.path.join(home, "safeguard-vm")
    path = pathlib.Path(chosen).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BenchError(
            f"cannot make the cache {path}: {e.strerror}. "
            "Choose another place with SAFEGUARD_VM_CACHE=DIR."
        ) from e
    return path


@contextlib.contextmanager
def locked(name):
    """Holds the lock of one thing in the cache, so that two runs do not make it at once."""
    locks = cache_directory() / "locks"
    locks.mkdir(exist_ok=True)
    with open(locks / name.replace("/", "_"), "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def prune(directory, pattern, age):
    """Removes what nobody has changed for that many seconds."""
    for old in pathlib.Path(directory).glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - old.lstat().st_mtime < age:
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink()


@contextlib.contextmanager
def workspace():
    """A directory in the cache that goes away; what a killed run left goes after a day."""
    top = cache_directory() / "work"
    top.mkdir(exist_ok=True)
    prune(top, "*", LEFTOVER_AGE)
    with tempfile.TemporaryDirectory(dir=top) as path:
        yield pathlib.Path(path)


@contextlib.contextmanager
def published(target):
    """A directory or file that appears under its name only when it is complete.

    The body fills what is yielded (a path that does not exist yet, next to the target).
    """
    target = pathlib.Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        draft = work / target.name
        yield draft
        if target.is_dir() and not target.is_symlink():
            os.rename(target, work / "old")
        os.replace(draft, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def link(name, target):
    """Makes or moves a symbolic link in one step."""
    with published(name) as draft:
        os.symlink(target, draft)


def digest(*parts):
    """A short name for content: changes when any part does."""
    h = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        h.update(len(data).to_bytes(8, "little"))
        h.update(data)
    return h.hexdigest()[:16]


def read_list(path):
    """The entries of a file with one entry a line; `#` starts a comment."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    entries = (line.split("#", 1)[0].strip() for line in lines)
    return [entry for entry in entries if entry]


def tool(name):
    """The path of a program of this machine, also where PATH lacks the sbin directories."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if not path:
        raise BenchError(
            f"this machine lacks the program {name}. Install the packages that "
            f"{PARTS / 'packages'} lists."
        )
    return path


def run(command, what, **more):
    """Runs a program of this machine; its messages are shown only when it fails."""
    command = [tool(command[0]), *map(str, command[1:])]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        check=False, **more,
    )
    if done.returncode != 0:
        messages = done.stderr.decode(errors="replace").strip().splitlines()[-15:]
        raise BenchError(
            f"cannot {what}: {os.path.basename(command[0])} ended with status "
            f"{done.returncode}:\n  " + "\n  ".join(messages or ["(it said nothing)"])
        )
    return done.stdout
