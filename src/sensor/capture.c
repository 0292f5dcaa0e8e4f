// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

static _Thread_local struct capture *innermost;

static _printf_(2, 0) int keep(enum libbpf_print_level level, const char *format, va_list args)
{
    struct capture *c = innermost;

    if (!c || level == LIBBPF_DEBUG)
        return 0;
    if (c->text.len >= CAPTURE_MAX) {
        c->cut = true;
        return 0;
    }
    sb_vprintf(&c->text, format, args);
    return 0;
}

void capture_begin(struct capture *c)
{
    *c = (struct capture){.outer = innermost};
    innermost = c;
    (void)libbpf_set_print(keep);
}

void capture_end(struct capture *c)
{
    innermost = c->outer;
    sb_done(&c->text);
}

// libbpf: prog 'name': BPF program load failed: ... / prog 'name': failed to ...
bool capture_program(const char *text, char *ret_name, size_t size)
{
    const char *s = strstr(text, "prog '"), *end;

    if (!s)
        return false;
    s += strlen("prog '");
    end = strchr(s, '\'');
    if (!end || (size_t)(end - s) >= size)
        return false;
    memcpy(ret_name, s, (size_t)(end - s));
    ret_name[end - s] = '\0';
    return true;
}

// The line that says what was wrong: the last of the first verifier log but for its statistics, or the first
// message when no verifier was asked.
static size_t telling_line(const char *text, const char **ret_line)
{
    bool has_log = strstr(text, "-- END PROG LOAD LOG --");
    const char *telling = text;

    for (const char *s = text; has_log && *s && !str_startswith(s, "-- END");
         s += strcspn(s, "\n"), s += *s == '\n')
        if (*s != '\n' && !str_startswith(s, "processed "))
            telling = s;
    *ret_line = telling;
    return strcspn(telling, "\n");
}

void capture_explain(const struct capture *c, const char *path, struct error *err)
{
    const char *text = sb_str(&c->text), *line;
    char program[64];
    size_t len;

    if (!*text)
        return;
    len = telling_line(text, &line);
    if (capture_program(text, program, sizeof(program)))
        error_context(err, "program %s", program);
    error_expected(err, "the kernel to accept it; it says: %.*s", (int)MIN(len, (size_t)300), line);
    if (path && write_file_atomic(AT_FDCWD, path, text, c->text.len, 0600) == 0)
        error_cure(err, "send %s to the makers of safeguard, with the kernel's version", path);
}

void capture_said(const struct capture *c, char *ret, size_t size)
{
    const char *text = sb_str(&c->text), *line;
    size_t len = telling_line(text, &line);
    char program[64] = "";
    bool named = capture_program(text, program, sizeof(program));

    (void)snprintf(ret, size, "%s%s%.*s", program, named ? ": " : "", (int)MIN(len, size), line);
}
