// SPDX-License-Identifier: Apache-2.0
#include "server/event_filter.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "server/server.h"

static int read_classes(const struct api_request *rq, struct event_filter *ret, struct error *err)
{
    const char *const *list = api_query_list(rq, "class");

    for (size_t i = 0; list && list[i] && i < STORE_CLASSES_MAX; i++) {
        if (parse_u32(list[i], &ret->classes[i]) < 0) {
            (void)error_set(err, -EINVAL, "class: '%.64s' is no class", list[i]);
            error_expected(err, "numbers of OCSF, as 1001 or 1007");
            return -EINVAL;
        }
        ret->f.n_classes++;
    }
    ret->f.classes = ret->classes;
    return 0;
}

int event_filter_read(const struct api_request *rq, struct event_filter *ret, struct error *err)
{
    const char *const *outcomes = api_query_list(rq, "outcome");
    enum store_outcome outcome;

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
              .text = api_query_str(rq, "q", NULL)},
    };
    while (ret->f.hosts && ret->f.hosts[ret->f.n_hosts])
        ret->f.n_hosts++;
    for (size_t i = 0; outcomes && outcomes[i]; i++)
        if (store_outcome_find(outcomes[i], &outcome) == 0)
            ret->f.outcomes |= 1u << outcome;
    return read_classes(rq, ret, err);
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

struct kept {
    struct store_filter f;
    char **hosts;
    uint32_t classes[STORE_CLASSES_MAX];
    char *texts[6];
};

struct store_filter *event_filter_free(struct store_filter *f)
{
    struct kept *k = (struct kept *)f;

    if (!k)
        return NULL;
    strv_free(k->hosts);
    for (size_t i = 0; i < ARRAY_SIZE(k->texts); i++)
        free(k->texts[i]);
    free(k);
    return NULL;
}

int event_filter_keep(const struct store_filter *f, struct store_filter **ret)
{
    const char *texts[] = {f->rule, f->policy, f->user, f->program, f->path, f->text};
    struct kept *k = new0(struct kept, 1);
    int r = k ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < f->n_hosts; i++)
        r = strv_append(&k->hosts, f->hosts[i]);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
        if (texts[i] && !(k->texts[i] = strdup(texts[i])))
            r = -ENOMEM;
    if (r < 0) {
        if (k)
            event_filter_free(&k->f);
        return r;
    }
    k->f = *f;
    memcpy(k->classes, f->classes,
           MIN(f->n_classes, (size_t)STORE_CLASSES_MAX) * sizeof(*f->classes));
    k->f.classes = k->classes;
    k->f.hosts = (const char *const *)k->hosts;
    k->f.rule = k->texts[0];
    k->f.policy = k->texts[1];
    k->f.user = k->texts[2];
    k->f.program = k->texts[3];
    k->f.path = k->texts[4];
    k->f.text = k->texts[5];
    *ret = &k->f;
    return 0;
}
