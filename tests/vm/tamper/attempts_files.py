# SPDX-License-Identifier: Apache-2.0
"""Attempts on its files, and by its own commands (attempts.py)."""
import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess

from trying import PREVENTED, FOUND, DOCUMENTED, NO_RECORD, UNIT, attempt, mount, run, syscall

# Its files -------------------------------------------------------------------------------------------------------

@attempt(PREVENTED)
def write_to_the_agents_program(a):
    os.close(os.open(a.program, os.O_RDWR | os.O_APPEND))


@attempt(PREVENTED)
def rename_over_the_agents_program(a):
    shutil.copy("/bin/true", a.program + ".new")
    try:
        os.rename(a.program + ".new", a.program)
    finally:
        if os.path.exists(a.program + ".new"):
            os.unlink(a.program + ".new")


@attempt(PREVENTED)
def remove_the_agents_program(a):
    os.unlink(a.program)


@attempt(PREVENTED)
def mount_over_the_agents_program(a):
    # mount(8) calls this a wrong mount point: it is asked without it.
    with open("/tmp/mine", "w"):
        mount(b"/tmp/mine", a.program.encode(), 4096)  # MS_BIND


@attempt(PREVENTED)
def rename_a_parent_of_the_program(a):
    os.rename(os.path.dirname(a.program), os.path.dirname(a.program) + ".x")


@attempt(PREVENTED)
def edit_a_policy(a):
    os.close(os.open(a.policy, os.O_WRONLY | os.O_APPEND))


@attempt(PREVENTED)
def add_a_policy(a):
    os.close(os.open("/etc/safeguard/policies/00-mine.yaml", os.O_WRONLY | os.O_CREAT))


@attempt(PREVENTED)
def remove_a_policy(a):
    os.unlink(a.policy)


@attempt(PREVENTED)
def edit_a_policy_by_a_hard_link(a):
    os.link(a.policy, "/root-link")
    os.close(os.open("/root-link", os.O_WRONLY))


@attempt(PREVENTED)
def truncate_the_settings(a):
    os.truncate("/etc/safeguard/agent.yaml", 0)


@attempt(PREVENTED)
def mount_over_the_settings(a):
    run("mount", "-t", "tmpfs", "none", "/etc/safeguard")


@attempt(PREVENTED)
def rename_the_settings(a):
    os.rename("/etc/safeguard", "/etc/elsewhere")


@attempt(PREVENTED)
def rename_the_state(a):
    os.rename("/var/lib/safeguard", "/var/lib/elsewhere")


@attempt(PREVENTED)
def change_the_mode_of_what_is_in_the_state(a):
    os.chmod("/var/lib/safeguard/accepted-policies.json", 0o666)


DIRECTORIES = ("/etc/safeguard", "/var/lib/safeguard", "/run/safeguard", "/var/log/safeguard")


def each_refused(fn, places=DIRECTORIES):
    """One that is let through is not hidden by another one that is not."""
    for place in places:
        with contextlib.suppress(PermissionError):
            fn(place)
            raise AssertionError(f"{place}: let through")
    raise PermissionError(1, "each of them was refused")


@attempt(PREVENTED)
def change_the_mode_of_its_directories(a):
    each_refused(lambda place: os.chmod(place, 0))


@attempt(PREVENTED)
def give_its_directories_away(a):
    each_refused(lambda place: os.chown(place, 65534, -1))


@attempt(PREVENTED)
def put_an_attribute_on_its_directories(a):
    each_refused(lambda place: os.setxattr(place, "trusted.mine", b"1"))


def set_flags(place, flags):
    fd = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, 0x40086602, struct.pack("q", flags))  # FS_IOC_SETFLAGS
    finally:
        os.close(fd)


@attempt(PREVENTED)
def make_its_directories_immutable(a):
    each_refused(lambda place: set_flags(place, 0x10))


@attempt(PREVENTED)
def make_its_directories_append_only(a):
    each_refused(lambda place: set_flags(place, 0x20))


@attempt(PREVENTED)
def mount_over_its_directories(a):
    os.makedirs("/tmp/mine-over", exist_ok=True)
    each_refused(lambda place: mount(b"/tmp/mine-over", place.encode(), 4096),
                 (*DIRECTORIES, "/etc", "/usr/sbin", "/run", "/var", "/var/lib", "/var/log"))


@attempt(PREVENTED)
def pivot_root(a):
    os.makedirs("/mnt/root-of-mine", exist_ok=True)
    run("mount", "-t", "tmpfs", "none", "/mnt/root-of-mine")
    try:
        os.makedirs("/mnt/root-of-mine/old")
        syscall("pivot_root", ctypes.c_char_p(b"/mnt/root-of-mine"), ctypes.c_char_p(b"/mnt/root-of-mine/old"))
    finally:
        subprocess.run(["umount", "-l", "/mnt/root-of-mine"], check=False)


@attempt(PREVENTED)
def remove_the_state(a):
    shutil.rmtree("/var/lib/safeguard")


@attempt(PREVENTED)
def forge_the_secret(a):
    os.close(os.open("/var/lib/safeguard/unlock-secret", os.O_WRONLY))


@attempt(PREVENTED)
def replace_the_secret(a):
    with open("/tmp/secret-of-mine", "w") as f:
        f.write("sha256 00 00\n")
    shutil.copy("/tmp/secret-of-mine", "/var/lib/safeguard/unlock-secret.new")


@attempt(PREVENTED)
def remove_the_control_socket(a):
    os.unlink("/run/safeguard/control.sock")


@attempt(PREVENTED)
def remove_the_records(a):
    os.unlink(a.events)


@attempt(PREVENTED)
def empty_the_records(a):
    os.truncate(a.events, 0)


@attempt(PREVENTED)
def override_the_unit(a):
    os.makedirs(UNIT + ".d")


@attempt(PREVENTED)
def mask_the_unit(a):
    os.makedirs(os.path.dirname(UNIT), exist_ok=True)
    os.symlink("/dev/null", UNIT)


@attempt(PREVENTED)
def disable_the_unit(a):
    os.unlink("/etc/systemd/system/multi-user.target.wants/safeguard-agent.service")


@attempt(PREVENTED)
def override_all_services(a):
    def drop_in(place):
        os.makedirs(place, exist_ok=True)
        os.close(os.open(place + "/mine.conf", os.O_WRONLY | os.O_CREAT))
    each_refused(drop_in, [f"{base}/systemd/system/service.d" for base in ("/etc", "/run", "/usr/lib", "/usr/local/lib")])


@attempt(PREVENTED)
def override_the_unit_as_generators_do(a):
    each_refused(os.makedirs, [f"/run/systemd/generator{which}/safeguard-agent.service.d" for which in ("", ".early", ".late")])


@attempt(PREVENTED)
def set_what_the_service_manager_hands_on(a):
    def write_to(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT))
    each_refused(write_to, ("/etc/systemd/system.conf", "/etc/systemd/system.conf.d/mine.conf", "/run/systemd/system.conf.d/mine.conf",
                            "/usr/lib/systemd/system.conf.d/mine.conf"))


@attempt(PREVENTED)
def preload_a_library_into_all_programs(a):
    os.close(os.open("/etc/ld.so.preload", os.O_WRONLY | os.O_CREAT))


@attempt(DOCUMENTED, "Libraries")
def write_to_a_library_of_the_agent(a):
    os.close(os.open(a.library, os.O_RDWR))


# Its own commands ------------------------------------------------------------------------------------------------

@attempt(PREVENTED, NO_RECORD)
def ask_it_to_stop(a):
    a.cli("stop")


@attempt(PREVENTED, NO_RECORD)
def ask_it_to_detach(a):
    a.cli("stop", "--detach")


@attempt(PREVENTED, NO_RECORD)
def make_another_secret(a):
    a.cli("unlock", "--new-secret")


@attempt(FOUND, r"a wrong secret was given")
def guess_the_secret(a):
    for i in range(5):
        try:
            a.cli("unlock", "--secret-stdin", input="ABCDE-ABCDE-ABCDE-ABCDE-ABCD%d\n" % i)
        except subprocess.CalledProcessError:
            continue
        raise AssertionError("a guess was right")
