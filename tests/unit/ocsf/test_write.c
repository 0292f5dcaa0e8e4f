// SPDX-License-Identifier: Apache-2.0
//
// What stands in a record, attribute by attribute.
#include "tests/unit/ocsf/reader.h"

#include "model/names.h"
#include "ocsf/ops.h"

static void test_head(void **state)
{
    struct fixture *f = *state;

    write_it(f);
    assert_int_equal(number(f, "class_uid"), 1001);
    assert_int_equal(number(f, "category_uid"), 1);
    assert_int_equal(number(f, "type_uid"), 100114);
    assert_null(at(f, "type_name")); // captions of numbers are optional, and long
    assert_int_equal(number(f, "time"), 1700000200123);
    assert_string_at(f, "metadata.uid", BOOT ":7:security:2:17");
    assert_int_equal(number(f, "metadata.sequence"), 17);
    assert_string_at(f, "metadata.product.name", "safeguard");
    assert_string_at(f, "metadata.version", OCSF_VERSION);
    assert_string_at(f, "device.hostname", "web1");
    assert_string_at(f, "device.uid", "0123456789abcdef0123456789abcdef");
    assert_int_equal(number(f, "device.type_id"), 0);
    assert_string_at(f, "device.os.name", "Debian GNU/Linux 12 (bookworm)");
    assert_string_at(f, "status_code", "EPERM");
    assert_null(at(f, "count"));
    assert_null(at(f, "metadata.is_truncated"));
    assert_string_at(f, "message",
                     "cat (pid 4242, user root) was not allowed to open /etc/shadow for reading");
}

static void test_actor(void **state)
{
    struct fixture *f = *state;
    struct json_object *ancestry;

    write_it(f);
    assert_string_at(f, "actor.user.name", "ann");
    assert_string_at(f, "actor.user.uid", "1000");
    assert_string_at(f, "actor.process.user.name", "root");
    assert_string_at(f, "actor.process.uid", BOOT ":4242:12345");
    assert_int_equal(number(f, "actor.process.created_time"), 1700000123450);
    assert_string_at(f, "actor.process.name", "cat");
    assert_string_at(f, "actor.process.file.path", "/usr/bin/cat");
    assert_string_at(f, "actor.process.cmd_line", "cat /etc/shadow");
    assert_string_at(f, "actor.session.issuer", "ssh");
    assert_string_at(f, "actor.session.uid", "3");
    assert_string_at(f, "actor.process.parent_process.name", "bash");
    ancestry = at(f, "actor.process.ancestry");
    assert_int_equal(json_object_array_length(ancestry), 3);
    assert_string_equal(json_object_get_string(
                            json_object_object_get(json_object_array_get_idx(ancestry, 0), "path")),
                        "/usr/bin/bash");
    assert_null(at(f, "actor.process.container"));
    assert_null(at(f, "actor.process.ptid"));
    // What would only repeat the name, or is the host's own.
    assert_null(at(f, "unmapped.comm"));
    assert_null(at(f, "unmapped.pid_namespace"));
    assert_null(at(f, "unmapped.mount_namespace"));

    // A thread, in a container, of nobody who logged in.
    f->who.serial = 9;
    f->who.pid_ns = 4026532001;
    f->who.mnt_ns = 4026532002;
    f->who.login_uid = f->who.session_id = ID_NONE;
    f->who.session = SG_SESSION_NONE;
    f->who.container_id = BYTES("abc");
    f->who.container_runtime = BYTES("containerd");
    f->who.pod_uid = BYTES("11111111-2222-3333-4444-000000000000");
    f->ev->process.tid = 4243;
    memcpy(f->ev->process.comm, "net", 3);
    write_it(f);
    assert_string_at(f, "actor.user.name", "root");
    assert_null(at(f, "actor.session"));
    assert_null(at(f, "actor.process.auid"));
    assert_int_equal(number(f, "actor.process.ptid"), 4243);
    assert_string_at(f, "actor.process.container.uid", "abc");
    assert_string_at(f, "actor.process.container.orchestrator", "kubernetes");
    assert_string_at(f, "unmapped.thread_comm", "net");
    assert_int_equal(number(f, "unmapped.pid_namespace"), 4026532001);
    assert_int_equal(number(f, "unmapped.mount_namespace"), 4026532002);
}

// The name that a program gives itself, and ancestors of which no program is known.
static void test_names_of_processes(void **state)
{
    struct fixture *f = *state;
    struct json_object *last;

    f->who.exe = BYTES("/usr/bin/a-name-longer-than-fifteen");
    f->who.comm = BYTES("a-name-longer-t");
    f->who.ancestors[2] = (struct ancestor){{2, 1}, {}, BYTES("kthreadd")};
    write_it(f);
    assert_null(at(f, "unmapped.comm"));
    last = json_object_array_get_idx(at(f, "actor.process.ancestry"), 2);
    assert_null(json_object_object_get(last, "path"));
    assert_string_equal(json_object_get_string(json_object_object_get(last, "name")), "kthreadd");
    f->who.serial = 7;
    f->who.comm = BYTES("a-name-longer");
    f->who.n_ancestors = 1;
    write_it(f);
    assert_string_at(f, "unmapped.comm", "a-name-longer");
    assert_int_equal(number(f, "actor.process.parent_process.pid"), 4000);
    assert_null(at(f, "actor.process.ancestry"));
}

static void test_unknown_actor(void **state)
{
    struct fixture *f = *state;

    f->ev->who = NULL;
    memcpy(f->ev->process.comm, "\xff\"x", 3);
    write_it(f);
    assert_string_at(f, "actor.process.name", "\xef\xbf\xbd\"x");
    assert_int_equal(number(f, "actor.process.pid"), 4242);
    assert_null(at(f, "actor.user"));
    assert_string_at(f, "message",
                     "\xef\xbf\xbd\"x (pid 4242, user 0) was not allowed to open "
                     "/etc/shadow for reading");
}

static void test_outcomes(void **state)
{
    static const struct {
        enum event_outcome outcome;
        enum sg_verdict verdict;
        int severity, status, action, disposition;
    } rows[] = {
        {EVENT_OUTCOME_PASSED, SG_ALLOW, 1, 1, 1, 1},
        {EVENT_OUTCOME_PASSED, SG_AUDIT, 1, 1, 3, 17},
        {EVENT_OUTCOME_WOULD_DENY, SG_DENY, 2, 1, 3, 15},
        {EVENT_OUTCOME_NOT_HELD, SG_DENY, 4, 1, 3, 19},
        {EVENT_OUTCOME_DENIED, SG_DENY, 3, 2, 2, 2},
        {EVENT_OUTCOME_KILLED, SG_KILL, 4, 2, 2, 2},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        f->ev->outcome = rows[i].outcome;
        f->ev->verdict = rows[i].verdict;
        write_it(f);
        assert_int_equal(number(f, "severity_id"), rows[i].severity);
        assert_int_equal(number(f, "status_id"), rows[i].status);
        assert_int_equal(number(f, "action_id"), rows[i].action);
        assert_int_equal(number(f, "disposition_id"), rows[i].disposition);
        assert_int_equal(json_object_get_boolean(at(f, "is_alert")),
                         rows[i].outcome != EVENT_OUTCOME_PASSED);
        assert_string_at(f, "unmapped.verdict", event_verdict_name(rows[i].verdict));
    }
}

// Every hook that can deny something has words of its own.
static void test_every_hook(void **state)
{
    static const struct {
        enum sg_hook hook;
        unsigned ops;
    } hooks[] = {
#define SG_HOOK(id, ops, canary, help) {SG_HOOK_##id, ops},
#include "abi/hooks.def"
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        for (unsigned bit = 0; bit < SG_OP_COUNT; bit++) {
            if (!(hooks[i].ops & 1u << bit))
                continue;
            f->ev->hook = hooks[i].hook;
            f->ev->access = (uint16_t)(1u << bit);
            write_it(f);
            assert_string_at(f, "unmapped.hook", event_hook_name(hooks[i].hook));
            if (streq(string(f, "activity_name"), "Other"))
                fail_msg("%s has no OCSF_FILE_OP", event_hook_name(hooks[i].hook));
        }
    }
}

static void test_activities(void **state)
{
    static const struct {
        enum sg_hook hook;
        unsigned access;
        const char *xattr;
        int activity;
    } rows[] = {
        {SG_HOOK_file_open, SG_OP_READ | SG_OP_WRITE, "", 14},
        {SG_HOOK_inode_create, SG_OP_CREATE, "", 1},
        {SG_HOOK_inode_unlink, SG_OP_DELETE, "", 4},
        {SG_HOOK_inode_rename, SG_OP_RENAME, "", 5},
        {SG_HOOK_inode_setattr, SG_OP_CHMOD, "", 6},
        {SG_HOOK_inode_setattr, SG_OP_CHOWN, "", 7},
        {SG_HOOK_inode_setattr, SG_OP_CHMOD | SG_OP_CHOWN, "", 7},
        {SG_HOOK_inode_setxattr, SG_OP_XATTR, "user.note", 6},
        {SG_HOOK_inode_setxattr, SG_OP_XATTR, "security.capability", 7},
        {SG_HOOK_inode_removexattr, SG_OP_XATTR, "system.posix_acl_access", 7},
        {SG_HOOK_file_permission, SG_OP_READ, "", 2},
        {SG_HOOK_file_permission, SG_OP_WRITE, "", 3},
        {SG_HOOK_mmap_file, SG_OP_MMAP, "", 99},
        {SG_HOOK_sb_mount, SG_OP_MOUNT, "", 12},
        {SG_HOOK_sb_umount, SG_OP_MOUNT, "", 13},
        {SG_HOOK_NONE, SG_OP_READ, "", 2},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        f->ev->hook = rows[i].hook;
        f->ev->access = (uint16_t)rows[i].access;
        f->ev->xattr = (struct bytes){rows[i].xattr, (uint32_t)strlen(rows[i].xattr)};
        write_it(f);
        assert_int_equal(number(f, "activity_id"), rows[i].activity);
        assert_int_equal(number(f, "type_uid"), 100100 + rows[i].activity);
    }
    f->ev->hook = SG_HOOK_file_open;
    f->ev->access = SG_OP_IO;
    f->ev->bytes_read = 5;
    write_it(f);
    assert_int_equal(number(f, "activity_id"), 2);
    f->ev->bytes_written = UINT64_C(1) << 40;
    write_it(f);
    assert_int_equal(number(f, "activity_id"), 3);
    assert_int_equal(number(f, "unmapped.bytes_written"), INT64_C(1) << 40);
}

static void test_names(void **state)
{
    struct fixture *f = *state;

    f->ev->path.bytes = BYTES("/tmp/\xff\"\n\\\xe4\xbd\xa0");
    write_it(f);
    assert_string_at(f, "file.path", "/tmp/\xef\xbf\xbd\"\n\\\xe4\xbd\xa0");
    assert_string_at(f, "file.name", "\xef\xbf\xbd\"\n\\\xe4\xbd\xa0");
    assert_string_at(f, "unmapped.path_bytes", "2f746d702fff220a5ce4bda0");

    f->ev->path.bytes = BYTES("/tmp/\"\n\\\xe4\xbd\xa0");
    write_it(f);
    assert_null(at(f, "unmapped.path_bytes"));
    assert_string_at(f, "file.name", "\"\n\\\xe4\xbd\xa0");

    f->ev->path.bytes = BYTES("/");
    write_it(f);
    assert_string_at(f, "file.name", "/");

    f->ev->path = (struct event_path){BYTES("dir/leaf"), EVENT_PATH_CUT};
    write_it(f);
    assert_string_at(f, "unmapped.path_kind", "cut");
    assert_true(json_object_get_boolean(at(f, "metadata.is_truncated")));
    assert_string_at(f, "message",
                     "cat (pid 4242, user root) was not allowed to open .../dir/leaf for reading");

    f->ev->path = (struct event_path){};
    f->ev->ino = 0;
    f->ev->mode_bits = 0;
    write_it(f);
    assert_null(at(f, "file.path"));
    assert_null(at(f, "file.uid"));
    assert_string_at(f, "file.name", "");
    assert_int_equal(number(f, "file.type_id"), 0);
}

static void test_second_name(void **state)
{
    struct fixture *f = *state;

    f->ev->hook = SG_HOOK_inode_rename;
    f->ev->access = SG_OP_RENAME;
    f->ev->path2 = (struct event_path){BYTES("/tmp/\x80"), EVENT_PATH_FILESYSTEM};
    f->ev->dev2 = 7;
    write_it(f);
    assert_string_at(f, "file_result.path", "/tmp/\xef\xbf\xbd");
    assert_string_at(f, "file_result.volume", "0:7");
    assert_string_at(f, "file.volume", "8:1");
    assert_string_at(f, "unmapped.result_path_bytes", "2f746d702f80");
    assert_string_at(f, "unmapped.result_path_kind", "filesystem");
    assert_string_at(f, "message",
                     "cat (pid 4242, user root) was not allowed to rename "
                     "/etc/shadow to /tmp/\xef\xbf\xbd");

    f->ev->hook = SG_HOOK_inode_symlink;
    f->ev->mode_bits = 0;
    f->ev->path2 = (struct event_path){BYTES("../x"), EVENT_PATH_TEXT};
    write_it(f);
    assert_null(at(f, "file_result"));
    assert_int_equal(number(f, "file.type_id"), 7);
    assert_string_at(f, "unmapped.link_target", "../x");
}

static void test_merged(void **state)
{
    struct fixture *f = *state;

    f->ev->count = 42;
    f->ev->first_realtime_ns = f->ev->realtime_ns - 900000000;
    f->ev->nlink = 3;
    write_it(f);
    assert_int_equal(number(f, "count"), 42);
    assert_int_equal(number(f, "time"), 1700000199223);
    assert_int_equal(number(f, "start_time"), 1700000199223);
    assert_int_equal(number(f, "end_time"), 1700000200123);
    assert_int_equal(number(f, "duration"), 900);
    assert_int_equal(number(f, "file.xattributes.hard_link_count"), 3);
    assert_string_at(f, "message",
                     "cat (pid 4242, user root) was not allowed to open /etc/shadow "
                     "for reading, 42 times");
}

// What says how many more there were comes from no ring: it is called by its time, and by another one than the next.
static void test_without_a_number(void **state)
{
    struct fixture *f = *state;

    f->ev->seq = 0;
    for (uint64_t time = 5000000001; time < 5000000004; time++) {
        char uid[128];

        f->ev->time_ns = time;
        write_it(f);
        (void)snprintf(uid, sizeof(uid), BOOT ":7:security:2:%llu", (unsigned long long)time);
        assert_string_at(f, "metadata.uid", uid);
        assert_null(at(f, "metadata.sequence"));
    }
}

static void test_rule(void **state)
{
    struct rule_ref rule = {BYTES("web"), BYTES("/etc/p.yaml"), 7, BYTES("no \"shadow\"")};
    struct fixture *f = *state;

    f->ev->rule = &rule;
    f->ev->rule_index = 3;
    write_it(f);
    assert_string_at(f, "policy.name", "web");
    assert_string_at(f, "policy.uid", "5");
    assert_string_at(f, "unmapped.rule", "no \"shadow\"");
    assert_string_at(f, "unmapped.rule_file", "/etc/p.yaml");
    assert_int_equal(number(f, "unmapped.rule_line"), 7);
    assert_null(at(f, "unmapped.rule_index"));
    assert_non_null(strstr(string(f, "message"), " (rule no \"shadow\")"));
    // Another policy has put another rule in the same place.
    rule.name = BYTES("other");
    f->ev->policy_id = 6;
    write_it(f);
    assert_string_at(f, "unmapped.rule", "other");
    assert_string_at(f, "policy.uid", "6");
    f->ev->rule = NULL; // of a policy that is forgotten
    write_it(f);
    assert_int_equal(number(f, "unmapped.rule_index"), 3);
    f->ev->rule_index = SG_RULE_BENEATH;
    write_it(f);
    assert_null(at(f, "policy"));
    assert_null(at(f, "unmapped.rule_index"));
    assert_true(json_object_get_boolean(at(f, "unmapped.rule_beneath")));
}

static void test_process_activities(void **state)
{
    struct fixture *f = *state;

    f->ev->kind = EVENT_FORK;
    f->ev->ring = EVENT_RING_PROCESS;
    f->ev->hook = SG_HOOK_NONE;
    f->ev->error = 0;
    f->ev->verdict = SG_ALLOW;
    f->ev->outcome = EVENT_OUTCOME_PASSED;
    f->ev->child = f->other.ref = (struct process_ref){5000, 130000000000};
    f->ev->target = &f->other;
    write_it(f);
    assert_int_equal(number(f, "type_uid"), 100701);
    assert_int_equal(number(f, "launch_type_id"), 2);
    assert_int_equal(number(f, "process.pid"), 5000);
    assert_int_equal(number(f, "actor.process.pid"), 4242);
    assert_null(at(f, "action_id"));
    assert_null(at(f, "file"));
    assert_string_at(f, "message", "cat (pid 4242, user root) started process 5000");
    f->ev->target = NULL;
    write_it(f);
    assert_int_equal(number(f, "process.pid"), 5000);

    f->other.ref = f->who.ref;
    f->other.exe = BYTES("/usr/bin/id");
    f->other.serial = 3;
    f->ev->kind = EVENT_EXEC;
    f->ev->target = &f->other;
    f->ev->path.bytes = f->other.exe;
    write_it(f);
    assert_int_equal(number(f, "launch_type_id"), 3);
    assert_string_at(f, "process.file.path", "/usr/bin/id");
    assert_string_at(f, "actor.process.file.path", "/usr/bin/cat");
    assert_string_at(f, "message", "cat (pid 4242, user root) executed /usr/bin/id");

    f->ev->kind = EVENT_EXIT;
    f->ev->target = f->ev->who;
    f->ev->wait_status = 3 << 8;
    write_it(f);
    assert_int_equal(number(f, "type_uid"), 100702);
    assert_int_equal(number(f, "exit_code"), 3);
    assert_null(at(f, "launch_type_id"));
    assert_null(at(f, "unmapped.signal"));
    f->ev->wait_status = 9 | 0x80; // SIGKILL, with a core
    write_it(f);
    assert_int_equal(number(f, "exit_code"), 137);
    assert_int_equal(number(f, "unmapped.signal"), 9);
}

static void test_no_class(void **state)
{
    static const enum event_kind kinds[] = {EVENT_NONE, EVENT_MOUNT, EVENT_CANARY, EVENT_ENTERED};
    struct fixture *f = *state;

    sb_puts(&f->line, "before");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        f->ev->kind = kinds[i];
        assert_int_equal(ocsf_write(f->o, f->ev, &f->line), -EOPNOTSUPP);
    }
    assert_string_equal(f->line.s, "before");
    f->ev->kind = EVENT_FILE;
    assert_int_equal(ocsf_write(f->o, f->ev, &f->line), 0);
    assert_memory_equal(f->line.s, "before{", 7);
}

UNIT_MAIN(TEST(test_head), TEST(test_actor), TEST(test_names_of_processes),
          TEST(test_unknown_actor), TEST(test_outcomes), TEST(test_every_hook),
          TEST(test_activities), TEST(test_names), TEST(test_second_name), TEST(test_merged),
          TEST(test_without_a_number), TEST(test_rule), TEST(test_process_activities),
          TEST(test_no_class))
