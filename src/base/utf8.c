// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

// The second byte decides what the first one leaves open: RFC 3629 section 4. One row for each
// range of first bytes, with the range of the second byte that keeps the code point shortest, below
// U+110000 and outside the surrogates.
static const struct {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high;
    uint8_t len;
} sequences[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_decode(const void *mem, size_t len, uint32_t *ret_cp)
{
    const uint8_t *b = mem;
    uint32_t cp;

    if (len == 0)
        return 0;
    if (b[0] < 0x80) {
        if (ret_cp)
            *ret_cp = b[0];
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
        if (b[0] < sequences[i].first_low || b[0] > sequences[i].first_high)
            continue;
        if (len < sequences[i].len || b[1] < sequences[i].second_low ||
            b[1] > sequences[i].second_high)
            return 0;
        cp = (uint32_t)(b[0] & (0x7f >> sequences[i].len)) << 6 | (b[1] & 0x3f);
        for (size_t k = 2; k < sequences[i].len; k++) {
            if ((b[k] & 0xc0) != 0x80)
                return 0;
            cp = cp << 6 | (b[k] & 0x3f);
        }
        if (ret_cp)
            *ret_cp = cp;
        return sequences[i].len;
    }
    return 0;
}

bool utf8_valid(const void *mem, size_t len)
{
    const char *p = mem;

    while (len > 0) {
        size_t n = utf8_decode(p, len, NULL);

        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

size_t ascii_plain_prefix(const void *mem, size_t len)
{
    const uint8_t *b = mem;
    size_t n = 0;

    while (n < len && b[n] >= 0x20 && b[n] < 0x7f && b[n] != '"' && b[n] != '\\')
        n++;
    return n;
}

// What changes how the text around it is shown, or drives a terminal.
static const struct {
    uint32_t low, high;
} unprintable[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}, {0xe0000, 0xe007f},
};

static bool printable(uint32_t cp)
{
    for (size_t i = 0; i < ARRAY_SIZE(unprintable); i++) {
        if (cp >= unprintable[i].low && cp <= unprintable[i].high)
            return false;
    }
    return true;
}

static void add_octal(struct strbuf *dst, uint8_t byte)
{
    const char text[4] = {'\\', (char)('0' + (byte >> 6)), (char)('0' + ((byte >> 3) & 7)),
                          (char)('0' + (byte & 7))};

    sb_add(dst, text, sizeof(text));
}

void utf8_escape(struct strbuf *dst, const void *mem, size_t len)
{
    const char *p = mem;

    while (len > 0) {
        size_t n = ascii_plain_prefix(p, len);
        uint32_t cp = 0;

        if (n > 0) {
            sb_add(dst, p, n);
        } else if (*p == '\\') {
            n = 1;
            sb_puts(dst, "\\\\");
        } else {
            n = utf8_decode(p, len, &cp);
            if (n > 0 && printable(cp)) {
                sb_add(dst, p, n);
            } else {
                n = n ? n : 1;
                for (size_t i = 0; i < n; i++)
                    add_octal(dst, (uint8_t)p[i]);
            }
        }
        p += n;
        len -= n;
    }
}
