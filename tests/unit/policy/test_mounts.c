// SPDX-License-Identifier: Apache-2.0
//
// The mount table, and the states of the roots that it makes.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "policy/compile.h"
#include "policy/mounts.h"

#define ROOT policy_dev(8, 1)

static struct policy_mounts *parse(const char *text)
{
    struct policy_mounts *m = NULL;

    assert_int_equal(mounts_parse(text, strlen(text), &m), 0);
    return m;
}

static void test_parse(void **state)
{
    struct policy_mounts *m = parse(
        "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "26 25 0:5 / /dev rw shared:2 master:3 propagate_from:4 - devtmpfs udev rw\n"
        "27 25 253:1048575 /sub\\040dir /mnt/a\\011b\\134c\\012 rw - xfs /dev/x rw\n"
        "28 25 4095:3 / /x rw -  ext4 src opts\n"
        "29 25 0:4 net:[4026531840] /run/netns/a rw - nsfs nsfs rw");

    (void)state;
    assert_int_equal(m->n, 5);
    assert_int_equal(m->n_bad, 0);
    assert_int_equal(m->items[0].dev, ROOT);
    assert_int_equal(m->items[0].id, 25);
    assert_int_equal(m->items[0].parent, 1);
    assert_string_equal(m->items[1].fstype, "devtmpfs");
    assert_string_equal(m->items[2].fs_root, "/sub dir");
    assert_string_equal(m->items[2].mountpoint, "/mnt/a\tb\\c\n");
    assert_int_equal(m->items[2].dev, policy_dev(253, 1048575));
    assert_int_equal(m->items[3].dev, 4095u << 20 | 3);
    assert_string_equal(m->items[4].fs_root, "net:[4026531840]");
    mounts_free(m);
}

static void test_bad_lines(void **state)
{
    static const char *const lines[] = {
        "25",
        "x 1 8:1 / / rw - ext4 a b",
        "25 -1 8:1 / / rw - ext4 a b",
        "25 1 8 / / rw - ext4 a b",
        "25 1 8: / / rw - ext4 a b",
        "25 1 4096:1 / / rw - ext4 a b",
        "25 1 8:1048576 / / rw - ext4 a b",
        "25 1 8:1 / rel rw - ext4 a b",
        "25 1 8:1 / / rw ext4 a b",
        "25 1 8:1 / / rw -",
        "99999999999 1 8:1 / / rw - ext4 a b",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct policy_mounts *m;

        (void)snprintf(text, sizeof(text), "%s\n\n7 1 8:1 / /ok rw - ext4 a b\n", lines[i]);
        m = parse(text);
        if (m->n != 1 || m->n_bad != 1)
            fail_msg("%s: %zu read, %zu bad", lines[i], m->n, m->n_bad);
        mounts_free(m);
    }
}

static void test_bounded(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_mounts *m;

    (void)state;
    for (unsigned i = 0; i < POLICY_MOUNTS_MAX + 3; i++)
        sb_printf(&sb, "%u %u 0:%u / /m%u rw - tmpfs a b\n", i + 2, i % 7, i, i);
    m = parse(sb_str(&sb));
    assert_int_equal(m->n, POLICY_MOUNTS_MAX);
    assert_int_equal(m->n_dropped, 3);
    mounts_free(m);
}

static void expect_hidden(const char *text, const char *hidden)
{
    struct policy_mounts *m = parse(text);

    assert_int_equal(m->n, strlen(hidden));
    for (size_t i = 0; i < m->n; i++)
        if (!(m->items[i].flags & POLICY_MOUNT_HIDDEN) != (hidden[i] == '-'))
            fail_msg("%smount %zu", text, i);
    mounts_free(m);
}

static void test_hidden(void **state)
{
    (void)state;
    // A mount lies over the root of another.
    expect_hidden("1 0 8:1 / / rw - a b c\n2 1 8:2 / /mnt rw - a b c\n3 2 8:3 / /mnt rw - a b c\n",
                  "-h-");
    // Over a directory above, in the same parent.
    expect_hidden(
        "1 0 8:1 / / rw - a b c\n2 1 8:2 / /mnt/x rw - a b c\n3 1 8:3 / /mnt rw - a b c\n", "-h-");
    // Over the parent of the parent; what hangs on the hidden one is hidden too.
    expect_hidden("1 0 8:1 / / rw - a b c\n2 1 8:2 / /m/x rw - a b c\n4 2 8:4 / /m/x/y rw - a b c\n"
                  "3 1 8:3 / /m rw - a b c\n5 3 8:5 / /m/x rw - a b c\n",
                  "-hh--");
    // What lies over a mount hides what was mounted in it, but not what is mounted in the upper
    // one.
    expect_hidden("1 0 8:1 / / rw - a b c\n2 1 8:2 / /m rw - a b c\n3 2 8:3 / /m/x rw - a b c\n"
                  "4 2 8:4 / /m rw - a b c\n5 4 8:5 / /m/x rw - a b c\n",
                  "-hh--");
    // Names that only begin alike are no parents.
    expect_hidden("1 0 8:1 / / rw - a b c\n2 1 8:2 / /mnt rw - a b c\n3 1 8:3 / /mnt2 rw - a b c\n",
                  "---");
    // The first root file system, which hangs on itself, under the real one.
    expect_hidden(
        "1 1 0:2 / / rw - rootfs b c\n25 1 8:1 / / rw - a b c\n26 25 8:2 / /x rw - a b c\n", "h--");
    // A table that goes in circles ends.
    expect_hidden("1 2 8:1 / /a rw - a b c\n2 1 8:2 / /b rw - a b c\n", "--");
}

static struct policy_image *compile(const char *rules, const struct policy_mounts *m,
                                    bool drop_hidden)
{
    const struct policy_compile_options options = {.drop_hidden = drop_hidden};
    struct policy_image *image = NULL;
    struct policy *p = NULL;
    char text[2048];

    (void)snprintf(text, sizeof(text), "safeguard: 1\nmode: monitor\nfiles:\n%s", rules);
    assert_int_equal(policy_load_buffer("t", text, strlen(text), &names_options, NULL, &p), 0);
    assert_int_equal(policy_compile(p, m, &options, NULL, &image), 0);
    assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    policy_free(p);
    return image;
}

static const struct policy_root *root_of(const struct policy_image *image, uint32_t dev)
{
    for (size_t i = 0; i < image->n_roots; i++)
        if (image->roots[i].dev == dev)
            return &image->roots[i];
    fail_msg("no root for %u", dev);
    return NULL;
}

// The operations that rules have on the object at `path` inside a superblock.
static uint32_t ops_at(const struct policy_image *image, uint32_t dev, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = (const void *)((const char *)image->mem + h->states_off);

    return states[policy_image_walk(image, root_of(image, dev)->root.state, path, strlen(path))]
        .ops;
}

static void test_sorted(void **state)
{
    static const uint32_t devs[] = {7, 3, 7, 9, 3, 7};
    static const size_t wanted[] = {1, 4, 0, 2, 5, 3}, of_one[] = {2, 3, 1};
    _cleanup_free_ const struct policy_mount **sorted = NULL, **none = NULL;
    struct policy_mounts *m = NULL;

    (void)state;
    assert_int_equal(mounts_new(&m), 0);
    assert_int_equal(mounts_sort(m, &none), 0);
    assert_int_equal(mounts_of_one(none, 0), 0);
    for (size_t i = 0; i < sizeof(devs) / sizeof(*devs); i++)
        assert_int_equal(mounts_add(m, devs[i], "/", "/x", 0), 0);
    assert_int_equal(mounts_sort(m, &sorted), 0);
    for (size_t i = 0; i < m->n; i++)
        assert_ptr_equal(sorted[i], &m->items[wanted[i]]);
    for (size_t i = 0, k = 0; i < m->n; i += of_one[k++])
        assert_int_equal(mounts_of_one(sorted + i, m->n - i), of_one[k]);
    mounts_free(m);
}

static void test_roots(void **state)
{
    struct policy_mounts *m = NULL;
    struct policy_image *image;

    (void)state;
    assert_int_equal(mounts_new(&m), 0);
    assert_int_equal(mounts_add(m, 1, "/", "/", 0), 0);
    assert_int_equal(mounts_add(m, 2, "/", "/srv", 0), 0);      // a file system below /srv
    assert_int_equal(mounts_add(m, 3, "/", "/home/ann", 0), 0); // seen at two places
    assert_int_equal(mounts_add(m, 3, "/", "/etc", 0), 0);
    assert_int_equal(mounts_add(m, 4, "/data/www", "/srv/www", 0), 0);  // only a part is mounted
    assert_int_equal(mounts_add(m, 5, "/shadow", "/etc/shadow", 0), 0); // a file
    assert_int_equal(mounts_add(m, 6, "/", "/opt", 0), 0);              // nothing there
    assert_int_equal(mounts_add(m, 8, "/", "/etc", POLICY_MOUNT_HIDDEN), 0);
    assert_int_equal(mounts_add(m, 9, "rel", "/etc", 0), -EINVAL);
    assert_int_equal(mounts_add(m, 9, "/", "etc", 0), -EINVAL);

    for (int drop = 0; drop < 2; drop++) {
        image = compile("  - {path: /etc/shadow, access: read, do: audit}\n"
                        "  - {path: /srv, access: chmod, do: audit}\n"
                        "  - {path: /srv/www/**, access: delete, do: audit}\n"
                        "  - {path: /srv/www, access: rename, do: audit}\n"
                        "  - {path: \"/home/*/x\", access: exec, do: audit}\n",
                        m, drop);
        assert_int_equal(image->n_roots, 7);
        assert_int_equal(root_of(image, 1)->root.state, image->start);
        assert_int_equal(ops_at(image, 1, "/etc/shadow"), SG_OP_READ);
        assert_int_equal(ops_at(image, 2, ""), SG_OP_CHMOD);
        assert_int_equal(ops_at(image, 2, "/www/a"), SG_OP_DELETE);
        assert_int_equal(ops_at(image, 2, "/etc/shadow"), 0);
        assert_int_equal(ops_at(image, 3, "/x"), SG_OP_EXEC);
        assert_int_equal(ops_at(image, 3, "/shadow"), SG_OP_READ);
        assert_int_equal(ops_at(image, 4, "/data/www"), SG_OP_RENAME);
        assert_int_equal(ops_at(image, 4, "/data/www/a"), SG_OP_DELETE);
        assert_int_equal(ops_at(image, 4, "/data/wwwx"), 0);
        assert_int_equal(ops_at(image, 4, "/data"), 0);
        assert_int_equal(ops_at(image, 4, "/srv/www/a"), 0);
        assert_int_equal(ops_at(image, 5, "/shadow"), SG_OP_READ);
        assert_int_equal(ops_at(image, 5, "/shadows"), 0);
        assert_int_equal(root_of(image, 6)->root.state, 0);
        assert_int_equal(root_of(image, 6)->root.flags, 0);
        assert_int_equal(root_of(image, 8)->root.flags, drop ? SG_ROOT_FOREIGN : 0);
        assert_int_equal(ops_at(image, 8, "/shadow"), drop ? 0 : SG_OP_READ);
        policy_image_free(image);
    }
    mounts_free(m);
}

// What is mounted below a mount that rules are about: below tells of denials there, in either's
// root.
static void test_below_of_part(void **state)
{
    struct policy_mounts *m = NULL;
    struct policy_image *image;
    const struct sg_image *h;
    const struct sg_state *states;
    const struct sg_accept *accepts;

    (void)state;
    assert_int_equal(mounts_new(&m), 0);
    assert_int_equal(mounts_add(m, 1, "/a/b", "/srv", 0), 0);
    image = compile("  - {path: /srv/x/y, access: read, do: deny}\n", m, false);
    h = policy_image_head(image);
    states = (const void *)((const char *)image->mem + h->states_off);
    accepts = (const void *)((const char *)image->mem + h->accepts_off);
    for (int i = 0; i < 5; i++) {
        static const char *const paths[] = {"", "/a", "/a/b", "/a/b/x", "/a/b/x/y"};
        uint32_t s = policy_image_walk(image, root_of(image, 1)->root.state, paths[i],
                                       strlen(paths[i]));

        assert_int_equal(accepts[states[s].accept].below != 0, i < 4);
    }
    policy_image_free(image);
    mounts_free(m);
}

static void add_all(struct policy_mounts *m, uint32_t dev, const char *const *rows, size_t n)
{
    for (size_t i = 0; i < n; i += 2)
        assert_int_equal(mounts_add(m, dev, rows[i], rows[i + 1], 0), 0);
}

// New mounts get their roots from the image, where it can tell; what it says is what a new image
// says.
static void test_new_roots(void **state)
{
    static const struct {
        int result;
        size_t n;
        const char *mounts[4]; // fs_root, mountpoint
    } rows[] = {
        {0, 2, {"/", "/etc"}},
        {0, 2, {"/", "/opt"}},
        {0, 4, {"/", "/etc", "/", "/opt"}},
        {0, 4, {"/", "/etc", "/", "/etc"}},
        {0, 2, {"/sub", "/opt"}},
        {-EAGAIN, 2, {"/sub", "/etc"}},
        {-EAGAIN, 4, {"/", "/etc", "/", "/srv"}},
        {0, 2, {"/", "/et"}}, // a beginning of a name is no directory
    };
    static const char rules[] = "  - {path: [/etc/a, /srv/b], access: read, do: audit}\n";
    struct policy_image *image = compile(rules, NULL, false);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct policy_root *roots = NULL;
        struct policy_mounts *m = NULL;
        size_t n = 0;

        assert_int_equal(mounts_new(&m), 0);
        add_all(m, ROOT, rows[i].mounts, rows[i].n);
        assert_int_equal(policy_image_roots(image, m, false, &roots, &n), rows[i].result);
        if (rows[i].result == 0) {
            struct policy_image *again = compile(rules, m, false);

            assert_int_equal(n, 1);
            assert_int_equal(roots[0].dev, ROOT);
            assert_int_equal(roots[0].root.state != 0, again->roots[0].root.state != 0);
            assert_int_equal(roots[0].root.flags, again->roots[0].root.flags);
            policy_image_free(again);
        }
        free(roots);
        mounts_free(m);
    }
    policy_image_free(image);
}

// This machine's own table.
static void test_real(void **state)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char *text = calloc(1, 1 << 22);
    struct policy_mounts *m;
    size_t len;

    (void)state;
    if (!f) {
        free(text);
        skip();
    }
    assert_non_null(text);
    len = fread(text, 1, (1 << 22) - 1, f);
    (void)fclose(f);
    m = parse(text);
    assert_true(len > 0 && m->n > 0);
    assert_int_equal(m->n_bad, 0);
    mounts_free(m);
    free(text);
}

UNIT_MAIN(cmocka_unit_test(test_parse), cmocka_unit_test(test_bad_lines),
          cmocka_unit_test(test_bounded), cmocka_unit_test(test_hidden),
          cmocka_unit_test(test_sorted), cmocka_unit_test(test_roots),
          cmocka_unit_test(test_below_of_part), cmocka_unit_test(test_new_roots),
          cmocka_unit_test(test_real))
