# SPDX-License-Identifier: Apache-2.0
"""Attempts on what it has in the kernel (attempts.py)."""
import os
import signal
import time

from trying import PREVENTED, DOCUMENTED, PINS, attempt, bpf, bpf_ids, bpf_path, bpf_program, held, mount, raw_tracepoint, run, write

# What it has in the kernel ---------------------------------------------------------------------------------------

@attempt(PREVENTED)
def unlink_a_pinned_map(a):
    os.unlink(f"{PINS}/maps/sg_images")


@attempt(PREVENTED)
def unlink_a_pinned_program(a):
    os.unlink(f"{PINS}/links/{sorted(os.listdir(PINS + '/links'))[0]}")


@attempt(PREVENTED)
def rename_the_pins(a):
    os.rename(PINS, "/sys/fs/bpf/elsewhere")


@attempt(PREVENTED)
def exchange_pins(a):
    os.rename(f"{PINS}/maps/sg_roots", f"{PINS}/maps/sg_pins")


@attempt(PREVENTED)
def unmount_bpffs(a):
    run("umount", "/sys/fs/bpf")


@attempt(PREVENTED)
def unmount_bpffs_lazily(a):
    run("umount", "-l", "/sys/fs/bpf")


@attempt(PREVENTED)
def mount_over_bpffs(a):
    run("mount", "-t", "tmpfs", "none", "/sys/fs/bpf")


@attempt(PREVENTED)
def mount_over_the_parent_of_bpffs(a):
    run("mount", "-t", "tmpfs", "none", "/sys/fs")


@attempt(PREVENTED)
def mount_over_sys(a):
    run("mount", "-t", "tmpfs", "none", "/sys")


@attempt(PREVENTED)
def bind_over_the_pins(a):
    run("mount", "--bind", "/tmp", PINS)


@attempt(PREVENTED)
def move_bpffs(a):
    os.makedirs("/mnt/moved", exist_ok=True)
    mount(b"/sys/fs/bpf", b"/mnt/moved", 8192)  # MS_MOVE: mount(8) has another way


@attempt(PREVENTED)
def move_bpffs_as_mount_does(a):
    os.makedirs("/mnt/moved", exist_ok=True)
    run("mount", "--move", "/sys/fs/bpf", "/mnt/moved")


@attempt(PREVENTED)
def remove_pins_by_another_mount(a):
    os.makedirs("/mnt/of-my-own", exist_ok=True)
    run("mount", "--bind", "/sys/fs/bpf", "/mnt/of-my-own")
    try:
        os.unlink("/mnt/of-my-own/safeguard/maps/sg_images")
    finally:
        run("umount", "/mnt/of-my-own")


@attempt(PREVENTED)
def take_a_map_by_its_pin(a):
    os.close(bpf_path(f"{PINS}/maps/sg_agents"))


@attempt(PREVENTED)
def take_a_map_by_its_pin_for_reading(a):
    os.close(bpf_path(f"{PINS}/maps/sg_agents", 1 << 3))


@attempt(PREVENTED, "bpf_map")
def take_maps_by_their_numbers(a):
    for number in bpf_ids(12):  # BPF_MAP_GET_NEXT_ID
        os.close(bpf(14, number))  # BPF_MAP_GET_FD_BY_ID


@attempt(PREVENTED, "bpf_program")
def take_programs_by_their_numbers(a):
    for number in bpf_ids(11):
        os.close(bpf(13, number))


def sysctl_link():
    return bpf_path(f"{PINS}/links/guard_sysctl")


@attempt(PREVENTED)
def detach_a_program(a):
    fd = sysctl_link()
    bpf(34, fd)  # BPF_LINK_DETACH


@attempt(PREVENTED)
def replace_a_program(a):
    fd = sysctl_link()
    bpf(29, fd, 0)  # BPF_LINK_UPDATE


@attempt(PREVENTED)
def switch_ftrace_off(a):
    write("/proc/sys/kernel/ftrace_enabled", "0")


@attempt(PREVENTED)
def switch_ftrace_off_by_sysctl(a):
    run("sysctl", "-w", "kernel.ftrace_enabled=0")


@attempt(PREVENTED, "ftrace_enabled")
def switch_ftrace_off_by_another_procfs(a):
    with a.procfs() as proc:
        write(f"{proc}/sys/kernel/ftrace_enabled", "0")


@attempt(PREVENTED, "ftrace_enabled")
def switch_ftrace_off_in_namespaces(a):
    run("unshare", "--mount", "--pid", "--fork", "bash", "-c",
        "mount -t proc none /mnt && echo 0 >/mnt/sys/kernel/ftrace_enabled")


@attempt(PREVENTED, "ftrace_enabled")
def switch_ftrace_off_with_blanks_and_zeros(a):
    with a.procfs() as proc:
        write(f"{proc}/sys/kernel/ftrace_enabled", " 00\n")


@attempt(PREVENTED)
def switch_ftrace_off_by_a_descriptor_from_before(a):
    os.write(held(8, "ftrace_enabled"), b"0")


@attempt(PREVENTED)
def ask_sysrq_to_kill_all(a):
    write("/proc/sysrq-trigger", "h")


@attempt(DOCUMENTED, "A procfs of one's own, and magic keys")
def ask_sysrq_by_another_procfs(a):
    with a.procfs() as proc:
        write(f"{proc}/sysrq-trigger", "h")  # help, where 'i' would kill all


# Programs and probes of one's own --------------------------------------------------------------------------------

@attempt(DOCUMENTED, "Programs in the kernel and probes")
def send_a_signal_by_a_program_in_the_kernel(a):
    # To a child, as it would to whomever it is written for: no hook is asked.
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(0.05)
    link = raw_tracepoint(b"sys_enter", bpf_program(17, child, signal.SIGKILL))  # BPF_PROG_TYPE_RAW_TRACEPOINT
    try:
        status = os.waitpid(child, 0)[1]
    finally:
        os.close(link)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise AssertionError(f"the child ended with {status}")


@attempt(DOCUMENTED, "Programs in the kernel and probes")
def set_a_probe_in_its_program(a):
    # One that is never switched on: what it would do in the middle of an instruction is end the agent.
    with a.mounted("tracefs", "none") as place:
        for line in (f"p:mine/probe {a.program}:0x1000\n", "-:mine/probe\n"):
            write(f"{place}/uprobe_events", line)
