// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/loop.h"

struct seen {
    struct loop *loop;
    struct loop_source *source;
    int calls;
    int limit;
    int code;
    uint32_t events;
    int number;
};

static struct loop *new_loop(void)
{
    struct loop *loop = NULL;

    assert_int_equal(loop_new(&loop), 0);
    return loop;
}

static int on_fd(void *ctx, int fd, uint32_t events)
{
    struct seen *seen = ctx;
    char byte;

    seen->events |= events;
    seen->calls++;
    if (events & EPOLLIN && read(fd, &byte, 1) == 1)
        seen->number = byte;
    return seen->calls == seen->limit ? loop_exit(seen->loop, seen->code) : 0;
}

static int on_time(void *ctx)
{
    struct seen *seen = ctx;

    seen->calls++;
    return seen->calls == seen->limit ? loop_exit(seen->loop, seen->code) : 0;
}

static int on_signal(void *ctx, int signo)
{
    struct seen *seen = ctx;

    seen->number = signo;
    return loop_exit(seen->loop, 0);
}

static int fail_now(void *ctx)
{
    (void)ctx;
    return -EPROTO;
}

static int free_own_source(void *ctx)
{
    struct seen *seen = ctx;

    seen->calls++;
    seen->source = loop_source_free(seen->source);
    return 0;
}

static void test_descriptor(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    _cleanup_(loop_source_freep) struct loop_source *source = NULL;
    struct seen seen = {.loop = loop, .limit = 2, .code = 7};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(loop_add_fd(loop, pair[0], EPOLLIN, on_fd, &seen, &source), 0);
    assert_int_equal(write(pair[1], "ab", 2), 2);
    assert_int_equal(loop_run(loop), 7);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.number, 'b');
    assert_int_equal(loop_run_once(loop, 0), -ESTALE);
    safe_close(pair[0]);
    safe_close(pair[1]);
}

static void test_enable_and_events(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    _cleanup_(loop_source_freep) struct loop_source *source = NULL;
    struct seen seen = {.loop = loop};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(loop_add_fd(loop, pair[0], EPOLLIN, on_fd, &seen, &source), 0);
    assert_int_equal(write(pair[1], "a", 1), 1);
    assert_int_equal(loop_source_enable(source, false), 0);
    assert_int_equal(loop_run_once(loop, 0), 0);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(loop_source_enable(source, true), 0);
    assert_int_equal(loop_run_once(loop, 0), 1);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(loop_source_set_events(source, EPOLLOUT), 0);
    assert_int_equal(loop_run_once(loop, 0), 1);
    assert_int_equal(seen.events, EPOLLIN | EPOLLOUT);
    safe_close(pair[0]);
    safe_close(pair[1]);
}

static void test_timers(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    struct seen periodic = {.loop = loop, .limit = 4, .code = 3}, once = {.loop = loop};
    uint64_t begin = now_ns(CLOCK_MONOTONIC);

    (void)state;
    assert_int_equal(loop_add_timer(loop, 20, 10, 0, on_time, &periodic, NULL), 0);
    assert_int_equal(loop_add_timer(loop, 0, 0, 0, on_time, &once, NULL), 0);
    assert_int_equal(loop_run(loop), 3);
    assert_int_equal(periodic.calls, 4);
    assert_int_equal(once.calls, 1);
    // 20 + 3 * 10 ms, not earlier; how much later depends on the machine.
    assert_true(now_ns(CLOCK_MONOTONIC) - begin >= 50 * NS_PER_MS);
    assert_int_equal(loop_add_timer(loop, UINT64_MAX, 0, 0, on_time, &once, NULL), -ERANGE);
}

static void test_rearm(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    _cleanup_(loop_source_freep) struct loop_source *source = NULL;
    struct seen seen = {.loop = loop};

    (void)state;
    assert_int_equal(loop_add_timer(loop, 0, 0, 0, on_time, &seen, &source), 0);
    assert_int_equal(loop_run_once(loop, 1000), 1);
    assert_int_equal(loop_run_once(loop, 0), 0);
    assert_int_equal(loop_source_rearm(source, 1), 0);
    assert_int_equal(loop_run_once(loop, 10000), 1);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(loop_source_rearm(source, UINT64_MAX), -ERANGE);
}

static void test_signal(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    struct seen seen = {.loop = loop};

    (void)state;
    assert_int_equal(loop_add_signal(loop, SIGUSR1, on_signal, &seen, NULL), 0);
    assert_int_equal(loop_add_signal(loop, 12345, on_signal, &seen, NULL), -EINVAL);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(seen.number, SIGUSR1);
}

static void test_failing_callback_ends_the_loop(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();

    (void)state;
    assert_int_equal(loop_add_defer(loop, fail_now, NULL, NULL), 0);
    assert_int_equal(loop_run(loop), -EPROTO);
}

static void test_free_inside_the_callback(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    struct seen defer = {.loop = loop}, timer = {.loop = loop};

    (void)state;
    assert_int_equal(loop_add_defer(loop, free_own_source, &defer, &defer.source), 0);
    assert_int_equal(loop_add_timer(loop, 0, 1, 0, free_own_source, &timer, &timer.source), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(loop_run_once(loop, 10000), 1);
    assert_int_equal(loop_run_once(loop, 20), 0);
    assert_int_equal(defer.calls, 1);
    assert_int_equal(timer.calls, 1);
    assert_null(timer.source);
}

static void test_source_outlives_the_loop(void **state)
{
    struct loop *loop = new_loop();
    struct seen seen = {.loop = loop};
    struct loop_source *source = NULL;

    (void)state;
    assert_int_equal(loop_add_timer(loop, 0, 0, 0, on_time, &seen, &source), 0);
    assert_int_equal(loop_add_defer(loop, on_time, &seen, NULL), 0);
    assert_null(loop_free(loop));
    assert_null(loop_source_free(source));
    assert_int_equal(seen.calls, 0);
    assert_null(loop_free(NULL));
    assert_null(loop_source_free(NULL));
}

struct order {
    char text[4];
    size_t n;
};

static int first(void *ctx)
{
    struct order *order = ctx;

    order->text[order->n++] = '1';
    return 0;
}

static int second(void *ctx)
{
    struct order *order = ctx;

    order->text[order->n++] = '2';
    return 0;
}

static void test_priority(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();
    _cleanup_(loop_source_freep) struct loop_source *late = NULL, *early = NULL;
    struct order order = {};

    (void)state;
    assert_int_equal(loop_add_defer(loop, second, &order, &late), 0);
    assert_int_equal(loop_add_defer(loop, first, &order, &early), 0);
    assert_int_equal(loop_source_set_priority(late, 10), 0);
    assert_int_equal(loop_source_set_priority(early, -10), 0);
    assert_int_equal(loop_run_once(loop, 0), 1);
    assert_int_equal(loop_run_once(loop, 0), 1);
    assert_string_equal(order.text, "12");
}

static void test_watchdog_without_manager(void **state)
{
    _cleanup_(loop_freep) struct loop *loop = new_loop();

    (void)state;
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(loop_set_watchdog(loop, true), 0);
    assert_non_null(loop_sd_event(loop));
}

UNIT_MAIN(cmocka_unit_test(test_descriptor), cmocka_unit_test(test_enable_and_events),
          cmocka_unit_test(test_timers), cmocka_unit_test(test_rearm),
          cmocka_unit_test(test_signal), cmocka_unit_test(test_failing_callback_ends_the_loop),
          cmocka_unit_test(test_free_inside_the_callback),
          cmocka_unit_test(test_source_outlives_the_loop), cmocka_unit_test(test_priority),
          cmocka_unit_test(test_watchdog_without_manager))
