// SPDX-License-Identifier: Apache-2.0
/* Many forbidden opens at once, while directories and links move around them. */
#include "attack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct counts {
    uint64_t attempts, denied, passed, failed, moves, move_failures;
    int first_error;
    char _pad[76]; /* two cache lines a process */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void try_open(struct counts *c, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);

    c->attempts++;
    if (fd >= 0) {
        c->passed++;
        close(fd);
    } else if (errno == EPERM || errno == EACCES) {
        c->denied++;
    } else {
        c->failed++;
        c->first_error = c->first_error ? c->first_error : errno;
    }
}

static void moved(struct counts *c, int rc)
{
    if (rc == 0)
        c->moves++;
    else
        c->move_failures++;
}

struct churn {
    char *dir[3], *file, *link[2];
    char *plain[2]; /* a free file: next to the secret, and where no rule matches anything */
    char *
        prefix; /* a free name with which one begins that is not: what is kept is forgotten when a directory gets it */
};

static char *plain_name(const char *root, const char *dir, unsigned number)
{
    return fmt("%s/%s/race%u.plain", root, dir, number);
}

static bool make_empty(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

/* Every process has names of its own, so each move has to succeed. */
static bool churn_make(const char *root, unsigned number, struct churn *ret)
{
    struct churn c;

    for (unsigned i = 0; i < ARRAY_LEN(c.dir); i++)
        c.dir[i] = fmt("%s/scratch/race%u.%u", root, number, i);
    c.file = fmt("%s/file", c.dir[0]);
    c.link[0] = fmt("%s/scratch/race%u.link", root, number);
    c.link[1] = fmt("%s/scratch/race%u.moved", root, number);
    c.plain[0] = plain_name(root, "vault", number);
    c.plain[1] = plain_name(root, "scratch", number);
    c.prefix = fmt("%s/vault/%.*s", root, (int)(number / 2 % 3 + 1), "tree");
    if (mkdir(c.dir[0], 0755) < 0 || mkdir(c.dir[2], 0755) < 0 || !make_empty(c.file) ||
        !make_empty(c.plain[0]))
        return false;
    *ret = c;
    return true;
}

static void churn_step(struct churn *ch, struct counts *c)
{
    char *inside = fmt("%s/in", ch->dir[2]);

    moved(c, link(ch->file, ch->link[0]));
    moved(c, rename(ch->dir[0], ch->dir[1]));
    moved(c, rename(ch->link[0], ch->link[1]));
    moved(c, rename(ch->dir[1], inside));
    moved(c, unlink(ch->link[1]));
    moved(c, rename(inside, ch->dir[0]));
    free(inside);
    for (unsigned i = 0; i < 8; i++) {
        moved(c, rename(i & 1 ? ch->prefix : ch->dir[2], i & 1 ? ch->dir[2] : ch->prefix));
        moved(c, rename(ch->plain[i & 1], ch->plain[!(i & 1)]));
    }
}

/* What is found of a free file's directory must not be taken for what holds in the one that it was moved to. */
static void open_plain(const char *root, unsigned number)
{
    static const char *const dirs[] = {"vault", "scratch"};

    for (unsigned i = 0; i < ARRAY_LEN(dirs); i++) {
        char *path = plain_name(root, dirs[i], number);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
            close(fd);
        free(path);
    }
}

static void race_child(const char *root, unsigned number, uint64_t end, struct counts *c)
{
    char *secret = fmt("%s/vault/secret", root);
    char *deep = fmt("%s/vault/tree/a/b/c/deep.txt", root);
    char *old = fmt("%s/open/oldlink", root);
    struct churn ch = {0};
    bool churn = number % 2 == 1;

    if (churn && !churn_make(root, number, &ch)) {
        c->move_failures++;
        churn = false;
    }
    do {
        for (int i = 0; i < 16; i++) {
            try_open(c, secret, O_RDONLY);
            try_open(c, deep, O_WRONLY);
            try_open(c, secret, O_WRONLY);
            try_open(c, deep, O_RDONLY);
            try_open(c, old, i & 1 ? O_RDONLY : O_WRONLY);
            open_plain(root, (number + (unsigned)i) | 1);
        }
        if (churn)
            churn_step(&ch, c);
    } while (now_ns() < end);
    if (churn) {
        tree_remove(ch.dir[0]);
        tree_remove(ch.dir[2]);
        (void)unlink(ch.plain[0]);
    }
}

/* Starts n processes with a record each, waits for all. NULL when that did not work. */
static void *run_all(const char *root, unsigned seconds, unsigned n, size_t size,
                     void (*child)(const char *, unsigned, uint64_t, void *))
{
    uint64_t end = now_ns() + (uint64_t)seconds * 1000000000u;
    char *shared = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool ok = shared != MAP_FAILED;
    int status;

    if (!ok)
        return NULL;
    for (unsigned i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            child(root, i, end, shared + i * size);
            _exit(0);
        }
        ok &= pid > 0;
    }
    while (wait(&status) > 0)
        ok &= status == 0;
    if (!ok)
        fprintf(stderr, "sg-attack: a process could not be started or died\n");
    return ok ? shared : NULL;
}

static void race_entry(const char *root, unsigned number, uint64_t end, void *record)
{
    race_child(root, number, end, record);
}

int race_main(const char *root, unsigned seconds, unsigned n_proc)
{
    struct counts *c = run_all(root, seconds, n_proc, sizeof(*c), race_entry), t = {0};

    if (!c)
        return 2;
    for (unsigned i = 0; i < n_proc; i++) {
        t.attempts += c[i].attempts;
        t.denied += c[i].denied;
        t.passed += c[i].passed;
        t.failed += c[i].failed;
        t.moves += c[i].moves;
        t.move_failures += c[i].move_failures;
        t.first_error = t.first_error ? t.first_error : c[i].first_error;
    }
    printf("{\"processes\":%u,\"seconds\":%u,\"attempts\":%llu,\"denied\":%llu,\"passed\":%llu,"
           "\"failed\":%llu,\"first_error\":\"%s\",\"moves\":%llu,\"move_failures\":%llu}\n",
           n_proc, seconds, (unsigned long long)t.attempts, (unsigned long long)t.denied,
           (unsigned long long)t.passed, (unsigned long long)t.failed,
           t.first_error ? strerrorname_np(t.first_error) : "", (unsigned long long)t.moves,
           (unsigned long long)t.move_failures);
    return t.passed > 0 || t.failed > 0 || t.move_failures > 0 ? 1 : 0;
}
