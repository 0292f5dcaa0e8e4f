// SPDX-License-Identifier: Apache-2.0
#include "sensor/rows.h"

#include "abi/guard.h"
#include "base/macro.h"
#include "sensor/kernel.h"
#include "sensor/sensor.h"

static const struct hook_row rows[] = {
#define SG_HOOK(name, op_bits, kind, text) \
    {.id = #name, .help = (text), .ops = (op_bits), .canary = CANARY_##kind},
#define SG_HOOK_CONTROL(name, op_bits, kind, text) \
    {.id = #name, .help = (text), .ops = (op_bits), .canary = CANARY_##kind, .control = true},
#include "abi/hooks.def"
};

STATIC_ASSERT(ARRAY_SIZE(rows) == HOOKS, "a row a hook");

static const struct guard_row guards[] = {
#define CANARY_GUARD(name, id, act_fn, text) \
    {.program = #name, .help = (text), .canary = CANARY_##name, .act = SG_GUARD_##id},
#include "sensor/canary_guard.def"
};

STATIC_ASSERT(ARRAY_SIZE(guards) == GUARDS, "a row a program");

// Which kinds of abi/control.def the hooks ask about.
static const struct {
    enum sg_hook hook;
    enum sg_control kind;
} askers[] = {
#define SG_CONTROL_HOOK(kind, hook) {SG_HOOK_##hook, SG_CONTROL_##kind},
#include "abi/control.def"
    {SG_HOOK_NONE, 0},
};

static const struct {
    const char *id, *sibling;
} siblings[] = {
    {"file_truncate", "path_truncate"},
    {"inode_set_acl", "inode_setxattr"},
    {"inode_remove_acl", "inode_removexattr"},
    {"file_ioctl_compat", "file_ioctl"},
    {"inode_file_setattr", "file_ioctl"},
    {"userns_create", "cred_prepare"},
    {"uring_allowed", "inode_init_security_anon"},
    {"inode_init_security_anon", "socket_create"},
};

// What a newer hook sees better: with it there is no need for these.
static const struct {
    const char *id, *successor;
} successors[] = {
    {"cred_prepare", "userns_create"},
};

// What is spliced into a socket is sent as a message from then on.
static const struct {
    const char *id, *by;
    uint32_t until;
} lasting[] = {
    {"socket_write", "socket_sendmsg", KERNEL(6, 5)},
};

// What a program may be handed differs from what its caller has only where rules ask for the program.
static const struct {
    const char *id;
    uint32_t needs;
} conditions[] = {
    {"bprm_check_security", SG_NEEDS_PROGRAM},
};

// What a hook is there for passes it on kernels alone that have another one, too.
static const struct {
    const char *id, *companion;
} companions[] = {
    {"inode_init_security_anon", "uring_sqpoll"}, // io_urings from 5.16 on, the hook from 5.12 on
};

// Attached, too, where the policy has any of these needs, whatever its rules are about.
static const struct {
    const char *id;
    uint32_t needs;
} besides[] = {
    {"file_ioctl", SG_NEED_GUARD},
    {"file_ioctl_compat", SG_NEED_GUARD},
};

// From here on tracepoints leave preemption on: bpf/lib/life.bpf.h.
#define TRACEPOINTS_PREEMPT KERNEL(7, 0)
// From here on access control lists are no extended attributes any more.
#define ACL_HOOKS           KERNEL(6, 2)

static const struct extra_row extras[] = {
    {.program = "tp_fork", .required = true},
    {.program = "tp_exec", .required = true},
    {.program = "tp_exit", .required = true},
    {.program = "lsm_exec_begins",
     .controls = SG_BIT(SG_CONTROL_schedule),
     .since = TRACEPOINTS_PREEMPT,
     .lsm_only = true,
     .without = "rules that schedule come late where a task is preempted inside tp_exec"},
#define AGAIN(name)                                                                     \
    {                                                                                   \
        .program = (name), .since = TRACEPOINTS_PREEMPT,                                \
        .without = "a process is missed where a task is preempted inside the first one" \
    }
    AGAIN("tp_fork_again"),
    AGAIN("tp_exec_again"),
    AGAIN("tp_exit_again"),
#undef AGAIN
    {.program = "fentry_bprm_check", .without = "records of scripts name their interpreter alone"},
    {.program = "tp_task_free", .without = "what is known of a thread is forgotten late"},
    {.program = "fexit_d_move",
     .with_rename = true,
     .without = "what is known beneath a moved directory is noticed late"},
    {.program = "fexit_d_exchange",
     .with_rename = true,
     .without = "what is known beneath exchanged directories is noticed late"},
    {.program = "fexit_vfs_link",
     .with_rename = true,
     .without = "a file that is linked while it is moved under a rule keeps a name without one"},
#define IO(name, text)                                      \
    {                                                       \
        .program = name, .ops = SG_OP_IO, .without = (text) \
    }
    IO("fexit_vfs_read", "read and pread are not counted"),
    IO("fexit_vfs_write", "write and pwrite are not counted"),
    IO("fexit_vfs_readv", "readv and preadv are not counted"),
    IO("fexit_vfs_writev", "writev and pwritev are not counted"),
    IO("fexit_kernel_read", "what the kernel reads for a process is not counted"),
    IO("fexit_do_splice_to", "what sendfile and splice read is not counted up to 6.4"),
    IO("fexit_do_splice_read", "what sendfile and splice read is not counted from 6.5 on"),
    IO("fexit_iter_file_splice_write", "what sendfile and splice write is not counted"),
    IO("fentry_vfs_copy_file_range", "copy_file_range is not counted"),
    IO("fexit_vfs_copy_file_range", "copy_file_range is not counted"),
    IO("fexit_vfs_clone_file_range", "reflinks are not counted"),
    IO("fexit_kiocb_done", "io_uring is not counted"),
    IO("fentry_io_complete_rw", "io_uring is not counted where it ends later"),
    IO("fentry_io_complete_rw_iopoll", "polled io_uring is not counted"),
    IO("fentry_aio_complete_rw", "io_submit is not counted"),
    IO("fexit_security_mmap_file", "that a counted file was mapped is not noted"),
#undef IO
#define GUARD(name, text)                                             \
    {                                                                 \
        .program = #name, .guard = 1 + GUARD_##name, .on_hook = true, \
        .feature = SENSOR_FEATURE_DEFENCE, .without = (text)          \
    }
    GUARD(guard_task_kill, "root can end or stop the agent by a signal"),
    GUARD(guard_sigio, "root can end the agent by a signal that a descriptor sends"),
    GUARD(guard_ptrace, "root can trace the agent and the server"),
    GUARD(guard_setnice, "root can set the agent's nice value"),
    GUARD(guard_setioprio, "root can set the agent's I/O priority"),
    GUARD(guard_setscheduler, "root can set the agent's scheduling class and processors"),
    GUARD(guard_movememory, "root can move the agent's memory"),
    GUARD(guard_setrlimit, "root can set the agent's resource limits"),
    GUARD(guard_bpf, "root can detach what is not attached by a trampoline"),
    GUARD(guard_bpf_map, "root can change the maps of the kernel side"),
    GUARD(guard_bpf_prog, "root can take descriptors of the kernel's programs"),
#undef GUARD
    {.program = "guard_move",
     .on_hook = true,
     .feature = SENSOR_FEATURE_DEFENCE,
     .without = "root can move the agent to another cgroup, and end or freeze it there"},
    {.program = "fexit_cgroup_procs_write_start",
     .feature = SENSOR_FEATURE_DEFENCE,
     .without = "root can move the agent to another cgroup, and end or freeze it there"},
    {.program = "fexit_cgroup_file_write",
     .feature = SENSOR_FEATURE_DEFENCE,
     .without = "root can move the agent to another cgroup, and end or freeze it there"},
    {.program = "fexit_cgroup_can_fork",
     .feature = SENSOR_FEATURE_DEFENCE,
     .without = "root can start processes in the agent's cgroup, and exhaust it"},
    {.program = "guard_sysctl",
     .guard = 1 + GUARD_guard_sysctl,
     .feature = SENSOR_FEATURE_DEFENCE,
     .without = "root can switch kernel.ftrace_enabled off by a procfs of its own"},
#define CREDENTIALS(name, hooked)                                                  \
    {                                                                              \
        .program = name, .on_hook = hooked, .feature = SENSOR_FEATURE_CREDENTIALS, \
        .without = "credentials are not watched"                                   \
    }
#define CREDENTIALS_SINCE(name, version)                                                           \
    {                                                                                              \
        .program = name, .on_hook = true, .feature = SENSOR_FEATURE_CREDENTIALS, .since = version, \
        .without = "credentials are not watched"                                                   \
    }
    // Those that look, before those that see what is legitimate: the last ones are attached first.
    {.program = "cred_open",
     .on_hook = true,
     .feature = SENSOR_FEATURE_CREDENTIALS,
     .within = "file_open",
     .without = "credentials are not watched"},
    CREDENTIALS("cred_capable", true),
    CREDENTIALS("cred_kill", true),
    CREDENTIALS("cred_socket", true),
    CREDENTIALS("cred_setattr", true),
    CREDENTIALS("cred_create", true),
    CREDENTIALS("cred_unlink", true),
    CREDENTIALS("cred_rename", true),
    CREDENTIALS("cred_link", true),
    CREDENTIALS("cred_mkdir", true),
    CREDENTIALS("cred_rmdir", true),
    CREDENTIALS("cred_mknod", true),
    CREDENTIALS("cred_symlink", true),
    CREDENTIALS("cred_setxattr", true),
    CREDENTIALS("cred_removexattr", true),
    CREDENTIALS_SINCE("cred_set_acl", ACL_HOOKS),
    CREDENTIALS_SINCE("cred_remove_acl", ACL_HOOKS),
    CREDENTIALS("cred_connect", true),
    CREDENTIALS("cred_send", true),
    CREDENTIALS("cred_ipc", true),
    CREDENTIALS("cred_key", true),
    CREDENTIALS("cred_trace", true),
    CREDENTIALS("cred_prlimit", true),
    CREDENTIALS("cred_scheduler", true),
    CREDENTIALS("cred_nice", true),
    CREDENTIALS("cred_ioprio", true),
    CREDENTIALS("cred_exec", true),
    CREDENTIALS("cred_capset", true),
    CREDENTIALS("tp_cred_fork", false),
    CREDENTIALS("tp_cred_exit", false),
    CREDENTIALS("cred_alloc", true),
    CREDENTIALS("cred_setuid", true),
    CREDENTIALS("cred_setgid", true),
    CREDENTIALS("cred_committed", true),
#undef CREDENTIALS
#undef CREDENTIALS_SINCE
};

STATIC_ASSERT(ARRAY_SIZE(extras) <= EXTRAS_MAX, "room in struct choices");

const struct hook_row *hook_row(size_t i)
{
    return i < HOOKS ? &rows[i] : NULL;
}

const struct guard_row *guard_row(size_t i)
{
    return i < GUARDS ? &guards[i] : NULL;
}

size_t guard_extra(size_t i)
{
    size_t extra = 0;

    while (extras[extra].guard != i + 1)
        extra++;
    return extra;
}

size_t hook_index(const char *id)
{
    for (size_t i = 0; i < HOOKS; i++)
        if (streq(rows[i].id, id))
            return i;
    return HOOKS;
}

uint64_t hook_controls(size_t i)
{
    uint64_t kinds = 0;

    for (size_t k = 0; k < ARRAY_SIZE(askers); k++)
        if (askers[k].hook == i + 1)
            kinds |= SG_BIT(askers[k].kind);
    return kinds;
}

const char *hook_sibling(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(siblings); i++)
        if (streq(siblings[i].id, id))
            return siblings[i].sibling;
    return NULL;
}

const char *hook_successor(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(successors); i++)
        if (streq(successors[i].id, id))
            return successors[i].successor;
    return NULL;
}

uint32_t hook_until(const char *id, const char **ret_by)
{
    for (size_t i = 0; i < ARRAY_SIZE(lasting); i++)
        if (streq(lasting[i].id, id)) {
            *ret_by = lasting[i].by;
            return lasting[i].until;
        }
    return 0;
}

const char *hook_companion(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(companions); i++)
        if (streq(companions[i].id, id))
            return companions[i].companion;
    return NULL;
}

uint32_t hook_needs(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
        if (streq(conditions[i].id, id))
            return conditions[i].needs;
    return 0;
}

uint32_t hook_besides(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(besides); i++)
        if (streq(besides[i].id, id))
            return besides[i].needs;
    return 0;
}

const struct extra_row *extra_row(size_t i)
{
    return i < ARRAY_SIZE(extras) ? &extras[i] : NULL;
}
