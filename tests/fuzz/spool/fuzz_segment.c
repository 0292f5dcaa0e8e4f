// SPDX-License-Identifier: Apache-2.0
//
// A directory with two segments put together from the input, opened, appended to and read to its end. The input says
// what stands in a file: records that are whole or not, feet, jumps of the index, bytes as they are. So heads that are
// right come in all orders, which flipped bits alone would hardly ever get to.
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "spool/segment.h"
#include "spool/spool.h"

#define BOOT "0a0a0a0a-1111-4222-8333-444444444444"
#define SEED UINT64_C(77)
#define ROOM ((size_t)256 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t left;
};

static uint8_t byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

static size_t put_piece(struct input *in, uint32_t *index, uint8_t *to)
{
    uint8_t what = byte(in);
    size_t len = byte(in) + (what & 0x80 ? (size_t)byte(in) << 8 : 0);

    switch (what & 7) {
    case 0: // bytes as they are
        len = MIN(len, in->left);
        memcpy(to, in->p, len);
        in->p += len;
        in->left -= len;
        return len;
    case 1: // a foot
        segment_foot_encode(SEED, *index + (len & 3), 1, to);
        return SEGMENT_HEAD;
    case 2: // the index jumps
        *index += (uint32_t)len;
        return 0;
    case 3: *index -= MIN(*index, (uint32_t)len); return 0;
    default: break;
    }
    memset(to + SEGMENT_HEAD, 'x', len + 1);
    to[SEGMENT_HEAD + len + 1] = '\n';
    segment_head_encode(SEED, (*index)++, 3, (uint32_t)len + 2, to);
    if ((what & 7) == 5)
        to[SEGMENT_HEAD] ^= 1;
    if ((what & 7) == 6)
        to[byte(in) % SEGMENT_HEAD] ^= 1;
    if ((what & 7) == 7)
        return SEGMENT_HEAD + len / 2;
    return SEGMENT_HEAD + len + 2;
}

static void make_file(struct input *in, const char *dir, unsigned order, uint8_t *bytes)
{
    struct segment_label label = {.class = STREAM_AUDIT,
                                  .order = order,
                                  .seed = SEED,
                                  .stream = {{(uint8_t)(1 + byte(in) % 2)}},
                                  .boot = {{byte(in) % 2 ? 10 : 11}},
                                  .first_seq = 1 + byte(in) + 100 * order,
                                  .first_index = byte(in) % 4,
                                  .generation = 1};
    size_t len = SEGMENT_DATA;
    uint32_t index = 0;
    uint8_t pieces = byte(in) % 64;
    char path[300];
    int fd;

    memset(bytes, 0, SEGMENT_DATA);
    memset(label.boot.b, label.boot.b[0], 4);
    segment_label_encode(&label, bytes);
    if (byte(in) % 4 == 0)
        bytes[byte(in) % SEGMENT_LABEL_SIZE] ^= byte(in);
    else
        segment_label_encode(&label, bytes + SEGMENT_LABEL_AT);
    for (int i = 0; i < pieces && len < ROOM - 0x20000; i++)
        len += put_piece(in, &index, bytes + len);
    (void)snprintf(path, sizeof(path), "%s/audit-%016x.seg", dir, order);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        abort();
    (void)close(fd);
}

static void check(const struct spool_lease *lease)
{
    uint32_t lines = 0;

    for (size_t i = 0; i < lease->len; i++)
        lines += lease->data[i] == '\n';
    if (lines != lease->n || lease->n == 0 || lease->data[lease->len - 1] != '\n')
        abort();
}

static void drain(struct spool *s)
{
    struct spool_lease lease;
    struct spool_counters c;

    for (int i = 0; spool_lease(s, STREAM_AUDIT, 5, 1000, &lease) > 0; i++) {
        if (i > 100000)
            abort();
        check(&lease);
        if (i % 3 == 0)
            spool_rollback(s, STREAM_AUDIT);
        else if (spool_commit(s, STREAM_AUDIT, &lease.stream, lease.first_seq + lease.n / 2) < 0 &&
                 spool_new_stream(s, STREAM_AUDIT, &lease.stream) < 0)
            abort();
    }
    spool_counters(s, STREAM_AUDIT, &c);
    if (c.waiting)
        abort();
}

static void clear(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;

    while (d && (entry = readdir(d)))
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        (void)closedir(d);
}

static uint64_t clock_ms(void *ctx _unused_)
{
    return 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char dir[64];
    static uint8_t *bytes;
    struct spool_options options = {.dir = dir,
                                    .max_bytes = 4 << 20,
                                    .boot_id = BOOT,
                                    .clock_ms = clock_ms};
    struct input in = {data, size};
    struct spool *s = NULL;

    if (!*dir) {
        (void)snprintf(dir, sizeof(dir), "/dev/shm/fuzz-spool-XXXXXX");
        bytes = malloc(ROOM + 0x20000);
        if (!mkdtemp(dir) || !bytes)
            abort();
    }
    make_file(&in, dir, 1, bytes);
    make_file(&in, dir, 2, bytes);
    if (spool_new(&options, &s, NULL) < 0)
        abort();
    if (spool_append(s, STREAM_AUDIT, "new", 3) < 0 || spool_flush(s) < 0)
        abort();
    drain(s);
    s = spool_free(s);
    clear(dir);
    return 0;
}
