// SPDX-License-Identifier: Apache-2.0
//
// Both ends against one another: the server in a loop here, the client in a thread.
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "control/client.h"
#include "control/server.h"

#define WAIT_MS 5000

struct bench {
    struct loop *loop;
    struct control_server *server;
    char *dir;
    char path[4096];
    struct control_caller later;
    bool has_later;
    pthread_t thread;
    void (*client)(struct bench *b);
    int done; // the client has ended; written to by it
    int done_pipe[2];
};

// What the test's agent answers.
static int on_request(void *ctx, const struct control_caller *caller,
                      const struct control_request *request, struct jw *result, struct error *err)
{
    struct bench *b = ctx;

    switch (request->command) {
    case CONTROL_status:
        jw_begin_object(result);
        jw_kv_u64(result, "pid", (uint64_t)caller->pid);
        jw_kv_str(result, "echo", json_get_str(request->args, "say", "nothing"));
        jw_end_object(result);
        return 0;
    case CONTROL_policy_check:
        (void)error_set(err, -EINVAL, "there is a mistake");
        error_cure(err, "correct it");
        return -EINVAL;
    case CONTROL_policy_reload:
        b->later = *caller;
        b->has_later = true;
        return CONTROL_LATER;
    case CONTROL_events_subscribe:
        control_server_subscribe(b->server, caller);
        jw_bool(result, true);
        return 0;
    case CONTROL_hooks: return 0; // nothing was written: not a value
    case CONTROL_policy_show:
        // More than a frame holds.
        jw_begin_array(result);
        for (unsigned i = 0; i < CONTROL_FRAME_MAX / 4; i++)
            jw_cstr(result, "xxx");
        jw_end_array(result);
        return 0;
    default: return -ENOSYS;
    }
}

static void *run_client(void *arg)
{
    struct bench *b = arg;

    b->client(b);
    (void)!write(b->done_pipe[1], "x", 1);
    return NULL;
}

static int on_done(void *ctx, int fd, uint32_t events)
{
    struct bench *b = ctx;

    (void)fd;
    (void)events;
    b->done = 1;
    return loop_exit(b->loop, 0);
}

static void open_bench(struct bench *b)
{
    struct error err = {};

    *b = (struct bench){.dir = unit_mkdtemp()};
    (void)unit_path_in(b->path, sizeof(b->path), b->dir, "sock");
    assert_int_equal(pipe2(b->done_pipe, O_CLOEXEC), 0);
    assert_int_equal(loop_new(&b->loop), 0);
    assert_int_equal(control_server_new(b->loop, b->path, on_request, b, &b->server, &err), 0);
    assert_int_equal(loop_add_fd(b->loop, b->done_pipe[0], EPOLLIN, on_done, b, NULL), 0);
}

static void start(struct bench *b, void (*client)(struct bench *b))
{
    b->client = client;
    assert_int_equal(pthread_create(&b->thread, NULL, run_client, b), 0);
}

static void finish(struct bench *b)
{
    if (!b->done)
        assert_int_equal(loop_run(b->loop), 0);
    assert_int_equal(pthread_join(b->thread, NULL), 0);
    control_server_free(b->server);
    assert_int_equal(access(b->path, F_OK), -1);
    loop_free(b->loop);
    (void)close(b->done_pipe[0]);
    (void)close(b->done_pipe[1]);
    unit_rmdir(b->dir);
}

static struct control_client *connect_to(struct bench *b)
{
    struct control_client *c = NULL;
    struct error err = {};

    assert_int_equal(control_client_new(b->path, WAIT_MS, &c, &err), 0);
    return c;
}

static void ask_things(struct bench *b)
{
    struct control_client *c = connect_to(b);
    struct json_object *o = NULL;
    struct error err = {};

    assert_int_equal(control_client_call(c, CONTROL_status, "{\"say\":\"hello\"}", &o, &err), 0);
    assert_string_equal(json_get_str(o, "echo", ""), "hello");
    assert_int_equal(json_get_u64(o, "pid", 0), getpid());
    json_object_put(o);
    assert_int_equal(control_client_call(c, CONTROL_policy_check, NULL, &o, &err), -EINVAL);
    assert_string_equal(err.what, "there is a mistake");
    assert_string_equal(err.cure, "correct it");
    // An answer that was not put together, one without a reason, one that is too long: said, not dropped.
    assert_int_equal(control_client_call(c, CONTROL_hooks, NULL, &o, &err), -EIO);
    assert_int_equal(control_client_call(c, CONTROL_stop, NULL, &o, &err), -ENOSYS);
    assert_true(err.what[0] != '\0');
    assert_int_equal(control_client_call(c, CONTROL_policy_show, NULL, &o, &err), -EMSGSIZE);
    assert_string_equal(err.cure, "ask for less at once");
    // And the connection is as good as before.
    assert_int_equal(control_client_call(c, CONTROL_status, NULL, &o, &err), 0);
    json_object_put(o);
    control_client_free(c);
}

static void test_answers(void **state)
{
    struct control_server_counters counters;
    struct bench b;
    struct stat st;

    (void)state;
    open_bench(&b);
    assert_int_equal(stat(b.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    start(&b, ask_things);
    assert_int_equal(loop_run(b.loop), 0);
    control_server_counters(b.server, &counters);
    assert_int_equal(counters.accepted, 1);
    assert_int_equal(counters.requests, 6);
    finish(&b);
}

static void ask_later(struct bench *b)
{
    struct control_client *c = connect_to(b);
    struct json_object *o = NULL;
    struct error err = {};

    assert_int_equal(control_client_call(c, CONTROL_policy_reload, NULL, &o, &err), 0);
    assert_int_equal(json_object_get_int(o), 42);
    json_object_put(o);
    control_client_free(c);
}

static void test_late_answer(void **state)
{
    _cleanup_(sb_done) struct strbuf result = {};
    struct control_caller nobody = {.peer = 99, .id = 1};
    struct bench b;

    (void)state;
    open_bench(&b);
    start(&b, ask_later);
    while (!b.has_later)
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    sb_puts(&result, "42");
    control_server_reply(b.server, &nobody, &result); // has gone: nothing happens
    control_server_reply(b.server, &b.later, &result);
    finish(&b);
}

static void subscribe(struct bench *b)
{
    struct control_client *c = connect_to(b);
    struct control_frame frame = {};
    struct json_object *o = NULL;
    struct error err = {};
    char expected[32];

    assert_int_equal(control_client_call(c, CONTROL_events_subscribe, NULL, &o, &err), 0);
    json_object_put(o);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(control_client_next(c, WAIT_MS, &frame, &err), 1);
        assert_int_equal(frame.kind, CONTROL_EVENT);
        (void)snprintf(expected, sizeof(expected), "{\"n\":%d}", i);
        assert_int_equal(frame.len, strlen(expected));
        assert_memory_equal(frame.payload, expected, frame.len);
    }
    assert_int_equal(control_client_next(c, 0, &frame, &err), 0);
    control_client_free(c);
}

static void test_events(void **state)
{
    struct bench b;
    char line[32];

    (void)state;
    open_bench(&b);
    control_server_publish(b.server, "{}", 2); // nobody is there
    start(&b, subscribe);
    while (!control_server_has_subscribers(b.server))
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(line, sizeof(line), "{\"n\":%d}", i);
        control_server_publish(b.server, line, strlen(line));
    }
    finish(&b);
}

static int raw_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

// A subscriber that does not read: bounded, counted, and told.
static void test_slow_subscriber(void **state)
{
    _cleanup_free_ char *line = malloc(100000);
    _cleanup_(sb_done) struct strbuf request = {};
    struct control_server_counters counters;
    struct control_reader reader = {};
    struct control_frame frame;
    uint64_t events = 0, lost = 0;
    struct bench b;
    int fd;

    (void)state;
    open_bench(&b);
    fd = raw_connect(b.path);
    assert_int_equal(control_request_write(&request, 1, CONTROL_events_subscribe, NULL), 0);
    assert_int_equal(write(fd, request.s, request.len), request.len);
    while (!control_server_has_subscribers(b.server))
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    memset(line, 'x', 100000);
    for (int i = 0; i < 200; i++)
        control_server_publish(b.server, line, 100000);
    control_server_counters(b.server, &counters);
    assert_int_equal(counters.events, 200);
    assert_true(counters.lost > 100);

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (events + lost < 200) {
        ssize_t n = control_reader_fill(&reader, fd);

        if (n == -EAGAIN) {
            assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
            continue;
        }
        assert_true(n > 0);
        while (control_reader_next(&reader, &frame) == 1) {
            if (frame.kind == CONTROL_EVENT)
                events++;
            if (frame.kind == CONTROL_LOST) {
                struct json_object *o = control_json_parse(frame.payload, frame.len);

                lost += json_get_u64(o, "lost", 0);
                json_object_put(o);
            }
        }
    }
    assert_int_equal(lost, counters.lost);
    control_reader_done(&reader);
    (void)close(fd);
    start(&b, ask_things);
    finish(&b);
}

// Garbage, half a request, somebody who leaves: each ends its own connection and nothing else.
static void test_bad_clients(void **state)
{
    struct control_server_counters counters;
    struct control_reader reader = {};
    struct control_frame frame;
    struct bench b;
    int fds[3];

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = raw_connect(b.path);
    assert_int_equal(write(fds[0], "GET / HTTP/1.0\r\n\r\n", 18), 18);
    assert_int_equal(write(fds[1], "SG\x01\x01\x05\x00\x00\x00{", 9), 9);
    (void)close(fds[2]);
    do
        assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
    while (control_server_counters(b.server, &counters), counters.failed < 1 || counters.peers > 1);
    // The stranger gets an answer and an end.
    assert_true(control_reader_fill(&reader, fds[0]) > 0);
    assert_int_equal(control_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.kind, CONTROL_RESPONSE);
    assert_int_equal(control_reader_fill(&reader, fds[0]), 0);
    control_reader_done(&reader);
    (void)close(fds[0]);
    (void)close(fds[1]);
    start(&b, ask_things);
    finish(&b);
}

static void test_too_many(void **state)
{
    struct control_server_counters counters;
    int fds[CONTROL_PEERS_MAX + 2];
    struct bench b;

    (void)state;
    open_bench(&b);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = raw_connect(b.path);
        do
            assert_true(loop_run_once(b.loop, WAIT_MS) > 0);
        while (control_server_counters(b.server, &counters),
               counters.accepted + counters.refused <= i);
    }
    assert_int_equal(counters.peers, CONTROL_PEERS_MAX);
    assert_int_equal(counters.refused, 2);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
    start(&b, ask_things);
    finish(&b);
}

static void test_nobody_there(void **state)
{
    struct control_client *c = NULL;
    struct error err = {};
    char *dir = unit_mkdtemp();
    struct bench b;

    (void)state;
    assert_int_equal(control_client_new(unit_path(dir, "none"), 100, &c, &err), -ENOENT);
    assert_true(err.cure[0] != '\0');
    unit_rmdir(dir);
    // What an agent that was killed left behind.
    open_bench(&b);
    control_server_free(b.server);
    b.server = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, b.path, strlen(b.path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
    assert_int_equal(control_client_new(b.path, 100, &c, &err), -ECONNREFUSED);
    // The next agent takes the place.
    assert_int_equal(control_server_new(b.loop, b.path, on_request, &b, &b.server, &err), 0);
    start(&b, ask_things);
    finish(&b);
}

UNIT_MAIN(cmocka_unit_test(test_answers), cmocka_unit_test(test_late_answer),
          cmocka_unit_test(test_events), cmocka_unit_test(test_slow_subscriber),
          cmocka_unit_test(test_bad_clients), cmocka_unit_test(test_too_many),
          cmocka_unit_test(test_nobody_there))
