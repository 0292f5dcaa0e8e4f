// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/mappings.h"

struct looked_for {
    uintptr_t at;
    unsigned n;
    bool found;
    struct mapping m;
    char path[256];
};

static int find(void *ctx, const struct mapping *m)
{
    struct looked_for *l = ctx;

    assert_true(m->from < m->to);
    l->n++;
    if (m->from > l->at || l->at >= m->to)
        return 0;
    l->found = true;
    l->m = *m;
    (void)snprintf(l->path, sizeof(l->path), "%s", m->path);
    return 0;
}

static void test_file(void **state _unused_)
{
    char name[] = "/tmp/a name with spaces XXXXXX";
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct looked_for l = {};
    int fd = mkstemp(name);
    void *mem;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 3 * (off_t)page), 0);
    mem = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 2 * (off_t)page);
    assert_true(mem != MAP_FAILED);
    l.at = (uintptr_t)mem;
    assert_int_equal(mappings_each(find, &l), 0);
    assert_true(l.found);
    assert_true(l.m.from == l.at && l.m.to == l.at + page);
    assert_int_equal(l.m.offset, 2 * page);
    assert_string_equal(l.m.perms, "r--s");
    assert_string_equal(l.path, name);
    (void)munmap(mem, page);
    (void)unlink(name);
    (void)close(fd);
}

static void test_nobodys(void **state _unused_)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *mem = mmap(NULL, page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct looked_for own = {.at = (uintptr_t)test_nobodys}, stack = {.at = (uintptr_t)&own};

    assert_true(mem != MAP_FAILED);
    assert_int_equal(mappings_each(find, &own), 0);
    assert_true(own.found);
    assert_string_equal(own.m.perms, "r-xp");
    assert_int_equal(mappings_each(find, &stack), 0);
    assert_true(stack.found && stack.n > 3);
    (void)munmap(mem, page);
}

static int stop(void *ctx, const struct mapping *m _unused_)
{
    ++*(unsigned *)ctx;
    return -ECANCELED;
}

static void test_stops(void **state _unused_)
{
    unsigned n = 0;

    assert_int_equal(mappings_each(stop, &n), -ECANCELED);
    assert_int_equal(n, 1);
}

UNIT_MAIN(cmocka_unit_test(test_file), cmocka_unit_test(test_nobodys), cmocka_unit_test(test_stops))
