// SPDX-License-Identifier: Apache-2.0
//
// Signing in and out.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/session.h"
#include "registry/user.h"
#include "server/server.h"

// Each takes 64 MiB and a processor for a moment: people who guess are not to take all of them.
#define LOGINS_MAX 2

static void write_session(struct jw *out, const char *user, uint32_t roles, const char *csrf)
{
    _cleanup_(sb_done) struct strbuf list = {};

    roles_json(&list, roles);
    jw_begin_object(out);
    jw_kv_str(out, "user", user);
    jw_key(out, "roles");
    jw_raw(out, sb_str(&list), list.len);
    jw_kv_str(out, "csrf", csrf);
    jw_kv_u64(out, "time", server_now());
    jw_end_object(out);
}

static int refuse(struct api_request *rq, int r, uint64_t wait_ms)
{
    char text[24];

    if (r == -EACCES)
        return api_fail(rq, r, 401, "login");
    if (r == -EAGAIN && wait_ms > 0) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)((wait_ms + 999) / 1000));
        (void)api_set_header(rq, "Retry-After", text);
        return api_fail(rq, r, 429, "throttled");
    }
    return r;
}

static int enter(struct server *s, struct error *err)
{
    if (atomic_fetch_add(&s->logins, 1) < LOGINS_MAX)
        return 0;
    atomic_fetch_sub(&s->logins, 1);
    return error_set(err, -EAGAIN, "others are signing in at this moment");
}

static void leave(struct server *s)
{
    atomic_fetch_sub(&s->logins, 1);
}

static int admit(struct api_request *rq, const struct registry_login *login, struct jw *out)
{
    int r = api_set_session(rq, login->token);

    if (r == 0)
        write_session(out, login->session.user, login->session.roles, login->session.csrf);
    return r;
}

// Whoever signs in anew ends the session that he came with, and never gets its name.
int route_login(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct registry_login login = {};
    uint64_t wait_ms = 0;
    char before[128];
    int r = enter(s, err);

    if (r < 0)
        return r;
    r = registry_login(s->registry, json_get_str(api_body(rq), "user", ""),
                       json_get_str(api_body(rq), "password", ""), api_address(rq),
                       api_session_cookie(rq, before, sizeof(before)), &login, &wait_ms, err);
    leave(s);
    r = r < 0 ? refuse(rq, r, wait_ms) : admit(rq, &login, out);
    explicit_bzero(&login, sizeof(login));
    return r;
}

int route_login_once(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct registry_login login = {};
    uint64_t wait_ms = 0;
    char before[128];
    int r;

    r = registry_login_once(s->registry, json_get_str(api_body(rq), "code", ""), api_address(rq),
                            api_session_cookie(rq, before, sizeof(before)), &login, &wait_ms, err);
    r = r < 0 ? refuse(rq, r, wait_ms) : admit(rq, &login, out);
    explicit_bzero(&login, sizeof(login));
    return r;
}

int route_logout(struct server *s, struct api_request *rq, struct jw *out _unused_,
                 struct error *err)
{
    int r = registry_logout(s->registry, api_actor(rq), api_identity(rq)->session, err);

    return r < 0 && r != -ENOENT ? r : api_set_session(rq, NULL);
}

int route_session(struct server *s _unused_, struct api_request *rq, struct jw *out,
                  struct error *err _unused_)
{
    const struct api_identity *who = api_identity(rq);

    write_session(out, who->user, who->roles, *who->csrf ? who->csrf : NULL);
    return 0;
}

// All sessions end, and the one who did it begins a new one.
int route_session_password(struct server *s, struct api_request *rq, struct jw *out,
                           struct error *err)
{
    const char *user = api_identity(rq)->user, *password = json_get_str(api_body(rq), "new", "");
    struct registry_login login = {};
    uint64_t wait_ms = 0;
    int r = enter(s, err);

    if (r < 0)
        return r;
    r = registry_user_change_password(s->registry, api_actor(rq), user,
                                      json_get_str(api_body(rq), "old", ""), password, err);
    if (r == -EACCES)
        (void)api_fail(rq, r, 403, "password");
    if (r == 0)
        r = registry_login(s->registry, user, password, api_address(rq), NULL, &login, &wait_ms,
                           err);
    leave(s);
    if (r == 0)
        r = admit(rq, &login, out);
    explicit_bzero(&login, sizeof(login));
    return r;
}
