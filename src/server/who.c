// SPDX-License-Identifier: Apache-2.0
//
// Cookies, tokens and certificates become identities.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/macro.h"
#include "registry/apitoken.h"
#include "registry/cert.h"
#include "registry/session.h"
#include "server/server.h"
#include "transport/ca.h"

uint64_t server_now(void)
{
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

uint64_t server_host_key(const char *host)
{
    return XXH3_64bits(host, strlen(host)) >> 1; // keys with the highest bit are somebody's own
}

int who_session(struct server *s, const char *cookie, const char *address _unused_,
                struct api_identity *ret, struct error *err _unused_)
{
    struct registry_session session;
    int r = registry_session_check(s->registry, cookie, &session);

    if (r < 0)
        return r;
    ret->kind = ACTOR_USER;
    ret->roles = session.roles;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", session.user);
    (void)snprintf(ret->user, sizeof(ret->user), "%s", session.user);
    (void)snprintf(ret->csrf, sizeof(ret->csrf), "%s", session.csrf);
    (void)snprintf(ret->session, sizeof(ret->session), "%s", cookie);
    return 0;
}

int who_token(struct server *s, const char *token, const char *address _unused_,
              struct api_identity *ret, struct error *err _unused_)
{
    struct registry_api_token_use use;
    int r = registry_api_token_check(s->registry, token, &use);

    if (r < 0)
        return r;
    ret->kind = ACTOR_TOKEN;
    ret->roles = use.roles;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", use.name);
    (void)snprintf(ret->user, sizeof(ret->user), "%s", use.owner);
    return 0;
}

// Whether the host may speak is asked by each route of the link: a host that may not is told why.
int who_agent(struct server *s, const struct api_certificate *certificate, struct api_identity *ret,
              struct error *err)
{
    struct cert_info info;
    int r = ca_check_agent(s->ca, certificate->der, certificate->len, server_now(), &info, err);

    if (r == -ESTALE)
        r = -EKEYEXPIRED;
    else if (r == -EBADMSG)
        r = -EACCES;
    if (r < 0)
        return r;
    ret->kind = ACTOR_AGENT;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", info.agent_id);
    (void)snprintf(ret->session, sizeof(ret->session), "%s", info.serial);
    ret->until_ms = (uint64_t)MAX(info.not_after_ms, INT64_C(0));
    return 0;
}
