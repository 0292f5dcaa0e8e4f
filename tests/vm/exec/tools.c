// SPDX-License-Identifier: Apache-2.0
//
// What ways share, and what they find when they are tried.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "exec.h"

int setup(const char *root);

void skip(const struct run *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(r->told->reason, sizeof(r->told->reason), format, ap);
    va_end(ap);
    r->told->skipped = true;
    _exit(98);
}

long must(const struct run *r, long value, const char *what)
{
    if (value < 0) {
        snprintf(r->told->reason, sizeof(r->told->reason), "%s: %s", what, strerror(errno));
        fprintf(stderr, "%s\n", r->told->reason);
        _exit(97);
    }
    return value;
}

void refused(const struct run *r, int error)
{
    r->told->error = error;
    _exit(1);
}

void become(const struct run *r)
{
    if (r->uid) {
        MUST(r, setgroups(0, NULL));
        MUST(r, setresuid(r->uid, r->uid, r->uid));
    }
}

void go(const struct run *r, const char *path, char *const *argv, char *const *envp)
{
    char *own[] = {(char *)path, NULL}, *none[] = {NULL};

    become(r);
    execve(path, argv ? argv : own, envp ? envp : none);
    refused(r, errno);
}

void go_at(const struct run *r, int fd, const char *path, int flags, char *const *argv)
{
    char *own[] = {"at", NULL}, *none[] = {NULL};

    become(r);
    syscall(SYS_execveat, fd, path, argv ? argv : own, none, flags);
    refused(r, errno);
}

static const char *join(const char *dir, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

const char *in_area(const struct run *r, const char *name)
{
    return join(r->area, name);
}

/* %M in a name is the mode: ways of several modes have files of their own. */
const char *in_root(const struct run *r, const char *name)
{
    static const char *const modes[MODE_COUNT] = {"audit", "deny", "free", "kill", "stop"};
    const char *at = strstr(name, "%M");
    char *path = NULL;

    if (!at)
        return join(r->root, name);
    return asprintf(&path, "%s/%.*s%s%s", r->root, (int)(at - name), name, modes[r->mode], at + 2) <
                   0
               ? NULL
               : path;
}

static int copy_to(const char *from, int to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (in < 0 || fstat(in, &st) < 0)
        return -1;
    for (off_t at = 0; at < st.st_size;)
        if (sendfile(to, in, &at, (size_t)(st.st_size - at)) <= 0)
            return -1;
    return close(in);
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    if (out < 0 || copy_to(from, out) < 0 || fchmod(out, mode) < 0)
        return -1;
    return close(out);
}

static int put_file(const char *path, mode_t mode, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
        return -1;
    return close(fd);
}

void copy(const struct run *r, const char *from, const char *to, mode_t mode)
{
    MUST(r, copy_file(from, to, mode));
}

void write_file(const struct run *r, const char *path, mode_t mode, const char *text)
{
    MUST(r, put_file(path, mode, text));
}

void make_dir(const struct run *r, const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        must(r, -1, path);
}

void own_mounts(const struct run *r)
{
    MUST(r, unshare(CLONE_NEWNS));
    MUST(r, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

const char *script(const struct run *r, const char *path, const char *interpreter)
{
    char text[600];

    snprintf(text, sizeof(text), "#!%s\n", interpreter);
    write_file(r, path, 0755, text);
    return path;
}

void tell_namespaces(const struct run *r)
{
    static const char *const names[NAMESPACES] = {"mnt", "pid", "net",    "user",
                                                  "uts", "ipc", "cgroup", "time"};

    for (int i = 0; i < NAMESPACES; i++) {
        char path[40];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
        r->told->ns[i] = stat(path, &st) < 0 ? 0 : st.st_ino;
    }
}

int register_format(const char *extension, const char *interpreter, const char *flags)
{
    char line[600];
    ssize_t n;
    int fd;

    (void)mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", 0, NULL);
    fd = open("/proc/sys/fs/binfmt_misc/register", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(line, sizeof(line), ":sg-%s:E::%s::%s:%s", extension, extension, interpreter, flags);
    n = write(fd, line, strlen(line));
    (void)close(fd);
    return n < 0 && errno != EEXIST ? -1 : 0;
}

int memfd_of(const struct run *r, const char *name, unsigned flags, const char *content)
{
    int fd = (int)MUST(r, memfd_create(name, flags));

    MUST(r, copy_to(content, fd));
    return fd;
}

/* The files of one area. */
static int setup_area(const char *root, const char *area)
{
    char path[512], text[512];
    int bad = 0;
    struct {
        const char *name, *from;
        mode_t mode;
    } files[] = {{"target", "bin/target", 0755},  {"setuid", "bin/target", 04755},
                 {"setgid", "bin/target", 02755}, {"caps", "bin/target", 0755},
                 {"dynamic", NULL, 0755},         {"libc.so", NULL, 0755},
                 {"lib.so", NULL, 0755}};
    static const char *const systems[] = {"/bin/true", "/lib/x86_64-linux-gnu/libc.so.6",
                                          "/lib/x86_64-linux-gnu/libm.so.6"};

    snprintf(path, sizeof(path), "%s/%s", root, area);
    bad |= mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/sub", root, area);
    bad |= mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/tmpfs", root, area);
    bad |= mkdir(path, 0755) || mount("tmpfs", path, "tmpfs", 0, NULL);
    snprintf(path, sizeof(path), "%s/%s/tmpfs/dir", root, area);
    bad |= mkdir(path, 0755);
    for (size_t i = 0, other = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s/%s", root, area, files[i].name);
        snprintf(text, sizeof(text), "%s/%s", root, files[i].from ? files[i].from : "");
        bad |= copy_file(files[i].from ? text : systems[other++], path, files[i].mode);
    }
    snprintf(path, sizeof(path), "%s/%s/tmpfs/target", root, area);
    snprintf(text, sizeof(text), "%s/bin/target", root);
    bad |= copy_file(text, path, 0755);
    /* Another name from before the policy. */
    snprintf(text, sizeof(text), "%s/%s/linked", root, area);
    snprintf(path, sizeof(path), "%s/bin/target", root);
    bad |= copy_file(path, text, 0755);
    snprintf(path, sizeof(path), "%s/links/hard-%s", root, area);
    bad |= link(text, path);
    /* What is opened when it is registered must be before there is a rule about it. */
    snprintf(path, sizeof(path), "%s/%s/target", root, area);
    snprintf(text, sizeof(text), "sgf-%s", area);
    (void)register_format(text, path, "F");
    return bad;
}

/* Which files rules speak of. */
static void print_policy(const char *root)
{
    printf("safeguard: 1\nname: exec\nmode: enforce\nprocesses:\n"
           "  - {exec: \"%s/audit/**\", do: audit}\n  - {exec: \"%s/deny/**\", do: deny}\n"
           "  - {load: \"%s/laudit/**\", do: audit}\n  - {load: \"%s/ldeny/**\", do: deny}\n",
           root, root, root, root);
    for (int by = BY_MEMFD; by < BY_COUNT; by++) {
        static const char *const words[BY_COUNT] = {
            [BY_MEMFD] = "memfd", [BY_DELETED] = "deleted", [BY_FOREIGN] = "foreign"};

        printf(
            "  - {exec: %s, by: {user: %d}, do: audit}\n  - {exec: %s, by: {user: %d}, do: deny}\n",
            words[by], 2000 + 10 * by, words[by], 2001 + 10 * by);
    }
    printf("  - {exec: \"%s/kill/**\", do: kill}\n  - {exec: \"%s/stop/**\", do: stop}\n"
           "  - {exec: \"%s/nowhere/**\", by: {env: {SG_SUBJECT: \"*\"}}, do: audit}\n"
           "record: {env: [SG_NAMED, \"SG_ALL_*\"]}\n",
           root, root, root);
}

int setup(const char *root)
{
    static const char *const areas[] = {"audit", "deny", "free", "kill", "stop", "laudit", "ldeny"};
    char path[300], self[300];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 16);
    int bad = n < 0;

    umask(022);
    bad |= mkdir(root, 0755);
    snprintf(path, sizeof(path), "%s/bin", root);
    bad |= mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/links", root);
    bad |= mkdir(path, 0755);
    memcpy(self + (n > 0 ? n : 0), "-target", 8);
    snprintf(path, sizeof(path), "%s/bin/target", root);
    bad |= copy_file(self, path, 0755);
    for (size_t i = 0; !bad && i < sizeof(areas) / sizeof(areas[0]); i++)
        bad |= setup_area(root, areas[i]);
    if (bad) {
        perror("sg-exec setup");
        return 1;
    }
    print_policy(root);
    return 0;
}
