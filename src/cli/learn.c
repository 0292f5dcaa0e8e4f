// SPDX-License-Identifier: Apache-2.0
#include "cli/learn.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"
#include "control/message.h"

#define CLASS_FILE    1001u
#define CLASS_PROCESS 1007u
#define LAUNCH        1u
#define EXEC          3u // launch_type_id
#define FAILURE       2u // status_id

// Where libraries lie by the Filesystem Hierarchy Standard, and on hosts with a merged /usr.
static const char *const library_dirs[] = {"/lib/**", "/lib64/**", "/usr/lib/**", "/usr/lib64/**",
                                           "/usr/libexec/**"};

// What brings programs, with all that it starts, as in policies/30-system-binaries.yaml; of root's, since who may start one could
// have it start anything.
#define PACKAGE_MANAGERS                                                                \
    "/usr/bin/dpkg, /usr/bin/apt, /usr/bin/apt-get, /usr/bin/aptitude, /usr/bin/rpm, "  \
    "/usr/bin/dnf5,\n%*s/usr/bin/microdnf, /usr/bin/zypper, /usr/libexec/packagekitd, " \
    "/usr/lib/packagekit/packagekitd"

struct seen {
    uint64_t programs, scripts, libraries; // times
};

struct learn {
    struct learn_options o;
    struct map *paths; // path → struct seen
    struct learn_counters counters;
    uint64_t first_ms, last_ms;
};

int learn_new(const struct learn_options *options, struct learn **ret_learn)
{
    _cleanup_(learn_freep) struct learn *l = new0(struct learn, 1);
    int r;

    if (!l)
        return -ENOMEM;
    l->o = *options;
    r = map_new(MAP_STR, LEARN_PROGRAMS_MAX, free, &l->paths);
    if (r < 0)
        return r;
    *ret_learn = TAKE_PTR(l);
    return 0;
}

struct learn *learn_free(struct learn *l)
{
    if (l) {
        (void)map_free(l->paths);
        free(l);
    }
    return NULL;
}

static struct seen *seen_of(struct learn *l, const char *path)
{
    struct seen *seen = map_get_str(l->paths, path);

    if (seen)
        return seen;
    seen = new0(struct seen, 1);
    if (!seen || map_put_str(l->paths, path, seen) < 0) {
        l->counters.dropped++;
        free(seen);
        return NULL;
    }
    return seen;
}

static bool is_path(const char *path)
{
    return path && path[0] == '/' && path[1];
}

static bool is_beneath(const char *cgroup, const char *wanted)
{
    const char *rest = str_startswith(cgroup, wanted);

    return rest && (!*rest || *rest == '/' || str_endswith(wanted, "/"));
}

// Who executed it: what the process was before.
static bool is_of_subject(const struct learn *l, struct json_object *record)
{
    struct json_object *process = json_get(json_get(record, "actor"), "process"),
                       *user = json_get(process, "user");

    if (l->o.exe && !streq(json_get_str(json_get(process, "file"), "path", ""), l->o.exe))
        return false;
    if (l->o.user && !streq(json_get_str(user, "name", ""), l->o.user) &&
        !streq(json_get_str(user, "uid", ""), l->o.user))
        return false;
    return !l->o.cgroup ||
           is_beneath(json_get_str(json_get(record, "unmapped"), "cgroup", ""), l->o.cgroup);
}

// Does an array of words have one of them?
static bool has_word(struct json_object *array, const char *word)
{
    size_t n = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);

        if (json_object_is_type(item, json_type_string) &&
            streq(json_object_get_string(item), word))
            return true;
    }
    return false;
}

// A path by which it could not be allowed: it is not the host's, not all of it, or not the text that it is shown as.
static bool is_nameless(struct json_object *unmapped)
{
    struct json_object *launch = json_get(unmapped, "launch");

    return json_get(unmapped, "path_kind") || json_get(unmapped, "path_bytes") ||
           has_word(launch, "memory") || has_word(launch, "deleted") || has_word(launch, "foreign");
}

static void take_exec(struct learn *l, struct json_object *record)
{
    struct json_object *unmapped = json_get(record, "unmapped"),
                       *file = json_get(json_get(record, "process"), "file");
    const char *path = json_get_str(file, "path", NULL),
               *script = json_get_str(unmapped, "script", NULL);
    uint64_t n = json_get_u64(record, "count", 1);
    struct seen *seen;

    l->counters.executions += n;
    if (json_get_u64(record, "status_id", 0) == FAILURE) {
        l->counters.refused += n;
        return;
    }
    if (!is_path(path) || is_nameless(unmapped) || json_get(unmapped, "script_kind")) {
        l->counters.nameless += n;
        return;
    }
    seen = seen_of(l, path);
    if (seen)
        seen->programs += n;
    seen = is_path(script) ? seen_of(l, script) : NULL;
    if (seen)
        seen->scripts += n;
}

// A file that was mapped for execution, by a rule that recorded that.
static void take_file(struct learn *l, struct json_object *record)
{
    struct json_object *unmapped = json_get(record, "unmapped");
    const char *path = json_get_str(json_get(record, "file"), "path", NULL);
    struct seen *seen;

    if (!has_word(json_get(unmapped, "access"), "load") || !is_path(path) ||
        is_nameless(unmapped) || json_get_u64(record, "status_id", 0) == FAILURE)
        return;
    seen = seen_of(l, path);
    if (seen)
        seen->libraries += json_get_u64(record, "count", 1);
}

static void take_time(struct learn *l, struct json_object *record)
{
    uint64_t ms = json_get_u64(record, "time", 0);

    if (!ms)
        return;
    l->first_ms = l->first_ms ? MIN(l->first_ms, ms) : ms;
    l->last_ms = MAX(l->last_ms, ms);
}

int learn_line(struct learn *l, const char *line, size_t len)
{
    struct json_object *record = control_json_parse(line, len);
    uint64_t class;

    l->counters.lines++;
    if (!json_object_is_type(record, json_type_object)) {
        l->counters.unreadable++;
        json_object_put(record);
        return 0;
    }
    class = json_get_u64(record, "class_uid", 0);
    if (class == CLASS_PROCESS && json_get_u64(record, "activity_id", 0) == LAUNCH &&
        json_get_u64(record, "launch_type_id", 0) == EXEC && is_of_subject(l, record)) {
        take_time(l, record);
        take_exec(l, record);
    } else if (class == CLASS_FILE && is_of_subject(l, record)) {
        take_file(l, record);
    }
    json_object_put(record);
    return 0;
}

void learn_counters(const struct learn *l, struct learn_counters *ret)
{
    *ret = l->counters;
}

// What was seen, in the order of bytes.

struct item {
    const char *path;
    const struct seen *seen;
};

static int by_path(const void *x, const void *y)
{
    const struct item *a = x, *b = y;

    return strcmp(a->path, b->path);
}

static struct item *sorted(const struct learn *l, size_t *ret_n)
{
    size_t n = 0;
    struct item *items = new0(struct item, map_len(l->paths) + 1);
    struct map_iter it = {};

    while (items && map_next(l->paths, &it))
        items[n++] = (struct item){it.key_str, it.value};
    if (n)
        qsort(items, n, sizeof(*items), by_path);
    *ret_n = n;
    return items;
}

// In double quotes, with what means something in a pattern taken literally.
static void put_pattern(struct strbuf *sb, const char *path)
{
    sb_putc(sb, '"');
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (strchr("*?[]{}\\!", *p))
            sb_puts(sb, "\\\\"); // a backslash of the pattern, for YAML
        if (*p == '"' || *p == '\\')
            sb_printf(sb, "\\%c", *p);
        else if (*p < ' ' || *p == 0x7f)
            sb_printf(sb, "\\x%02x", *p);
        else
            sb_putc(sb, (char)*p);
    }
    sb_putc(sb, '"');
}

static void put_text(struct strbuf *sb, const char *text)
{
    sb_putc(sb, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            sb_printf(sb, "\\%c", *p);
        else if (*p < ' ' || *p == 0x7f)
            sb_printf(sb, "\\x%02x", *p);
        else
            sb_putc(sb, (char)*p);
    }
    sb_putc(sb, '"');
}

static bool has_subject(const struct learn *l)
{
    return l->o.exe || l->o.user || l->o.cgroup;
}

static void put_rule_start(const struct learn *l, struct strbuf *sb)
{
    sb_puts(sb, has_subject(l) ? "  - by: learnt\n    exec:\n" : "  - exec:\n");
}

static void put_subject(const struct learn *l, struct strbuf *sb)
{
    const char *separator = "";

    if (!has_subject(l))
        return;
    sb_puts(sb, "  learnt: {");
    if (l->o.exe) {
        sb_puts(sb, "exe: ");
        put_pattern(sb, l->o.exe);
        separator = ", ";
    }
    if (l->o.user) {
        sb_printf(sb, "%suser: ", separator);
        put_text(sb, l->o.user);
        separator = ", ";
    }
    if (l->o.cgroup) {
        sb_printf(sb, "%scgroup: ", separator);
        put_text(sb, l->o.cgroup);
    }
    sb_puts(sb, "}\n");
}

static void put_subjects(const struct learn *l, struct strbuf *sb)
{
    sb_puts(sb, "subjects:\n");
    put_subject(l, sb);
    sb_puts(
        sb,
        "  # Package managers, and what they start. Where dnf or yum is a Python program, add /usr/bin/python3.* "
        "here: it lets\n  # every Python program of root's in, too.\n  packages:\n");
    sb_printf(sb, "    exe: [" PACKAGE_MANAGERS "]\n", 10, "");
    sb_puts(
        sb,
        "    user: root\n    descendants: true\n"
        "  # Write what is made anew where libraries are; systemd mounts over it for services.\n"
        "  caches: {exe: [/usr/bin/kmod, /usr/sbin/depmod, /usr/bin/systemd-hwdb, /usr/sbin/ldconfig], "
        "user: root}\n"
        "  systemd: {exe: [/usr/lib/systemd/systemd, /usr/lib/systemd/systemd-executor], user: root}\n");
}

// A new version has another name until it is moved over the old one, and to move what may not be executed to where it may is
// refused: who installs may execute whatever he brings.
static void put_packages(const struct learn *l, struct strbuf *sb)
{
    sb_puts(sb, "  # What installs programs executes what it brings before that has its name.\n"
                "  - {exec: any, by: packages, do: allow}\n");
    if (has_subject(l))
        return;
    sb_puts(sb, "  - by: {user: root}\n");
    sb_printf(sb, "    exec: [" PACKAGE_MANAGERS "]\n    do: allow\n", 11, "");
}

static void put_item(struct strbuf *sb, const struct item *item)
{
    const struct seen *s = item->seen;
    uint64_t n = s->programs + s->scripts;

    sb_puts(sb, "      - ");
    put_pattern(sb, item->path);
    sb_printf(sb, " # %s%llu time%s\n", s->scripts ? "script, " : "", (unsigned long long)n,
              n == 1 ? "" : "s");
}

static bool is_in_library_dir(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(library_dirs); i++)
        if (strncmp(path, library_dirs[i], strlen(library_dirs[i]) - 2) == 0)
            return true;
    return false;
}

static void put_libraries(const struct learn *l, const struct item *items, size_t n,
                          struct strbuf *sb)
{
    sb_puts(sb, "  # Libraries: what lies where packages put them, and what was seen elsewhere.\n");
    put_rule_start(l, sb);
    for (size_t i = 0; i < ARRAY_SIZE(library_dirs); i++)
        sb_printf(sb, "      - \"%s\"\n", library_dirs[i]);
    for (size_t i = 0; i < n; i++) {
        if (!items[i].seen->libraries || items[i].seen->programs || items[i].seen->scripts ||
            is_in_library_dir(items[i].path))
            continue;
        sb_puts(sb, "      - ");
        put_pattern(sb, items[i].path);
        sb_printf(sb, " # loaded %llu time%s\n", (unsigned long long)items[i].seen->libraries,
                  items[i].seen->libraries == 1 ? "" : "s");
    }
    sb_puts(sb, "    do: allow\n");
}

// What is executed by its path is worth what may be written there.
static void put_files(const struct learn *l, const struct item *items, size_t n, struct strbuf *sb)
{
    const char *by = has_subject(l) ? "    by: learnt\n" : "";

    sb_puts(
        sb,
        "files:\n"
        "  # Nobody but package managers writes, moves, links or mounts anything over what may be executed.\n"
        "  - {path: [\"/usr/lib/**\", \"/usr/lib64/**\"], access: mount, by: systemd, do: allow}\n"
        "  - path:\n");
    for (size_t i = 0; i < ARRAY_SIZE(library_dirs); i++)
        sb_printf(sb, "      - \"%s\"\n", library_dirs[i]);
    for (size_t i = 0; i < n; i++) {
        if (is_in_library_dir(items[i].path))
            continue;
        sb_puts(sb, "      - ");
        put_pattern(sb, items[i].path);
        sb_putc(sb, '\n');
    }
    sb_printf(sb, "    access: write\n%s    not_by: [packages, caches]\n    do: deny\n", by);
    if (has_subject(l))
        return;
    // Whoever replaces one of these may execute whatever he likes.
    sb_printf(sb,
              "  - path: [" PACKAGE_MANAGERS
              "]\n    access: write\n    not_by: packages\n    do: deny\n",
              11, "");
}

static void put_head(const struct learn *l, struct strbuf *sb)
{
    const struct learn_counters *c = &l->counters;
    uint64_t used = c->executions - c->refused - c->nameless;

    sb_printf(sb, "# Learnt from %llu execution%s.", (unsigned long long)used,
              used == 1 ? "" : "s");
    sb_puts(
        sb,
        " Allowed are their programs and scripts by path, what lies where packages put\n"
        "# libraries, and whatever root's package managers execute. All else is denied, and so is writing, moving or "
        "linking over what is\n# allowed, but to package managers.\n"
        "#\n"
        "# Not covered: what an interpreter reads by itself (sh file, python3 file, a program's plugins), what root has a "
        "package manager\n# install, and what was mapped or opened before.\n"
        "#\n"
        "# To try it: put it beneath /etc/safeguard/policies and run 'safeguard policy reload'. The mode is monitor: what "
        "would be denied\n# is recorded ('safeguard events') and passes. Let jobs, updates and a restart go by; when nothing "
        "that has to run is recorded\n# any more, set it to enforce.\n");
    if (c->refused)
        sb_printf(sb, "# Left out: %llu that a policy refused.\n", (unsigned long long)c->refused);
    if (c->nameless)
        sb_printf(
            sb,
            "# Left out: %llu of programs in memory, deleted, or not on a file system of this host: no path can "
            "allow them.\n",
            (unsigned long long)c->nameless);
    if (c->dropped)
        sb_printf(sb, "# Left out: %llu of further programs, of which there are more than %u.\n",
                  (unsigned long long)c->dropped, LEARN_PROGRAMS_MAX);
}

void learn_yaml(const struct learn *l, struct strbuf *sb)
{
    _cleanup_free_ struct item *items = NULL;
    size_t n = 0;
    bool any = false;

    items = sorted(l, &n);
    sb->failed = sb->failed || !items;
    put_head(l, sb);
    sb_puts(sb, "safeguard: 1\nname: ");
    put_text(sb, l->o.name);
    sb_puts(sb, "\nmode: monitor\n");
    put_subjects(l, sb);
    sb_puts(sb, "processes:\n");
    put_packages(l, sb);
    for (size_t i = 0; i < n; i++) {
        if (!items[i].seen->programs && !items[i].seen->scripts)
            continue;
        if (!any)
            put_rule_start(l, sb);
        any = true;
        put_item(sb, &items[i]);
    }
    if (any)
        sb_puts(sb, "    do: allow\n");
    put_libraries(l, items, n, sb);
    sb_printf(sb, "  - {%sexec: any, do: deny}\n", has_subject(l) ? "by: learnt, " : "");
    put_files(l, items, n, sb);
}

void learn_json(const struct learn *l, struct strbuf *sb)
{
    _cleanup_(sb_done) struct strbuf yaml = {};
    _cleanup_free_ struct item *items = NULL;
    const struct learn_counters *c = &l->counters;
    size_t n = 0;
    struct jw jw;

    items = sorted(l, &n);
    learn_yaml(l, &yaml);
    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "lines", c->lines);
    jw_kv_u64(&jw, "executions", c->executions);
    jw_kv_u64(&jw, "refused", c->refused);
    jw_kv_u64(&jw, "nameless", c->nameless);
    jw_kv_u64(&jw, "unreadable", c->unreadable);
    jw_kv_u64(&jw, "dropped", c->dropped);
    jw_kv_u64(&jw, "first_ms", l->first_ms);
    jw_kv_u64(&jw, "last_ms", l->last_ms);
    jw_kv_array(&jw, "programs");
    for (size_t i = 0; i < n; i++) {
        jw_begin_object(&jw);
        jw_kv_str(&jw, "path", items[i].path);
        jw_kv_u64(&jw, "executed", items[i].seen->programs);
        jw_kv_u64(&jw, "as_script", items[i].seen->scripts);
        jw_kv_u64(&jw, "loaded", items[i].seen->libraries);
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_kv_str(&jw, "policy", sb_str(&yaml));
    jw_end_object(&jw);
    sb->failed = sb->failed || jw_finish(&jw) < 0 || !items || yaml.failed;
    sb_putc(sb, '\n');
}
