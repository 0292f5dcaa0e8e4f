// SPDX-License-Identifier: Apache-2.0
#include "transport/msg_enrol.h"

#include <errno.h>

#include "base/macro.h"
#include "transport/proof.h"
#include "transport/token.h"

#define RENEW_MAX_MS (UINT64_C(366) * 86400 * 1000)

void msg_host_write(struct jw *jw, const struct msg_host *host)
{
    jw_kv_object(jw, "host");
    jw_kv_str(jw, "name", strempty(host->name));
    jw_kv_str(jw, "machine_id", strempty(host->machine_id));
    jw_kv_str(jw, "boot_id", strempty(host->boot_id));
    jw_kv_str(jw, "os", strempty(host->os));
    jw_kv_str(jw, "kernel", strempty(host->kernel));
    jw_kv_str(jw, "arch", strempty(host->arch));
    jw_end_object(jw);
}

int msg_host_read(struct json_object *o, struct msg_host *ret, struct error *err)
{
    struct json_object *host = NULL;
    struct msg_host m = {};
    const struct {
        const char *key, **text;
    } members[] = {
        {"name", &m.name}, {"machine_id", &m.machine_id}, {"boot_id", &m.boot_id},
        {"os", &m.os},     {"kernel", &m.kernel},         {"arch", &m.arch},
    };
    int r;

    r = wire_get_object(o, "host", &host, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(members); i++) {
        r = wire_get_str_opt(host, members[i].key, WIRE_NAME_MAX, members[i].text, err);
        if (r == 0)
            *members[i].text = strempty(*members[i].text);
    }
    if (r == 0)
        *ret = m;
    return r;
}

int msg_enrol_write(struct strbuf *out, const struct msg_enrol *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "token", m->token);
    jw_kv_str(&jw, "csr", m->csr);
    msg_host_write(&jw, &m->host);
    jw_kv_str(&jw, "version", m->version);
    if (m->former && m->proof) {
        jw_kv_str(&jw, "former", m->former);
        jw_kv_str(&jw, "proof", m->proof);
    }
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_enrol_read(const char *text, size_t len, struct msg_enrol *ret, struct error *err)
{
    struct msg_enrol m = {};
    int r;

    r = wire_parse(text, len, WIRE_ENROL_MAX, 64, "enrol", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "token", TOKEN_TEXT_MAX - 1, &m.token, err);
    if (r == 0)
        r = wire_get_str(m.root, "csr", WIRE_PEM_MAX, &m.csr, err);
    if (r == 0)
        r = wire_get_str(m.root, "version", WIRE_NAME_MAX, &m.version, err);
    if (r == 0)
        r = wire_get_str_opt(m.root, "former", WIRE_PEM_MAX, &m.former, err);
    if (r == 0)
        r = wire_get_str_opt(m.root, "proof", PROOF_TEXT_MAX - 1, &m.proof, err);
    if (r == 0)
        r = msg_host_read(m.root, &m.host, err);
    if (r < 0) {
        msg_enrol_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_enrol_done(struct msg_enrol *m)
{
    json_object_put(m->root);
    *m = (struct msg_enrol){};
}

int msg_renew_write(struct strbuf *out, const struct msg_renew *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "csr", m->csr);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_renew_read(const char *text, size_t len, struct msg_renew *ret, struct error *err)
{
    struct msg_renew m = {};
    int r;

    r = wire_parse(text, len, WIRE_ENROL_MAX, 16, "renew", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "csr", WIRE_PEM_MAX, &m.csr, err);
    if (r < 0) {
        msg_renew_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_renew_done(struct msg_renew *m)
{
    json_object_put(m->root);
    *m = (struct msg_renew){};
}

int msg_certificate_write(struct strbuf *out, const struct msg_certificate *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    if (m->agent_id)
        jw_kv_str(&jw, "agent_id", m->agent_id);
    jw_kv_str(&jw, "certificate", m->certificate);
    jw_kv_str(&jw, "ca", m->ca);
    jw_kv_u64(&jw, "renew_after_ms", m->renew_after_ms);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_certificate_read(const char *text, size_t len, struct msg_certificate *ret,
                         struct error *err)
{
    struct msg_certificate m = {};
    int r;

    r = wire_parse(text, len, WIRE_ANSWER_MAX, 32, "certificate", &m.root, err);
    if (r == 0)
        r = wire_get_str_opt(m.root, "agent_id", WIRE_UUID_TEXT - 1, &m.agent_id, err);
    if (r == 0 && m.agent_id && !wire_uuid_valid(m.agent_id))
        r = error_set(err, -EBADMSG, "'agent_id' is not a UUID");
    if (r == 0)
        r = wire_get_str(m.root, "certificate", WIRE_PEM_MAX, &m.certificate, err);
    if (r == 0)
        r = wire_get_str(m.root, "ca", WIRE_PEM_MAX, &m.ca, err);
    if (r == 0)
        r = wire_get_u64(m.root, "renew_after_ms", RENEW_MAX_MS, &m.renew_after_ms, err);
    if (r < 0) {
        msg_certificate_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_certificate_done(struct msg_certificate *m)
{
    json_object_put(m->root);
    *m = (struct msg_certificate){};
}
