// SPDX-License-Identifier: Apache-2.0
//
// Records of executed programs -> struct launch; and which variables they have.
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "sensor/decode.h"
#include "sensor/env_names.h"
#include "tests/unit/model/record.h"

#define DEV_ROOT (8u << 20 | 1)
#define DEV_HOME (8u << 20 | 2)

static struct decode_mount mounts[] = {
    {DEV_ROOT, BYTES("/"), BYTES("/")},
    {DEV_HOME, BYTES("/"), BYTES("/home")},
};

static const struct decode_context context = {.ring = EVENT_RING_PROCESS,
                                              .mounts = mounts,
                                              .n_mounts = ARRAY_SIZE(mounts)};

#include "tests/unit/sensor/decoding.h"

static const struct sg_launch numbers = {
    .caps_effective = 1,
    .caps_permitted = 3,
    .caps_ambient = 4,
    .mnt_ns = 11,
    .pid_ns = 12,
    .net_ns = 13,
    .user_ns = 14,
    .uts_ns = 15,
    .ipc_ns = 16,
    .cgroup_ns = 17,
    .tty = 136u << 20 | 5,
    .argc = 3,
    .envc = 40,
    .flags = SG_LAUNCH_SCRIPT | SG_LAUNCH_SECURE,
    .script_dev = DEV_HOME,
    .cwd_dev = DEV_ROOT,
    .script_ino = 4712,
};

static void begin(struct record *r, const struct sg_launch *l)
{
    record_begin(r, SG_RECORD_EXEC);
    r->head.dev = DEV_ROOT;
    r->head.ino = 99;
    record_field(r, SG_FIELD_LAUNCH, l, sizeof(*l));
}

static void test_numbers_and_paths(void **state)
{
    struct event *ev = *state;
    const struct launch *l = &ev->launch;
    struct record r;

    begin(&r, &numbers);
    record_path(&r, SG_FIELD_PATH, "/usr/bin/dash");
    record_path(&r, SG_FIELD_CWD, "/srv/work");
    record_path(&r, SG_FIELD_SCRIPT, "/ann/job.sh");
    record_field(&r, SG_FIELD_ENV, "LD_PRELOAD=x\0SSH_TTY=y\0", 23);
    assert_int_equal(decode(ev, &r), 0);
    assert_true(l->known);
    assert_int_equal(l->flags, numbers.flags);
    assert_int_equal(l->caps_effective, 1);
    assert_int_equal(l->caps_permitted, 3);
    assert_int_equal(l->caps_ambient, 4);
    assert_int_equal(l->mnt_ns, 11);
    assert_int_equal(l->pid_ns, 12);
    assert_int_equal(l->net_ns, 13);
    assert_int_equal(l->user_ns, 14);
    assert_int_equal(l->uts_ns, 15);
    assert_int_equal(l->ipc_ns, 16);
    assert_int_equal(l->cgroup_ns, 17);
    assert_int_equal(l->tty, numbers.tty);
    assert_int_equal(l->argc, 3);
    assert_int_equal(l->envc, 40);
    assert_bytes(ev->path.bytes, "/usr/bin/dash");
    assert_bytes(l->cwd.bytes, "/srv/work");
    assert_int_equal(l->cwd.kind, EVENT_PATH_HOST);
    assert_bytes(l->script.bytes, "/home/ann/job.sh");
    assert_int_equal(l->script_ino, 4712);
    assert_int_equal(l->script_dev, DEV_HOME);
    assert_bytes(l->env, "LD_PRELOAD=x\0SSH_TTY=y\0");
    // Which file it was, where no field says so.
    assert_int_equal(ev->exe_ino, 99);
    assert_int_equal(ev->exe_dev, DEV_ROOT);
    assert_false(ev->args_cut);
}

static void test_cut(void **state)
{
    struct event *ev = *state;
    struct sg_launch l = numbers;
    struct record r;

    l.flags = SG_LAUNCH_ARGS_CUT | SG_LAUNCH_CWD_CUT | SG_LAUNCH_SCRIPT_CUT;
    begin(&r, &l);
    record_field(&r, SG_FIELD_ARGS, "a\0b\0", 4);
    record_path(&r, SG_FIELD_CWD, "/srv/work");
    record_path(&r, SG_FIELD_SCRIPT, "/x/y");
    assert_int_equal(decode(ev, &r), 0);
    assert_true(ev->args_cut);
    assert_int_equal(ev->launch.cwd.kind, EVENT_PATH_CUT);
    assert_bytes(ev->launch.cwd.bytes, "srv/work");
    assert_int_equal(ev->launch.script.kind, EVENT_PATH_CUT);
}

static void test_descriptors(void **state)
{
    struct event *ev = *state;
    const struct launch_fd *fd = ev->launch.fd;
    struct sg_stdio stdio[3] = {
        {.kind = SG_STDIO_FILE, .ino = 7, .dev = DEV_HOME, .path_dev = DEV_HOME},
        {.kind = SG_STDIO_SOCKET,
         .protocol = 6,
         .family = AF_INET,
         .local_port = 22,
         .remote_port = 40000,
         .ino = 8},
        {.kind = SG_STDIO_FILE, .ino = 7, .dev = DEV_HOME, .path_dev = DEV_HOME},
    };
    struct record r;

    (void)inet_pton(AF_INET, "192.0.2.1", stdio[1].local);
    (void)inet_pton(AF_INET, "192.0.2.2", stdio[1].remote);
    begin(&r, &numbers);
    record_field(&r, SG_FIELD_STDIO, stdio, sizeof(stdio));
    record_path(&r, SG_FIELD_STDIO_PATH0, "/log");
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(fd[0].kind, SG_STDIO_FILE);
    assert_bytes(fd[0].path.bytes, "/home/log");
    assert_int_equal(fd[1].kind, SG_STDIO_SOCKET);
    assert_int_equal(fd[1].protocol, 6);
    assert_int_equal(fd[1].family, AF_INET);
    assert_int_equal(fd[1].local_port, 22);
    assert_int_equal(fd[1].remote_port, 40000);
    assert_memory_equal(fd[1].local, "\xc0\x00\x02\x01", 4);
    assert_memory_equal(fd[1].remote, "\xc0\x00\x02\x02", 4);
    assert_int_equal(fd[1].path.kind, EVENT_PATH_NONE);
    // The same file as the first: its path is there once.
    assert_bytes(fd[2].path.bytes, "/home/log");

    stdio[2].ino = 9;
    begin(&r, &numbers);
    record_field(&r, SG_FIELD_STDIO, stdio, sizeof(stdio));
    record_path(&r, SG_FIELD_STDIO_PATH0, "/log");
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(fd[2].path.kind, EVENT_PATH_NONE);
    stdio[1].kind = SG_STDIO_COUNT;
    begin(&r, &numbers);
    record_field(&r, SG_FIELD_STDIO, stdio, sizeof(stdio));
    assert_int_equal(decode(ev, &r), -EBADMSG);
}

static void test_bad_fields(void **state)
{
    struct event *ev = *state;
    struct sg_stdio stdio[3] = {};
    struct record r;

    record_begin(&r, SG_RECORD_EXEC);
    record_field(&r, SG_FIELD_LAUNCH, &numbers, sizeof(numbers) - 8);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    begin(&r, &numbers);
    record_field(&r, SG_FIELD_STDIO, stdio, sizeof(stdio) - 8);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    begin(&r, &numbers);
    record_field(&r, SG_FIELD_ENV, "A=b", 3);
    assert_int_equal(decode(ev, &r), -EBADMSG);
    // A longer one, of a later kernel side.
    {
        char longer[sizeof(numbers) + 8] = {};

        memcpy(longer, &numbers, sizeof(numbers));
        record_begin(&r, SG_RECORD_EXEC);
        record_field(&r, SG_FIELD_LAUNCH, longer, sizeof(longer));
        assert_int_equal(decode(ev, &r), 0);
        assert_int_equal(ev->launch.argc, 3);
    }
    // Without the field nothing is known; other kinds have none.
    record_begin(&r, SG_RECORD_EXEC);
    assert_int_equal(decode(ev, &r), 0);
    assert_false(ev->launch.known);
    record_begin(&r, SG_RECORD_FILE);
    record_field(&r, SG_FIELD_LAUNCH, &numbers, sizeof(numbers));
    assert_int_equal(decode(ev, &r), 0);
    assert_false(ev->launch.known);
}

static void test_memory(void **state)
{
    struct event *ev = *state;
    struct sg_launch l = numbers;
    struct record r;

    l.flags = SG_LAUNCH_MEMORY;
    begin(&r, &l);
    record_path(&r, SG_FIELD_PATH, "/");
    record_field(&r, SG_FIELD_NAME, "memfd:a/b", 9);
    assert_int_equal(decode(ev, &r), 0);
    assert_int_equal(ev->path.kind, EVENT_PATH_TEXT);
    assert_bytes(ev->path.bytes, "memfd:a/b");
    // Of the script, when the interpreter has a path.
    l.flags |= SG_LAUNCH_SCRIPT;
    begin(&r, &l);
    record_path(&r, SG_FIELD_PATH, "/bin/sh");
    record_path(&r, SG_FIELD_SCRIPT, "/");
    record_field(&r, SG_FIELD_NAME, "memfd:s", 7);
    assert_int_equal(decode(ev, &r), 0);
    assert_bytes(ev->path.bytes, "/bin/sh");
    assert_int_equal(ev->launch.script.kind, EVENT_PATH_TEXT);
    assert_bytes(ev->launch.script.bytes, "memfd:s");
}

// As much as a record can have, where mount points are as long as they can be.
static void test_all_paths_fit(void **state)
{
    static char point[SG_PATH_BYTES_MAX], path[1500];
    const struct decode_mount deep = {DEV_ROOT, BYTES("/"), {point, sizeof(point) - 1}};
    const struct decode_context far = {.mounts = &deep, .n_mounts = 1};
    struct sg_launch l = numbers;
    struct sg_stdio stdio[3] = {};
    struct event *ev = *state;
    struct record r;

    memset(point, 'm', sizeof(point));
    memset(path, 'p', sizeof(path));
    for (size_t i = 0; i < sizeof(path) - 1; i += 100)
        point[i] = path[i] = '/';
    path[sizeof(path) - 1] = '\0';
    l.script_dev = DEV_ROOT;
    for (unsigned i = 0; i < ARRAY_SIZE(stdio); i++)
        stdio[i] = (struct sg_stdio){.kind = SG_STDIO_FILE,
                                     .ino = i + 1,
                                     .dev = DEV_ROOT,
                                     .path_dev = DEV_ROOT};
    begin(&r, &l);
    record_field(&r, SG_FIELD_STDIO, stdio, sizeof(stdio));
    record_path(&r, SG_FIELD_PATH, path);
    record_path(&r, SG_FIELD_CWD, path);
    record_path(&r, SG_FIELD_SCRIPT, path);
    for (unsigned i = 0; i < ARRAY_SIZE(stdio); i++)
        record_path(&r, SG_FIELD_STDIO_PATH0 + i, path);
    assert_int_equal(decode_record(r.bytes, r.head.size, &far, ev), 0);
    assert_int_equal(ev->launch.fd[2].path.bytes.len, sizeof(point) - 1 + sizeof(path) - 1);
}

static bool wanted(const struct sg_env_names *names, const char *text)
{
    uint64_t words[SG_ENV_NAME_MAX / 8] = {};

    memcpy(words, text, MIN(strlen(text), sizeof(words)));
    if (!(names->first >> (words[0] & 63) & 1))
        return false;
    for (unsigned i = 0; i < names->n; i++) {
        uint64_t differ = 0;

        for (unsigned w = 0; w < ARRAY_SIZE(words); w++)
            differ |= (words[w] ^ names->name[i].text[w]) & names->name[i].mask[w];
        if (!differ)
            return true;
    }
    return false;
}

static void test_names(void **state)
{
    static const char *const too_many[SG_ENV_NAMES_MAX - 3] = {NULL};
    struct sg_env_names names = {};

    (void)state;
    assert_int_equal(env_names_make(NULL, 0, &names), 0);
    assert_true(wanted(&names, "LD_PRELOAD=/x"));
    assert_true(wanted(&names, "LD_PRELOAD="));
    assert_false(wanted(&names, "LD_PRELOADS=/x"));
    assert_false(wanted(&names, "LD_PRELOA=/x"));
    assert_true(wanted(&names, "LD_LIBRARY_PATH=/a:/b/c/d/e/f/g/h/i"));
    assert_true(wanted(&names, "LD_AUDIT=a"));
    assert_true(wanted(&names, "SSH_CONNECTION=1 2 3 4"));
    assert_false(wanted(&names, "SSH=1"));
    assert_false(wanted(&names, "PATH=/bin"));
    assert_false(wanted(&names, ""));
    assert_int_equal(env_names_make((const char *const[]){"*"}, 1, &names), -EINVAL);
    assert_int_equal(env_names_make((const char *const[]){""}, 1, &names), -EINVAL);
    assert_int_equal(env_names_make((const char *const[]){"A=B"}, 1, &names), -EINVAL);
    assert_int_equal(env_names_make((const char *const[]){"A*B"}, 1, &names), -EINVAL);
    assert_int_equal(env_names_make((const char *const[]){"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"}, 1,
                                    &names),
                     -E2BIG);
    assert_int_equal(env_names_make(too_many, ARRAY_SIZE(too_many), &names), -E2BIG);
    // A failure changes nothing.
    assert_true(wanted(&names, "LD_AUDIT=a"));
    assert_int_equal(env_names_make((const char *const[]){"ABCDEFGHIJKLMNOPQRSTUVWXYZ01234"}, 1,
                                    &names),
                     0);
    assert_true(wanted(&names, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234=x"));
    assert_true(wanted(&names, "LD_AUDIT=a"));
    assert_int_equal(env_names_make((const char *const[]){"AWS_*"}, 1, &names), 0);
    assert_true(wanted(&names, "AWS_REGION=x"));
    assert_false(wanted(&names, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234=x"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_numbers_and_paths), TEST(test_cut), TEST(test_descriptors),
          TEST(test_bad_fields), TEST(test_memory), TEST(test_all_paths_fit), TEST(test_names))
