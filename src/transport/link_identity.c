// SPDX-License-Identifier: Apache-2.0
//
// Who we are to the server: read from the file, renewed in time, read again when somebody enrolled anew.
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "transport/link_private.h"

#define EARLY_RENEW_MS (UINT64_C(3600) * 1000) // after a renewal that failed

static void close_connections(struct link *l)
{
    if (l->multi) {
        if (l->call.active)
            (void)curl_multi_remove_handle(l->multi, l->call.easy);
        if (l->poll.active)
            (void)curl_multi_remove_handle(l->multi, l->poll.easy);
        http_call_done(&l->call);
        http_call_done(&l->poll);
        (void)curl_multi_cleanup(l->multi);
        l->multi = NULL;
    }
    l->trust = tls_trust_free(l->trust);
}

void link_close(struct link *l)
{
    close_connections(l);
    l->new_key = identity_key_free(l->new_key);
    l->id = identity_free(l->id);
}

static int open_connections(struct link *l, const struct identity *id, struct error *err)
{
    int r;

    r = tls_trust_identity(id, &l->trust, err);
    if (r < 0)
        return r;
    l->multi = curl_multi_init();
    if (!l->multi)
        return error_set(err, -ENOMEM, "no memory for connections");
    (void)curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, 2L);
    r = http_call_init(&l->call, l->trust, l->o.version, &l->timing, err);
    if (r == 0)
        r = http_call_init(&l->poll, l->trust, l->o.version, &l->timing, err);
    return r;
}

// The old one, if any, is gone afterwards, whatever comes out.
static int take(struct link *l, struct identity *id, struct error *err)
{
    int r;

    link_close(l);
    r = open_connections(l, id, err);
    if (r < 0) {
        identity_free(id);
        close_connections(l);
        return r;
    }
    l->id = id;
    link_lock(l);
    memcpy(l->status.agent_id, id->agent_id, sizeof(l->status.agent_id));
    memcpy(l->status.server_url, id->server_url, sizeof(l->status.server_url));
    l->status.not_after_ms = (uint64_t)MAX(id->info.not_after_ms, (int64_t)0);
    link_unlock(l);
    return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static enum link_state state_of(int r)
{
    return r == -ENOENT ? LINK_none : r == -ESTALE ? LINK_moved : LINK_broken;
}

// Between sessions only. A file that is as it was when it was read is not read again.
void link_look_at_identity(struct link *l)
{
    struct identity *id = NULL;
    uint64_t now = link_now();
    struct stat st = {};
    struct error err = {};
    int r;

    if (now < l->look_at || l->call.active)
        return;
    l->look_at = now + LOOK_MS;
    if (stat(l->o.identity_path, &st) == 0 && l->id && same_file(&st, &l->stamp))
        return;
    r = identity_load(l->o.identity_path, l->o.machine_id, &id, &err);
    if (r == 0)
        r = take(l, id, &err);
    if (r < 0) {
        // One that is in use already stays so: what the file holds may be half of a change.
        if (!l->id)
            link_set_state(l, state_of(r), &err);
        return;
    }
    l->stamp = st;
    l->next_try = now;
    l->retry.last = 0;
    link_set_state(l, LINK_connecting, NULL);
}

// Renewal -------------------------------------------------------------------------------------

static uint64_t server_wall_ms(struct link *l)
{
    int64_t skew = l->status.skew_known ? l->status.skew_ms : 0;

    return (uint64_t)MAX((int64_t)link_wall_ms() + skew, (int64_t)0);
}

bool link_renew_due(struct link *l)
{
    return l->renew_asked || server_wall_ms(l) >= l->id->renew_at_ms;
}

int link_start_renew(struct link *l)
{
    _cleanup_free_ char *csr = NULL;
    struct error err = {};
    int r;

    l->new_key = identity_key_free(l->new_key);
    r = identity_new_key(&l->new_key, &csr, &err);
    if (r < 0)
        return r;
    sb_reset(&l->call.body);
    r = msg_renew_write(&l->call.body, &(struct msg_renew){.csr = csr});
    return r < 0 ? r : link_start(l, WORK_RENEW, WIRE_RENEW, WIRE_JSON_TYPE, WIRE_ANSWER_MAX);
}

static int make_identity(struct link *l, const struct msg_certificate *m, struct identity **ret_id,
                         struct error *err)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    int r;

    // With the CA that we know: a server cannot change whom this host trusts.
    r = identity_new(l->id->agent_id, l->id->server_url, l->id->machine_id, l->new_key,
                     m->certificate, l->id->ca, server_wall_ms(l) + m->renew_after_ms, &id, err);
    if (r == 0)
        r = identity_store(l->o.identity_path, id, err);
    if (r == 0)
        *ret_id = TAKE_PTR(id);
    return r;
}

// In the file first: a crash in between leaves the new pair there, and the old one nowhere.
void link_on_renewed(struct link *l)
{
    struct identity *id = NULL;
    struct msg_certificate m = {};
    struct error err = {};
    int r;

    r = msg_certificate_read(sb_str(&l->call.answer), l->call.answer.len, &m, &err);
    if (r == 0)
        r = make_identity(l, &m, &id, &err);
    msg_certificate_done(&m);
    l->new_key = identity_key_free(l->new_key);
    if (r < 0) {
        error_context(&err, "the certificate cannot be renewed");
        link_hold(l, WORK_RENEW, EARLY_RENEW_MS);
        link_fault(l, WORK_RENEW, &err);
        return;
    }
    l->renew_asked = false;
    // Connections of the old certificate end; the session goes on with the new one.
    link_give_back(l);
    r = take(l, id, &err);
    // Last, so that whoever sees it counted sees until when it is valid.
    link_count(l, &l->status.counters.renewals, 1);
    if (r < 0) {
        link_down(l, LINK_broken, &err, 0);
        return;
    }
    if (stat(l->o.identity_path, &l->stamp) < 0)
        l->stamp = (struct stat){};
}
