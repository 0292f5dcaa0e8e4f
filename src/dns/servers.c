// SPDX-License-Identifier: Apache-2.0
#include "dns/servers.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/inet.h"
#include "base/macro.h"
#include "base/strutil.h"

#define EVENTS \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_ONLYDIR)
// What the host's programs ask, and what systemd-resolved asks for them: its file has the servers behind 127.0.0.53.
static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};

// Where they come and go. Those that are not there yet are found by their parent.
static const char *const dirs[] = {"/etc", "/run/systemd", "/run/systemd/resolve"};

struct resolv_watch {
    int fd;
    char *root;
    int ids[ARRAY_SIZE(dirs)]; // of watches, negative: none
    int target;                // of the directory that /etc/resolv.conf leads to; 0: none
};

static void add(struct resolv_servers *to, const uint8_t address[16])
{
    for (size_t i = 0; i < to->n; i++)
        if (memcmp(to->address[i], address, 16) == 0)
            return;
    if (to->n == RESOLV_SERVERS_MAX) {
        to->full++;
        return;
    }
    memcpy(to->address[to->n++], address, 16);
}

static void take_address(const char *text, size_t len, struct resolv_servers *to)
{
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};
    char buf[INET6_ADDRSTRLEN];
    const char *scope = memchr(text, '%', len);

    len = scope ? (size_t)(scope - text) : len;
    if (len == 0 || len >= sizeof(buf) || memchr(text, 0, len))
        return;
    memcpy(buf, text, len);
    buf[len] = '\0';
    if (inet_pton(AF_INET, buf, address + INET_MAPPED_BYTES) == 1 ||
        inet_pton(AF_INET6, buf, address) == 1)
        add(to, address);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// As the C library reads it: the word stands at the very beginning, blanks behind it.
static void take_line(const char *line, size_t len, struct resolv_servers *to)
{
    static const char word[] = "nameserver";
    size_t at = sizeof(word) - 1, end;

    if (len <= at || memcmp(line, word, at) != 0 || !is_blank(line[at]))
        return;
    while (at < len && is_blank(line[at]))
        at++;
    for (end = at; end < len && !is_blank(line[end]); end++)
        ;
    take_address(line + at, end - at, to);
}

void resolv_parse(const char *text, size_t len, struct resolv_servers *to)
{
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - (text + at)) : len - at;

        take_line(text + at, line, to);
        at += line + 1;
    }
}

static int watch_path(struct resolv_watch *w, const char *path)
{
    char whole[PATH_MAX];

    if (snprintf(whole, sizeof(whole), "%s%s", w->root, path) >= (int)sizeof(whole))
        return -ENAMETOOLONG;
    return inotify_add_watch(w->fd, whole, EVENTS);
}

// One directory has one watch, whatever it is watched for.
static bool is_shared(const struct resolv_watch *w, int id)
{
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (w->ids[i] == id)
            return true;
    return false;
}

// resolv.conf is a link more often than not: what it leads to changes elsewhere.
static void watch_target(struct resolv_watch *w)
{
    _cleanup_free_ char *target = NULL;
    char path[PATH_MAX], *slash;
    int id;

    if (snprintf(path, sizeof(path), "%s%s", w->root, files[0]) >= (int)sizeof(path))
        return;
    target = realpath(path, NULL);
    slash = target ? strrchr(target, '/') : NULL;
    if (!slash)
        return;
    *slash = '\0';
    id = inotify_add_watch(w->fd, *target ? target : "/", EVENTS);
    if (w->target > 0 && w->target != id && !is_shared(w, w->target))
        (void)inotify_rm_watch(w->fd, w->target);
    w->target = id;
}

static void watch_all(struct resolv_watch *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        w->ids[i] = watch_path(w, dirs[i]);
    watch_target(w);
}

int resolv_watch_new(const char *root, struct resolv_watch **ret)
{
    _cleanup_(resolv_watch_freep) struct resolv_watch *w = new0(struct resolv_watch, 1);

    if (!w)
        return -ENOMEM;
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd < 0)
        return -errno;
    w->root = xstrndup(root, strlen(root));
    if (!w->root)
        return -ENOMEM;
    watch_all(w);
    *ret = TAKE_PTR(w);
    return 0;
}

struct resolv_watch *resolv_watch_free(struct resolv_watch *w)
{
    if (w) {
        (void)safe_close(w->fd);
        free(w->root);
        free(w);
    }
    return NULL;
}

int resolv_watch_fd(const struct resolv_watch *w)
{
    return w->fd;
}

// A directory that came, or a file that is one of resolv.conf's: other files of /etc are no news.
static bool concerns(const struct inotify_event *e)
{
    if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_ISDIR))
        return true;
    return e->len && (strstr(e->name, "resolv.conf") || streq(e->name, "resolve"));
}

bool resolv_watch_changed(struct resolv_watch *w)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;
    ssize_t n;

    while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(buf + at);

            changed = changed || concerns(e);
            at += (ssize_t)(sizeof(*e) + e->len);
        }
    }
    return changed;
}

void resolv_watch_read(struct resolv_watch *w, struct resolv_servers *ret)
{
    // First: what changes while the files are read is told afterwards.
    watch_all(w);
    *ret = (struct resolv_servers){};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *text = NULL;
        char path[PATH_MAX];
        size_t len;

        if (snprintf(path, sizeof(path), "%s%s", w->root, files[i]) < (int)sizeof(path) &&
            read_file_bounded(AT_FDCWD, path, RESOLV_BYTES_MAX, &text, &len) == 0)
            resolv_parse(text, len, ret);
    }
}
