// SPDX-License-Identifier: Apache-2.0
#include "transport/enrol.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "transport/http.h"
#include "transport/pki.h"
#include "transport/proof.h"
#include "transport/token.h"

#define TIMEOUT_MS 30000

// The server was proved to be that of the token before it answered. That its answer is about the same CA is what
// every later connection rests on.
static int check_ca(const char *ca_pem, const struct token *token, struct error *err)
{
    _cleanup_cert_ X509 *ca = pki_read_cert(ca_pem);
    uint8_t print[CERT_FINGERPRINT];

    if (!ca || pki_fingerprint(ca, print) < 0 ||
        memcmp(print, token->fingerprint, CERT_FINGERPRINT) != 0)
        return error_set(err, -EBADMSG, "the server answered with another CA than its own");
    return 0;
}

static int take_answer(const struct enrol_options *o, const struct token *token, const char *url,
                       const char *key, const struct http_call *call, struct identity **ret_id,
                       struct error *err)
{
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct msg_certificate m;
    int r;

    r = msg_certificate_read(sb_str(&call->answer), call->answer.len, &m, err);
    if (r < 0)
        return r;
    if (!m.agent_id)
        r = error_set(err, -EBADMSG, "the server gave this agent no id");
    if (r == 0)
        r = check_ca(m.ca, token, err);
    if (r == 0)
        r = identity_new(m.agent_id, url, strempty(o->host.machine_id), key, m.certificate, m.ca,
                         now + m.renew_after_ms, ret_id, err);
    msg_certificate_done(&m);
    return r;
}

static int code_of(const struct http_result *result, int code)
{
    if (result->failure == HTTP_ANSWER && (result->code == WIRE_token || result->status == 403))
        return -EACCES;
    return code;
}

static int exchange(const char *url, struct http_call *call, const struct http_timing *timing,
                    uint32_t total_ms, struct error *err)
{
    struct http_result result;
    int r;

    r = http_begin(call, url, WIRE_ENROL, WIRE_JSON_TYPE, NULL, WIRE_ANSWER_MAX, total_ms, false,
                   timing, err);
    if (r < 0)
        return r;
    http_end(call, curl_easy_perform(call->easy), url, &result, err);
    if (result.failure == HTTP_NONE)
        return 0;
    err->code = code_of(&result, err->code);
    return err->code;
}

// The identity that is to be replaced, where it is of the same server and of this machine. Whatever is wrong with it, the
// host can enrol without.
static struct identity *former_of(const struct enrol_options *o, const struct token *token)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    struct error ignored = {};

    if (identity_load(o->path, strempty(o->host.machine_id), &id, &ignored) < 0 ||
        check_ca(id->ca, token, &ignored) < 0)
        return NULL;
    return TAKE_PTR(id);
}

static int write_message(const struct enrol_options *o, const struct token *token, const char *csr,
                         struct strbuf *body)
{
    _cleanup_(identity_freep) struct identity *former = former_of(o, token);
    struct msg_enrol m = {.token = o->token, .csr = csr, .host = o->host, .version = o->version};
    _cleanup_free_ char *proof = NULL;

    if (former && proof_make(former->key, csr, &proof, NULL) == 0) {
        m.former = former->certificate;
        m.proof = proof;
    }
    return msg_enrol_write(body, &m);
}

static int ask(const struct enrol_options *o, const struct token *token, const char *url,
               struct identity **ret_id, struct error *err)
{
    uint32_t total = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    struct http_timing timing = {.connect_ms = total, .stall_ms = total};
    _cleanup_(tls_trust_freep) struct tls_trust *trust = NULL;
    _cleanup_free_ char *csr = NULL;
    struct http_call call = {};
    char *key = NULL;
    int r;

    r = identity_new_key(&key, &csr, err);
    if (r < 0)
        return r;
    r = tls_trust_pin(token->fingerprint, &trust);
    if (r == 0)
        r = http_call_init(&call, trust, o->version, &timing, err);
    if (r == 0)
        r = write_message(o, token, csr, &call.body);
    if (r == 0)
        r = exchange(url, &call, &timing, total, err);
    if (r == 0)
        r = take_answer(o, token, url, key, &call, ret_id, err);
    // The token was in it.
    if (call.body.s)
        OPENSSL_cleanse(call.body.s, call.body.cap);
    http_call_done(&call);
    (void)identity_key_free(key);
    return r;
}

// So that a token is not used up for an identity that could not be kept.
static int try_to_write(const char *path, struct error *err)
{
    static const char room[16384];
    _cleanup_(sb_done) struct strbuf name = {};
    int r;

    sb_printf(&name, "%s.try", path);
    r = name.failed ? -ENOMEM : write_file_atomic(AT_FDCWD, name.s, room, sizeof(room), 0600);
    if (name.s)
        (void)unlink(name.s);
    return r < 0 ? error_at(err, r, path, 0, 0, "the identity of this agent cannot be written: %m")
                 : 0;
}

int enrol(const struct enrol_options *options, struct identity **ret_id, struct error *err)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    char url[TOKEN_URL_MAX + 1];
    struct error own = {};
    struct token token;
    int r;

    // The code of a failure is in it, whether the caller wants the text or not.
    err = err ? err : &own;
    r = token_parse(options->token, &token, err);
    if (r < 0)
        return r;
    if (!options->server_url && !*token.url) {
        token_wipe(&token);
        (void)error_set(err, -EINVAL, "the token does not say where the server is");
        error_cure(err, "add --server https://HOST:PORT");
        return -EINVAL;
    }
    r = server_url_normalise(options->server_url ? options->server_url : token.url, url, err);
    if (r == 0)
        r = try_to_write(options->path, err);
    if (r == 0)
        r = ask(options, &token, url, &id, err);
    token_wipe(&token);
    if (r == 0)
        r = identity_store(options->path, id, err);
    if (r < 0)
        return r;
    *ret_id = TAKE_PTR(id);
    return 0;
}
