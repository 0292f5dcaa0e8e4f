// SPDX-License-Identifier: Apache-2.0
//
// Messages as people read them. What hosts said goes through utf8_escape(): nothing of it may end a line.
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "server/notify.h"

#define SUBJECT_PART 120 // bytes of one text in a subject

static const char *severity_name(uint64_t severity)
{
    static const char *const names[] = {"unknown", "informational", "low",  "medium",
                                        "high",    "critical",      "fatal"};

    return names[severity < ARRAY_SIZE(names) ? severity : 0];
}

static void put(struct strbuf *sb, struct json_object *o, const char *key, size_t max)
{
    const char *s = json_get_str(o, key, "");

    utf8_escape(sb, s, MIN(strlen(s), max));
}

static void put_line(struct strbuf *sb, const char *label, struct json_object *o, const char *key)
{
    if (!*json_get_str(o, key, ""))
        return;
    sb_printf(sb, "%-9s ", label);
    put(sb, o, key, SIZE_MAX);
    sb_putc(sb, '\n');
}

static void put_time(struct strbuf *sb, const char *label, struct json_object *o, const char *key)
{
    char time[RFC3339_MS_SIZE];

    if (format_rfc3339_ms(json_get_u64(o, key, 0) * NS_PER_MS, time, sizeof(time)) == 0)
        sb_printf(sb, "%-9s %s\n", label, time);
}

static void put_headline(struct strbuf *sb, struct json_object *alert)
{
    if (*json_get_str(alert, "message", "")) {
        put(sb, alert, "message", SUBJECT_PART);
        return;
    }
    put(sb, alert, "program", SUBJECT_PART);
    sb_putc(sb, ' ');
    put(sb, alert, "outcome", SUBJECT_PART);
    sb_putc(sb, ' ');
    put(sb, alert, "path", SUBJECT_PART);
}

static void put_alert(struct strbuf *text, struct json_object *alert, const char *public_url)
{
    put_line(text, "message:", alert, "message");
    sb_printf(text, "%-9s %s\n", "severity:", severity_name(json_get_u64(alert, "severity", 0)));
    put_line(text, "host:", alert, "host_name");
    if (!*json_get_str(alert, "condition", ""))
        put_line(text, "outcome:", alert, "outcome");
    put_line(text, "rule:", alert, "rule");
    put_line(text, "policy:", alert, "policy");
    put_line(text, "program:", alert, "program");
    put_line(text, "user:", alert, "user");
    put_line(text, "path:", alert, "path");
    put_line(text, "to do:", alert, "cure");
    sb_printf(text, "%-9s %llu\n", "count:", (unsigned long long)json_get_u64(alert, "count", 0));
    put_time(text, "first:", alert, "first");
    put_time(text, "last:", alert, "last");
    if (*public_url)
        sb_printf(text, "%s/alerts/%llu\n", public_url,
                  (unsigned long long)json_get_u64(alert, "id", 0));
}

static unsigned describe_one(struct json_object *alert, const char *public_url,
                             struct strbuf *subject, struct strbuf *text)
{
    uint64_t severity = json_get_u64(alert, "severity", 0);

    sb_printf(subject, "%s: ", severity_name(severity));
    put(subject, alert, "host_name", SUBJECT_PART);
    sb_puts(subject, ": ");
    put_headline(subject, alert);
    put_alert(text, alert, public_url);
    return (unsigned)severity;
}

static unsigned describe_many(struct json_object *body, const char *public_url,
                              struct strbuf *subject, struct strbuf *text)
{
    struct json_object *alerts = json_get(body, "alerts");
    size_t n = json_object_is_type(alerts, json_type_array) ? json_object_array_length(alerts) : 0;
    uint64_t more = json_get_u64(body, "more", 0), all = more + n, worst = 1;

    for (size_t i = 0; i < n; i++) {
        struct json_object *alert = json_object_array_get_idx(alerts, i);

        worst = MAX(worst, json_get_u64(alert, "severity", 0));
        put_alert(text, alert, public_url);
        sb_putc(text, '\n');
    }
    if (more > 0)
        sb_printf(text, "and %llu more\n", (unsigned long long)more);
    sb_printf(subject, "%s: ", severity_name(worst));
    if (*json_get_str(body, "title", ""))
        put(subject, body, "title", SUBJECT_PART);
    else
        sb_printf(subject, "%llu new alerts", (unsigned long long)all);
    return (unsigned)worst;
}

int notify_describe(struct json_object *body, const char *public_url, struct strbuf *subject,
                    struct strbuf *text, unsigned *ret_severity)
{
    const char *kind = json_get_str(body, "kind", "");
    unsigned severity = 1;

    if (streq(kind, "alert")) {
        severity = describe_one(json_get(body, "alert"), public_url, subject, text);
    } else if (streq(kind, "digest")) {
        severity = describe_many(body, public_url, subject, text);
    } else {
        sb_puts(subject, "this is a test");
        sb_puts(text, "This is a test of safeguard: messages about alerts arrive here.\n");
    }
    *ret_severity = CLAMP(severity, 1u, 6u);
    return subject->failed || text->failed ? -ENOMEM : 0;
}
