// SPDX-License-Identifier: Apache-2.0
//
// Records of execs, from the ring to the file: they wait for the hash of the program, and nobody overtakes them.
#include "tests/unit/child.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// The way of a record, with what is private to it.
#include "agent/records.c"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "files/times.h"
#include "process/host.h"
#include "process/procfs.h"
#include "tests/unit/model/record.h"

static const struct rule_ref rules[] = {
    {BYTES("own"), BYTES("own"), 1, BYTES("self-test")},
    {BYTES("p"), BYTES("p.yaml"), 3, BYTES("a rule")},
};
static char program[4096];

struct fixture {
    struct agent *a;
    struct loaded policy;
    char *dir, path[600];
    uint64_t seq;
};

static int answer(void *ctx, const struct control_caller *caller,
                  const struct control_request *request, struct jw *result, struct error *err)
{
    (void)ctx, (void)caller, (void)request, (void)result, (void)err;
    return -EOPNOTSUPP;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct agent *a = f->a = new0(struct agent, 1);
    struct sink_options sink = {.kind = CONFIG_OUTPUT_FILE, .path = f->path};
    struct error err = {};

    f->dir = unit_mkdtemp();
    (void)snprintf(f->path, sizeof(f->path), "%s/events", f->dir);
    (void)snprintf(program, sizeof(program), "%s/program", f->dir);
    f->policy =
        (struct loaded){.rules = (struct rule_ref *)rules, .n_rules = 2, .n_own = 1, .id = 1};
    a->policies.now = &f->policy;
    a->config.process_records = a->config.mask_secrets = true;
    a->config.hash_size = 1 << 20;
    assert_int_equal(loop_new(&a->loop), 0);
    assert_int_equal(host_read("", &a->host), 0);
    assert_int_equal(event_new(&a->event), 0);
    assert_int_equal(process_table_new(NULL, &a->processes), 0);
    assert_int_equal(ocsf_new(&a->host, 1, 0, &a->ocsf), 0);
    assert_int_equal(output_new(a->loop, &sink, &a->output), 0);
    assert_int_equal(mount_view_read("/proc/self/mountinfo", &a->mounts.view), 0);
    assert_int_equal(control_server_new(a->loop, unit_path(f->dir, "sock"), answer, a, &a->control,
                                        &err),
                     0);
    a->records.realtime_offset_ns = boottime_to_realtime_offset_ns();
    assert_int_equal(programs_start(a), 0);
    assert_int_equal(held_start(a), 0);
    while (a->programs.refreshing) // many packages may be installed here
        assert_true(loop_run_once(a->loop, 1000) >= 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct agent *a = f->a;

    a->stopping = true;
    held_stop(a);
    programs_stop(a);
    a->control = control_server_free(a->control);
    a->output = output_free(a->output);
    a->processes = process_table_free(a->processes);
    a->ocsf = ocsf_free(a->ocsf);
    a->event = event_free(a->event);
    mount_view_done(&a->mounts.view);
    a->loop = loop_free(a->loop);
    free(a->records.data);
    free(a->records.waiting);
    free(a);
    unit_rmdir(f->dir);
    free(f);
    return 0;
}

static void exec_program(const struct unit_hold *h)
{
    if (dup2(h->gate, STDIN_FILENO) < 0)
        _exit(1);
    (void)execl(program, program, "-", (char *)NULL);
    _exit(1);
}

static void make_program(void)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len;

    assert_int_equal(read_file_bounded(AT_FDCWD, "/bin/cat", 16 << 20, &bytes, &len), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, program, bytes, len, 0755), 0);
}

// Until its hash is kept. False: where it lies none is.
static bool settle_program(void)
{
    _cleanup_close_ int fd = open(program, O_PATH | O_CLOEXEC);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    while (!times_settled(st.st_ctim.tv_sec * (int64_t)NS_PER_SEC + st.st_ctim.tv_nsec,
                          now_ns(CLOCK_REALTIME)))
        (void)sched_yield();
    return times_tell(fd);
}

// Of which a record can be: the device of the root, so that the path is the host's.
static void begin(struct fixture *f, struct record *r, unsigned type, pid_t pid)
{
    _cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t start = 77 * PROCESS_TICK_NS;

    record_begin(r, type);
    if (procfs_start(proc, (uint32_t)pid, &start) < 0)
        start = 77 * PROCESS_TICK_NS;
    r->head.tgid = r->head.tid = (uint32_t)pid;
    r->head.start_ns = start;
    r->head.seq = ++f->seq;
    r->head.time_ns = now_ns(CLOCK_BOOTTIME) + NS_PER_SEC;
}

static void put(struct fixture *f, const struct record *r)
{
    assert_int_equal(on_record(f->a, r->bytes, r->head.size), 0);
    take_waiting(f->a);
}

static void put_exec_of(struct fixture *f, pid_t pid, const char *path, const char *script)
{
    struct stat st = {};
    struct record r;
    struct {
        uint64_t ino;
        uint32_t dev, unused;
    } id = {};

    (void)stat(path, &st);
    id.ino = st.st_ino ? st.st_ino : 4711;
    id.dev = major(st.st_dev) << 20 | minor(st.st_dev);
    begin(f, &r, SG_RECORD_EXEC, pid);
    r.head.dev = f->a->mounts.view.n_decode ? f->a->mounts.view.decode[0].dev : 0;
    record_path(&r, SG_FIELD_PATH, path);
    record_field(&r, SG_FIELD_ARGS, "x\0--token=abcd\0", 15);
    record_field(&r, SG_FIELD_EXE_ID, &id, 12);
    if (script) {
        struct sg_launch launch = {.flags = SG_LAUNCH_SCRIPT};

        assert_int_equal(stat(script, &st), 0);
        launch.script_ino = st.st_ino;
        launch.script_dev = major(st.st_dev) << 20 | minor(st.st_dev);
        record_field(&r, SG_FIELD_LAUNCH, &launch, sizeof(launch));
        record_path(&r, SG_FIELD_SCRIPT, script);
    }
    put(f, &r);
}

static void put_exec(struct fixture *f, pid_t pid, const char *path)
{
    put_exec_of(f, pid, path, NULL);
}

static void put_exit(struct fixture *f, pid_t pid)
{
    struct record r;

    begin(f, &r, SG_RECORD_EXIT, pid);
    put(f, &r);
}

// The lines of the file, once there are so many.
static struct json_object *await_lines(struct fixture *f, size_t n)
{
    uint64_t until = now_ns(CLOCK_MONOTONIC) + 20 * NS_PER_SEC;

    for (;;) {
        _cleanup_(strv_freep) char **lines = NULL;
        _cleanup_free_ char *text = NULL;
        struct json_object *array;

        if (read_file_bounded(AT_FDCWD, f->path, 1 << 20, &text, NULL) == 0 &&
            strv_split(text, "\n", &lines) == 0 && strv_len(lines) >= n) {
            assert_int_equal(strv_len(lines), n);
            array = json_object_new_array();
            STRV_FOREACH (line, lines)
                (void)json_object_array_add(array, json_tokener_parse(*line));
            return array;
        }
        if (now_ns(CLOCK_MONOTONIC) > until)
            fail_msg("%zu lines did not come", n);
        (void)loop_run_once(f->a->loop, 50);
    }
}

static struct json_object *file_of(struct json_object *lines, size_t i)
{
    return json_get(json_get(json_object_array_get_idx(lines, i), "process"), "file");
}

static const char *missing(struct json_object *lines, size_t i)
{
    return json_get_str(json_get(json_object_array_get_idx(lines, i), "unmapped"), "hash_missing",
                        "");
}

static uint64_t sequence(struct json_object *lines, size_t i)
{
    return json_get_u64(json_get(json_object_array_get_idx(lines, i), "metadata"), "sequence", 0);
}

static void test_hash(void **state)
{
    struct fixture *f = *state;
    struct unit_child c;
    struct json_object *lines;
    struct process_row row;
    uint32_t cursor = 0;
    bool keeps;

    make_program();
    keeps = settle_program();
    c = unit_child_start(exec_program, NULL);
    put_exec(f, c.pid, program);
    assert_true(held_any(f->a));
    put_exit(f, getpid()); // has to wait for its turn
    put_exec(f, c.pid, program);
    lines = await_lines(f, 3);
    assert_false(held_any(f->a));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sequence(lines, i), i + 1);
    for (size_t i = 0; i < 3; i += 2) {
        struct json_object *hashes = json_get(file_of(lines, i), "hashes");

        assert_string_equal(missing(lines, i), "");
        assert_non_null(hashes);
        assert_int_equal(json_object_array_length(hashes), 1);
        assert_int_equal(strlen(json_get_str(json_object_array_get_idx(hashes, 0), "value", "")),
                         64);
        assert_string_equal(missing(lines, i), "");
        assert_string_equal(json_get_str(json_get(json_object_array_get_idx(lines, i), "process"),
                                         "cmd_line", ""),
                            "x --token=***");
    }
    assert_int_equal(f->a->programs.counters.hashed, keeps ? 1 : 2);
    assert_int_equal(f->a->held.n_late, 0);
    json_object_put(lines);
    // The table knows it, too.
    while (process_table_row(f->a->processes, &cursor, &row) &&
           row.who->ref.tgid != (uint32_t)c.pid)
        ;
    assert_int_equal(row.who->ref.tgid, c.pid);
    assert_int_equal(row.facts.hash, FILE_HASH_KNOWN);
    unit_child_end(&c);
}

static void test_missing(void **state)
{
    struct fixture *f = *state;
    struct json_object *lines;
    struct unit_child c;

    put_exec(f, 0x3fffff, "/nonexistent/program");
    make_program();
    assert_int_equal(truncate(program, (1 << 20) + 1), 0);
    c = unit_child_start(exec_program, NULL);
    put_exec(f, c.pid, program);
    lines = await_lines(f, 2);
    assert_string_equal(missing(lines, 0), "gone");
    assert_string_equal(missing(lines, 1), "large");
    assert_null(json_get(file_of(lines, 1), "hashes"));
    json_object_put(lines);
    unit_child_end(&c);
}

static bool has_mount(const struct fixture *f, const char *path)
{
    const struct mount_view *view = &f->a->mounts.view;
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    for (size_t i = 0; i < view->n_decode; i++)
        if (view->decode[i].dev == (major(st.st_dev) << 20 | minor(st.st_dev)))
            return true;
    return false;
}

static void test_script(void **state)
{
    struct fixture *f = *state;
    struct json_object *lines, *file;
    char script[4096];
    struct unit_child c;

    (void)snprintf(script, sizeof(script), "%s/script", f->dir);
    assert_int_equal(write_file_atomic(AT_FDCWD, script, "abc", 3, 0755), 0);
    make_program();
    c = unit_child_start(exec_program, NULL);
    put_exec_of(f, c.pid, program, script);
    put_exec(f, c.pid, program);
    lines = await_lines(f, 2);
    assert_non_null(json_get(file_of(lines, 0), "hashes"));
    file = json_get(json_get(json_object_array_get_idx(lines, 0), "unmapped"), "script_file");
    // The file system of the tests' directories may be one that the mount table does not have by this number.
    assert_int_equal(file != NULL, has_mount(f, script));
    if (file)
        assert_string_equal(json_get_str(json_object_array_get_idx(json_get(file, "hashes"), 0),
                                         "value", ""),
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_null(json_get(json_get(json_object_array_get_idx(lines, 1), "unmapped"), "script_file"));
    json_object_put(lines);
    unit_child_end(&c);
}

// A worker that hangs in something else.
struct hanging {
    struct job job;
    int fd;
};

static void hang(struct job *job, struct worker *w)
{
    eventfd_t value;

    (void)w;
    (void)eventfd_read(((struct hanging *)job)->fd, &value);
}

static void hung(struct job *job, bool ran)
{
    (void)job;
    (void)ran;
}

static void test_late(void **state)
{
    struct fixture *f = *state;
    struct hanging h = {.job = {.run = hang, .done = hung}, .fd = eventfd(0, EFD_CLOEXEC)};
    uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
    struct json_object *lines;

    make_program();
    assert_int_equal(worker_submit(f->a->programs.worker, &h.job), 0);
    put_exec(f, 0x3fffff, program);
    put_exit(f, getpid());
    lines = await_lines(f, 2);
    assert_true(now_ns(CLOCK_MONOTONIC) - begin_ns >= HELD_MS * NS_PER_MS);
    assert_string_equal(missing(lines, 0), "late");
    assert_int_equal(sequence(lines, 1), 2);
    assert_int_equal(f->a->held.n_late, 1);
    assert_false(held_any(f->a));
    json_object_put(lines);
    // The answer comes when nobody waits any more.
    assert_int_equal(eventfd_write(h.fd, 1), 0);
    put_exec(f, 0x3fffff, program);
    lines = await_lines(f, 3);
    assert_int_equal(f->a->held.n_late, 1);
    json_object_put(lines);
    (void)close(h.fd);
}

// More than there is room for: of questions, and of records that wait.
static void test_bounds(void **state)
{
    struct fixture *f = *state;
    struct hanging h = {.job = {.run = hang, .done = hung}, .fd = eventfd(0, EFD_CLOEXEC)};
    size_t most = 0;

    make_program();
    assert_int_equal(worker_submit(f->a->programs.worker, &h.job), 0);
    for (unsigned i = 0; i < PROGRAMS_ASKS_MAX + 10; i++) {
        put_exec(f, 0x3fffff, program);
        most = MAX(most, f->a->held.bytes);
    }
    assert_int_equal(f->a->programs.n_busy, 10);
    assert_true(most <= HELD_BYTES + 8192);
    assert_true(f->a->held.n_late > 0);
    assert_int_equal(eventfd_write(h.fd, 1), 0);
    while (f->a->programs.n > 0)
        (void)loop_run_once(f->a->loop, 50);
    assert_false(held_any(f->a));
    (void)close(h.fd);
}

static void test_not_asked(void **state)
{
    struct fixture *f = *state;
    struct unit_child c;
    struct json_object *lines;
    struct process_row row = {};
    uint32_t cursor;

    // Nobody writes a record: nobody waits, and the table gets to know it in its own time.
    f->a->config.process_records = false;
    make_program();
    c = unit_child_start(exec_program, NULL);
    put_exec(f, c.pid, program);
    assert_false(held_any(f->a));
    assert_int_equal(f->a->programs.n, 0);
    for (unsigned i = 0; i < 500 && row.facts.hash != FILE_HASH_KNOWN; i++) {
        programs_tick(f->a);
        (void)loop_run_once(f->a->loop, 20);
        cursor = 0;
        while (process_table_row(f->a->processes, &cursor, &row) &&
               row.who->ref.tgid != (uint32_t)c.pid)
            ;
    }
    assert_int_equal(row.who->ref.tgid, c.pid);
    assert_int_equal(row.facts.hash, FILE_HASH_KNOWN);
    // Without hashing at all.
    programs_stop(f->a);
    f->a->config.process_records = true;
    put_exec(f, c.pid, program);
    programs_tick(f->a);
    lines = await_lines(f, 1);
    assert_null(json_get(file_of(lines, 0), "hashes"));
    assert_string_equal(missing(lines, 0), "");
    json_object_put(lines);
    unit_child_end(&c);
}

// Under a rule an exec is a record, whatever the settings say of records of processes.
static void test_under_a_rule(void **state)
{
    struct fixture *f = *state;
    struct json_object *lines;
    struct record r;

    f->a->config.process_records = false;
    begin(f, &r, SG_RECORD_EXEC, getpid());
    r.head.rule = 1;
    r.head.policy_id = 1;
    r.head.verdict = SG_DENY;
    r.head.error = EPERM;
    record_path(&r, SG_FIELD_PATH, "/tmp/x");
    put(f, &r);
    begin(f, &r, SG_RECORD_EXIT, getpid());
    r.head.rule = 1;
    r.head.policy_id = 1;
    r.head.verdict = SG_AUDIT;
    put(f, &r);
    begin(f, &r, SG_RECORD_EXIT, getpid());
    put(f, &r);
    lines = await_lines(f, 2);
    assert_int_equal(json_get_u64(json_object_array_get_idx(lines, 0), "disposition_id", 0), 2);
    assert_int_equal(json_get_u64(json_object_array_get_idx(lines, 1), "disposition_id", 0), 17);
    assert_int_equal(f->a->records.denied, 1);
    assert_int_equal(f->a->records.audited, 1);
    assert_int_equal(f->a->records.lifecycle, 1);
    json_object_put(lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_hash), TEST(test_missing), TEST(test_script), TEST(test_late),
          TEST(test_bounds), TEST(test_not_asked), TEST(test_under_a_rule))
