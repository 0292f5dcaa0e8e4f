// SPDX-License-Identifier: Apache-2.0
#include "control/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define READ_SIZE ((size_t)16384)

static uint32_t get_le32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(value >> (8 * i));
}

int control_frame_decode(const void *buf, size_t len, struct control_frame *ret_frame,
                         size_t *ret_used)
{
    const unsigned char *p = buf;
    uint32_t payload;

    // A stranger is told so with the first byte, not when eight of them are there.
    if ((len > 0 && p[0] != 'S') || (len > 1 && p[1] != 'G'))
        return -EPROTO;
    if (len > 2 && p[2] != CONTROL_VERSION)
        return -EPROTONOSUPPORT;
    if (len > 3 && (p[3] == 0 || p[3] > CONTROL_KIND_MAX))
        return -EPROTO;
    if (len < CONTROL_HEAD)
        return 0;
    payload = get_le32(p + 4);
    if (payload > CONTROL_FRAME_MAX)
        return -EMSGSIZE;
    if (len - CONTROL_HEAD < payload)
        return 0;
    *ret_frame = (struct control_frame){
        .kind = (enum control_kind)p[3],
        .payload = (const char *)p + CONTROL_HEAD,
        .len = payload,
    };
    *ret_used = CONTROL_HEAD + (size_t)payload;
    return 1;
}

ssize_t control_reader_fill(struct control_reader *r, int fd)
{
    ssize_t n;

    if (r->begin == r->end) {
        r->begin = r->end = 0;
    } else if (r->begin > 0) {
        memmove(r->buf, r->buf + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    // control_reader_next() has refused longer frames, so this is bounded by one frame and one read.
    if (!GREEDY(r->buf, r->cap, r->end + READ_SIZE))
        return -ENOMEM;
    do
        n = read(fd, r->buf + r->end, r->cap - r->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return negative_errno();
    r->end += (size_t)n;
    return n;
}

int control_reader_next(struct control_reader *r, struct control_frame *ret_frame)
{
    size_t used = 0;
    int k;

    if (r->begin == r->end)
        return 0;
    k = control_frame_decode(r->buf + r->begin, r->end - r->begin, ret_frame, &used);
    if (k > 0)
        r->begin += used;
    return k;
}

void control_reader_done(struct control_reader *r)
{
    free(r->buf);
    *r = (struct control_reader){};
}

size_t control_frame_begin(struct strbuf *sb, enum control_kind kind)
{
    const char head[CONTROL_HEAD] = {'S', 'G', CONTROL_VERSION, (char)kind};
    size_t begin = sb->len;

    sb_add(sb, head, sizeof(head));
    return begin;
}

int control_frame_end(struct strbuf *sb, size_t begin)
{
    size_t payload;

    if (sb->failed)
        return -ENOMEM;
    payload = sb->len - begin - CONTROL_HEAD;
    if (payload > CONTROL_FRAME_MAX) {
        sb_truncate(sb, begin);
        return -EMSGSIZE;
    }
    put_le32(sb->s + begin + 4, (uint32_t)payload);
    return 0;
}

int control_frame_add(struct strbuf *sb, enum control_kind kind, const void *payload, size_t len)
{
    size_t begin = control_frame_begin(sb, kind);

    sb_add(sb, payload, len);
    return control_frame_end(sb, begin);
}
