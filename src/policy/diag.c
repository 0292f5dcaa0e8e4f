// SPDX-License-Identifier: Apache-2.0
#include "policy/diag.h"

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/color.h"
#include "base/utf8.h"

static void item_done(struct policy_diag *item)
{
    free(item->file);
    free(item->message);
    free(item->expected);
    free(item->cure);
    free(item->source);
    *item = (struct policy_diag){};
}

void policy_diags_done(struct policy_diags *d)
{
    for (size_t i = 0; i < d->n; i++)
        item_done(&d->items[i]);
    free(d->items);
    *d = (struct policy_diags){};
}

void policy_diags_drop_warnings(struct policy_diags *d)
{
    size_t left = 0;

    for (size_t i = 0; i < d->n; i++) {
        if (d->items[i].severity == POLICY_WARNING)
            item_done(&d->items[i]);
        else
            d->items[left++] = d->items[i];
    }
    d->n = left;
    d->n_warnings = 0;
}

// Makes room in a full list for an error by giving up the last warning.
static bool displace_warning(struct policy_diags *d)
{
    for (size_t i = d->n; i-- > 0;)
        if (d->items[i].severity == POLICY_WARNING) {
            item_done(&d->items[i]);
            memmove(&d->items[i], &d->items[i + 1], (d->n - i - 1) * sizeof(*d->items));
            d->n--;
            return true;
        }
    return false;
}

static char *format_text(struct policy_diags *d, const char *fmt, va_list ap) _printf_(2, 0);

static char *format_text(struct policy_diags *d, const char *fmt, va_list ap)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *text;

    sb_vprintf(&sb, fmt, ap);
    if (sb_finish(&sb, &text) < 0) {
        d->failed = true;
        return NULL;
    }
    return text;
}

struct policy_diag *policy_diag_add(struct policy_diags *d, enum policy_severity severity,
                                    const char *file, uint32_t line, uint32_t column,
                                    const char *fmt, ...)
{
    struct policy_diag *item;
    va_list ap;

    if (!d)
        return NULL;
    if (severity == POLICY_ERROR)
        d->n_errors++;
    else
        d->n_warnings++;
    if (d->n >= POLICY_DIAGS_MAX && (severity == POLICY_WARNING || !displace_warning(d)))
        return NULL;
    if (!GREEDY(d->items, d->cap, d->n + 1)) {
        d->failed = true;
        return NULL;
    }
    item = &d->items[d->n++];
    *item = (struct policy_diag){.severity = severity, .line = line, .column = column, .width = 1};
    if (file) {
        item->file = strdup(file);
        d->failed |= !item->file;
    }
    va_start(ap, fmt);
    item->message = format_text(d, fmt, ap);
    va_end(ap);
    return item;
}

void policy_diag_expected(struct policy_diags *d, struct policy_diag *item, const char *fmt, ...)
{
    va_list ap;

    if (!item)
        return;
    free(item->expected);
    va_start(ap, fmt);
    item->expected = format_text(d, fmt, ap);
    va_end(ap);
}

void policy_diag_cure(struct policy_diags *d, struct policy_diag *item, const char *fmt, ...)
{
    va_list ap;

    if (!item)
        return;
    free(item->cure);
    va_start(ap, fmt);
    item->cure = format_text(d, fmt, ap);
    va_end(ap);
}

void policy_diag_source(struct policy_diags *d, struct policy_diag *item, const char *text,
                        size_t len, uint32_t width)
{
    const char *end = text + len, *eol;

    if (!item || !text || item->line == 0)
        return;
    for (uint32_t line = 1; line < item->line; line++) {
        text = memchr(text, '\n', (size_t)(end - text));
        if (!text)
            return;
        text++;
    }
    eol = memchr(text, '\n', (size_t)(end - text));
    if (!eol)
        eol = end;
    if (eol > text && eol[-1] == '\r')
        eol--;
    len = (size_t)(eol - text);
    if (len > POLICY_DIAG_SOURCE_MAX)
        len = POLICY_DIAG_SOURCE_MAX;
    free(item->source);
    item->source = mallocz(len + 1);
    if (item->source)
        memcpy(item->source, text, len);
    d->failed |= !item->source;
    if (width > 0)
        item->width = width;
}

// Where a file was named first.
static size_t file_rank(const struct policy_diags *d, const char *file)
{
    for (size_t i = 0; i < d->n; i++)
        if (streq_ptr(d->items[i].file, file))
            return i;
    return d->n;
}

void policy_diags_sort(struct policy_diags *d)
{
    size_t rank[POLICY_DIAGS_MAX];

    for (size_t i = 0; i < d->n; i++)
        rank[i] = file_rank(d, d->items[i].file);
    // Stable, and short enough for the simplest way.
    for (size_t i = 1; i < d->n; i++)
        for (size_t k = i; k > 0; k--) {
            struct policy_diag *a = &d->items[k - 1], *b = &d->items[k], item = *b;
            size_t r = rank[k];

            if (rank[k - 1] != r     ? rank[k - 1] < r
                : a->line != b->line ? a->line < b->line
                                     : a->column <= b->column)
                break;
            *b = *a;
            *a = item;
            rank[k] = rank[k - 1];
            rank[k - 1] = r;
        }
}

// A text of ours with pieces from outside in it: those are escaped, the backslashes of ours stay.
static void put_text(struct strbuf *sb, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\\");

        utf8_escape(sb, text, n);
        text += n;
        if (*text == '\\') {
            sb_putc(sb, '\\');
            text++;
        }
    }
}

// The caret stands under a column of characters; a tab in the source stays a tab, an escaped
// character is as wide as its escape.
static void format_source(const struct policy_diag *item, bool color, struct strbuf *sb)
{
    _cleanup_(sb_done) struct strbuf shown = {}, caret = {};
    size_t len = strlen(item->source), pos = 0;
    uint32_t column = 1, marked = 0;

    while (pos < len) {
        size_t n = utf8_decode(item->source + pos, len - pos, NULL), from = shown.len, width;

        if (n == 0)
            n = 1;
        if (item->source[pos] == '\t')
            sb_putc(&shown, '\t');
        else if (item->source[pos] == '\\')
            sb_putc(&shown, '\\');
        else
            utf8_escape(&shown, item->source + pos, n);
        width = n > 1 && shown.len - from == n ? 1 : shown.len - from;
        for (; width > 0; width--) {
            if (column < item->column)
                sb_putc(&caret, item->source[pos] == '\t' ? '\t' : ' ');
            else if (column < item->column + item->width)
                sb_putc(&caret, marked++ == 0 ? '^' : '~');
        }
        pos += n;
        column++;
    }
    sb_printf(sb, "  %5u | %s\n        | ", item->line, sb_str(&shown));
    if (marked == 0)
        sb_putc(&caret, '^'); // behind the end of the line
    sb_printf(sb, "%s%s%s\n", color_seq(color, COLOR_GREEN), sb_str(&caret),
              color_seq(color, COLOR_RESET));
}

static void format_note(const char *title, const char *text, struct strbuf *sb)
{
    if (!text)
        return;
    sb_printf(sb, "        %s: ", title);
    put_text(sb, text);
    sb_putc(sb, '\n');
}

static void format_item(const struct policy_diag *item, bool color, struct strbuf *sb)
{
    static const char *const names[] = {
        [POLICY_ERROR] = "error",
        [POLICY_WARNING] = "warning",
    };
    enum color hue = item->severity == POLICY_ERROR ? COLOR_RED : COLOR_YELLOW;

    sb_puts(sb, color_seq(color, COLOR_BOLD));
    if (item->file)
        utf8_escape(sb, item->file, strlen(item->file));
    if (item->file && item->line > 0)
        sb_printf(sb, ":%u", item->line);
    if (item->file && item->line > 0 && item->column > 0)
        sb_printf(sb, ":%u", item->column);
    if (item->file)
        sb_puts(sb, ": ");
    sb_printf(sb, "%s%s%s: %s", color_seq(color, hue), names[item->severity],
              color_seq(color, COLOR_RESET), color_seq(color, COLOR_BOLD));
    put_text(sb, strempty(item->message));
    sb_printf(sb, "%s\n", color_seq(color, COLOR_RESET));
    if (item->source)
        format_source(item, color, sb);
    format_note("expected", item->expected, sb);
    format_note("to do", item->cure, sb);
}

void policy_diags_format(const struct policy_diags *d, bool color, struct strbuf *sb)
{
    size_t all = d->n_errors + d->n_warnings;

    for (size_t i = 0; i < d->n; i++)
        format_item(&d->items[i], color, sb);
    if (all > d->n)
        sb_printf(sb, "and %zu more\n", all - d->n);
}

void policy_diags_json(const struct policy_diags *d, struct jw *jw)
{
    jw_begin_object(jw);
    jw_kv_u64(jw, "errors", d->n_errors);
    jw_kv_u64(jw, "warnings", d->n_warnings);
    jw_kv_u64(jw, "not_shown", d->n_errors + d->n_warnings - d->n);
    jw_kv_array(jw, "diagnostics");
    for (size_t i = 0; i < d->n; i++) {
        const struct policy_diag *item = &d->items[i];

        jw_begin_object(jw);
        jw_kv_str(jw, "severity", item->severity == POLICY_ERROR ? "error" : "warning");
        jw_kv_str(jw, "message", item->message);
        jw_kv_str(jw, "file", item->file);
        jw_kv_u64(jw, "line", item->line);
        jw_kv_u64(jw, "column", item->column);
        jw_kv_u64(jw, "width", item->width);
        jw_kv_str(jw, "expected", item->expected);
        jw_kv_str(jw, "cure", item->cure);
        jw_kv_str(jw, "source", item->source);
        jw_end_object(jw);
    }
    jw_end_array(jw);
    jw_end_object(jw);
}
