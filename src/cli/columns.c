// SPDX-License-Identifier: Apache-2.0
#include "cli/columns.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "cli/render.h"

// Columns of a terminal: what is written in Chinese takes two a character. The C library knows, in a locale of UTF-8; the one of
// the caller is left alone.
static size_t measure(const char *s, unsigned most, unsigned *ret_width)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    size_t left = strlen(s), len;
    const char *start = s;
    unsigned n = 0;
    uint32_t cp;

    for (; left && (len = utf8_decode(s, left, &cp)) > 0; s += len, left -= len) {
        int wide = utf8 ? wcwidth((wchar_t)cp) : 1;
        unsigned width = wide > 0 ? (unsigned)wide : 0;

        if (width > most - n)
            break;
        n += width;
    }
    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    *ret_width = n;
    return (size_t)(s - start);
}

unsigned columns_width(const char *s)
{
    unsigned width;

    (void)measure(s, UINT32_MAX, &width);
    return width;
}

size_t columns_fit(const char *s, unsigned width)
{
    unsigned unused;

    return measure(s, width, &unused);
}

static void add(struct columns *c, size_t offset)
{
    if (c->text.failed || !GREEDY(c->cells, c->cap_cells, c->n_cells + 1)) {
        c->text.failed = true;
        return;
    }
    sb_putc(&c->text, '\0');
    c->cells[c->n_cells++] = (struct columns_cell){
        .offset = offset,
        .width = c->text.failed ? 0 : columns_width(c->text.s + offset),
        .color = c->next,
    };
    c->next = COLOR_RESET;
}

void columns_put(struct columns *c, const char *text)
{
    size_t offset = c->text.len;

    put_escaped(&c->text, text);
    add(c, offset);
}

void columns_put_escaped(struct columns *c, const char *text)
{
    size_t offset = c->text.len;

    sb_puts(&c->text, text);
    add(c, offset);
}

void columns_put_count(struct columns *c, uint64_t n)
{
    size_t offset = c->text.len;

    put_count(&c->text, n);
    add(c, offset);
}

void columns_put_ago(struct columns *c, uint64_t ms, uint64_t now_ms)
{
    size_t offset = c->text.len;

    if (ms == 0)
        sb_puts(&c->text, "never");
    else if (now_ms < ms + 1000)
        sb_puts(&c->text, "now");
    else
        put_span(&c->text, now_ms - ms);
    add(c, offset);
}

void columns_color(struct columns *c, enum color color)
{
    c->next = color;
}

static void put_cell(const char *s, unsigned width, unsigned room, enum color paint, bool color,
                     struct strbuf *sb)
{
    sb_printf(sb, "%s%s%s", paint ? color_seq(color, paint) : "", s,
              paint ? color_seq(color, COLOR_RESET) : "");
    // Nothing behind the last column.
    for (; room && width < room + 2; width++)
        sb_putc(sb, ' ');
}

void columns_print(const struct columns *c, bool color, struct strbuf *sb)
{
    unsigned room[COLUMNS_MAX] = {};

    if (c->text.failed) {
        sb->failed = true;
        return;
    }
    for (size_t i = 0; i + 1 < c->n; i++)
        room[i] = columns_width(c->titles[i]);
    for (size_t i = 0; i < c->n_cells; i++)
        if (i % c->n + 1 < c->n)
            room[i % c->n] = MAX(room[i % c->n], c->cells[i].width);
    for (size_t i = 0; i < c->n; i++)
        put_cell(c->titles[i], columns_width(c->titles[i]), room[i], COLOR_BOLD, color, sb);
    sb_putc(sb, '\n');
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct columns_cell *cell = &c->cells[i];

        put_cell(c->text.s + cell->offset, cell->width, room[i % c->n], cell->color, color, sb);
        if (i % c->n + 1 == c->n)
            sb_putc(sb, '\n');
    }
}

void columns_done(struct columns *c)
{
    sb_done(&c->text);
    free(c->cells);
    c->cells = NULL;
    c->n_cells = c->cap_cells = 0;
}
