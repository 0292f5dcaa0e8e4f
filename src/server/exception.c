// SPDX-License-Identifier: Apache-2.0
#include "server/exception.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "abi/policy.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "policy/explain.h"
#include "registry/alert.h"
#include "registry/bundle.h"
#include "registry/host.h"
#include "registry/policy.h"
#include "server/policycheck.h"
#include "store/store.h"

#define MARK      "# exception for alert "
#define NOTED_MAX 16

// What is known of the alert and its newest record.
struct source {
    char host[HOST_ID_SIZE];
    char *rule_file, *program, *path, *user, *rule;
    unsigned rule_line;
    uint32_t ops;
    char *newest;  // text of the policy's newest version
    char *applied; // text of the version that the host has; NULL: not known
};

static void source_done(struct source *s)
{
    free(s->rule_file);
    free(s->program);
    free(s->path);
    free(s->user);
    free(s->rule);
    free(s->newest);
    free(s->applied);
}

void proposal_done(struct proposal *p)
{
    free(p->policy);
    free(p->text);
    *p = (struct proposal){};
}

// Gathering ----------------------------------------------------------------------------------------

static int on_alert(void *ctx, const struct registry_alert *a)
{
    const char *slash = strrchr(a->rule_file, '/');
    struct source *s = ctx;

    (void)snprintf(s->host, sizeof(s->host), "%s", a->host);
    s->rule_file = strdup(slash ? slash + 1 : a->rule_file);
    s->program = strdup(a->program);
    s->path = strdup(a->path);
    s->user = strdup(a->user);
    s->rule = strdup(a->rule);
    s->rule_line = a->rule_line;
    return s->rule_file && s->program && s->path && s->user && s->rule ? 0 : -ENOMEM;
}

static int copy_text(void *ctx, const struct registry_policy_version *v)
{
    *(char **)ctx = xstrndup(v->text, v->text_len);
    return *(char **)ctx ? 0 : -ENOMEM;
}

static int on_file(void *ctx, const struct registry_bundle_file *f)
{
    struct source *s = ctx;

    if (!s->applied && streq(f->name, s->rule_file))
        s->applied = xstrndup(f->text, f->text_len);
    return 0;
}

static int on_host(void *ctx, const struct registry_host *h)
{
    (void)snprintf(ctx, BUNDLE_ID_TEXT, "%s", h->bundle_applied);
    return 0;
}

static uint32_t words_to_ops(struct json_object *list)
{
    uint32_t ops = 0;

    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        for (unsigned bit = 0; bit < SG_OP_COUNT; bit++)
            if (streq_ptr(policy_op_name(1u << bit),
                          json_object_get_string(json_object_array_get_idx(list, i))))
                ops |= 1u << bit;
    return ops;
}

// The newest record says which operations it was about.
static int on_row(void *ctx, const struct store_row *row)
{
    struct json_tokener *tokener = json_tokener_new_ex(2 * API_JSON_DEPTH);
    struct source *s = ctx;
    struct json_object *o = NULL;

    if (!tokener)
        return -ENOMEM;
    o = json_tokener_parse_ex(tokener, row->line, (int)row->len);
    s->ops = words_to_ops(json_get(json_get(o, "unmapped"), "access"));
    json_object_put(o);
    json_tokener_free(tokener);
    return 1;
}

static int gather(struct server *srv, uint64_t alert, struct source *s, struct error *err)
{
    struct store_filter filter = {.n_hosts = 1};
    char applied[BUNDLE_ID_TEXT] = "";
    const char *host = s->host;
    struct store_page page;
    int r = registry_alert_get(srv->registry, alert, on_alert, s, err);

    if (r < 0)
        return r;
    r = registry_policy_version(srv->registry, s->rule_file, 0, copy_text, &s->newest, NULL);
    if (r < 0) {
        (void)error_set(err, r,
                        "the rule of this alert is in '%.200s', which is no policy of this server",
                        s->rule_file);
        error_cure(err,
                   "write the exception into that file on the host, or bring it here as a policy");
        return r;
    }
    if (registry_host_get(srv->registry, host, on_host, applied, NULL) == 0 && *applied)
        (void)registry_bundle_files(srv->registry, host, applied, on_file, s, NULL);
    filter.hosts = &host;
    filter.rule = *s->rule ? s->rule : NULL;
    filter.program = *s->program ? s->program : NULL;
    r = store_query(srv->store, &filter, 1, NULL, true, on_row, s, &page, NULL);
    return MIN(r, 0);
}

// Where it goes ------------------------------------------------------------------------------------

// The line with this number, from 1, and its length; NULL: there is none.
static const char *line_at(const char *text, unsigned number, size_t *ret_len)
{
    for (; number > 1 && text; number--) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    if (!text || !*text)
        return NULL;
    *ret_len = strcspn(text, "\n");
    return text;
}

// The rule in the newest version: the line that is the same as the one in the version that decided, and nearest to it.
static unsigned find_line(const struct source *s)
{
    size_t wanted_len = 0, len = 0;
    const char *wanted = line_at(s->applied ? s->applied : s->newest, s->rule_line, &wanted_len),
               *line;
    unsigned best = 0, distance = UINT32_MAX;

    if (!wanted || s->rule_line == 0)
        return 0;
    for (unsigned n = 1; (line = line_at(s->newest, n, &len)); n++) {
        unsigned d = n > s->rule_line ? n - s->rule_line : s->rule_line - n;

        if (len == wanted_len && memcmp(line, wanted, len) == 0 && d < distance) {
            best = n;
            distance = d;
        }
    }
    return best;
}

static const struct policy_rule *rule_at(const struct policy *p, unsigned line)
{
    for (uint32_t i = 0; i < p->n_rules; i++)
        if (p->rules[i].pos.line == line)
            return &p->rules[i];
    return NULL;
}

// What is written ----------------------------------------------------------------------------------

// In double quotes as JSON has them, which YAML reads the same way.
static void put_quoted(struct strbuf *sb, const char *s, size_t len)
{
    struct jw jw;

    jw_init(&jw, sb);
    jw_str(&jw, s, len);
}

// A path as a pattern that means only itself.
static void put_literal(struct strbuf *sb, const char *path)
{
    _cleanup_(sb_done) struct strbuf escaped = {};

    for (; *path; path++) {
        if (strchr("*?[]\\", *path))
            sb_putc(&escaped, '\\');
        sb_putc(&escaped, *path);
    }
    put_quoted(sb, sb_str(&escaped), escaped.len);
}

static void put_ops(struct strbuf *sb, uint32_t ops)
{
    const char *comma = "";

    // One word stands for everything that changes: also for what is a part of it.
    if (ops & SG_OP_WRITE) {
        sb_puts(sb, "write");
        comma = ", ";
        ops &= ~(uint32_t)SG_OPS_WRITE;
    }
    for (unsigned bit = 0; bit < SG_OP_COUNT; bit++)
        if (ops >> bit & 1) {
            sb_printf(sb, "%s%s", comma, policy_op_name(1u << bit));
            comma = ", ";
        }
}

// What the rule says of one kind of abi/control.def, or of paths and programs (SG_CONTROL_COUNT).
static bool put_about(struct strbuf *sb, const struct policy_rule *rule, enum sg_control kind)
{
    bool any = false;

    for (uint32_t i = 0; i < rule->paths.n; i++) {
        const struct policy_pattern *p = &rule->paths.items[i];
        bool program = !p->control || rule->section == POLICY_SECTION_PROCESSES;

        if (program ? kind != SG_CONTROL_COUNT : p->control->kind != kind)
            continue;
        sb_puts(sb, any ? ", " : "[");
        put_quoted(sb, p->text, p->len);
        any = true;
    }
    sb_puts(sb, any ? "]" : "");
    return any;
}

static void put_kinds(struct strbuf *sb, const struct policy_rule *rule)
{
    const char *comma = "";

    for (enum sg_control kind = 0; kind < SG_CONTROL_COUNT; kind++) {
        _cleanup_(sb_done) struct strbuf values = {};

        if (!put_about(&values, rule, kind))
            continue;
        sb_printf(sb, "%s%s: %s", comma, policy_control_name(kind), sb_str(&values));
        comma = ", ";
    }
}

// What the exception is about, by the keys that the section of its rule has.
static void put_what(struct strbuf *sb, const struct source *s, const struct policy_rule *rule,
                     bool narrow)
{
    if (rule->section == POLICY_SECTION_CONTROL) {
        put_kinds(sb, rule);
        return;
    }
    sb_puts(sb, rule->section == POLICY_SECTION_FILES      ? "path: "
                : rule->ops & (SG_OP_EXEC | SG_OP_CONTROL) ? "exec: "
                                                           : "load: ");
    if (narrow)
        put_literal(sb, s->path);
    else
        (void)put_about(sb, rule, SG_CONTROL_COUNT);
    if (rule->section != POLICY_SECTION_FILES)
        return;
    sb_puts(sb, ", access: [");
    put_ops(sb, narrow && s->ops ? s->ops & rule->ops : rule->ops);
    sb_putc(sb, ']');
}

static void put_rule(struct strbuf *sb, const struct source *s, const struct policy_rule *rule,
                     enum exception_scope scope)
{
    sb_puts(sb, "- {");
    put_what(sb, s, rule, scope == EXCEPTION_PATH);
    sb_puts(sb, ", by: {");
    if (scope == EXCEPTION_USER) {
        sb_puts(sb, "user: ");
        put_quoted(sb, s->user, strlen(s->user));
    } else {
        sb_puts(sb, "exe: ");
        put_literal(sb, s->program);
    }
    sb_puts(sb, "}, do: allow}\n");
}

static void put_mark(struct strbuf *sb, uint64_t alert, const char *reason)
{
    sb_printf(sb, MARK "%llu: ", (unsigned long long)alert);
    // One line, whatever somebody wrote.
    for (; *reason; reason++)
        sb_putc(sb, (unsigned char)*reason < 0x20 || *reason == 0x7f ? ' ' : *reason);
    sb_putc(sb, '\n');
}

static int missing(const struct source *s, enum exception_scope scope, struct error *err)
{
    if (scope == EXCEPTION_PATH && *s->path != '/')
        return error_set(err, -EBUSY, "the alert says no whole path: choose a wider exception");
    if (scope != EXCEPTION_USER && *s->program != '/')
        return error_set(err, -EBUSY, "the alert says no program with its path: choose the user");
    if (scope == EXCEPTION_USER && !*s->user)
        return error_set(err, -EBUSY, "the alert says no user: choose the program");
    return 0;
}

static int put_text(const struct source *s, const struct policy *p, uint64_t alert,
                    enum exception_scope scope, const char *reason, struct strbuf *sb,
                    struct error *err)
{
    unsigned line = find_line(s);
    const struct policy_rule *rule = line ? rule_at(p, line) : NULL;
    size_t len = 0, indent;
    const char *at = line ? line_at(s->newest, line, &len) : NULL;

    if (!rule || !at) {
        (void)error_set(err, -EBUSY,
                        "the rule of this alert is not in the newest version of '%s' any more",
                        s->rule_file);
        error_cure(err, "see whether that version still refuses it");
        return -EBUSY;
    }
    if (rule->syscalls.n > 0 || rule->schedule || rule->section == POLICY_SECTION_NETWORK)
        return error_set(err, -EBUSY,
                         "the rule of this alert is about %s: write the exception by hand",
                         rule->section == POLICY_SECTION_NETWORK ? "sockets" : "system calls");
    indent = strspn(at, " ");
    if (at[indent] != '-')
        return error_set(
            err, -EBUSY,
            "line %u of '%s' is not the beginning of a rule: write the exception by hand", line,
            s->rule_file);
    sb_add(sb, s->newest, (size_t)(at - s->newest));
    sb_printf(sb, "%*s", (int)indent, "");
    put_mark(sb, alert, reason);
    sb_printf(sb, "%*s", (int)indent, "");
    put_rule(sb, s, rule, scope);
    sb_puts(sb, at);
    return 0;
}

int exception_propose(struct server *s, uint64_t alert, enum exception_scope scope,
                      const char *reason, struct proposal *ret, struct error *err)
{
    _cleanup_(source_done) struct source source = {};
    _cleanup_(check_done) struct check before = {}, after = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = gather(s, alert, &source, err);

    if (r == 0)
        r = missing(&source, scope, err);
    if (r == 0)
        r = check_policy(source.rule_file, source.newest, strlen(source.newest), &before, err);
    if (r == 0 && !before.policy)
        r = error_set(err, -EBUSY, "the newest version of '%s' has mistakes", source.rule_file);
    if (r == 0)
        r = put_text(&source, before.policy, alert, scope, reason, &sb, err);
    if (r == 0)
        r = check_policy(source.rule_file, sb_str(&sb), sb.len, &after, err);
    if (r == 0 && !after.image)
        r = error_set(err, -EBUSY, "the exception cannot be written by itself: %s",
                      after.diags.n ? strempty(after.diags.items[0].message) : "it is too large");
    if (r < 0)
        return r;
    ret->policy = TAKE_PTR(source.rule_file);
    return sb_finish(&sb, &ret->text);
}

// Noting -------------------------------------------------------------------------------------------

static bool has_line(const char *text, const char *line, size_t len)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        at += strspn(at, " \t");
        if (strncmp(at, line, len) == 0 && (at[len] == '\n' || !at[len]))
            return true;
    }
    return false;
}

static void note(struct server *s, const struct actor *actor, const char *policy, unsigned version,
                 const char *mark, size_t len)
{
    const char *number = mark + strlen(MARK), *rule = mark + len + (mark[len] == '\n');
    _cleanup_free_ char *rule_text = NULL, *reason = NULL, *digits = NULL;
    size_t n = strspn(number, "0123456789");
    uint64_t alert;

    if (n == 0 || n > 18 || number[n] != ':')
        return;
    rule += strspn(rule, " ");
    digits = xstrndup(number, n);
    reason = xstrndup(number + n + 1 + strspn(number + n + 1, " "), len - strlen(MARK) - n - 1);
    rule_text = xstrndup(rule, strcspn(rule, "\n"));
    if (!digits || !reason || !rule_text || parse_u64(digits, &alert) < 0)
        return;
    reason[strcspn(reason, "\n")] = '\0';
    // An alert that is not there, or a reason that is empty, is no reason to refuse the version.
    (void)registry_alert_except(s->registry, actor, alert,
                                &(struct registry_alert_exception){.policy = policy,
                                                                   .version = version,
                                                                   .rule_text = rule_text,
                                                                   .reason = reason},
                                NULL);
}

void exceptions_note(struct server *s, const struct actor *actor, const char *policy,
                     unsigned version, const char *before, const char *after)
{
    unsigned n = 0;

    for (const char *at = after; (at = strstr(at, MARK)) && n < NOTED_MAX; at += strlen(MARK)) {
        size_t len = strcspn(at, "\n");

        if (has_line(before, at, len))
            continue;
        note(s, actor, policy, version, at, len);
        n++;
    }
}
