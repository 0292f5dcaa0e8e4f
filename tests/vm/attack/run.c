// SPDX-License-Identifier: Apache-2.0
/* Runs ways: each in a process group of its own, watched by a clock, judged, and undone. */
#include "attack.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const verdict_names[] = {
    [VERDICT_NONE] = "error",    [VERDICT_DENIED] = "denied", [VERDICT_PASSED] = "passed",
    [VERDICT_CLAIMED] = "error", [VERDICT_ERROR] = "error",   [VERDICT_SKIPPED] = "skipped",
};
static const char *const expect_names[] = {
    [EXPECT_DENIED] = "denied",
    [EXPECT_DOCUMENTED] = "documented",
    [EXPECT_ALLOWED] = "allowed",
};

static const char *errno_name(int err)
{
    const char *name = err ? strerrorname_np(err) : NULL;

    return name ? name : "";
}

void way_use(struct attack *a, int fd)
{
    if (a->way->deed->use)
        a->way->deed->use(a, fd);
    attack_failed(a, "the way's function came back: a bug of this program");
}

void way_go(struct attack *a)
{
    way_use(a, a->way->reach(a, a->way->deed->flags));
}

static unsigned kernel_version(void)
{
    struct utsname u;
    unsigned major = 0, minor = 0;

    if (uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) != 2)
        return 0;
    return KERNEL(major, minor);
}

static bool has_filesystem(const char *name)
{
    char line[128];
    bool found = false;
    FILE *f = fopen("/proc/filesystems", "re");

    while (f && !found && fgets(line, sizeof(line), f)) {
        char *tab = strchr(line, '\t');

        line[strcspn(line, "\n")] = 0;
        found = tab && strcmp(tab + 1, name) == 0;
    }
    if (f)
        fclose(f);
    return found;
}

static bool has_uring(void)
{
    struct ring r;

    if (ring_open(&r, 0) < 0)
        return false;
    close(r.fd);
    return true;
}

static bool on_disk(const char *root)
{
    struct statfs fs;

    return statfs(root, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC;
}

/* Why the way cannot be tried here, or NULL. */
static const char *lacking(const struct run *r, const struct way *w)
{
    if (NEED_KERNEL(w->needs) > kernel_version())
        return "this kernel is older than the way";
    if ((w->needs & N_URING) && !has_uring())
        return "no io_uring here";
    if ((w->needs & N_OVERLAY) && !has_filesystem("overlay"))
        return "no overlayfs here";
    if ((w->needs & N_DROP) && access("/proc/sys/vm/drop_caches", W_OK) < 0)
        return "caches cannot be dropped";
    if ((w->needs & N_DISKFS) && !on_disk(r->root))
        return "inodes of this file system never leave the cache";
#ifndef __x86_64__
    if (w->needs & N_X86)
        return "not this processor";
#endif
    return NULL;
}

_noreturn_ static void way_child(struct attack *a)
{
    setpgid(0, 0);
    alarm(WAY_SECONDS);
    if (a->way->needs & N_MNTNS) {
        MUST(a, unshare(CLONE_NEWNS));
        MUST(a, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    }
    way_go(a);
}

/* Waits for the way, then ends whatever it left running. */
static void way_wait(pid_t pid, struct outcome *o)
{
    struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int status = 0;

    if (p.fd >= 0) {
        poll(&p, 1, (WAY_SECONDS + 5) * 1000);
        close(p.fd);
    }
    kill(-pid, SIGKILL);
    if (waitpid(pid, &status, 0) == pid && o->verdict == VERDICT_NONE) {
        o->verdict = VERDICT_ERROR;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_EXECUTED) {
            o->verdict = VERDICT_PASSED;
            snprintf(o->detail, sizeof(o->detail), "the program ran");
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_EXEC_REFUSED) {
            o->verdict = VERDICT_DENIED;
            o->err = EPERM;
            snprintf(o->detail, sizeof(o->detail), "the exec that would hand it on was refused");
        } else if (WIFSIGNALED(status)) {
            snprintf(o->detail, sizeof(o->detail), "%s",
                     WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL
                         ? "took too long"
                         : fmt("killed by signal %d", WTERMSIG(status)));
        } else {
            snprintf(o->detail, sizeof(o->detail), "left with status %d", WEXITSTATUS(status));
        }
    }
    kill(-pid, SIGKILL);
    while (waitpid(-1, &status, 0) > 0)
        ;
}

/* Runs the exempt program's verb on the tree. Returns its status; its first line goes to
 * ret_line. */
static int ask_exempt(const struct run *r, const char *verb, const char *path, char *ret_line,
                      size_t size)
{
    char *exempt = fmt("%s/bin/sg-exempt", r->root);
    int out[2], status = -1;
    ssize_t n;
    pid_t pid;

    if (pipe2(out, O_CLOEXEC) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        if (dup2(out[1], 1) >= 0)
            execl(exempt, exempt, verb, path, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    n = read(out[0], ret_line, size - 1);
    ret_line[n > 0 ? n : 0] = 0;
    ret_line[strcspn(ret_line, "\n")] = 0;
    waitpid(pid, &status, 0);
    close(out[0]);
    free(exempt);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A way that changes something is believed by what the exempt program sees. Returns whether the
 * tree has to be repaired. */
static bool confirm(const struct run *r, const struct way *w, struct outcome *o)
{
    char line[512];
    int status;

    if (!w->deed->modifies && !o->prepared)
        return false;
    status = ask_exempt(r, "verify", r->root, line, sizeof(line));
    if (status == 0 && o->verdict == VERDICT_CLAIMED) {
        o->verdict = VERDICT_ERROR;
        snprintf(o->detail, sizeof(o->detail), "the call succeeded and changed nothing");
    }
    if (status == 0)
        return false;
    if (status != 1) {
        o->verdict = VERDICT_ERROR;
        snprintf(o->detail, sizeof(o->detail), "the exempt program could not check the tree");
    } else if (!w->deed->modifies || o->verdict == VERDICT_ERROR || o->verdict == VERDICT_SKIPPED) {
        o->verdict = VERDICT_ERROR;
        snprintf(o->detail, sizeof(o->detail), "left behind: %.140s", line);
    } else {
        snprintf(o->detail, sizeof(o->detail), "%s%s%.120s", errno_name(o->err),
                 o->err ? ", and still: " : "", line);
        o->verdict = VERDICT_PASSED;
        o->err = 0;
    }
    return true;
}

/* Returns whether the next way finds the tree as it should be. */
static bool clean(const struct run *r, const struct way *w, const char *tmp, bool repair)
{
    static const char *const mounts[] = {"mnt", "mnt2"};
    char line[512] = "";

    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        char *m = fmt("%s/%s", tmp, mounts[i]);

        while (umount2(m, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
            ;
        /* Nobody else takes a mount away from a protected place. */
        if (errno == EPERM)
            ask_exempt(r, "x-umount", m, line, sizeof(line));
        free(m);
    }
    if (!tree_remove(tmp))
        fprintf(stderr, "sg-attack: %s: something is left in %s\n", w->name, tmp);
    if (!repair)
        return true;
    ask_exempt(r, "restore", r->root, line, sizeof(line));
    if (ask_exempt(r, "verify", r->root, line, sizeof(line)) == 0)
        return true;
    fprintf(stderr, "sg-attack: %s: the tree could not be repaired: %s\n", w->name, line);
    return false;
}

static long long clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The clock of the kernel's records: those of a way lie between its start and its end. */
static uint64_t boot_ns(void)
{
    return (uint64_t)clock_ns(CLOCK_BOOTTIME);
}

/* Returns whether the next way finds the tree as it should be. */
static bool run_way(const struct run *r, const struct way *w, struct outcome *ret)
{
    int out_fd = memfd_create("sg-outcome", MFD_CLOEXEC);
    struct outcome *o = MAP_FAILED;
    const char *why = lacking(r, w);
    char nonce[NONCE_LEN + 1];
    bool repair, whole = true;
    pid_t pid;

    if (out_fd >= 0 && ftruncate(out_fd, sizeof(*o)) == 0)
        o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED, out_fd, 0);
    if (o == MAP_FAILED || tree_nonce(r->root, nonce) < 0) {
        *ret = (struct outcome){.verdict = VERDICT_ERROR, .err = errno};
        snprintf(ret->detail, sizeof(ret->detail), "no tree there: run setup first");
        return false;
    }
    if (why) {
        o->verdict = VERDICT_SKIPPED;
        snprintf(o->detail, sizeof(o->detail), "%s", why);
    } else {
        struct attack a = {
            .root = r->root,
            .self = r->self,
            .exempt = fmt("%s/bin/sg-exempt", r->root),
            .tmp = fmt("%s/scratch/%d.%s", r->root, (int)getpid(), w->name),
            .target = tree_object(r->root, w->object),
            .want = fmt("%s%s", way_mark(w), nonce),
            .way = w,
            .held = r->held,
            .out = o,
            .out_fd = out_fd,
        };

        mkdir(a.tmp, 0755);
        o->start_ns = boot_ns();
        pid = fork();
        if (pid == 0)
            way_child(&a);
        setpgid(pid, pid);
        way_wait(pid, o);
        if (o->pid == 0)
            o->pid = pid;
        o->end_ns = boot_ns();
        repair = confirm(r, w, o);
        whole = clean(r, w, a.tmp, repair);
    }
    *ret = *o;
    munmap(o, sizeof(*o));
    close(out_fd);
    return whole;
}

static bool as_expected(const struct run *r, const struct way *w, const struct outcome *o)
{
    if (o->verdict == VERDICT_SKIPPED)
        return true;
    if (o->verdict != VERDICT_DENIED && o->verdict != VERDICT_PASSED)
        return false;
    if (!r->policy || w->expect == EXPECT_ALLOWED)
        return o->verdict == VERDICT_PASSED;
    return w->expect == EXPECT_DOCUMENTED || o->verdict == VERDICT_DENIED;
}

static void report(const struct run *r, const struct way *w, const struct outcome *o, unsigned n)
{
    bool ok = as_expected(r, w, o);

    if (r->format == FORMAT_TAP) {
        printf("%s %u - %s %s%s%s%s%s%s%s%s\n", ok ? "ok" : "not ok", n, w->name,
               verdict_names[o->verdict], o->err ? " " : "", errno_name(o->err),
               o->step[0] ? " at " : "", o->step, o->detail[0] ? ": " : "", o->detail,
               o->verdict == VERDICT_SKIPPED ? " # SKIP" : "");
    } else {
        char *path = tree_object(r->root, w->object);

        fputs("{\"name\":", stdout);
        json_string(w->name);
        printf(",\"result\":\"%s\",\"errno\":%d,\"errname\":\"%s\",\"op\":\"%s\",\"path\":",
               verdict_names[o->verdict], o->err, errno_name(o->err), w->deed->access);
        json_string(path);
        printf(
            ",\"pid\":%d,\"real_ns\":%lld,\"start_ns\":%llu,\"end_ns\":%llu,\"flags\":%d,\"expect\":\"%s\","
            "\"ok\":%s,\"step\":",
            o->pid, clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME),
            (unsigned long long)o->start_ns, (unsigned long long)o->end_ns, w->deed->flags,
            expect_names[w->expect], ok ? "true" : "false");
        json_string(o->step);
        fputs(",\"reason\":", stdout);
        json_string(o->detail);
        puts("}");
        free(path);
    }
    fflush(stdout);
}

static bool selected(const struct way *w, char *const patterns[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], w->name, 0) == 0)
            return true;
    return n == 0;
}

static int bail_out(const struct run *r, const char *why)
{
    if (r->format == FORMAT_TAP)
        printf("Bail out! %s\n", why);
    fprintf(stderr, "sg-attack: stopped: %s\n", why);
    return 2;
}

int run_ways(const struct run *r, char *const patterns[], size_t n_patterns)
{
    unsigned n = 0, bad = 0, counts[ARRAY_LEN(verdict_names)] = {0};
    char line[512] = "";

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (ask_exempt(r, "verify", r->root, line, sizeof(line)) != 0)
        return bail_out(r,
                        line[0] ? line : "there is no tree, or its exempt program cannot check it");
    for (size_t i = 0; i < n_ways; i++) {
        const struct way *w = &ways[i];
        struct outcome o;
        bool whole;

        if (((w->needs & N_HELD) != 0) != (r->held != NULL) || !selected(w, patterns, n_patterns))
            continue;
        whole = run_way(r, w, &o);
        report(r, w, &o, ++n);
        counts[o.verdict]++;
        bad += !as_expected(r, w, &o);
        if (!whole)
            return bail_out(r, "the tree is broken; what comes next would prove nothing");
    }
    if (r->format == FORMAT_TAP)
        printf("1..%u\n", n);
    fprintf(stderr, "sg-attack: %u ways: %u denied, %u passed, %u skipped, %u not as expected\n", n,
            counts[VERDICT_DENIED], counts[VERDICT_PASSED], counts[VERDICT_SKIPPED], bad);
    if (n == 0)
        fprintf(stderr, "sg-attack: no way has that name: see `sg-attack list`\n");
    return n == 0 || bad > 0 ? 1 : 0;
}

int list_ways(enum format format)
{
    for (size_t i = 0; i < n_ways; i++) {
        const struct way *w = &ways[i];

        if (format == FORMAT_TAP) {
            printf("%-28s %-7s %-10s %s\n", w->name, w->deed->access, expect_names[w->expect],
                   w->help);
            continue;
        }
        fputs("{\"name\":", stdout);
        json_string(w->name);
        printf(",\"op\":\"%s\",\"expect\":\"%s\",\"held\":%s,\"object\":", w->deed->access,
               expect_names[w->expect], w->needs & N_HELD ? "true" : "false");
        json_string(w->object);
        fputs(",\"help\":", stdout);
        json_string(w->help);
        puts("}");
    }
    return 0;
}
