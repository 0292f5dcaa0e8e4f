// SPDX-License-Identifier: Apache-2.0
//
// The self-test: a process tries what every attached hook has to refuse; refused and recorded is proved.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sensor/internal.h"

#define TRY_NS    (5 * NS_PER_SEC) // for all acts together
#define RECORD_NS (2 * NS_PER_SEC) // for records that are still on their way

bool canary_take(struct canary *c, const struct sg_record *record)
{
    bool file = record->type == SG_RECORD_FILE || record->type == SG_RECORD_CANARY;

    if (record->type == SG_RECORD_CONTROL && record->rule == SG_RULE_DEFENCE)
        return canary_guard_take(c, record);
    if (record->type == SG_RECORD_CONTROL && c->child && record->tgid == (uint32_t)c->child &&
        record->hook < SG_HOOK_COUNT && record->time_ns >= c->started_ns) {
        c->seen[record->hook] = true;
        return true;
    }
    if (!file)
        return canary_lives(c, record);
    if (!c->dev)
        return false;
    // The places of the tests are out of everybody else's reach. The mount on the host is not, and who else
    // takes that away should be heard of.
    if (record->dev != c->dev && record->dev != c->exe_dev &&
        (record->dev != c->umount_dev || !c->child || record->tgid != (uint32_t)c->child))
        return false;
    if (record->hook < SG_HOOK_COUNT && record->time_ns >= c->started_ns)
        c->seen[record->hook] = true;
    // A close is recorded when its open was noted.
    c->seen[SG_HOOK_file_opened] = c->seen[SG_HOOK_file_close];
    return true;
}

// Until the test has ended, and its end of the pipe with it.
static int wait_for_end(int fd, uint64_t deadline)
{
    struct pollfd p = {.fd = fd};

    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        int k;

        if (now >= deadline)
            return -ETIMEDOUT;
        k = poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1);
        if (k < 0 && errno != EINTR)
            return -errno;
        if (k > 0)
            return 0;
    }
}

// Where the process of the test writes down what came of each act. Read once it has ended: to be told of each would cost more than
// most of the acts.
static int share_results(struct canary *c)
{
    void *mem = c->results;

    if (!mem)
        mem = mmap(NULL, CANARY_COUNT * sizeof(*c->results), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return -errno;
    c->results = mem;
    memset(c->results, 0, CANARY_COUNT * sizeof(*c->results));
    return 0;
}

static int try_acts(struct sensor *s, const bool kinds[CANARY_COUNT],
                    struct canary_result results[CANARY_COUNT])
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + TRY_NS, from_ns;
    _cleanup_close_ int reader = -1;
    int fds[2], r;
    pid_t pid;

    r = share_results(&s->canary);
    if (r < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return r < 0 ? r : -errno;
    reader = fds[0];
    from_ns = now_ns(CLOCK_BOOTTIME);
    pid = fork();
    r = pid < 0 ? -errno : 0;
    if (pid == 0)
        canary_child(&s->canary, kinds, fds[1]);
    // Its end is to be seen when the child has gone.
    (void)safe_close(fds[1]);
    if (r < 0)
        return r;
    s->canary.child = pid;
    canary_born(&s->canary, (uint32_t)pid, from_ns, now_ns(CLOCK_BOOTTIME));
    r = wait_for_end(reader, deadline);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    memcpy(results, s->canary.results, CANARY_COUNT * sizeof(*results));
    for (size_t kind = 1; r == 0 && kind < CANARY_COUNT; kind++)
        if (kinds[kind] && !results[kind].kind)
            r = -ECHILD;
    return r;
}

static bool testable(const struct sensor *s, size_t i)
{
    return row_canary(i) != CANARY_none && row_link(s, i);
}

// A built-in rule keeps others from the file, and where descriptors are looked at it is asked first.
static bool guard_ready(const struct sensor *s, size_t i)
{
    return s->canary.asking && guard_is_up(s) &&
           (row_canary(i) != CANARY_guard_sysctl || !s->wants.old_descriptors);
}

// Whether there is a place for its test, and anything that it could refuse there.
static bool ready(const struct sensor *s, size_t i)
{
    enum canary_kind kind = row_canary(i);

    if (i >= HOOKS)
        return guard_ready(s, i);
    if (hook_row(i)->control)
        return s->canary.asking && hook_controls(i) & s->canary.now.controls;
    if (kind == CANARY_pivot_root && !(s->wants.needs & SG_NEED_GUARD))
        return false;
    if (kind == CANARY_inherit && !(s->wants.needs & SG_NEEDS_PROGRAM))
        return false;
    return !canary_on_host(kind) || s->canary.now.umount_state;
}

// A hook that refuses nothing, or of which nobody is told whether it did: it is proved when its record comes.
static bool records_only(size_t i)
{
    return row_canary(i) == CANARY_io || row_canary(i) == CANARY_request_module ||
           row_canary(i) == CANARY_sigio || row_canary(i) == CANARY_accept ||
           row_canary(i) == CANARY_datagram;
}

// As a service we are confined, and refused things before any hook is asked. A hook that was proved before is none of those.
static bool kept_from(size_t i, const struct proof *p)
{
    bool confined;

    if (!p->denied || p->seen)
        return false;
    if (i >= HOOKS)
        return canary_guard_kept_from(row_canary(i), p->proved_ns);
    if (!hook_row(i)->control || p->proved_ns)
        return false;
    confined = prctl(PR_GET_SECCOMP) > 0;
    for (int cap = 0; !confined && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        confined = prctl(PR_CAPBSET_READ, cap) == 0;
    return confined;
}

// A record is in its ring before the access comes back, unless another processor is still writing one that
// was begun earlier.
static int wait_for_records(struct sensor *s, const bool expected[PROVED], bool *ret_behind)
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + RECORD_NS;
    bool missing = true, audits;
    int r = 0;

    r = rings_drain(s, false, 0);
    while (r >= 0 && missing) {
        missing = audits = false;
        for (size_t i = 0; i < PROVED; i++) {
            bool waits = expected[i] && !s->canary.seen[i + 1];

            missing = missing || waits;
            audits = audits || (waits && records_only(i));
        }
        // There is more in front of it than is read for a test.
        *ret_behind = audits && rings_full(s);
        if (!missing || *ret_behind || now_ns(CLOCK_MONOTONIC) >= deadline)
            break;
        r = rings_drain(s, audits, deadline);
    }
    return MIN(r, 0);
}

// `lost`: records were lost since it began, or too many are on their way. What was refused then, and whose record did not come, is no
// more and no less than that: a loss is told by itself.
static int judge(struct sensor *s, const bool tests[PROVED],
                 const struct canary_result results[CANARY_COUNT], bool lost)
{
    int failed = 0;

    for (size_t i = 0; i < PROVED; i++) {
        const struct canary_result *result = &results[row_canary(i)];
        struct proof *p = &s->proofs[i];
        uint64_t proved_ns = p->proved_ns;

        // What is not attached now is not proved when it comes back.
        if (!tests[i]) {
            *p = (struct proof){};
            continue;
        }
        *p = (struct proof){
            .tested = true,
            .denied = result->error == EPERM || records_only(i),
            .seen = s->canary.seen[i + 1],
            .error = result->error,
            .skipped = result->kind ? result->skipped : ECANCELED,
            .proved_ns = proved_ns,
        };
        if (!p->skipped && kept_from(i, p))
            p->skipped = EACCES;
        if (!p->skipped && p->denied && !p->seen && lost)
            p->skipped = ENOBUFS;
        if (p->skipped)
            continue;
        if (p->seen && (p->denied || !row_enforces(s, i)))
            p->proved_ns = now_ns(CLOCK_BOOTTIME);
        else
            failed++;
    }
    return failed;
}

// What a hook let through that should not was undone at once, unless that was refused: a name that is there, or not, for good.
static bool spoils(const struct sensor *s, const struct canary_result *result)
{
    return s->enforcing && result->kind >= CANARY_open && result->kind < CANARY_setuid &&
           result->kind != CANARY_io && !result->skipped && result->error != EPERM;
}

static uint64_t records_lost(const struct sensor *s)
{
    return sensor_count(s, SG_COUNT_SECURITY_LOST) + sensor_count(s, SG_COUNT_AUDIT_LOST);
}

static int renew_place(struct sensor *s)
{
    int r = canary_renew(&s->canary, map_fd(s, "sg_roots"), s->policy_id);

    return r < 0 ? r
                 : sensor_add_root(s, &(struct sensor_root){
                                          .dev = s->canary.dev,
                                          .root = {.state = s->canary.now.state},
                                      });
}

int sensor_self_test(struct sensor *s, struct error *err)
{
    struct canary_result results[CANARY_COUNT] = {};
    uint64_t lost;
    bool behind = false;
    bool tests[PROVED], expected[PROVED];
    bool kinds[CANARY_COUNT] = {};
    int tried, r, failed;

    if (!s->in_force)
        return error_set(err, -ENOENT, "the self-test needs a policy in force");
    if (*s->canary.now.problem)
        return error_set(err, -EADDRNOTAVAIL, "the self-test cannot be run: %s",
                         s->canary.now.problem);
    if (s->canary.spoilt) {
        r = renew_place(s);
        if (r < 0)
            return error_set(err, r, "the self-test cannot be run: no new place for it: %s",
                             strerror(-r));
    }
    // Room for our records: what waits is kept for the next sensor_consume().
    r = rings_drain(s, false, 0);
    if (r < 0)
        return error_set(err, r, "the ring of denials cannot be read: %s", strerror(-r));
    s->canary.asking = s->maps.words.canary;
    for (size_t i = 0; i < PROVED; i++) {
        tests[i] = testable(s, i);
        if (tests[i] && ready(s, i))
            kinds[row_canary(i)] = true;
    }
    memset(s->canary.seen, 0, sizeof(s->canary.seen));
    s->canary.started_ns = now_ns(CLOCK_BOOTTIME);
    lost = records_lost(s);
    canary_guard_begin(s);
    tried = try_acts(s, kinds, results);
    results[CANARY_guard_sigio].error = canary_guard_end(&s->canary) ? 0 : EPERM;
    if (tried < 0 && tried != -ETIMEDOUT && tried != -ECHILD)
        return error_set(err, tried, "the self-test cannot be run: %s", strerror(-tried));
    for (size_t kind = 1; kind < CANARY_COUNT; kind++)
        s->canary.spoilt |= spoils(s, &results[kind]);
    for (size_t i = 0; i < PROVED; i++)
        expected[i] = tests[i] && results[row_canary(i)].kind && !results[row_canary(i)].skipped;
    r = wait_for_records(s, expected, &behind);
    s->canary.child = 0;
    canary_ask_nobody(&s->canary); // one that was ended in the middle of a test
    if (r < 0)
        return error_set(err, r, "the ring of denials cannot be read: %s", strerror(-r));
    failed = judge(s, tests, results, behind || records_lost(s) != lost);
    if (tried == -ECHILD)
        return error_set(err, tried, "the self-test was ended before it had asked every hook");
    if (tried < 0)
        return error_set(err, tried, "the self-test did not come to its end in %u s",
                         (unsigned)(TRY_NS / NS_PER_SEC));
    return failed;
}
