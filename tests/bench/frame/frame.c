// SPDX-License-Identifier: Apache-2.0
//
// What a frame costs: CPU time and bytes a record, beside a copy of the same bytes and beside zstd at the same level
// over all of them at once. Lines are those of tests/golden/ocsf/open-denied*.json with what differs in a burst made to
// differ: process, path, time, numbers.
//
//     build/tests/bench/frame/sg-bench-frame [records a frame, 1000]
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "transport/frame.h"

#define SECONDS 3

static const char *const shapes[] = {"open-denied", "open-denied-container", "open-denied-unknown"};

static const char *const paths[] = {
    "/etc/shadow",           "/etc/gshadow",
    "/root/.ssh/id_ed25519", "/var/www/html/index.php",
    "/etc/sudoers",          "/usr/local/bin/deploy",
    "/etc/cron.d/backup",    "/srv/app/config/secrets.yml",
    "/etc/ssl/key.pem",      "/home/ann/.aws/config",
    "/etc/ld.so.preload",    "/boot/grub/grub.cfg",
};

struct load {
    char *shape[ARRAY_SIZE(shapes)];
    struct strbuf lines;
    uint32_t n;
};

static void die(const char *what, int code)
{
    (void)fprintf(stderr, "%s: %s\n", what, strerror(-code));
    exit(1);
}

static void read_shapes(struct load *l)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        char path[4096];
        int r;

        (void)snprintf(path, sizeof(path), "%s/tests/golden/ocsf/%s.json", SOURCE_ROOT, shapes[i]);
        r = read_file_bounded(AT_FDCWD, path, RECORD_MAX, &l->shape[i], NULL);
        if (r < 0)
            die(path, r);
        l->shape[i][strcspn(l->shape[i], "\n")] = '\0';
    }
}

// Appends the shape with the places that differ between records replaced.
static void add_line(struct load *l, const char *shape, uint32_t n, unsigned *seed)
{
    unsigned pid = 4000 + (unsigned)rand_r(seed) % 40;
    const char *path = paths[(unsigned)rand_r(seed) % ARRAY_SIZE(paths)];

    while (*shape) {
        const char *rest;

        if ((rest = str_startswith(shape, "4242")))
            sb_printf(&l->lines, "%u", pid);
        else if ((rest = str_startswith(shape, "/etc/shadow")))
            sb_puts(&l->lines, path);
        else if ((rest = str_startswith(shape, "1700000200000")))
            sb_printf(&l->lines, "%llu", 1700000200000ULL + n / 7);
        else if ((rest = str_startswith(shape, "\"sequence\":1")))
            sb_printf(&l->lines, "\"sequence\":%u", n);
        else if ((rest = str_startswith(shape, "security:0:1")))
            sb_printf(&l->lines, "security:%u:%u", n % 4, n);
        else
            sb_putc(&l->lines, *shape);
        shape = rest ? rest : shape + 1;
    }
    sb_putc(&l->lines, '\n');
}

static double cpu_s(void)
{
    return (double)now_ns(CLOCK_PROCESS_CPUTIME_ID) / (double)NS_PER_SEC;
}

static double seconds_of(void (*fn)(void *ctx), void *ctx)
{
    double start = cpu_s(), took;
    unsigned n = 0;

    fn(ctx);
    do {
        fn(ctx);
        n++;
        took = cpu_s() - start;
    } while (took < SECONDS);
    return took / (n + 1);
}

struct job {
    struct load load;
    struct record_lease lease;
    struct frame_writer *writer;
    struct frame_reader *reader;
    struct strbuf frame;
    ZSTD_CCtx *zstd;
    char *copy;
    size_t packed, cap;
};

static void encode(void *ctx)
{
    struct job *j = ctx;
    int r;

    sb_reset(&j->frame);
    r = frame_encode(j->writer, &j->lease, &j->frame);
    if (r < 0)
        die("encode", r);
}

static void decode(void *ctx)
{
    struct job *j = ctx;
    struct frame *f = NULL;
    int r = frame_decode(j->reader, j->frame.s, j->frame.len, &f, NULL);

    if (r < 0)
        die("decode", r);
    frame_free(f);
}

static void pack(void *ctx)
{
    struct job *j = ctx;

    j->packed = ZSTD_compressCCtx(j->zstd, j->copy, j->cap, j->lease.data, j->lease.len, 1);
}

static void copy(void *ctx)
{
    struct job *j = ctx;

    memcpy(j->copy, j->lease.data, j->lease.len);
    __asm__ volatile("" : : "r"(j->copy) : "memory");
}

static void report(const struct job *j, const char *what, double seconds, double bytes,
                   double floor)
{
    (void)printf("%-28s %9.0f records/s %8.1f MB/s", what, j->load.n / seconds,
                 (double)j->lease.len / seconds / 1e6);
    if (bytes > 0)
        (void)printf(" %7.1f bytes/record", bytes / j->load.n);
    else
        (void)printf(" %20s", "");
    (void)printf("  %6.2f x\n", seconds / floor);
}

int main(int argc, char **argv)
{
    struct job j = {.load.n = 1000};
    double t_copy, t_pack, t_encode, t_decode;
    unsigned seed = 1;

    if (argc > 1 && (parse_u32(argv[1], &j.load.n) < 0 || j.load.n == 0))
        die(argv[1], -EINVAL);
    read_shapes(&j.load);
    for (uint32_t i = 0; i < j.load.n; i++)
        add_line(&j.load, j.load.shape[i % 10 == 0 ? 1 + i / 10 % 2 : 0], i + 1, &seed);
    j.lease = (struct record_lease){STREAM_SECURITY, {{1}},          1,
                                    j.load.n,        j.load.lines.s, j.load.lines.len};
    j.cap = ZSTD_compressBound(j.lease.len);
    j.copy = malloc(j.cap);
    j.zstd = ZSTD_createCCtx();
    if (!j.copy || !j.zstd || frame_writer_new(&j.writer) < 0 || frame_reader_new(&j.reader) < 0)
        die("memory", -ENOMEM);
    t_copy = seconds_of(copy, &j);
    t_pack = seconds_of(pack, &j);
    t_encode = seconds_of(encode, &j);
    t_decode = seconds_of(decode, &j);
    (void)printf("%u records of %.0f bytes, %zu bytes in all\n", j.load.n,
                 (double)j.lease.len / j.load.n, j.lease.len);
    report(&j, "copy (memcpy)", t_copy, 0, t_copy);
    report(&j, "zstd -1, all at once", t_pack, (double)j.packed, t_pack);
    report(&j, "frame_encode, to zstd", t_encode, (double)j.frame.len, t_pack);
    report(&j, "frame_decode, to zstd", t_decode, 0, t_pack);
    return 0;
}
