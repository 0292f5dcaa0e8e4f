// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "transport/ca.h"
#include "transport/identity.h"

#define AGENT   "01234567-89ab-cdef-0123-456789abcdef"
#define MACHINE "0123456789abcdef0123456789abcdef"
#define URL     "https://server.example:8443"

struct bench {
    char *dir;
    char path[4096];
    struct ca *ca;
    char *key, *csr, *cert;
};

static void open_bench(struct bench *b)
{
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct cert_info info;
    struct error err = {};

    *b = (struct bench){.dir = unit_mkdtemp()};
    (void)unit_path_in(b->path, sizeof(b->path), b->dir, "identity.json");
    assert_int_equal(ca_open(b->dir, &b->ca, &err), 0);
    assert_int_equal(identity_new_key(&b->key, &b->csr, &err), 0);
    assert_int_equal(ca_sign_agent(b->ca, b->csr, AGENT, now, &b->cert, &info, &err), 0);
}

static void close_bench(struct bench *b)
{
    ca_free(b->ca);
    identity_key_free(b->key);
    free(b->csr);
    free(b->cert);
    unit_rmdir(b->dir);
}

static struct identity *make(struct bench *b)
{
    struct identity *id = NULL;
    struct error err = {};

    assert_int_equal(identity_new(AGENT, URL, MACHINE, b->key, b->cert, ca_pem(b->ca), 12345, &id,
                                  &err),
                     0);
    return id;
}

static void test_round_trip(void **state)
{
    _cleanup_(identity_freep) struct identity *id = NULL, *got = NULL;
    struct error err = {};
    struct bench b;
    struct stat st;

    (void)state;
    open_bench(&b);
    id = make(&b);
    assert_int_equal(identity_load(b.path, MACHINE, &got, &err), -ENOENT);
    assert_true(*err.cure);
    assert_int_equal(identity_store(b.path, id, &err), 0);
    assert_int_equal(stat(b.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(identity_load(b.path, MACHINE, &got, &err), 0);
    assert_string_equal(got->agent_id, AGENT);
    assert_string_equal(got->server_url, URL);
    assert_string_equal(got->machine_id, MACHINE);
    assert_string_equal(got->key, b.key);
    assert_string_equal(got->certificate, b.cert);
    assert_string_equal(got->ca, ca_pem(b.ca));
    assert_int_equal(got->renew_at_ms, 12345);
    assert_true(got->info.not_after_ms > 0);
    close_bench(&b);
}

static void test_other_machine(void **state)
{
    _cleanup_(identity_freep) struct identity *id = NULL, *got = NULL;
    struct error err = {};
    struct bench b;

    (void)state;
    open_bench(&b);
    id = make(&b);
    assert_int_equal(identity_store(b.path, id, &err), 0);
    assert_int_equal(identity_load(b.path, "ffffffffffffffffffffffffffffffff", &got, &err),
                     -ESTALE);
    assert_non_null(strstr(err.what, "another machine"));
    assert_non_null(strstr(err.cure, "enrol anew"));
    assert_null(got);
    // A host that does not know its machine id is not kept out.
    assert_int_equal(identity_load(b.path, "", &got, &err), 0);
    close_bench(&b);
}

static void test_others_may_not_read(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0660};
    _cleanup_(identity_freep) struct identity *id = NULL, *got = NULL;
    struct error err = {};
    struct bench b;

    (void)state;
    open_bench(&b);
    id = make(&b);
    assert_int_equal(identity_store(b.path, id, &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        assert_int_equal(chmod(b.path, modes[i]), 0);
        assert_int_equal(identity_load(b.path, MACHINE, &got, &err), -EPERM);
    }
    close_bench(&b);
}

// Everything that a torn or edited file could hold, at every length.
static void test_damaged_files(void **state)
{
    _cleanup_(identity_freep) struct identity *id = NULL, *got = NULL;
    _cleanup_free_ char *text = NULL;
    struct error err = {};
    struct bench b;
    size_t len;

    (void)state;
    open_bench(&b);
    id = make(&b);
    assert_int_equal(identity_store(b.path, id, &err), 0);
    assert_int_equal(read_file_bounded(AT_FDCWD, b.path, 1 << 20, &text, &len), 0);
    for (size_t n = 0; n + 2 < len; n += 37) {
        assert_int_equal(write_file_atomic(AT_FDCWD, b.path, text, n, 0600), 0);
        assert_int_equal(identity_load(b.path, MACHINE, &got, &err), -EBADMSG);
        assert_non_null(strstr(err.cure, "enrol anew"));
    }
    text[10] = '\0';
    assert_int_equal(write_file_atomic(AT_FDCWD, b.path, text, len, 0600), 0);
    assert_int_equal(identity_load(b.path, MACHINE, &got, &err), -EBADMSG);
    assert_null(got);
    close_bench(&b);
}

static void test_parts_have_to_fit(void **state)
{
    _cleanup_free_ char *other_csr = NULL;
    struct identity *id = NULL;
    struct error err = {};
    char *other_key = NULL;
    struct bench a, b;

    (void)state;
    open_bench(&a);
    open_bench(&b);
    assert_int_equal(identity_new_key(&other_key, &other_csr, &err), 0);
#define BAD(agent, url, key, cert, ca) \
    assert_true(identity_new(agent, url, MACHINE, key, cert, ca, 0, &id, &err) < 0)
    BAD(AGENT, URL, other_key, a.cert, ca_pem(a.ca));
    BAD(AGENT, URL, a.key, a.cert, ca_pem(b.ca));
    BAD(AGENT, URL, a.key, a.cert, a.cert);
    BAD(AGENT, URL, a.key, ca_pem(a.ca), ca_pem(a.ca));
    BAD("11111111-2222-3333-4444-555555555555", URL, a.key, a.cert, ca_pem(a.ca));
    BAD(AGENT, "http://x", a.key, a.cert, ca_pem(a.ca));
    BAD(AGENT, URL, "x", a.cert, ca_pem(a.ca));
    BAD(AGENT, URL, a.key, "", ca_pem(a.ca));
    BAD(AGENT, URL, a.key, a.cert, "");
    assert_int_equal(identity_new(NULL, URL, MACHINE, a.key, a.cert, ca_pem(a.ca), 0, &id, &err),
                     0);
    assert_string_equal(id->agent_id, AGENT);
    identity_free(id);
    identity_key_free(other_key);
    close_bench(&a);
    close_bench(&b);
}

// On a directory that cannot be written to, the old identity stays as it was.
static void test_store_that_fails(void **state)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    struct error err = {};
    struct bench b;
    char path[8192];

    (void)state;
    open_bench(&b);
    id = make(&b);
    (void)snprintf(path, sizeof(path), "%s/none/identity.json", b.dir);
    assert_int_equal(identity_store(path, id, &err), -ENOENT);
    assert_true(*err.what && *err.file);
    assert_int_equal(identity_store("/dev/full/x", id, &err), -ENOTDIR);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_other_machine),
          cmocka_unit_test(test_others_may_not_read), cmocka_unit_test(test_damaged_files),
          cmocka_unit_test(test_parts_have_to_fit), cmocka_unit_test(test_store_that_fails))
