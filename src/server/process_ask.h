// SPDX-License-Identifier: Apache-2.0
//
// How routes about the processes of a host ask the store: which host, how long all questions of one answer may take, and what of the answer is
// not all there.
#pragma once

#include "registry/host.h"
#include "server/process_tree.h"
#include "server/server.h"
#include "store/store.h"

struct process_ask {
    struct server *s;
    char host[HOST_ID_SIZE], boot_id[HOST_FACT_MAX], name[HOST_FACT_MAX];
    const char *hosts[2];
    uint64_t deadline_ns;
    bool truncated;
    struct process_tree *tree;
    struct error *err; // on loan
};

// The host in the path. -ENOENT. process_ask_end() in every case.
int process_ask_begin(struct process_ask *a, struct server *s, struct api_request *rq,
                      struct error *err);
void process_ask_end(struct process_ask *a);
// True, and the answer is truncated: no more is asked.
bool process_ask_late(struct process_ask *a);
// Records of the host; none when it is late. That there are more than `limit` is in ret_page.
int process_ask_rows(struct process_ask *a, const struct store_filter *filter, uint32_t limit,
                     const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                     struct store_page *ret_page);
// When those of the tree's processes ended that `wanted` picks.
int process_ask_ends(struct process_ask *a, bool (*wanted)(const struct process_node *n));
// Entities of nodes from *at on, at most STORE_MARK_MAX; *at goes behind the last. The list ends with NULL. Returns how many.
size_t process_ask_uids(struct process_ask *a, size_t *at,
                        bool (*wanted)(const struct process_node *n),
                        const char *values[STORE_MARK_MAX + 1]);

// A number, or null when it is negative.
void process_write_number(struct jw *out, const char *key, int64_t value);
// login_user, session, container: of the record, and of the part of it that is about the process.
struct json_object;
void process_write_session(struct jw *out, struct json_object *root, struct json_object *own);
