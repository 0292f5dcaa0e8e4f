// SPDX-License-Identifier: Apache-2.0
//
// Records of execs: what happened, what was refused, what is found out later. Compared with tests/golden/ocsf.
#include "tests/unit/ocsf/golden.h"
#include "tests/unit/ocsf/reader.h"

#include <arpa/inet.h>

#include "model/file.h"

static const struct rule_ref rule = {BYTES("web-host"),
                                     BYTES("/etc/safeguard/policies/50-web.yaml"), 12,
                                     BYTES("no programs in /tmp")};

static void make_exec(struct fixture *f)
{
    f->other.exe = BYTES("/usr/bin/id");
    f->other.cmdline = BYTES("id -u");
    f->other.comm = BYTES("id");
    f->ev->kind = EVENT_EXEC;
    f->ev->ring = EVENT_RING_PROCESS;
    f->ev->hook = SG_HOOK_NONE;
    f->ev->access = 0;
    f->ev->verdict = SG_ALLOW;
    f->ev->outcome = EVENT_OUTCOME_PASSED;
    f->ev->error = f->ev->policy_id = 0;
    f->ev->rule_index = SG_RULE_NONE;
    f->ev->path = (struct event_path){BYTES("/usr/bin/id"), EVENT_PATH_HOST};
    f->ev->args = (struct bytes){"id\0-u\0", 6};
    f->ev->ino = f->ev->dev = f->ev->mode_bits = f->ev->nlink = 0;
    f->ev->exe_ino = 4711;
    f->ev->exe_dev = 8u << 20 | 1;
    f->ev->target = &f->other;
}

static void make_socket(struct launch_fd *fd, uint16_t family, const char *local,
                        const char *remote)
{
    fd->kind = SG_STDIO_SOCKET;
    fd->family = family;
    fd->protocol = IPPROTO_TCP;
    fd->ino = 998877;
    fd->local_port = 4444;
    fd->remote_port = 51515;
    assert_int_equal(inet_pton(family, local, fd->local), 1);
    assert_int_equal(inet_pton(family, remote, fd->remote), 1);
}

// All that an exec can bring along.
static void make_launch(struct fixture *f)
{
    struct launch *l = &f->ev->launch;

    make_exec(f);
    f->ev->path = (struct event_path){BYTES("/usr/bin/dash"), EVENT_PATH_HOST};
    f->ev->args = (struct bytes){"/bin/sh\0/srv/run me.sh\0\0x", 25};
    f->ev->args_cut = true;
    f->other.exe = BYTES("/usr/bin/dash");
    *l = (struct launch){
        .known = true,
        .flags = SG_LAUNCH_SCRIPT | SG_LAUNCH_SECURE | SG_LAUNCH_ARGS_CUT | SG_LAUNCH_ENV_CUT,
        .caps_effective = 1u << 10 | 1u << 13,
        .caps_permitted = UINT64_MAX,
        .caps_ambient = 1u << 10,
        .mnt_ns = 4026531841,
        .pid_ns = 4026531836,
        .net_ns = 4026532222,
        .user_ns = 4026532223,
        .timens = 4026532224,
        .tty = 136u << 20 | 3,
        .argc = 40,
        .envc = 12,
        .cwd = {BYTES("/srv/www"), EVENT_PATH_HOST},
        .script = {BYTES("/srv/run me.sh"), EVENT_PATH_HOST},
        .env = BYTES("LD_PRELOAD=/tmp/x.so\0SSH_TTY=\0ODD\0"),
    };
    make_socket(&l->fd[0], AF_INET, "10.0.0.9", "198.51.100.7");
    l->fd[1] = (struct launch_fd){.kind = SG_STDIO_TTY,
                                  .dev = 136u << 20 | 3,
                                  .ino = 6,
                                  .path = {BYTES("/dev/pts/3"), EVENT_PATH_HOST}};
    l->fd[2] = (struct launch_fd){.kind = SG_STDIO_FILE,
                                  .dev = 8u << 20 | 2,
                                  .ino = 99,
                                  .path = {BYTES("/log"), EVENT_PATH_FILESYSTEM}};
}

static struct file_facts known(void)
{
    struct file_facts facts = {.hash = FILE_HASH_KNOWN,
                               .package = BYTES("coreutils"),
                               .version = BYTES("9.1-1")};

    for (size_t i = 0; i < sizeof(facts.sha256); i++)
        facts.sha256[i] = (uint8_t)(i * 7);
    return facts;
}

static void write_and_compare(struct fixture *f, const char *name)
{
    write_record(f->o, f->ev, &f->line);
    compare_golden(name, &f->line);
}

static void test_everything(void **state)
{
    struct fixture *f = *state;
    struct file_facts facts = known(), script = known();

    script.sha256[0] = 0xff;
    script.package = BYTES("web");
    facts.script = &script;
    make_launch(f);
    f->ev->file = &facts;
    write_and_compare(f, "exec-everything");
}

static void test_ipv6_and_odd_ones(void **state)
{
    struct fixture *f = *state;
    struct launch *l = &f->ev->launch;

    make_launch(f);
    make_socket(&l->fd[0], AF_INET6, "::1", "2001:db8::7");
    l->fd[1] = (struct launch_fd){.kind = SG_STDIO_SOCKET, .family = AF_UNIX, .ino = 5};
    l->fd[2] = (struct launch_fd){.kind = SG_STDIO_CLOSED};
    l->flags = SG_LAUNCH_MEMORY | SG_LAUNCH_DELETED | SG_LAUNCH_FOREIGN | SG_LAUNCH_COMPAT;
    l->script = (struct event_path){};
    l->cwd = (struct event_path){BYTES("deep/dir"), EVENT_PATH_CUT};
    l->caps_effective = l->caps_permitted = UINT64_MAX;
    l->caps_ambient = 0;
    l->tty = 4u << 20 | 65;
    l->env.len = 0;
    f->ev->path = (struct event_path){BYTES("/memfd:\xff"), EVENT_PATH_FILESYSTEM};
    f->ev->args_cut = false;
    write_and_compare(f, "exec-from-memory");
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    make_launch(f);
    f->ev->target = NULL;
    f->ev->path = (struct event_path){BYTES("/tmp/x"), EVENT_PATH_HOST};
    f->ev->args = (struct bytes){"./x\0-a\0", 7};
    f->ev->args_cut = false;
    f->ev->launch = (struct launch){};
    f->ev->ring = EVENT_RING_SECURITY;
    f->ev->verdict = SG_DENY;
    f->ev->outcome = EVENT_OUTCOME_DENIED;
    f->ev->error = EACCES;
    f->ev->count = 3;
    f->ev->rule_index = 0;
    f->ev->rule = &rule;
    f->ev->policy_id = 5;
    write_and_compare(f, "exec-denied");
    // Of one that nobody knows.
    f->ev->who = NULL;
    f->ev->args.len = 0;
    f->ev->verdict = SG_KILL;
    f->ev->outcome = EVENT_OUTCOME_KILLED;
    write_and_compare(f, "exec-killed-unknown");
}

static void test_under_a_rule(void **state)
{
    struct fixture *f = *state;

    make_exec(f);
    f->ev->rule_index = 0;
    f->ev->rule = &rule;
    f->ev->policy_id = 5;
    f->ev->verdict = SG_AUDIT;
    write_and_compare(f, "exec-audited");
    f->ev->verdict = SG_DENY;
    f->ev->mode = EVENT_MODE_MONITOR;
    f->ev->outcome = EVENT_OUTCOME_WOULD_DENY;
    write_and_compare(f, "exec-monitored");
    // Lives of processes that a rule watches.
    f->ev->verdict = SG_AUDIT;
    f->ev->mode = EVENT_MODE_ENFORCE;
    f->ev->outcome = EVENT_OUTCOME_PASSED;
    f->ev->kind = EVENT_EXIT;
    f->ev->wait_status = 3 << 8;
    f->ev->target = &f->who;
    write_and_compare(f, "exit-audited");
}

// What waits for its hash is, once that is known, the line that it would have been at once.
static void test_completed(void **state)
{
    static const enum file_hash missing[] = {FILE_HASH_LATE, FILE_HASH_LARGE, FILE_HASH_GONE};
    const struct file_facts waiting = {.hash = FILE_HASH_WAITING};
    _cleanup_(sb_done) struct strbuf whole = {};
    struct fixture *f = *state;
    struct file_facts facts = known();
    const struct file_facts script = {.hash = FILE_HASH_OTHER};
    struct ocsf_later later;

    for (size_t i = 0; i < 2 + ARRAY_SIZE(missing); i++) {
        if (i == 0)
            make_launch(f);
        else
            make_exec(f);
        if (i >= 2)
            facts = (struct file_facts){.hash = missing[i - 2], .package = BYTES("p\"\n")};
        facts.script = i % 2 ? &script : NULL;
        f->ev->file = &facts;
        write_record(f->o, f->ev, &f->line);
        assert_false(ocsf_later(f->o, &later));
        sb_reset(&whole);
        sb_add(&whole, f->line.s, f->line.len);
        f->ev->file = &waiting;
        write_record(f->o, f->ev, &f->line);
        assert_null(memmem(f->line.s, f->line.len, "hash", 4));
        assert_true(ocsf_later(f->o, &later));
        sb_reset(&f->line);
        assert_int_equal(ocsf_write(f->o, f->ev, &f->line), 0);
        {
            _cleanup_(sb_done) struct strbuf line = {};

            sb_puts(&line, "before");
            assert_int_equal(ocsf_complete(f->line.s, f->line.len, &later, &facts, &line), 0);
            assert_int_equal(line.len, whole.len + 6);
            // The number of the record is the same: the event is.
            assert_memory_equal(line.s + 6, whole.s, whole.len);
        }
    }
    // Nothing that anybody asked for.
    f->ev->file = NULL;
    write_record(f->o, f->ev, &f->line);
    assert_false(ocsf_later(f->o, &later));
}

// The members that come later are all that their objects would have.
static void test_completed_alone(void **state)
{
    const struct ocsf_later later = {.file = 6, .unmapped = 13};
    const struct file_facts facts = {.hash = FILE_HASH_LATE, .package = BYTES("p")};
    struct fixture *f = *state;

    assert_int_equal(ocsf_complete("{\"a\":{},\"b\":{}}", 15, &later, &facts, &f->line), 0);
    assert_string_equal(sb_str(&f->line),
                        "{\"a\":{\"product\":{\"name\":\"p\"}},\"b\":{\"hash_missing\":\"late\"}}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_everything), TEST(test_ipv6_and_odd_ones), TEST(test_refused),
          TEST(test_under_a_rule), TEST(test_completed), TEST(test_completed_alone))
