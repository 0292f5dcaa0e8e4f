// SPDX-License-Identifier: Apache-2.0
//
// Safeguard's own defence, the agent's part of it: tells the kernel side who is to be defended, opens and closes the window in which
// nothing is, and says what was tried. The window ends in the kernel, by the clock of the boot, whatever becomes of the agent.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/secret.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"

#define WINDOW_DEFAULT_MS UINT64_C(600000)
#define WINDOW_MAX_MS     UINT64_C(3600000)
#define WINDOW_MIN_MS     UINT64_C(1000)
#define GUESSES_FREE      3  // wrong ones, before one has to wait
#define GUESS_WAIT_MAX    60 // seconds

static bool is_open(const struct defence *d)
{
    return d->guard.unlocked_until_ns > now_ns(CLOCK_BOOTTIME);
}

bool defence_locked(const struct agent *a)
{
    return a->defence.on && !is_open(&a->defence);
}

static void write_guard(struct agent *a)
{
    struct defence *d = &a->defence;
    int r;

    d->guard.alive_ns = now_ns(CLOCK_BOOTTIME);
    r = sensor_guard(a->sensor, &d->guard);
    if (r < 0 && d->write_error != r)
        (void)log_error_code(r, "the kernel cannot be told of the defence: %m");
    d->write_error = r;
}

// The service manager, and what it starts services with, where that is a program of its own (systemd 255 and later).
static void find_manager(struct defence *d)
{
    char manager[4096], executor[4200];
    ssize_t n = readlink("/proc/1/exe", manager, sizeof(manager) - 1);

    if (n <= 0)
        return;
    manager[n] = '\0';
    // What brings the host down is not what manages it.
    if (strstr(manager, "shutdown") || strstr(manager, " (deleted)"))
        return;
    (void)sensor_guard_program(manager, SG_GUARD_OF_MANAGER, &d->guard.programs[2]);
    (void)snprintf(executor, sizeof(executor), "%.*s/systemd-executor",
                   (int)(strrchr(manager, '/') - manager), manager);
    (void)sensor_guard_program(executor, SG_GUARD_OF_MANAGER, &d->guard.programs[3]);
}

// Programs may be replaced while the window is open, and are others then.
static void find_programs(struct agent *a)
{
    struct defence *d = &a->defence;
    char exe[4096], server[4200];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash, *deleted;

    if (n > 0) {
        exe[n] = '\0';
        deleted = strstr(exe, " (deleted)");
        if (deleted)
            *deleted = '\0';
        (void)sensor_guard_program(exe, SG_GUARD_OF_AGENT, &d->guard.programs[0]);
        slash = strrchr(exe, '/');
        (void)snprintf(server, sizeof(server), "%.*s/safeguard-server", (int)(slash - exe), exe);
        if (sensor_guard_program(server, SG_GUARD_OF_SERVER, &d->guard.programs[1]) < 0) {
            // As in a build directory.
            (void)snprintf(server, sizeof(server), "%.*s/../server/safeguard-server",
                           (int)(slash - exe), exe);
            (void)sensor_guard_program(server, SG_GUARD_OF_SERVER, &d->guard.programs[1]);
        }
    }
    find_manager(d);
}

void defence_options(const struct agent *a, struct sensor_options *options)
{
    // Off is off, also where it was on before: the file of this setting is defended as long as an agent runs that has it on.
    if (!a->config.defence)
        return;
    options->features |= SENSOR_FEATURE_DEFENCE;
    options->guard_rules = BUILD_GUARD_RULES;
}

static void tell(struct agent *a, int severity, const char *cure, const char *message)
{
    notice(a, &(struct notice){
                  .kind = "defence", .severity = severity, .message = message, .cure = cure});
    uplink_rows_changed(a);
}

// The window that an agent before this one had opened. None of ours is as long as that.
static void adopt_window(struct agent *a)
{
    struct defence *d = &a->defence;
    uint64_t now = now_ns(CLOCK_BOOTTIME), until = d->guard.unlocked_until_ns;

    if (!d->on || until <= now)
        return;
    if (until - now <= WINDOW_MAX_MS * NS_PER_MS) {
        tell(a, NOTICE_MEDIUM, "safeguard lock",
             "the defence is still down: the window of an unlock was open before this agent began");
        return;
    }
    d->guard.unlocked_until_ns = 0;
    tell(a, NOTICE_CRITICAL, "find out who wrote to the kernel's table: it was not safeguard",
         "the defence was down for longer than any window of an unlock: it is up again");
}

void defence_start(struct agent *a)
{
    struct defence *d = &a->defence;

    (void)snprintf(d->secret_path, sizeof(d->secret_path), "%s/unlock-secret", a->config.state_dir);
    sensor_guard_before(a->sensor, &d->guard);
    d->was_on = d->guard.on;
    d->on = a->config.defence;
    d->guard.on = d->on;
    d->guard.ending = false;
    adopt_window(a);
    d->was_open = is_open(d);
    find_programs(a);
    write_guard(a);
    defence_watch_start(a);
}

void defence_tell(struct agent *a, int severity, const char *cure, const char *message)
{
    tell(a, severity, cure, message);
}

void defence_tick(struct agent *a)
{
    struct defence *d = &a->defence;
    bool open = is_open(d);

    // A new file of the agent's is one from a window, never one from the moment after it.
    if (open || !d->guard.programs[0].ino)
        find_programs(a);
    write_guard(a);
    if (d->was_open && !open)
        tell(a, NOTICE_MEDIUM, NULL, "the defence is up again: the window of the unlock has ended");
    d->was_open = open;
    if (!d->on)
        return;
    (void)sensor_guard_counts(a->sensor, d->counts);
    defence_watch_tick(a);
}

// Windows ------------------------------------------------------------------------------------------

static int may_guess(struct defence *d, struct error *err)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (now >= d->guess_after_ns)
        return 0;
    return error_set(err, -EAGAIN, "too many wrong secrets: wait %llu s",
                     (unsigned long long)((d->guess_after_ns - now) / NS_PER_SEC + 1));
}

static void guessed_wrong(struct agent *a, const char *by)
{
    struct defence *d = &a->defence;
    unsigned over;
    char text[300];

    d->wrong_guesses++;
    over = d->wrong_guesses > GUESSES_FREE ? d->wrong_guesses - GUESSES_FREE : 0;
    if (over)
        d->guess_after_ns = now_ns(CLOCK_MONOTONIC) +
                            MIN((uint64_t)1 << MIN(over, 6u), (uint64_t)GUESS_WAIT_MAX) *
                                NS_PER_SEC;
    (void)snprintf(text, sizeof(text), "a wrong secret was given to unlock the defence, by %s", by);
    tell(a, NOTICE_HIGH, NULL, text);
}

static int check_secret(struct agent *a, const char *secret, const char *by, struct error *err)
{
    struct defence *d = &a->defence;
    int r = may_guess(d, err);

    if (r < 0)
        return r;
    r = secret_check(d->secret_path, secret);
    if (r == -ENOENT) {
        (void)error_set(err, r, "this host has no secret to unlock it with");
        error_cure(err, "safeguard unlock --new-secret");
    } else if (r == -EACCES) {
        guessed_wrong(a, by);
        (void)error_set(err, r, "that is not the secret");
    } else if (r < 0) {
        (void)error_set(err, r, "%s cannot be read: %s", d->secret_path, strerror(-r));
    } else {
        d->wrong_guesses = 0;
    }
    return r;
}

int defence_unlock(struct agent *a, const char *secret, bool trusted, uint64_t for_ms,
                   const char *by, struct error *err)
{
    struct defence *d = &a->defence;
    char text[300];
    int r;

    if (!d->on)
        return error_set(err, -EALREADY,
                         "the defence is switched off in the settings: there is nothing to unlock");
    for_ms = for_ms ? for_ms : WINDOW_DEFAULT_MS;
    if (for_ms < WINDOW_MIN_MS || for_ms > WINDOW_MAX_MS)
        return error_set(err, -ERANGE, "a window lasts from 1 second to 1 hour");
    r = trusted ? 0 : check_secret(a, secret ? secret : "", by, err);
    if (r < 0)
        return r;
    d->guard.unlocked_until_ns = now_ns(CLOCK_BOOTTIME) + for_ms * NS_PER_MS;
    write_guard(a);
    if (d->write_error < 0)
        return error_set(err, d->write_error, "the kernel cannot be told: %s",
                         strerror(-d->write_error));
    (void)snprintf(d->opened_by, sizeof(d->opened_by), "%s", by);
    d->was_open = true;
    (void)snprintf(text, sizeof(text), "the defence is down for %llu s: unlocked by %s",
                   (unsigned long long)(for_ms / 1000), by);
    tell(a, NOTICE_MEDIUM, "'safeguard lock' ends it before", text);
    return 0;
}

void defence_lock(struct agent *a, const char *by)
{
    struct defence *d = &a->defence;
    bool open = is_open(d);
    char text[300];

    d->guard.unlocked_until_ns = 0;
    d->was_open = false;
    write_guard(a);
    if (!open)
        return;
    (void)snprintf(text, sizeof(text), "the defence is up again: locked by %s", by);
    tell(a, NOTICE_MEDIUM, NULL, text);
}

int defence_new_secret(struct agent *a, const char *by, char ret_text[SECRET_TEXT],
                       struct error *err)
{
    struct defence *d = &a->defence;
    char text[300];
    int r;

    if (secret_exists(d->secret_path) && defence_locked(a)) {
        (void)error_set(err, -EPERM, "there is a secret already");
        error_cure(err, "unlock with it first: safeguard unlock");
        return -EPERM;
    }
    r = secret_make(d->secret_path, ret_text, err);
    if (r < 0)
        return r;
    d->wrong_guesses = 0;
    (void)snprintf(text, sizeof(text),
                   "there is a new secret to unlock the defence with, made by %s", by);
    tell(a, NOTICE_MEDIUM, NULL, text);
    return 0;
}

// Ends -----------------------------------------------------------------------------------------------

void defence_ending(struct agent *a)
{
    a->defence.guard.ending = true;
    if (a->sensor)
        write_guard(a);
    if (a->defence.on)
        defence_watch_end(a);
}

int defence_may_stop(const struct agent *a, struct error *err)
{
    if (!defence_locked(a))
        return 0;
    (void)error_set(err, -EPERM, "the agent defends itself: it ends only while it is unlocked");
    error_cure(err, "safeguard unlock, then again");
    return -EPERM;
}

bool defence_may_end(struct agent *a, int signo)
{
    char text[200];

    if (!defence_locked(a) || manager_is_stopping())
        return true;
    (void)snprintf(text, sizeof(text), "refused: to end by a signal (%s): the agent defends itself",
                   strsignal(signo));
    a->defence.attempts++;
    tell(a, NOTICE_HIGH, "safeguard unlock, then 'safeguard stop'", text);
    return false;
}

// Records --------------------------------------------------------------------------------------------

// What stands where the rule of a policy would: nobody wrote it, and nobody can take it back.
static const struct rule_ref own_rule = {
    .policy = BYTES("safeguard"),
    .name = BYTES(BUILD_GUARD_NAME),
};

const struct rule_ref *defence_rule(void)
{
    return &own_rule;
}

void defence_refused(struct agent *a, uint32_t count)
{
    a->defence.attempts += count;
}

// Status ---------------------------------------------------------------------------------------------

const char *defence_state(const struct defence *d)
{
    return !d->on ? "off" : is_open(d) ? "unlocked" : "locked";
}

uint64_t defence_open_until(const struct defence *d)
{
    return d->on && is_open(d) ? d->guard.unlocked_until_ns : 0;
}

void defence_json(struct agent *a, struct jw *jw)
{
    const struct defence *d = &a->defence;
    uint64_t now = now_ns(CLOCK_BOOTTIME), until = d->guard.unlocked_until_ns;
    char missing[256];

    jw_begin_object(jw);
    jw_kv_str(jw, "state", defence_state(d));
    if (d->on && until > now) {
        jw_kv_u64(jw, "unlocked_until_ms", (now_ns(CLOCK_REALTIME) + until - now) / NS_PER_MS);
        jw_kv_str(jw, "unlocked_by", d->opened_by[0] ? d->opened_by : NULL);
    }
    jw_kv_bool(jw, "secret", secret_exists(d->secret_path));
    jw_kv_u64(jw, "programs", sensor_guard_attached(a->sensor, missing, sizeof(missing)));
    jw_kv_str(jw, "missing", d->on && missing[0] ? missing : NULL);
    jw_kv_u64(jw, "attempts", d->attempts);
    jw_kv_u64(jw, "refused", d->counts[SG_GUARD_REFUSED]);
    jw_kv_u64(jw, "repairs", d->watch.repairs);
    jw_end_object(jw);
}

void defence_problems(struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct defence *d = &a->defence;
    char missing[256], text[400];

    if (!d->on)
        return;
    (void)sensor_guard_attached(a->sensor, missing, sizeof(missing));
    if (a->policies.now && missing[0]) {
        (void)snprintf(text, sizeof(text), "the defence is not whole: %s", missing);
        fn(ctx, "medium", "safeguard doctor", text);
    }
    if (!secret_exists(d->secret_path))
        fn(ctx, "low", "safeguard unlock --new-secret",
           "there is no secret to unlock the defence with: whoever is root first can make it");
    defence_watch_problems(a, fn, ctx);
}
