// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/mounts.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

static const char host_table[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                 "21 20 0:5 / /proc rw - proc proc rw\n"
                                 "22 20 8:2 / /home rw - xfs /dev/sda2 rw\n"
                                 "23 20 8:1 /srv/vault /mnt/x rw - ext4 /dev/sda1 rw\n"
                                 "24 20 8:3 /subvol /data rw - btrfs /dev/sda3 rw\n";
static const char other_table[] = "50 1 0:44 / / rw - overlay overlay rw\n"
                                  "51 50 8:2 / /home rw - xfs /dev/sda2 rw\n"
                                  "52 50 0:45 / /tmp rw - tmpfs tmpfs rw\n";

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
    struct policy_mounts *foreign = NULL;
    char path[4096];

    (void)state;
    put(dir, "self/mountinfo", host_table);
    (void)unit_path_in(path, sizeof(path), dir, "self/mountinfo");
    assert_int_equal(mounts_new(&foreign), 0);
    assert_int_equal(mounts_add(foreign, policy_dev(0, 44), "/", "/", POLICY_MOUNT_FOREIGN), 0);
    assert_int_equal(mounts_add(foreign, policy_dev(8, 2), "/", "/home", POLICY_MOUNT_FOREIGN), 0);
    assert_int_equal(mount_view_read(path, foreign, &v), 0);
    assert_int_equal(mount_view_read(path, foreign, &same), 0);
    assert_int_equal(mount_view_read(path, NULL, &other), 0);
    // The host's own table, and of the others what the host does not have.
    assert_int_equal(v.all->n, 6);
    assert_int_equal(v.all->items[5].dev, policy_dev(0, 44));
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
    mounts_free(foreign);
    assert_int_equal(mount_view_read("/nonexistent", NULL, &v), -ENOENT);
    unit_rmdir(dir);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

// A procfs of files: the namespace of a process is the inode of its ns/mnt.
static void test_foreign(void **state)
{
    struct policy_mounts *m = NULL;
    char *dir = unit_mkdtemp();
    char proc[4096];

    (void)state;
    (void)unit_path_in(proc, sizeof(proc), dir, ".");
    put(dir, "self/ns/mnt", "");
    put(dir, "self/mountinfo", host_table);
    put(dir, "1/mountinfo", host_table);
    assert_int_equal(mkdir(unit_path(dir, "1/ns"), 0700), 0);
    char self_ns[4096], init_ns[4096];
    assert_int_equal(link(unit_path_in(self_ns, sizeof(self_ns), dir, "self/ns/mnt"),
                          unit_path_in(init_ns, sizeof(init_ns), dir, "1/ns/mnt")),
                     0);
    put(dir, "77/ns/mnt", "");
    put(dir, "77/mountinfo", other_table);
    put(dir, "88/ns/mnt", ""); // ended before its table could be read
    put(dir, "net/x", "");
    assert_int_equal(mounts_foreign(proc, never, NULL, &m), 0);
    assert_int_equal(m->n, 3);
    for (size_t i = 0; i < m->n; i++)
        assert_true(m->items[i].flags & POLICY_MOUNT_FOREIGN);
    mounts_free(m);
    assert_int_equal(mounts_foreign(proc, at_once, NULL, &m), -ECANCELED);
    unit_rmdir(dir);
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

UNIT_MAIN(cmocka_unit_test(test_view), cmocka_unit_test(test_foreign),
          cmocka_unit_test(test_locate))
