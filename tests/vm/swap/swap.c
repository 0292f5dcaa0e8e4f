// SPDX-License-Identifier: Apache-2.0
//
// sg-swap: a policy is swapped hundreds of times between two while processes access files.
//
//     sg-swap DIRECTORY [SWAPS [PROCESSES]]
//
// The policies are made so that every decision which is not wholly of one of them shows:
//   x, y            the one denies x and allows y, the other the reverse
//   both            denied by both, by patterns and rules of different numbers; also by an older hard link
//   from → to       a rename: the one denies the old name, the other the new one; only a mix of both allows it
//   root, sub/file  denied to root by both, by subjects of different numbers; allowed to alice by both
//   free            allowed to root by both, denied to alice by both
//   kin             denied by both to subjects that nobody is; all that everybody has in common with them is the
//                   user, and each new policy has all processes look at their common ancestors at once
// A counter in shared memory says before and after each look which policies may have been in force. Each
// record has to name a rule of the policy whose number it bears. Prints TAP; exit status 1: something passed
// or was mixed.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "force.h"

#define ALICE         1000
#define PROCESSES_MAX 64
#define DIR_MAX       200
#define FRESH_EVERY \
    16 // looks after which a process of its own looks once: its subject is not known yet

enum { POLICY_A, POLICY_B, POLICIES };

#define NOBODY(n) "  nobody" #n ": {exe: /nowhere/" #n ", user: 0, descendants: true}\n"
#define NOBODIES  NOBODY(1) NOBODY(2) NOBODY(3) NOBODY(4) NOBODY(5) NOBODY(6) NOBODY(7) NOBODY(8)
#define DENIED_TO_NOBODIES                                                               \
    "  - {path: @/kin, access: read, by: [nobody1, nobody2, nobody3, nobody4, nobody5, " \
    "nobody6, nobody7, nobody8], do: deny}\n"

static const char *const texts[POLICIES] = {
    "safeguard: 1\nname: a\nmode: enforce\nsubjects:\n  one: {user: 0}\n  two: {user: 1000}\n" NOBODIES
    "files:\n"
    "  - {path: @/x, access: any, do: deny}\n"
    "  - {path: @/both, access: any, do: deny}\n"
    "  - {path: @/from, access: rename, do: deny}\n"
    "  - {path: \"@/sub/**\", access: read, by: one, do: deny}\n"
    "  - {path: @/free, access: read, by: two, do: deny}\n" DENIED_TO_NOBODIES,
    "safeguard: 1\nname: b\nmode: enforce\nsubjects:\n  one: {user: 1000}\n  two: {user: 0}\n" NOBODIES
    "files:\n"
    "  - {path: @/to, access: create, do: deny}\n"
    "  - {path: \"@/su?/*\", access: read, not_by: one, do: deny}\n"
    "  - {path: @/free, access: read, not_by: two, do: deny}\n"
    "  - {path: \"@/[y]\", access: any, do: deny}\n"
    "  - {path: \"@/b?th\", access: any, do: deny}\n" DENIED_TO_NOBODIES,
};

// Which rule of each policy denies a file; -1: none does.
static const struct {
    const char *name;
    int rule[POLICIES];
} files[] = {
    {"x", {0, -1}},  {"y", {-1, 3}},       {"both", {1, 4}}, {"older", {1, 4}}, {"from", {2, -1}},
    {"to", {-1, 0}}, {"sub/file", {3, 1}}, {"free", {4, 2}}, {"kin", {5, 5}},
};

// One process's. `looks` and the like are not shared with anybody who writes.
struct counts {
    uint64_t looks, judged, mixed, passed, refused, errors, forks;
    char what[64]; // the first thing that was wrong
};

struct shared {
    atomic_uint begun, done; // swaps; swap number n puts policy n % 2 in force
    atomic_bool end;
    struct counts counts[PROCESSES_MAX];
};

static struct {
    char dir[DIR_MAX];
    struct shared *shared;
    uint32_t n_swaps, n_processes;
    uint64_t records, strange;
    uint32_t first_id; // of the policy that swap 1 put in force
    struct force force;
} t;

static const char *path_of(const char *name, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/%s", t.dir, name);
    return buf;
}

static void wrong(struct counts *c, uint64_t *what, const char *name)
{
    if (!*c->what)
        (void)snprintf(c->what, sizeof(c->what), "%s", name);
    ++*what;
}

// 1: it was allowed, 0: denied, -1: something else went wrong.
static int try_open(struct counts *c, const char *name, int flags)
{
    char path[DIR_MAX + 64];
    int fd = open(path_of(name, path, sizeof(path)), flags | O_CLOEXEC);

    if (fd >= 0) {
        (void)close(fd);
        return 1;
    }
    if (errno == EPERM)
        return 0;
    wrong(c, &c->errors, strerror(errno));
    return -1;
}

static bool allows(unsigned policy, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strcmp(files[i].name, name) == 0)
            return files[i].rule[policy] < 0;
    return true;
}

// x, y, x: as the policy before a swap has it up to some point, then as the one after it.
static bool explained(const int got[3], unsigned before, unsigned after)
{
    static const char *const names[3] = {"x", "y", "x"};

    for (int n_before = 0; n_before <= 3; n_before++) {
        bool all = true;

        for (int i = 0; i < 3; i++)
            all &= got[i] == allows(i < n_before ? before : after, names[i]);
        if (all)
            return true;
    }
    return false;
}

static void look(struct counts *c)
{
    unsigned done = atomic_load(&t.shared->done), begun;
    int got[3];

    got[0] = try_open(c, "x", O_RDONLY);
    got[1] = try_open(c, "y", O_RDONLY);
    got[2] = try_open(c, "x", O_RDONLY);
    begun = atomic_load(&t.shared->begun);
    c->looks++;
    // With two swaps in between anything may have been seen.
    if (begun - done > 1)
        return;
    c->judged++;
    if (!explained(got, done % POLICIES, begun % POLICIES))
        wrong(c, &c->mixed, begun == done ? "x, y, x without a swap" : "x, y, x around one swap");
}

static void must(struct counts *c, const char *name, int flags, int allowed)
{
    int got = try_open(c, name, flags);

    if (got >= 0 && got != allowed)
        wrong(c, allowed ? &c->refused : &c->passed, name);
}

static void try_rename(struct counts *c)
{
    char from[DIR_MAX + 64], to[DIR_MAX + 64];

    if (rename(path_of("from", from, sizeof(from)), path_of("to", to, sizeof(to))) == 0) {
        wrong(c, &c->mixed, "rename");
        c->errors += link(to, from) < 0;
    } else if (errno != EPERM && errno != ENOENT) {
        wrong(c, &c->errors, strerror(errno));
    }
}

static void one_turn(struct counts *c, bool alice)
{
    look(c);
    must(c, "both", O_RDONLY, 0);
    must(c, "older", O_RDONLY, 0);
    must(c, "both", O_WRONLY, 0);
    must(c, "sub/file", O_RDONLY, alice);
    must(c, "free", O_RDONLY, !alice);
    must(c, "kin", O_RDONLY, 1);
    try_rename(c);
}

static void child(unsigned number)
{
    struct counts *c = &t.shared->counts[number];
    bool alice = number % 2 == 1;
    int status;

    if (alice && (setgid(ALICE) < 0 || setuid(ALICE) < 0))
        wrong(c, &c->errors, "setuid");
    while (!atomic_load(&t.shared->end)) {
        pid_t pid = c->looks % FRESH_EVERY == 0 ? fork() : -1;

        if (pid == 0) {
            one_turn(c, alice);
            _exit(0);
        }
        c->forks += pid > 0;
        if (pid > 0)
            (void)waitpid(pid, &status, 0);
        one_turn(c, alice);
    }
}

// Does a record name a rule of the policy whose number it bears?
static int on_record(void *userdata, const void *data, size_t len)
{
    const size_t dir_len = strlen(t.dir);
    const struct event *ev = t.force.event;
    unsigned policy;

    (void)userdata;
    if (force_decode(&t.force, data, len) < 0 || ev->kind != EVENT_FILE)
        return 0;
    t.records++;
    policy = (ev->policy_id - t.first_id + 1) % POLICIES;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        const struct event_path *p = &ev->path;

        // A record of a rename has the old name; of the new one's rule, too.
        if (p->bytes.len == dir_len + 1 + strlen(files[i].name) &&
            memcmp(p->bytes.s + dir_len + 1, files[i].name, strlen(files[i].name)) == 0 &&
            (ev->rule_index == files[i].rule[policy] ||
             (strcmp(files[i].name, "from") == 0 && ev->rule_index == 0 && policy == POLICY_B)))
            return 0;
    }
    if (t.strange++ < 5)
        printf("# record of policy %u (%c) rule %u verdict %u reason %u: %.*s\n", ev->policy_id,
               'a' + (int)policy, ev->rule_index, ev->verdict, ev->reason, (int)ev->path.bytes.len,
               ev->path.bytes.s);
    return 0;
}

static int make_file(const char *name)
{
    char path[DIR_MAX + 64];
    int fd = open(path_of(name, path, sizeof(path)), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0 || fchmod(fd, 0666) < 0 || close(fd) < 0)
        return -errno;
    return 0;
}

static int make_tree(void)
{
    char path[DIR_MAX + 64], older[DIR_MAX + 64];
    int r;

    if ((mkdir(t.dir, 0777) < 0 && errno != EEXIST) || chmod(t.dir, 0777) < 0 ||
        (mkdir(path_of("sub", path, sizeof(path)), 0777) < 0 && errno != EEXIST))
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        r = strcmp(files[i].name, "older") == 0 || strcmp(files[i].name, "to") == 0
                ? 0
                : make_file(files[i].name);
        if (r < 0)
            return r;
    }
    if (link(path_of("both", path, sizeof(path)), path_of("older", older, sizeof(older))) < 0)
        return -errno;
    return 0;
}

struct side {
    struct policy_image *image;
    struct sensor_object linked[4];
    size_t n_linked;
};

// The text of a policy: '@' is the directory.
static void expand(const char *text, struct strbuf *ret)
{
    sb_reset(ret);
    for (; *text; text++)
        if (*text == '@')
            sb_puts(ret, t.dir);
        else
            sb_putc(ret, *text);
}

static int prepare(struct side sides[POLICIES], uint32_t *ret_ops)
{
    _cleanup_(sb_done) struct strbuf text = {0};
    int r = 0;

    *ret_ops = 0;
    for (int i = 0; i < POLICIES && r >= 0; i++) {
        struct side *s = &sides[i];

        expand(texts[i], &text);
        r = force_compile(&t.force, i == POLICY_A ? "a.yaml" : "b.yaml", sb_str(&text), &s->image);
        if (r >= 0)
            r = force_find_linked(&t.force, s->image, t.dir, s->linked, ARRAY_SIZE(s->linked),
                                  &s->n_linked);
        if (r >= 0)
            *ret_ops |= force_ops(s->image);
    }
    return r;
}

static int put(const struct side *s, uint32_t ops)
{
    sensor_stage(t.force.sensor,
                 &(struct sensor_stage){.objects = s->linked, .n_objects = s->n_linked});
    return force_set(&t.force, s->image, ops);
}

// Number `n`; the counters stand around it.
static int swap(const struct side sides[POLICIES], unsigned n, uint32_t ops)
{
    int r;

    atomic_store(&t.shared->begun, n);
    r = put(&sides[n % POLICIES], ops);
    atomic_store(&t.shared->done, n);
    return r;
}

static int run(const struct side sides[POLICIES], uint32_t ops)
{
    struct pollfd p;
    struct sensor_facts facts;
    int r = swap(sides, 2 * POLICIES, ops);
    unsigned first = 2 * POLICIES + 1;

    sensor_facts(t.force.sensor, &facts);
    t.first_id = facts.policy_id + 1;
    for (unsigned i = 0; i < t.n_processes; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            child(i);
            _exit(0);
        }
        r = pid < 0 ? -errno : r;
    }
    p = (struct pollfd){.fd = sensor_fd(t.force.sensor), .events = POLLIN};
    for (unsigned n = first; n < first + t.n_swaps && r >= 0; n++) {
        r = swap(sides, n, ops);
        // Also with time in between: what is cached has to be wrong for somebody.
        if (n % 2 == 0)
            (void)poll(&p, 1, (int)(n % 16));
        (void)sensor_consume(t.force.sensor, on_record, NULL);
    }
    atomic_store(&t.shared->end, true);
    while (wait(NULL) > 0)
        ;
    while (sensor_consume(t.force.sensor, on_record, NULL) > 0)
        ;
    return r;
}

static bool tell(const char *what, uint64_t n, const char *detail)
{
    if (n)
        printf("not ok %s: %llu times%s%s\n", what, (unsigned long long)n, *detail ? ", " : "",
               detail);
    else
        printf("ok %s\n", what);
    return n == 0;
}

static int report(double seconds)
{
    const struct counts *c = t.shared->counts;
    struct counts sum = {0};
    bool ok;

    for (unsigned i = 0; i < t.n_processes; i++) {
        sum.looks += c[i].looks;
        sum.judged += c[i].judged;
        sum.mixed += c[i].mixed;
        sum.passed += c[i].passed;
        sum.refused += c[i].refused;
        sum.errors += c[i].errors;
        sum.forks += c[i].forks;
        if (!*sum.what)
            memcpy(sum.what, c[i].what, sizeof(sum.what));
    }
    printf("# %u swaps in %.1f s, %u processes, %llu turns, %llu new processes, %llu looks judged, "
           "%llu records\n",
           t.n_swaps, seconds, t.n_processes, (unsigned long long)sum.looks,
           (unsigned long long)sum.forks, (unsigned long long)sum.judged,
           (unsigned long long)t.records);
    ok = tell("nothing went wrong besides", sum.errors, sum.what);
    ok = tell("no decision mixes two policies", sum.mixed, sum.what) && ok;
    ok = tell("what both policies deny never passes", sum.passed, sum.what) && ok;
    ok = tell("what both policies allow is never refused", sum.refused, sum.what) && ok;
    ok = tell("every record names a rule of its own policy", t.strange, "") && ok;
    // Without enough of either nothing was shown.
    ok = tell("there was enough to judge", sum.judged < 50 || t.records < 20, "") && ok;
    return ok ? 0 : 1;
}

static bool read_arguments(int argc, char **argv)
{
    t.n_swaps = 300;
    t.n_processes = 4;
    if ((argc > 2 && parse_u32(argv[2], &t.n_swaps) < 0) ||
        (argc > 3 && parse_u32(argv[3], &t.n_processes) < 0))
        return false;
    return argc > 1 && argc <= 4 && argv[1][0] == '/' && strlen(argv[1]) < DIR_MAX && t.n_swaps &&
           t.n_processes && t.n_processes <= PROCESSES_MAX;
}

int main(int argc, char **argv)
{
    struct side sides[POLICIES] = {0};
    uint64_t start;
    uint32_t ops;
    int r;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_arguments(argc, argv)) {
        fprintf(stderr, "usage: sg-swap DIRECTORY [SWAPS [PROCESSES]]\n");
        return 2;
    }
    (void)snprintf(t.dir, sizeof(t.dir), "%s", argv[1]);
    t.shared = mmap(NULL, sizeof(*t.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
    r = t.shared == MAP_FAILED ? -errno : make_tree();
    if (r < 0) {
        fprintf(stderr, "sg-swap: %s: %s\n", t.dir, strerror(-r));
        return 2;
    }
    if (force_open(&t.force, &(struct sensor_options){0}) < 0 || prepare(sides, &ops) < 0)
        return EXIT_NOT_IN_FORCE;
    start = now_ns(CLOCK_MONOTONIC);
    r = run(sides, ops);
    if (r < 0)
        return EXIT_NOT_IN_FORCE;
    r = report((double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
    for (int i = 0; i < POLICIES; i++)
        policy_image_free(sides[i].image);
    return force_close(&t.force) < 0 ? 1 : r;
}
