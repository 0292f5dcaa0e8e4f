// SPDX-License-Identifier: Apache-2.0
//
// sg-bench-spool DIR [LINES]: what the queue on disk costs: lines of 1,900 bytes are appended, flushed each 128 KiB as the
// agent does it, then leased in batches of 1,000 and committed. Beside each the floor: write(2), or read(2), of the same
// bytes in pieces of the same size, to a file in the same directory.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "spool/spool.h"

#define LINE  1900
#define BATCH ((size_t)128 << 10)
#define LEASE 1000

static uint64_t started;

static void begin(void)
{
    started = now_ns(CLOCK_MONOTONIC);
}

static double end(const char *what, uint64_t lines, double floor_s)
{
    double s = (double)(now_ns(CLOCK_MONOTONIC) - started) / 1e9;

    printf("%-34s %10.0f lines/s %8.0f MB/s", what, (double)lines / s,
           (double)lines * (LINE + 1) / s / 1e6);
    if (floor_s > 0)
        printf("   %.2f of the floor", floor_s / s);
    printf("\n");
    return s;
}

static int append_all(struct spool *s, const char *line, uint64_t lines)
{
    size_t waiting = 0;

    for (uint64_t i = 0; i < lines; i++) {
        int r = spool_append(s, STREAM_AUDIT, line, LINE);

        if (r < 0)
            return r;
        waiting += LINE + 1;
        if (waiting >= BATCH) {
            waiting = 0;
            r = spool_flush(s);
            if (r < 0)
                return r;
        }
    }
    return spool_flush(s);
}

static int send_all(struct spool *s, uint64_t *ret_lines)
{
    struct spool_lease lease;
    uint64_t lines = 0;
    int r;

    while ((r = spool_lease(s, STREAM_AUDIT, LEASE, 4 << 20, &lease)) > 0) {
        lines += lease.n;
        r = spool_commit(s, STREAM_AUDIT, &lease.stream, lease.first_seq + lease.n - 1);
        if (r < 0)
            break;
    }
    *ret_lines = lines;
    return r;
}

static double write_floor(const char *path, char *bytes, uint64_t lines)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return 0;
    begin();
    for (uint64_t left = lines * (LINE + 1); left > 0;) {
        size_t n = left < BATCH ? (size_t)left : BATCH;

        if (write_all(fd, bytes, n) < 0)
            break;
        left -= n;
    }
    (void)close(fd);
    return end("write(2), 128 KiB at a time", lines, 0);
}

static double read_floor(const char *path, uint64_t lines)
{
    size_t size = (size_t)LEASE * (LINE + 1);
    char *bytes = malloc(size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0 || !bytes)
        return 0;
    begin();
    (void)fdatasync(fd);
    while (n > 0)
        n = read(fd, bytes, size);
    (void)close(fd);
    free(bytes);
    return end("fdatasync(2), read(2) of a batch", lines, 0);
}

int main(int argc, char **argv)
{
    static char bytes[BATCH], line[LINE], path[4096], floor_path[4096 + 8];
    uint64_t lines = 100000, sent = 0;
    struct spool_options options = {
        .dir = path,
        .max_bytes = UINT64_C(4) << 30,
        .boot_id = "0a0a0a0a-1111-4222-8333-444444444444",
    };
    struct spool *s = NULL;
    struct error err = {};
    double floor_s;
    int r;

    if (argc < 2 || (argc > 2 && parse_u64(argv[2], &lines) < 0)) {
        fprintf(stderr, "sg-bench-spool DIR [LINES]\n");
        return 2;
    }
    memset(bytes, 'x', sizeof(bytes));
    memset(line, 'y', sizeof(line));
    (void)snprintf(path, sizeof(path), "%s/sg-bench-spool", argv[1]);
    (void)snprintf(floor_path, sizeof(floor_path), "%s.floor", path);
    r = spool_new(&options, &s, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return 1;
    }
    floor_s = write_floor(floor_path, bytes, lines);
    begin();
    r = append_all(s, line, lines);
    (void)end("append and flush", lines, floor_s);
    floor_s = read_floor(floor_path, lines);
    begin();
    if (r == 0)
        r = send_all(s, &sent);
    (void)end("lease and commit", sent, floor_s);
    (void)unlink(floor_path);
    s = spool_free(s);
    if (r < 0 || sent != lines) {
        fprintf(stderr, "%llu of %llu lines came: %s\n", (unsigned long long)sent,
                (unsigned long long)lines, strerror(-r));
        return 1;
    }
    return 0;
}
