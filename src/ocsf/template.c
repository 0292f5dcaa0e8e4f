// SPDX-License-Identifier: Apache-2.0
#include "ocsf/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

#define LINE_MAX   8192u // longer ones are not kept
#define DIGITS_MAX 20u   // of a number of 64 bits
#define STEP       32u   // bytes that are copied at once, more than are wanted

STATIC_ASSERT(sizeof(struct template_key) == 72, "no byte is left to chance");
STATIC_ASSERT(SG_VERDICT_COUNT <= UINT8_MAX && SG_REASON_COUNT <= UINT8_MAX, "fit the key");

void templates_done(struct templates *t)
{
    for (size_t i = 0; i < TEMPLATES; i++)
        free(t->slots[i].text);
    *t = (struct templates){};
}

static bool is_ordinary(const struct event *ev)
{
    return ev->kind == EVENT_FILE && ev->count == 1 && ev->seq && !(ev->access & SG_OP_IO) &&
           ev->who && ev->ino && ev->path2.kind == EVENT_PATH_NONE && ev->xattr.len == 0 &&
           ev->reached_by.len == 0 && ev->path.bytes.len > 1 && out_is_plain(ev->path.bytes);
}

static void make_key(const struct event *ev, struct template_key *key)
{
    *key = (struct template_key){
        .who = ev->who->serial,
        .rule = ev->rule,
        .policy_id = ev->policy_id,
        .error = ev->error,
        .dev = ev->dev,
        .mode_bits = ev->mode_bits,
        .nlink = ev->nlink,
        .tid = ev->process.tid,
        .rule_index = ev->rule_index,
        .access = ev->access,
        .flags = ev->flags,
        .hook = (uint16_t)ev->hook,
        .comm_len = ev->process.comm_len,
        .verdict = (uint8_t)ev->verdict,
        .mode = (uint8_t)ev->mode,
        .outcome = (uint8_t)ev->outcome,
        .reason = (uint8_t)ev->reason,
        .ring = ev->ring,
        .path_kind = (uint8_t)ev->path.kind,
    };
    memcpy(key->comm, ev->process.comm, sizeof(key->comm));
}

// By all of the key: two kinds that take turns, as reading here and writing there, must not share a slot.
static size_t slot_of(const struct template_key *key)
{
    uint64_t words[sizeof(*key) / sizeof(uint64_t)], h = 0;

    memcpy(words, key, sizeof(words));
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        h = (h << 7 | h >> 57) ^ words[i];
    return h * UINT64_C(0x9e3779b97f4a7c15) >> 58;
}
STATIC_ASSERT(TEMPLATES == 1u << (64 - 58), "slot_of() gives its number");

struct template *template_find(struct templates *t, const struct event *ev, bool *ret_new)
{
    struct template_key key;
    struct template *found;

    if (!is_ordinary(ev))
        return NULL;
    make_key(ev, &key);
    found = &t->slots[slot_of(&key)];
    *ret_new = memcmp(&found->key, &key, sizeof(key)) != 0;
    if (*ret_new) {
        free(found->text);
        *found = (struct template){.key = key};
    }
    return found;
}

void template_keep(struct template *t, const char *line, size_t len, const struct gaps *gaps)
{
    uint32_t from = 0;
    char *text, *to;

    if (len > LINE_MAX || gaps->n > GAPS_MAX)
        return;
    text = to = malloc(len + STEP);
    if (!text)
        return;
    for (uint32_t i = 0; i <= gaps->n; i++) {
        uint32_t end = i < gaps->n ? gaps->at[i].start : (uint32_t)len;

        memcpy(to, line + from, end - from);
        to += end - from;
        if (i == gaps->n)
            break;
        from = gaps->at[i].end;
        t->gaps.at[i] = (struct gap){.what = gaps->at[i].what, .start = (uint32_t)(to - text)};
    }
    t->gaps.n = gaps->n;
    t->len = (uint32_t)(to - text);
    memset(to, 0, STEP);
    free(t->text);
    t->text = text;
}

// Most pieces between two gaps are short: that is faster than to ask how short. Needs STEP bytes more than
// `len` at both ends.
static inline char *copy(char *to, const char *from, size_t len)
{
    if (len > 4 * (size_t)STEP) {
        memcpy(to, from, len);
        return to + len;
    }
    for (size_t i = 0; i < len; i += STEP)
        memcpy(to + i, from + i, STEP);
    return to + len;
}

static inline char *put_bytes(char *to, struct bytes b)
{
    copy_short(to, b.s, b.len);
    return to + b.len;
}

int template_write(const struct template *t, const struct event *ev, struct strbuf *out)
{
    const struct bytes path = ev->path.bytes, name = bytes_basename(path);
    char *line = sb_reserve(out, t->len + (size_t)GAPS_MAX * MAX(path.len, DIGITS_MAX) + STEP);
    char seq[STEP] = {};
    const size_t seq_len = (size_t)(out_digits(seq, ev->seq) - seq);
    uint32_t from = 0;
    char *p = line;

    if (!line)
        return -ENOMEM;
    for (uint32_t i = 0; i < t->gaps.n; i++) {
        const struct gap *gap = &t->gaps.at[i];

        p = copy(p, t->text + from, gap->start - from);
        from = gap->start;
        switch (gap->what) {
        case GAP_CPU: p = out_digits(p, ev->cpu); break;
        case GAP_SEQ:
            memcpy(p, seq, sizeof(seq));
            p += seq_len;
            break;
        case GAP_PATH: p = put_bytes(p, path); break;
        case GAP_NAME: p = put_bytes(p, name); break;
        case GAP_INO: p = out_digits(p, ev->ino); break;
        case GAP_TIME: p = out_digits(p, ev->realtime_ns / NS_PER_MS); break;
        }
    }
    p = copy(p, t->text + from, t->len - from);
    sb_written(out, (size_t)(p - line));
    return 0;
}
