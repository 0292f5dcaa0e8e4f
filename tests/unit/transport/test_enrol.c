// SPDX-License-Identifier: Apache-2.0
//
// Enrolment against a real server, and against those that are not the one of the token.
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macro.h"
#include "tests/unit/transport/bench.h"
#include "transport/enrol.h"
#include "transport/token.h"

struct enrolment {
    struct bench b;
    struct enrol_options options;
    char token[TOKEN_TEXT_MAX];
};

static void make_token(struct enrolment *e, const char *url)
{
    struct token token;
    struct error err = {};

    assert_int_equal(token_new(ca_fingerprint(e->b.peer.ca), url, &token, &err), 0);
    assert_int_equal(token_format(&token, e->token), 0);
    assert_int_equal(token_hash(token.secret, e->b.peer.token_hash), 0);
}

static void open_enrolment(struct enrolment *e)
{
    bench_open(&e->b);
    peer_start(&e->b.peer, 0);
    make_token(e, e->b.peer.url);
    e->options = (struct enrol_options){
        .token = e->token,
        .host = {.name = "web1", .machine_id = MACHINE},
        .version = "0.1",
        .path = e->b.identity,
        .timeout_ms = 10000,
    };
}

static int try(struct enrolment *e, struct error *err)
{
    struct identity *id = NULL;
    int r = enrol(&e->options, &id, err);

    assert_true((r == 0) == (id != NULL));
    identity_free(id);
    return r;
}

static void test_enrol(void **state)
{
    _cleanup_(identity_freep) struct identity *id = NULL;
    struct enrolment e;
    struct error err = {};
    struct stat st;

    (void)state;
    open_enrolment(&e);
    assert_int_equal(try(&e, &err), 0);
    assert_int_equal(identity_load(e.b.identity, MACHINE, &id, &err), 0);
    assert_string_equal(id->agent_id, AGENT);
    assert_string_equal(id->server_url, e.b.peer.url);
    assert_string_equal(id->ca, ca_pem(e.b.peer.ca));
    assert_in_range(id->renew_at_ms - now_ns(CLOCK_REALTIME) / NS_PER_MS,
                    UINT64_C(19) * 86400 * 1000, UINT64_C(20) * 86400 * 1000);
    assert_int_equal(stat(e.b.identity, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    // And it is of use.
    bench_link(&e.b);
    WAIT(&e.b, bench_status(&e.b).state == LINK_online);
    bench_close(&e.b);
}

static void test_url_of_the_person(void **state)
{
    struct enrolment e;
    struct error err = {};

    (void)state;
    open_enrolment(&e);
    make_token(&e, NULL);
    assert_int_equal(try(&e, &err), -EINVAL);
    assert_non_null(strstr(err.cure, "--server"));
    e.options.server_url = e.b.peer.url;
    assert_int_equal(try(&e, &err), 0);
    e.options.server_url = "http://127.0.0.1";
    assert_int_equal(try(&e, &err), -EINVAL);
    bench_close(&e.b);
}

static void test_token_is_refused(void **state)
{
    struct enrolment e;
    struct error err = {};

    (void)state;
    open_enrolment(&e);
    e.b.peer.token_hash[0] ^= 1;
    assert_int_equal(try(&e, &err), -EACCES);
    assert_string_equal(err.what, "the token is used up");
    assert_int_equal(try(&e, NULL), -EACCES);
    assert_int_equal(access(e.b.identity, F_OK), -1);
    e.options.token = "sg1.xyz";
    assert_int_equal(try(&e, &err), -EINVAL);
    bench_close(&e.b);
}

// The peer with another pair of key and chain. The token's secret must not reach it.
static void assert_refused(struct enrolment *e, char *key, char *chain, int code)
{
    struct error err = {};
    uint16_t port = e->b.peer.port;

    peer_stop(&e->b.peer);
    ca_key_free(e->b.peer.key);
    free(e->b.peer.chain);
    e->b.peer.key = key;
    e->b.peer.chain = chain;
    peer_start(&e->b.peer, port);
    assert_int_equal(try(e, &err), code);
    assert_true(*err.cure);
    assert_int_equal(e->b.peer.n_enrol, 0);
    assert_int_equal(access(e->b.identity, F_OK), -1);
}

static void test_other_servers(void **state)
{
    static const char *const right[] = {"127.0.0.1"}, *const wrong[] = {"server.example"};
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    char *key = NULL, *chain = NULL, *mixed = NULL, *csr = NULL, path[4096];
    struct ca *foreign = NULL;
    struct cert_info info;
    struct enrolment e;
    struct error err = {};

    (void)state;
    open_enrolment(&e);
    (void)unit_path_in(path, sizeof(path), e.b.dir, "foreign");
    assert_int_equal(ca_open(path, &foreign, &err), 0);
    assert_int_equal(ca_server_renew(foreign, right, 1, now, &err), 1);
    // Of another CA; and with the right one beside it, which has not signed it.
    assert_int_equal(ca_server_read(foreign, &key, &chain, &info, &err), 0);
    assert_refused(&e, key, chain, -EKEYREJECTED);
    assert_int_equal(ca_server_read(foreign, &key, &chain, &info, &err), 0);
    assert_true(asprintf(&mixed, "%s%s", chain, ca_pem(e.b.peer.ca)) > 0);
    free(chain);
    assert_refused(&e, key, mixed, -EKEYREJECTED);
    ca_free(foreign);
    // Of the right CA for another name, and too old.
    assert_int_equal(ca_server_renew(e.b.peer.ca, wrong, 1, now, &err), 1);
    assert_int_equal(ca_server_read(e.b.peer.ca, &key, &chain, &info, &err), 0);
    assert_refused(&e, key, chain, -EKEYREJECTED);
    assert_int_equal(ca_server_renew(e.b.peer.ca, right, 1, 1, &err), 1);
    assert_int_equal(ca_server_read(e.b.peer.ca, &key, &chain, &info, &err), 0);
    assert_refused(&e, key, chain, -EKEYEXPIRED);
    // An agent of the same CA.
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    assert_int_equal(ca_sign_agent(e.b.peer.ca, csr, AGENT, now, &chain, &info, &err), 0);
    free(csr);
    assert_true(asprintf(&mixed, "%s%s", chain, ca_pem(e.b.peer.ca)) > 0);
    free(chain);
    assert_refused(&e, key, mixed, -EKEYREJECTED);
    bench_close(&e.b);
}

// The right server, whose answer would have the host trust somebody else from then on.
static void test_another_ca_in_the_answer(void **state)
{
    struct ca *foreign = NULL;
    struct enrolment e;
    struct error err = {};
    char path[4096];

    (void)state;
    open_enrolment(&e);
    (void)unit_path_in(path, sizeof(path), e.b.dir, "foreign");
    assert_int_equal(ca_open(path, &foreign, &err), 0);
    e.b.peer.other_ca = ca_pem(foreign);
    assert_int_equal(try(&e, &err), -EBADMSG);
    assert_int_equal(e.b.peer.n_enrol, 1);
    e.b.peer.other_ca = "rubbish";
    assert_int_equal(try(&e, &err), -EBADMSG);
    assert_int_equal(access(e.b.identity, F_OK), -1);
    ca_free(foreign);
    bench_close(&e.b);
}

static void test_nobody_there(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct enrolment e;
    struct error err = {};
    char url[64];
    int fd;

    (void)state;
    open_enrolment(&e);
    peer_stop(&e.b.peer);
    assert_int_equal(try(&e, &err), -ECONNREFUSED);
    // Somebody who takes the connection and says nothing.
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", ntohs(address.sin_port));
    e.options.server_url = url;
    e.options.timeout_ms = 300;
    assert_int_equal(try(&e, &err), -ETIMEDOUT);
    (void)close(fd);
    bench_close(&e.b);
}

static void test_identity_cannot_be_written(void **state)
{
    struct enrolment e;
    struct error err = {};
    char path[8192];

    (void)state;
    open_enrolment(&e);
    (void)snprintf(path, sizeof(path), "%s/none/identity.json", e.b.dir);
    e.options.path = path;
    assert_int_equal(try(&e, &err), -ENOENT);
    // Before the token was used up for nothing.
    assert_int_equal(e.b.peer.n_enrol, 0);
    bench_close(&e.b);
}

UNIT_MAIN(cmocka_unit_test(test_enrol), cmocka_unit_test(test_url_of_the_person),
          cmocka_unit_test(test_token_is_refused), cmocka_unit_test(test_other_servers),
          cmocka_unit_test(test_another_ca_in_the_answer), cmocka_unit_test(test_nobody_there),
          cmocka_unit_test(test_identity_cannot_be_written))
