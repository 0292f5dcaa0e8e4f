// SPDX-License-Identifier: Apache-2.0
//
// Against the real procfs: a child holds files open.
#include "tests/unit/child.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/mounts.h"
#include "agent/objects.h"
#include "agent/opened.h"
#include "base/fd.h"
#include "base/macro.h"
#include "policy/policy.h"

struct bench {
    char *dir;
    struct policy *policy;
    struct policy_image *image;
    struct mount_view view;
    struct unit_child child;
};

static void open_bench(struct bench *b)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diags diags = {};

    *b = (struct bench){.dir = unit_mkdtemp()};
    sb_printf(
        &sb,
        "safeguard: 1\nmode: enforce\nfiles:\n  - {path: \"%s/secret\", access: [read, write], do: deny}\n"
        "  - {path: \"%s/log\", access: write, do: deny}\n"
        "  - {path: \"%s/called (deleted)\", access: read, do: deny}\n"
        "  - {path: [/dev/null, /dev/ptmx], access: [read, write], do: deny}\n",
        b->dir, b->dir, b->dir);
    assert_int_equal(mount_view_read("/proc/self/mountinfo", &b->view), 0);
    assert_int_equal(policy_load_buffer("test", sb_str(&sb), sb.len, NULL, &diags, &b->policy), 0);
    assert_int_equal(policy_compile(b->policy, b->view.all, NULL, &diags, &b->image), 0);
    policy_diags_done(&diags);
}

static int open_in(const struct unit_hold *h, const char *name, int flags)
{
    int fd = open(unit_path(h->path, name), flags | O_CREAT, 0600);

    if (fd < 0)
        _exit(2);
    return fd;
}

static void hold_various(const struct unit_hold *h)
{
    (void)prctl(PR_SET_NAME, "a) S 1 (b");
    (void)open_in(h, "secret", O_RDWR);               // 3 …
    (void)open(unit_path(h->path, "secret"), O_PATH); // no use
    (void)open_in(h, "log", O_RDONLY);                // not what is denied
    (void)open_in(h, "log", O_WRONLY | O_APPEND);
    if (open("/dev/null", O_RDWR) < 0 || open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0)
        _exit(3); // both go on
    (void)open_in(h, "gone", O_RDWR);
    (void)unlink(unit_path(h->path, "gone"));
}

// Looks at the child alone: it is the only one in a directory like /proc.
static void find(struct bench *b, const struct object_names *linked, struct opened *o)
{
    struct opened_search search = {.image = b->image, .mounts = b->view.all};
    char name[32], target[32];

    (void)snprintf(name, sizeof(name), "proc/%d", b->child.pid);
    (void)snprintf(target, sizeof(target), "/proc/%d", b->child.pid);
    assert_int_equal(mkdir(unit_path(b->dir, "proc"), 0700), 0);
    assert_int_equal(symlink(target, unit_path(b->dir, name)), 0);
    if (linked)
        search.linked = *linked;
    assert_int_equal(opened_find(unit_path(b->dir, "proc"), &search, o), 0);
}

static void close_bench(struct bench *b)
{
    unit_child_end(&b->child);
    policy_image_free(b->image);
    policy_free(b->policy);
    mount_view_done(&b->view);
    unit_rmdir(b->dir);
}

static void test_finds_what_a_process_holds(void **state)
{
    const struct opened_task *t;
    uint32_t secret = 0, log = 0;
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_various, b.dir);
    assert_int_equal(opened_find("/proc", &(struct opened_search){b.image, b.view.all}, &o), 0);
    assert_int_equal(o.n_tasks, 1);
    assert_int_equal(o.n_files, 2);
    t = &o.tasks[0];
    assert_int_equal(t->pid, b.child.pid);
    assert_string_equal(t->comm, "a) S 1 (b");
    assert_true(t->start_ns > 0);
    assert_true(t->n_gids >= 1);
    assert_int_equal(t->gids[0], getegid());
    for (size_t i = 0; i < o.n_files; i++) {
        if (strstr(o.files[i].shown, "/secret"))
            secret |= o.files[i].ops;
        if (strstr(o.files[i].shown, "/log"))
            log |= o.files[i].ops;
        assert_int_not_equal(o.files[i].dev, 0);
        assert_int_equal(o.files[i].path[0], '/');
    }
    assert_int_equal(secret, SG_OP_READ | SG_OP_WRITE);
    assert_int_equal(log, SG_OP_WRITE);
    opened_done(&o);
    close_bench(&b);
}

// The secret alone, in the child, once.
static void assert_secret(struct bench *b, const struct object_names *linked)
{
    char exe[4096];
    struct opened o;
    ssize_t n;

    find(b, linked, &o);
    assert_int_equal(o.n_files, 1);
    assert_int_equal(o.n_tasks, 1);
    assert_int_equal(o.tasks[0].pid, b->child.pid);
    assert_true(o.tasks[0].start_ns > 0);
    assert_non_null(strstr(o.files[0].path, "/secret"));
    assert_int_equal(o.files[0].ops, SG_OP_READ);
    // Also when the first thread, and with it /proc/PID/exe, is gone.
    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    assert_non_null(o.tasks[0].exe);
    assert_string_equal(o.tasks[0].exe, exe);
    opened_done(&o);
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        (void)closedir(dir);
    return n <= 2;
}

// The descriptors of the first thread, "/proc/PID/fd", are gone when it is; those of the process are not.
static void *after_the_first(void *arg)
{
    char fds[64];

    (void)snprintf(fds, sizeof(fds), "/proc/%d/task/%d/fd", getpid(), getpid());
    while (!is_empty(fds))
        (void)sched_yield();
    unit_hold_on(arg);
    return NULL;
}

static void hold_without_the_first(const struct unit_hold *h)
{
    static struct unit_hold kept;
    pthread_t thread;

    kept = *h;
    (void)open_in(h, "secret", O_RDONLY);
    if (pthread_create(&thread, NULL, after_the_first, &kept) != 0)
        _exit(3);
    // Not pthread_exit(): the sanitizer has its say in that.
    (void)syscall(SYS_exit, 0);
}

static void test_first_thread_ended(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_without_the_first, b.dir);
    assert_secret(&b, NULL);
    close_bench(&b);
}

static void *on_its_own(void *arg)
{
    const struct unit_hold *h = arg;

    if (unshare(CLONE_FILES) < 0)
        _exit(3);
    (void)open_in(h, "secret", O_RDONLY);
    unit_hold_on(h);
    return NULL;
}

static void hold_in_a_thread(const struct unit_hold *h)
{
    struct unit_hold own = *h;
    pthread_t thread;

    if (pthread_create(&thread, NULL, on_its_own, &own) == 0)
        (void)pthread_join(thread, NULL);
}

static void test_thread_with_a_table_of_its_own(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_in_a_thread, b.dir);
    assert_secret(&b, NULL);
    close_bench(&b);
}

static void *stay(void *arg)
{
    (void)arg;
    for (;;)
        (void)pause();
    return NULL;
}

static void hold_with_threads(const struct unit_hold *h)
{
    pthread_attr_t small;
    pthread_t thread;

    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, (size_t)256 << 10);
    (void)open_in(h, "secret", O_RDONLY);
    for (int i = 0; i < 100; i++)
        if (pthread_create(&thread, &small, stay, NULL) != 0)
            _exit(3);
}

static void test_looks_once_at_what_threads_share(void **state)
{
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_with_threads, b.dir);
    find(&b, NULL, &o);
    assert_int_equal(o.n_files, 1);
    assert_in_range(o.looked_at, 1, 90);
    opened_done(&o);
    close_bench(&b);
}

static void hold_another_name(const struct unit_hold *h)
{
    (void)open_in(h, "other", O_RDONLY);
}

// Opened by a name that no rule is about, of a file that has another one.
static void test_by_another_name(void **state)
{
    const struct objects_limits limits = {};
    struct object_names names = {};
    struct objects found;
    char other[4096];
    struct opened o;
    struct bench b;
    int fd;

    (void)state;
    open_bench(&b);
    fd = open(unit_path(b.dir, "secret"), O_CREAT | O_CLOEXEC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(link(unit_path(b.dir, "secret"),
                          unit_path_in(other, sizeof(other), b.dir, "other")),
                     0);
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &found), 0);
    assert_int_equal(found.n, 1);
    assert_int_equal(object_names_set(&names, &found), 0);
    objects_done(&found);
    b.child = unit_child_start(hold_another_name, b.dir);
    assert_secret(&b, &names);
    object_names_done(&names);
    // It is not its name that says so.
    assert_int_equal(opened_find(unit_path(b.dir, "proc"),
                                 &(struct opened_search){b.image, b.view.all}, &o),
                     0);
    assert_int_equal(o.n_files, 0);
    opened_done(&o);
    close_bench(&b);
}

static void hold_called_deleted(const struct unit_hold *h)
{
    (void)open_in(h, "called (deleted)", O_RDONLY);
    (void)open_in(h, "secret", O_RDONLY);
    (void)unlink(unit_path(h->path, "secret"));
}

static void test_a_name_like_the_kernels_words(void **state)
{
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_called_deleted, b.dir);
    find(&b, NULL, &o);
    assert_int_equal(o.n_files, 1);
    assert_non_null(strstr(o.files[0].path, "/called (deleted)"));
    opened_done(&o);
    close_bench(&b);
}

// What procfs says of the descriptor gets a line for each.
static void hold_locked(const struct unit_hold *h)
{
    int fd = open_in(h, "secret", O_RDWR);

    for (int i = 0; i < 3000; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1};

        if (fcntl(fd, F_SETLK, &lock) < 0)
            _exit(3);
    }
}

static void test_many_locks(void **state)
{
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_locked, b.dir);
    find(&b, NULL, &o);
    assert_int_equal(o.n_files, 1);
    assert_int_equal(o.files[0].ops, SG_OP_READ | SG_OP_WRITE);
    opened_done(&o);
    close_bench(&b);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_stops(void **state)
{
    struct opened_search search;
    struct opened o;
    struct bench b;

    (void)state;
    open_bench(&b);
    b.child = unit_child_start(hold_various, b.dir);
    search = (struct opened_search){b.image, b.view.all, .stop = at_once};
    assert_int_equal(opened_find("/proc", &search, &o), -ECANCELED);
    assert_int_equal(o.n_files, 0);
    opened_done(&o);
    assert_int_equal(opened_find("/nonexistent", &search, &o), -ENOENT);
    opened_done(&o);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_finds_what_a_process_holds),
          cmocka_unit_test(test_first_thread_ended),
          cmocka_unit_test(test_thread_with_a_table_of_its_own),
          cmocka_unit_test(test_looks_once_at_what_threads_share),
          cmocka_unit_test(test_by_another_name),
          cmocka_unit_test(test_a_name_like_the_kernels_words), cmocka_unit_test(test_many_locks),
          cmocka_unit_test(test_stops))
