// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "model/state.h"
#include "tests/unit/transport/peer.h"
#include "transport/frame.h"
#include "transport/msg_enrol.h"
#include "transport/msg_poll.h"
#include "transport/msg_result.h"
#include "transport/msg_state.h"
#include "transport/token.h"

struct request {
    struct strbuf body;
};

struct answer {
    unsigned status;
    unsigned retry_after_s;
    struct strbuf body;
};

static uint64_t now_ms(const struct peer *p)
{
    return p->now_ms ? p->now_ms : now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static void say_error(struct answer *a, enum wire_code code, const char *what)
{
    struct error err = {};

    (void)error_set(&err, -EACCES, "%s", what);
    a->status = wire_code_status(code);
    (void)wire_error_write(&a->body, code, &err);
}

// True: the script has answered.
static bool scripted(struct peer_script *s, struct answer *a)
{
    if (!s->status)
        return false;
    say_error(a, s->code, "as told");
    a->status = s->status;
    a->retry_after_s = s->retry_after_s;
    if (s->times && --s->times == 0)
        s->status = 0;
    return true;
}

struct peer_stream *peer_stream_of(struct peer *p, enum stream_class class,
                                   const struct stream_id *id)
{
    struct peer_stream *s;

    for (size_t i = 0; i < p->n_streams; i++)
        if (p->streams[i].class == class && stream_id_equal(&p->streams[i].id, id))
            return &p->streams[i];
    assert_true(p->n_streams < PEER_STREAMS);
    s = &p->streams[p->n_streams++];
    *s = (struct peer_stream){.class = class, .id = *id};
    s->times = calloc(PEER_NUMBERS, 1);
    s->hashes = calloc(PEER_NUMBERS, sizeof(*s->hashes));
    assert_true(s->times && s->hashes);
    return s;
}

static void keep(struct peer *p, struct peer_stream *s, uint64_t seq, uint64_t hash)
{
    assert_true(seq < PEER_NUMBERS);
    if (s->times[seq] == 0) {
        s->n++;
        s->hashes[seq] = hash;
    } else {
        p->n_duplicates++;
        s->wrong += s->hashes[seq] != hash;
    }
    if (s->times[seq] < 255)
        s->times[seq]++;
    s->acked = MAX(s->acked, seq);
}

struct kept {
    uint32_t class;
    struct stream_id id;
    uint64_t seq, hash;
};

static void write_down(const struct peer *p, const struct kept *kept, size_t n)
{
    int fd = open(p->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    // One write: whole or, when killed before it, not at all.
    assert_int_equal(write(fd, kept, n * sizeof(*kept)), n * sizeof(*kept));
    (void)close(fd);
}

void peer_reload(struct peer *p)
{
    struct kept kept;
    int fd = open(p->file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    while (read(fd, &kept, sizeof(kept)) == sizeof(kept))
        keep(p, peer_stream_of(p, (enum stream_class)kept.class, &kept.id), kept.seq, kept.hash);
    (void)close(fd);
}

static void take_frame(struct peer *p, const struct frame *f, struct answer *a)
{
    struct msg_records_answer m = {};
    struct peer_stream *s = peer_stream_of(p, f->batch.class, &f->batch.stream);
    struct kept *kept = calloc(f->batch.n_records, sizeof(*kept));
    uint64_t seq = f->batch.first_seq;
    const char *line = f->raw;
    size_t n = 0;

    assert_non_null(kept);
    for (uint32_t i = 0; i < f->batch.n_records; i++, seq++) {
        const char *end = memchr(line, '\n', f->raw_len - (size_t)(line - f->raw));
        uint64_t hash = XXH3_64bits(line, (size_t)(end - line));

        m.duplicates += s->times[seq] > 0;
        if (s->times[seq] == 0)
            kept[n++] = (struct kept){(uint32_t)s->class, s->id, seq, hash};
        keep(p, s, seq, hash);
        line = end + 1;
    }
    if (p->file && n > 0)
        write_down(p, kept, n);
    free(kept);
    m.stored = f->batch.n_records - m.duplicates;
    m.acked = p->acked_lie ? p->acked_lie : s->acked;
    (void)msg_records_answer_write(&a->body, &m);
}

static void on_records(struct peer *p, const struct strbuf *body, struct answer *a)
{
    struct frame_reader *r = NULL;
    struct frame *f = NULL;
    struct error err = {};

    p->n_records++;
    if (p->records_delay_ms) {
        struct timespec pause = {.tv_nsec = (long)p->records_delay_ms * 1000000};

        (void)pthread_mutex_unlock(&p->lock);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&p->lock);
    }
    if (scripted(&p->records, a))
        return;
    assert_int_equal(frame_reader_new(&r), 0);
    if (frame_decode(r, sb_str(body), body->len, &f, &err) < 0) {
        say_error(a, WIRE_frame, err.what);
    } else if (p->refuse_seq && f->batch.first_seq <= p->refuse_seq &&
               f->batch.first_seq + f->batch.n_records > p->refuse_seq) {
        say_error(a, WIRE_frame, "cannot read that");
    } else {
        take_frame(p, f, a);
    }
    frame_free(f);
    frame_reader_free(r);
}

static void new_session(struct peer *p)
{
    uint64_t random = 0;

    (void)!getrandom(&random, sizeof(random), 0);
    (void)snprintf(p->session, sizeof(p->session), "s%016llx", (unsigned long long)random);
}

static void on_hello(struct peer *p, const struct strbuf *body, struct answer *a)
{
    struct msg_hello_answer out = {.session = p->session, .time_ms = now_ms(p)};
    struct msg_hello m;

    p->n_hello++;
    if (scripted(&p->hello, a))
        return;
    assert_int_equal(msg_hello_read(sb_str(body), body->len, &m, NULL), 0);
    new_session(p);
    out.n_streams = m.n_streams;
    out.bundle = p->bundle_id;
    out.renew = p->renew_asked;
    p->renew_asked = false;
    for (size_t i = 0; i < m.n_streams; i++) {
        out.streams[i] = m.streams[i];
        out.streams[i].acked = peer_stream_of(p, m.streams[i].class, &m.streams[i].id)->acked;
    }
    (void)msg_hello_answer_write(&a->body, &out);
    msg_hello_done(&m);
}

static void sign(struct peer *p, const char *csr, const char *agent, bool enrol, struct answer *a)
{
    struct error err = {};
    struct cert_info info;
    char *pem = NULL;

    if (ca_sign_agent(p->ca, csr, agent, now_ms(p), &pem, &info, &err) < 0) {
        say_error(a, WIRE_bad_request, err.what);
        return;
    }
    (void)msg_certificate_write(&a->body,
                                &(struct msg_certificate){.agent_id = enrol ? agent : NULL,
                                                          .certificate = pem,
                                                          .ca = p->other_ca ? p->other_ca
                                                                            : ca_pem(p->ca),
                                                          .renew_after_ms = ca_renew_after_ms()});
    free(pem);
}

static void on_enrol(struct peer *p, const struct strbuf *body, struct answer *a)
{
    struct token token;
    struct msg_enrol m;
    char hash[TOKEN_HASH_TEXT];

    p->n_enrol++;
    assert_int_equal(msg_enrol_read(sb_str(body), body->len, &m, NULL), 0);
    if (token_parse(m.token, &token, NULL) < 0 || token_hash(token.secret, hash) < 0 ||
        !streq(hash, p->token_hash))
        say_error(a, WIRE_token, "the token is used up");
    else
        sign(p, m.csr, "01234567-89ab-cdef-0123-456789abcdef", true, a);
    msg_enrol_done(&m);
}

static void on_renew(struct peer *p, const struct strbuf *body, struct answer *a)
{
    struct msg_renew m;

    p->n_renew++;
    if (scripted(&p->renew, a))
        return;
    assert_int_equal(msg_renew_read(sb_str(body), body->len, &m, NULL), 0);
    sign(p, m.csr, p->agent, false, a);
    msg_renew_done(&m);
}

static void on_state(struct peer *p, const struct strbuf *body, struct answer *a)
{
    struct msg_state m;

    p->n_state++;
    if (scripted(&p->state, a))
        return;
    assert_int_equal(msg_state_read(sb_str(body), body->len, &m, NULL), 0);
    if (m.full)
        state_set_clear(p->table);
    if (!m.full && m.base != state_set_checksum(p->table)) {
        say_error(a, WIRE_resync, "another base");
    } else {
        for (size_t i = 0; i < m.n_rows; i++) {
            if (m.rows[i].value)
                (void)state_set_put(p->table, m.rows[i].key, m.rows[i].value, m.rows[i].value_len);
            else
                (void)state_set_remove(p->table, m.rows[i].key);
        }
        assert_true(m.checksum == state_set_checksum(p->table));
        (void)msg_state_answer_write(&a->body, state_set_checksum(p->table));
    }
    msg_state_done(&m);
}

static void on_result(struct peer *p, const struct strbuf *body, struct answer *a)
{
    p->n_result++;
    if (scripted(&p->result, a))
        return;
    (void)snprintf(p->last_result, sizeof(p->last_result), "%s", sb_str(body));
    sb_puts(&a->body, "{}");
}

static void on_poll(struct peer *p, struct MHD_Connection *c, struct answer *a)
{
    const char *bundle = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "bundle"),
               *after = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "after");
    struct msg_poll m = {};

    p->n_poll++;
    (void)snprintf(p->last_after, sizeof(p->last_after), "%s", strempty(after));
    p->parked++;
    (void)eventfd_write(p->event_fd, 1);
    while (!p->stopping && !p->command && streq(strempty(p->bundle_id), strempty(bundle)))
        (void)pthread_cond_wait(&p->changed, &p->lock);
    p->parked--;
    if (p->command) {
        sb_puts(&a->body, p->command);
        p->command = NULL;
        return;
    }
    m.bundle = p->bundle_id;
    (void)msg_poll_write(&a->body, &m);
}

// The agent's certificate, as the product's server reads it.
static bool know_agent(struct peer *p, struct MHD_Connection *c, struct answer *a)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *list;
    struct cert_info cert;
    unsigned int n = 0;
    int r;

    list = gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &n);
    if (!list || n == 0) {
        say_error(a, WIRE_certificate, "no certificate");
        return false;
    }
    r = ca_check_agent(p->ca, list[0].data, list[0].size, now_ms(p), &cert, NULL);
    if (r < 0) {
        say_error(a, r == -ESTALE ? WIRE_expired : WIRE_certificate, "not a good certificate");
        return false;
    }
    memcpy(p->agent, cert.agent_id, sizeof(p->agent));
    return true;
}

static bool know_session(struct peer *p, const char *session, struct answer *a)
{
    if (p->keep_session || (session && *p->session && streq(session, p->session)))
        return true;
    p->n_lost_session++;
    say_error(a, WIRE_session, "the session has ended");
    return false;
}

static void route(struct peer *p, struct MHD_Connection *c, const char *path,
                  const struct strbuf *body, struct answer *a)
{
    const char *session = MHD_lookup_connection_value(c, MHD_HEADER_KIND, WIRE_SESSION_HEADER);

    if (streq(path, WIRE_ENROL)) {
        on_enrol(p, body, a);
        return;
    }
    if (!know_agent(p, c, a))
        return;
    if (streq(path, WIRE_HELLO)) {
        on_hello(p, body, a);
    } else if (streq(path, WIRE_RENEW)) {
        on_renew(p, body, a);
    } else if (know_session(p, session, a)) {
        if (streq(path, WIRE_RECORDS))
            on_records(p, body, a);
        else if (streq(path, WIRE_POLL))
            on_poll(p, c, a);
        else if (streq(path, WIRE_STATE))
            on_state(p, body, a);
        else if (streq(path, WIRE_RESULT))
            on_result(p, body, a);
        else if (str_startswith(path, WIRE_BUNDLE)) {
            p->n_bundle++;
            if (!scripted(&p->bundle, a))
                sb_puts(&a->body, p->bundle_body);
        } else {
            say_error(a, WIRE_not_found, "no such path");
        }
    }
}

static enum MHD_Result reply(struct MHD_Connection *c, struct answer *a)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(a->body.len,
                                                                    (void *)sb_str(&a->body),
                                                                    MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;
    char text[16];

    if (a->retry_after_s) {
        (void)snprintf(text, sizeof(text), "%u", a->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", text);
    }
    result = MHD_queue_response(c, a->status ? a->status : 200, response);
    MHD_destroy_response(response);
    sb_done(&a->body);
    return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    struct request *request = *state;
    struct answer a = {};
    struct peer *p = ctx;

    (void)method;
    (void)version;
    if (!request) {
        *state = calloc(1, sizeof(*request));
        return *state ? MHD_YES : MHD_NO;
    }
    if (*len > 0) {
        sb_add(&request->body, data, *len);
        *len = 0;
        return MHD_YES;
    }
    (void)pthread_mutex_lock(&p->lock);
    (void)snprintf(p->last_path, sizeof(p->last_path), "%s", path);
    route(p, c, path, &request->body, &a);
    (void)pthread_mutex_unlock(&p->lock);
    (void)eventfd_write(p->event_fd, 1);
    return reply(c, &a);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *request = *state;

    (void)ctx;
    (void)c;
    (void)why;
    if (request)
        sb_done(&request->body);
    free(request);
    *state = NULL;
}

void peer_init(struct peer *p, const char *ca_dir)
{
    struct error err = {};

    *p = (struct peer){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    assert_int_equal(ca_open(ca_dir, &p->ca, &err), 0);
    assert_int_equal(state_set_new(&p->table), 0);
}

void peer_start(struct peer *p, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char *const names[] = {"127.0.0.1"};
    const union MHD_DaemonInfo *info;
    struct cert_info cert;
    struct error err = {};

    if (!p->key) {
        assert_true(ca_server_renew(p->ca, names, 1, now_ns(CLOCK_REALTIME) / NS_PER_MS, &err) >=
                    0);
        assert_int_equal(ca_server_read(p->ca, &p->key, &p->chain, &cert, &err), 0);
    }
    p->stopping = false;
    p->session[0] = '\0';
    p->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                                     MHD_USE_TLS | MHD_USE_ITC,
                                 port, NULL, NULL, on_request, p, MHD_OPTION_HTTPS_MEM_KEY, p->key,
                                 MHD_OPTION_HTTPS_MEM_CERT, p->chain, MHD_OPTION_HTTPS_MEM_TRUST,
                                 ca_pem(p->ca), MHD_OPTION_SOCK_ADDR, &address,
                                 MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    assert_non_null(p->daemon);
    info = MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_BIND_PORT);
    p->port = info->port;
    (void)snprintf(p->url, sizeof(p->url), "https://127.0.0.1:%u", p->port);
}

void peer_stop(struct peer *p)
{
    if (!p->daemon)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    MHD_stop_daemon(p->daemon);
    p->daemon = NULL;
}

void peer_done(struct peer *p)
{
    peer_stop(p);
    for (size_t i = 0; i < p->n_streams; i++) {
        free(p->streams[i].times);
        free(p->streams[i].hashes);
    }
    ca_key_free(p->key);
    free(p->chain);
    ca_free(p->ca);
    state_set_free(p->table);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->changed);
    (void)close(p->event_fd);
}
