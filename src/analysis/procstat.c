// SPDX-License-Identifier: Apache-2.0
#include "analysis/procstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"

#define TEXT_MAX 4096

// Fields of /proc/PID/stat behind the name, counted from the state as 0; proc(5) counts it as 3.
enum {
    FIELD_UTIME = 11,
    FIELD_STIME = 12,
    FIELD_THREADS = 17,
    FIELD_START = 19,
    FIELD_RSS = 21,
    FIELDS = 22,
};

void procstat_done(struct procstat_reading *r)
{
    free(r->items);
    *r = (struct procstat_reading){};
}

int procstat_parse(const char *text, struct procstat *ret)
{
    const char *open = strchr(text, '('), *p = strrchr(text, ')');
    struct procstat s = {};
    uint64_t field[FIELDS];
    char *end;

    s.ref.tgid = (uint32_t)strtoul(text, &end, 10);
    if (end == text || !open || !p || p < open || p[1] != ' ' || p[2] == '\0')
        return -EBADMSG;
    s.comm_len = (uint8_t)MIN((size_t)(p - open - 1), sizeof(s.comm));
    memcpy(s.comm, open + 1, s.comm_len);
    s.state = p[2];
    p += 3;
    for (int i = 1; i < FIELDS; i++) {
        field[i] = strtoull(p, &end, 10); // some are negative, none of those that are used
        if (end == p)
            return -EBADMSG;
        p = end;
    }
    s.cpu_ns = (field[FIELD_UTIME] + field[FIELD_STIME]) * PROCESS_TICK_NS;
    s.threads = (uint32_t)field[FIELD_THREADS];
    s.ref.start_ns = field[FIELD_START] * PROCESS_TICK_NS;
    s.rss_bytes = field[FIELD_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret = s;
    return 0;
}

// A small file of procfs into `buf`, followed by a NUL: one read gives all of it.
static int read_small(int dir, const char *name, const char *file, char *buf, size_t size)
{
    char path[64];
    _cleanup_close_ int fd = -1;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "%s/%s", name, file);
    fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, buf, size - 1);
    if (n < 0)
        return -errno;
    buf[n] = '\0';
    return 0;
}

static uint64_t number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static int take_process(void *ctx, int dir, const struct dirent *entry)
{
    struct procstat_reading *r = ctx;
    char text[TEXT_MAX];
    struct procstat s;

    if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
        return 0;
    if (read_small(dir, entry->d_name, "stat", text, sizeof(text)) < 0 ||
        procstat_parse(text, &s) < 0)
        return 0;
    if (r->n == PROCSTAT_MAX) {
        r->untold++;
        return 0;
    }
    if (read_small(dir, entry->d_name, "io", text, sizeof(text)) == 0) {
        s.read_bytes = number_of(text, "\nread_bytes: ");
        s.written_bytes = number_of(text, "\nwrite_bytes: ");
    }
    if (!GREEDY(r->items, r->cap, r->n + 1))
        return -ENOMEM;
    r->items[r->n++] = s;
    return 0;
}

static int by_tgid(const void *a, const void *b)
{
    const struct procstat *x = a, *y = b;

    return (x->ref.tgid > y->ref.tgid) - (x->ref.tgid < y->ref.tgid);
}

int procstat_read(const char *proc, struct procstat_reading *ret)
{
    _cleanup_(procstat_done) struct procstat_reading reading = {};
    int r = opendir_foreach(AT_FDCWD, proc ? proc : "/proc", take_process, &reading);

    if (r < 0)
        return r;
    if (reading.n > 1)
        qsort(reading.items, reading.n, sizeof(*reading.items), by_tgid);
    *ret = reading;
    reading = (struct procstat_reading){};
    return 0;
}
