// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/bundle.h"
#include "base/fd.h"
#include "base/macro.h"

#define ONE "safeguard: 1\nname: one\n"
#define TWO "safeguard: 1\nname: two\n"

static const struct bundle_file files[] = {
    {"10-one.yaml", ONE, sizeof(ONE) - 1, BUNDLE_POLICY},
    {"20-two.yaml", TWO, sizeof(TWO) - 1, BUNDLE_MONITOR},
};

struct place {
    char *dir, use[4096], new[4096], id[BUNDLE_ID_TEXT];
};

static void begin(struct place *p)
{
    p->dir = unit_mkdtemp();
    (void)unit_path_in(p->use, sizeof(p->use), p->dir, "use");
    (void)unit_path_in(p->new, sizeof(p->new), p->dir, "new");
    assert_int_equal(bundle_id(files, ARRAY_SIZE(files), p->id), 0);
}

static void write_both(const struct place *p, const char *dir)
{
    assert_int_equal(bundle_dir_write(dir, p->id, files, ARRAY_SIZE(files), NULL), 0);
}

// "": none, or it cannot be read; then *ret_code says so.
static void id_in(const char *dir, char ret_id[BUNDLE_ID_TEXT], int *ret_code)
{
    _cleanup_(bundle_dir_done) struct bundle_dir b = {};

    *ret_code = bundle_dir_read(dir, &b, NULL);
    memcpy(ret_id, b.id, BUNDLE_ID_TEXT);
}

static void has(const char *dir, const char *id)
{
    char is[BUNDLE_ID_TEXT];
    int r;

    id_in(dir, is, &r);
    assert_int_equal(r, 0);
    assert_string_equal(is, id);
}

static void test_round_trip(void **state)
{
    _cleanup_(bundle_dir_done) struct bundle_dir b = {};
    struct place p;
    struct stat st;

    (void)state;
    begin(&p);
    has(p.use, ""); // none yet
    write_both(&p, p.use);
    assert_int_equal(bundle_dir_read(p.use, &b, NULL), 0);
    assert_string_equal(b.id, p.id);
    assert_int_equal(b.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(b.files[i].name, files[i].name);
        assert_int_equal(b.files[i].len, files[i].len);
        assert_memory_equal(b.files[i].text, files[i].text, files[i].len);
        assert_int_equal(b.files[i].mode, files[i].mode);
    }
    assert_int_equal(stat(p.use, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    unit_rmdir(p.dir);
}

// Whatever became of it, it is seen.
static void test_damaged(void **state)
{
    static const struct {
        const char *file, *text; // NULL: removed
    } rows[] = {
        {"10-one.yaml", NULL},
        {"10-one.yaml", TWO},
        {"10-one.yaml", ""},
        {BUNDLE_MANIFEST, NULL},
        {BUNDLE_MANIFEST, ""},
        {BUNDLE_MANIFEST, "{}"},
        {BUNDLE_MANIFEST, "[1]"},
        {BUNDLE_MANIFEST, "{\"id\":\"x\",\"files\":[]}"},
        {BUNDLE_MANIFEST,
         "{\"id\":\"x\",\"files\":[{\"name\":\"../../etc/passwd\",\"mode\":\"policy\"}]}"},
        {BUNDLE_MANIFEST, "{\"id\":\"x\",\"files\":[{\"name\":\"10-one.yaml\",\"mode\":\"off\"}]}"},
    };
    struct place p;

    (void)state;
    begin(&p);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(bundle_dir_done) struct bundle_dir b = {};
        struct error err = {};
        const char *path;

        write_both(&p, p.use);
        path = unit_path(p.use, rows[i].file);
        if (rows[i].text)
            assert_int_equal(write_file_atomic(AT_FDCWD, path, rows[i].text, strlen(rows[i].text),
                                               0600),
                             0);
        else
            assert_int_equal(unlink(path), 0);
        assert_int_equal(bundle_dir_read(p.use, &b, &err), -EBADMSG);
        assert_string_equal(err.file, p.use);
        assert_true(err.cure[0]);
    }
    // The mode of a file is part of what the server sent: nobody makes one that blocks nothing of one that does.
    write_both(&p, p.use);
    char text[512], id[BUNDLE_ID_TEXT];
    int r;

    (void)snprintf(text, sizeof(text),
                   "{\"id\":\"%s\",\"files\":[{\"name\":\"10-one.yaml\",\"mode\":\"%s\"},"
                   "{\"name\":\"20-two.yaml\",\"mode\":\"monitor\"}]}",
                   p.id, "policy");
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(p.use, BUNDLE_MANIFEST), text,
                                       strlen(text), 0600),
                     0);
    has(p.use, p.id);
    (void)snprintf(text, sizeof(text),
                   "{\"id\":\"%s\",\"files\":[{\"name\":\"10-one.yaml\",\"mode\":\"%s\"},"
                   "{\"name\":\"20-two.yaml\",\"mode\":\"monitor\"}]}",
                   p.id, "monitor");
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(p.use, BUNDLE_MANIFEST), text,
                                       strlen(text), 0600),
                     0);
    id_in(p.use, id, &r);
    assert_int_equal(r, -EBADMSG);
    unit_rmdir(p.dir);
}

static void test_replace(void **state)
{
    char other[BUNDLE_ID_TEXT];
    struct place p;

    (void)state;
    begin(&p);
    write_both(&p, p.new);
    assert_int_equal(bundle_dir_replace(p.new, p.use, NULL), 0);
    has(p.use, p.id);
    has(p.new, "");
    assert_int_equal(bundle_id(files, 1, other), 0);
    assert_int_equal(bundle_dir_write(p.new, other, files, 1, NULL), 0);
    assert_int_equal(bundle_dir_replace(p.new, p.use, NULL), 0);
    has(p.use, other);
    has(p.new, "");
    // Without something new the old one stays.
    assert_int_equal(bundle_dir_replace(p.new, p.use, NULL), -ENOENT);
    has(p.use, other);
    assert_int_equal(bundle_dir_replace(NULL, p.use, NULL), 0);
    has(p.use, "");
    unit_rmdir(p.dir);
}

// What is not of the id is not written, and what was there is left alone only when it is another directory.
static void test_not_of_the_id(void **state)
{
    struct error err = {};
    struct place p;

    (void)state;
    begin(&p);
    write_both(&p, p.use);
    assert_int_equal(bundle_dir_write(p.new, p.id, files, 1, &err), -EINVAL);
    assert_int_equal(access(p.new, F_OK), -1);
    has(p.use, p.id);
    unit_rmdir(p.dir);
}

static void test_what_an_earlier_run_left(void **state)
{
    struct place p;

    (void)state;
    begin(&p);
    // Half written: no manifest, and a file that is not of this bundle.
    assert_int_equal(mkdir(p.new, 0700), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(p.new, "99.yaml"), "x", 1, 0600), 0);
    write_both(&p, p.new);
    assert_int_equal(access(unit_path(p.new, "99.yaml"), F_OK), -1);
    has(p.new, p.id);
    unit_rmdir(p.dir);
}

UNIT_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damaged),
          cmocka_unit_test(test_replace), cmocka_unit_test(test_not_of_the_id),
          cmocka_unit_test(test_what_an_earlier_run_left))
