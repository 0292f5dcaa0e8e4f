// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"

STATIC_ASSERT(JW_MAX_DEPTH <= 32, "levels are bits of a uint32_t");

void jw_init(struct jw *jw, struct strbuf *out)
{
    *jw = (struct jw){.out = out};
}

int jw_finish(struct jw *jw)
{
    if (jw->error == 0 && jw->out->failed)
        jw->error = -ENOMEM;
    if (jw->error == 0 && (jw->depth > 0 || !jw->have_root))
        jw->error = -EINVAL;
    return jw->error;
}

static uint32_t level_bit(const struct jw *jw)
{
    return UINT32_C(1) << (jw->depth - 1);
}

static bool in_object(const struct jw *jw)
{
    return jw->depth > 0 && (jw->objects & level_bit(jw));
}

// What stands in front of a key, or of a member of an array.
static void separate(struct jw *jw)
{
    if (jw->filled & level_bit(jw))
        sb_putc(jw->out, ',');
    jw->filled |= level_bit(jw);
}

// Is a value allowed here? Writes the comma that it needs.
static bool begin_value(struct jw *jw)
{
    if (jw->error)
        return false;
    if (jw->depth == 0 ? jw->have_root : in_object(jw) && !jw->have_key) {
        jw->error = -EINVAL;
        return false;
    }
    if (jw->depth > 0 && !jw->have_key)
        separate(jw);
    jw->have_key = false;
    jw->have_root = true;
    return true;
}

static void begin(struct jw *jw, char bracket, bool object)
{
    if (!jw->error && jw->depth == JW_MAX_DEPTH)
        jw->error = -E2BIG;
    if (!begin_value(jw))
        return;
    sb_putc(jw->out, bracket);
    jw->depth++;
    jw->filled &= ~level_bit(jw);
    if (object)
        jw->objects |= level_bit(jw);
    else
        jw->objects &= ~level_bit(jw);
}

static void end(struct jw *jw, char bracket, bool object)
{
    if (jw->error)
        return;
    if (jw->depth == 0 || in_object(jw) != object || jw->have_key) {
        jw->error = -EINVAL;
        return;
    }
    jw->depth--;
    sb_putc(jw->out, bracket);
}

void jw_begin_object(struct jw *jw)
{
    begin(jw, '{', true);
}

void jw_end_object(struct jw *jw)
{
    end(jw, '}', true);
}

void jw_begin_array(struct jw *jw)
{
    begin(jw, '[', false);
}

void jw_end_array(struct jw *jw)
{
    end(jw, ']', false);
}

// One byte below 0x20, or a quote or backslash (RFC 8259 section 7).
static void add_escape(struct strbuf *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorthand[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 0xf]};

    if (c < 0x20 && !shorthand[c]) {
        sb_add(out, text, 6);
        return;
    }
    text[1] = c < 0x20 ? shorthand[c] : (char)c;
    sb_add(out, text, 2);
}

static void add_string(struct strbuf *out, const void *mem, size_t len)
{
    const char *p = mem;

    sb_putc(out, '"');
    while (len > 0) {
        size_t n = ascii_plain_prefix(p, len);
        uint8_t c = (uint8_t)*p;

        if (n > 0) {
            sb_add(out, p, n);
        } else if (c < 0x20 || c == '"' || c == '\\') {
            n = 1;
            add_escape(out, c);
        } else {
            n = utf8_decode(p, len, NULL);
            if (n > 0)
                sb_add(out, p, n);
            else
                sb_puts(out, "\xef\xbf\xbd"); // U+FFFD
            n = n ? n : 1;
        }
        p += n;
        len -= n;
    }
    sb_putc(out, '"');
}

void jw_key(struct jw *jw, const char *key)
{
    if (jw->error)
        return;
    if (!in_object(jw) || jw->have_key) {
        jw->error = -EINVAL;
        return;
    }
    separate(jw);
    add_string(jw->out, key, strlen(key));
    sb_putc(jw->out, ':');
    jw->have_key = true;
}

void jw_str(struct jw *jw, const void *mem, size_t len)
{
    if (begin_value(jw))
        add_string(jw->out, mem, len);
}

void jw_cstr(struct jw *jw, const char *s)
{
    if (s)
        jw_str(jw, s, strlen(s));
    else
        jw_null(jw);
}

static void add_number(struct jw *jw, uint64_t value, bool minus)
{
    char digits[21];
    size_t at = sizeof(digits);

    if (!begin_value(jw))
        return;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (minus)
        digits[--at] = '-';
    sb_add(jw->out, digits + at, sizeof(digits) - at);
}

void jw_u64(struct jw *jw, uint64_t value)
{
    add_number(jw, value, false);
}

void jw_i64(struct jw *jw, int64_t value)
{
    add_number(jw, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

void jw_bool(struct jw *jw, bool value)
{
    if (begin_value(jw))
        sb_puts(jw->out, value ? "true" : "false");
}

void jw_null(struct jw *jw)
{
    if (begin_value(jw))
        sb_puts(jw->out, "null");
}

void jw_raw(struct jw *jw, const void *mem, size_t len)
{
    if (begin_value(jw))
        sb_add(jw->out, mem, len);
}

void jw_kv_object(struct jw *jw, const char *key)
{
    jw_key(jw, key);
    jw_begin_object(jw);
}

void jw_kv_array(struct jw *jw, const char *key)
{
    jw_key(jw, key);
    jw_begin_array(jw);
}

void jw_kv_str(struct jw *jw, const char *key, const char *s)
{
    jw_key(jw, key);
    jw_cstr(jw, s);
}

void jw_kv_strn(struct jw *jw, const char *key, const void *mem, size_t len)
{
    jw_key(jw, key);
    jw_str(jw, mem, len);
}

void jw_kv_u64(struct jw *jw, const char *key, uint64_t value)
{
    jw_key(jw, key);
    jw_u64(jw, value);
}

void jw_kv_i64(struct jw *jw, const char *key, int64_t value)
{
    jw_key(jw, key);
    jw_i64(jw, value);
}

void jw_kv_bool(struct jw *jw, const char *key, bool value)
{
    jw_key(jw, key);
    jw_bool(jw, value);
}

void jw_kv_null(struct jw *jw, const char *key)
{
    jw_key(jw, key);
    jw_null(jw);
}
