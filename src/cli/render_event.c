// SPDX-License-Identifier: Apache-2.0
//
// A record as one line: when, what became of it, who, what, which rule.
//
//     14:03:11.123  DENIED      alice cat[812] <- bash  read /etc/shadow  10-base.yaml:7  x53
#include <stdio.h>
#include <string.h>

#include "base/color.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "cli/render.h"
#include "control/message.h"

#define PROCESS_CLASS 1007
#define FINDING_CLASS 2004

static const char *str(struct json_object *o, const char *key)
{
    return json_get_str(o, key, "");
}

struct verdict {
    const char *text;
    enum color color;
};

// By what became of it (disposition of OCSF), which says more than the rule's verb.
static struct verdict verdict_of(struct json_object *record)
{
    struct json_object *unmapped = json_get(record, "unmapped");

    // The life of a process, unless a rule had something to say.
    if (json_get_u64(record, "class_uid", 0) == PROCESS_CLASS &&
        !json_get_u64(record, "disposition_id", 0))
        return (struct verdict){"process", COLOR_DIM};
    if (*str(unmapped, "notice"))
        return (struct verdict){"safeguard", json_get_u64(record, "severity_id", 1) >= 3
                                                 ? COLOR_RED
                                                 : COLOR_CYAN};
    switch (json_get_u64(record, "disposition_id", 0)) {
    case 2:
        return (struct verdict){streq(str(unmapped, "verdict"), "kill")   ? "KILLED"
                                : streq(str(unmapped, "verdict"), "stop") ? "STOPPED"
                                                                          : "DENIED",
                                COLOR_RED};
    case 15: return (struct verdict){"WOULD DENY", COLOR_YELLOW};
    case 19:
        if (json_get_u64(record, "class_uid", 0) == FINDING_CLASS)
            return (struct verdict){"FOUND", COLOR_RED};
        return (struct verdict){"NOT HELD", COLOR_MAGENTA};
    default: return (struct verdict){"audit", COLOR_DIM};
    }
}

static void put_clock(struct strbuf *sb, uint64_t ms, bool color, char day[16])
{
    time_t seconds = (time_t)(ms / 1000);
    char date[16] = "", clock[16] = "?";
    struct tm tm;

    if (localtime_r(&seconds, &tm)) {
        (void)strftime(date, sizeof(date), "%Y-%m-%d", &tm);
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    }
    if (!streq(day, date)) {
        sb_printf(sb, "%s%s%s\n", color_seq(color, COLOR_BOLD), date,
                  color_seq(color, COLOR_RESET));
        memcpy(day, date, sizeof(date));
    }
    sb_printf(sb, "%s.%03u  ", clock, (unsigned)(ms % 1000));
}

static void put_who(struct strbuf *sb, struct json_object *record)
{
    struct json_object *process = json_get(json_get(record, "actor"), "process");
    struct json_object *user = json_get(process, "user");
    const char *name = json_get_str(user, "name", str(user, "uid"));
    const char *parent = str(json_get(process, "parent_process"), "name");

    if (!process)
        return;
    if (*name) {
        put_escaped(sb, name);
        sb_putc(sb, ' ');
    }
    put_escaped(sb, str(process, "name"));
    sb_printf(sb, "[%llu]", (unsigned long long)json_get_u64(process, "pid", 0));
    if (*parent) {
        sb_puts(sb, " \xe2\x86\x90 ");
        put_escaped(sb, parent);
    }
    sb_puts(sb, "  ");
}

static void put_access(struct strbuf *sb, struct json_object *record)
{
    struct json_object *access = json_get(json_get(record, "unmapped"), "access");
    size_t n = json_object_is_type(access, json_type_array) ? json_object_array_length(access) : 0;

    for (size_t i = 0; i < n; i++) {
        sb_puts(sb, i ? "," : "");
        put_escaped(sb, strempty(json_object_get_string(json_object_array_get_idx(access, i))));
    }
    if (n == 0)
        for (const char *c = str(record, "activity_name"); *c; c++)
            sb_putc(sb, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
    sb_putc(sb, ' ');
}

// How far a path can be trusted as a name on this host.
static void put_path(struct strbuf *sb, const char *path, const char *kind)
{
    if (streq(kind, "cut"))
        sb_puts(sb, ".../");
    if (*path)
        put_escaped(sb, path);
    else
        sb_puts(sb, "(unknown)");
    if (streq(kind, "filesystem"))
        sb_puts(sb, " (on a file system that this host has not mounted)");
}

static void put_what(struct strbuf *sb, struct json_object *record)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    struct json_object *result = json_get(record, "file_result");
    const char *reason = str(unmapped, "reason");

    put_access(sb, record);
    put_path(sb, str(json_get(record, "file"), "path"), str(unmapped, "path_kind"));
    if (result) {
        sb_puts(sb, " \xe2\x86\x92 ");
        put_path(sb, str(result, "path"), str(unmapped, "result_path_kind"));
    } else if (*str(unmapped, "link_target")) {
        sb_puts(sb, " \xe2\x86\x92 ");
        put_escaped(sb, str(unmapped, "link_target"));
    }
    if (*reason && !streq(reason, "none"))
        sb_printf(sb, " (could not be resolved: %s)", reason);
}

// What was read and written between open and close.
static void put_transfer(struct strbuf *sb, struct json_object *record)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    uint64_t ms = json_get_u64(record, "duration", 0);

    if (!json_get(unmapped, "bytes_read"))
        return;
    sb_printf(sb, " (%llu bytes read, %llu written, open for %llu.%03u s)",
              (unsigned long long)json_get_u64(unmapped, "bytes_read", 0),
              (unsigned long long)json_get_u64(unmapped, "bytes_written", 0),
              (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

static void put_rule(struct strbuf *sb, struct json_object *record, bool color)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    const char *file = str(unmapped, "rule_file"), *slash = strrchr(file, '/');
    uint64_t count = json_get_u64(record, "count", 1);

    if (*file) {
        sb_printf(sb, "  %s", color_seq(color, COLOR_DIM));
        put_escaped(sb, slash ? slash + 1 : file);
        sb_printf(sb, ":%llu%s", (unsigned long long)json_get_u64(unmapped, "rule_line", 0),
                  color_seq(color, COLOR_RESET));
    }
    // A directory that is moved or mounted over takes along what rules deny beneath it.
    if (json_get_bool(unmapped, "rule_beneath", 0))
        sb_printf(sb, "  %s(a rule beneath it)%s", color_seq(color, COLOR_DIM),
                  color_seq(color, COLOR_RESET));
    if (count > 1)
        sb_printf(sb, "  %s\xc3\x97%llu%s", color_seq(color, COLOR_BOLD), (unsigned long long)count,
                  color_seq(color, COLOR_RESET));
}

void render_event(struct json_object *record, bool color, char day[16], struct strbuf *sb)
{
    struct verdict verdict = verdict_of(record);

    put_clock(sb, json_get_u64(record, "time", 0), color, day);
    sb_printf(sb, "%s%-10s%s  ", color_seq(color, verdict.color), verdict.text,
              color_seq(color, COLOR_RESET));
    if (!json_get(record, "file")) {
        put_escaped(sb, str(record, "message"));
    } else {
        put_who(sb, record);
        put_what(sb, record);
        put_transfer(sb, record);
        put_rule(sb, record, color);
    }
    sb_putc(sb, '\n');
}
