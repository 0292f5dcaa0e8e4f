// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/strutil.h"

// Written once by log_open_as(), before there are threads; only read after that.
static struct {
    const char *name;
    enum log_level level;
    bool journal;
} state = {.level = LOG_LEVEL_INFO};

static const struct {
    enum log_level level;
    const char *name;
} levels[] = {
    {LOG_LEVEL_ERROR, "error"},
    {LOG_LEVEL_WARNING, "warning"},
    {LOG_LEVEL_INFO, "info"},
    {LOG_LEVEL_DEBUG, "debug"},
};

static const char *level_name(enum log_level level)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (levels[i].level == level)
            return levels[i].name;
    }
    return "message";
}

int log_level_parse(const char *s, enum log_level *ret_level)
{
    for (size_t i = 0; s && i < ARRAY_SIZE(levels); i++) {
        if (streq(s, levels[i].name)) {
            *ret_level = levels[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

// $JOURNAL_STREAM is "device:inode" of the stream that the manager connected (systemd.exec(5)); a
// redirected stderr no longer matches it.
static bool stderr_is_journal(void)
{
    _cleanup_(strv_freep) char **parts = NULL;
    uint64_t dev, ino;
    struct stat st;

    return strv_split(strempty(getenv("JOURNAL_STREAM")), ":", &parts) == 0 &&
           strv_len(parts) == 2 && parse_u64(parts[0], &dev) == 0 &&
           parse_u64(parts[1], &ino) == 0 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
           st.st_ino == ino;
}

void log_open_as(const char *name, enum log_target target, enum log_level level)
{
    state.name = name;
    state.level = level;
    state.journal = target == LOG_TARGET_JOURNAL ||
                    (target == LOG_TARGET_AUTO && stderr_is_journal());
}

void log_open(enum log_target target, enum log_level level)
{
    log_open_as(program_invocation_short_name, target, level);
}

bool log_enabled(enum log_level level)
{
    return level <= state.level;
}

static const char *own_name(void)
{
    return state.name ? state.name : program_invocation_short_name;
}

// One line, one write: lines of several threads or processes do not mix.
static void to_stderr(enum log_level level, const char *text, size_t len)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "%s: ", own_name());
    if (level != LOG_LEVEL_INFO)
        sb_printf(&sb, "%s: ", level_name(level));
    sb_add(&sb, text, len);
    sb_putc(&sb, '\n');
    if (!sb.failed)
        (void)write_all(STDERR_FILENO, sb.s, sb.len);
}

static int to_journal(enum log_level level, int code, const char *file, int line, const char *func,
                      const char *text)
{
    if (code == 0)
        return sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", (int)level,
                               "SYSLOG_IDENTIFIER=%s", own_name(), "CODE_FILE=%s", file,
                               "CODE_LINE=%d", line, "CODE_FUNC=%s", func, NULL);
    return sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", (int)level, "SYSLOG_IDENTIFIER=%s",
                           own_name(), "CODE_FILE=%s", file, "CODE_LINE=%d", line, "CODE_FUNC=%s",
                           func, "ERRNO=%d", -code, NULL);
}

static void emit(enum log_level level, int code, const char *file, int line, const char *func,
                 const struct strbuf *text)
{
    // A journal that cannot be reached must not swallow the message.
    if (!state.journal || to_journal(level, code, file, line, func, sb_str(text)) < 0)
        to_stderr(level, sb_str(text), text->len);
}

int log_write(enum log_level level, int error_code, const char *file, int line, const char *func,
              const char *fmt, ...)
{
    _cleanup_(sb_done) struct strbuf raw = {}, text = {};
    int saved = errno;
    va_list ap;

    errno = -error_code;
    va_start(ap, fmt);
    sb_vprintf(&raw, fmt, ap);
    va_end(ap);
    utf8_escape(&text, sb_str(&raw), raw.len);
    if (raw.failed || text.failed)
        to_stderr(level, fmt, strlen(fmt));
    else
        emit(level, error_code, file, line, func, &text);
    errno = saved;
    return error_code;
}

int log_write_error(enum log_level level, const struct error *err, const char *file, int line,
                    const char *func)
{
    _cleanup_(sb_done) struct strbuf text = {};
    int saved = errno;

    if (!error_is_set(err))
        return 0;
    if (log_enabled(level)) {
        error_format(err, &text);
        sb_truncate(&text, text.len ? text.len - 1 : 0);
        if (text.failed)
            to_stderr(level, err->what, strlen(err->what));
        else
            emit(level, err->code, file, line, func, &text);
    }
    errno = saved;
    return err->code;
}
