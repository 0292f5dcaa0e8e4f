// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include "agent/mounts.h"
#include "agent/objects.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "policy/policy.h"

// The file system has an error when this many entries were read; 0: it has none.
static unsigned entries_to_error;

struct dirent *readdir(DIR *dir)
{
    struct dirent *(*next)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir64");

    assert_non_null(next);
    if (entries_to_error && --entries_to_error == 0) {
        errno = EIO;
        return NULL;
    }
    return next(dir);
}

struct bench {
    char *dir;
    struct policy *policy;
    struct policy_image *image;
    struct mount_view view;
};

static void make_file(const char *dir, const char *name)
{
    int fd = open(unit_path(dir, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

static void make_link(const char *dir, const char *from, const char *to)
{
    char a[4096], b[4096];

    assert_int_equal(link(unit_path_in(a, sizeof(a), dir, from),
                          unit_path_in(b, sizeof(b), dir, to)),
                     0);
}

static ino_t inode_of(const char *dir, const char *name)
{
    struct stat st;

    assert_int_equal(stat(unit_path(dir, name), &st), 0);
    return st.st_ino;
}

static void open_bench(struct bench *b, const char *rules)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diags diags = {};
    char *real;

    *b = (struct bench){.dir = unit_mkdtemp()};
    real = realpath(b->dir, NULL);
    free(b->dir);
    b->dir = real;
    // "@" in the rules is the directory.
    sb_puts(&sb, "safeguard: 1\nmode: enforce\nfiles:\n");
    for (const char *p = rules; *p; p++) {
        if (*p == '@')
            sb_puts(&sb, b->dir);
        else
            sb_putc(&sb, *p);
    }
    assert_int_equal(policy_load_buffer("test", sb_str(&sb), sb.len, NULL, &diags, &b->policy), 0);
    assert_int_equal(mount_view_read("/proc/self/mountinfo", &b->view), 0);
    assert_int_equal(policy_compile(b->policy, b->view.all, NULL, &diags, &b->image), 0);
    policy_diags_done(&diags);
}

static void close_bench(struct bench *b)
{
    policy_image_free(b->image);
    policy_free(b->policy);
    mount_view_done(&b->view);
    unit_rmdir(b->dir);
}

static bool has(const struct objects *o, ino_t ino)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->pins[i].ino == ino)
            return o->pins[i].dev != 0 && o->pins[i].state != 0;
    return false;
}

static void test_finds_what_has_two_names(void **state)
{
    const struct objects_limits limits = {};
    struct objects o;
    struct bench b;

    (void)state;
    open_bench(&b, "  - {path: \"@/vault/**\", access: read, do: deny}\n"
                   "  - {path: \"@/etc/shadow\", access: read, do: deny}\n"
                   "  - {path: \"@/seen/**\", access: read, do: audit}\n");
    for (size_t i = 0; i < 5; i++) {
        static const char *const dirs[] = {"vault", "vault/sub", "etc", "seen", "out"};

        assert_int_equal(mkdir(unit_path(b.dir, dirs[i]), 0700), 0);
    }
    make_file(b.dir, "vault/sub/two");
    make_link(b.dir, "vault/sub/two", "out/other");
    make_file(b.dir, "vault/one");
    make_file(b.dir, "etc/shadow");
    make_link(b.dir, "etc/shadow", "out/shadow");
    make_file(b.dir, "etc/passwd");
    make_link(b.dir, "etc/passwd", "out/passwd");
    make_file(b.dir, "seen/x");
    make_link(b.dir, "seen/x", "out/x");
    assert_int_equal(symlink("/", unit_path(b.dir, "vault/loop")), 0);
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_null(o.incomplete);
    assert_true(has(&o, inode_of(b.dir, "vault/sub/two")));
    assert_true(has(&o, inode_of(b.dir, "etc/shadow")));
    assert_false(has(&o, inode_of(b.dir, "vault/one")));  // one name
    assert_false(has(&o, inode_of(b.dir, "etc/passwd"))); // no rule
    assert_int_equal(o.n, 2);
    // Nothing but the way there was read: not /usr, not the loop.
    assert_true(o.seen < 10000);
    objects_done(&o);
    close_bench(&b);
}

static bool stop_now(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_limits(void **state)
{
    struct objects_limits limits = {};
    struct objects o;
    struct bench b;
    char name[32];

    (void)state;
    open_bench(&b, "  - {path: \"@/**\", access: read, do: deny}\n");
    for (int i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        make_file(b.dir, name);
    }
    make_link(b.dir, "f0", "g0");
    limits.max_ns = 1;
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_non_null(o.incomplete);
    objects_done(&o);
    limits = (struct objects_limits){.stop = stop_now};
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_true(o.seen <= 600);
    objects_done(&o);
    limits = (struct objects_limits){.skip = b.dir};
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_int_equal(o.n, 0);
    objects_done(&o);
    close_bench(&b);
}

// What is known by name is found although its directory is not looked into, checked, and written down.
static void test_known_by_name(void **state)
{
    const struct objects_limits all = {};
    struct objects_limits closed = {};
    struct strbuf known = {};
    struct objects o, again;
    struct bench b;

    (void)state;
    open_bench(&b, "  - {path: \"@/vault/**\", access: read, do: deny}\n");
    assert_int_equal(mkdir(unit_path(b.dir, "vault"), 0700), 0);
    make_file(b.dir, "vault/a");
    make_link(b.dir, "vault/a", "a");
    make_file(b.dir, "vault/b");
    make_link(b.dir, "vault/b", "b");
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &all, &o), 0);
    assert_int_equal(o.n, 2);
    assert_int_equal(objects_save(&o, unit_path(b.dir, "known")), 0);
    assert_int_equal(objects_load(unit_path(b.dir, "none"), &known), -ENOENT);
    assert_int_equal(objects_load(unit_path(b.dir, "known"), &known), 0);
    assert_int_equal(known.len, o.paths.len);

    char vault[4096];
    closed.skip = unit_path_in(vault, sizeof(vault), b.dir, "vault");
    assert_int_equal(unlink(unit_path(b.dir, "b")), 0); // the other name is gone
    assert_int_equal(objects_find(b.image, b.view.all, &known, &closed, &again), 0);
    assert_int_equal(again.n, 1);
    assert_true(has(&again, inode_of(b.dir, "vault/a")));
    objects_done(&again);
    // Both ways are one.
    assert_int_equal(objects_find(b.image, b.view.all, &known, &all, &again), 0);
    assert_int_equal(again.n, 1);
    objects_done(&again);
    objects_done(&o);
    // Somebody cut the file.
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(b.dir, "known"), "/x\0/half", 8, 0600),
                     0);
    assert_int_equal(objects_load(unit_path(b.dir, "known"), &known), 0);
    assert_int_equal(known.s[known.len - 1], '\0');
    assert_int_equal(objects_find(b.image, b.view.all, &known, &all, &again), 0);
    objects_done(&again);
    sb_done(&known);
    close_bench(&b);
}

// Whoever may write above a known name can put a symlink there: what that leads to has nothing to do with the rule.
static void test_known_name_is_no_way_elsewhere(void **state)
{
    const struct objects_limits limits = {};
    struct strbuf known = {};
    struct objects o;
    char old[4096];
    struct bench b;

    (void)state;
    open_bench(&b, "  - {path: \"@/home/**\", access: read, do: deny}\n");
    for (size_t i = 0; i < 3; i++) {
        static const char *const dirs[] = {"home", "home/d", "usr"};

        assert_int_equal(mkdir(unit_path(b.dir, dirs[i]), 0700), 0);
    }
    make_file(b.dir, "home/d/perl");
    make_link(b.dir, "home/d/perl", "home/d/too");
    make_file(b.dir, "usr/perl");
    make_link(b.dir, "usr/perl", "usr/perl5");
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_int_equal(o.n, 2);
    sb_add(&known, o.paths.s, o.paths.len);
    objects_done(&o);

    assert_int_equal(rename(unit_path_in(old, sizeof(old), b.dir, "home/d"),
                            unit_path(b.dir, "home/e")),
                     0);
    assert_int_equal(symlink("../usr", unit_path(b.dir, "home/d")), 0);
    assert_int_equal(objects_find(b.image, b.view.all, &known, &limits, &o), 0);
    assert_false(has(&o, inode_of(b.dir, "usr/perl")));
    assert_int_equal(o.n, 2); // those that are called home/e now
    objects_done(&o);
    // The last part of it, too; a symlink that has two names itself is an object like others.
    assert_int_equal(unlink(unit_path(b.dir, "home/d")), 0);
    assert_int_equal(rename(unit_path_in(old, sizeof(old), b.dir, "home/e"),
                            unit_path(b.dir, "home/d")),
                     0);
    assert_int_equal(unlink(unit_path(b.dir, "home/d/perl")), 0);
    assert_int_equal(unlink(unit_path(b.dir, "home/d/too")), 0);
    assert_int_equal(symlink("../../usr/perl", unit_path(b.dir, "home/d/perl")), 0);
    make_link(b.dir, "home/d/perl", "home/d/too");
    assert_int_equal(objects_find(b.image, b.view.all, &known, &limits, &o), 0);
    assert_false(has(&o, inode_of(b.dir, "usr/perl")));
    assert_int_equal(o.n, 2);
    objects_done(&o);
    sb_done(&known);
    close_bench(&b);
}

static void test_directory_with_an_error(void **state)
{
    const struct objects_limits limits = {};
    struct objects o;
    struct bench b;

    (void)state;
    open_bench(&b, "  - {path: \"@/vault/**\", access: read, do: deny}\n");
    assert_int_equal(mkdir(unit_path(b.dir, "vault"), 0700), 0);
    make_file(b.dir, "vault/a");
    make_link(b.dir, "vault/a", "vault/b");
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_null(o.incomplete);
    entries_to_error = (unsigned)o.seen; // the last one
    objects_done(&o);
    assert_int_equal(objects_find(b.image, b.view.all, NULL, &limits, &o), 0);
    assert_int_equal(entries_to_error, 0);
    assert_non_null(o.incomplete);
    objects_done(&o);
    close_bench(&b);
}

static const char *name_of(const struct object_names *names, uint32_t dev, uint64_t ino,
                           const char *used)
{
    return object_names_find(names, dev, ino, used, strlen(used));
}

// Which name an object goes by that was reached by another one.
static void test_names(void **state)
{
    struct sensor_object pins[] = {{.dev = 8, .ino = 7},
                                   {.dev = 3, .ino = 9},
                                   {.dev = 8, .ino = 7},
                                   {.dev = 8, .ino = 2}};
    struct objects found = {.pins = pins, .n = ARRAY_SIZE(pins)};
    struct object_names names = {};

    (void)state;
    assert_null(name_of(&names, 8, 7, "/out"));
    assert_int_equal(object_names_set(&names, &(struct objects){}), 0);
    assert_null(name_of(&names, 8, 7, "/out"));
    sb_add(&found.paths, "/v/a\0/v/b\0/v/c\0/v/d\0", 20);
    assert_int_equal(object_names_set(&names, &found), 0);
    assert_string_equal(name_of(&names, 8, 7, "/out"), "/v/a");
    assert_string_equal(name_of(&names, 3, 9, "/out"), "/v/b");
    assert_string_equal(name_of(&names, 8, 2, "/v"), "/v/d");
    assert_null(name_of(&names, 8, 7, "/v/c")); // a name of a rule's, too
    assert_null(name_of(&names, 8, 7, "/v/a"));
    assert_null(name_of(&names, 8, 3, "/out"));
    assert_null(name_of(&names, 3, 7, "/out"));
    assert_null(name_of(&names, 9, 7, "/out"));
    object_names_done(&names);
    sb_done(&found.paths);
}

UNIT_MAIN(cmocka_unit_test(test_names), cmocka_unit_test(test_finds_what_has_two_names),
          cmocka_unit_test(test_limits), cmocka_unit_test(test_known_by_name),
          cmocka_unit_test(test_known_name_is_no_way_elsewhere),
          cmocka_unit_test(test_directory_with_an_error))
