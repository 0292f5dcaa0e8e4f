// SPDX-License-Identifier: Apache-2.0
//
// Which records `safeguard events` shows.
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/render.h"
#include "control/message.h"

static const char *str(struct json_object *o, const char *key)
{
    return json_get_str(o, key, "");
}

// Blocked, or it would have been: 15 detected (monitor), 19 alert (this kernel did not hold it).
static bool is_denied(struct json_object *record)
{
    uint64_t disposition = json_get_u64(record, "disposition_id", 0);

    return disposition == 2 || disposition == 15 || disposition == 19;
}

static bool rule_matches(struct json_object *record, const char *wanted)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    const char *file = str(unmapped, "rule_file"), *slash = strrchr(file, '/');
    _cleanup_(sb_done) struct strbuf full = {};

    if (streq(str(json_get(record, "policy"), "name"), wanted))
        return true;
    if (!*file)
        return false;
    sb_printf(&full, "%s:%llu", file, (unsigned long long)json_get_u64(unmapped, "rule_line", 0));
    return streq(sb_str(&full), wanted) || streq(file, wanted) ||
           (slash &&
            (streq(slash + 1, wanted) || streq(sb_str(&full) + (slash + 1 - file), wanted)));
}

static bool path_matches(struct json_object *record, const char *glob)
{
    return fnmatch(glob, str(json_get(record, "file"), "path"), 0) == 0 ||
           fnmatch(glob, str(json_get(record, "file_result"), "path"), 0) == 0;
}

// process.uid: of who acts, or of the process that the record is about.
static bool is_entity(const char *wanted)
{
    const char *colon = strchr(wanted, ':');

    return colon && strchr(colon + 1, ':') && !strchr(wanted, '/');
}

static bool process_matches(struct json_object *record, const char *wanted)
{
    struct json_object *process = json_get(json_get(record, "actor"), "process");
    uint64_t pid;

    if (is_entity(wanted))
        return streq(str(process, "uid"), wanted) ||
               streq(str(json_get(record, "process"), "uid"), wanted);

    if (parse_u64(wanted, &pid) == 0)
        return json_get_u64(process, "pid", 0) == pid;
    return fnmatch(wanted, str(process, "name"), 0) == 0 ||
           fnmatch(wanted, str(json_get(process, "file"), "path"), 0) == 0;
}

static bool user_matches(struct json_object *record, const char *wanted)
{
    struct json_object *actor = json_get(record, "actor");
    struct json_object *user = json_get(json_get(actor, "process"), "user");
    struct json_object *login = json_get(actor, "user");

    return streq(str(user, "name"), wanted) || streq(str(user, "uid"), wanted) ||
           streq(str(login, "name"), wanted) || streq(str(login, "uid"), wanted);
}

static bool peer_matches(struct json_object *record, const char *glob)
{
    static const char *const ends[] = {"src_endpoint", "dst_endpoint"};
    struct json_object *query = json_get(record, "query");

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct json_object *end = json_get(record, ends[i]);

        if ((json_get(end, "ip") && fnmatch(glob, str(end, "ip"), 0) == 0) ||
            (json_get(end, "hostname") && fnmatch(glob, str(end, "hostname"), 0) == 0))
            return true;
    }
    return json_get(query, "hostname") && fnmatch(glob, str(query, "hostname"), 0) == 0;
}

bool event_matches(struct json_object *record, const struct event_filter *f)
{
    return (!f->denied || is_denied(record)) &&
           (f->since_ms == 0 || json_get_u64(record, "time", 0) >= f->since_ms) &&
           (!f->rule || rule_matches(record, f->rule)) &&
           (!f->path || path_matches(record, f->path)) &&
           (!f->process || process_matches(record, f->process)) &&
           (!f->user || user_matches(record, f->user)) &&
           (!f->peer || peer_matches(record, f->peer));
}
