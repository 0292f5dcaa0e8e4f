// SPDX-License-Identifier: Apache-2.0
//
// The window in the defence: who may open it, how it ends, what is told; the secret; what records of refusals have for a rule. The kernel and
// its clocks are made up.
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/macro.h"

static uint64_t boot_ns;
static struct sensor_guard kernel;
static uint64_t counts[SG_GUARD_COUNTS];
static bool going_down;
static char said[4096];
static unsigned n_said;

void __wrap_notice(struct agent *a, const struct notice *n);
void __wrap_notice(struct agent *a, const struct notice *n)
{
    (void)a;
    n_said++;
    (void)snprintf(said, sizeof(said), "%d %s", n->severity, n->message);
}

int __wrap_sensor_guard(struct sensor *s, const struct sensor_guard *g);
int __wrap_sensor_guard(struct sensor *s, const struct sensor_guard *g)
{
    (void)s;
    kernel = *g;
    return 0;
}

void __wrap_sensor_guard_before(const struct sensor *s, struct sensor_guard *ret);
void __wrap_sensor_guard_before(const struct sensor *s, struct sensor_guard *ret)
{
    (void)s;
    *ret = kernel;
}

int __wrap_sensor_guard_counts(struct sensor *s, uint64_t ret[SG_GUARD_COUNTS]);
int __wrap_sensor_guard_counts(struct sensor *s, uint64_t ret[SG_GUARD_COUNTS])
{
    (void)s;
    memcpy(ret, counts, sizeof(counts));
    return 0;
}

int __wrap_sensor_guard_program(const char *path, uint32_t whom, struct sg_guard_program *ret);
int __wrap_sensor_guard_program(const char *path, uint32_t whom, struct sg_guard_program *ret)
{
    *ret = (struct sg_guard_program){.ino = strlen(path), .whom = whom};
    return 0;
}

size_t __wrap_sensor_guard_attached(const struct sensor *s, char *ret_missing, size_t size);
size_t __wrap_sensor_guard_attached(const struct sensor *s, char *ret_missing, size_t size)
{
    (void)s;
    (void)snprintf(ret_missing, size, "%s", "");
    return 0; // no canary: the real kill() would be let through
}

bool __wrap_manager_is_stopping(void);
bool __wrap_manager_is_stopping(void)
{
    return going_down;
}

uint64_t __real_now_ns(clockid_t clock);
uint64_t __wrap_now_ns(clockid_t clock);
uint64_t __wrap_now_ns(clockid_t clock)
{
    return clock == CLOCK_BOOTTIME || clock == CLOCK_MONOTONIC ? boot_ns : __real_now_ns(clock);
}

struct bench {
    struct agent a;
    char *dir;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    boot_ns = 1000 * NS_PER_SEC;
    kernel = (struct sensor_guard){};
    memset(counts, 0, sizeof(counts));
    going_down = false;
    n_said = 0;
    b->dir = unit_mkdtemp();
    b->a.config.state_dir = b->dir;
    b->a.config.defence = true;
    defence_start(&b->a);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    defence_ending(&b->a);
    unit_rmdir(b->dir);
    free(b);
    return 0;
}

static void tick(struct bench *b, uint64_t seconds)
{
    boot_ns += seconds * NS_PER_SEC;
    b->a.defence.watch.looked_ns = 0;
    defence_tick(&b->a);
}

static void test_starts_locked(void **state)
{
    struct bench *b = *state;
    struct error err = {};

    assert_true(kernel.on);
    assert_true(defence_locked(&b->a));
    assert_int_equal(kernel.alive_ns, boot_ns);
    assert_int_equal(kernel.programs[0].whom, SG_GUARD_OF_AGENT);
    assert_int_equal(defence_may_stop(&b->a, &err), -EPERM);
    tick(b, 3);
    assert_int_equal(kernel.alive_ns, boot_ns);
    // Without a secret there is nothing to open it with.
    assert_int_equal(defence_unlock(&b->a, "x", false, 0, "me", &err), -ENOENT);
    assert_non_null(strstr(err.cure, "--new-secret"));
}

static void test_window(void **state)
{
    struct bench *b = *state;
    char secret[SECRET_TEXT], other[SECRET_TEXT];
    struct error err = {};
    struct stat st;

    assert_int_equal(defence_new_secret(&b->a, "me", secret, &err), 0);
    assert_int_equal(stat(b->a.defence.secret_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    // The next one is for who has this one.
    assert_int_equal(defence_new_secret(&b->a, "me", other, &err), -EPERM);
    assert_int_equal(defence_unlock(&b->a, secret, false, 90000, "me", &err), 0);
    assert_int_equal(kernel.unlocked_until_ns, boot_ns + 90 * NS_PER_SEC);
    assert_non_null(strstr(said, "unlocked by me"));
    assert_false(defence_locked(&b->a));
    assert_int_equal(defence_may_stop(&b->a, &err), 0);
    assert_true(defence_may_end(&b->a, SIGTERM));
    n_said = 0;
    tick(b, 89);
    assert_int_equal(n_said, 0);
    tick(b, 2);
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(said, "up again"));
    assert_true(defence_locked(&b->a));
    tick(b, 2);
    assert_int_equal(n_said, 1);

    assert_int_equal(defence_unlock(&b->a, secret, false, 0, "me", &err), 0);
    assert_int_equal(kernel.unlocked_until_ns, boot_ns + 600 * NS_PER_SEC);
    defence_lock(&b->a, "me");
    assert_int_equal(kernel.unlocked_until_ns, 0);
    assert_non_null(strstr(said, "locked by me"));
    assert_int_equal(defence_unlock(&b->a, secret, false, 3600001, "me", &err), -ERANGE);
    assert_int_equal(defence_unlock(&b->a, secret, false, 1, "me", &err), -ERANGE);
    // The server needs none.
    assert_int_equal(defence_unlock(&b->a, NULL, true, 0, "the server", &err), 0);
}

// The kernel's table is the only witness of a window that an earlier agent opened.
static void test_window_from_before(void **state)
{
    struct bench *b = *state;

    n_said = 0;
    kernel.unlocked_until_ns = boot_ns + 60 * NS_PER_SEC;
    defence_start(&b->a);
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(said, "still down"));
    assert_true(defence_open_until(&b->a.defence) == boot_ns + 60 * NS_PER_SEC);
    // Longer than anybody can ask for: who wrote it was not the agent.
    kernel.unlocked_until_ns = (uint64_t)1 << 62;
    defence_start(&b->a);
    assert_int_equal(n_said, 2);
    assert_non_null(strstr(said, "it is up again"));
    assert_true(defence_open_until(&b->a.defence) == 0);
    assert_true(kernel.unlocked_until_ns == 0);
}

static void test_secrets_as_people_type_them(void **state)
{
    struct bench *b = *state;
    char secret[SECRET_TEXT], text[2 * SECRET_TEXT] = " ";
    const char *path = b->a.defence.secret_path;
    struct error err = {};
    size_t n = 1;

    assert_int_equal(secret_make(path, secret, &err), 0);
    assert_int_equal(strlen(secret), SECRET_TEXT - 1);
    assert_int_equal(secret_check(path, secret), 0);
    for (const char *p = secret; *p; p++) {
        if (*p == '-')
            continue;
        text[n++] = *p == '0' ? 'o' : *p == '1' ? 'l' : *p >= 'A' ? (char)(*p - 'A' + 'a') : *p;
    }
    assert_int_equal(secret_check(path, text), 0);
    text[n - 1] = text[n - 1] == '2' ? '3' : '2';
    assert_int_equal(secret_check(path, text), -EACCES);
    text[n - 1] = '\0';
    assert_int_equal(secret_check(path, text), -EACCES);
    assert_int_equal(secret_check(path, ""), -EACCES);
    assert_int_equal(secret_check(path, "!!!!!-!!!!!-!!!!!-!!!!!-!!!!!"), -EACCES);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(secret_check(path, secret), -EBADMSG);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(secret_check(path, secret), -EBADMSG);
}

static void test_guesses_have_to_wait(void **state)
{
    struct bench *b = *state;
    char secret[SECRET_TEXT];
    struct error err = {};

    assert_int_equal(defence_new_secret(&b->a, "me", secret, &err), 0);
    n_said = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(defence_unlock(&b->a, "00000-00000", false, 0, "eve", &err), -EACCES);
    assert_int_equal(n_said, 4);
    assert_non_null(strstr(said, "4 a wrong secret"));
    // Nor the right one: whether it was would be told.
    assert_int_equal(defence_unlock(&b->a, secret, false, 0, "eve", &err), -EAGAIN);
    boot_ns += 3 * NS_PER_SEC;
    assert_int_equal(defence_unlock(&b->a, "00000-00000", false, 0, "eve", &err), -EACCES);
    boot_ns += 3 * NS_PER_SEC;
    assert_int_equal(defence_unlock(&b->a, secret, false, 0, "me", &err), -EAGAIN);
    boot_ns += 2 * NS_PER_SEC;
    assert_int_equal(defence_unlock(&b->a, secret, false, 0, "me", &err), 0);
}

static void test_ends_when_the_host_does(void **state)
{
    struct bench *b = *state;

    assert_false(defence_may_end(&b->a, SIGTERM));
    assert_non_null(strstr(said, "refused: to end by a signal (Terminated)"));
    going_down = true;
    assert_true(defence_may_end(&b->a, SIGTERM));
    b->a.sensor = (struct sensor *)&kernel; // only whether there is one is asked
    defence_ending(&b->a);
    assert_true(kernel.ending);
}

static void test_off(void **state)
{
    struct bench *b = *state;
    struct error err = {};

    b->a.config.defence = false;
    defence_start(&b->a);
    assert_false(kernel.on);
    assert_false(defence_locked(&b->a));
    assert_true(defence_may_end(&b->a, SIGTERM));
    assert_int_equal(defence_unlock(&b->a, NULL, true, 0, "x", &err), -EALREADY);
}

static void test_records(void **state)
{
    struct bench *b = *state;
    const struct rule_ref *rule = defence_rule();

    // What alerts are told apart by, and people read.
    assert_int_equal(rule->policy.len, 9);
    assert_memory_equal(rule->policy.s, "safeguard", 9);
    assert_int_equal(rule->name.len, sizeof(BUILD_GUARD_NAME) - 1);
    assert_memory_equal(rule->name.s, BUILD_GUARD_NAME, rule->name.len);
    assert_int_equal(rule->file.len, 0);
    defence_refused(&b->a, 1);
    defence_refused(&b->a, 1000);
    assert_int_equal(b->a.defence.attempts, 1001);
    counts[SG_GUARD_REFUSED] = 7;
    tick(b, 1);
    assert_int_equal(b->a.defence.counts[SG_GUARD_REFUSED], 7);
    // Of records nobody is told a second time.
    assert_int_equal(n_said, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_starts_locked), TEST(test_window), TEST(test_window_from_before),
          TEST(test_secrets_as_people_type_them), TEST(test_guesses_have_to_wait),
          TEST(test_ends_when_the_host_does), TEST(test_off), TEST(test_records))
