// SPDX-License-Identifier: Apache-2.0
//
// What an agent with a session sends and asks for.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "model/bundle.h"
#include "registry/bundle.h"
#include "registry/cert.h"
#include "registry/command.h"
#include "registry/host.h"
#include "server/asking.h"
#include "server/ingest.h"
#include "server/server.h"
#include "transport/frame.h"
#include "transport/msg_hello.h"
#include "transport/msg_poll.h"
#include "transport/msg_result.h"

#define PARK_AGAIN_MS 60000 // a frame is answered when it is stored, and not before

static int check_session(struct server *s, struct api_request *rq, const char *session,
                         struct error *err)
{
    const char *host = api_identity(rq)->name;
    int r = registry_host_session(s->registry, host, strempty(session));

    // What is looked at again here, since its time is up or there is news, is no word of the agent: it may be stopped meanwhile.
    if (r == 0 && api_woken(rq) == API_FIRST)
        registry_host_seen(s->registry, host);
    else if (r == -ESTALE)
        r = wire_fail(rq, error_set(err, r, "the session has ended"), WIRE_session);
    else if (r == -EACCES)
        r = wire_fail(rq, error_set(err, r, "this host may not speak any more"), WIRE_revoked);
    return r;
}

static int put(struct jw *out, struct strbuf *sb, int r)
{
    if (r == 0)
        jw_raw(out, sb_str(sb), sb->len);
    return r;
}

// Records ----------------------------------------------------------------------------------------

static void free_item(void *p)
{
    (void)ingest_item_unref(p);
}

static int unavailable(struct api_request *rq, int r, struct error *err)
{
    if (!error_is_set(err))
        (void)error_set(err, r,
                        r == -ENOBUFS ? "more waits to be stored than there is room for"
                                      : "the records cannot be stored now: %m");
    return wire_fail(rq, r, WIRE_unavailable);
}

static int begin_records(struct server *s, struct api_request *rq, struct error *err)
{
    uint64_t key = api_unique_key(s->api);
    struct ingest_item *item = NULL;
    char *body;
    size_t len;
    int r;

    r = check_session(s, rq, api_header(rq, WIRE_SESSION_HEADER), err);
    if (r < 0)
        return r;
    body = api_take_body(rq, &len);
    if (!body)
        return wire_fail(rq, error_set(err, -EBADMSG, "there are no records in it"), WIRE_frame);
    r = ingest_read(s->ingest, api_identity(rq)->name, body, len, &item, err);
    if (r == -EMSGSIZE)
        return wire_fail(rq, r, WIRE_too_large);
    if (r == -ENOMEM)
        return unavailable(rq, r, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_frame);
    api_set_state(rq, item, free_item);
    // Watched before it is added: it may be stored at once.
    api_watch(rq, key);
    r = ingest_add(s->ingest, item, key);
    return r < 0 ? unavailable(rq, r, err) : 0;
}

int route_agent_records(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct store_appended appended;
    struct msg_records_answer a;
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = 0, stored;

    if (!api_state(rq))
        r = begin_records(s, rq, err);
    if (r < 0)
        return r;
    if (!ingest_result(api_state(rq), &stored, &appended))
        return api_park(rq, PARK_AGAIN_MS);
    if (stored == -EINVAL)
        return wire_fail(rq, error_set(err, stored, "the records contradict themselves"),
                         WIRE_frame);
    if (stored < 0)
        return unavailable(rq, stored, err);
    a = (struct msg_records_answer){appended.acked, appended.n_stored, appended.n_duplicate};
    return put(out, &sb, msg_records_answer_write(&sb, &a));
}

// Waiting for policies and commands ----------------------------------------------------------------

struct news {
    struct msg_poll poll;
    char bundle[BUNDLE_ID_TEXT];
    char ids[MSG_COMMANDS_MAX][24];
    char *texts[2 * MSG_COMMANDS_MAX];  // names and arguments
    char *asked[3 * MSG_QUESTIONS_MAX]; // ids, names and arguments
};

static void news_free(struct news *n)
{
    for (size_t i = 0; i < ARRAY_SIZE(n->texts); i++)
        free(n->texts[i]);
    for (size_t i = 0; i < ARRAY_SIZE(n->asked); i++)
        free(n->asked[i]);
    free(n);
}

static void news_freep(struct news **n)
{
    if (*n)
        news_free(*n);
}

static int on_command(void *ctx, const struct registry_command *c)
{
    struct news *n = ctx;
    size_t i = n->poll.n_commands;

    if (i == MSG_COMMANDS_MAX)
        return 0; // the next poll gets them
    (void)snprintf(n->ids[i], sizeof(n->ids[i]), "%" PRIu64, c->id);
    n->texts[2 * i] = xstrndup(c->name, strlen(c->name));
    n->texts[2 * i + 1] = xstrndup(c->args, strlen(c->args));
    if (!n->texts[2 * i] || !n->texts[2 * i + 1])
        return -ENOMEM;
    n->poll.commands[i] = (struct msg_command){
        .id = n->ids[i],
        .name = n->texts[2 * i],
        .args = n->texts[2 * i + 1],
        .deadline_ms = c->deadline_ms,
    };
    n->poll.n_commands++;
    return 0;
}

static int on_question(void *ctx, const char *id, const char *name, const char *args,
                       uint64_t deadline_ms)
{
    const char *const said[] = {id, name, args};
    struct news *n = ctx;
    char **texts = n->asked + 3 * n->poll.n_questions;

    if (n->poll.n_questions == MSG_QUESTIONS_MAX)
        return -ENOBUFS; // the next poll gets it
    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        free(texts[i]);
        texts[i] = xstrndup(said[i], strlen(said[i]));
        if (!texts[i])
            return -ENOMEM;
    }
    n->poll.questions[n->poll.n_questions++] = (struct msg_command){
        .id = texts[0],
        .name = texts[1],
        .args = texts[2],
        .deadline_ms = deadline_ms,
    };
    return 0;
}

static int look(struct server *s, const char *host, uint64_t after, struct news *n,
                struct error *err)
{
    int r = registry_bundle_wanted(s->registry, host, n->bundle, err);

    if (r < 0)
        return r;
    n->poll.bundle = *n->bundle ? n->bundle : NULL;
    r = registry_command_waiting(s->registry, host, after, on_command, n, err);
    if (r < 0)
        return r;
    // Last: what was handed out is not handed out again.
    (void)asking_tell(s->asking, host, on_question, n);
    return 0;
}

// Of a poll that just came: nothing was waited for, and nothing long was sent before it.
static void note_clock(struct server *s, struct api_request *rq, const char *host)
{
    uint64_t ms = 0;

    if (api_woken(rq) == API_FIRST &&
        parse_u64(strempty(api_header(rq, WIRE_TIME_HEADER)), &ms) == 0)
        registry_host_clock(s->registry, host, ms);
}

int route_agent_poll(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const char *host = api_identity(rq)->name, *has = api_query_str(rq, "bundle", "");
    _cleanup_(news_freep) struct news *n = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    uint64_t after = 0;
    int r;

    api_watch(rq, server_host_key(host));
    r = check_session(s, rq, api_query_str(rq, "session", ""), err);
    if (r < 0)
        return r;
    note_clock(s, rq, host);
    (void)parse_u64(api_query_str(rq, "after", "0"), &after);
    n = new0(struct news, 1);
    if (!n)
        return error_set(err, -ENOMEM, "%m");
    r = look(s, host, after, n, err);
    if (r < 0)
        return r;
    if (n->poll.n_commands == 0 && n->poll.n_questions == 0 && streq(n->bundle, has) &&
        api_woken(rq) != API_TIMED_OUT && api_woken(rq) != API_STOPPING)
        return api_park(rq, WIRE_PARK_MS);
    return put(out, &sb, msg_poll_write(&sb, &n->poll));
}

// Policies -----------------------------------------------------------------------------------------

struct files {
    struct bundle_file rows[BUNDLE_FILES_MAX];
    char *names[BUNDLE_FILES_MAX], *texts[BUNDLE_FILES_MAX];
    size_t n;
};

static void files_freep(struct files **f)
{
    for (size_t i = 0; *f && i < (*f)->n; i++) {
        free((*f)->names[i]);
        free((*f)->texts[i]);
    }
    free(*f);
}

static int on_file(void *ctx, const struct registry_bundle_file *row)
{
    struct files *f = ctx;
    char *name, *text;

    if (f->n == BUNDLE_FILES_MAX)
        return -E2BIG;
    name = xstrndup(row->name, strlen(row->name));
    text = memdup(row->text, row->text_len);
    f->names[f->n] = name;
    f->texts[f->n] = text;
    f->rows[f->n++] = (struct bundle_file){
        .name = name,
        .text = text,
        .len = row->text_len,
        .mode = row->monitor ? BUNDLE_MONITOR : BUNDLE_POLICY,
    };
    return name && text ? 0 : -ENOMEM;
}

int route_agent_bundle(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    _cleanup_(files_freep) struct files *f = new0(struct files, 1);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct msg_bundle m = {.id = api_path(rq, "id")};
    int r;

    if (!f)
        return error_set(err, -ENOMEM, "%m");
    // Certificates outlive what an admin decides.
    if (registry_cert_check(s->registry, api_identity(rq)->name, api_identity(rq)->session) ==
        -EKEYREVOKED)
        return wire_fail(rq, error_set(err, -EACCES, "the certificate was revoked"), WIRE_revoked);
    r = registry_bundle_files(s->registry, api_identity(rq)->name, m.id, on_file, f, err);
    if (r < 0)
        return r;
    m.files = f->rows;
    m.n_files = f->n;
    return put(out, &sb, msg_bundle_write(&sb, &m));
}

// What came of a command ---------------------------------------------------------------------------

static enum command_state state_of(enum msg_status status)
{
    return status == MSG_DONE      ? COMMAND_DONE
           : status == MSG_EXPIRED ? COMMAND_EXPIRED
                                   : COMMAND_FAILED;
}

// One that comes too late is no mistake of the host's.
static void take_answer(struct server *s, const char *host, const struct msg_result *m)
{
    if (asking_answered(s->asking, host, m->command,
                        m->status == MSG_DONE ? strempty(m->result) : NULL, &m->error))
        api_wake(s->api, asking_key(host));
}

int route_agent_result(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    _cleanup_(sb_done) struct strbuf text = {};
    struct msg_result m = {};
    uint64_t id;
    const char *body;
    size_t len;
    int r;

    r = check_session(s, rq, api_header(rq, WIRE_SESSION_HEADER), err);
    if (r < 0)
        return r;
    body = api_body_raw(rq, &len);
    r = msg_result_read(body, len, &m, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_bad_request);
    if (error_is_set(&m.error))
        error_format(&m.error, &text);
    if (asking_is_id(m.command))
        take_answer(s, api_identity(rq)->name, &m);
    else if (parse_u64(m.command, &id) < 0)
        r = wire_fail(rq, error_set(err, -ENOENT, "there is no such command"), WIRE_not_found);
    else
        r = registry_command_result(s->registry, api_identity(rq)->name, id, state_of(m.status),
                                    strempty(m.result), sb_str(&text), err);
    msg_result_done(&m);
    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_end_object(out);
    return 0;
}
