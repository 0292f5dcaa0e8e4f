// SPDX-License-Identifier: Apache-2.0
//
// Messages of programs to the people who run them. Only src/agent, src/cli and tools call
// this; libraries return errors. A message says what happened, why, and what to do about it.
//
// The one state of src/base that a program shares: where messages go. log_open() is called once,
// from main(), before threads start; after that every function may be called from any thread.
// Messages before log_open() go to stderr at LOG_LEVEL_INFO. errno is kept. Control characters are
// escaped, so that a message is one line.
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"

enum log_level {
    LOG_LEVEL_ERROR = 3, // the numbers of syslog
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

enum log_target {
    LOG_TARGET_AUTO,    // the journal when stderr leads there ($JOURNAL_STREAM), else stderr
    LOG_TARGET_STDERR,  // "safeguard: warning: text"
    LOG_TARGET_JOURNAL, // sd-journal, with PRIORITY, CODE_FILE, CODE_LINE, CODE_FUNC, ERRNO
};

// `name` in front of messages and as SYSLOG_IDENTIFIER; kept by reference (a literal).
void log_open_as(const char *name, enum log_target target, enum log_level level);
void log_open(enum log_target target, enum log_level level); // under the name of the program

bool log_enabled(enum log_level level);
int log_level_parse(const char *s, enum log_level *ret_level); // error, warning, info, debug

// `error_code` 0 or a negative errno: `%m` in fmt is its text. Returns error_code, so that
// `return log_error_code(r, "...: %m")` works.
int log_write(enum log_level level, int error_code, const char *file, int line, const char *func,
              const char *fmt, ...) _printf_(6, 7);

// One message with all parts of the error; returns its code. Nothing when err is not set.
int log_write_error(enum log_level level, const struct error *err, const char *file, int line,
                    const char *func);

#define log_at(level, code, ...)                                                            \
    (log_enabled(level) ? log_write(level, code, __FILE__, __LINE__, __func__, __VA_ARGS__) \
                        : (code))

#define log_error(...)   ((void)log_at(LOG_LEVEL_ERROR, 0, __VA_ARGS__))
#define log_warning(...) ((void)log_at(LOG_LEVEL_WARNING, 0, __VA_ARGS__))
#define log_info(...)    ((void)log_at(LOG_LEVEL_INFO, 0, __VA_ARGS__))
#define log_debug(...)   ((void)log_at(LOG_LEVEL_DEBUG, 0, __VA_ARGS__))

#define log_error_code(code, ...)   log_at(LOG_LEVEL_ERROR, code, __VA_ARGS__)
#define log_warning_code(code, ...) log_at(LOG_LEVEL_WARNING, code, __VA_ARGS__)

#define log_error_struct(err) log_write_error(LOG_LEVEL_ERROR, err, __FILE__, __LINE__, __func__)
#define log_warning_struct(err) \
    log_write_error(LOG_LEVEL_WARNING, err, __FILE__, __LINE__, __func__)
