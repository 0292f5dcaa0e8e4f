// SPDX-License-Identifier: Apache-2.0
//
// Log-in and sessions. A session is 32 random bytes, of which only a hash is stored; it ends when it was not used for
// session.idle, and session.max after log-in. Each log-in makes a new one. Wrong passwords are throttled for each user
// and each address (IPv6: each /64): five are free, then each doubles the time to wait, up to 15 minutes; counted before
// the password is looked at, in the database.
#pragma once

#include "registry/registry.h"

#define SESSION_TEXT_SIZE 44 // base64url of 32 bytes, and a NUL
#define LOGIN_CODE_SIZE   33 // hex of 16 bytes, and a NUL

struct registry_session {
    char user[REGISTRY_NAME_MAX + 1];
    uint32_t roles; // as they are now
    uint64_t created_ms, expires_ms;
    char csrf[SESSION_TEXT_SIZE]; // derived from the session's secret; what X-CSRF-Token has to be
};

struct registry_login {
    char token[SESSION_TEXT_SIZE]; // the cookie's value
    struct registry_session session;
};

// `before`: the cookie that came with the request, whose session ends; NULL: none. -EACCES: no such user, wrong
// password or disabled (one answer); -EAGAIN: throttled, *ret_wait_ms (may be NULL) says how long.
int registry_login(struct registry *rg, const char *user, const char *password, const char *address,
                   const char *before, struct registry_login *ret, uint64_t *ret_wait_ms,
                   struct error *err);

// A code that logs a user in once, within life_ms (at most 15 minutes).
int registry_login_code_create(struct registry *rg, const struct actor *actor, const char *user,
                               uint64_t life_ms, char ret_code[LOGIN_CODE_SIZE], struct error *err);
// -EACCES, -EAGAIN as above (throttled for each address).
int registry_login_once(struct registry *rg, const char *code, const char *address,
                        const char *before, struct registry_login *ret, uint64_t *ret_wait_ms,
                        struct error *err);

// Whose session a cookie is. 0, -EACCES (none, or over). Notes the use (at most once a minute).
int registry_session_check(struct registry *rg, const char *token, struct registry_session *ret);
// Compares in constant time.
bool registry_session_csrf_ok(const struct registry_session *s, const char *csrf);
int registry_logout(struct registry *rg, const struct actor *actor, const char *token,
                    struct error *err);
// Ends all of a user; returns how many in ret_n (may be NULL).
int registry_session_end_all(struct registry *rg, const struct actor *actor, const char *user,
                             unsigned *ret_n, struct error *err);
