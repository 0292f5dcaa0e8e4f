// SPDX-License-Identifier: Apache-2.0
//
// How a host gets its identity, renews it, and begins a session.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "registry/bundle.h"
#include "registry/cert.h"
#include "registry/enrol.h"
#include "registry/host.h"
#include "registry/settings.h"
#include "server/server.h"
#include "store/store.h"
#include "transport/ca.h"
#include "transport/msg_enrol.h"
#include "transport/msg_hello.h"
#include "transport/proof.h"
#include "transport/token.h"

int wire_fail(struct api_request *rq, int r, unsigned code)
{
    return api_fail(rq, r, wire_code_status((enum wire_code)code),
                    wire_code_word((enum wire_code)code));
}

// One JSON value that a message was written as.
static int put(struct jw *out, struct strbuf *sb, int r)
{
    if (r == 0)
        jw_raw(out, sb_str(sb), sb->len);
    return r;
}

static struct host_facts facts_of(const struct api_request *rq, const struct msg_host *host,
                                  const char *version)
{
    return (struct host_facts){
        .name = host->name,
        .machine_id = host->machine_id,
        .boot_id = host->boot_id,
        .os = host->os,
        .kernel = host->kernel,
        .arch = host->arch,
        .version = version,
        .address = api_address(rq),
    };
}

struct signing {
    const struct server *server;
    const char *csr;
    char *certificate;
    struct cert_info info;
    bool bad_request; // it was the request's fault
};

static int sign(void *ctx, const char *host, char ret_serial[REGISTRY_ID_MAX],
                uint64_t *ret_not_after_ms, struct error *err)
{
    struct signing *g = ctx;
    int r = ca_sign_agent_for(g->server->ca, g->csr, host, server_now(),
                              registry_setting_u64(g->server->registry, SETTING_CERT_LIFE),
                              &g->certificate, &g->info, err);

    g->bad_request = r == -EBADMSG || r == -EINVAL;
    if (r < 0)
        return r;
    (void)snprintf(ret_serial, REGISTRY_ID_MAX, "%s", g->info.serial);
    *ret_not_after_ms = (uint64_t)g->info.not_after_ms;
    return 0;
}

static int answer_certificate(const struct server *s, const char *agent_id, const char *certificate,
                              struct jw *out)
{
    const struct msg_certificate m = {
        .agent_id = agent_id,
        .certificate = certificate,
        .ca = ca_pem(s->ca),
        .renew_after_ms = ca_renew_after_life(registry_setting_u64(s->registry, SETTING_CERT_LIFE)),
    };
    _cleanup_(sb_done) struct strbuf sb = {};

    return put(out, &sb, msg_certificate_write(&sb, &m));
}

// A proof that is none is not a reason to refuse a good token: the host is a new one then.
static bool former_of(const struct server *s, const struct msg_enrol *m, struct cert_info *info,
                      struct registry_former *ret)
{
    if (!m->former || !m->proof || proof_check(s->ca, m->former, m->csr, m->proof, info, NULL) < 0)
        return false;
    *ret = (struct registry_former){.host = info->agent_id, .serial = info->serial};
    return true;
}

int route_agent_enrol(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct signing signing = {.server = s};
    char host[HOST_ID_SIZE];
    struct msg_enrol m = {};
    struct token token = {};
    const char *text;
    size_t len;
    int r;

    text = api_body_raw(rq, &len);
    r = msg_enrol_read(text, len, &m, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_bad_request);
    r = token_parse(m.token, &token, err);
    if (r < 0) {
        r = wire_fail(rq, r, WIRE_token);
    } else {
        const struct host_facts facts = facts_of(rq, &m.host, m.version);
        struct registry_former former;
        struct cert_info info;
        bool again = former_of(s, &m, &info, &former);

        signing.csr = m.csr;
        r = registry_enrol(s->registry, token.secret, &facts, again ? &former : NULL, sign,
                           &signing, host, err);
        if (r == -EACCES)
            r = wire_fail(rq, r, WIRE_token);
        else if (r < 0 && signing.bad_request)
            r = wire_fail(rq, r, WIRE_bad_request);
    }
    token_wipe(&token);
    if (r == 0)
        r = answer_certificate(s, host, signing.certificate, out);
    free(signing.certificate);
    msg_enrol_done(&m);
    return r;
}

int route_agent_renew(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct api_identity *who = api_identity(rq);
    struct signing signing = {.server = s};
    char serial[REGISTRY_ID_MAX] = "";
    struct msg_renew m = {};
    uint64_t not_after_ms = 0;
    const char *text;
    size_t len;
    int r;

    // A certificate that was taken away renews nothing.
    if (registry_cert_check(s->registry, who->name, who->session) == -EKEYREVOKED)
        return wire_fail(rq, error_set(err, -EACCES, "the certificate was revoked"), WIRE_revoked);
    text = api_body_raw(rq, &len);
    r = msg_renew_read(text, len, &m, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_bad_request);
    signing.csr = m.csr;
    r = sign(&signing, who->name, serial, &not_after_ms, err);
    if (r < 0 && signing.bad_request)
        r = wire_fail(rq, r, WIRE_bad_request);
    if (r == 0)
        r = registry_cert_add(s->registry, who->name, serial, not_after_ms, err);
    if (r == -EACCES)
        r = wire_fail(rq, r, WIRE_revoked);
    else if (r == -ENOENT)
        r = wire_fail(rq, r, WIRE_unknown);
    if (r == 0)
        r = answer_certificate(s, NULL, signing.certificate, out);
    free(signing.certificate);
    msg_renew_done(&m);
    return r;
}

static unsigned code_of(enum host_admission admission)
{
    switch (admission) {
    case HOST_REFUSED_CLONED: return WIRE_cloned;
    case HOST_REFUSED_REVOKED: return WIRE_revoked;
    case HOST_REFUSED_RETIRED: return WIRE_retired;
    case HOST_REFUSED_UNKNOWN:
    case HOST_ADMITTED: break;
    }
    return WIRE_unknown;
}

// How far the store is with the streams that the host still has.
static int answer_hello(struct server *s, const struct api_identity *who, const struct msg_hello *m,
                        const struct registry_hello *hello, struct jw *out, struct error *err)
{
    struct msg_hello_answer a = {.session = hello->session, .time_ms = server_now()};
    _cleanup_(sb_done) struct strbuf sb = {};
    char bundle[BUNDLE_ID_TEXT] = "";
    int r;

    for (size_t i = 0; i < m->n_streams; i++) {
        struct msg_stream *to = &a.streams[a.n_streams++];

        *to = (struct msg_stream){.class = m->streams[i].class, .id = m->streams[i].id};
        r = store_acked(s->store, who->name, &to->id, &to->acked);
        if (r < 0)
            return error_set(err, r, "the store cannot be asked: %m");
    }
    r = registry_bundle_wanted(s->registry, who->name, bundle, err);
    if (r < 0)
        return r;
    a.bundle = *bundle ? bundle : NULL;
    return put(out, &sb, msg_hello_answer_write(&sb, &a));
}

int route_agent_hello(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct api_identity *who = api_identity(rq);
    struct registry_hello hello = {};
    struct host_facts facts;
    struct msg_hello m = {};
    const char *text;
    size_t len;
    int r;

    text = api_body_raw(rq, &len);
    r = msg_hello_read(text, len, &m, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_bad_request);
    facts = facts_of(rq, &m.host, m.version);
    facts.machine_id = m.machine_id;
    facts.boot_id = m.boot_id;
    facts.time_ms = m.time_ms;
    r = registry_cert_check(s->registry, who->name, who->session);
    if (r == -EKEYREVOKED)
        r = wire_fail(rq, error_set(err, -EACCES, "the certificate was revoked"), WIRE_revoked);
    else if (r == -ENOENT)
        r = 0; // after a backup was brought back: the host decides
    if (r == 0)
        r = registry_hello(s->registry, who->name, who->session, &facts, &hello, err);
    if (r == 0 && hello.admission != HOST_ADMITTED)
        r = wire_fail(rq, error_set(err, -EACCES, "%s", strempty(hello.reason)),
                      code_of(hello.admission));
    if (r == 0)
        r = answer_hello(s, who, &m, &hello, out, err);
    msg_hello_done(&m);
    return r;
}
