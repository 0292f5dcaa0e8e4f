// SPDX-License-Identifier: Apache-2.0
//
// For tests: records as the kernel programs write them, put together field by field.
#pragma once

#include <stdint.h>
#include <string.h>

#include "abi/event.h"
#include "abi/policy.h"
#include "abi/shared.h"

struct record {
    union {
        struct sg_record head;
        unsigned char bytes[SG_RECORD_MAX + 64];
    };
};

static inline void record_begin(struct record *r, unsigned type)
{
    memset(r, 0, sizeof(*r));
    r->head.type = (__u16)type;
    r->head.size = sizeof(r->head);
    r->head.count = 1;
    r->head.rule = SG_RULE_NONE;
    r->head.time_ns = 5000000000ull;
    r->head.seq = 1;
    r->head.tgid = r->head.tid = 100;
    r->head.ppid = 1;
    r->head.start_ns = 1234567890ull;
    r->head.login_uid = r->head.session_id = UINT32_MAX;
    memcpy(r->head.comm, "cat", 4);
}

static inline void record_field(struct record *r, unsigned type, const void *data, size_t len)
{
    struct sg_field field = {.type = (__u16)type, .len = (__u16)len};

    unsigned char *at = (unsigned char *)r + r->head.size;

    memcpy(at, &field, sizeof(field));
    memcpy(at + sizeof(field), data, len);
    r->head.size += (__u32)((sizeof(field) + len + 7) & ~7ul);
}

// "/a/b" as components from the leaf up.
static inline void record_path(struct record *r, unsigned type, const char *path)
{
    char list[SG_PATH_BYTES_MAX + 1];
    size_t at = 0, end = strlen(path);

    while (end > 0) {
        size_t start = end;

        while (start > 0 && path[start - 1] != '/')
            start--;
        if (start < end) {
            memcpy(list + at, path + start, end - start);
            at += end - start;
            list[at++] = '\0';
        }
        end = start ? start - 1 : 0;
    }
    record_field(r, type, list, at);
}
