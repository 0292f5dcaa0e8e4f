// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "base/macro.h"
#include "cli/profile.h"
#include "cli/remote.h"

static char *home;

static int begin(void **state)
{
    (void)state;
    home = unit_mkdtemp();
    (void)setenv("XDG_CONFIG_HOME", home, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unit_rmdir(home);
    return 0;
}

static void save(const char *url, const char *token)
{
    struct profile p = {.url = (char *)url,
                        .token = (char *)token,
                        .token_id = (char *)"7",
                        .ca = (char *)"-----BEGIN",
                        .user = (char *)"ann"};
    struct error err = {};

    assert_int_equal(profile_save(&p, &err), 0);
}

static void check(const char *url, const char *found, const char *token)
{
    _cleanup_(profile_done) struct profile p = {};

    assert_int_equal(profile_load(url, &p, NULL), 0);
    assert_string_equal(p.url, found);
    assert_string_equal(p.token, token);
    assert_string_equal(p.ca, "-----BEGIN");
    assert_string_equal(p.user, "ann");
    assert_string_equal(p.token_id, "7");
}

static void test_kept(void **state)
{
    struct profile p = {};
    struct stat st;
    char path[4096];

    (void)state;
    assert_int_equal(profile_load(NULL, &p, NULL), -ENOENT);
    assert_int_equal(profile_remove("https://a:1", NULL), -ENOENT);
    save("https://a:1", "one");
    save("https://b:2", "two");
    save("https://a:1", "three");
    check("https://b:2", "https://b:2", "two");
    check(NULL, "https://a:1", "three");
    assert_int_equal(profile_load("https://c:3", &p, NULL), -ENOENT);
    assert_int_equal(profile_remove("https://a:1", NULL), 0);
    assert_int_equal(profile_load(NULL, &p, NULL), -ENOENT);
    check("https://b:2", "https://b:2", "two");
    (void)snprintf(path, sizeof(path), "%s/safeguard/servers.json", home);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

// Tokens that others may read, and what is no file of ours, are not used.
static void test_refused(void **state)
{
    struct error err = {};
    struct profile p = {};
    char path[4096];

    (void)state;
    save("https://a:1", "one");
    (void)snprintf(path, sizeof(path), "%s/safeguard/servers.json", home);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(profile_load(NULL, &p, &err), -EPERM);
    assert_non_null(strstr(err.cure, "chmod 600"));
    assert_int_equal(write_file_atomic(AT_FDCWD, path, "[1]", 3, 0600), 0);
    assert_int_equal(profile_load(NULL, &p, &err), -EBADMSG);
    assert_int_equal(
        write_file_atomic(AT_FDCWD, path,
                          "{\"last\":\"https://a:1\",\"servers\":{\"https://a:1\":{\"token\":5}}}",
                          55, 0600),
        0);
    assert_int_equal(profile_load(NULL, &p, &err), -EBADMSG);
    assert_null(p.token);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *url;
    } rows[] = {
        {"server", "https://server:8443"},
        {"server:1", "https://server:1"},
        {"https://server/", "https://server:8443"},
        {"https://10.0.0.1:443", "https://10.0.0.1:443"},
        {"[::1]", "https://[::1]:8443"},
        {"https://[fe80::1]:9", "https://[fe80::1]:9"},
        {"http://server", NULL},
        {"https://", NULL},
        {"", NULL},
        {"a/b", NULL},
        {"https://ann@server", NULL},
        {"server:", "https://server:8443"},
        {"server:0", NULL},
        {"server:65536", NULL},
        {"server:8443x", NULL},
        {"[::1", NULL},
        {"ser ver", NULL},
        {"server?x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *url = NULL;
        struct error err = {};
        int r = server_url_parse(rows[i].text, &url, &err);

        assert_int_equal(r, rows[i].url ? 0 : -EINVAL);
        if (rows[i].url)
            assert_string_equal(url, rows[i].url);
        else
            assert_true(error_is_set(&err));
    }
}

static void test_queries(void **state)
{
    _cleanup_(sb_done) struct strbuf url = {};

    (void)state;
    sb_puts(&url, "/hosts");
    url_piece(&url, "../a b");
    url_param(&url, "q", "x&y=ü");
    url_param(&url, "none", NULL);
    url_param(&url, "empty", "");
    url_param_u64(&url, "n", 7);
    assert_string_equal(sb_str(&url), "/hosts/..%2Fa%20b?q=x%26y%3D%C3%BC&n=7");
}

UNIT_MAIN(cmocka_unit_test_setup_teardown(test_kept, begin, end),
          cmocka_unit_test_setup_teardown(test_refused, begin, end),
          cmocka_unit_test(test_addresses), cmocka_unit_test(test_queries))
