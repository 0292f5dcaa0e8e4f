// SPDX-License-Identifier: Apache-2.0
//
// What `safeguard policy check` says about whole files: tests/golden/policy/NAME.yaml and what is
// expected in NAME.expected. With GOLDEN_UPDATE=1 in the environment the expectations are written
// anew.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "policy/compile.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/policy"

static void check(const char *name, const char *text, size_t len, struct strbuf *sb)
{
    struct policy_diags d = {};
    struct policy_image *image = NULL;
    struct policy *p = NULL;

    if (policy_load_buffer(name, text, len, &names_options, &d, &p) == 0)
        (void)policy_compile(p, NULL, NULL, &d, &image);
    // A policy that is refused has an error that says why.
    assert_true((image != NULL) == (d.n_errors == 0));
    policy_diags_format(&d, false, sb);
    sb_printf(sb, "%zu errors, %zu warnings\n", d.n_errors, d.n_warnings);
    policy_image_free(image);
    policy_free(p);
    policy_diags_done(&d);
}

static bool same(const char *name, const char *yaml)
{
    _cleanup_(sb_done) struct strbuf got = {}, path = {};
    _cleanup_free_ char *text = NULL, *want = NULL;
    size_t len;

    sb_printf(&path, "%s/%s", GOLDEN, yaml);
    assert_int_equal(read_file_bounded(AT_FDCWD, sb_str(&path), 1 << 20, &text, &len), 0);
    check(name, text, len, &got);
    sb_truncate(&path, path.len - strlen(".yaml"));
    sb_puts(&path, ".expected");
    if (getenv("GOLDEN_UPDATE"))
        assert_int_equal(write_file_atomic(AT_FDCWD, sb_str(&path), sb_str(&got), got.len, 0644),
                         0);
    assert_int_equal(read_file_bounded(AT_FDCWD, sb_str(&path), 1 << 20, &want, NULL), 0);
    if (strcmp(want, sb_str(&got)) == 0)
        return true;
    (void)fprintf(stderr, "%s:\n%s--- expected:\n%s", yaml, sb_str(&got), want);
    return false;
}

static void test_files(void **state)
{
    _cleanup_(strv_freep) char **names = NULL;
    unsigned bad = 0, n = 0;

    (void)state;
    assert_int_equal(dir_names(AT_FDCWD, GOLDEN, ".yaml", 100, &names), 0);
    STRV_FOREACH (name, names) {
        bad += !same(*name, *name);
        n++;
    }
    assert_true(n >= 6);
    assert_int_equal(bad, 0);
}

UNIT_MAIN(cmocka_unit_test(test_files))
