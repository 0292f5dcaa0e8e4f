// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/inet.h"
#include "base/macro.h"
#include "dns/servers.h"

static struct resolv_servers parse(const char *text)
{
    struct resolv_servers s = {};

    resolv_parse(text, strlen(text), &s);
    return s;
}

static void expect(const struct resolv_servers *s, size_t i, const char *address)
{
    char text[INET6_ADDRSTRLEN];

    assert_true(i < s->n);
    if (inet_is_mapped(s->address[i]))
        assert_non_null(inet_ntop(AF_INET, s->address[i] + INET_MAPPED_BYTES, text, sizeof(text)));
    else
        assert_non_null(inet_ntop(AF_INET6, s->address[i], text, sizeof(text)));
    assert_string_equal(text, address);
}

static void test_lines(void **state)
{
    struct resolv_servers s = parse("# nameserver 10.0.0.9\n"
                                    "nameserver 127.0.0.53\n"
                                    "nameserver\t2001:db8::53\r\n"
                                    "search example\n"
                                    "nameserver fe80::1%eth0 behind\n"
                                    "nameserver 127.0.0.53\n"
                                    "nameserver ::ffff:10.0.0.1");

    (void)state;
    assert_int_equal(s.n, 4);
    expect(&s, 0, "127.0.0.53");
    expect(&s, 1, "2001:db8::53");
    expect(&s, 2, "fe80::1");
    expect(&s, 3, "10.0.0.1");
}

static void test_no_servers(void **state)
{
    static const char *const lines[] = {
        "",
        "\n",
        "nameserver",
        "nameserver ",
        "nameserver\n",
        " nameserver 10.0.0.1\n",
        "nameserver10.0.0.1\n",
        "nameservers 10.0.0.1\n",
        "nameserver 10.0.0\n",
        "nameserver 10.0.0.1.example\n",
        "nameserver %eth0\n",
        "Nameserver 10.0.0.1\n",
        "nameserver 1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(parse(lines[i]).n, 0);
}

static void test_bound(void **state)
{
    struct resolv_servers s = {};
    char line[64];

    (void)state;
    for (unsigned i = 0; i < RESOLV_SERVERS_MAX + 5; i++) {
        int n = snprintf(line, sizeof(line), "nameserver 10.0.1.%u\n", i);

        resolv_parse(line, (size_t)n, &s);
    }
    assert_int_equal(s.n, RESOLV_SERVERS_MAX);
    assert_int_equal(s.full, 5);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0644),
                     0);
}

// What is told is what happened, without waiting longer than a test may.
static bool changed(struct resolv_watch *w)
{
    struct pollfd fd = {.fd = resolv_watch_fd(w), .events = POLLIN};

    return poll(&fd, 1, 10000) == 1 && resolv_watch_changed(w);
}

static void test_watch(void **state)
{
    char *dir = unit_mkdtemp();
    struct resolv_watch *w;
    struct resolv_servers s;

    (void)state;
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "etc"), 0755), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "run/systemd"), 0755), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "elsewhere"), 0755), 0);
    assert_int_equal(resolv_watch_new(dir, &w), 0);
    resolv_watch_read(w, &s);
    assert_int_equal(s.n, 0);
    assert_false(resolv_watch_changed(w));

    write_text(dir, "etc/resolv.conf", "nameserver 10.0.0.1\n");
    assert_true(changed(w));
    resolv_watch_read(w, &s);
    assert_int_equal(s.n, 1);

    // Other files of the directory are no news.
    (void)resolv_watch_changed(w);
    write_text(dir, "etc/hosts", "");
    assert_false(changed(w));

    // The file becomes a link to one elsewhere, which changes in its turn.
    write_text(dir, "elsewhere/stub-resolv.conf", "nameserver 127.0.0.53\n");
    assert_int_equal(unlink(unit_path(dir, "etc/resolv.conf")), 0);
    assert_int_equal(symlink("../elsewhere/stub-resolv.conf", unit_path(dir, "etc/resolv.conf")),
                     0);
    assert_true(changed(w));
    resolv_watch_read(w, &s);
    expect(&s, 0, "127.0.0.53");
    (void)resolv_watch_changed(w);
    write_text(dir, "elsewhere/stub-resolv.conf", "nameserver 127.0.0.54\n");
    assert_true(changed(w));
    resolv_watch_read(w, &s);
    assert_int_equal(s.n, 1);
    expect(&s, 0, "127.0.0.54");

    // systemd-resolved begins: its directory comes first.
    (void)resolv_watch_changed(w);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "run/systemd/resolve"), 0755), 0);
    assert_true(changed(w));
    resolv_watch_read(w, &s);
    (void)resolv_watch_changed(w);
    write_text(dir, "run/systemd/resolve/resolv.conf", "nameserver 10.0.0.53\n");
    assert_true(changed(w));
    resolv_watch_read(w, &s);
    assert_int_equal(s.n, 2);
    expect(&s, 1, "10.0.0.53");
    w = resolv_watch_free(w);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_lines), cmocka_unit_test(test_no_servers),
          cmocka_unit_test(test_bound), cmocka_unit_test(test_watch))
