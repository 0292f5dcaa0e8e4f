// SPDX-License-Identifier: Apache-2.0
#include "server/dryrun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "abi/policy.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"
#include "policy/explain.h"
#include "server/write.h"
#include "store/store.h"

#define PAGE           1000u
#define LINE_BYTES_MAX ((size_t)256 << 10)
#define KEYS_MAX       20000
#define CLASS_FILE     1001u

struct sample {
    char id[STORE_ID_SIZE];
    char host[40];
    uint64_t time_ms;
    enum store_outcome was, now;
    char *program, *path, *rule;
};

struct trial {
    const struct check *check;
    const char *name; // of the file
    struct json_tokener *tokener;
    uint64_t records, allowed, audited, changed;
    uint64_t denied;              // accesses, of which a record may have many
    struct map *programs, *paths; // that it would deny → uint64_t
    struct sample samples[DRYRUN_SAMPLES_MAX];
    size_t n_samples;
};

// What a record says of who asked, as the rules see it.
struct facts {
    struct policy_query query;
    const char *ancestors[POLICY_ANCESTORS_MAX];
};

static uint32_t ops_of(struct json_object *unmapped)
{
    struct json_object *list = json_get(unmapped, "access");
    uint32_t ops = 0;

    if (!json_object_is_type(list, json_type_array))
        return 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *word = strempty(json_object_get_string(json_object_array_get_idx(list, i)));

        for (unsigned bit = 0; bit < SG_OP_COUNT; bit++)
            if (streq(word, strempty(policy_op_name(1u << bit))))
                ops |= 1u << bit;
    }
    return ops;
}

static uint32_t uid_of(const struct trial *t, struct json_object *process)
{
    struct json_object *user = json_get(process, "user");
    const char *name = json_get_str(user, "name", NULL), *uid = json_get_str(user, "uid", NULL);
    uint32_t number;

    // By name where a rule names him: the number may be another on each host.
    if (name && check_user(t->check, name, strlen(name), &number) == 0)
        return number;
    if (uid && parse_u32(uid, &number) == 0)
        return number;
    return (uint32_t)json_get_u64(process, "euid", UINT32_MAX);
}

static uint32_t login_of(const struct trial *t, struct json_object *actor,
                         struct json_object *process)
{
    const char *name = json_get_str(json_get(actor, "user"), "name", NULL);
    uint32_t number;

    if (name && check_user(t->check, name, strlen(name), &number) == 0)
        return number;
    return (uint32_t)json_get_u64(process, "auid", UINT32_MAX);
}

static int session_of(struct json_object *actor)
{
    static const char *const names[SG_SESSION_COUNT] = {"none", "service", "ssh", "cron",
                                                        "console"};
    const char *issuer = json_get_str(json_get(actor, "session"), "issuer", NULL);

    for (int i = 0; issuer && i < SG_SESSION_COUNT; i++)
        if (streq(issuer, names[i]))
            return i;
    return -1;
}

static void read_ancestors(struct json_object *process, struct facts *f)
{
    struct json_object *list = json_get(process, "ancestry");
    const char *parent = json_get_str(json_get(process, "parent_process"), "path", NULL);
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && f->query.facts.n_ancestors < POLICY_ANCESTORS_MAX; i++) {
        const char *path = json_get_str(json_object_array_get_idx(list, i), "path", NULL);

        if (path && *path == '/')
            f->ancestors[f->query.facts.n_ancestors++] = path;
    }
    if (n == 0 && parent && *parent == '/')
        f->ancestors[f->query.facts.n_ancestors++] = parent;
    f->query.facts.ancestors = f->ancestors;
}

// False: not an access to a file whose place is known.
static bool read_facts(const struct trial *t, struct json_object *record, struct facts *f)
{
    struct json_object *actor = json_get(record, "actor"), *process = json_get(actor, "process"),
                       *unmapped = json_get(record, "unmapped");
    const char *path = json_get_str(json_get(record, "file"), "path", NULL),
               *exe = json_get_str(json_get(process, "file"), "path", NULL),
               *cgroup = json_get_str(unmapped, "cgroup", NULL);

    *f = (struct facts){.query = {.path = path, .ops = ops_of(unmapped)}};
    if (!path || *path != '/' || !f->query.ops || json_get(unmapped, "path_kind"))
        return false;
    f->query.path_len = strlen(path);
    f->query.facts.exe = exe && *exe == '/' ? exe : NULL;
    f->query.facts.uid = uid_of(t, process);
    f->query.facts.login_uid = login_of(t, actor, process);
    f->query.facts.session = session_of(actor);
    f->query.facts.container = json_get(process, "container") != NULL;
    f->query.facts.cgroup = cgroup && *cgroup == '/' ? cgroup : NULL;
    f->query.has_when = true;
    f->query.when = (time_t)(json_get_u64(record, "time", 0) / 1000);
    read_ancestors(process, f);
    return true;
}

static enum store_outcome outcome_of(const struct policy_decision *d)
{
    if (!d->overall.matched)
        return STORE_ALLOWED;
    if (d->overall.verdict >= SG_DENY)
        return d->overall.monitor ? STORE_WOULD_DENY : STORE_DENIED;
    return d->overall.verdict == SG_AUDIT ? STORE_AUDITED : STORE_ALLOWED;
}

// The file of the rule that decided then: its name without directories.
static int compare_file(const struct trial *t, struct json_object *record)
{
    const char *file = json_get_str(json_get(record, "unmapped"), "rule_file", NULL), *slash;

    if (!file)
        return -1;
    slash = strrchr(file, '/');
    return strcmp(slash ? slash + 1 : file, t->name);
}

// True: the policy decides. An earlier one, or none, decided before this one is asked; a later one only if this says nothing.
static bool is_asked(const struct trial *t, struct json_object *record,
                     const struct policy_decision *d)
{
    int order = compare_file(t, record);

    return order == 0 || (order > 0 && d->overall.matched);
}

static void count_key(struct map *m, const char *s, uint64_t n)
{
    uint64_t *count;

    if (!s)
        return;
    count = map_get_str(m, s);
    if (!count) {
        count = mallocz(sizeof(*count));
        if (!count || map_put_str(m, s, count) < 0) {
            free(count);
            return;
        }
    }
    *count += n;
}

static void take_sample(struct trial *t, const struct store_row *row, const struct facts *f,
                        enum store_outcome now, const struct policy_decision *d)
{
    const struct policy_image_rule *rule;
    struct sample *s;

    if (t->n_samples == DRYRUN_SAMPLES_MAX)
        return;
    s = &t->samples[t->n_samples++];
    (void)snprintf(s->id, sizeof(s->id), "%s", row->id);
    (void)snprintf(s->host, sizeof(s->host), "%s", row->host);
    s->time_ms = row->columns.time_ms;
    s->was = row->columns.outcome;
    s->now = now;
    s->program = f->query.facts.exe ? strdup(f->query.facts.exe) : NULL;
    s->path = strdup(f->query.path);
    if (d->overall.matched && d->overall.rule < t->check->image->n_rules) {
        rule = &t->check->image->rules[d->overall.rule];
        if (asprintf(&s->rule, "%s:%u", t->name, rule->line) < 0)
            s->rule = NULL;
    }
}

// `own`: the policy that is tried decides.
static void add(struct trial *t, const struct store_row *row, const struct facts *f, bool own,
                const struct policy_decision *d)
{
    enum store_outcome now = own ? outcome_of(d) : row->columns.outcome;
    uint64_t n = row->columns.count;

    t->records++;
    t->audited += now == STORE_AUDITED;
    t->allowed += now == STORE_ALLOWED;
    // What other policies deny is not its doing.
    if (own && (now == STORE_DENIED || now == STORE_WOULD_DENY)) {
        t->denied += n;
        count_key(t->programs, f->query.facts.exe, n);
        count_key(t->paths, f->query.path, n);
    }
    if (now != row->columns.outcome) {
        t->changed++;
        take_sample(t, row, f, now, d);
    }
}

static int on_row(void *ctx, const struct store_row *row)
{
    struct trial *t = ctx;
    struct policy_decision d;
    struct json_object *o;
    struct facts f;

    if (row->len > LINE_BYTES_MAX || row->columns.unreadable || row->columns.outcome == STORE_OTHER)
        return 0;
    json_tokener_reset(t->tokener);
    o = json_tokener_parse_ex(t->tokener, row->line, (int)row->len);
    if (o && read_facts(t, o, &f) && policy_explain(t->check->image, &f.query, &d) == 0)
        add(t, row, &f, is_asked(t, o, &d), &d);
    json_object_put(o);
    return 0;
}

static int run(struct store *store, struct trial *t, uint64_t from_ms, uint64_t to_ms,
               bool *ret_truncated, struct error *err)
{
    const struct store_filter filter = {.from_ms = from_ms,
                                        .to_ms = to_ms,
                                        .class_uid = CLASS_FILE};
    uint64_t end = now_ns(CLOCK_MONOTONIC) + DRYRUN_MS_MAX * NS_PER_MS, scanned = 0;
    struct store_page page = {.more = true};
    int r = 0;

    while (r == 0 && page.more && scanned < DRYRUN_RECORDS_MAX && now_ns(CLOCK_MONOTONIC) < end) {
        char cursor[STORE_CURSOR_SIZE];

        memcpy(cursor, page.cursor, sizeof(cursor));
        r = store_query(store, &filter, PAGE, cursor, true, on_row, t, &page, err);
        scanned += page.n;
        if (r == 0 && page.more && !*page.cursor)
            break;
    }
    *ret_truncated = page.more;
    return r;
}

// The result ---------------------------------------------------------------------------------------

struct ranked {
    const char *key;
    uint64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->key, y->key);
}

static void write_top(struct jw *out, const char *key, const struct map *m)
{
    struct ranked *all = new0(struct ranked, map_len(m));
    struct map_iter it = {};
    size_t n = 0;

    while (all && map_next(m, &it))
        all[n++] = (struct ranked){it.key_str, *(const uint64_t *)it.value};
    if (all)
        qsort(all, n, sizeof(*all), by_count);
    jw_kv_array(out, key);
    for (size_t i = 0; i < MIN(n, (size_t)DRYRUN_TOP); i++) {
        jw_begin_object(out);
        jw_kv_str(out, "key", all[i].key);
        jw_kv_str(out, "label", all[i].key);
        jw_kv_u64(out, "count", all[i].count);
        jw_end_object(out);
    }
    jw_end_array(out);
    free(all);
}

static void write_samples(struct jw *out, const struct trial *t)
{
    jw_kv_array(out, "samples");
    for (size_t i = 0; i < t->n_samples; i++) {
        const struct sample *s = &t->samples[i];

        jw_begin_object(out);
        jw_kv_str(out, "event", s->id);
        jw_kv_u64(out, "time", s->time_ms);
        jw_kv_str(out, "host", s->host);
        write_text(out, "program", s->program);
        write_text(out, "path", s->path);
        jw_kv_str(out, "was", store_outcome_name(s->was));
        jw_kv_str(out, "now", store_outcome_name(s->now));
        write_text(out, "rule", s->rule);
        jw_end_object(out);
    }
    jw_end_array(out);
}

static void write_result(struct jw *out, const struct trial *t, bool truncated)
{
    jw_begin_object(out);
    jw_kv_u64(out, "records", t->records);
    jw_kv_u64(out, "denied", t->denied);
    jw_kv_u64(out, "allowed", t->allowed);
    jw_kv_u64(out, "audited", t->audited);
    jw_kv_u64(out, "changed", t->changed);
    jw_kv_bool(out, "truncated", truncated);
    write_top(out, "programs", t->programs);
    write_top(out, "paths", t->paths);
    write_samples(out, t);
    jw_end_object(out);
}

static void trial_done(struct trial *t)
{
    for (size_t i = 0; i < t->n_samples; i++) {
        free(t->samples[i].program);
        free(t->samples[i].path);
        free(t->samples[i].rule);
    }
    map_free(t->programs);
    map_free(t->paths);
    json_tokener_free(t->tokener);
}

int dryrun(struct store *store, const struct check *check, const char *name, uint64_t from_ms,
           uint64_t to_ms, struct jw *out, struct error *err)
{
    struct trial t = {.check = check,
                      .name = name,
                      .tokener = json_tokener_new_ex(API_JSON_DEPTH * 2)};
    bool truncated = false;
    int r = 0;

    if (!t.tokener || map_new(MAP_STR, KEYS_MAX, free, &t.programs) < 0 ||
        map_new(MAP_STR, KEYS_MAX, free, &t.paths) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = run(store, &t, from_ms, to_ms, &truncated, err);
    if (r == 0)
        write_result(out, &t, truncated);
    trial_done(&t);
    return r;
}
