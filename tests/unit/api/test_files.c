// SPDX-License-Identifier: Apache-2.0
//
// The files of the UI: what is served, how long it may be kept, and that nothing else ever is.
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "tests/unit/api/routes.h"

static void put(const char *dir, const char *name, const char *text)
{
    char path[4096];

    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path_in(path, sizeof(path), dir, name), text,
                                       strlen(text), 0644),
                     0);
}

static char *make_ui(void)
{
    char *dir = unit_mkdtemp();
    char path[4096];

    assert_int_equal(mkdir(unit_path_in(path, sizeof(path), dir, "assets"), 0755), 0);
    put(dir, "index.html", "<html>the page</html>");
    put(dir, "favicon.svg", "<svg/>");
    put(dir, "assets/app-3QX5KF2A.js", "let a = 1;");
    put(dir, "assets/app-3QX5KF2A.js.gz", "packed");
    put(dir, ".hidden", "secret");
    assert_int_equal(symlink("/etc/passwd", unit_path_in(path, sizeof(path), dir, "link.txt")), 0);
    return dir;
}

static void etag_of(const struct peer *p, char *buf, size_t size)
{
    const char *at = strstr(sb_str(&p->answer.headers), "ETag: ");

    assert_non_null(at);
    (void)snprintf(buf, size, "If-None-Match: %.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

static void test_files(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char *dir = make_ui(), header[256];

    rig->options.ui_dir = dir;
    rig_start(rig);
    assert_int_equal(peer_get(p, "/"), 200);
    assert_string_equal(sb_str(&p->answer.body), "<html>the page</html>");
    assert_true(peer_has(p, "Content-Type: text/html"));
    assert_true(peer_has(p, "Cache-Control: no-cache"));
    assert_true(peer_has(p, "Content-Security-Policy: default-src 'self'"));
    etag_of(p, header, sizeof(header));
    peer_header(p, header);
    assert_int_equal(peer_get(p, "/"), 304);
    assert_int_equal(p->answer.body.len, 0);
    peer_header(p, NULL);
    // Addresses of the UI are its page; what looks like a file is one or is not there.
    assert_int_equal(peer_get(p, "/hosts/0b9ce7d2?tab=health"), 200);
    assert_string_equal(sb_str(&p->answer.body), "<html>the page</html>");
    assert_int_equal(peer_get(p, "/favicon.svg"), 200);
    assert_true(peer_has(p, "Content-Type: image/svg+xml"));
    assert_int_equal(peer_get(p, "/favicon.ico"), 404);
    assert_int_equal(peer_ask(p, "HEAD", "/favicon.svg", NULL, 0), 200);
    assert_int_equal(peer_send(p, "POST", "/", "x"), 405);
    // Its name changes with what is in it.
    assert_int_equal(peer_get(p, "/assets/app-3QX5KF2A.js"), 200);
    assert_string_equal(sb_str(&p->answer.body), "let a = 1;");
    assert_true(peer_has(p, "Cache-Control: public, max-age=31536000, immutable"));
    assert_true(peer_has(p, "Vary: Accept-Encoding"));
    peer_header(p, "Accept-Encoding: br, gzip");
    assert_int_equal(peer_get(p, "/assets/app-3QX5KF2A.js"), 200);
    assert_true(peer_has(p, "Content-Encoding: gzip"));
    assert_string_equal(sb_str(&p->answer.body), "packed");
    peer_header(p, NULL);
    peer_header(p, "Accept-Encoding: gzip;q=0");
    assert_int_equal(peer_get(p, "/assets/app-3QX5KF2A.js"), 200);
    assert_false(peer_has(p, "Content-Encoding:"));
    rig_free(rig);
    unit_rmdir(dir);
}

static void test_nothing_else(void **state _unused_)
{
    static const char *const targets[] = {
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/assets/../../etc/passwd",
        "/..%2fetc%2fpasswd",
        "/.hidden",
        "/link.txt",
        "/assets/",
        "//etc/passwd",
        "/assets%2fapp.js",
        "/index.html%00.txt",
        "/assets/..%5c..%5cx.txt",
        "/%c0%ae%c0%ae/x.txt",
        "/./index.html",
        "/assets/app-3QX5KF2A.js/x.js",
    };
    struct rig *rig = rig_new();
    struct peer *p = &rig->peer;
    char *dir = make_ui();

    rig->options.ui_dir = dir;
    rig_start(rig);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        long status = peer_get(p, targets[i]);

        // A path without a dot in its last part is one of the UI's addresses.
        if (status == 200)
            assert_string_equal(sb_str(&p->answer.body), "<html>the page</html>");
        else
            assert_true(status == 400 || status == 404);
        assert_false(peer_says(p, "root:"));
        assert_false(peer_says(p, "secret"));
    }
    rig_free(rig);
    unit_rmdir(dir);
}

static void test_reload(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct error err = {};
    struct peer *p = &rig->peer;
    char *dir = make_ui();

    rig->options.ui_dir = dir;
    rig_start(rig);
    assert_int_equal(peer_get(p, "/"), 200);
    put(dir, "index.html", "<html>another</html>");
    assert_int_equal(peer_get(p, "/"), 200);
    assert_true(peer_says(p, "the page"));
    assert_int_equal(api_reload_ui(rig->api, &err), 0);
    assert_int_equal(peer_get(p, "/"), 200);
    assert_true(peer_says(p, "another"));
    // What cannot be read leaves what there is.
    unit_rmdir(dir);
    assert_int_equal(api_reload_ui(rig->api, &err), -ENOENT);
    assert_int_equal(peer_get(p, "/"), 200);
    assert_true(peer_says(p, "another"));
    rig_free(rig);
}

UNIT_MAIN(cmocka_unit_test(test_files), cmocka_unit_test(test_nothing_else),
          cmocka_unit_test(test_reload))
