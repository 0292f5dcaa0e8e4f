// SPDX-License-Identifier: Apache-2.0
#include "agent/facts.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

void facts_done(struct facts *f)
{
    sb_done(&f->text);
}

static size_t keep(struct facts *f, struct bytes b)
{
    size_t at = f->text.len;

    sb_add(&f->text, b.s, b.len);
    sb_putc(&f->text, '\0');
    return at;
}

// What is no path is not known: kernel threads have no program, and what lies outside of the agent's root has none to be
// judged by.
static const char *path_or_null(const char *text)
{
    return text[0] == '/' ? text : NULL;
}

int facts_of(const struct who *who, const struct opened_task *t, struct facts *f)
{
    size_t exe = keep(f, who->exe), cgroup = keep(f, who->cgroup);
    uint32_t n = MIN(who->n_ancestors, (uint32_t)POLICY_ANCESTORS_MAX);

    for (uint32_t i = 0; i < n; i++)
        f->offsets[i] = keep(f, who->ancestors[i].exe);
    if (f->text.failed)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        f->ancestors[i] = path_or_null(f->text.s + f->offsets[i]);
    for (const char *at = t->env; at && at < t->env + t->env_len && f->n_env < FACTS_ENVS_MAX;
         at += strlen(at) + 1)
        f->env[f->n_env++] = at;
    f->facts = (struct policy_facts){
        .env = f->env,
        .n_env = f->n_env,
        // A process whose first thread has ended shows no program of its own.
        .exe = path_or_null(who->exe.len || !t->exe ? f->text.s + exe : t->exe),
        .ancestors = f->ancestors,
        .n_ancestors = n,
        // Of the table's processes only records say that they changed it.
        .uid = t->euid != ID_NONE ? t->euid : who->euid,
        .gids = t->gids,
        .n_gids = t->n_gids,
        .login_uid = who->login_uid,
        .caps = t->caps,
        .cgroup = path_or_null(f->text.s + cgroup),
        .session = who->session != SG_SESSION_NONE ? (int)who->session : -1,
        .container = t->container,
    };
    return 0;
}
