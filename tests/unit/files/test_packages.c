// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "files/packages.h"

static void find(const struct packages *p, const char *path, const char *name, const char *version)
{
    struct bytes n = {}, v = {};
    bool found = packages_find(p, (struct bytes){path, (uint32_t)strlen(path)}, &n, &v);

    if (!name) {
        if (found)
            fail_msg("%s is of %.*s", path, (int)n.len, n.s);
        return;
    }
    if (!found)
        fail_msg("%s is of no package", path);
    assert_int_equal(n.len, strlen(name));
    assert_memory_equal(n.s, name, n.len);
    assert_int_equal(v.len, strlen(version));
    assert_memory_equal(v.s, version, v.len);
}

static void put(const char *dir, const char *name, const char *text)
{
    const char *path = unit_path(dir, name);

    assert_int_equal(write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static const char status[] = "Package: coreutils\n"
                             "Status: install ok installed\n"
                             "Architecture: amd64\n"
                             "Version: 9.1-1\n"
                             "Description: a text\n"
                             " Version: not this one\n"
                             "\n"
                             "Package: libc6\n"
                             "Architecture: amd64\n"
                             "Multi-Arch: same\n"
                             "Version: 2.36-9\n"
                             "\n"
                             "Package: libc6\n"
                             "Architecture: i386\n"
                             "Version: 2.36-8\n"
                             "\n"
                             "Package: dash\n"
                             "Version: 0.5\n"
                             "Architecture: amd64"; // and no newline

static char *make_dpkg(void)
{
    char *dir = unit_mkdtemp();

    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "info"), 0755), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "root/usr/bin"), 0755), 0);
    assert_int_equal(symlink("usr/bin", unit_path(dir, "root/bin")), 0);
    assert_int_equal(symlink("/usr/lib", unit_path(dir, "root/lib")), 0);
    put(dir, "status", status);
    put(dir, "diversions",
        "/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n"
        "/bin/local\n/bin/local.real\n:\n"
        "/cut\n/short\n");
    put(dir, "info/coreutils.list",
        "/.\n/bin\n/bin/ls\n/bin/local\n/usr\n/usr/bin\n/usr/bin/env\n"
        "/usr/share\n/usr/share/doc\n/usr/share/doc/coreutils\n/usr/share/doc/coreutils/README\n"
        "/usr/share/man/man1/ls.1.gz\n/usr/bin/with blank\nnot/absolute\n\n/usr/bin/last");
    put(dir, "info/libc6:amd64.list", "/lib/x86_64-linux-gnu/libc.so.6\n/lib64/ld.so\n");
    put(dir, "info/libc6:i386.list", "/lib/i386-linux-gnu/libc.so.6\n");
    put(dir, "info/dash.list", "/bin\n/bin/dash\n/usr/bin/sh\n");
    put(dir, "info/bash.list", "/usr/bin/sh\n");
    put(dir, "info/dash.md5sums", "/usr/bin/never\n");
    return dir;
}

static void test_dpkg(void **state)
{
    _cleanup_(packages_freep) struct packages *p = NULL;
    char *dir = make_dpkg();
    uint32_t n, files, dropped;
    char root[512];
    size_t memory;

    (void)state;
    (void)snprintf(root, sizeof(root), "%s/root", dir);
    assert_int_equal(packages_read_dpkg(dir, root, &p), 0);
    // What lists call /bin is in /usr/bin, where there is such a link.
    find(p, "/usr/bin/ls", "coreutils", "9.1-1");
    find(p, "/bin/ls", NULL, NULL);
    find(p, "/usr/bin/env", "coreutils", "9.1-1");
    find(p, "/usr/bin/with blank", "coreutils", "9.1-1");
    find(p, "/usr/bin/last", "coreutils", "9.1-1");
    find(p, "/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6", "2.36-9");
    find(p, "/usr/lib/i386-linux-gnu/libc.so.6", "libc6", "2.36-8");
    find(p, "/lib64/ld.so", "libc6", "2.36-9"); // no link there
    find(p, "/usr/bin/dash", "dash", "0.5");
    // The package that diverts has the path, all others are beside it.
    find(p, "/usr/bin/sh", "dash", "0.5");
    find(p, "/usr/bin/sh.distrib", "bash", "");
    find(p, "/usr/bin/local.real", "coreutils", "9.1-1");
    find(p, "/usr/bin/local", NULL, NULL);
    // Directories, documentation, other files of the database, nonsense.
    find(p, "/usr/bin", NULL, NULL);
    find(p, "/usr/share/doc/coreutils/README", NULL, NULL);
    find(p, "/usr/bin/never", NULL, NULL);
    find(p, "not/absolute", NULL, NULL);
    find(p, "", NULL, NULL);
    packages_size(p, &n, &files, &dropped, &memory);
    assert_int_equal(n, 5);
    assert_int_equal(files, 11);
    assert_int_equal(dropped, 0);
    assert_true(memory < 100000);
    unit_rmdir(dir);
}

static void test_no_dpkg(void **state)
{
    struct packages *p = NULL;

    (void)state;
    assert_int_equal(packages_read_dpkg("/nonexistent/dpkg", "", &p), -ENOENT);
    assert_null(p);
}

// As many as there may be: what comes after that is counted.
static void test_bounds(void **state)
{
    _cleanup_(packages_freep) struct packages *p = NULL;
    uint32_t n, files, dropped;
    char *text = NULL, name[16];
    size_t len = 0, memory;
    FILE *f = open_memstream(&text, &len);

    (void)state;
    for (unsigned i = 0; i < PACKAGES_FILES_MAX + 10; i++)
        (void)fprintf(f, "/f%u\n", i);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(packages_new(&p), 0);
    assert_int_equal(packages_add_list(p, BYTES("many"), text, len), 0);
    free(text);
    for (unsigned i = 1; i < PACKAGES_MAX; i++) {
        struct bytes b = {name, (uint32_t)snprintf(name, sizeof(name), "p%u", i)};

        assert_int_equal(packages_add_list(p, b, "", 0), 0);
    }
    assert_int_equal(packages_add_list(p, BYTES("one more"), "", 0), -ENOSPC);
    assert_int_equal(packages_finish(p), 0);
    packages_size(p, &n, &files, &dropped, &memory);
    assert_int_equal(n, PACKAGES_MAX);
    assert_int_equal(files, PACKAGES_FILES_MAX);
    assert_int_equal(dropped, 10);
    find(p, "/f0", "many", "");
    find(p, "/f1048575", "many", "");
}

UNIT_MAIN(cmocka_unit_test(test_dpkg), cmocka_unit_test(test_no_dpkg),
          cmocka_unit_test(test_bounds))
