// SPDX-License-Identifier: Apache-2.0
//
// A spool in a directory of its own, by a clock that only the test moves. Lines are "<class> <number> <filling>", so
// that whoever reads one knows which it was.
#pragma once

#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "spool/spool.h"

#define BOOT_A "0a0a0a0a-1111-4222-8333-444444444444"
#define BOOT_B "0b0b0b0b-1111-4222-8333-444444444444"

struct rig {
    char *dir;
    struct spool *spool;
    struct spool_options options;
    uint64_t clock_ms;
    uint64_t appended[STREAM_CLASSES]; // lines
};

static inline uint64_t rig_clock(void *ctx)
{
    const struct rig *rig = ctx;

    return rig->clock_ms;
}

static inline void rig_open(struct rig *rig)
{
    struct error err = {};
    int r = spool_new(&rig->options, &rig->spool, &err);

    if (r < 0)
        error_print(&err, stderr);
    assert_int_equal(r, 0);
}

static inline void rig_begin(struct rig *rig)
{
    *rig = (struct rig){.dir = unit_mkdtemp(), .clock_ms = 1000};
    rig->options = (struct spool_options){
        .dir = rig->dir,
        .max_bytes = 64 << 20,
        .boot_id = BOOT_A,
        .clock_ms = rig_clock,
        .ctx = rig,
    };
    rig_open(rig);
}

static inline void rig_close(struct rig *rig)
{
    rig->spool = spool_free(rig->spool);
}

// Another run of the program, in this boot or another one.
static inline void rig_again(struct rig *rig, const char *boot_id)
{
    rig_close(rig);
    rig->options.boot_id = boot_id;
    rig_open(rig);
}

static inline void rig_end(struct rig *rig)
{
    rig_close(rig);
    unit_rmdir(rig->dir);
}

// The line `number` of a class, of about `size` bytes.
static inline size_t rig_line(char *buf, size_t cap, enum stream_class class, uint64_t number,
                              size_t size)
{
    int n = snprintf(buf, cap, "%d %llu ", (int)class, (unsigned long long)number);

    assert_true(n > 0 && (size_t)n < cap && size < cap);
    if ((size_t)n < size) {
        memset(buf + n, 'a' + (int)(number % 26), size - (size_t)n);
        n = (int)size;
    }
    return (size_t)n;
}

static inline int rig_try(struct rig *rig, enum stream_class class, size_t size)
{
    static __thread char buf[RECORD_MAX + 16];
    size_t len = rig_line(buf, sizeof(buf), class, rig->appended[class] + 1, size);
    int r = spool_append(rig->spool, class, buf, len);

    rig->appended[class] += r == 0;
    return r;
}

static inline void rig_append(struct rig *rig, enum stream_class class, int n, size_t size)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(rig_try(rig, class, size), 0);
    assert_int_equal(spool_flush(rig->spool), 0);
}

// What the line at *at says it is; moves on to the next.
static inline uint64_t rig_number(const char **at, const char *end, enum stream_class class)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    char *blank;

    assert_non_null(newline);
    assert_int_equal(strtoul(*at, &blank, 10), class);
    *at = newline + 1;
    return strtoull(blank, NULL, 10);
}

// The lease holds the lines first, first + 1, ...
static inline void rig_expect(const struct spool_lease *lease, uint64_t first)
{
    const char *at = lease->data, *end = lease->data + lease->len;

    for (uint32_t i = 0; i < lease->n; i++)
        assert_int_equal(rig_number(&at, end, lease->class), first + i);
    assert_ptr_equal(at, end);
}

// Leases and commits all that waits; the lines are first, first + 1, ... Returns how many.
static inline uint64_t rig_drain(struct rig *rig, enum stream_class class, uint64_t first)
{
    struct spool_lease lease;
    uint64_t n = 0;
    int r;

    while ((r = spool_lease(rig->spool, class, 1000, 1 << 20, &lease)) > 0) {
        rig_expect(&lease, first + n);
        n += lease.n;
        assert_int_equal(spool_commit(rig->spool, class, &lease.stream,
                                      lease.first_seq + lease.n - 1),
                         0);
    }
    assert_int_equal(r, 0);
    return n;
}

static inline struct spool_counters rig_counters(struct rig *rig, enum stream_class class)
{
    struct spool_counters c;

    spool_counters(rig->spool, class, &c);
    return c;
}

// How many files of the directory end in this.
static inline int rig_files(struct rig *rig, const char *suffix)
{
    DIR *dir = opendir(rig->dir);
    const struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        n += str_endswith(entry->d_name, suffix);
    (void)closedir(dir);
    return n;
}

// The path of the nth file (from 0, in the order of names) whose name begins and ends so; static.
static inline const char *rig_file(struct rig *rig, const char *prefix, int nth)
{
    static char path[4096];
    struct dirent **v;
    int n = scandir(rig->dir, &v, NULL, alphasort), at = 0;

    path[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (str_startswith(v[i]->d_name, prefix) && str_endswith(v[i]->d_name, ".seg") &&
            at++ == nth)
            (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, v[i]->d_name);
        free(v[i]);
    }
    free(v);
    assert_true(path[0]);
    return path;
}

// Changes bytes of a file in place.
static inline void rig_flip(const char *path, off_t at, size_t n)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char c;

    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pread(fd, &c, 1, at + (off_t)i), 1);
        c = (char)~c;
        assert_int_equal(pwrite(fd, &c, 1, at + (off_t)i), 1);
    }
    (void)close(fd);
}
