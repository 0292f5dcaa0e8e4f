// SPDX-License-Identifier: Apache-2.0
//
// sg-peer DIR PORT: a server for agents in a VM: what the tests of the link talk to, as a program. Keeps its CA and what it
// was sent in DIR, so that it can be killed and started again. Writes DIR/token when it is ready.
//
//   SIGHUP   hands out the policies in DIR/policies (those with "held" in their names do not block); none: no bundle
//   SIGUSR1  writes what it has seen: DIR/rows (key and value), DIR/seen (records, with another text, duplicates), DIR/result
//   SIGUSR2  sends the command whose name is in DIR/command
//   SIGTERM  ends
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "model/state.h"
#include "tests/unit/transport/peer.h"
#include "transport/msg_poll.h"
#include "transport/token.h"

#define FILES_MAX 16

struct server {
    struct peer peer;
    const char *dir;
    char id[BUNDLE_ID_TEXT], text[4096];
    struct strbuf body;
    unsigned n_commands;
};

static int put_row(void *ctx, const struct state_row *row)
{
    sb_printf(ctx, "%s %s\n", row->key, row->value);
    return 0;
}

static void put(const struct server *s, const char *name, const struct strbuf *sb)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(s->dir, name), sb_str(sb), sb->len,
                                       0600),
                     0);
}

static void say(struct server *s)
{
    _cleanup_(sb_done) struct strbuf rows = {}, seen = {}, result = {};
    uint64_t n = 0, wrong = 0;
    struct peer *p = &s->peer;

    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_streams; i++) {
        n += p->streams[i].n;
        wrong += p->streams[i].wrong;
    }
    (void)state_set_foreach(p->table, put_row, &rows);
    sb_puts(&result, p->last_result);
    sb_printf(&seen, "%llu %llu %llu\n", (unsigned long long)n, (unsigned long long)wrong,
              (unsigned long long)p->n_duplicates);
    (void)pthread_mutex_unlock(&p->lock);
    put(s, "rows", &rows);
    put(s, "result", &result);
    put(s, "seen", &seen);
}

static void hand_out(struct server *s)
{
    struct bundle_file files[FILES_MAX];
    struct msg_bundle m = {.id = s->id, .files = files};
    _cleanup_(strv_freep) char **names = NULL;
    char dir[4096];

    (void)unit_path_in(dir, sizeof(dir), s->dir, "policies");
    assert_int_equal(dir_names(AT_FDCWD, dir, ".yaml", FILES_MAX, &names), 0);
    STRV_FOREACH (name, names) {
        struct bundle_file *f = &files[m.n_files++];
        char *text;

        assert_int_equal(read_file_bounded(AT_FDCWD, unit_path(dir, *name), 1 << 20, &text,
                                           &f->len),
                         0);
        f->name = *name;
        f->text = text;
        f->mode = strstr(*name, "held") ? BUNDLE_MONITOR : BUNDLE_POLICY;
    }
    (void)pthread_mutex_lock(&s->peer.lock);
    sb_reset(&s->body);
    assert_int_equal(bundle_id(files, m.n_files, s->id), 0);
    assert_int_equal(msg_bundle_write(&s->body, &m), 0);
    s->peer.bundle_body = sb_str(&s->body);
    s->peer.bundle_id = m.n_files ? s->id : NULL;
    (void)pthread_cond_broadcast(&s->peer.changed);
    (void)pthread_mutex_unlock(&s->peer.lock);
    for (size_t i = 0; i < m.n_files; i++)
        free((char *)files[i].text);
}

static void send_command(struct server *s)
{
    _cleanup_free_ char *name = NULL;

    assert_int_equal(read_file_bounded(AT_FDCWD, unit_path(s->dir, "command"), 256, &name, NULL),
                     0);
    name[strcspn(name, "\n")] = '\0';
    (void)pthread_mutex_lock(&s->peer.lock);
    (void)snprintf(s->text, sizeof(s->text),
                   "{\"bundle\":%s%s%s,\"commands\":[{\"id\":\"c%u\",\"name\":\"%s\",\"args\":{},"
                   "\"deadline_ms\":0}]}",
                   s->peer.bundle_id ? "\"" : "", s->peer.bundle_id ? s->peer.bundle_id : "null",
                   s->peer.bundle_id ? "\"" : "", ++s->n_commands, name);
    s->peer.command = s->text;
    (void)pthread_cond_broadcast(&s->peer.changed);
    (void)pthread_mutex_unlock(&s->peer.lock);
}

static void give_token(struct server *s)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char text[TOKEN_TEXT_MAX];
    struct token token;

    assert_int_equal(token_new(ca_fingerprint(s->peer.ca), s->peer.url, &token, NULL), 0);
    assert_int_equal(token_format(&token, text), 0);
    assert_int_equal(token_hash(token.secret, s->peer.token_hash), 0);
    sb_puts(&sb, text);
    put(s, "token", &sb);
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM};
    static struct server s;
    char ca[4096], file[4096];
    sigset_t set;
    uint64_t port;
    int signo = 0;

    if (argc != 3 || parse_u64(argv[2], &port) < 0 || port > 65535) {
        (void)fprintf(stderr, "sg-peer DIR PORT\n");
        return 2;
    }
    s.dir = argv[1];
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        (void)sigaddset(&set, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path_in(ca, sizeof(ca), s.dir, "ca"), 0700), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(s.dir, "policies"), 0700), 0);
    peer_init(&s.peer, ca);
    s.peer.file = unit_path_in(file, sizeof(file), s.dir, "stored");
    if (access(file, F_OK) == 0)
        peer_reload(&s.peer);
    hand_out(&s);
    peer_start(&s.peer, (uint16_t)port);
    give_token(&s);
    while (signo != SIGTERM) {
        if (sigwait(&set, &signo) != 0)
            return 1;
        if (signo == SIGHUP)
            hand_out(&s);
        else if (signo == SIGUSR1)
            say(&s);
        else if (signo == SIGUSR2)
            send_command(&s);
    }
    peer_done(&s.peer);
    sb_done(&s.body);
    return 0;
}
