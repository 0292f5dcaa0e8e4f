// SPDX-License-Identifier: Apache-2.0
//
// The CA against OpenSSL itself: what it signs is verified as a peer would, and requests are made as
// others would make them.
#include "tests/unit/unit.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "transport/ca.h"
#include "transport/identity.h"
#include "transport/pki.h"

#define AGENT "01234567-89ab-cdef-0123-456789abcdef"
#define DAY   (UINT64_C(86400) * 1000)

struct bench {
    char *dir;
    struct ca *ca;
    uint64_t now;
};

static void open_bench(struct bench *b)
{
    struct error err = {};
    char path[4096];

    *b = (struct bench){.dir = unit_mkdtemp(), .now = now_ns(CLOCK_REALTIME) / NS_PER_MS};
    (void)unit_path_in(path, sizeof(path), b->dir, "ca");
    assert_int_equal(ca_open(path, &b->ca, &err), 0);
}

static void close_bench(struct bench *b)
{
    ca_free(b->ca);
    unit_rmdir(b->dir);
}

static X509 *cert_of(const char *pem)
{
    X509 *cert = pki_read_cert(pem);

    assert_non_null(cert);
    return cert;
}

static void der_of(const char *pem, unsigned char **ret_der, size_t *ret_len)
{
    _cleanup_cert_ X509 *cert = cert_of(pem);
    int len = i2d_X509(cert, ret_der);

    assert_true(len > 0);
    *ret_len = (size_t)len;
}

static char *sign(struct bench *b, const char *csr, struct cert_info *info)
{
    struct error err = {};
    char *pem = NULL;

    assert_int_equal(ca_sign_agent(b->ca, csr, AGENT, b->now, &pem, info, &err), 0);
    return pem;
}

static void test_made_once(void **state)
{
    struct error err = {};
    struct ca *again = NULL;
    struct bench b;
    char path[4096];
    struct stat st;

    (void)state;
    open_bench(&b);
    (void)unit_path_in(path, sizeof(path), b.dir, "ca");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)unit_path_in(path, sizeof(path), b.dir, "ca/ca.pem");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)unit_path_in(path, sizeof(path), b.dir, "ca");
    assert_int_equal(ca_open_existing(path, &again, &err), 0);
    assert_string_equal(ca_fingerprint_text(again), ca_fingerprint_text(b.ca));
    assert_string_equal(ca_pem(again), ca_pem(b.ca));
    ca_free(again);
    (void)unit_path_in(path, sizeof(path), b.dir, "other");
    assert_int_equal(ca_open_existing(path, &again, &err), -ENOENT);
    close_bench(&b);
}

// Several processes at once: one CA comes of it.
static void test_made_by_one(void **state)
{
    _cleanup_free_ char *dir = unit_mkdtemp();
    struct error err = {};
    int pipefd[2], status;
    char prints[8][CERT_FINGERPRINT_TEXT];
    char path[4096];

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "ca");
    assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct ca *ca = NULL;
            int r = ca_open(path, &ca, &err);

            if (r == 0 && write(pipefd[1], ca_fingerprint_text(ca), CERT_FINGERPRINT_TEXT) < 0)
                r = -EIO;
            ca_free(ca);
            _exit(r == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < 8; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(read(pipefd[0], prints, sizeof(prints)), sizeof(prints));
    for (int i = 1; i < 8; i++)
        assert_string_equal(prints[0], prints[i]);
    (void)close(pipefd[0]);
    (void)close(pipefd[1]);
    unit_rmdir(TAKE_PTR(dir));
}

static void test_damaged_file_is_not_replaced(void **state)
{
    static const char *const texts[] = {"", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n"};
    struct error err = {};
    struct ca *ca = NULL;
    struct bench b;
    char path[4096], dir[4096];

    (void)state;
    open_bench(&b);
    (void)unit_path_in(dir, sizeof(dir), b.dir, "ca");
    (void)unit_path_in(path, sizeof(path), b.dir, "ca/ca.pem");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(write_file_atomic(AT_FDCWD, path, texts[i], strlen(texts[i]), 0600), 0);
        assert_int_equal(ca_open(dir, &ca, &err), -EBADMSG);
        assert_true(*err.cure);
        assert_int_equal(read_file_bounded(AT_FDCWD, path, 4096, &text, NULL), 0);
        assert_string_equal(text, texts[i]);
    }
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(ca_open(dir, &ca, &err), -EPERM);
    assert_non_null(strstr(err.cure, "chmod"));
    close_bench(&b);
}

static void test_ca_certificate(void **state)
{
    _cleanup_cert_ X509 *ca = NULL;
    struct bench b;
    uint8_t print[CERT_FINGERPRINT];

    (void)state;
    open_bench(&b);
    ca = cert_of(ca_pem(b.ca));
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_get_pathlen(ca), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(pki_fingerprint(ca, print), 0);
    assert_memory_equal(print, ca_fingerprint(b.ca), CERT_FINGERPRINT);
    assert_true(ca_info(b.ca)->not_after_ms - (int64_t)b.now > (int64_t)(19 * 365 * DAY));
    assert_string_equal(ca_info(b.ca)->agent_id, "");
    close_bench(&b);
}

static void test_agent_certificate(void **state)
{
    _cleanup_free_ char *csr = NULL, *pem = NULL, *pem2 = NULL;
    struct cert_info info, info2, read;
    struct error err = {};
    unsigned char *der = NULL;
    char *key = NULL;
    struct bench b;
    size_t len;

    (void)state;
    open_bench(&b);
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    pem = sign(&b, csr, &info);
    pem2 = sign(&b, csr, &info2);
    assert_string_not_equal(info.serial, info2.serial);
    der_of(pem, &der, &len);
    assert_int_equal(cert_read_der(der, len, &read, &err), 0);
    assert_memory_equal(&read, &info, sizeof(info));
    assert_string_equal(read.agent_id, AGENT);
    assert_true(strlen(read.serial) >= 26 && strlen(read.serial) <= 34); // 128 bits, a sign
    assert_in_range(read.not_after_ms - (int64_t)b.now, 30 * DAY - 2000, 30 * DAY);
    {
        _cleanup_cert_ X509 *cert = cert_of(pem);

        assert_int_equal(X509_check_ca(cert), 0);
        assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
        assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    }
    // As the server checks it: of this CA, in its time.
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now, &read, &err), 0);
    assert_string_equal(read.agent_id, AGENT);
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now + 31 * DAY, &read, &err), -ESTALE);
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now - DAY, &read, &err), -ESTALE);
    for (size_t n = 0; n < len; n++)
        assert_true(ca_check_agent(b.ca, der, n, b.now, &read, &err) < 0);
    OPENSSL_free(der);
    identity_key_free(key);
    close_bench(&b);
}

static void test_other_certificates_are_no_agents(void **state)
{
    static const char *const names[] = {"server.example"};
    _cleanup_free_ char *csr = NULL, *pem = NULL, *chain = NULL;
    struct cert_info info;
    struct error err = {};
    unsigned char *der = NULL;
    char *key = NULL, *server_key = NULL;
    struct bench a, b;
    size_t len;

    (void)state;
    open_bench(&a);
    open_bench(&b);
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    // Of another CA.
    pem = sign(&a, csr, &info);
    der_of(pem, &der, &len);
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now, &info, &err), -EACCES);
    OPENSSL_free(der);
    der = NULL;
    // The server's own, and the CA's.
    assert_int_equal(ca_server_renew(b.ca, names, 1, b.now, &err), 1);
    assert_int_equal(ca_server_read(b.ca, &server_key, &chain, &info, &err), 0);
    der_of(chain, &der, &len);
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now, &info, &err), -EACCES);
    OPENSSL_free(der);
    der = NULL;
    der_of(ca_pem(b.ca), &der, &len);
    assert_int_equal(ca_check_agent(b.ca, der, len, b.now, &info, &err), -EACCES);
    OPENSSL_free(der);
    ca_key_free(server_key);
    identity_key_free(key);
    close_bench(&a);
    close_bench(&b);
}

// An agent's certificate, signed anew by its CA with other purposes; NULL: none at all.
static int check_with_purposes(struct bench *b, const char *pem, const char *purposes)
{
    _cleanup_cert_ X509 *cert = cert_of(pem);
    _cleanup_key_ EVP_PKEY *key = NULL;
    X509_EXTENSION *extension;
    unsigned char *der = NULL;
    struct cert_info info;
    struct error err = {};
    char path[4096];
    int len, r;
    FILE *f;

    f = fopen(unit_path_in(path, sizeof(path), b->dir, "ca/ca.pem"), "re");
    assert_non_null(f);
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    (void)fclose(f);
    assert_non_null(key);
    X509_EXTENSION_free(X509_delete_ext(cert, X509_get_ext_by_NID(cert, NID_ext_key_usage, -1)));
    if (purposes) {
        extension = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, purposes);
        assert_int_equal(X509_add_ext(cert, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    len = i2d_X509(cert, &der);
    assert_true(len > 0);
    r = ca_check_agent(b->ca, der, (size_t)len, b->now, &info, &err);
    OPENSSL_free(der);
    return r;
}

static void test_purposes(void **state)
{
    _cleanup_free_ char *csr = NULL, *pem = NULL;
    struct cert_info info;
    struct error err = {};
    struct bench b;
    char *key = NULL;

    (void)state;
    open_bench(&b);
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    pem = sign(&b, csr, &info);
    assert_int_equal(check_with_purposes(&b, pem, "clientAuth"), 0);
    assert_int_equal(check_with_purposes(&b, pem, NULL), -EACCES);
    assert_int_equal(check_with_purposes(&b, pem, "serverAuth"), -EACCES);
    assert_int_equal(check_with_purposes(&b, pem, "clientAuth,serverAuth"), -EACCES);
    identity_key_free(key);
    close_bench(&b);
}

// A request of `key`, signed by `signer`, that asks for a name and for being a CA.
static char *request(EVP_PKEY *key, EVP_PKEY *signer)
{
    _cleanup_req_ X509_REQ *req = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    X509_NAME *name = X509_NAME_new();
    X509V3_CTX ctx;
    char *pem;

    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"root", -1, -1, 0),
                     1);
    assert_int_equal(X509_REQ_set_subject_name(req, name), 1);
    X509_NAME_free(name);
    X509V3_set_ctx_nodb(&ctx);
    extensions = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name,
                                                           "URI:" CERT_AGENT_URN
                                                           "ffffffff-ffff-ffff-ffff-ffffffffffff"));
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                                                           "critical,CA:TRUE"));
    assert_int_equal(X509_REQ_add_extensions(req, extensions), 1);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, signer, EVP_sha256()) > 0);
    pem = pki_req_pem(req);
    assert_non_null(pem);
    return pem;
}

static void test_requests(void **state)
{
    _cleanup_key_ EVP_PKEY *key = pki_new_key(), *other = pki_new_key(), *rsa = EVP_RSA_gen(2048),
                           *wide = EVP_EC_gen("secp384r1"), *odd = EVP_EC_gen("secp256k1");
    struct {
        EVP_PKEY *key, *signer;
        int result;
    } rows[] = {
        {key, key, 0},          {key, other, -EBADMSG}, {rsa, rsa, -EBADMSG},
        {wide, wide, -EBADMSG}, {odd, odd, -EBADMSG},
    };
    static const char *const texts[] = {NULL, "", "x", "-----BEGIN CERTIFICATE REQUEST-----\n"};
    struct cert_info info;
    struct error err = {};
    struct bench b;
    char *pem = NULL;

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *csr = request(rows[i].key, rows[i].signer);

        assert_int_equal(ca_sign_agent(b.ca, csr, AGENT, b.now, &pem, &info, &err), rows[i].result);
        if (rows[i].result < 0)
            continue;
        // Nothing of what was asked for is in it.
        _cleanup_cert_ X509 *cert = cert_of(pem);
        char name[128];

        assert_string_equal(info.agent_id, AGENT);
        assert_int_equal(X509_check_ca(cert), 0);
        assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                                              sizeof(name)) > 0);
        assert_string_equal(name, AGENT);
        free(pem);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(ca_sign_agent(b.ca, texts[i], AGENT, b.now, &pem, &info, &err), -EBADMSG);
    {
        _cleanup_free_ char *csr = request(key, key), *two = NULL;

        assert_true(asprintf(&two, "%s%s", csr, csr) > 0);
        assert_int_equal(ca_sign_agent(b.ca, two, AGENT, b.now, &pem, &info, &err), -EBADMSG);
        assert_int_equal(ca_sign_agent(b.ca, csr, "root", b.now, &pem, &info, &err), -EINVAL);
        assert_int_equal(ca_sign_agent(b.ca, csr, NULL, b.now, &pem, &info, &err), -EINVAL);
    }
    close_bench(&b);
}

// A certificate with the given names, as a string of x509v3_config(5), signed by itself.
static int read_with_names(const char *names, struct cert_info *info)
{
    _cleanup_key_ EVP_PKEY *key = pki_new_key();
    _cleanup_cert_ X509 *cert = X509_new();
    unsigned char *der = NULL;
    struct error err = {};
    X509V3_CTX ctx;
    int len, r;

    X509V3_set_ctx_nodb(&ctx);
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 5);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 100);
    (void)X509_set_pubkey(cert, key);
    if (names) {
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, names);

        assert_non_null(ext);
        (void)X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    len = i2d_X509(cert, &der);
    r = cert_read_der(der, (size_t)len, info, &err);
    OPENSSL_free(der);
    return r;
}

static void test_names_of_agents(void **state)
{
#define URI "URI:" CERT_AGENT_URN
    static const struct {
        const char *names, *id; // NULL: refused
    } rows[] = {
        {NULL, ""},
        {"DNS:a.example", ""},
        {"URI:https://a", ""},
        {URI AGENT, AGENT},
        {"DNS:a.example," URI AGENT ",IP:10.0.0.1", AGENT},
        {"DNS:urn.safeguard." AGENT, ""},
        {URI AGENT "," URI AGENT, NULL},
        {URI AGENT "," URI "11111111-2222-3333-4444-555555555555", NULL},
        {"URI:urn:safeguard:agent:", NULL},
        {URI "01234567-89AB-cdef-0123-456789abcdef", NULL},
        {URI AGENT "x", NULL},
        {URI "01234567-89ab-cdef-0123-456789abcde", NULL},
        {URI "01234567x89ab-cdef-0123-456789abcdef", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cert_info info = {};

        assert_int_equal(read_with_names(rows[i].names, &info), rows[i].id ? 0 : -EBADMSG);
        if (rows[i].id)
            assert_string_equal(info.agent_id, rows[i].id);
    }
}

static void test_server_certificate(void **state)
{
    static const char *const names[] = {"server.example", "10.0.0.1", "::1", "server.example"},
                             *const others[] = {"10.0.0.1", "server.example", "::1"},
                             *const fewer[] = {"server.example"};
    _cleanup_free_ char *chain = NULL, *again = NULL;
    struct cert_info info, second;
    struct error err = {};
    char *key = NULL;
    struct bench b;
    char path[4096];
    struct stat st;

    (void)state;
    open_bench(&b);
    assert_int_equal(ca_server_read(b.ca, &key, &chain, &info, &err), -ENOENT);
    assert_int_equal(ca_server_renew(b.ca, names, 4, b.now, &err), 1);
    (void)unit_path_in(path, sizeof(path), b.dir, "ca/server.pem");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ca_server_read(b.ca, &key, &chain, &info, &err), 0);
    {
        _cleanup_cert_ X509 *cert = cert_of(chain), *ca = cert_of(ca_pem(b.ca));

        assert_int_equal(X509_check_host(cert, "server.example", 0, 0, NULL), 1);
        assert_int_equal(X509_check_host(cert, "other.example", 0, 0, NULL), 0);
        assert_int_equal(X509_check_ip_asc(cert, "10.0.0.1", 0), 1);
        assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
        assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER);
        assert_int_equal(pki_signed_by(cert, ca), 0);
        // The CA is in the chain, so that an agent finds it by its fingerprint.
        assert_non_null(strstr(chain, ca_pem(b.ca)));
    }
    key = ca_key_free(key);
    // The same names in another order: nothing to do. Other names, or most of its life gone: a new one.
    assert_int_equal(ca_server_renew(b.ca, others, 3, b.now, &err), 0);
    assert_int_equal(ca_server_renew(b.ca, others, 3, b.now + 58 * DAY, &err), 0);
    assert_int_equal(ca_server_renew(b.ca, others, 3, b.now + 60 * DAY, &err), 1);
    assert_int_equal(ca_server_renew(b.ca, fewer, 1, b.now + 60 * DAY, &err), 1);
    assert_int_equal(ca_server_read(b.ca, &key, &again, &second, &err), 0);
    assert_string_not_equal(info.serial, second.serial);
    key = ca_key_free(key);
    // One that is damaged, or from another CA, is made anew.
    assert_int_equal(write_file_atomic(AT_FDCWD, path, "x", 1, 0600), 0);
    assert_int_equal(ca_server_read(b.ca, &key, &again, &second, &err), -EBADMSG);
    assert_int_equal(ca_server_renew(b.ca, fewer, 1, b.now, &err), 1);
    close_bench(&b);
}

static void test_server_names_that_are_none(void **state)
{
    static const char *const bad[] = {"",   "a b",    "https://a", "a/b",       "-a",
                                      ".a", "a:8443", "a,DNS:b",   "10.0.0.1/8"};
    struct error err = {};
    struct bench b;

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ca_server_renew(b.ca, &bad[i], 1, b.now, &err), -EINVAL);
    assert_int_equal(ca_server_renew(b.ca, NULL, 0, b.now, &err), -EINVAL);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_made_once), cmocka_unit_test(test_made_by_one),
          cmocka_unit_test(test_damaged_file_is_not_replaced),
          cmocka_unit_test(test_ca_certificate), cmocka_unit_test(test_agent_certificate),
          cmocka_unit_test(test_other_certificates_are_no_agents), cmocka_unit_test(test_purposes),
          cmocka_unit_test(test_requests), cmocka_unit_test(test_names_of_agents),
          cmocka_unit_test(test_server_certificate),
          cmocka_unit_test(test_server_names_that_are_none))
