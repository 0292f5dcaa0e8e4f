// SPDX-License-Identifier: Apache-2.0
//
// A disk that is full: a small tmpfs in a mount namespace of the test's own. Nothing half stored, nothing that was acknowledged
// lost, and it goes on when there is room.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/store/suite.h"

const char *const suite_scheme = "sqlite";

#define HOST "host-0"

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
        (void)close(fd);
    }
}

// A mount namespace; as root at once, else as root of a user namespace. False: this kernel lets nobody.
static bool own_mounts(void)
{
    char map[64];
    uid_t uid = getuid();

    if (unshare(CLONE_NEWNS) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            return false;
        write_text("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof(map), "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        write_text("/proc/self/gid_map", map);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static uint64_t stored(struct fixture *f)
{
    struct store_page page = {};
    struct lines l = {};

    do {
        char cursor[STORE_CURSOR_SIZE];

        (void)snprintf(cursor, sizeof(cursor), "%s", page.cursor);
        assert_int_equal(store_query(f->st, &(struct store_filter){}, 1000, cursor, true,
                                     collect_line, &l, &page, &f->err),
                         0);
    } while (page.more);
    sb_done(&l.text);
    return l.n;
}

static int append_some(struct fixture *f, uint64_t first, unsigned n)
{
    _cleanup_(sb_done) struct strbuf text = {};
    uint64_t seed = first;

    for (uint64_t i = first; i < first + n; i++) {
        sb_printf(&text, "{\"time\":%llu,\"message\":\"", (unsigned long long)(f->now_ms + i));
        for (int k = 0; k < 30;
             k++, seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u)
            sb_printf(&text, "%llx ", (unsigned long long)seed);
        sb_puts(&text, "\"}\n");
    }
    return append_text(f, HOST, 0, first, text.s, NULL);
}

static void fill_disk(struct fixture *f, uint64_t *next)
{
    int r;

    while ((r = append_some(f, *next, 100)) == 0)
        *next += 100;
    assert_int_equal(r, -ENOSPC);
    assert_true(f->err.what[0] != '\0');
}

static void run_on_small_disk(struct fixture *f)
{
    struct stream_id id = stream_of(0);
    struct store_stats stats;
    uint64_t next = 1, acked = 0;
    char path[4096];
    int fd;

    // Something else holds a part of the disk.
    assert_true(snprintf(path, sizeof(path), "%s/else", f->dir) < (int)sizeof(path));
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (int i = 0; i < 2048; i++)
        assert_int_equal(write(fd, path, sizeof(path)), sizeof(path));
    (void)close(fd);
    fixture_open(f);
    fill_disk(f, &next);
    assert_true(next > 100);
    assert_int_equal(f->told[STORE_TOLD_FULL], 1);
    // Again and again: the same answer, told once.
    for (int i = 0; i < 5; i++)
        assert_int_equal(append_some(f, next, 100), -ENOSPC);
    assert_int_equal(f->told[STORE_TOLD_FULL], 1);
    assert_int_equal(store_stats(f->st, &stats), 0);
    assert_int_equal(stats.full, 6);
    assert_int_equal(store_acked(f->st, HOST, &id, &acked), 0);
    assert_int_equal(acked, next - 1);
    assert_int_equal(stored(f), next - 1);
    // Also when it begins with a full disk, and when the day changes on one.
    fixture_reopen(f);
    assert_int_equal(store_acked(f->st, HOST, &id, &acked), 0);
    assert_int_equal(acked, next - 1);
    assert_int_equal(append_some(f, next, 1500), -ENOSPC);
    f->now_ms += UINT64_C(86400000);
    assert_int_equal(append_some(f, next, 1500), -ENOSPC);
    assert_int_equal(stored(f), next - 1);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(append_some(f, next, 100), 0);
    next += 100;
    assert_int_equal(stored(f), next - 1);
    fill_disk(f, &next);
    assert_int_equal(f->told[STORE_TOLD_FULL], 3);
    // Retention needs no room, and makes some.
    assert_int_equal(store_retain(f->st, 1, 0, NULL, &f->err), 0);
    assert_int_equal(append_some(f, next, 100), 0);
    store_close(f->st);
}

static void test_full_disk(void **state)
{
    struct fixture f;
    pid_t child;
    int status;

    (void)state;
    fixture_begin(&f);
    f.st = store_close(f.st);
    // The namespace is a child's: it and its mount end together.
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!own_mounts() || mount("small", f.dir, "tmpfs", 0, "size=24m") < 0)
            _exit(77);
        run_on_small_disk(&f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    if (WEXITSTATUS(status) == 77)
        print_message("# no mount namespaces here: not tried\n");
    fixture_open(&f);
    fixture_end(&f);
}

UNIT_MAIN(cmocka_unit_test(test_full_disk))
