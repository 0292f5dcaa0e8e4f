// SPDX-License-Identifier: Apache-2.0
//
// A whole server in this process, with people and hosts that ask it over TLS.
#pragma once

#include <json-c/json.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "registry/enrol.h"
#include "registry/user.h"
#include "server/server.h"
#include "tests/unit/api/peer.h"
#include "transport/frame.h"
#include "transport/msg_enrol.h"
#include "transport/msg_hello.h"
#include "transport/token.h"

#define PASSWORD "correct horse battery"

static const struct actor test_actor = {.kind = ACTOR_LOCAL, .roles = ROLES_ALL};

struct rig {
    struct server server;
    struct peer_ca ca; // the server's, for peers
    char *dir;
};

static inline void rig_set(struct rig *rig, enum server_config_id id, const char *text)
{
    assert_int_equal(conf_set(&server_conf, &rig->server.config, id, text, NULL), 0);
}

static inline void rig_open(struct rig *rig)
{
    struct error err = {};
    int r = server_open(&rig->server, true, &err);

    r = r < 0 ? r : server_start(&rig->server, &err);
    error_print(&err, stderr);
    assert_int_equal(r, 0);
    rig->ca.ca = rig->server.ca;
}

static inline struct rig *rig_new(void)
{
    struct rig *rig = new0(struct rig, 1);
    char path[512];

    assert_non_null(rig);
    rig->dir = unit_mkdtemp();
    assert_int_equal(server_config_init(&rig->server.config), 0);
    rig_set(rig, SERVER_CONFIG_data_dir, unit_path(rig->dir, "data"));
    rig_set(rig, SERVER_CONFIG_run_dir, unit_path(rig->dir, "run"));
    (void)snprintf(path, sizeof(path), "sqlite:%s/records", rig->dir);
    rig_set(rig, SERVER_CONFIG_store, path);
    rig_set(rig, SERVER_CONFIG_ui_dir, unit_path(rig->dir, "ui"));
    rig_set(rig, SERVER_CONFIG_names, "127.0.0.1,localhost");
    rig_set(rig, SERVER_CONFIG_address, "127.0.0.1");
    rig_set(rig, SERVER_CONFIG_port, "0");
    rig_set(rig, SERVER_CONFIG_threads, "2");
    rig_open(rig);
    return rig;
}

static inline void rig_close(struct rig *rig)
{
    assert_true(server_stop(&rig->server));
    server_close(&rig->server);
}

static inline void rig_free(struct rig *rig)
{
    rig_close(rig);
    server_config_done(&rig->server.config);
    unit_rmdir(rig->dir);
    free(rig);
}

static inline void rig_peer(struct rig *rig, struct peer *p)
{
    peer_init(p, rig->server.api, &rig->ca);
}

// People -----------------------------------------------------------------------------------------

static inline void rig_user(struct rig *rig, const char *name, uint32_t roles)
{
    struct error err = {};
    int r = registry_user_create(rig->server.registry, &test_actor, name, PASSWORD, roles, &err);

    error_print(&err, stderr);
    assert_int_equal(r, 0);
}

// The value of a member of the last answer, which the caller frees; NULL: there is none.
static inline char *peer_member(const struct peer *p, const char *key)
{
    struct json_object *o = json_tokener_parse(sb_str(&p->answer.body));
    const char *text = json_get_str(o, key, NULL);
    char *copy = text ? xstrndup(text, strlen(text)) : NULL;

    json_object_put(o);
    return copy;
}

// The cookie that the last answer set, without its attributes; "" when it set none.
static inline const char *peer_cookie(const struct peer *p, char *buf, size_t size)
{
    const char *at = strstr(sb_str(&p->answer.headers), "Set-Cookie: ");

    (void)snprintf(buf, size, "%.*s", at ? (int)strcspn(at + 12, ";") : 0, at ? at + 12 : "");
    return buf;
}

static inline long peer_login(struct peer *p, const char *user, const char *password)
{
    char json[256];

    (void)snprintf(json, sizeof(json), "{\"user\":\"%s\",\"password\":\"%s\"}", user, password);
    peer_header(p, NULL);
    peer_header(p, "Content-Type: application/json");
    return peer_send(p, "POST", "/api/v1/login", json);
}

// From here on the peer is this user: cookie and CSRF token go along.
static inline void peer_be(struct peer *p, const char *user)
{
    char cookie[256], header[300];
    char *csrf;

    assert_int_equal(peer_login(p, user, PASSWORD), 200);
    csrf = peer_member(p, "csrf");
    assert_non_null(csrf);
    (void)snprintf(header, sizeof(header), "Cookie: %s", peer_cookie(p, cookie, sizeof(cookie)));
    peer_header(p, header);
    (void)snprintf(header, sizeof(header), "X-CSRF-Token: %s", csrf);
    peer_header(p, header);
    free(csrf);
}

// Hosts ------------------------------------------------------------------------------------------

struct agent {
    struct peer peer;
    char *key, *certificate;
    char id[HOST_ID_SIZE];
    char session[64];
    const char *machine_id, *boot_id;
    int64_t skew_ms; // of its clock
};

static inline void token_text(struct rig *rig, unsigned uses, char ret[TOKEN_TEXT_MAX])
{
    const struct registry_enrol_spec spec = {.uses = uses, .life_ms = 3600000};
    struct token token = {};
    struct error err = {};
    char id[9];

    assert_int_equal(registry_enrol_token_create(rig->server.registry, &test_actor, &spec,
                                                 token.secret, id, &err),
                     0);
    memcpy(token.fingerprint, ca_fingerprint(rig->server.ca), sizeof(token.fingerprint));
    assert_int_equal(token_format(&token, ret), 0);
}

// One that has a key and a peer, and is not known yet.
static inline void agent_init(struct agent *a, struct rig *rig)
{
    *a = (struct agent){.machine_id = "11112222333344445555666677778888",
                        .boot_id = "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e"};
    rig_peer(rig, &a->peer);
}

static inline struct msg_host agent_host(const struct agent *a)
{
    return (struct msg_host){"web-1", a->machine_id, a->boot_id, "Debian 12", "6.1.0", "x86_64"};
}

static inline long agent_enrol_with(struct agent *a, const char *token)
{
    struct msg_enrol m = {.token = token, .host = agent_host(a), .version = "0.1.0"};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    char *csr, *id;
    long status;

    free(a->key);
    a->key = NULL;
    assert_int_equal(identity_new_key(&a->key, &csr, &err), 0);
    m.csr = csr;
    assert_int_equal(msg_enrol_write(&sb, &m), 0);
    peer_header(&a->peer, NULL);
    peer_header(&a->peer, "Content-Type: application/json");
    status = peer_ask(&a->peer, "POST", WIRE_ENROL, sb_str(&sb), sb.len);
    free(csr);
    if (status == 200) {
        free(a->certificate);
        a->certificate = peer_member(&a->peer, "certificate");
        id = peer_member(&a->peer, "agent_id");
        (void)snprintf(a->id, sizeof(a->id), "%s", id);
        free(id);
        peer_certificate(&a->peer, a->key, a->certificate);
        (void)curl_easy_setopt(a->peer.curl, CURLOPT_FRESH_CONNECT, 1L);
    }
    return status;
}

static inline void agent_new(struct agent *a, struct rig *rig)
{
    char token[TOKEN_TEXT_MAX];

    agent_init(a, rig);
    token_text(rig, 1, token);
    assert_int_equal(agent_enrol_with(a, token), 200);
}

static inline void agent_done(struct agent *a)
{
    peer_done(&a->peer);
    free(a->key);
    free(a->certificate);
}

static inline long agent_hello(struct agent *a, const struct stream_id *stream)
{
    struct msg_hello m = {.boot_id = a->boot_id,
                          .machine_id = a->machine_id,
                          .host = agent_host(a),
                          .version = "0.1.0",
                          .time_ms = (uint64_t)((int64_t)server_now() + a->skew_ms)};
    _cleanup_(sb_done) struct strbuf sb = {};
    char header[128];
    char *session;
    long status;

    if (stream)
        m.streams[m.n_streams++] = (struct msg_stream){STREAM_SECURITY, *stream, 1, 1, 0};
    assert_int_equal(msg_hello_write(&sb, &m), 0);
    peer_header(&a->peer, NULL);
    status = peer_ask(&a->peer, "POST", WIRE_HELLO, sb_str(&sb), sb.len);
    (void)curl_easy_setopt(a->peer.curl, CURLOPT_FRESH_CONNECT, 0L);
    if (status == 200) {
        session = peer_member(&a->peer, "session");
        (void)snprintf(a->session, sizeof(a->session), "%s", session);
        free(session);
    }
    (void)snprintf(header, sizeof(header), WIRE_SESSION_HEADER ": %s", a->session);
    peer_header(&a->peer, header);
    peer_header(&a->peer, "Expect:");
    return status;
}

// A frame of n records, the first of which has this number. Freed by the caller.
static inline void make_frame(struct strbuf *out, const struct stream_id *stream, uint64_t first,
                              unsigned n, const char *line)
{
    _cleanup_(sb_done) struct strbuf lines = {};
    struct frame_writer *w = NULL;
    struct record_lease lease;

    for (unsigned i = 0; i < n; i++)
        sb_printf(&lines, "%s\n", line);
    lease = (struct record_lease){.class = STREAM_SECURITY,
                                  .stream = *stream,
                                  .first_seq = first,
                                  .n = n,
                                  .data = sb_str(&lines),
                                  .len = lines.len};
    assert_int_equal(frame_writer_new(&w), 0);
    assert_int_equal(frame_encode(w, &lease, out), 0);
    (void)frame_writer_free(w);
}

static inline long agent_send(struct agent *a, const struct stream_id *stream, uint64_t first,
                              unsigned n, const char *line)
{
    _cleanup_(sb_done) struct strbuf frame = {};

    make_frame(&frame, stream, first, n, line);
    return peer_ask(&a->peer, "POST", WIRE_RECORDS, sb_str(&frame), frame.len);
}
