// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of a record to the line that leaves the host: each case is compared with
// tests/golden/ocsf/<name>.json. SAFEGUARD_GOLDEN=write writes the files instead; read the
// difference before it is kept.
#include "tests/unit/ocsf/golden.h"

#include "abi/control.h"
#include "base/macro.h"
#include "sensor/decode.h"
#include "tests/unit/model/record.h"

#define DEV_ROOT (8u << 20 | 1)
#define DEV_HOME (8u << 20 | 2)

static const struct rule_ref rules[] = {
    {BYTES("web-host"), BYTES("/etc/safeguard/policies/50-web.yaml"), 12, BYTES("shadow")},
    {BYTES("web-host"), BYTES("/etc/safeguard/policies/50-web.yaml"), 14, BYTES("")},
};

static struct who who, child, after; // the actor, its child, itself after an exec

static void begin(struct record *r, enum sg_hook hook, unsigned access, enum sg_verdict verdict)
{
    record_begin(r, SG_RECORD_FILE);
    r->head.hook = (__u16)hook;
    r->head.access = (__u16)access;
    r->head.verdict = (__u8)verdict;
    r->head.error = verdict >= SG_DENY ? EPERM : 0;
    r->head.rule = verdict != SG_ALLOW ? 0 : SG_RULE_NONE;
    r->head.policy_id = 5;
    r->head.ino = 1234;
    r->head.dev = DEV_ROOT;
    r->head.mode = 0100640;
    r->head.nlink = 1;
    r->head.tgid = r->head.tid = who.ref.tgid;
    r->head.start_ns = who.ref.start_ns;
    r->head.login_uid = who.login_uid;
    r->head.session_id = who.session_id;
    r->head.time_ns = 200000000000;
}

static void make_open_denied(struct record *r)
{
    begin(r, SG_HOOK_file_open, SG_OP_READ, SG_DENY);
    record_path(r, SG_FIELD_PATH, "/etc/shadow");
}

static void make_open_audited(struct record *r)
{
    begin(r, SG_HOOK_file_open, SG_OP_READ | SG_OP_WRITE, SG_AUDIT);
    r->head.dev = DEV_HOME;
    r->head.rule = 1;
    record_path(r, SG_FIELD_PATH, "/ann/.ssh/id_ed25519.pub");
}

static void make_exec_killed(struct record *r)
{
    begin(r, SG_HOOK_file_open, SG_OP_EXEC, SG_KILL);
    record_path(r, SG_FIELD_PATH, "/tmp/x");
}

static void make_rename_monitored(struct record *r)
{
    unsigned dev2 = DEV_HOME;

    begin(r, SG_HOOK_inode_rename, SG_OP_RENAME | SG_OP_CREATE, SG_DENY);
    r->head.flags = SG_RECORD_MONITOR | SG_RECORD_RELABEL;
    r->head.error = 0;
    record_path(r, SG_FIELD_PATH, "/etc/passwd");
    record_path(r, SG_FIELD_PATH2, "/ann/passwd");
    record_field(r, SG_FIELD_DEV2, &dev2, sizeof(dev2));
}

static void make_link_not_held(struct record *r)
{
    begin(r, SG_HOOK_inode_link, SG_OP_LINK, SG_DENY);
    r->head.error = 0;
    r->head.nlink = 2;
    record_path(r, SG_FIELD_PATH, "/etc/passwd");
    record_path(r, SG_FIELD_PATH2, "/tmp/p");
}

static void make_symlink_created(struct record *r)
{
    begin(r, SG_HOOK_inode_symlink, SG_OP_CREATE, SG_AUDIT);
    r->head.ino = r->head.mode = r->head.nlink = 0;
    record_path(r, SG_FIELD_PATH, "/tmp/link");
    record_field(r, SG_FIELD_PATH2, "../etc/shadow", 13);
}

static void make_rmdir_merged(struct record *r)
{
    begin(r, SG_HOOK_inode_rmdir, SG_OP_DELETE, SG_DENY);
    r->head.mode = 0040755;
    r->head.count = 1000000;
    r->head.first_ns = 199000000000;
    record_path(r, SG_FIELD_PATH, "/srv/www");
}

static void make_setxattr_denied(struct record *r)
{
    begin(r, SG_HOOK_inode_setxattr, SG_OP_XATTR, SG_DENY);
    record_path(r, SG_FIELD_PATH, "/usr/bin/ping");
    record_field(r, SG_FIELD_XATTR, "security.capability", 19);
}

static void make_closed_after_write(struct record *r)
{
    begin(r, SG_HOOK_file_close, SG_OP_IO, SG_AUDIT);
    r->head.first_ns = r->head.time_ns - 1500000000;
    r->head.value[0] = 0;
    r->head.value[1] = 123456;
    record_path(r, SG_FIELD_PATH, "/var/log/app.log");
}

static void make_mount_denied(struct record *r)
{
    begin(r, SG_HOOK_sb_mount, SG_OP_MOUNT, SG_DENY);
    r->head.rule = SG_RULE_BENEATH;
    r->head.mode = 0040755;
    record_path(r, SG_FIELD_PATH, "/etc");
}

static void make_not_utf8(struct record *r)
{
    begin(r, SG_HOOK_inode_unlink, SG_OP_DELETE, SG_DENY);
    record_path(r, SG_FIELD_PATH, "/tmp/\xff\xfe \"quoted\"\n\xe4\xbd\xa0");
}

static void make_handed_on(struct record *r)
{
    unsigned dev2 = DEV_ROOT;

    begin(r, SG_HOOK_bprm_check_security, SG_OP_READ, SG_DENY);
    r->head.flags = SG_RECORD_INHERITED;
    r->head.dev = DEV_HOME;
    record_path(r, SG_FIELD_PATH, "/ann/key");
    record_path(r, SG_FIELD_PATH2, "/usr/bin/less");
    record_field(r, SG_FIELD_DEV2, &dev2, sizeof(dev2));
}

static void make_cut(struct record *r)
{
    begin(r, SG_HOOK_file_open, SG_OP_WRITE, SG_DENY);
    r->head.flags = SG_RECORD_PATH_CUT;
    record_field(r, SG_FIELD_PATH, "leaf\0very\0deep\0hal", 18);
}

static void make_unresolved(struct record *r)
{
    begin(r, SG_HOOK_file_open, SG_OP_READ | SG_OP_WRITE, SG_DENY);
    r->head.flags = SG_RECORD_UNRESOLVED | SG_RECORD_KTHREAD;
    r->head.reason = SG_REASON_DISCONNECTED;
    r->head.rule = SG_RULE_NONE;
    record_field(r, SG_FIELD_PATH, "orphan\0", 7);
}

static void make_other_filesystem(struct record *r)
{
    begin(r, SG_HOOK_inode_create, SG_OP_CREATE, SG_AUDIT);
    r->head.dev = 77;
    r->head.ino = r->head.mode = r->head.nlink = 0;
    record_path(r, SG_FIELD_PATH, "/data/new");
}

static void make_fork(struct record *r)
{
    begin(r, SG_HOOK_NONE, 0, SG_ALLOW);
    r->head.type = SG_RECORD_FORK;
    r->head.value[0] = child.ref.tgid;
    r->head.value[1] = child.ref.start_ns;
}

static void make_exec(struct record *r)
{
    begin(r, SG_HOOK_NONE, 0, SG_ALLOW);
    r->head.type = SG_RECORD_EXEC;
    record_path(r, SG_FIELD_PATH, "/usr/bin/id");
    record_field(r, SG_FIELD_ARGS, "id\0-u\0", 6);
}

static void make_exit_by_signal(struct record *r)
{
    begin(r, SG_HOOK_NONE, 0, SG_ALLOW);
    r->head.type = SG_RECORD_EXIT;
    r->head.value[0] = 9;
}

static void make_exit_with_core(struct record *r)
{
    make_exit_by_signal(r);
    r->head.value[0] = 11 | 0x80;
    r->head.start_ns = r->head.time_ns - 1234567890;
}

static const struct sg_credentials ann = {
    .uid = 1000,
    .euid = 1000,
    .suid = 1000,
    .fsuid = 1000,
    .gid = 1000,
    .egid = 1000,
    .sgid = 1000,
    .fsgid = 1000,
    .caps_bounding = 0x1ffffffffff,
    .user_ns = 4026531837,
};

static void finding(struct record *r, enum sg_finding kind, enum sg_verdict verdict,
                    const struct sg_credentials *now)
{
    struct {
        struct sg_finding_field head;
        struct sg_credentials before, now;
    } field = {{.finding = (__u16)kind, .evidence = SG_EVIDENCE_CREDENTIALS}, ann, *now};

    begin(r, SG_HOOK_file_open, 0, verdict);
    r->head.type = SG_RECORD_FINDING;
    r->head.rule = SG_RULE_NONE;
    r->head.ino = r->head.dev = r->head.mode = r->head.nlink = 0;
    record_field(r, SG_FIELD_FINDING, &field, sizeof(field));
}

static void make_finding_ids_killed(struct record *r)
{
    struct sg_credentials now = ann;

    now.euid = now.fsuid = 0;
    now.caps_effective = now.caps_permitted = 0x1ffffffffff;
    finding(r, SG_FINDING_credential_ids, SG_KILL, &now);
}

static void make_finding_user_ns(struct record *r)
{
    struct sg_credentials now = ann;

    now.user_ns = 4026532500;
    finding(r, SG_FINDING_credential_user_ns, SG_KILL, &now);
    r->head.flags = SG_RECORD_MONITOR;
    r->head.error = 0;
}

static void begin_control(struct record *r, enum sg_control kind, enum sg_hook hook,
                          uint64_t number, const struct process_ref *target)
{
    struct sg_control_field f = {.kind = (__u16)kind, .number = {number}};

    begin(r, hook, SG_OP_CONTROL, SG_DENY);
    r->head.type = SG_RECORD_CONTROL;
    r->head.ino = SG_CONTROL_INO(number, target ? target->tgid : 0);
    r->head.dev = SG_CONTROL_DEV(kind);
    r->head.mode = r->head.nlink = 0;
    if (target) {
        f.target_tgid = target->tgid;
        f.target_start_ns = target->start_ns;
    }
    record_field(r, SG_FIELD_CONTROL, &f, sizeof(f));
}

static void make_ptrace_denied(struct record *r)
{
    begin_control(r, SG_CONTROL_ptrace, SG_HOOK_ptrace_access_check, SG_PTRACE_ATTACH, &child.ref);
}

static void make_signal_merged(struct record *r)
{
    begin_control(r, SG_CONTROL_signal, SG_HOOK_task_kill, 9, &child.ref);
    r->head.count = 12;
    r->head.first_ns = 199000000000;
}

static void make_setuid_audited(struct record *r)
{
    begin_control(r, SG_CONTROL_setuid, SG_HOOK_task_fix_setuid, 0, NULL);
    r->head.verdict = SG_AUDIT;
    r->head.error = 0;
}

static void make_capability_killed(struct record *r)
{
    begin_control(r, SG_CONTROL_capability, SG_HOOK_capable, 21, NULL);
    r->head.verdict = SG_KILL;
}

static void make_module_denied(struct record *r)
{
    begin_control(r, SG_CONTROL_module, SG_HOOK_kernel_read_file, 0, NULL);
    record_field(r, SG_FIELD_NAME, "evil \"one\"", 10);
}

static void make_bpf_denied(struct record *r)
{
    begin_control(r, SG_CONTROL_bpf, SG_HOOK_bpf, 5, NULL);
    r->head.error = EACCES;
}

static const struct rule_ref own_rule = {.policy = BYTES("safeguard"),
                                         .name = BYTES("safeguard's own defence")};

static void begin_defence(struct record *r, enum sg_control kind, enum sg_guard_act act,
                          uint64_t number, const struct process_ref *target)
{
    struct sg_control_field f = {.kind = (__u16)kind, .number = {number, act}};

    begin(r, SG_HOOK_NONE, SG_OP_CONTROL, SG_DENY);
    r->head.type = SG_RECORD_CONTROL;
    r->head.rule = SG_RULE_DEFENCE;
    r->head.mode = r->head.nlink = 0;
    if (target) {
        f.target_tgid = target->tgid;
        f.target_start_ns = target->start_ns;
    }
    record_field(r, SG_FIELD_CONTROL, &f, sizeof(f));
}

static void make_defence_signal(struct record *r)
{
    begin_defence(r, SG_CONTROL_signal, SG_GUARD_SIGNAL, 9, &child.ref);
    r->head.count = 40;
    r->head.first_ns = 199000000000;
}

static void make_defence_rlimit(struct record *r)
{
    begin_defence(r, SG_CONTROL_ptrace, SG_GUARD_RLIMIT, 7, &child.ref);
}

static void make_defence_map(struct record *r)
{
    begin_defence(r, SG_CONTROL_bpf, SG_GUARD_BPF_MAP, 31, NULL);
}

static void make_defence_ftrace(struct record *r)
{
    begin_defence(r, SG_CONTROL_bpf, SG_GUARD_FTRACE, 0, NULL);
}

static void make_memory_monitored(struct record *r)
{
    begin_control(r, SG_CONTROL_memory, SG_HOOK_control_mprotect, SG_MEMORY_STACK, NULL);
    r->head.flags = SG_RECORD_MONITOR;
    r->head.error = 0;
}

static void make_settime_denied(struct record *r)
{
    begin_control(r, SG_CONTROL_settime, SG_HOOK_settime, 0, NULL);
}

// Of another detector: done to somebody, at a file, three times, and refused.
static void make_finding_other(struct record *r)
{
    struct sg_finding_field head = {.finding = SG_FINDING_credential_replaced,
                                    .target_tgid = 77,
                                    .target_start_ns = 5000000000};

    begin(r, SG_HOOK_inode_unlink, SG_OP_DELETE, SG_DENY);
    r->head.type = SG_RECORD_FINDING;
    r->head.rule = SG_RULE_NONE;
    r->head.count = 3;
    r->head.first_ns = 199000000000;
    record_path(r, SG_FIELD_PATH, "/run/safeguard/\"x");
    record_field(r, SG_FIELD_FINDING, &head, sizeof(head));
}

enum actors { KNOWN, CONTAINER, UNKNOWN, FURTHER_NAME };

static const struct {
    const char *name;
    void (*make)(struct record *);
    enum event_ring ring;
    enum actors actor;
} cases[] = {
    {"open-denied", make_open_denied, EVENT_RING_SECURITY, KNOWN},
    {"open-denied-container", make_open_denied, EVENT_RING_SECURITY, CONTAINER},
    {"open-denied-unknown", make_open_denied, EVENT_RING_SECURITY, UNKNOWN},
    {"open-audited", make_open_audited, EVENT_RING_AUDIT, KNOWN},
    {"exec-killed", make_exec_killed, EVENT_RING_SECURITY, KNOWN},
    {"rename-monitored", make_rename_monitored, EVENT_RING_SECURITY, KNOWN},
    {"link-not-held", make_link_not_held, EVENT_RING_SECURITY, KNOWN},
    {"symlink-created", make_symlink_created, EVENT_RING_AUDIT, KNOWN},
    {"rmdir-merged", make_rmdir_merged, EVENT_RING_SECURITY, KNOWN},
    {"setxattr-denied", make_setxattr_denied, EVENT_RING_SECURITY, KNOWN},
    {"closed-after-write", make_closed_after_write, EVENT_RING_AUDIT, KNOWN},
    {"mount-denied", make_mount_denied, EVENT_RING_SECURITY, KNOWN},
    {"not-utf8", make_not_utf8, EVENT_RING_SECURITY, KNOWN},
    {"handed-on", make_handed_on, EVENT_RING_SECURITY, KNOWN},
    {"further-name", make_open_denied, EVENT_RING_SECURITY, FURTHER_NAME},
    {"path-cut", make_cut, EVENT_RING_SECURITY, KNOWN},
    {"unresolved", make_unresolved, EVENT_RING_SECURITY, UNKNOWN},
    {"other-filesystem", make_other_filesystem, EVENT_RING_AUDIT, CONTAINER},
    {"fork", make_fork, EVENT_RING_PROCESS, KNOWN},
    {"exec", make_exec, EVENT_RING_PROCESS, KNOWN},
    {"exit-by-signal", make_exit_by_signal, EVENT_RING_PROCESS, KNOWN},
    {"exit-with-core", make_exit_with_core, EVENT_RING_PROCESS, KNOWN},
    {"finding-ids-killed", make_finding_ids_killed, EVENT_RING_SECURITY, KNOWN},
    {"finding-user-ns", make_finding_user_ns, EVENT_RING_SECURITY, UNKNOWN},
    {"finding-other", make_finding_other, EVENT_RING_SECURITY, CONTAINER},
    {"ptrace-denied", make_ptrace_denied, EVENT_RING_SECURITY, KNOWN},
    {"ptrace-denied-unknown", make_ptrace_denied, EVENT_RING_SECURITY, UNKNOWN},
    {"signal-merged", make_signal_merged, EVENT_RING_SECURITY, KNOWN},
    {"setuid-audited", make_setuid_audited, EVENT_RING_AUDIT, KNOWN},
    {"capability-killed", make_capability_killed, EVENT_RING_SECURITY, KNOWN},
    {"module-denied", make_module_denied, EVENT_RING_SECURITY, KNOWN},
    {"bpf-denied", make_bpf_denied, EVENT_RING_SECURITY, CONTAINER},
    {"defence-signal", make_defence_signal, EVENT_RING_SECURITY, KNOWN},
    {"defence-rlimit", make_defence_rlimit, EVENT_RING_SECURITY, UNKNOWN},
    {"defence-map", make_defence_map, EVENT_RING_SECURITY, CONTAINER},
    {"defence-ftrace", make_defence_ftrace, EVENT_RING_SECURITY, KNOWN},
    {"memory-monitored", make_memory_monitored, EVENT_RING_SECURITY, KNOWN},
    {"settime-denied", make_settime_denied, EVENT_RING_SECURITY, KNOWN},
};

static void choose_actor(enum actors actor)
{
    make_who(&who);
    child = who;
    child.serial = 2;
    child.ref = (struct process_ref){4300, 150000000000};
    after = who;
    after.serial = 4;
    after.exe = BYTES("/usr/bin/id");
    after.cmdline = BYTES("id -u");
    after.comm = BYTES("id");
    if (actor != CONTAINER)
        return;
    who.serial = 3;
    who.exe_foreign = who.exe_deleted = true;
    who.session = SG_SESSION_SERVICE;
    who.login_uid = who.session_id = ID_NONE;
    who.login_user = who.user = (struct bytes){};
    who.euid = 165536;
    who.mnt_ns = 4026532500;
    who.pid_ns = 4026532501;
    who.cgroup = BYTES("/kubepods/burstable/pod/web");
    who.container_id = BYTES("8e5b1c");
    who.container_runtime = BYTES("containerd");
    who.pod_uid = BYTES("11111111-2222-3333-4444-000000000000");
}

static void test_cases(void **state)
{
    static struct decode_mount mounts[] = {
        {DEV_ROOT, BYTES("/"), BYTES("/")},
        {DEV_HOME, BYTES("/"), BYTES("/home")},
    };
    struct decode_context ctx = {.realtime_offset_ns = INT64_C(1700000000000000000),
                                 .mounts = mounts,
                                 .n_mounts = ARRAY_SIZE(mounts)};
    _cleanup_(event_freep) struct event *ev = NULL;
    _cleanup_(sb_done) struct strbuf line = {};
    _cleanup_(ocsf_freep) struct ocsf *o = NULL;
    struct record r;

    (void)state;
    assert_int_equal(event_new(&ev), 0);
    assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &o), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        choose_actor(cases[i].actor);
        cases[i].make(&r);
        ctx.ring = cases[i].ring;
        assert_int_equal(decode_record(r.bytes, r.head.size, &ctx, ev), 0);
        ev->who = cases[i].actor == UNKNOWN ? NULL : &who;
        ev->target = ev->kind == EVENT_FORK               ? &child
                     : ev->kind == EVENT_EXEC             ? &after
                     : ev->kind == EVENT_EXIT             ? &who
                     : ev->control.target.tgid && ev->who ? &child
                                                          : NULL;
        if (cases[i].actor == FURTHER_NAME)
            ev->reached_by = BYTES("/tmp/\xff\"link");
        if (ev->rule_index < ARRAY_SIZE(rules))
            ev->rule = &rules[ev->rule_index];
        else if (ev->rule_index == SG_RULE_DEFENCE)
            ev->rule = &own_rule;
        write_record(o, ev, &line);
        compare_golden(cases[i].name, &line);
    }
}

UNIT_MAIN(cmocka_unit_test(test_cases))
