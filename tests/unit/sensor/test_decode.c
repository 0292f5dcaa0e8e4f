// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "sensor/decode.h"
#include "tests/unit/model/record.h"

#define DEV_ROOT  (8u << 20 | 1)
#define DEV_HOME  (8u << 20 | 2)
#define DEV_BTRFS (0u << 20 | 30)
#define DEV_OTHER (0u << 20 | 77)

static struct decode_mount mounts[] = {
    {DEV_HOME, BYTES("/"), BYTES("/home")},
    {DEV_BTRFS, BYTES("/"), BYTES("/mnt/all")},
    {DEV_ROOT, BYTES("/"), BYTES("/")},
    {DEV_BTRFS, BYTES("/@srv"), BYTES("/srv")},
    {DEV_BTRFS, BYTES("/@srv/deep"), BYTES("/deep")},
};

static const struct decode_context context = {
    .realtime_offset_ns = 1000000000000,
    .ring = EVENT_RING_AUDIT,
    .mounts = mounts,
    .n_mounts = ARRAY_SIZE(mounts),
};

#include "tests/unit/sensor/decoding.h"

static void test_header(void **state)
{
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.flags = SG_RECORD_MONITOR;
    r.head.seq = 77;
    r.head.cpu = 3;
    r.head.tid = 101;
    r.head.parent_start_ns = 5;
    r.head.uid = 1000;
    r.head.euid = 0;
    r.head.login_uid = 1000;
    r.head.cgroup_id = 99;
    r.head.hook = SG_HOOK_file_open;
    r.head.rule = 12;
    r.head.verdict = SG_DENY;
    r.head.access = SG_OP_READ | SG_OP_IO;
    r.head.policy_id = 4;
    r.head.count = 9;
    r.head.first_ns = 4000000000ull;
    r.head.ino = 55;
    r.head.dev = DEV_ROOT;
    r.head.mode = 0100640;
    r.head.nlink = 2;
    r.head.value[0] = 10;
    r.head.value[1] = 20;
    memcpy(r.head.comm, "0123456789abcdef", 16);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->kind, EVENT_FILE);
    assert_int_equal(ev->time_ns, 5000000000);
    assert_int_equal(ev->realtime_ns, 1005000000000);
    assert_int_equal(ev->first_ns, 4000000000);
    assert_int_equal(ev->first_realtime_ns, 1004000000000);
    assert_int_equal(ev->count, 9);
    assert_int_equal(ev->seq, 77);
    assert_int_equal(ev->cpu, 3);
    assert_int_equal(ev->ring, EVENT_RING_AUDIT);
    assert_int_equal(ev->process.ref.tgid, 100);
    assert_int_equal(ev->process.ref.start_ns, 1234567890);
    assert_int_equal(ev->process.tid, 101);
    assert_int_equal(ev->process.parent.tgid, 1);
    assert_int_equal(ev->process.uid, 1000);
    assert_int_equal(ev->process.login_uid, 1000);
    assert_int_equal(ev->process.cgroup_id, 99);
    assert_int_equal(ev->process.comm_len, 16);
    assert_memory_equal(ev->process.comm, "0123456789abcdef", 16);
    assert_int_equal(ev->hook, SG_HOOK_file_open);
    assert_int_equal(ev->rule_index, 12);
    assert_int_equal(ev->access, SG_OP_READ | SG_OP_IO);
    assert_int_equal(ev->mode, EVENT_MODE_MONITOR);
    assert_int_equal(ev->outcome, EVENT_OUTCOME_WOULD_DENY);
    assert_int_equal(ev->ino, 55);
    assert_int_equal(ev->dev2, DEV_ROOT);
    assert_int_equal(ev->mode_bits, 0100640);
    assert_int_equal(ev->bytes_read, 10);
    assert_int_equal(ev->bytes_written, 20);
    assert_int_equal(ev->path.kind, EVENT_PATH_NONE);
    assert_null(ev->who);
}

static void test_outcome(void **state)
{
    static const struct {
        unsigned verdict, flags, error;
        enum event_outcome outcome;
    } rows[] = {
        {SG_ALLOW, 0, 0, EVENT_OUTCOME_PASSED},
        {SG_AUDIT, 0, 0, EVENT_OUTCOME_PASSED},
        {SG_DENY, 0, 1, EVENT_OUTCOME_DENIED},
        {SG_DENY, 0, 0, EVENT_OUTCOME_NOT_HELD},
        {SG_DENY, SG_RECORD_MONITOR, 0, EVENT_OUTCOME_WOULD_DENY},
        {SG_KILL, 0, 1, EVENT_OUTCOME_KILLED},
        {SG_KILL, SG_RECORD_MONITOR, 0, EVENT_OUTCOME_WOULD_DENY},
    };
    struct event *ev = *state;
    struct record r;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        record_begin(&r, SG_RECORD_FILE);
        r.head.verdict = (__u8)rows[i].verdict;
        r.head.flags = (__u16)rows[i].flags;
        r.head.error = rows[i].error;
        assert_int_equal(decode(ev, &r), 0);
        assert_int_equal(ev->outcome, rows[i].outcome);
    }
}

static void check_path(struct event *ev, unsigned dev, const char *inside,
                       enum event_path_kind kind, const char *outside)
{
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.dev = dev;
    record_path(&r, SG_FIELD_PATH, inside);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, kind);
    assert_int_equal(ev->path.bytes.len, strlen(outside));
    assert_memory_equal(ev->path.bytes.s, outside, strlen(outside));
}

static void test_mounts(void **state)
{
    struct event *ev = *state;

    check_path(ev, DEV_ROOT, "/etc/shadow", EVENT_PATH_HOST, "/etc/shadow");
    check_path(ev, DEV_ROOT, "/", EVENT_PATH_HOST, "/");
    check_path(ev, DEV_HOME, "/ann/.ssh/id", EVENT_PATH_HOST, "/home/ann/.ssh/id");
    check_path(ev, DEV_HOME, "/", EVENT_PATH_HOST, "/home");
    check_path(ev, DEV_BTRFS, "/@srv/www/x", EVENT_PATH_HOST, "/srv/www/x");
    check_path(ev, DEV_BTRFS, "/@srv", EVENT_PATH_HOST, "/srv");
    check_path(ev, DEV_BTRFS, "/@srv/deep/y", EVENT_PATH_HOST, "/deep/y");
    check_path(ev, DEV_BTRFS, "/@srvx/y", EVENT_PATH_HOST, "/mnt/all/@srvx/y");
    check_path(ev, DEV_OTHER, "/a/b", EVENT_PATH_FILESYSTEM, "/a/b");
    check_path(ev, DEV_OTHER, "/", EVENT_PATH_FILESYSTEM, "/");
    check_path(ev, DEV_ROOT, "/\xff\xfe\n\"/x", EVENT_PATH_HOST, "/\xff\xfe\n\"/x");
}

static void test_second_path(void **state)
{
    struct event *ev = *state;
    unsigned dev2 = DEV_HOME;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.hook = SG_HOOK_inode_rename;
    r.head.dev = DEV_ROOT;
    record_path(&r, SG_FIELD_PATH2, "/ann/new");
    record_field(&r, SG_FIELD_DEV2, &dev2, sizeof(dev2));
    record_path(&r, SG_FIELD_PATH, "/tmp/old");
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->path.bytes, "/tmp/old");
    assert_bytes(ev->path2.bytes, "/home/ann/new");
    assert_int_equal(ev->dev2, DEV_HOME);

    record_begin(&r, SG_RECORD_FILE);
    r.head.hook = SG_HOOK_inode_symlink;
    r.head.dev = DEV_ROOT;
    record_path(&r, SG_FIELD_PATH, "/tmp/link");
    record_field(&r, SG_FIELD_PATH2, "../etc/shadow", 13);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path2.kind, EVENT_PATH_TEXT);
    assert_bytes(ev->path2.bytes, "../etc/shadow");
}

static void test_cut(void **state)
{
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.dev = DEV_ROOT;
    r.head.flags = SG_RECORD_PATH_CUT;
    record_field(&r, SG_FIELD_PATH, "leaf\0dir\0par", 12);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_CUT);
    assert_bytes(ev->path.bytes, "dir/leaf");

    r.head.flags = SG_RECORD_UNRESOLVED;
    r.head.reason = SG_REASON_DISCONNECTED;
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_CUT);

    // Without one of these it may not end in the middle of a name.
    r.head.flags = 0;
    r.head.reason = 0;
    assert_int_equal(decode(ev, &r), -EBADMSG);

    // One of two paths may be cut and the other whole.
    r.head.size = sizeof(r.head);
    r.head.flags = SG_RECORD_PATH2_CUT;
    record_path(&r, SG_FIELD_PATH, "/etc/shadow");
    record_field(&r, SG_FIELD_PATH2, "leaf\0dir\0par", 12);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_HOST);
    assert_bytes(ev->path.bytes, "/etc/shadow");
    assert_int_equal(ev->path2.kind, EVENT_PATH_CUT);
    assert_bytes(ev->path2.bytes, "dir/leaf");

    // Nothing but a part of one name is left.
    r.head.flags = SG_RECORD_PATH_CUT;
    r.head.size = sizeof(r.head);
    record_field(&r, SG_FIELD_PATH, "xyz", 3);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_CUT);
    assert_int_equal(ev->path.bytes.len, 0);
}

static void test_process_records(void **state)
{
    struct event *ev = *state;
    unsigned char exe[12];
    unsigned long long ino = 42;
    unsigned dev = DEV_ROOT;
    struct record r;

    record_begin(&r, SG_RECORD_FORK);
    r.head.value[0] = 200;
    r.head.value[1] = 777;
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->child.tgid, 200);
    assert_int_equal(ev->child.start_ns, 777);
    r.head.value[0] = 0;
    assert_int_equal(decode(ev, &r), -EBADMSG);
    r.head.value[0] = 1ull << 32;
    assert_int_equal(decode(ev, &r), -EBADMSG);

    record_begin(&r, SG_RECORD_EXEC);
    r.head.dev = DEV_ROOT;
    memcpy(exe, &ino, 8);
    memcpy(exe + 8, &dev, 4);
    record_field(&r, SG_FIELD_ARGS, "ls\0-l\0", 6);
    record_field(&r, SG_FIELD_EXE_ID, exe, sizeof(exe));
    record_path(&r, SG_FIELD_PATH, "/usr/bin/ls");
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->path.bytes, "/usr/bin/ls");
    assert_int_equal(ev->args.len, 6);
    assert_false(ev->args_cut);
    assert_int_equal(ev->exe_ino, 42);
    assert_int_equal(ev->exe_dev, DEV_ROOT);

    record_begin(&r, SG_RECORD_EXEC);
    record_field(&r, SG_FIELD_ARGS, "ls\0-l", 5);
    assert_int_equal(decode(ev, &r), 0);
    assert_true(ev->args_cut);

    record_begin(&r, SG_RECORD_EXIT);
    r.head.value[0] = 0x0100;
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->wait_status, 0x0100);
}

static void test_control(void **state)
{
    struct sg_control_field f = {.kind = SG_CONTROL_ptrace,
                                 .target_tgid = 7,
                                 .target_start_ns = 70,
                                 .number = {1, 2, 3}};
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_CONTROL);
    r.head.ino = SG_CONTROL_INO(1, 7);
    r.head.dev = SG_CONTROL_DEV(SG_CONTROL_ptrace);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->kind, EVENT_CONTROL);
    assert_int_equal(ev->control.kind, SG_CONTROL_ptrace);
    assert_int_equal(ev->control.target.tgid, 7);
    assert_int_equal(ev->control.target.start_ns, 70);
    assert_int_equal(ev->control.number[0], 1);
    assert_int_equal(ev->control.number[2], 3);
    assert_int_equal(ev->control.name.len, 0);
    assert_int_equal(ev->ino, 0); // of no object
    assert_int_equal(ev->dev, 0);

    f.kind = SG_CONTROL_module;
    record_begin(&r, SG_RECORD_CONTROL);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    record_field(&r, SG_FIELD_NAME, "nf_tables\0rest", 14);
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->control.name, "nf_tables");
}

// Of safeguard's own defence: what was tried is in its second number.
static void test_defence(void **state)
{
    struct sg_control_field f = {.kind = SG_CONTROL_bpf,
                                 .number = {77, SG_GUARD_BPF_LINK, SG_GUARD_OF_AGENT}};
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_CONTROL);
    r.head.rule = SG_RULE_DEFENCE;
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->control.defence, 1 + SG_GUARD_BPF_LINK);
    assert_int_equal(ev->control.number[0], 77);
    f.number[1] = SG_GUARD_ACTS;
    record_begin(&r, SG_RECORD_CONTROL);
    r.head.rule = SG_RULE_DEFENCE;
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), -EBADMSG);
    // Of a rule it is some number.
    record_begin(&r, SG_RECORD_CONTROL);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->control.defence, 0);
}

static void test_bad_control(void **state)
{
    struct sg_control_field f = {.kind = SG_CONTROL_COUNT};
    struct event *ev = *state;
    char name[SG_CONTROL_NAME_MAX + 1] = "x";
    struct record r;

    record_begin(&r, SG_RECORD_CONTROL); // nothing of what was asked
    assert_int_equal(decode(ev, &r), -EBADMSG);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), -EBADMSG);

    f.kind = 0;
    f.target_tgid = 1u << 31;
    record_begin(&r, SG_RECORD_CONTROL);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    assert_int_equal(decode(ev, &r), -EBADMSG);

    f.target_tgid = 0;
    record_begin(&r, SG_RECORD_CONTROL);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f) - 8);
    assert_int_equal(decode(ev, &r), -EBADMSG);

    record_begin(&r, SG_RECORD_CONTROL);
    record_field(&r, SG_FIELD_CONTROL, &f, sizeof(f));
    record_field(&r, SG_FIELD_NAME, name, sizeof(name));
    assert_int_equal(decode(ev, &r), -EBADMSG);
}

static void test_xattr(void **state)
{
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_XATTR, "user.x\0garbage", 14);
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->xattr, "user.x");
}

static void test_unknown_field_is_skipped(void **state)
{
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.dev = DEV_ROOT;
    record_field(&r, 900, "abc", 3);
    record_path(&r, SG_FIELD_PATH, "/x");
    record_field(&r, 900, "abc", 3);
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->path.bytes, "/x");
}

// Each row spoils one thing of a good record.
static void test_bad_headers(void **state)
{
    static const struct {
        size_t offset, size;
        unsigned long long value;
        int error;
    } rows[] = {
#define ROW(field, value, error) \
    {offsetof(struct sg_record, field), sizeof(((struct sg_record *)0)->field), value, error}
        ROW(size, 0, -EBADMSG),
        ROW(size, sizeof(struct sg_record) - 8, -EBADMSG),
        ROW(size, sizeof(struct sg_record) + 4, -EBADMSG),
        ROW(size, sizeof(struct sg_record) + 8, -EBADMSG),
        ROW(size, UINT32_MAX, -EBADMSG),
        ROW(type, 0, -EOPNOTSUPP),
        ROW(type, EVENT_KIND_COUNT, -EOPNOTSUPP),
        ROW(hook, SG_HOOK_COUNT, -EBADMSG),
        ROW(verdict, SG_VERDICT_COUNT, -EBADMSG),
        ROW(reason, SG_REASON_COUNT, -EBADMSG),
        ROW(count, 0, -EBADMSG),
        ROW(tgid, 0x80000000u, -EBADMSG),
        ROW(tid, 0x80000000u, -EBADMSG),
        ROW(ppid, UINT32_MAX, -EBADMSG),
        ROW(error, 4096, -EBADMSG),
#undef ROW
    };
    struct event *ev = *state;
    struct record r;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        record_begin(&r, SG_RECORD_FILE);
        memcpy(r.bytes + rows[i].offset, &rows[i].value, rows[i].size);
        assert_int_equal(decode_record(r.bytes, sizeof(r.head), &context, ev), rows[i].error);
    }
}

static void test_bad_fields(void **state)
{
    struct event *ev = *state;
    char name[SG_NAME_MAX + 2];
    struct record r;

    // A field that reaches behind the end.
    record_begin(&r, SG_RECORD_FILE);
    record_path(&r, SG_FIELD_PATH, "/x");
    ((struct sg_field *)(r.bytes + sizeof(r.head)))->len = 9;
    assert_int_equal(decode(ev, &r), -EBADMSG);

    // Twice the same one.
    record_begin(&r, SG_RECORD_FILE);
    record_path(&r, SG_FIELD_PATH, "/x");
    record_path(&r, SG_FIELD_PATH, "/y");
    assert_int_equal(decode(ev, &r), -EBADMSG);

    // Type 0.
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, 0, "", 0);
    assert_int_equal(decode(ev, &r), -EBADMSG);

    // '/' within a component, an empty component, one that is too long.
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_PATH, "a/b", 4);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_PATH, "a\0\0b", 5);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_PATH, name, sizeof(name));
    assert_int_equal(decode(ev, &r), -EBADMSG);

    // Numbers of the wrong size.
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_DEV2, "12345678", 8);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    record_begin(&r, SG_RECORD_EXEC);
    record_field(&r, SG_FIELD_EXE_ID, "12345678", 8);
    assert_int_equal(decode(ev, &r), -EBADMSG);
}

struct finding_bytes {
    struct sg_finding_field head;
    struct sg_credentials before, after;
};

static int decode_finding_of(struct event *ev, const struct finding_bytes *f, size_t len)
{
    struct record r;

    record_begin(&r, SG_RECORD_FINDING);
    r.head.verdict = SG_KILL;
    r.head.error = 1;
    if (len)
        record_field(&r, SG_FIELD_FINDING, f, len);
    return decode(ev, &r);
}

static void test_finding(void **state)
{
    struct event *ev = *state;
    const struct finding_bytes good = {
        .head = {.finding = SG_FINDING_credential_caps,
                 .evidence = SG_EVIDENCE_CREDENTIALS,
                 .target_tgid = 7,
                 .target_start_ns = 9},
        .before = {.euid = 1000, .caps_bounding = 3},
        .after = {.euid = 1000, .caps_effective = 1ull << 40, .user_ns = 4026531837},
    };
    struct finding_bytes f = good;

    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), 0);
    assert_int_equal(ev->kind, EVENT_FINDING);
    assert_int_equal(ev->outcome, EVENT_OUTCOME_KILLED);
    assert_int_equal(ev->finding.kind, SG_FINDING_credential_caps);
    assert_int_equal(ev->finding.target.tgid, 7);
    assert_int_equal(ev->finding.target.start_ns, 9);
    assert_true(ev->finding.has_credentials);
    assert_memory_equal(&ev->finding.before, &good.before, sizeof(good.before));
    assert_memory_equal(&ev->finding.after, &good.after, sizeof(good.after));
    f.head.evidence = SG_EVIDENCE_NONE;
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f.head)), 0);
    assert_false(ev->finding.has_credentials);
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), -EBADMSG); // more than it says
    f = good;
    assert_int_equal(decode_finding_of(ev, &f, 0), -EBADMSG); // a finding without one
    for (size_t len = 1; len < sizeof(f); len++)
        assert_int_equal(decode_finding_of(ev, &f, len), -EBADMSG);
    f.head.finding = SG_FINDING_NONE;
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), -EBADMSG);
    f.head.finding = SG_FINDING_COUNT;
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), -EBADMSG);
    f = good;
    f.head.evidence = SG_EVIDENCE_COUNT;
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), -EBADMSG);
    f = good;
    f.head.target_tgid = 1u << 31;
    assert_int_equal(decode_finding_of(ev, &f, sizeof(f)), -EBADMSG);
}

// A record as long as they get, at an odd address, with a long mount point in front.
static void test_longest(void **state)
{
    static char point[4096], component[SG_NAME_MAX + 1];
    struct event *ev = *state;
    struct decode_mount mount = {DEV_ROOT, BYTES("/"), {point, sizeof(point) - 1}};
    struct decode_context c = {.mounts = &mount, .n_mounts = 1};
    _cleanup_free_ unsigned char *odd = NULL;
    char list[SG_PATH_BYTES_MAX];
    struct record r;

    memset(point, 'p', sizeof(point));
    point[0] = '/';
    memset(component, 'c', SG_NAME_MAX);
    for (size_t i = 0; i < SG_PATH_BYTES_MAX; i += sizeof(component))
        memcpy(list + i, component, sizeof(component));
    record_begin(&r, SG_RECORD_FILE);
    r.head.dev = DEV_ROOT;
    record_field(&r, SG_FIELD_PATH, list, sizeof(list));
    record_field(&r, SG_FIELD_PATH2, list, sizeof(list));
    odd = malloc(r.head.size + 1);
    assert_non_null(odd);
    memcpy(odd + 1, r.bytes, r.head.size);
    assert_int_equal(decode_record(odd + 1, r.head.size, &c, ev), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_HOST);
    assert_int_equal(ev->path.bytes.len, sizeof(point) - 1 + sizeof(list));
    assert_memory_equal(ev->path.bytes.s, point, sizeof(point) - 1);
    assert_int_equal(ev->path2.bytes.len, ev->path.bytes.len);
}

// Every length that is cut off is refused, and nothing behind it is read (the sanitizer watches).
static void test_every_length(void **state)
{
    struct event *ev = *state;
    struct record r;

    record_begin(&r, SG_RECORD_FILE);
    r.head.dev = DEV_ROOT;
    record_path(&r, SG_FIELD_PATH, "/a/bb/ccc");
    record_path(&r, SG_FIELD_PATH2, "/d");
    for (size_t len = 0; len <= r.head.size; len++) {
        unsigned char *copy = malloc(len ? len : 1);

        assert_non_null(copy);
        memcpy(copy, r.bytes, len);
        assert_int_equal(decode_record(copy, len, &context, ev), len == r.head.size ? 0 : -EBADMSG);
        free(copy);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_header), TEST(test_outcome), TEST(test_mounts), TEST(test_second_path),
          TEST(test_cut), TEST(test_process_records), TEST(test_control), TEST(test_defence),
          TEST(test_bad_control), TEST(test_xattr), TEST(test_unknown_field_is_skipped),
          TEST(test_bad_headers), TEST(test_bad_fields), TEST(test_finding), TEST(test_longest),
          TEST(test_every_length))
