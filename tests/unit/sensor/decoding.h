// SPDX-License-Identifier: Apache-2.0
//
// What tests of decoded records share: an event for each test, and the comparison of bytes with a text. The includer has `mounts` and
// `context` in front of this.
#pragma once

static int setup(void **state)
{
    struct event *ev = NULL;

    decode_mounts_sort(mounts, ARRAY_SIZE(mounts));
    if (event_new(&ev) < 0)
        return -1;
    *state = ev;
    return 0;
}

static int teardown(void **state)
{
    (void)event_free(*state);
    return 0;
}

static int decode(struct event *ev, const struct record *r)
{
    return decode_record(r->bytes, r->head.size, &context, ev);
}

#define assert_bytes(b, text)                                  \
    do {                                                       \
        struct bytes got_ = (b);                               \
        assert_int_equal(got_.len, sizeof(text) - 1);          \
        assert_memory_equal(got_.s, (text), sizeof(text) - 1); \
    } while (0)
