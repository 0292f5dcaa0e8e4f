// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/strutil.h"
#include "base/utf8.h"

static int negative(int code)
{
    if (code == 0)
        return -EIO;
    return code > 0 ? -code : code;
}

// Formats into a field; what does not fit ends in "...". %m is the text of `code`.
static void _printf_(4, 0)
    format_field(char *field, size_t size, int code, const char *fmt, va_list ap)
{
    int saved = errno, n;

    errno = -code;
    n = vsnprintf(field, size, fmt, ap);
    if (n < 0)
        field[0] = '\0';
    else if ((size_t)n >= size)
        memcpy(field + size - 4, "...", 4);
    errno = saved;
}

static void put_where(struct error *err, const char *file, unsigned line, unsigned column)
{
    size_t len = file ? strlen(file) : 0, max = sizeof(err->file) - 1;

    if (len <= max) {
        memcpy(err->file, file ? file : "", len + 1);
    } else {
        memcpy(err->file, "...", 3);
        memcpy(err->file + 3, file + len - (max - 3), max - 3 + 1);
    }
    err->line = line;
    err->column = column;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    va_list ap;

    code = negative(code);
    if (!err)
        return code;
    error_reset(err);
    err->code = code;
    va_start(ap, fmt);
    format_field(err->what, sizeof(err->what), code, fmt, ap);
    va_end(ap);
    return code;
}

int error_at(struct error *err, int code, const char *file, unsigned line, unsigned column,
             const char *fmt, ...)
{
    va_list ap;

    code = negative(code);
    if (!err)
        return code;
    error_reset(err);
    err->code = code;
    put_where(err, file, line, column);
    va_start(ap, fmt);
    format_field(err->what, sizeof(err->what), code, fmt, ap);
    va_end(ap);
    return code;
}

void error_expected(struct error *err, const char *fmt, ...)
{
    va_list ap;

    if (!error_is_set(err))
        return;
    va_start(ap, fmt);
    format_field(err->expected, sizeof(err->expected), err->code, fmt, ap);
    va_end(ap);
}

void error_cure(struct error *err, const char *fmt, ...)
{
    va_list ap;

    if (!error_is_set(err))
        return;
    va_start(ap, fmt);
    format_field(err->cure, sizeof(err->cure), err->code, fmt, ap);
    va_end(ap);
}

void error_where(struct error *err, const char *file, unsigned line, unsigned column)
{
    if (error_is_set(err) && !err->file[0])
        put_where(err, file, line, column);
}

void error_context(struct error *err, const char *fmt, ...)
{
    char text[sizeof(err->what)], deeper[sizeof(err->what)];
    va_list ap;
    int n;

    if (!error_is_set(err))
        return;
    va_start(ap, fmt);
    format_field(text, sizeof(text), err->code, fmt, ap);
    va_end(ap);
    memcpy(deeper, err->what, sizeof(deeper));
    n = snprintf(err->what, sizeof(err->what), "%s: %s", text, deeper);
    if (n >= (int)sizeof(err->what))
        memcpy(err->what + sizeof(err->what) - 4, "...", 4);
}

int error_kernel_refused(struct error *err, int code, const char *which, const char *log)
{
    // The last line but one says what was refused, the last one counts.
    const char *line = str_last_lines(log, 2);

    (void)error_set(err, code, "the kernel refused the programs %s: %s%s%.200s", which,
                    strerror(-code), *line ? ": " : "", line);
    if (code == -EPERM)
        error_cure(err, "on kernels before 5.11 raise the limit of locked memory");
    return code;
}

bool error_is_set(const struct error *err)
{
    return err && err->code != 0;
}

void error_reset(struct error *err)
{
    if (!err)
        return;
    err->code = 0;
    err->line = err->column = 0;
    err->file[0] = err->what[0] = err->expected[0] = err->cure[0] = '\0';
}

static void add_escaped(struct strbuf *sb, const char *before, const char *text)
{
    sb_puts(sb, before);
    utf8_escape(sb, text, strlen(text));
}

void error_format(const struct error *err, struct strbuf *sb)
{
    if (!error_is_set(err))
        return;
    if (err->file[0]) {
        add_escaped(sb, "", err->file);
        if (err->line)
            sb_printf(sb, ":%u", err->line);
        if (err->line && err->column)
            sb_printf(sb, ":%u", err->column);
        sb_puts(sb, ": ");
    }
    add_escaped(sb, "", err->what);
    if (err->expected[0])
        add_escaped(sb, "\n  expected: ", err->expected);
    if (err->cure[0])
        add_escaped(sb, "\n  to do: ", err->cure);
    sb_putc(sb, '\n');
}

void error_print(const struct error *err, FILE *f)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    error_format(err, &sb);
    // Without memory, the bare message is better than none.
    if (sb.failed)
        (void)fprintf(f, "%s\n", err->what);
    else
        (void)fwrite(sb_str(&sb), 1, sb.len, f);
}
