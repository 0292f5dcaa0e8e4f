// SPDX-License-Identifier: Apache-2.0
#include "ocsf/out.h"

#include "base/utf8.h"

#define ESCAPED_MAX 6 // bytes that one byte can become: \u001f

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

// Decimal digits of a number: the logarithm to base 2, times log10(2), is right or one too small.
static inline unsigned count_digits(uint64_t value)
{
    // clang-format off
    static const uint64_t powers[] = {
        0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
        100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
        10000000000000000, 100000000000000000, 1000000000000000000, UINT64_C(10000000000000000000),
    };
    // clang-format on
    unsigned guess = (unsigned)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;

    return guess + (value >= powers[guess]);
}

char *out_digits(char *at, uint64_t value)
{
    char *end;

    if (value < 10) {
        *at = (char)('0' + value);
        return at + 1;
    }
    at += count_digits(value);
    end = at;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(at - 2, digit_pairs + value * 2, 2);
    else
        at[-1] = (char)('0' + value);
    return end;
}

void out_u64(struct out *o, uint64_t value)
{
    if (out_room(o, count_digits(value)))
        o->p = out_digits(o->p, value);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

// Not 0 when one of eight bytes is not plain: outside 0x20..0x7f, or one of " and \. A borrow can
// only come from a byte that is not plain itself.
static inline uint64_t not_plain(uint64_t x)
{
    uint64_t quote = x ^ EACH('"'), backslash = x ^ EACH('\\');

    return (x | (x - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1))) & EACH(0x80);
}

// One character that is not plain, or a byte that is none; returns how many bytes it was.
static size_t put_special(struct out *o, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorthand[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    uint8_t c = (uint8_t)*s;
    size_t n;

    if (c == '"' || c == '\\' || (c < 0x20 && shorthand[c])) {
        *o->p++ = '\\';
        *o->p++ = c < 0x20 ? shorthand[c] : (char)c;
        return 1;
    }
    if (c < 0x20) {
        const char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 0xf]};

        memcpy(o->p, text, sizeof(text));
        o->p += sizeof(text);
        return 1;
    }
    n = utf8_decode(s, len, NULL);
    if (n == 0) {
        memcpy(o->p, "\xef\xbf\xbd", 3); // U+FFFD
        o->p += 3;
        return 1;
    }
    memcpy(o->p, s, n);
    o->p += n;
    return n;
}

static inline bool plain(char c)
{
    return (uint8_t)c >= 0x20 && (uint8_t)c < 0x80 && c != '"' && c != '\\';
}

// Sixteen at a time, with whatever vector registers the machine has.
typedef uint8_t vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

static inline bool all_plain(const char *s)
{
    vector v;
    halves h;

    memcpy(&v, s, sizeof(v));
    h = (halves)((v < 0x20) | (v > 0x7f) | (v == '"') | (v == '\\'));
    return !(h[0] | h[1]);
}

// What is left when less than a vector is.
static void put_rest(struct out *o, const char *s, const char *end)
{
    while (s < end) {
        uint64_t word;

        if (end - s >= 8) {
            memcpy(&word, s, 8);
            if (!not_plain(word)) {
                memcpy(o->p, &word, 8);
                o->p += 8;
                s += 8;
                continue;
            }
        }
        if (plain(*s))
            *o->p++ = *s++;
        else
            s += put_special(o, s, (size_t)(end - s));
    }
}

void out_text(struct out *o, struct bytes text)
{
    const char *s = text.s, *end = text.s + text.len;
    char *start = o->p;

    // Room for the worst case at once, so that the loops need no checks.
    if (!out_room(o, (size_t)text.len * ESCAPED_MAX))
        return;
    while (end - s >= 16) {
        if (all_plain(s)) {
            memcpy(o->p, s, 16);
            o->p += 16;
            s += 16;
        } else if (plain(*s)) {
            *o->p++ = *s++;
        } else {
            s += put_special(o, s, (size_t)(end - s));
        }
    }
    // The last sixteen again, as long as nothing was escaped before them.
    if (s < end && text.len >= 16 && o->p - start == s - text.s && all_plain(end - 16)) {
        memcpy(start + text.len - 16, end - 16, 16);
        o->p = start + text.len;
        return;
    }
    put_rest(o, s, end);
}

bool out_is_plain(struct bytes text)
{
    const char *s = text.s, *end = text.s + text.len;

    for (; end - s >= 16; s += 16) {
        if (!all_plain(s))
            return false;
    }
    if (s < end && text.len >= 16)
        return all_plain(end - 16);
    while (s < end && plain(*s))
        s++;
    return s == end;
}

bool out_is_utf8(struct bytes text)
{
    uint32_t at = 0;
    uint64_t word;

    for (; text.len - at >= 8; at += 8) {
        memcpy(&word, text.s + at, 8);
        if (word & EACH(0x80))
            break;
    }
    return utf8_valid(text.s + at, text.len - at);
}

void out_hex(struct out *o, struct bytes bytes)
{
    static const char hex[] = "0123456789abcdef";

    if (!out_room(o, (size_t)bytes.len * 2))
        return;
    for (uint32_t i = 0; i < bytes.len; i++) {
        uint8_t c = (uint8_t)bytes.s[i];

        *o->p++ = hex[c >> 4];
        *o->p++ = hex[c & 0xf];
    }
}

void out_caps(struct out *o, uint64_t caps)
{
    unsigned digits = 1;

    while (digits < 16 && caps >> 4 * digits)
        digits++;
    out_lit(o, "0x");
    while (digits-- > 0)
        out_char(o, "0123456789abcdef"[caps >> 4 * digits & 0xf]);
}
