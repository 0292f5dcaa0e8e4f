// SPDX-License-Identifier: Apache-2.0
#include "cli/case.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/namespaces.h"
#include "base/strutil.h"

#define TEXT_MAX ((size_t)1 << 16)

static const struct {
    const char *name;
    unsigned number;
} caps[] = {
#define CAP(name, number) {#name, number},
#include "model/caps.def"
};

void case_init(struct case_facts *c)
{
    *c = (struct case_facts){.login_uid = UINT32_MAX, .session = -1};
}

void case_done(struct case_facts *c)
{
    free(c->exe);
    free(c->cgroup);
    for (size_t i = 0; i < c->n_ancestors; i++)
        free(c->ancestors[i]);
    for (size_t i = 0; i < c->n_env; i++)
        free(c->env[i]);
    free(c->env);
    case_init(c);
}

static int set_text(char **field, const char *text)
{
    char *copy;

    if (text[0] != '/')
        return -EINVAL;
    copy = xstrndup(text, 4096);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

int case_set_exe(struct case_facts *c, const char *path)
{
    return set_text(&c->exe, path);
}

int case_set_cgroup(struct case_facts *c, const char *path)
{
    return set_text(&c->cgroup, path);
}

int case_add_ancestor(struct case_facts *c, const char *path)
{
    int r;

    if (c->n_ancestors == POLICY_ANCESTORS_MAX)
        return -E2BIG;
    r = set_text(&c->ancestors[c->n_ancestors], path);
    if (r == 0)
        c->n_ancestors++;
    return r;
}

int case_add_env(struct case_facts *c, const char *variable)
{
    char *copy;

    if (!strchr(variable, '=') || *variable == '=')
        return -EINVAL;
    if (c->n_env == CASE_ENVS_MAX)
        return -E2BIG;
    copy = xstrndup(variable, TEXT_MAX);
    if (!copy || !GREEDY(c->env, c->cap_env, c->n_env + 1)) {
        free(copy);
        return -ENOMEM;
    }
    c->env[c->n_env++] = copy;
    return 0;
}

static int add_gid(struct case_facts *c, uint32_t gid)
{
    if (c->n_gids == CASE_GIDS_MAX)
        return -E2BIG;
    c->gids[c->n_gids++] = gid;
    return 0;
}

int case_group(const char *name, uint32_t *ret_gid)
{
    const struct group *gr;

    if (parse_u32(name, ret_gid) == 0)
        return 0;
    gr = getgrnam(name);
    if (!gr)
        return -ESRCH;
    *ret_gid = gr->gr_gid;
    return 0;
}

int case_add_group(struct case_facts *c, const char *name)
{
    uint32_t gid;
    int r = case_group(name, &gid);

    return r < 0 ? r : add_gid(c, gid);
}

int case_add_capability(struct case_facts *c, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
        if (strcasecmp(name, caps[i].name) == 0 ||
            strcasecmp(name, caps[i].name + strlen("CAP_")) == 0) {
            c->caps |= SG_BIT(caps[i].number);
            return 0;
        }
    return -EINVAL;
}

int case_user(const char *name, uint32_t *ret_uid)
{
    const struct passwd *pw;

    if (parse_u32(name, ret_uid) == 0)
        return 0;
    pw = getpwnam(name);
    if (!pw)
        return -ESRCH;
    *ret_uid = pw->pw_uid;
    return 0;
}

int case_login(const char *name, uint32_t *ret_uid)
{
    if (!streq(name, "none"))
        return case_user(name, ret_uid);
    *ret_uid = UINT32_MAX;
    return 0;
}

// From a process ---------------------------------------------------------------------------------------

// The numbers behind "key:" in /proc/PID/status. Returns how many.
static size_t status_numbers(const char *status, const char *key, int base, uint64_t *ret,
                             size_t max)
{
    const char *line = status;
    size_t n = 0;

    while (line && strncmp(line, key, strlen(key)) != 0) {
        line = strchr(line, '\n');
        line += line != NULL;
    }
    if (!line)
        return 0;
    line += strlen(key);
    while (n < max && *line && *line != '\n') {
        char *end;

        line += strspn(line, " \t");
        ret[n] = strtoull(line, &end, base);
        if (end == line)
            break;
        line = end;
        n++;
    }
    return n;
}

static int read_proc(int dir, const char *name, char **ret_text)
{
    return read_file_bounded(dir, name, TEXT_MAX, ret_text, NULL);
}

// "0::/system.slice/x.service" among the lines of the other hierarchies.
static int read_cgroup(int dir, struct case_facts *c)
{
    _cleanup_(strv_freep) char **lines = NULL;
    _cleanup_free_ char *text = NULL;
    int r;

    r = read_proc(dir, "cgroup", &text);
    r = r < 0 ? r : strv_split(text, "\n", &lines);
    STRV_FOREACH (line, lines) {
        const char *path = str_startswith(*line, "0::");

        if (path)
            return case_set_cgroup(c, path);
    }
    return r;
}

// Variables, each followed by NUL. Other users' need a privilege: without it none are known.
static int read_env(int dir, struct case_facts *c)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = read_file_bounded(dir, "environ", (size_t)4 << 20, &text, &len);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (const char *at = text; r == 0 && at < text + len; at += strlen(at) + 1)
        r = case_add_env(c, at);
    return r == -ENOMEM ? r : 0;
}

static int read_exe(const char *proc, uint32_t pid, char *buf, size_t size)
{
    char path[256];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "%.200s/%u/exe", proc, pid);
    n = readlink(path, buf, size - 1);
    if (n <= 0)
        return -ENOENT;
    buf[n] = '\0';
    return 0;
}

static uint32_t read_parent(const char *proc, uint32_t pid, uint32_t *ret_uid)
{
    _cleanup_free_ char *status = NULL;
    uint64_t parent = 0, ids[2] = {};
    char path[256];

    (void)snprintf(path, sizeof(path), "%.200s/%u/status", proc, pid);
    if (read_file_bounded(AT_FDCWD, path, TEXT_MAX, &status, NULL) == 0) {
        (void)status_numbers(status, "PPid:", 10, &parent, 1);
        (void)status_numbers(status, "Uid:", 10, ids, 2);
    }
    *ret_uid = (uint32_t)ids[1];
    return (uint32_t)parent;
}

static int read_ancestors(const char *proc, uint32_t pid, struct case_facts *c)
{
    char exe[4096];
    uint32_t uid;
    int r = 0;

    for (pid = read_parent(proc, pid, &uid); pid != 0 && r == 0;) {
        bool known = read_exe(proc, pid, exe, sizeof(exe)) == 0;

        pid = read_parent(proc, pid, &uid);
        if (!known)
            continue;
        r = case_add_ancestor(c, exe);
        if (r == 0)
            c->ancestor_uids[c->n_ancestors - 1] = uid;
    }
    return r == -E2BIG ? 0 : r;
}

int case_from_process(const char *proc, uint32_t pid, struct case_facts *c)
{
    _cleanup_free_ char *status = NULL, *login = NULL;
    uint64_t ids[CASE_GIDS_MAX] = {};
    _cleanup_close_ int dir = -1;
    char path[256], exe[4096];
    size_t n;
    int r;

    (void)snprintf(path, sizeof(path), "%.200s/%u", proc, pid);
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? -ESRCH : negative_errno();
    r = read_proc(dir, "status", &status);
    if (r < 0)
        return r;
    // real, effective, saved, file system
    if (status_numbers(status, "Uid:", 10, ids, 4) >= 2)
        c->uid = (uint32_t)ids[1];
    c->n_gids = 0;
    if (status_numbers(status, "Gid:", 10, ids, 4) >= 2)
        (void)add_gid(c, (uint32_t)ids[1]);
    n = status_numbers(status, "Groups:", 10, ids, CASE_GIDS_MAX - 1);
    for (size_t i = 0; i < n; i++)
        (void)add_gid(c, (uint32_t)ids[i]);
    if (status_numbers(status, "CapEff:", 16, ids, 1) == 1)
        c->caps = ids[0];
    if (read_proc(dir, "loginuid", &login) == 0)
        c->login_uid = (uint32_t)strtoul(login, NULL, 10);
    if (read_exe(proc, pid, exe, sizeof(exe)) == 0)
        r = case_set_exe(c, exe);
    r = r < 0 ? r : read_cgroup(dir, c);
    r = r < 0 ? r : read_env(dir, c);
    c->container = process_contained(dir);
    if (!process_in_first_user_ns(dir))
        c->caps = 0;
    return r < 0 ? r : read_ancestors(proc, pid, c);
}

// Onward -----------------------------------------------------------------------------------------------

struct policy_facts case_policy_facts(const struct case_facts *c)
{
    return (struct policy_facts){
        .exe = c->exe,
        .ancestors = (const char *const *)c->ancestors,
        .n_ancestors = c->n_ancestors,
        .ancestor_uids = c->ancestor_uids,
        .uid = c->uid,
        .gids = c->gids,
        .n_gids = c->n_gids,
        .login_uid = c->login_uid,
        .caps = c->caps,
        .env = (const char *const *)c->env,
        .n_env = c->n_env,
        .cgroup = c->cgroup,
        .session = c->session,
        .container = c->container,
    };
}

static void json_control(struct jw *jw, const struct policy_control *control)
{
    jw_kv_object(jw, "control");
    jw_kv_str(jw, "kind", policy_control_name(control->kind));
    if (control->what == POLICY_CONTROL_NAME)
        jw_kv_str(jw, "name", control->name);
    else
        jw_kv_u64(jw, "number", control->number);
    jw_end_object(jw);
}

static void json_facts(struct jw *jw, const struct policy_facts *f)
{
    if (f->exe)
        jw_kv_str(jw, "exe", f->exe);
    if (f->cgroup)
        jw_kv_str(jw, "cgroup", f->cgroup);
    jw_kv_array(jw, "ancestors");
    for (size_t i = 0; i < f->n_ancestors; i++)
        jw_cstr(jw, f->ancestors[i]);
    jw_end_array(jw);
    jw_kv_array(jw, "ancestor_uids");
    for (size_t i = 0; i < f->n_ancestors; i++)
        jw_u64(jw, f->ancestor_uids[i]);
    jw_end_array(jw);
    jw_kv_array(jw, "env");
    for (size_t i = 0; i < f->n_env; i++)
        jw_cstr(jw, f->env[i]);
    jw_end_array(jw);
    jw_kv_array(jw, "gids");
    for (size_t i = 0; i < f->n_gids; i++)
        jw_u64(jw, f->gids[i]);
    jw_end_array(jw);
    jw_kv_u64(jw, "uid", f->uid);
    jw_kv_u64(jw, "login_uid", f->login_uid);
    jw_kv_u64(jw, "caps", f->caps);
    jw_kv_i64(jw, "session", f->session);
    jw_kv_bool(jw, "container", f->container);
}

int case_json(const struct policy_query *query, struct strbuf *out)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    if (query->control)
        json_control(&jw, query->control);
    else
        jw_kv_strn(&jw, "path", query->path, query->path_len);
    jw_kv_u64(&jw, "ops", query->ops);
    json_facts(&jw, &query->facts);
    if (query->target) {
        jw_kv_object(&jw, "to");
        json_facts(&jw, query->target);
        jw_end_object(&jw);
        jw_kv_bool(&jw, "other_user", query->other_user);
    }
    if (query->has_when)
        jw_kv_i64(&jw, "when", query->when);
    jw_end_object(&jw);
    return jw_finish(&jw);
}
