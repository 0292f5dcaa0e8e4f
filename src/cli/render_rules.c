// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy show`: the rules in force, in the order in which they are tried.
#include <string.h>

#include "base/color.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "cli/render.h"
#include "control/message.h"

static void put_list(struct strbuf *sb, struct json_object *list, const char *separator, size_t max)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && i < max; i++) {
        sb_puts(sb, i ? separator : "");
        put_escaped(sb, strempty(json_object_get_string(json_object_array_get_idx(list, i))));
    }
    if (n > max)
        sb_printf(sb, "%sand %zu more", separator, n - max);
}

static enum color color_of(const char *verdict)
{
    return streq(verdict, "deny") || streq(verdict, "kill") || streq(verdict, "stop") ? COLOR_RED
           : streq(verdict, "allow")                                                  ? COLOR_GREEN
                                                                                      : COLOR_CYAN;
}

static bool has_word(struct json_object *list, const char *word)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++)
        if (streq(strempty(json_object_get_string(json_object_array_get_idx(list, i))), word))
            return true;
    return false;
}

// Rules about what is asked of the kernel say it in what they are about: "ptrace:attach", "syscall:mount".
static void put_access(struct strbuf *sb, struct json_object *rule)
{
    struct json_object *access = json_get(rule, "access");

    if (streq(json_get_str(rule, "section", "files"), "files"))
        put_list(sb, access, ",", 99);
    else if (has_word(access, "exec"))
        sb_puts(sb, "exec");
    else if (has_word(access, "load"))
        sb_puts(sb, "load");
    else
        return;
    sb_puts(sb, "  ");
}

static void put_rule(struct strbuf *sb, struct json_object *rule, bool color)
{
    const char *file = json_get_str(rule, "file", ""), *slash = strrchr(file, '/');
    const char *verdict = json_get_str(rule, "do", "");
    bool monitor = streq(json_get_str(rule, "mode", ""), "monitor");

    put_escaped(sb, slash ? slash + 1 : file);
    sb_printf(sb, ":%llu  %s%s%s", (unsigned long long)json_get_u64(rule, "line", 0),
              color_seq(color, color_of(verdict)), verdict, color_seq(color, COLOR_RESET));
    if (json_get(rule, "errno"))
        sb_printf(sb, " (%s)", json_get_str(rule, "errno", ""));
    sb_printf(sb, "%s ",
              monitor && !streq(verdict, "allow") && !streq(verdict, "audit") ? " (monitor)" : "");
    put_access(sb, rule);
    put_list(sb, json_get(rule, "path"), " ", 8);
    if (json_get(rule, "by")) {
        sb_puts(sb, "  by ");
        put_list(sb, json_get(rule, "by"), ", ", 8);
    }
    if (json_get(rule, "not_by")) {
        sb_puts(sb, "  not by ");
        put_list(sb, json_get(rule, "not_by"), ", ", 8);
    }
    sb_putc(sb, '\n');
}

void render_rules(struct json_object *show, bool color, struct strbuf *sb)
{
    struct json_object *rules = json_get(show, "rules");
    size_t n = json_object_is_type(rules, json_type_array) ? json_object_array_length(rules) : 0;

    for (size_t i = 0; i < n; i++)
        put_rule(sb, json_object_array_get_idx(rules, i), color);
}
