// SPDX-License-Identifier: Apache-2.0
//
// The packages of rpm: what it writes, and a database that it made itself.
#include "tests/unit/unit.h"

#include <spawn.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/macro.h"
#include "files/files.h"
#include "files/packages.h"

extern char **environ;

static void assert_owner(const struct packages *p, const char *path, const char *owner)
{
    struct bytes n = {}, v = {};
    char both[256] = "";

    if (packages_find(p, (struct bytes){path, (uint32_t)strlen(path)}, &n, &v))
        (void)snprintf(both, sizeof(both), "%.*s %.*s", (int)n.len, n.s, (int)v.len, v.s);
    if (!streq(both, owner))
        fail_msg("%s is of '%s', not of '%s'", path, both, owner);
}

static struct packages *packages_of(const char *text, size_t len)
{
    struct packages *p = NULL;

    assert_int_equal(packages_new(&p), 0);
    assert_int_equal(packages_add_alias(p, "/lib64", "/usr/lib64"), 0);
    assert_int_equal(packages_add_rpm(p, text, len), 0);
    assert_int_equal(packages_finish(p), 0);
    return p;
}

static void test_what_rpm_writes(void **state)
{
    static const char text[] = "\nglibc\n2.34-1\n/lib64/libc.so.6\n/usr/share/doc/glibc/COPYING\n"
                               "\ngpg-pubkey\n1-2\n"
                               "\nkernel\n5.10-1\n/boot/vmlinuz-5.10\n"
                               "\nkernel\n5.10-2\n/boot/vmlinuz-5.10-2\n"
                               "\nbash\n1:5.1-8\n/usr/bin/bash\n/usr/bin/a name"; // and no newline
    static const char odd[] = "a\n\0v1\n/usr/bin/a\n\nb\0\n1\n/usr/bin/b\n\nc\n1\n/usr/bin/c\n";
    struct packages *p = packages_of(text, sizeof(text) - 1);
    uint32_t n, files, dropped;
    size_t memory;

    (void)state;
    assert_owner(p, "/usr/lib64/libc.so.6", "glibc 2.34-1");
    assert_owner(p, "/usr/share/doc/glibc/COPYING", "");
    // Several of one name are installed at once.
    assert_owner(p, "/boot/vmlinuz-5.10", "kernel 5.10-1");
    assert_owner(p, "/boot/vmlinuz-5.10-2", "kernel 5.10-2");
    assert_owner(p, "/usr/bin/bash", "bash 1:5.1-8");
    assert_owner(p, "/usr/bin/a name", "bash 1:5.1-8");
    packages_size(p, &n, &files, &dropped, &memory);
    assert_int_equal(n, 5);
    assert_int_equal(files, 5);
    (void)packages_free(p);
    // Neither a name nor a version has a NUL.
    p = packages_of(odd, sizeof(odd) - 1);
    assert_owner(p, "/usr/bin/a", "");
    assert_owner(p, "/usr/bin/b", "");
    assert_owner(p, "/usr/bin/c", "c 1");
    (void)packages_free(p);
    // Cut at every place, it is nothing but less.
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        (void)packages_free(packages_of(text, len));
}

// Builds a package and puts it into a database as an installation does.
static void install(const char *dir, const char *version)
{
    static const char script[] =
        "set -e; cd $0\n"
        "printf '%s\\n' 'Name: one' 'Epoch: 2' \"Version: $1\" 'Release: 3.oe' 'Summary: s' 'License: l' 'BuildArch: noarch'"
        " '%description' '%install' 'mkdir -p %{buildroot}/usr/bin' 'echo x >%{buildroot}/usr/bin/one' '%files' '/usr/bin/one' >s\n"
        "rpmbuild -bb --quiet --define \"_topdir $0/build\" s\n"
        "exec rpm --dbpath $0/var/lib/rpm --justdb --nodeps -U build/RPMS/noarch/one-$1-*.rpm 2>s.err\n";
    const char *const argv[] = {"bash", "-c", script, dir, version, NULL};
    int status;
    pid_t pid;

    assert_int_equal(posix_spawnp(&pid, "bash", NULL, NULL, (char *const *)(uintptr_t)argv,
                                  environ),
                     0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void assert_version(struct files *f, const char *version)
{
    const struct files_ask ask = {.ref.tgid = 0x7fffffff, .path = "/usr/bin/one"};
    struct files_answer a;

    files_refresh(f);
    files_ask(f, &ask, NULL, NULL, &a);
    assert_string_equal(a.program.package, *version ? "one" : "");
    assert_string_equal(a.program.version, version);
}

static void test_a_database_of_rpm(void **state)
{
    char *dir = unit_mkdtemp();
    struct files_options o = {.root = dir, .dpkg = dir};
    struct files_counters c;
    struct files *f = NULL;

    (void)state;
    assert_int_equal(files_new(&o, &f), 0);
    assert_version(f, "");
    install(dir, "1.4");
    assert_version(f, "2:1.4-3.oe");
    install(dir, "1.5");
    assert_version(f, "2:1.5-3.oe");
    // Asking for it changes nothing that would have it asked again and again.
    assert_version(f, "2:1.5-3.oe");
    files_counters(f, &c);
    assert_int_equal(c.package_builds, 2);
    assert_int_equal(c.package_error, 0);
    assert_int_equal(c.packages, 1);
    (void)files_free(f);
    unit_rmdir(dir);
}

// What is known stays known, and why it is not more is said.
static void test_a_damaged_database(void **state)
{
    char *dir = unit_mkdtemp();
    struct files_options o = {.root = dir, .dpkg = dir};
    char bytes[8192];
    struct files_counters c;
    struct files *f = NULL;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    install(dir, "1.4");
    assert_int_equal(files_new(&o, &f), 0);
    assert_version(f, "2:1.4-3.oe");
    assert_int_equal(unlink(unit_path(dir, "var/lib/rpm/rpmdb.sqlite-wal")), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, "var/lib/rpm/rpmdb.sqlite"), bytes,
                                       sizeof(bytes), 0644),
                     0);
    assert_version(f, "2:1.4-3.oe");
    files_counters(f, &c);
    assert_int_equal(c.package_builds, 2);
    assert_int_equal(c.package_error, -EIO);
    (void)files_free(f);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_what_rpm_writes), cmocka_unit_test(test_a_database_of_rpm),
          cmocka_unit_test(test_a_damaged_database))
