// SPDX-License-Identifier: Apache-2.0
//
// Users of the server. Passwords are stored as argon2id hashes. With the setting `separation` a user holds at most one
// of operator, admin and auditor; who has more from before keeps them until his roles are changed. The last admin who
// is not disabled can be neither removed, disabled nor stripped of the role.
#pragma once

#include "registry/registry.h"

#define USER_PASSWORD_MIN 12   // characters (code points)
#define USER_PASSWORD_MAX 1024 // bytes

struct registry_user {
    const char *name;
    uint32_t roles;
    bool disabled;
    bool has_password;                               // false: enters by one-time codes only
    uint64_t created_ms, password_ms, last_login_ms; // 0: never
};

typedef int (*registry_user_fn)(void *ctx, const struct registry_user *u);

int registry_user_list(struct registry *rg, registry_user_fn fn, void *ctx, struct error *err);
int registry_user_get(struct registry *rg, const char *name, registry_user_fn fn, void *ctx,
                      struct error *err);

// Names: 1 to 64 of a-z 0-9 . _ -, not starting with - or a dot. password NULL: none yet. -EEXIST, -EPERM (separation).
int registry_user_create(struct registry *rg, const struct actor *actor, const char *name,
                         const char *password, uint32_t roles, struct error *err);

struct registry_user_patch {
    const uint32_t *roles; // NULL: as they are
    const bool *disabled;  // NULL: as it is; a disabled user's sessions end
    const char *password;  // NULL: as it is; all sessions end
};
// -EBUSY: the last admin.
int registry_user_update(struct registry *rg, const struct actor *actor, const char *name,
                         const struct registry_user_patch *patch, struct error *err);
// His tokens and sessions go with him.
int registry_user_delete(struct registry *rg, const struct actor *actor, const char *name,
                         struct error *err);

// By himself. -EACCES: `old` is wrong (throttled as log-ins are: -EAGAIN). All sessions end.
int registry_user_change_password(struct registry *rg, const struct actor *actor, const char *name,
                                  const char *old, const char *password, struct error *err);
