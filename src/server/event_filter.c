// SPDX-License-Identifier: Apache-2.0
#include "server/event_filter.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "server/server.h"

static int read_classes(const struct api_request *rq, const char *name, uint32_t *classes,
                        size_t *ret_n, struct error *err)
{
    const char *const *list = api_query_list(rq, name);
    size_t n;

    for (n = 0; list && list[n] && n < STORE_CLASSES_MAX; n++)
        if (parse_u32(list[n], &classes[n]) < 0) {
            (void)error_set(err, -EINVAL, "%s: '%.64s' is no class", name, list[n]);
            error_expected(err, "numbers of OCSF, as 1001 or 1007");
            return -EINVAL;
        }
    *ret_n = n;
    return 0;
}

static unsigned read_outcomes(const struct api_request *rq, const char *name)
{
    const char *const *list = api_query_list(rq, name);
    enum store_outcome outcome;
    unsigned bits = 0;

    for (size_t i = 0; list && list[i]; i++)
        if (store_outcome_find(list[i], &outcome) == 0)
            bits |= 1u << outcome;
    return bits;
}

int event_filter_read(const struct api_request *rq, struct event_filter *ret, struct error *err)
{
    int r;

    *ret = (struct event_filter){
        .f = {.from_ms = api_query_time(rq, "from", 0),
              .to_ms = api_query_time(rq, "to", 0),
              .hosts = api_query_list(rq, "host"),
              .severity_min = (uint32_t)api_query_u64(rq, "severity", 0),
              .rule = api_query_str(rq, "rule", NULL),
              .policy = api_query_str(rq, "policy", NULL),
              .user = api_query_str(rq, "user", NULL),
              .program = api_query_str(rq, "program", NULL),
              .path = api_query_str(rq, "path", NULL),
              .text = api_query_str(rq, "q", NULL),
              .outcomes = read_outcomes(rq, "outcome"),
              .not_hosts = api_query_list(rq, "not_host"),
              .not_rules = api_query_list(rq, "not_rule"),
              .not_policies = api_query_list(rq, "not_policy"),
              .not_users = api_query_list(rq, "not_user"),
              .not_programs = api_query_list(rq, "not_program"),
              .not_paths = api_query_list(rq, "not_path"),
              .not_outcomes = read_outcomes(rq, "not_outcome"),
              .classes = ret->classes,
              .not_classes = ret->not_classes},
    };
    ret->f.marks[STORE_MARK_PROCESS] = api_query_list(rq, "process");
    ret->f.marks[STORE_MARK_ADDRESS] = api_query_list(rq, "address");
    ret->f.marks[STORE_MARK_PORT] = api_query_list(rq, "port");
    ret->f.marks[STORE_MARK_DOMAIN] = api_query_list(rq, "domain");
    while (ret->f.hosts && ret->f.hosts[ret->f.n_hosts])
        ret->f.n_hosts++;
    r = read_classes(rq, "class", ret->classes, &ret->f.n_classes, err);
    return r < 0 ? r : read_classes(rq, "not_class", ret->not_classes, &ret->f.n_not_classes, err);
}

int event_filter_read_times(const struct api_request *rq, struct event_filter *ret,
                            struct error *err)
{
    int r = event_filter_read(rq, ret, err);

    if (r < 0)
        return r;
    if (ret->f.to_ms == 0)
        ret->f.to_ms = server_now() + 1;
    if (ret->f.from_ms == 0)
        ret->f.from_ms = ret->f.to_ms > EVENT_DAY_MS ? ret->f.to_ms - EVENT_DAY_MS : 1;
    return 0;
}

// ---- copies

enum {
    KEPT_HOSTS,
    KEPT_NOT_HOSTS,
    KEPT_RULES,
    KEPT_POLICIES,
    KEPT_USERS,
    KEPT_PROGRAMS,
    KEPT_PATHS,
    KEPT_MARKS,
    KEPT_LISTS = KEPT_MARKS + STORE_MARKS
};

struct kept {
    struct store_filter f;
    char **lists[KEPT_LISTS];
    uint32_t classes[STORE_CLASSES_MAX], not_classes[STORE_CLASSES_MAX];
    char *texts[7];
};

struct store_filter *event_filter_free(struct store_filter *f)
{
    struct kept *k = (struct kept *)f;

    if (!k)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(k->lists); i++)
        strv_free(k->lists[i]);
    for (size_t i = 0; i < ARRAY_SIZE(k->texts); i++)
        free(k->texts[i]);
    free(k);
    return NULL;
}

static int keep_texts(struct kept *k)
{
    const char **texts[] = {&k->f.rule, &k->f.policy, &k->f.user,    &k->f.program,
                            &k->f.path, &k->f.text,   &k->f.cmd_line};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (*texts[i] && !(k->texts[i] = strdup(*texts[i])))
            return -ENOMEM;
        *texts[i] = k->texts[i];
    }
    return 0;
}

static int keep_lists(struct kept *k)
{
    const char *const **lists[KEPT_LISTS] = {
        [KEPT_HOSTS] = &k->f.hosts,     [KEPT_NOT_HOSTS] = &k->f.not_hosts,
        [KEPT_RULES] = &k->f.not_rules, [KEPT_POLICIES] = &k->f.not_policies,
        [KEPT_USERS] = &k->f.not_users, [KEPT_PROGRAMS] = &k->f.not_programs,
        [KEPT_PATHS] = &k->f.not_paths,
    };
    int r = 0;

    for (size_t i = 0; i < STORE_MARKS; i++)
        lists[KEPT_MARKS + i] = &k->f.marks[i];
    for (size_t i = 0; i < KEPT_LISTS && r == 0; i++) {
        for (size_t at = 0; *lists[i] && (*lists[i])[at] && r == 0; at++)
            r = strv_append(&k->lists[i], (*lists[i])[at]);
        *lists[i] = (const char *const *)k->lists[i];
    }
    return r;
}

static void keep_classes(const uint32_t **classes, size_t n, uint32_t *kept)
{
    if (n)
        memcpy(kept, *classes, MIN(n, (size_t)STORE_CLASSES_MAX) * sizeof(*kept));
    *classes = kept;
}

int event_filter_keep(const struct store_filter *f, struct store_filter **ret)
{
    struct kept *k = new0(struct kept, 1);
    int r;

    if (!k)
        return -ENOMEM;
    k->f = *f;
    keep_classes(&k->f.classes, f->n_classes, k->classes);
    keep_classes(&k->f.not_classes, f->n_not_classes, k->not_classes);
    r = keep_texts(k);
    r = r < 0 ? r : keep_lists(k);
    if (r < 0) {
        event_filter_free(&k->f);
        return r;
    }
    *ret = &k->f;
    return 0;
}
