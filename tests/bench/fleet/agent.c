// SPDX-License-Identifier: Apache-2.0
//
// What one agent asks next.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "tests/bench/fleet/fleet.h"
#include "transport/msg_hello.h"
#include "transport/msg_poll.h"
#include "transport/msg_state.h"
#include "transport/pki.h"

#define AGAIN_MS 1000 // and up to as much more, by chance

static void later(struct agent *a)
{
    a->start_at = fleet_now() + AGAIN_MS + (a->number * 7919u + fleet_now()) % AGAIN_MS;
}

static void failed(struct agent *a, unsigned status)
{
    if (status)
        a->fleet->refused++;
    else
        a->fleet->errors++;
    if (a->in_session)
        a->fleet->online--;
    a->in_session = a->reporting = false;
    a->sending = 0;
    conn_close(&a->work);
    if (a->poll.busy)
        a->fleet->parked--;
    conn_close(&a->poll);
    later(a);
}

static const char *body_of(const struct conn *c)
{
    return c->in.s + c->body_at;
}

static void ask(struct agent *a, const char *method, const char *path, const char *type,
                const char *session, const struct strbuf *body)
{
    if (conn_ask(&a->work, a->key, a->cert, method, path, type, session, body) < 0)
        failed(a, 0);
}

// A host's clock, right or not.
static uint64_t clock_of(const struct agent *a)
{
    return (uint64_t)((int64_t)(now_ns(CLOCK_REALTIME) / NS_PER_MS) + a->fleet->skew_ms);
}

static void say_hello(struct agent *a)
{
    struct msg_hello m = {
        .boot_id = a->boot_id,
        .machine_id = a->machine_id,
        .host = {.machine_id = a->machine_id,
                 .boot_id = a->boot_id,
                 .os = "Linux",
                 .kernel = "6.1.0",
                 .arch = "x86_64"},
        .version = SAFEGUARD_VERSION,
        .time_ms = clock_of(a),
        .n_streams = 1,
    };
    _cleanup_(sb_done) struct strbuf body = {};
    char name[32];

    (void)snprintf(name, sizeof(name), "%s-%05u", a->fleet->name, a->number);
    m.host.name = name;
    m.streams[0] = (struct msg_stream){STREAM_SECURITY, a->stream, a->acked + 1, a->next, a->acked};
    if (msg_hello_write(&body, &m) == 0)
        ask(a, "POST", WIRE_HELLO, WIRE_JSON_TYPE, NULL, &body);
}

static void send_records(struct agent *a)
{
    uint32_t n = (uint32_t)MIN(a->pending, UINT64_C(1000));
    _cleanup_(sb_done) struct strbuf lines = {}, body = {};
    struct record_lease lease = {
        .class = STREAM_SECURITY,
        .stream = a->stream,
        .first_seq = a->acked + 1,
        .n = n,
    };

    for (uint32_t i = 0; i < n; i++)
        sb_printf(&lines, "%s%llu%s%llu%s\n", a->fleet->line[0],
                  (unsigned long long)(lease.first_seq + i), a->fleet->line[1],
                  (unsigned long long)clock_of(a), a->fleet->line[2]);
    lease.data = sb_str(&lines);
    lease.len = lines.len;
    if (frame_encode(a->fleet->writer, &lease, &body) < 0)
        return;
    a->sending = n;
    a->fleet->bytes += body.len;
    ask(a, "POST", WIRE_RECORDS, FRAME_CONTENT_TYPE, a->session, &body);
}

static void send_report(struct agent *a)
{
    _cleanup_(sb_done) struct strbuf value = {}, body = {};
    struct state_row row = {.key = "policy"};
    struct msg_state m = {.table = "health", .full = true, .rows = &row, .n_rows = 1};

    sb_printf(&value, "{\"bundle\":{\"wanted\":\"%s\",%s%s%s\"state\":\"%s\"},\"error\":%s}",
              a->bundle, a->refused ? "" : "\"applied\":\"", a->refused ? "" : a->bundle,
              a->refused ? "" : "\",", a->refused ? "refused" : "in-force",
              a->refused ? "{\"what\":\"this kernel has no hook for it\"}" : "null");
    row.value = sb_str(&value);
    row.value_len = value.len;
    m.checksum = state_row_hash(row.key, row.value, row.value_len);
    if (msg_state_write(&body, &m) < 0)
        return;
    a->report = false;
    a->reporting = true;
    ask(a, "POST", WIRE_STATE, WIRE_JSON_TYPE, a->session, &body);
}

static void begin_poll(struct agent *a)
{
    _cleanup_(sb_done) struct strbuf path = {};

    if (msg_poll_path(&path, a->session, *a->bundle ? a->bundle : NULL, a->after) < 0)
        return;
    a->fleet->parked++;
    if (conn_ask(&a->poll, a->key, a->cert, "GET", path.s, NULL, NULL, NULL) < 0) {
        a->fleet->parked--;
        failed(a, 0);
    }
}

static void next(struct agent *a)
{
    _cleanup_(sb_done) struct strbuf path = {};

    if (a->work.busy || fleet_now() < a->start_at)
        return;
    if (!a->in_session) {
        say_hello(a);
    } else if (a->fetch) {
        sb_printf(&path, WIRE_BUNDLE "%s", a->bundle);
        ask(a, "GET", sb_str(&path), NULL, a->session, NULL);
    } else if (a->report) {
        send_report(a);
    } else if (a->pending) {
        send_records(a);
    }
}

// Answers -------------------------------------------------------------------------------------

static void told_of_bundle(struct agent *a, const char *id)
{
    struct fleet *f = a->fleet;
    uint64_t now = fleet_now(), from;

    if (!id || streq(id, a->bundle))
        return;
    (void)snprintf(a->bundle, sizeof(a->bundle), "%s", id);
    a->fetch = true;
    if (!streq(id, f->bundle)) {
        report_policy(f);
        (void)snprintf(f->bundle, sizeof(f->bundle), "%s", id);
        f->bundle_at = now;
        f->policy.n = 0;
    }
    from = f->marked_at && now - f->marked_at < 60000 ? f->marked_at : f->bundle_at;
    latency_add(&f->policy, now - from);
}

static int on_hello(struct agent *a, const struct conn *c)
{
    struct msg_hello_answer m = {};
    int r = msg_hello_answer_read(body_of(c), c->body_len, &m, NULL);

    if (r < 0)
        return r;
    (void)snprintf(a->session, sizeof(a->session), "%s", m.session);
    // Not measured: what there was before.
    (void)snprintf(a->bundle, sizeof(a->bundle), "%s", strempty(m.bundle));
    if (m.n_streams > 0)
        a->acked = MAX(a->acked, m.streams[0].acked);
    a->fetch = a->fleet->refuse && *a->bundle;
    a->in_session = true;
    a->fleet->online++;
    msg_hello_answer_done(&m);
    begin_poll(a);
    return 0;
}

static int on_records(struct agent *a, const struct conn *c)
{
    struct msg_records_answer m = {};
    int r = msg_records_answer_read(body_of(c), c->body_len, &m, NULL);

    if (r < 0)
        return r;
    a->acked += a->sending;
    a->pending -= a->sending;
    a->fleet->acked += a->sending;
    a->fleet->frames++;
    a->sending = 0;
    latency_add(&a->fleet->records, fleet_now() - c->asked_at);
    return 0;
}

static int on_bundle(struct agent *a, const struct conn *c)
{
    struct msg_bundle m = {};
    int r = msg_bundle_read(body_of(c), c->body_len, &m, NULL);

    a->fetch = false;
    if (r < 0)
        return r;
    a->report = a->fleet->refuse != NULL;
    a->refused = false;
    for (size_t i = 0; a->report && i < m.n_files; i++)
        a->refused = a->refused || memmem(m.files[i].text, m.files[i].len, a->fleet->refuse,
                                          strlen(a->fleet->refuse));
    msg_bundle_done(&m);
    return 0;
}

static void work_done(struct conn *c, unsigned status)
{
    struct agent *a = c->ctx;
    int r;

    if (status != 200) {
        failed(a, status);
        return;
    }
    if (!a->in_session)
        r = on_hello(a, c);
    else if (a->sending)
        r = on_records(a, c);
    else if (a->reporting)
        r = 0;
    else
        r = on_bundle(a, c);
    a->reporting = false;
    if (r < 0)
        failed(a, status);
}

static void poll_done(struct conn *c, unsigned status)
{
    struct agent *a = c->ctx;
    struct msg_poll m = {};

    a->fleet->parked--;
    if (status != 200 || msg_poll_read(body_of(c), c->body_len, &m, NULL) < 0) {
        failed(a, status);
        return;
    }
    a->fleet->polls++;
    told_of_bundle(a, m.bundle);
    if (m.n_commands > 0)
        (void)snprintf(a->after, sizeof(a->after), "%s", m.commands[m.n_commands - 1].id);
    msg_poll_done(&m);
    if (a->in_session)
        begin_poll(a);
}

void agent_tick(struct agent *a, uint64_t now, bool due)
{
    if (now < a->start_at)
        return;
    if (due && a->in_session) {
        a->pending++;
        a->next++;
    }
    next(a);
}

void agent_init(struct agent *a, struct fleet *f, unsigned number, const struct identity *id)
{
    *a = (struct agent){.fleet = f, .number = number, .next = 1};
    memcpy(a->id, id->agent_id, sizeof(a->id));
    fleet_boot_id(number, f->boot, a->boot_id);
    (void)snprintf(a->machine_id, sizeof(a->machine_id), "%.32s", id->machine_id);
    a->key = pki_read_key(id->key);
    a->cert = pki_read_cert(id->certificate);
    (void)stream_id_new(&a->stream);
    conn_init(&a->work, f, work_done, a);
    conn_init(&a->poll, f, poll_done, a);
}
