// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/casefold.h"
#include "agent/mounts.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"

static const char host_table[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                 "21 20 0:5 / /proc rw - proc proc rw\n"
                                 "22 20 8:2 / /home rw - xfs /dev/sda2 rw\n"
                                 "23 20 8:1 /srv/vault /mnt/x rw - ext4 /dev/sda1 rw\n"
                                 "24 20 8:3 /subvol /data rw - btrfs /dev/sda3 rw\n";
static void put(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *copy = strdup(name);

    *strrchr(copy, '/') = '\0';
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, copy), 0700), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0600),
                     0);
}

static void test_view(void **state)
{
    char *dir = unit_mkdtemp();
    struct mount_view v = {}, same = {}, other = {};
    char path[4096];

    (void)state;
    put(dir, "self/mountinfo", host_table);
    (void)unit_path_in(path, sizeof(path), dir, "self/mountinfo");
    assert_int_equal(mount_view_read(path, &v), 0);
    assert_int_equal(mount_view_read(path, &same), 0);
    put(dir, "self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    assert_int_equal(mount_view_read(path, &other), 0);
    assert_int_equal(v.all->n, 5);
    assert_int_equal(v.digest, same.digest);
    assert_int_not_equal(v.digest, other.digest);
    // Names for records: the further mount of a part of 8:1 gives no file another name, that of 8:3, which is
    // nowhere mounted as a whole, does.
    assert_int_equal(v.n_decode, 4);
    for (size_t i = 0; i < v.n_decode; i++)
        assert_false(v.decode[i].point.len == 6 && memcmp(v.decode[i].point.s, "/mnt/x", 6) == 0);
    mount_view_done(&v);
    mount_view_done(&same);
    mount_view_done(&other);
    assert_int_equal(mount_view_read("/nonexistent", &v), -ENOENT);
    unit_rmdir(dir);
}

static unsigned n_looks;

static bool folds(const struct policy_mount *mount)
{
    n_looks++;
    return mount->dev == policy_dev(8, 1);
}

// Many mounts of few devices: as many looks as there are devices, and the answer is every mount's.
static void test_casefold(void **state)
{
    struct strbuf text = {};
    struct policy_mounts *m = NULL;

    (void)state;
    for (unsigned i = 0; i < 20000; i++)
        sb_printf(&text, "%u 1 8:%u / /m/%u rw - %s dev rw\n", i + 20, i % 4, i,
                  i % 4 == 3 ? "xfs" : "ext4");
    assert_int_equal(mounts_parse(sb_str(&text), text.len, &m), 0);
    assert_int_equal(m->n, 20000);
    assert_int_equal(casefold_mark_by(m, folds), 0);
    assert_int_equal(n_looks, 3);
    for (size_t i = 0; i < m->n; i++)
        assert_int_equal(!!(m->items[i].flags & POLICY_MOUNT_NOCASE), i % 4 == 1);
    mounts_free(m);
    sb_done(&text);
}

static void test_locate(void **state)
{
    const struct {
        uint32_t id;
        const char *path, *in_fs;
        uint32_t dev;
    } rows[] = {
        {20, "/etc/shadow", "/etc/shadow", policy_dev(8, 1)},
        {20, "/", "/", policy_dev(8, 1)},
        {22, "/home/ann/x", "/ann/x", policy_dev(8, 2)},
        {22, "/home", "/", policy_dev(8, 2)},
        {22, "/homely", NULL, 0},
        {23, "/mnt/x/key", "/srv/vault/key", policy_dev(8, 1)},
        {23, "/mnt/x", "/srv/vault", policy_dev(8, 1)},
        {24, "/data/a", "/subvol/a", policy_dev(8, 3)},
        {99, "/etc/shadow", NULL, 0},
        {0, "/etc/shadow", NULL, 0},
    };
    struct policy_mounts *m = NULL;
    const char *in_fs;
    char buf[64], tiny[4];
    uint32_t dev;

    (void)state;
    assert_int_equal(mounts_parse(host_table, strlen(host_table), &m), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool found = mounts_locate(m, rows[i].id, rows[i].path, buf, sizeof(buf), &dev, &in_fs);

        assert_int_equal(found, rows[i].in_fs != NULL);
        if (found) {
            assert_string_equal(in_fs, rows[i].in_fs);
            assert_int_equal(dev, rows[i].dev);
        }
    }
    assert_false(mounts_locate(m, 20, "/etc/shadow", tiny, sizeof(tiny), &dev, &in_fs));
    assert_int_equal(mounts_dev(m, 24), policy_dev(8, 3));
    assert_int_equal(mounts_dev(m, 99), 0);
    mounts_free(m);
}

UNIT_MAIN(cmocka_unit_test(test_view), cmocka_unit_test(test_casefold),
          cmocka_unit_test(test_locate))
