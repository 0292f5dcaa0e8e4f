// SPDX-License-Identifier: Apache-2.0
#include "model/actor.h"

#include <stddef.h>

#include "base/macro.h"

static const struct {
    uint32_t role;
    const char *name;
} roles_by_name[] = {
#define ROLE(id, bit, name, help) {ROLE_##id, (name)},
#include "model/roles.def"
};

uint32_t role_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(roles_by_name); i++)
        if (streq(name, roles_by_name[i].name))
            return roles_by_name[i].role;
    return 0;
}

static void format(struct strbuf *sb, uint32_t roles, const char *quote)
{
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_SIZE(roles_by_name); i++) {
        if (!(roles & roles_by_name[i].role))
            continue;
        sb_printf(sb, "%s%s%s%s", separator, quote, roles_by_name[i].name, quote);
        separator = ",";
    }
}

void roles_format(struct strbuf *sb, uint32_t roles)
{
    format(sb, roles, "");
}

void roles_json(struct strbuf *sb, uint32_t roles)
{
    sb_putc(sb, '[');
    format(sb, roles, "\"");
    sb_putc(sb, ']');
}

void actor_format(struct strbuf *sb, const struct actor *actor)
{
    static const char *const kinds[] = {
        [ACTOR_USER] = "user",   [ACTOR_TOKEN] = "token",   [ACTOR_AGENT] = "agent",
        [ACTOR_LOCAL] = "local", [ACTOR_SERVER] = "server",
    };

    STATIC_ASSERT(ARRAY_SIZE(kinds) == ACTOR_KINDS, "a kind has no name");
    sb_puts(sb, kinds[actor->kind]);
    if (actor->name)
        sb_printf(sb, ":%s", actor->name);
    if (actor->kind == ACTOR_TOKEN && actor->user)
        sb_printf(sb, "@%s", actor->user);
}
