# SPDX-License-Identifier: Apache-2.0
"""Attempts on its files, and by its own commands (attempts.py)."""
import os
import shutil
import subprocess

from trying import PREVENTED, FOUND, DOCUMENTED, NO_RECORD, UNIT, attempt, mount, run, write

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
def change_the_mode_of_the_state(a):
    os.chmod("/var/lib/safeguard", 0o777)
    os.chmod("/var/lib/safeguard/accepted-policies.json", 0o666)


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
