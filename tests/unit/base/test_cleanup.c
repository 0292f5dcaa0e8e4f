// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/cleanup.h"

struct thing {
    int *freed;
};

static struct thing *thing_free(struct thing *t)
{
    if (t)
        (*t->freed)++;
    errno = EXDEV;
    return NULL;
}
DEFINE_CLEANUP(struct thing *, thing_free)

static void test_scope_frees_once(void **state)
{
    int freed = 0;
    struct thing thing = {&freed};

    (void)state;
    {
        _cleanup_(thing_freep) struct thing *t = &thing;
        _cleanup_(thing_freep) struct thing *none = NULL;

        assert_non_null(t);
        assert_null(none);
        assert_int_equal(freed, 0);
    }
    assert_int_equal(freed, 1);
}

static void test_taken_is_not_freed(void **state)
{
    int freed = 0;
    struct thing thing = {&freed}, *kept = NULL;

    (void)state;
    {
        _cleanup_(thing_freep) struct thing *t = &thing;

        kept = TAKE_PTR(t);
        assert_null(t);
    }
    assert_int_equal(freed, 0);
    assert_ptr_equal(kept, &thing);
}

static void test_descriptor(void **state)
{
    int number, taken = -1;

    (void)state;
    {
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int none = -1;
        _cleanup_close_ int given = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(none, -1);
        number = fd;
        taken = TAKE_FD(given);
        assert_int_equal(given, -1);
    }
    assert_int_equal(fcntl(number, F_GETFD), -1);
    assert_int_not_equal(fcntl(taken, F_GETFD), -1);
    taken = safe_close(taken);
    assert_int_equal(taken, -1);
    assert_int_equal(safe_close(-1), -1);
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    errno = ENOTTY;
    {
        _cleanup_free_ char *s = strdup("x");
        _cleanup_fclose_ FILE *f = fopen("/dev/null", "re");
        _cleanup_closedir_ DIR *d = opendir("/");
        _cleanup_close_ int bad = 100000; // close() fails

        assert_non_null(s);
        assert_non_null(f);
        assert_non_null(d);
        assert_int_equal(bad, 100000);
        errno = ENOTTY;
    }
    assert_int_equal(errno, ENOTTY);
}

UNIT_MAIN(cmocka_unit_test(test_scope_frees_once), cmocka_unit_test(test_taken_is_not_freed),
          cmocka_unit_test(test_descriptor), cmocka_unit_test(test_errno_is_kept))
