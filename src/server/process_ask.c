// SPDX-License-Identifier: Apache-2.0
#include "server/process_ask.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "server/write.h"

#define CLASS_PROCESS 1007
#define ACTIVITY_END  2
#define LOOK_MS       2000 // each question has the store's own bound, too
#define ENDS_MAX      500

static int copy_host(void *ctx, const struct registry_host *h)
{
    struct process_ask *a = ctx;

    (void)snprintf(a->host, sizeof(a->host), "%s", h->id);
    (void)snprintf(a->boot_id, sizeof(a->boot_id), "%s", h->boot_id);
    (void)snprintf(a->name, sizeof(a->name), "%s", h->name);
    return 0;
}

int process_ask_begin(struct process_ask *a, struct server *s, struct api_request *rq,
                      struct error *err)
{
    int r;

    *a = (struct process_ask){.s = s, .err = err};
    a->deadline_ns = now_ns(CLOCK_MONOTONIC) + LOOK_MS * NS_PER_MS;
    a->hosts[0] = a->host;
    r = registry_host_get(s->registry, api_path(rq, "id"), copy_host, a, err);
    if (r < 0)
        return r;
    if (!a->name[0])
        (void)snprintf(a->name, sizeof(a->name), "%s", a->host);
    r = process_tree_new(&a->tree);
    return r < 0 ? error_set(err, r, "no memory for processes") : 0;
}

void process_ask_end(struct process_ask *a)
{
    a->tree = process_tree_free(a->tree);
}

bool process_ask_late(struct process_ask *a)
{
    if (now_ns(CLOCK_MONOTONIC) <= a->deadline_ns)
        return false;
    a->truncated = true;
    return true;
}

int process_ask_rows(struct process_ask *a, const struct store_filter *filter, uint32_t limit,
                     const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                     struct store_page *ret_page)
{
    struct store_filter f = *filter;
    int r;

    *ret_page = (struct store_page){};
    if (process_ask_late(a))
        return 0;
    f.hosts = a->hosts;
    f.n_hosts = 1;
    r = store_query(a->s->store, &f, limit, cursor, newest_first, fn, ctx, ret_page, a->err);
    a->truncated = a->truncated || ret_page->truncated;
    return r < 0 && !error_is_set(a->err) ? error_set(a->err, r, "no memory for processes") : r;
}

size_t process_ask_uids(struct process_ask *a, size_t *at,
                        bool (*wanted)(const struct process_node *n),
                        const char *values[STORE_MARK_MAX + 1])
{
    struct process_node *node;
    size_t n = 0;

    while (n < STORE_MARK_MAX && (node = process_tree_at(a->tree, *at))) {
        if (wanted(node))
            values[n++] = node->uid;
        ++*at;
    }
    values[n] = NULL;
    return n;
}

static int add_row(void *ctx, const struct store_row *row)
{
    return process_tree_add(((struct process_ask *)ctx)->tree, row);
}

int process_ask_ends(struct process_ask *a, bool (*wanted)(const struct process_node *n))
{
    const char *uids[STORE_MARK_MAX + 1];
    struct store_page page;
    size_t at = 0;
    int r = 0;

    while (r == 0 && process_ask_uids(a, &at, wanted, uids) > 0)
        r = process_ask_rows(a,
                             &(struct store_filter){.marks[STORE_MARK_PROCESS] = uids,
                                                    .class_uid = CLASS_PROCESS,
                                                    .activity = ACTIVITY_END},
                             ENDS_MAX, NULL, true, add_row, a, &page);
    return r;
}

void process_write_number(struct jw *out, const char *key, int64_t value)
{
    if (value < 0)
        jw_kv_null(out, key);
    else
        jw_kv_i64(out, key, value);
}

void process_write_session(struct jw *out, struct json_object *root, struct json_object *own)
{
    struct json_object *actor = json_get(root, "actor"), *session = json_get(own, "session");

    write_text(out, "login_user",
               json_get_str(json_get(actor, "user"), "name",
                            json_get_str(json_get(actor, "user"), "uid", NULL)));
    write_text(out, "session",
               json_get_str(session, "uid", json_get_str(json_get(actor, "session"), "uid", NULL)));
    write_text(out, "container", json_get_str(json_get(own, "container"), "uid", NULL));
}
