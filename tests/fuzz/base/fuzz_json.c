// SPDX-License-Identifier: Apache-2.0
//
// What json_valid() takes, json-c takes, too. Whatever the calls and the bytes, jw either says that it was misused, or what it wrote is one
// JSON value (read back by json-c) of valid UTF-8; and utf8_escape() gives valid UTF-8 without
// control characters.
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_valid.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A byte is a call; calls that take text take the length in the next byte.
static void play(struct jw *jw, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t len = i + 1 < size ? data[i + 1] : 0;

        if (len > size - i - 1)
            len = size - i - 1;
        switch (data[i] % 9) {
        case 0: jw_begin_object(jw); break;
        case 1: jw_end_object(jw); break;
        case 2: jw_begin_array(jw); break;
        case 3: jw_end_array(jw); break;
        case 4: jw_key(jw, "key"); break;
        case 5: jw_u64(jw, (uint64_t)len * 0x123456789abcdefULL); break;
        case 6: jw_i64(jw, (int64_t)((uint64_t)len * 0xf23456789abcdef1ULL)); break;
        case 7:
            jw_str(jw, data + i + 1, len);
            i += len;
            break;
        case 8: jw_bool(jw, len & 1); break;
        }
    }
    while (jw->depth > 0 && !jw->error) {
        if (jw->have_key)
            jw_null(jw);
        if (jw->objects & UINT32_C(1) << (jw->depth - 1))
            jw_end_object(jw);
        else
            jw_end_array(jw);
    }
}

static void check_escape(const uint8_t *data, size_t size)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    utf8_escape(&sb, data, size);
    if (sb.failed || !utf8_valid(sb_str(&sb), sb.len))
        abort();
    for (size_t i = 0; i < sb.len; i++) {
        if ((unsigned char)sb.s[i] < 0x20 || sb.s[i] == 0x7f)
            abort();
    }
}

static bool parsed(const char *text, size_t len)
{
    struct json_tokener *tokener = json_tokener_new_ex(JW_MAX_DEPTH + 1);
    bool good;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    // With its NUL: a bare number ends only there.
    json_object_put(json_tokener_parse_ex(tokener, text, (int)len + 1));
    good = json_tokener_get_error(tokener) == json_tokener_success;
    json_tokener_free(tokener);
    return good;
}

static void check_valid(const uint8_t *data, size_t size)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_add(&sb, data, size);
    if (json_valid((const char *)data, size, JW_MAX_DEPTH) && !parsed(sb_str(&sb), size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    jw_init(&jw, &sb);
    play(&jw, data, size);
    if (jw_finish(&jw) == 0) {
        if (!utf8_valid(sb_str(&sb), sb.len))
            abort();
        if (!json_valid(sb_str(&sb), sb.len, JW_MAX_DEPTH) || !parsed(sb_str(&sb), sb.len))
            abort();
    }
    check_valid(data, size);
    check_escape(data, size);
    return 0;
}
