// SPDX-License-Identifier: Apache-2.0
//
// What every unit test includes: cmocka, a main() that also fails on leaked descriptors, and
// a temporary directory. A test file ends with
//
//     UNIT_MAIN(cmocka_unit_test(test_one), cmocka_unit_test(test_two))
//
// SOURCE_ROOT is the root of the source tree, for shipped files that a test reads.
#pragma once

// cmocka.h needs these first and includes none of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Descriptors that are open now.
static inline int unit_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    if (!dir)
        return -1;
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n;
}

static inline int unit_remove_entry(const char *path, const struct stat *st, int kind,
                                    struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

// A new directory below $TMPDIR or /tmp; unit_rmdir() removes it with all that is in it and frees
// the path.
static inline char *unit_mkdtemp(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;

    assert_true(asprintf(&path, "%s/safeguard-test-XXXXXX", base && *base ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void unit_rmdir(char *path)
{
    assert_int_equal(nftw(path, unit_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
    free(path);
}

#define unit_path(dir, name) unit_path_in((char[4096]){0}, 4096, dir, name)
static inline const char *unit_path_in(char *buf, size_t size, const char *dir, const char *name)
{
    assert_true(snprintf(buf, size, "%s/%s", dir, name) < (int)size);
    return buf;
}

#define UNIT_MAIN(...)                                                                            \
    int main(void)                                                                                \
    {                                                                                             \
        const struct CMUnitTest unit_tests[] = {__VA_ARGS__};                                     \
        int unit_before = unit_count_fds();                                                       \
        int unit_failed = cmocka_run_group_tests(unit_tests, NULL, NULL);                         \
        int unit_after = unit_count_fds();                                                        \
                                                                                                  \
        if (unit_before != unit_after) {                                                          \
            (void)fprintf(stderr, "descriptors: %d before, %d after\n", unit_before, unit_after); \
            return 1;                                                                             \
        }                                                                                         \
        return unit_failed;                                                                       \
    }
