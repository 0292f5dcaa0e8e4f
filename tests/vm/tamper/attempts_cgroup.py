# SPDX-License-Identifier: Apache-2.0
"""Attempts on its cgroup (attempts.py)."""
import contextlib
import ctypes
import os
import signal
import struct
import subprocess
import time

from trying import PREVENTED, FOUND, RECORDED, attempt, held, run, syscall, write

# Its cgroup ----------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def cgroup_kill(a):
    write(a.cgroup_file("cgroup.kill"), "1")


@attempt(PREVENTED)
def cgroup_freeze(a):
    write(a.cgroup_file("cgroup.freeze"), "1")


@attempt(PREVENTED)
def freeze_the_parent(a):
    write(a.parent_file("cgroup.freeze"), "1")


@attempt(PREVENTED)
def kill_the_parent(a):
    write(a.parent_file("cgroup.kill"), "1")


@attempt(PREVENTED)
def starve_it_of_memory(a):
    write(a.cgroup_file("memory.max"), "1")


@attempt(PREVENTED)
def starve_the_parent_of_processors(a):
    write(a.parent_file("cpu.max"), "1000 1000000")


@attempt(PREVENTED)
def let_it_have_no_threads(a):
    write(a.cgroup_file("pids.max"), "1")


@attempt(PREVENTED)
def freeze_by_another_mount_of_cgroups(a):
    with a.mounted("cgroup2", "none") as place:
        write(f"{place}{a.cgroup}/cgroup.freeze", "1")


@attempt(PREVENTED)
def freeze_by_a_descriptor_from_before(a):
    os.write(held(6, "cgroup.freeze"), b"1")


@attempt(PREVENTED)
def cgroup_kill_by_a_descriptor_from_before(a):
    os.write(held(7, "cgroup.kill"), b"1")


@attempt(PREVENTED)
def write_to_any_file_of_its_cgroup(a):
    place = a.cgroup_file("")
    for name in sorted(os.listdir(place)):
        with contextlib.suppress(PermissionError):
            os.close(os.open(place + name, os.O_WRONLY))
            raise AssertionError(f"{name} can be opened for writing")
    raise PermissionError(1, "each of them was refused")


@attempt(PREVENTED)
def take_controllers_from_it(a):
    write(a.parent_file("cgroup.subtree_control"), "-pids")


@attempt(PREVENTED)
def reclaim_the_memory_of_the_parent(a):
    write(a.parent_file("memory.reclaim"), "1M")


@attempt(PREVENTED)
def have_the_parent_killed_as_one(a):
    write(a.parent_file("memory.oom.group"), "1")


# Others in it: its limits are theirs, and the kernel ends whom it may.

@contextlib.contextmanager
def somebody():
    child = subprocess.Popen(["sleep", "100"])
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


@attempt(PREVENTED)
def join_its_cgroup(a):
    with somebody() as pid:
        write(a.cgroup_file("cgroup.procs"), str(pid))


@attempt(PREVENTED)
def join_its_cgroup_by_another_mount(a):
    with a.mounted("cgroup2", "none") as place, somebody() as pid:
        write(f"{place}{a.cgroup}/cgroup.procs", str(pid))


@attempt(PREVENTED)
def join_beneath_its_cgroup(a):
    os.mkdir(a.cgroup_file("mine"))


@attempt(RECORDED, "join_its_cgroup")
def be_born_in_its_cgroup(a):
    # Nobody comes back from that, neither the child nor who asked for it.
    child = os.fork()
    if child == 0:
        place = os.open(a.cgroup_file(""), os.O_RDONLY | os.O_DIRECTORY)
        args = ctypes.create_string_buffer(struct.pack("=11Q", 1 << 33, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, place), 88)
        syscall("clone3", args, 88)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != -signal.SIGKILL:
        raise AssertionError(f"it ended with {status}")
    with open(a.cgroup_file("cgroup.procs")) as f:
        others = set(f.read().split()) - {str(a.pid)}
    if others:
        raise AssertionError(f"{others} are in its cgroup")


# Elsewhere it can be ended, frozen and starved.

def pit(name):
    place = f"/sys/fs/cgroup/{name}"
    os.makedirs(place, exist_ok=True)
    return place


@attempt(PREVENTED, "move_to_a_cgroup")
def move_it_to_another_cgroup(a):
    write(pit("elsewhere") + "/cgroup.procs", str(a.pid))


@attempt(PREVENTED, "move_to_a_cgroup")
def move_it_to_a_frozen_cgroup(a):
    write(pit("ice") + "/cgroup.freeze", "1")
    write(pit("ice") + "/cgroup.procs", str(a.pid))


@attempt(PREVENTED, "move_to_a_cgroup")
def move_it_to_a_cgroup_beside_it(a):
    place = os.path.dirname(a.cgroup_file("").rstrip("/")) + "/beside"
    os.makedirs(place, exist_ok=True)
    write(place + "/cgroup.procs", str(a.pid))


@attempt(PREVENTED, "move_to_a_cgroup")
def move_it_by_another_mount(a):
    pit("elsewhere")
    with a.mounted("cgroup2", "none") as place:
        write(f"{place}/elsewhere/cgroup.procs", str(a.pid))


@attempt(PREVENTED, "move_to_a_cgroup")
def move_a_thread_of_it(a):
    write(pit("threads") + "/cgroup.type", "threaded")
    write(pit("threads") + "/cgroup.threads", str(a.thread))


@attempt(PREVENTED)
def let_root_move_it_again(a):
    os.chmod("/sys/fs/cgroup/cgroup.procs", 0o644)


@attempt(PREVENTED)
def let_root_move_it_beside_it_again(a):
    os.chmod(a.parent_file("cgroup.procs"), 0o644)


@attempt(FOUND, r"the agent did not run for")
def freeze_it_by_a_cgroup_of_version_1(a):
    os.makedirs("/mnt/v1", exist_ok=True)
    run("mount", "-t", "cgroup", "-o", "freezer", "none", "/mnt/v1")
    try:
        os.makedirs("/mnt/v1/ice", exist_ok=True)
        write("/mnt/v1/ice/cgroup.procs", str(a.pid))
        write("/mnt/v1/ice/freezer.state", "FROZEN")
        time.sleep(7)
        write("/mnt/v1/ice/freezer.state", "THAWED")
        write("/mnt/v1/cgroup.procs", str(a.pid))
        os.rmdir("/mnt/v1/ice")
    finally:
        subprocess.run(["umount", "/mnt/v1"], check=False)
