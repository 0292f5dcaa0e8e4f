// SPDX-License-Identifier: Apache-2.0
//
// A change: one transaction, with its row of the audit trail.
#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "registry/audit.h"
#include "registry/internal.h"

// SQLite takes the setting between transactions only, and the lock keeps others out.
static int set_durability(struct registry *rg, bool relaxed, struct error *err)
{
    int r = 0;

    if (rg->relaxed == relaxed)
        return 0;
    r = db_exec(rg->writer, relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
                err);
    if (r == 0)
        rg->relaxed = relaxed;
    return r;
}

int change_begin(struct registry *rg, const struct actor *actor, enum durability durability,
                 struct change *ret, struct error *err)
{
    int r;

    *ret = (struct change){.rg = rg, .db = rg->writer, .address = strempty(actor->address)};
    actor_format(&ret->actor, actor);
    (void)pthread_mutex_lock(&rg->write_lock);
    ret->locked = true;
    ret->now = registry_now(rg);
    r = set_durability(rg, durability == RELAXED, err);
    return r < 0 ? r : db_begin(rg->writer, DB_WRITE, &ret->txn, err);
}

void change_tell(struct change *c, enum registry_change change, const char *host)
{
    if (!host || (c->told && !streq(c->host, host)))
        c->host[0] = '\0';
    else
        (void)snprintf(c->host, sizeof(c->host), "%s", host);
    c->told |= 1u << change;
}

int change_commit(struct change *c, struct error *err)
{
    struct registry *rg = c->rg;
    int r = db_commit(&c->txn, err);
    uint32_t told = r < 0 ? 0 : c->told;

    if (r == 0 && c->live.host)
        live_set(rg, &c->live);
    for (unsigned i = 0; r == 0 && i < SETTING_N; i++)
        if (c->settings[i].set)
            r = settings_keep(rg, (enum setting)i, c->settings[i].value, c->settings[i].number);
    (void)pthread_mutex_unlock(&rg->write_lock);
    c->locked = false;
    for (unsigned i = 0; i < REGISTRY_CHANGES && rg->options.changed; i++)
        if (told & (1u << i))
            rg->options.changed(rg->options.ctx, (enum registry_change)i,
                                *c->host ? c->host : NULL);
    return r;
}

void change_done(struct change *c)
{
    db_txn_done(&c->txn);
    if (c->locked)
        (void)pthread_mutex_unlock(&c->rg->write_lock);
    c->locked = false;
    sb_done(&c->actor);
}

static int detail_text(struct strbuf *sb, const char *types, va_list ap)
{
    struct jw jw;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    for (; *types; types++) {
        const char *key = va_arg(ap, const char *), *text;

        if (*types == 'u') {
            jw_kv_u64(&jw, key, va_arg(ap, uint64_t));
        } else if (*types == 'b') {
            jw_kv_bool(&jw, key, va_arg(ap, int));
        } else if (*types == 'j') {
            text = va_arg(ap, const char *);
            jw_key(&jw, key);
            jw_raw(&jw, text, strlen(text));
        } else {
            jw_kv_str(&jw, key, va_arg(ap, const char *));
        }
    }
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int change_audit(struct change *c, struct error *err, const char *action, const char *target,
                 const char *types, ...)
{
    _cleanup_(sb_done) struct strbuf detail = {};
    va_list ap;
    int r;

    va_start(ap, types);
    r = detail_text(&detail, types, ap);
    va_end(ap);
    if (r < 0)
        return error_set(err, r, "the row of the audit trail could not be put together");
    return audit_add(c, action, target, sb_str(&detail), err);
}
