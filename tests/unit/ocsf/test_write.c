// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ocsf/sink.h"

#include <json-c/json.h>

#include "base/macro.h"
#include "model/names.h"
#include "ocsf/ops.h"

struct fixture {
    struct ocsf *o;
    struct event *ev;
    struct strbuf line;
    struct who who, other;
    struct json_object *json;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || event_new(&f->ev) < 0 || ocsf_new(&test_host, 0, &f->o) < 0)
        return -1;
    make_who(&f->who);
    f->other = f->who;
    f->other.serial = 2;
    make_event(f->ev, &f->who);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    json_object_put(f->json);
    sb_done(&f->line);
    (void)ocsf_free(f->o);
    (void)event_free(f->ev);
    free(f);
    return 0;
}

// Writes the event and reads it back.
static void write_it(struct fixture *f)
{
    struct json_tokener *tok = json_tokener_new_ex(32);

    write_record(f->o, f->ev, &f->line);
    json_object_put(f->json);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    f->json = json_tokener_parse_ex(tok, f->line.s, (int)f->line.len + 1);
    assert_int_equal(json_tokener_get_error(tok), json_tokener_success);
    json_tokener_free(tok);
}

// "a.b.c": NULL when it is not there.
static struct json_object *at(struct fixture *f, const char *path)
{
    struct json_object *o = f->json;
    char name[64];

    while (o && *path) {
        size_t n = strcspn(path, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
        o = json_object_object_get(o, name);
        path += n + (path[n] == '.');
    }
    return o;
}

static int64_t number(struct fixture *f, const char *path)
{
    struct json_object *o = at(f, path);

    if (!o || !json_object_is_type(o, json_type_int))
        fail_msg("%s is no number", path);
    return json_object_get_int64(o);
}

static const char *string(struct fixture *f, const char *path)
{
    struct json_object *o = at(f, path);

    if (!o || !json_object_is_type(o, json_type_string))
        fail_msg("%s is no string", path);
    return json_object_get_string(o);
}

#define assert_string_at(f, path, text) assert_string_equal(string(f, path), text)

#define BOOT "11111111-2222-3333-4444-555555555555"

static void test_head(void **state)
{
    struct fixture *f = *state;

    write_it(f);
    assert_int_equal(number(f, "class_uid"), 1001);
    assert_int_equal(number(f, "category_uid"), 1);
    assert_int_equal(number(f, "type_uid"), 100114);
    assert_string_at(f, "type_name", "File System Activity: Open");
    assert_int_equal(number(f, "time"), 1700000200123);
    assert_string_at(f, "metadata.uid", BOOT ":security:2:17");
    assert_int_equal(number(f, "metadata.sequence"), 17);
    assert_string_at(f, "metadata.product.name", "safeguard");
    assert_string_at(f, "metadata.version", OCSF_VERSION);
    assert_string_at(f, "metadata.log_name", "security");
    assert_string_at(f, "device.boot_uid", BOOT);
    assert_string_at(f, "device.os.kernel_release", "6.1.0-18-amd64");
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
    assert_null(at(f, "actor.process.container"));
    assert_null(at(f, "actor.process.ptid"));

    // A thread, in a container, of nobody who logged in.
    f->who.serial = 9;
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
    assert_string_at(f, "unmapped.comm", "cat");
    assert_string_at(f, "unmapped.thread_comm", "net");
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
    assert_string_at(f, "message", "\xef\xbf\xbd\"x (pid 4242, user 0) was not allowed to open "
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
    assert_string_at(f, "message", "cat (pid 4242, user root) was not allowed to rename "
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
    assert_string_at(f, "message", "cat (pid 4242, user root) was not allowed to open /etc/shadow "
                                   "for reading, 42 times");
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
    assert_int_equal(number(f, "unmapped.rule_index"), 3);
    assert_non_null(strstr(string(f, "message"), " (rule no \"shadow\")"));
    // Another policy has put another rule in the same place.
    rule.name = BYTES("other");
    f->ev->policy_id = 6;
    write_it(f);
    assert_string_at(f, "unmapped.rule", "other");
    assert_string_at(f, "policy.uid", "6");
    f->ev->rule = NULL;
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
    static const enum event_kind kinds[] = {EVENT_NONE, EVENT_MOUNT, EVENT_CANARY};
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

// The largest record there can be: every text as long as it gets, and every byte escaped.
static void test_largest(void **state)
{
    static char text[2 * SG_PATH_BYTES_MAX];
    struct fixture *f = *state;
    struct bytes b = {text, sizeof(text)};

    memset(text, '\x01', sizeof(text));
    f->ev->path = f->ev->path2 = (struct event_path){b, EVENT_PATH_HOST};
    text[0] = '/';
    text[100] = '\xff'; // and the bytes in hexadecimal digits, too
    f->who.serial = 8;
    f->who.exe = f->who.cmdline = f->who.cgroup = b;
    f->who.n_ancestors = WHO_ANCESTORS_MAX;
    for (size_t i = 0; i < WHO_ANCESTORS_MAX; i++)
        f->who.ancestors[i] = (struct ancestor){{1, 1}, b, BYTES("x")};
    write_it(f);
    assert_true(f->line.len > 34 * sizeof(text) * 6);
    assert_int_equal(json_object_get_string_len(at(f, "file.path")), sizeof(text) + 2);
    assert_int_equal(json_object_array_length(at(f, "actor.process.ancestry")), 32);
}

static void test_prepared_parts(void **state)
{
    struct ocsf_counters c;
    struct fixture *f = *state;
    struct ocsf *small = NULL;

    write_it(f);
    write_it(f);
    ocsf_counters(f->o, &c);
    assert_int_equal(c.records, 2);
    assert_int_equal(c.built, 1);
    assert_int_equal(c.reused, 1);
    // Bounded in bytes, whatever comes.
    assert_int_equal(ocsf_new(&test_host, 20000, &small), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        f->who.serial = 100 + i * 31;
        f->who.ref.tgid = (uint32_t)i + 1;
        sb_reset(&f->line);
        assert_int_equal(ocsf_write(small, f->ev, &f->line), 0);
        ocsf_counters(small, &c);
        assert_true(c.cached_bytes <= 20000);
    }
    assert_int_equal(c.built, 5000);
    (void)ocsf_free(small);
}

// Actor and target whose serials fall into one set, again and again with others.
static void test_two_parts_of_one_set(void **state)
{
    struct fixture *f = *state;

    f->ev->kind = EVENT_FORK;
    f->ev->child = (struct process_ref){5000, 130000000000};
    f->ev->target = &f->other;
    for (uint64_t i = 0; i < 20; i++) {
        f->who.serial = 5 + 512 * (2 * i);
        f->other.serial = 5 + 512 * (2 * i + 1);
        f->who.ref.tgid = (uint32_t)(10 + i);
        f->other.ref.tgid = (uint32_t)(1000 + i);
        write_it(f);
        assert_int_equal(number(f, "actor.process.pid"), 10 + (int)i);
        assert_int_equal(number(f, "process.pid"), 1000 + (int)i);
    }
}

static uint64_t seed = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

static struct bytes random_bytes(char *buf, uint32_t max)
{
    uint32_t len = random_below(max + 1);

    for (uint32_t i = 0; i < len; i++)
        buf[i] = (char)(random_below(3) ? 'a' + random_below(26) : 1 + random_below(255));
    return (struct bytes){buf, len};
}

// Events of any content are valid JSON (and, read by validate.py, of the schema).
static void test_any_event(void **state)
{
    static char texts[12][300];
    struct rule_ref rule;
    struct fixture *f = *state;
    struct event *ev = f->ev;

    for (uint64_t i = 0; i < 3000; i++) {
        ev->kind = (enum event_kind)(EVENT_FILE + random_below(4));
        ev->hook = (enum sg_hook)random_below(SG_HOOK_COUNT);
        ev->access = (uint16_t)random_below(1u << SG_OP_COUNT);
        ev->flags = (uint16_t)random_below(1u << 16);
        ev->verdict = (enum sg_verdict)random_below(SG_KILL + 1);
        ev->mode = (enum event_mode)random_below(EVENT_MODE_COUNT);
        ev->outcome = (enum event_outcome)random_below(EVENT_OUTCOME_COUNT);
        ev->reason = (enum sg_reason)random_below(SG_REASON_COUNT);
        ev->ring = (uint8_t)random_below(EVENT_RING_COUNT);
        ev->error = random_below(200);
        ev->count = 1 + random_below(3);
        ev->rule_index = (uint16_t)random_below(1u << 16);
        ev->mode_bits = random_below(1u << 16);
        ev->nlink = random_below(4);
        ev->ino = random_below(3);
        ev->wait_status = random_below(1u << 16);
        ev->path = (struct event_path){random_bytes(texts[0], 299),
                                       (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT)};
        ev->path2 = (struct event_path){random_bytes(texts[1], 299),
                                        (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT)};
        ev->xattr = random_bytes(texts[2], 30);
        rule = (struct rule_ref){random_bytes(texts[3], 20), random_bytes(texts[4], 20),
                                 random_below(3), random_bytes(texts[5], 20)};
        ev->rule = random_below(2) ? &rule : NULL;
        ev->policy_id = (uint32_t)i + 10;
        f->who.serial = 1000 + i;
        f->who.exe = random_bytes(texts[6], 40);
        f->who.comm = random_bytes(texts[7], 16);
        f->who.user = random_bytes(texts[8], 10);
        f->who.container_id = random_bytes(texts[9], 10);
        f->who.session = (enum sg_session)random_below(SG_SESSION_COUNT);
        f->who.session_id = random_below(2) ? ID_NONE : random_below(9);
        f->who.incomplete = random_below(2);
        f->who.exe_deleted = random_below(2);
        f->who.exe_foreign = random_below(2);
        f->who.n_ancestors = random_below(4);
        ev->who = random_below(5) ? &f->who : NULL;
        ev->target = random_below(2) ? &f->other : NULL;
        write_it(f);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_head), TEST(test_actor), TEST(test_unknown_actor), TEST(test_outcomes),
          TEST(test_every_hook), TEST(test_activities), TEST(test_names), TEST(test_second_name),
          TEST(test_merged), TEST(test_rule), TEST(test_process_activities), TEST(test_no_class),
          TEST(test_largest), TEST(test_prepared_parts), TEST(test_two_parts_of_one_set),
          TEST(test_any_event))
