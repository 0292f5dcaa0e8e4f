// SPDX-License-Identifier: Apache-2.0
#include "server/dryrun_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "abi/network.h"
#include "abi/policy.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"

#define CLASS_FILE      1001u
#define CLASS_PROCESS   1007u
#define ACTIVITY_LAUNCH 1u
#define LAUNCH_EXEC     3

// Who asks -------------------------------------------------------------------------------------------

static uint32_t uid_of(const struct check *check, struct json_object *process)
{
    struct json_object *user = json_get(process, "user");
    const char *name = json_get_str(user, "name", NULL), *uid = json_get_str(user, "uid", NULL);
    uint32_t number;

    // By name where a rule names him: the number may be another on each host.
    if (name && check_user(check, name, strlen(name), &number) == 0)
        return number;
    if (uid && parse_u32(uid, &number) == 0)
        return number;
    return (uint32_t)json_get_u64(process, "euid", UINT32_MAX);
}

static uint32_t login_of(const struct check *check, struct json_object *actor,
                         struct json_object *process)
{
    const char *name = json_get_str(json_get(actor, "user"), "name", NULL);
    uint32_t number;

    if (name && check_user(check, name, strlen(name), &number) == 0)
        return number;
    return (uint32_t)json_get_u64(process, "auid", UINT32_MAX);
}

static int session_of(struct json_object *actor)
{
    static const char *const names[SG_SESSION_COUNT] = {"none", "service", "ssh", "cron",
                                                        "console"};
    const char *issuer = json_get_str(json_get(actor, "session"), "issuer", NULL);

    for (int i = 0; issuer && i < SG_SESSION_COUNT; i++)
        if (streq(issuer, names[i]))
            return i;
    return -1;
}

static size_t read_ancestors(struct json_object *process, const char **ancestors)
{
    struct json_object *list = json_get(process, "ancestry");
    const char *parent = json_get_str(json_get(process, "parent_process"), "path", NULL);
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    size_t kept = 0;

    for (size_t i = 0; i < n && kept < POLICY_ANCESTORS_MAX; i++) {
        const char *path = json_get_str(json_object_array_get_idx(list, i), "path", NULL);

        if (path && *path == '/')
            ancestors[kept++] = path;
    }
    if (n == 0 && parent && *parent == '/')
        ancestors[kept++] = parent;
    return kept;
}

static struct policy_facts who_of(const struct check *check, struct json_object *record,
                                  struct dryrun_facts *f)
{
    struct json_object *actor = json_get(record, "actor"), *process = json_get(actor, "process");
    const char *exe = json_get_str(json_get(process, "file"), "path", NULL),
               *cgroup = json_get_str(json_get(record, "unmapped"), "cgroup", NULL);

    return (struct policy_facts){
        .exe = exe && *exe == '/' ? exe : NULL,
        .uid = uid_of(check, process),
        .login_uid = login_of(check, actor, process),
        .session = session_of(actor),
        .container = json_get(process, "container") != NULL,
        .cgroup = cgroup && *cgroup == '/' ? cgroup : NULL,
        .n_ancestors = read_ancestors(process, f->ancestors),
        .ancestors = f->ancestors,
    };
}

// What is asked for ----------------------------------------------------------------------------------

static void ask_path(struct dryrun_facts *f, const char *path, uint32_t ops)
{
    if (path && *path == '/' && ops && f->n_asked < DRYRUN_ASKED_MAX)
        f->asked[f->n_asked++] =
            (struct policy_query){.path = path, .path_len = strlen(path), .ops = ops};
}

static void ask_control(struct dryrun_facts *f, enum sg_control kind, const char *word)
{
    size_t i = f->n_asked;

    if (!word || i == DRYRUN_ASKED_MAX || kind == SG_CONTROL_COUNT ||
        policy_control_from_word(kind, word, &f->controls[i]) < 0)
        return;
    f->asked[i] = (struct policy_query){.control = &f->controls[i], .ops = SG_OP_CONTROL};
    f->n_asked++;
}

static uint32_t ops_of(struct json_object *unmapped)
{
    struct json_object *list = json_get(unmapped, "access");
    uint32_t ops = 0;

    if (!json_object_is_type(list, json_type_array))
        return 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *word = strempty(json_object_get_string(json_object_array_get_idx(list, i)));

        for (unsigned bit = 0; bit < SG_OP_COUNT; bit++)
            if (streq(word, strempty(policy_op_name(1u << bit))))
                ops |= 1u << bit;
    }
    return ops & ~(uint32_t)SG_OP_CONTROL;
}

// Of a socket the end that its rules ask about, with the port of the service.
static void ask_ends(struct dryrun_facts *f, enum sg_control kind, struct json_object *record)
{
    struct json_object *info = json_get(record, "connection_info"),
                       *src = json_get(record, "src_endpoint"),
                       *dst = json_get(record, "dst_endpoint");
    bool from = kind == SG_CONTROL_accept || kind == SG_CONTROL_receive;
    const char *ip = json_get_str(from ? src : dst, "ip", NULL),
               *name = from ? "" : json_get_str(dst, "hostname", "");

    if (!ip || strlen(ip) > 45 || strlen(name) > SG_NET_NAME_MAX)
        return;
    // A name without a dot is known as one by the dot behind it.
    (void)snprintf(f->ends, sizeof(f->ends), "%" PRIu64 ":%s%s[%s]:%" PRIu64,
                   json_get_u64(info, "protocol_num", 0), name, *name ? ".@" : "", ip,
                   json_get_u64(dst, "port", 0));
    ask_control(f, kind, f->ends);
}

// Of a number that has a name, and of one that has none, both are right; a name that stands for no number has none beside it.
static void read_control(struct json_object *record, struct json_object *unmapped,
                         struct dryrun_facts *f)
{
    enum sg_control kind = policy_control_kind(json_get_str(unmapped, "control", ""));
    struct json_object *number = json_get(unmapped, "argument_number");
    char digits[24];

    if (kind < SG_CONTROL_COUNT && SG_NET_KINDS >> kind & 1) {
        ask_ends(f, kind, record);
        return;
    }
    if (!json_object_is_type(number, json_type_int)) {
        ask_control(f, kind, json_get_str(unmapped, "argument", NULL));
        return;
    }
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, json_object_get_uint64(number));
    ask_control(f, kind, digits);
}

// Words of the launch, and what policies call them.
static const struct {
    const char *launch, *word;
} pathless[] = {{"memory", "memfd"}, {"deleted", "deleted"}, {"foreign", "foreign"}};

// The kernel asks for the program, and for a script before its interpreter.
static void read_exec(struct json_object *record, struct dryrun_facts *f)
{
    struct json_object *unmapped = json_get(record, "unmapped"),
                       *how = json_get(unmapped, "launch");
    size_t n = json_object_is_type(how, json_type_array) ? json_object_array_length(how) : 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_SIZE(pathless); k++)
            if (streq(strempty(json_object_get_string(json_object_array_get_idx(how, i))),
                      pathless[k].launch))
                ask_control(f, SG_CONTROL_exec, pathless[k].word);
    // Without a path that rules speak of it is one of these, or its place is not known.
    if (f->n_asked == 0 && !json_get(unmapped, "path_kind"))
        ask_path(f, json_get_str(json_get(json_get(record, "process"), "file"), "path", NULL),
                 SG_OP_EXEC);
    ask_path(f, json_get_str(unmapped, "script", NULL), SG_OP_EXEC);
}

static bool is_exec(const struct store_row *row, struct json_object *record)
{
    return row->columns.class_uid == CLASS_PROCESS && row->columns.activity == ACTIVITY_LAUNCH &&
           json_get_u64(record, "launch_type_id", 0) == LAUNCH_EXEC;
}

bool dryrun_facts_read(const struct check *check, const struct store_row *row,
                       struct json_object *record, struct dryrun_facts *ret)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    struct policy_facts who;

    *ret = (struct dryrun_facts){.unsaid = row->columns.outcome == STORE_OTHER};
    if (json_get(unmapped, "control"))
        read_control(record, unmapped, ret);
    else if (is_exec(row, record))
        read_exec(record, ret);
    else if (row->columns.class_uid == CLASS_FILE && !json_get(unmapped, "path_kind"))
        ask_path(ret, json_get_str(json_get(record, "file"), "path", NULL), ops_of(unmapped));
    // What no rule spoke of is told of execs alone; other such records are about something else.
    if (ret->n_asked == 0 || (ret->unsaid && !is_exec(row, record)))
        return false;
    who = who_of(check, record, ret);
    for (size_t i = 0; i < ret->n_asked; i++) {
        ret->asked[i].facts = who;
        ret->asked[i].has_when = true;
        ret->asked[i].when = (time_t)(json_get_u64(record, "time", 0) / 1000);
    }
    return true;
}

void dryrun_asked_format(const struct policy_query *asked, struct strbuf *sb)
{
    if (asked->control)
        policy_control_format(asked->control, sb);
    else
        sb_add(sb, asked->path, asked->path_len);
}
