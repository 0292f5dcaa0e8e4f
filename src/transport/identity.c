// SPDX-License-Identifier: Apache-2.0
#include "transport/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "transport/pki.h"
#include "transport/wire.h"

#define FILE_VERSION 1
#define FILE_MAX     (48u << 10)

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "no memory");
}

struct identity *identity_free(struct identity *id)
{
    if (id) {
        (void)pki_wipe(id->key);
        free(id->certificate);
        free(id->ca);
        free(id);
    }
    return NULL;
}

char *identity_key_free(char *key)
{
    return pki_wipe(key);
}

int identity_new_key(char **ret_key, char **ret_csr, struct error *err)
{
    _cleanup_key_ EVP_PKEY *key = pki_new_key();
    _cleanup_req_ X509_REQ *req = X509_REQ_new();
    char *key_pem, *csr_pem;

    // Without names: the server gives one.
    if (!key || !req || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(req, key) != 1 || X509_REQ_sign(req, key, EVP_sha256()) <= 0)
        return pki_error(err, -EIO, "a key cannot be made");
    key_pem = pki_key_pem(key);
    csr_pem = pki_req_pem(req);
    if (!key_pem || !csr_pem) {
        (void)pki_wipe(key_pem);
        free(csr_pem);
        return no_memory(err);
    }
    *ret_key = key_pem;
    *ret_csr = csr_pem;
    return 0;
}

// Key, certificate and CA belong together, and the certificate names an agent.
static int check_parts(const char *key_pem, const char *cert_pem, const char *ca_pem,
                       struct cert_info *ret_info, struct error *err)
{
    _cleanup_key_ EVP_PKEY *key = pki_read_key(key_pem);
    _cleanup_cert_ X509 *cert = pki_read_cert(cert_pem), *ca = pki_read_cert(ca_pem);
    struct cert_info info;
    int r;

    if (!key || !cert || !ca)
        return error_set(err, -EBADMSG, "the %s cannot be read",
                         !key    ? "key"
                         : !cert ? "certificate"
                                 : "certificate of the server's CA");
    r = pki_cert_info(cert, &info, err);
    if (r < 0)
        return r;
    if (pki_check_key(key) < 0 || X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        return error_set(err, -EBADMSG, "the certificate is for another key");
    }
    if (pki_signed_by(cert, ca) < 0)
        return error_set(err, -EBADMSG, "the certificate is not signed by the server's CA");
    if (!*info.agent_id)
        return error_set(err, -EBADMSG, "the certificate names no agent");
    *ret_info = info;
    return 0;
}

int identity_new(const char *agent_id, const char *server_url, const char *machine_id,
                 const char *key, const char *certificate, const char *ca, uint64_t renew_at_ms,
                 struct identity **ret_id, struct error *err)
{
    _cleanup_(identity_freep) struct identity *id = new0(struct identity, 1);
    int r;

    if (!id)
        return no_memory(err);
    r = server_url_normalise(server_url, id->server_url, err);
    if (r < 0)
        return r;
    if (strnlen(machine_id, sizeof(id->machine_id)) >= sizeof(id->machine_id))
        return error_set(err, -EINVAL, "the machine id is too long");
    r = check_parts(key, certificate, ca, &id->info, err);
    if (r < 0)
        return r;
    if (agent_id && !streq(agent_id, id->info.agent_id))
        return error_set(err, -EBADMSG, "the certificate names another agent");
    memcpy(id->agent_id, id->info.agent_id, sizeof(id->agent_id));
    memcpy(id->machine_id, machine_id, strlen(machine_id) + 1);
    id->renew_at_ms = renew_at_ms;
    id->key = strdup(key);
    id->certificate = strdup(certificate);
    id->ca = strdup(ca);
    if (!id->key || !id->certificate || !id->ca)
        return no_memory(err);
    *ret_id = TAKE_PTR(id);
    return 0;
}

static int damaged(struct error *err, const char *path)
{
    error_where(err, path, 0, 0);
    error_context(err, "the identity of this agent is damaged");
    error_cure(err, "enrol anew: safeguard-agent enrol --server URL --token TOKEN");
    return -EBADMSG;
}

static int take_text(const char *text, struct identity **ret_id, struct error *err)
{
    const char *agent_id, *url, *machine_id, *key, *certificate, *ca;
    struct json_object *root = NULL;
    uint64_t version, renew_at_ms;
    int r;

    r = wire_parse(text, strlen(text), FILE_MAX, 64, "identity", &root, err);
    if (r < 0)
        return r;
    r = wire_get_u64(root, "version", UINT32_MAX, &version, err);
    if (r == 0 && version != FILE_VERSION)
        r = error_set(err, -EBADMSG, "it is of version %llu", (unsigned long long)version);
    if (r == 0)
        r = wire_get_str(root, "agent_id", WIRE_UUID_TEXT - 1, &agent_id, err);
    if (r == 0)
        r = wire_get_str(root, "server_url", TOKEN_URL_MAX, &url, err);
    if (r == 0)
        r = wire_get_str(root, "machine_id", WIRE_NAME_MAX, &machine_id, err);
    if (r == 0)
        r = wire_get_str(root, "key", WIRE_PEM_MAX, &key, err);
    if (r == 0)
        r = wire_get_str(root, "certificate", WIRE_PEM_MAX, &certificate, err);
    if (r == 0)
        r = wire_get_str(root, "ca", WIRE_PEM_MAX, &ca, err);
    if (r == 0)
        r = wire_get_u64(root, "renew_at_ms", INT64_MAX, &renew_at_ms, err);
    if (r == 0)
        r = identity_new(agent_id, url, machine_id, key, certificate, ca, renew_at_ms, ret_id, err);
    json_object_put(root);
    return r;
}

int identity_load(const char *path, const char *machine_id, struct identity **ret_id,
                  struct error *err)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    char *text = NULL;
    int r;

    r = pki_read_file(path, FILE_MAX, &text, err);
    if (r == -ENOENT) {
        (void)error_at(err, -ENOENT, path, 0, 0, "this host is not enrolled with a server");
        error_cure(err, "safeguard-agent enrol --server URL --token TOKEN");
    }
    if (r < 0)
        return r;
    r = take_text(text, &id, err);
    (void)pki_wipe(text);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || !id)
        return damaged(err, path);
    if (!str_isempty(machine_id) && *id->machine_id && !streq(machine_id, id->machine_id)) {
        (void)error_at(err, -ESTALE, path, 0, 0,
                       "the identity of this agent was made on another machine (machine id %s)",
                       id->machine_id);
        error_expected(err, "machine id %s", machine_id);
        error_cure(err, "enrol anew: safeguard-agent enrol --server URL --token TOKEN");
        return -ESTALE;
    }
    *ret_id = TAKE_PTR(id);
    return 0;
}

int identity_store(const char *path, const struct identity *id, struct error *err)
{
    struct strbuf sb = {};
    struct jw jw;
    char *text = NULL;
    int r;

    // At once, so that the key is not left behind in memory that the buffer grew out of.
    if (!sb_reserve(&sb, FILE_MAX))
        return no_memory(err);
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "version", FILE_VERSION);
    jw_kv_str(&jw, "agent_id", id->agent_id);
    jw_kv_str(&jw, "server_url", id->server_url);
    jw_kv_str(&jw, "machine_id", id->machine_id);
    jw_kv_u64(&jw, "renew_at_ms", id->renew_at_ms);
    jw_kv_str(&jw, "certificate", id->certificate);
    jw_kv_str(&jw, "ca", id->ca);
    jw_kv_str(&jw, "key", id->key);
    jw_end_object(&jw);
    sb_putc(&sb, '\n');
    r = jw_finish(&jw);
    if (r == 0)
        r = sb_finish(&sb, &text);
    if (r < 0) {
        sb_done(&sb);
        return error_set(err, r, "the identity of this agent cannot be written");
    }
    r = write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600);
    (void)pki_wipe(text);
    return r < 0 ? error_at(err, r, path, 0, 0, "the identity of this agent cannot be written: %m")
                 : 0;
}
