// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "base/strutil.h"

// Each test gets a new directory, open, as *state.
struct place {
    char *path;
    int fd;
};

static int enter(void **state)
{
    static struct place place;

    place.path = unit_mkdtemp();
    place.fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = &place;
    return place.fd < 0;
}

static int leave(void **state)
{
    struct place *place = *state;

    safe_close(place->fd);
    unit_rmdir(place->path);
    return 0;
}

static size_t count_entries(int dir)
{
    _cleanup_closedir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    size_t n = 0;

    while (readdir(d))
        n++;
    return n - 2;
}

static void test_read_bounds(void **state)
{
    const struct place *p = *state;

    assert_int_equal(write_file_atomic(p->fd, "f", "0123456789", 10, 0600), 0);
    for (size_t max = 0; max < 20; max++) {
        _cleanup_free_ char *buf = NULL;
        size_t len = 999;
        int r = read_file_bounded(p->fd, "f", max, &buf, &len);

        if (max < 10) {
            assert_int_equal(r, -EFBIG);
            assert_null(buf);
            assert_int_equal(len, 999);
        } else {
            assert_int_equal(r, 0);
            assert_int_equal(len, 10);
            assert_string_equal(buf, "0123456789");
        }
    }
}

static void test_read_empty_and_large(void **state)
{
    const struct place *p = *state;
    size_t size = 3 * 1024 * 1024 + 17, len = 0;
    _cleanup_free_ char *big = malloc(size), *back = NULL, *empty = NULL;

    for (size_t i = 0; i < size; i++)
        big[i] = (char)(i * 31);
    assert_int_equal(write_file_atomic(p->fd, "big", big, size, 0600), 0);
    assert_int_equal(read_file_bounded(p->fd, "big", SIZE_MAX - 1, &back, &len), 0);
    assert_int_equal(len, size);
    assert_memory_equal(back, big, size);
    assert_int_equal(write_file_atomic(p->fd, "empty", NULL, 0, 0600), 0);
    assert_int_equal(read_file_bounded(p->fd, "empty", 0, &empty, NULL), 0);
    assert_string_equal(empty, "");
}

static void test_read_procfs(void **state)
{
    _cleanup_free_ char *buf = NULL;
    size_t len = 0;

    (void)state;
    // A size of 0 in stat(), and yet there is something to read.
    assert_int_equal(read_file_bounded(AT_FDCWD, "/proc/self/maps", 1 << 24, &buf, &len), 0);
    assert_true(len > 1000);
    assert_int_equal(strlen(buf), len);
}

static void test_read_refuses_what_is_no_file(void **state)
{
    const struct place *p = *state;
    char *buf = NULL;

    assert_int_equal(mkfifoat(p->fd, "pipe", 0600), 0);
    assert_int_equal(read_file_bounded(p->fd, "pipe", 10, &buf, NULL), -EINVAL);
    assert_int_equal(read_file_bounded(p->fd, ".", 10, &buf, NULL), -EISDIR);
    assert_int_equal(read_file_bounded(p->fd, "none", 10, &buf, NULL), -ENOENT);
    assert_int_equal(read_file_bounded(AT_FDCWD, "/dev/zero", 10, &buf, NULL), -EINVAL);
    assert_null(buf);
}

static void test_read_fd_from_a_pipe(void **state)
{
    _cleanup_free_ char *buf = NULL;
    size_t len = 0;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write_all(fds[1], "from a pipe", 11), 0);
    safe_close(fds[1]);
    assert_int_equal(read_fd_bounded(fds[0], 100, &buf, &len), 0);
    assert_string_equal(buf, "from a pipe");
    assert_int_equal(len, 11);
    safe_close(fds[0]);
    assert_int_equal(read_fd_bounded(fds[0], 100, &buf, &len), -EBADF);
}

static void test_write_all_errors(void **state)
{
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    _cleanup_free_ char *big = calloc(1, 1 << 20);
    int fds[2];

    (void)state;
    assert_int_equal(write_all(full, "x", 1), -ENOSPC);
    assert_int_equal(write_all(-1, "x", 1), -EBADF);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(write_all(fds[1], big, 1 << 20), -EAGAIN);
    safe_close(fds[0]);
    safe_close(fds[1]);
}

static void test_atomic_replaces(void **state)
{
    const struct place *p = *state;
    _cleanup_free_ char *buf = NULL;
    struct stat st;
    mode_t old = umask(0077);

    assert_int_equal(write_file_atomic(p->fd, "f", "old", 3, 0600), 0);
    assert_int_equal(write_file_atomic(p->fd, "f", "new", 3, 0644), 0);
    umask(old);
    assert_int_equal(fstatat(p->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(read_file_bounded(p->fd, "f", 100, &buf, NULL), 0);
    assert_string_equal(buf, "new");
    assert_int_equal(count_entries(p->fd), 1);
}

static void test_atomic_does_not_follow(void **state)
{
    const struct place *p = *state;
    _cleanup_free_ char *buf = NULL;
    struct stat st;

    assert_int_equal(write_file_atomic(p->fd, "target", "target", 6, 0600), 0);
    assert_int_equal(symlinkat("target", p->fd, "link"), 0);
    assert_int_equal(write_file_atomic(p->fd, "link", "new", 3, 0600), 0);
    assert_int_equal(read_file_bounded(p->fd, "target", 100, &buf, NULL), 0);
    assert_string_equal(buf, "target");
    assert_int_equal(fstatat(p->fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void test_atomic_failure_leaves_nothing(void **state)
{
    const struct place *p = *state;
    struct stat st;

    // The last step fails: a directory cannot be replaced by a file.
    assert_int_equal(mkdirat(p->fd, "dir", 0700), 0);
    assert_int_equal(write_file_atomic(p->fd, "dir", "x", 1, 0600), -EISDIR);
    assert_int_equal(count_entries(p->fd), 1);
    assert_int_equal(fstatat(p->fd, "dir", &st, 0), 0);
    assert_int_equal(write_file_atomic(p->fd, "none/f", "x", 1, 0600), -ENOENT);
    assert_int_equal(count_entries(p->fd), 1);
}

static void test_atomic_in_a_path(void **state)
{
    const struct place *p = *state;
    _cleanup_free_ char *buf = NULL;
    const char *absolute = unit_path(p->path, "a/b/file");

    assert_int_equal(mkdir_p(p->fd, "a/b", 0700), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, absolute, "deep", 4, 0600), 0);
    assert_int_equal(read_file_bounded(p->fd, "a/b/file", 100, &buf, NULL), 0);
    assert_string_equal(buf, "deep");
}

static void test_fsync_parent(void **state)
{
    const struct place *p = *state;

    assert_int_equal(fsync_parent(p->fd, "x"), 0);
    assert_int_equal(fsync_parent(p->fd, "x/"), 0);
    assert_int_equal(fsync_parent(AT_FDCWD, unit_path(p->path, "x")), 0);
    assert_int_equal(fsync_parent(p->fd, "none/x"), -ENOENT);
}

static void test_mkdir_p(void **state)
{
    const struct place *p = *state;
    struct stat st;

    assert_int_equal(mkdir_p(p->fd, "a//b/c/", 0750), 0);
    assert_int_equal(mkdir_p(p->fd, "a/b/c", 0700), 0);
    assert_int_equal(fstatat(p->fd, "a/b/c", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(p->path, "x/y"), 0700), 0);
    assert_int_equal(fstatat(p->fd, "x/y", &st, 0), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, "/", 0700), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, "/proc/1", 0700), 0);
    assert_int_equal(mkdir_p(p->fd, "", 0700), -ENOENT);
    assert_int_equal(write_file_atomic(p->fd, "file", "", 0, 0600), 0);
    assert_int_equal(mkdir_p(p->fd, "file/x", 0700), -ENOTDIR);
    assert_int_equal(mkdir_p(p->fd, "file", 0700), -ENOTDIR);
}

static void test_open_nofollow(void **state)
{
    const struct place *p = *state;
    _cleanup_close_ int fd = -1, made = -1;
    int none = -7;

    assert_int_equal(mkdir_p(p->fd, "real/dir", 0700), 0);
    assert_int_equal(write_file_atomic(p->fd, "real/dir/f", "x", 1, 0600), 0);
    assert_int_equal(symlinkat("real", p->fd, "link"), 0);
    assert_int_equal(symlinkat("f", p->fd, "real/dir/last"), 0);
    assert_int_equal(open_nofollow(p->fd, "real/dir/f", O_RDONLY, 0, &fd), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(open_nofollow(p->fd, "link/dir/f", O_RDONLY, 0, &none), -ELOOP);
    assert_int_equal(open_nofollow(p->fd, "real/dir/last", O_RDONLY, 0, &none), -ELOOP);
    assert_int_equal(open_nofollow(p->fd, "none", O_RDONLY, 0, &none), -ENOENT);
    assert_int_equal(none, -7);
    assert_int_equal(open_nofollow(p->fd, "made", O_WRONLY | O_CREAT | O_EXCL, 0600, &made), 0);
}

static int collect(void *ctx, int dir, const struct dirent *entry)
{
    struct stat st;

    assert_int_equal(fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(strv_append(ctx, entry->d_name), 0);
    return streq(entry->d_name, "stop") ? 42 : 0;
}

static void test_foreach(void **state)
{
    const struct place *p = *state;
    _cleanup_(strv_freep) char **names = NULL, **more = NULL;

    assert_int_equal(mkdir_p(p->fd, "d", 0700), 0);
    assert_int_equal(write_file_atomic(p->fd, "d/one", "", 0, 0600), 0);
    assert_int_equal(write_file_atomic(p->fd, "d/.two", "", 0, 0600), 0);
    assert_int_equal(opendir_foreach(p->fd, "d", collect, &names), 0);
    assert_int_equal(strv_len(names), 2);
    assert_true(strv_contains(names, "one"));
    assert_true(strv_contains(names, ".two"));
    assert_int_equal(write_file_atomic(p->fd, "d/stop", "", 0, 0600), 0);
    assert_int_equal(opendir_foreach(p->fd, "d", collect, &more), 42);
    assert_int_equal(opendir_foreach(p->fd, "none", collect, &more), -ENOENT);
    assert_int_equal(opendir_foreach(p->fd, "d/one", collect, &more), -ENOTDIR);
}

static void test_dir_names(void **state)
{
    const struct place *p = *state;
    _cleanup_(strv_freep) char **names = NULL, **all = NULL, **none = NULL;
    _cleanup_free_ char *joined = NULL;
    static const char *const files[] = {"10-b.yaml", "9-a.yaml", "50-c.yml", ".x.yaml"};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        assert_int_equal(write_file_atomic(p->fd, files[i], "", 0, 0600), 0);
    assert_int_equal(dir_names(p->fd, ".", ".yaml", 2, &names), 0);
    assert_int_equal(strv_join(names, " ", &joined), 0);
    assert_string_equal(joined, "9-a.yaml 10-b.yaml");
    assert_int_equal(dir_names(p->fd, ".", NULL, 3, &all), 0);
    assert_int_equal(strv_len(all), 3);
    assert_int_equal(dir_names(p->fd, ".", NULL, 2, &none), -E2BIG);
    assert_null(none);
    assert_int_equal(dir_names(p->fd, ".", ".none", 2, &none), 0);
    assert_int_equal(strv_len(none), 0);
    assert_non_null(none);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, enter, leave)

UNIT_MAIN(IN_PLACE(test_read_bounds), IN_PLACE(test_read_empty_and_large),
          cmocka_unit_test(test_read_procfs), IN_PLACE(test_read_refuses_what_is_no_file),
          cmocka_unit_test(test_read_fd_from_a_pipe), cmocka_unit_test(test_write_all_errors),
          IN_PLACE(test_atomic_replaces), IN_PLACE(test_atomic_does_not_follow),
          IN_PLACE(test_atomic_failure_leaves_nothing), IN_PLACE(test_atomic_in_a_path),
          IN_PLACE(test_fsync_parent), IN_PLACE(test_mkdir_p), IN_PLACE(test_open_nofollow),
          IN_PLACE(test_foreach), IN_PLACE(test_dir_names))
