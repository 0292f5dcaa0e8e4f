// SPDX-License-Identifier: Apache-2.0
//
// Whether a host is believed that it had an identity.
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "transport/identity.h"
#include "transport/proof.h"

#define AGENT  "01234567-89ab-cdef-0123-456789abcdef"
#define DAY_MS ((uint64_t)86400000)

struct former {
    char *key, *csr, *certificate;
    struct cert_info info;
};

static struct former former_new(const struct ca *ca, uint64_t signed_ms)
{
    struct error err = {};
    struct former f = {};

    assert_int_equal(identity_new_key(&f.key, &f.csr, &err), 0);
    assert_int_equal(ca_sign_agent(ca, f.csr, AGENT, signed_ms, &f.certificate, &f.info, &err), 0);
    return f;
}

static void former_done(struct former *f)
{
    (void)identity_key_free(f->key);
    free(f->csr);
    free(f->certificate);
}

static int check(const struct ca *ca, const char *certificate, const char *csr, const char *proof)
{
    struct cert_info info = {};
    struct error err = {};
    int r = proof_check(ca, certificate, csr, proof, &info, &err);

    assert_int_equal(r < 0, error_is_set(&err));
    if (r == 0)
        assert_string_equal(info.agent_id, AGENT);
    return r;
}

static void test_proof(void **state _unused_)
{
    char *dir = unit_mkdtemp(), *other_dir = unit_mkdtemp(), *proof, *others;
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct ca *ca = NULL, *other_ca = NULL;
    struct former good, old, foreign;
    struct error err = {};

    assert_int_equal(ca_open(dir, &ca, &err), 0);
    assert_int_equal(ca_open(other_dir, &other_ca, &err), 0);
    good = former_new(ca, now);
    old = former_new(ca, now - 700 * DAY_MS);
    foreign = former_new(other_ca, now);
    assert_int_equal(proof_make(good.key, old.csr, &proof, &err), 0);
    assert_int_equal(check(ca, good.certificate, old.csr, proof), 0);
    // For another request, with another key's certificate, of another CA.
    assert_int_equal(check(ca, good.certificate, good.csr, proof), -EACCES);
    assert_int_equal(check(ca, old.certificate, old.csr, proof), -EACCES);
    assert_int_equal(check(other_ca, good.certificate, old.csr, proof), -EACCES);
    assert_int_equal(proof_make(foreign.key, old.csr, &others, &err), 0);
    assert_int_equal(check(ca, foreign.certificate, old.csr, others), -EACCES);
    free(others);
    // One that expired long ago proves as well.
    assert_int_equal(proof_make(old.key, good.csr, &others, &err), 0);
    assert_int_equal(check(ca, old.certificate, good.csr, others), 0);
    free(others);
    // The CA's own certificate is no agent's.
    assert_int_equal(check(ca, ca_pem(ca), old.csr, proof), -EACCES);
    free(proof);
    former_done(&good);
    former_done(&old);
    former_done(&foreign);
    ca_free(ca);
    ca_free(other_ca);
    unit_rmdir(dir);
    unit_rmdir(other_dir);
}

static void test_nonsense(void **state _unused_)
{
    static const char *const proofs[] = {"",         "=",    "====", "A",
                                         "AAAA",     "AAA=", "AA==", "\x80\x80\x80\x80",
                                         "MEUCIQ==", "!!!!"};
    char *dir = unit_mkdtemp(), *proof, long_one[PROOF_TEXT_MAX + 8];
    struct ca *ca = NULL;
    struct error err = {};
    struct former f;

    assert_int_equal(ca_open(dir, &ca, &err), 0);
    f = former_new(ca, now_ns(CLOCK_REALTIME) / NS_PER_MS);
    for (size_t i = 0; i < ARRAY_SIZE(proofs); i++)
        assert_true(check(ca, f.certificate, f.csr, proofs[i]) < 0);
    memset(long_one, 'A', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    assert_int_equal(check(ca, f.certificate, f.csr, long_one), -EBADMSG);
    assert_int_equal(check(ca, "no certificate", f.csr, "AAAA"), -EBADMSG);
    assert_int_equal(proof_make("no key", f.csr, &proof, &err), -EIO);
    former_done(&f);
    ca_free(ca);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_proof), cmocka_unit_test(test_nonsense))
