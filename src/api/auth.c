// SPDX-License-Identifier: Apache-2.0
//
// Who asks, whether he may, and whether it was he who meant to: certificates, cookies, tokens, roles, CSRF.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

static const uint32_t roles_of[API_ACCESSES] = {
    [API_SELF] = ROLES_ALL,
    [API_VIEW] = ROLE_VIEWER | ROLE_OPERATOR | ROLE_AUDITOR,
    [API_OPERATE] = ROLE_OPERATOR,
    [API_ADMINISTER] = ROLE_ADMIN,
    [API_OVERSEE] = ROLE_ADMIN | ROLE_AUDITOR,
    [API_AUDIT] = ROLE_AUDITOR,
};

bool api_may(enum api_access access, const struct api_identity *identity)
{
    if (access == API_PUBLIC)
        return true;
    if (access == API_AGENT)
        return identity->kind == ACTOR_AGENT;
    return (identity->kind == ACTOR_USER || identity->kind == ACTOR_TOKEN) &&
           (unsigned)access < API_ACCESSES && identity->roles & roles_of[access];
}

static bool equal_secrets(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char differ = 0;

    if (len == 0 || len != strlen(b))
        return false;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

// "host", "host:1234", "[::1]:1234" without the port.
static size_t host_len(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;

    return end ? (size_t)(end - host) + 1 : strcspn(host, ":");
}

static bool is_address(const char *host, size_t len)
{
    if (*host == '[')
        return len > 2 && strspn(host + 1, "0123456789abcdefABCDEF:.") == len - 2;
    return len > 0 && strspn(host, "0123456789.") >= len;
}

// Names that somebody else's DNS points here are not served: a page of his would be of one origin with us.
int auth_check_host(struct api_request *rq, struct error *err)
{
    const char *host = api_header(rq, "Host");
    size_t len = host ? host_len(host) : 0;

    if (len == 0)
        return error_set(err, -EINVAL, "the request has no Host");
    if (!rq->api->names || is_address(host, len))
        return 0;
    STRV_FOREACH (name, rq->api->names)
        if (strlen(*name) == len && strncasecmp(*name, host, len) == 0)
            return 0;
    (void)error_set(err, -EINVAL, "the server is not known by this name");
    error_cure(err, "use a name of its certificate, or add it to 'names' in server.yaml");
    return api_fail(rq, -EINVAL, 421, "host");
}

// A browser says where a request was made. What is made elsewhere does not act in the name of who is signed in here.
static int check_origin(struct api_request *rq, struct error *err)
{
    const char *origin = api_header(rq, "Origin"), *site = api_header(rq, "Sec-Fetch-Site"), *rest;
    const char *host = strempty(api_header(rq, "Host"));

    rest = origin ? str_startswith(origin, "https://") : NULL;
    if ((origin && (!rest || strcasecmp(rest, host) != 0)) ||
        (site && !streq(site, "same-origin") && !streq(site, "none"))) {
        (void)error_set(err, -EACCES, "the request comes from another site");
        return api_fail(rq, -EACCES, 403, "origin");
    }
    return 0;
}

static bool changes(const struct api_request *rq)
{
    return rq->method != API_GET;
}

static int check_csrf(struct api_request *rq, struct error *err)
{
    const char *given = api_header(rq, "X-CSRF-Token");

    if (!changes(rq))
        return 0;
    if (!given || !equal_secrets(rq->identity.csrf, given)) {
        (void)error_set(err, -EACCES, "the request has no valid X-CSRF-Token");
        error_cure(err, "send the 'csrf' of GET /api/v1/session");
        return api_fail(rq, -EACCES, 403, "csrf");
    }
    return check_origin(rq, err);
}

static int unknown(struct api_request *rq, int r, struct error *err, const char *what)
{
    if (r != -EACCES)
        return error_is_set(err) ? r : error_set(err, r, "who this is cannot be looked up: %m");
    if (!error_is_set(err))
        (void)error_set(err, r, "%s", what);
    return rq->answer.code[0] ? r : api_fail(rq, r, 401, "unauthorized");
}

// A certificate is checked once a connection: signatures cost more than all else about a small request.
static bool is_known(struct api_request *rq)
{
    const struct api_identity *known = rq->conn ? rq->conn->known : NULL;

    if (!known || now_ns(CLOCK_REALTIME) / NS_PER_MS >= known->until_ms)
        return false;
    rq->identity = *known;
    return true;
}

static void keep_known(struct api_request *rq)
{
    if (!rq->conn || rq->identity.until_ms == 0)
        return;
    free(rq->conn->known);
    rq->conn->known = memdup(&rq->identity, sizeof(rq->identity)); // without memory: asked again
}

static int by_certificate(struct api_request *rq, struct error *err)
{
    const struct api_hooks *hooks = &rq->api->options.hooks;
    const struct tls_peer *peer = rq->conn ? &rq->conn->peer : NULL;
    int r;

    if (!hooks->agent || !rq->certificate.der) {
        (void)error_set(err, -EACCES, "%s",
                        peer && peer->verdict == PEER_BAD ? peer->why
                                                          : "no certificate of an agent was shown");
        return api_fail(rq, -EACCES, 401, "certificate");
    }
    if (is_known(rq))
        return 0;
    r = hooks->agent(rq->api->options.server, &rq->certificate, &rq->identity, err);
    if (r == 0)
        keep_known(rq);
    if (r == -EACCES || r == -EKEYEXPIRED)
        (void)api_fail(rq, r, 401, r == -EACCES ? "certificate" : "expired");
    return r < 0 ? unknown(rq, r, err, "this certificate is not known") : 0;
}

static int by_token(struct api_request *rq, const char *authorization, struct error *err)
{
    const struct api_hooks *hooks = &rq->api->options.hooks;
    int r;

    if (strncasecmp(authorization, "Bearer ", 7) != 0 || strlen(authorization) > AUTH_SECRET_MAX ||
        !hooks->token)
        return unknown(rq, -EACCES, err, "only 'Authorization: Bearer' with a token is known");
    if (rq->route->row->flags & API_COOKIE) {
        (void)error_set(err, -EACCES, "an API token cannot do this; sign in");
        return api_fail(rq, -EACCES, 403, "forbidden");
    }
    r = hooks->token(rq->api->options.server, authorization + 7, rq->address, &rq->identity, err);
    return r < 0 ? unknown(rq, r, err, "this token is not known, or no longer") : 0;
}

static int by_cookie(struct api_request *rq, struct error *err)
{
    const struct api_hooks *hooks = &rq->api->options.hooks;
    char value[AUTH_SECRET_MAX + 1];
    int r;

    if (!api_session_cookie(rq, value, sizeof(value)) || !hooks->session)
        return unknown(rq, -EACCES, err, "nobody is signed in");
    r = hooks->session(rq->api->options.server, value, rq->address, &rq->identity, err);
    if (r < 0)
        return unknown(rq, r, err, "the session is over");
    return check_csrf(rq, err);
}

static int identify(struct api_request *rq, struct error *err)
{
    const char *authorization = api_header(rq, "Authorization");

    if (rq->route->row->access == API_AGENT)
        return by_certificate(rq, err);
    return authorization ? by_token(rq, authorization, err) : by_cookie(rq, err);
}

int auth_identify(struct api_request *rq, struct error *err)
{
    enum api_access access = rq->route->row->access;
    int r;

    if (access == API_PUBLIC) {
        rq->identified = true;
        rq->actor.address = rq->address;
        // Nobody is to be signed in as somebody else by a page elsewhere.
        return changes(rq) ? check_origin(rq, err) : 0;
    }
    rq->identity = (struct api_identity){};
    r = identify(rq, err);
    if (r < 0)
        return r;
    rq->identified = true;
    rq->actor = (struct actor){
        .kind = rq->identity.kind,
        .name = rq->identity.name,
        .user = *rq->identity.user ? rq->identity.user : NULL,
        .address = rq->address,
        .roles = rq->identity.roles,
    };
    if (api_may(access, &rq->identity))
        return 0;
    (void)error_set(err, -EACCES, "your roles do not allow this");
    error_cure(err, "ask somebody who has the role, or an admin to give it to you");
    return api_fail(rq, -EACCES, 403, "forbidden");
}

// Whether it still may be sent -------------------------------------------------------------------

void auth_stand(const struct api_request *rq, struct auth_standing *ret)
{
    const char *authorization = api_header(rq, "Authorization");

    *ret = (struct auth_standing){.access = rq->route->row->access,
                                  .looked_ms = now_ns(CLOCK_MONOTONIC) / NS_PER_MS};
    (void)snprintf(ret->address, sizeof(ret->address), "%s", rq->address);
    // As it was found when the request came in.
    if (rq->identified && rq->identity.kind == ACTOR_TOKEN && authorization) {
        ret->token = true;
        (void)snprintf(ret->secret, sizeof(ret->secret), "%s", authorization + strlen("Bearer "));
    } else if (rq->identified && rq->identity.kind == ACTOR_USER) {
        (void)api_session_cookie(rq, ret->secret, sizeof(ret->secret));
    }
}

bool auth_stands(struct api *api, struct auth_standing *s, uint64_t now_ms)
{
    const struct api_hooks *hooks = &api->options.hooks;
    struct api_identity identity = {};
    struct error err = {};
    int r;

    if (!s->secret[0] || now_ms < s->looked_ms + MIN(AUTH_AGAIN_MS, api->limits.ping_ms))
        return true;
    s->looked_ms = now_ms;
    r = s->token ? hooks->token(api->options.server, s->secret, s->address, &identity, &err)
                 : hooks->session(api->options.server, s->secret, s->address, &identity, &err);
    explicit_bzero(identity.session, sizeof(identity.session));
    // What cannot be looked up now is looked up again.
    return r < 0 ? r != -EACCES : api_may(s->access, &identity);
}
