// SPDX-License-Identifier: Apache-2.0
//
//   sg-exec setup ROOT    files, before the policy is in force; prints the policy's rules to stdout
//   sg-exec run ROOT      every way where it is to be tried; one line of JSON each
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"

int setup(const char *root);

struct way {
    const char *id;
    way_fn fn;
    enum by by;
    const char *modes, *want, *help;
};

static const struct way ways[] = {
#define WAY(id, by, modes, want, help) {#id, way_##id, by, modes, want, help},
#include "ways.def"
};

static const char *const mode_names[MODE_COUNT] = {"audit", "deny", "free", "kill", "stop"};
static const char *const by_names[BY_COUNT] = {"path", "load", "memfd", "deleted", "foreign"};

/* Users whom rules about files without a path speak of; each kind has two. */
static uid_t user_of(enum by by, enum mode mode)
{
    return by < BY_MEMFD ? 0 : (uid_t)(2000 + 10 * (unsigned)by + (unsigned)mode);
}

static void prepare(struct run *r, const char *root, const struct way *w, enum mode mode)
{
    const char *area = w->by >= BY_MEMFD ? "free" : mode_names[mode];
    const char *load = w->by == BY_LOAD && mode != MODE_FREE ? "l" : "";

    r->root = root;
    r->mode = mode;
    r->uid = user_of(w->by, mode);
    snprintf(r->area, sizeof(r->area), "%s/%s%s", root, load, area);
    snprintf(r->target, sizeof(r->target), "%s/target", r->area);
    memset(r->told, 0, sizeof(*r->told));
}

static void put_text(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s);
    }
    putchar('"');
}

static long long now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* How the child ended; one that was stopped goes on. True: it was. */
static bool await_child(pid_t pid, int *ret_status)
{
    bool stopped = false;

    while (waitpid(pid, ret_status, WUNTRACED) == pid && WIFSTOPPED(*ret_status)) {
        stopped = true;
        (void)kill(pid, SIGCONT);
    }
    return stopped;
}

static void try_way(struct run *r, const char *root, const struct way *w, enum mode mode)
{
    int status = 0;
    long long began;
    bool stopped;
    pid_t pid;

    prepare(r, root, w, mode);
    fflush(stdout);
    began = now_ns();
    pid = fork();
    if (pid == 0) {
        alarm(60);
        if (chdir(r->area) == 0)
            w->fn(r);
        _exit(99);
    }
    stopped = await_child(pid, &status);
    printf("{\"way\":\"%s\",\"mode\":\"%s\",\"by\":\"%s\",\"pid\":%d,\"status\":%d,\"error\":%d,"
           "\"area\":\"%s\",\"root\":\"%s\",\"parent\":%d,\"ended\":%d,\"stopped\":%s,"
           "\"ns_max\":%lld,\"ns\":[",
           w->id, mode_names[mode], by_names[w->by], r->told->pid ? r->told->pid : pid,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), r->told->error,
           r->area, root, getpid(), r->told->pid ? -1 : status, stopped ? "true" : "false",
           now_ns() - began);
    for (int i = 0; i < NAMESPACES; i++)
        printf("%s%lu", i > 0 ? "," : "", r->told->ns[i]);
    printf("],\"skipped\":");
    put_text(r->told->skipped ? r->told->reason : "");
    printf(",\"want\":");
    put_text(w->want);
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct run r;

    /* As /proc/self/exe, see way_proc_exe(). */
    if (argc == 1 && strcmp(argv[0], "target") == 0)
        return RAN;
    if (argc < 3)
        return 2;
    if (strcmp(argv[1], "setup") == 0)
        return setup(argv[2]);
    r.told = mmap(NULL, sizeof(*r.told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.told == MAP_FAILED)
        return 2;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        for (enum mode mode = 0; mode < MODE_COUNT; mode++)
            if ((argc < 4 || strcmp(argv[3], ways[i].id) == 0) &&
                (strchr(ways[i].modes, mode_names[mode][0]) ||
                 (mode == MODE_DENY && strchr(ways[i].modes, 'n'))))
                try_way(&r, argv[2], &ways[i], mode);
    return 0;
}
