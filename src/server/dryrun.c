// SPDX-License-Identifier: Apache-2.0
#include "server/dryrun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"
#include "policy/explain.h"
#include "server/dryrun_facts.h"
#include "server/write.h"
#include "store/store.h"

#define PAGE           1000u
#define LINE_BYTES_MAX ((size_t)256 << 10)
#define KEYS_MAX       20000

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

// What the policy that is tried says of a record.
struct verdict {
    const struct policy_query *asked; // of which this is said
    struct policy_decision decision;
    bool unsaid;
};

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

// True: the policy decides. An earlier one, or none, decided before this one is asked; a later one only if this says nothing. An exec
// that no policy spoke of is asked now.
static bool is_asked(const struct trial *t, struct json_object *record, const struct verdict *v)
{
    int order = v->unsaid ? 1 : compare_file(t, record);

    return order == 0 || (order > 0 && v->decision.overall.matched);
}

static int rank(enum store_outcome o)
{
    return o == STORE_DENIED ? 3 : o == STORE_WOULD_DENY ? 2 : o == STORE_AUDITED ? 1 : 0;
}

// The strongest answer of all that the access asks.
static int decide(const struct trial *t, const struct dryrun_facts *f, struct verdict *ret)
{
    struct policy_decision d;

    *ret = (struct verdict){.unsaid = f->unsaid};
    for (size_t i = 0; i < f->n_asked; i++) {
        int r = policy_explain(t->check->image, &f->asked[i], &d);

        if (r < 0)
            return r;
        if (ret->asked && rank(outcome_of(&d)) <= rank(outcome_of(&ret->decision)) &&
            (ret->decision.overall.matched || !d.overall.matched))
            continue;
        ret->asked = &f->asked[i];
        ret->decision = d;
    }
    return ret->asked ? 0 : -ENOENT;
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

static void take_sample(struct trial *t, const struct store_row *row, const struct verdict *v,
                        const char *what, enum store_outcome was, enum store_outcome now)
{
    const struct policy_op_decision *d = &v->decision.overall;
    const struct policy_image_rule *rule;
    struct sample *s;

    if (t->n_samples == DRYRUN_SAMPLES_MAX)
        return;
    s = &t->samples[t->n_samples++];
    (void)snprintf(s->id, sizeof(s->id), "%s", row->id);
    (void)snprintf(s->host, sizeof(s->host), "%s", row->host);
    s->time_ms = row->columns.time_ms;
    s->was = was;
    s->now = now;
    s->program = v->asked->facts.exe ? strdup(v->asked->facts.exe) : NULL;
    s->path = strdup(what);
    if (d->matched && d->rule < t->check->image->n_rules) {
        rule = &t->check->image->rules[d->rule];
        if (asprintf(&s->rule, "%s:%u", t->name, rule->line) < 0)
            s->rule = NULL;
    }
}

// `own`: the policy that is tried decides.
static void add(struct trial *t, const struct store_row *row, const struct verdict *v, bool own)
{
    enum store_outcome was = v->unsaid ? STORE_ALLOWED : row->columns.outcome;
    enum store_outcome now = own ? outcome_of(&v->decision) : was;
    _cleanup_(sb_done) struct strbuf what = {};
    uint64_t n = row->columns.count;

    dryrun_asked_format(v->asked, &what);
    t->records++;
    t->audited += now == STORE_AUDITED;
    t->allowed += now == STORE_ALLOWED;
    // What other policies deny is not its doing.
    if (own && (now == STORE_DENIED || now == STORE_WOULD_DENY)) {
        t->denied += n;
        count_key(t->programs, v->asked->facts.exe, n);
        count_key(t->paths, sb_str(&what), n);
    }
    if (now != was) {
        t->changed++;
        take_sample(t, row, v, sb_str(&what), was, now);
    }
}

static int on_row(void *ctx, const struct store_row *row)
{
    struct trial *t = ctx;
    struct dryrun_facts f;
    struct json_object *o;
    struct verdict v;

    if (row->len > LINE_BYTES_MAX || row->columns.unreadable)
        return 0;
    json_tokener_reset(t->tokener);
    o = json_tokener_parse_ex(t->tokener, row->line, (int)row->len);
    if (o && dryrun_facts_read(t->check, row, o, &f) && decide(t, &f, &v) == 0)
        add(t, row, &v, is_asked(t, o, &v));
    json_object_put(o);
    return 0;
}

static int run(struct store *store, struct trial *t, uint64_t from_ms, uint64_t to_ms,
               bool *ret_truncated, struct error *err)
{
    // Files, and what is asked of the kernel: about kernel, memory, modules, processes, sockets (abi/control.def).
    static const uint32_t classes[] = {1001, 1003, 1004, 1005, 1007, 4001};
    const struct store_filter filter = {.from_ms = from_ms,
                                        .to_ms = to_ms,
                                        .classes = classes,
                                        .n_classes = ARRAY_SIZE(classes)};
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
