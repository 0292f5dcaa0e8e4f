// SPDX-License-Identifier: Apache-2.0
#include "agent/build.h"
#include "agent/isolation_spec.h"

#include <errno.h>
#include <json-c/json.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "agent/bundle.h"
#include "agent/own.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "control/message.h"

#define RULE_NAME_MAX 200 // bytes of a rule's paths that records show

struct loaded *loaded_ref(struct loaded *l)
{
    if (l)
        l->refs++;
    return l;
}

static void forget(struct loaded *l)
{
    if (!l->policy)
        return;
    policy_image_free(TAKE_PTR(l->image));
    policy_free(TAKE_PTR(l->policy));
    (void)malloc_trim(0); // many small pieces
}

struct loaded *loaded_unref(struct loaded *l)
{
    if (!l)
        return NULL;
    l->refs--;
    if (l->refs == 1 && l->only_names)
        forget(l);
    if (l->refs > 0)
        return NULL;
    free(l->rules);
    free(l->names);
    free(l->kept_back);
    policy_image_free(l->image);
    policy_free(l->policy);
    free(l);
    return NULL;
}

// The files of a policy as buffers: the agent's own first, so that no rule can be in front of it.
struct sources {
    struct policy_buffer *items;
    size_t n, cap;
    bool *kept_back; // by item
    size_t cap_kept;
    char *own;
    char bundle[BUNDLE_ID_TEXT];
};

static void sources_done(struct sources *s)
{
    for (size_t i = 1; i < s->n; i++) {
        free((char *)s->items[i].name);
        free((char *)s->items[i].text);
    }
    free(s->items);
    free(s->kept_back);
    free(s->own);
}

// Takes over name and text, also on failure.
static int sources_add(struct sources *s, char *name, char *text, size_t len, bool kept_back)
{
    if (!name || !text || !GREEDY(s->items, s->cap, s->n + 1) ||
        !GREEDY(s->kept_back, s->cap_kept, s->n + 1)) {
        free(name);
        free(text);
        return -ENOMEM;
    }
    s->kept_back[s->n] = kept_back;
    s->items[s->n++] = (struct policy_buffer){.name = name, .text = text, .len = len};
    return 0;
}

static int add_own(struct sources *s, const struct build_options *o, const struct guarded *guarded,
                   const struct own_files *files, uint64_t controls, struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int r;

    r = own_policy(o->run_dir, guarded, files, controls, &sb, err);
    if (r < 0)
        return r;
    r = sb_finish(&sb, &s->own);
    if (r < 0 || !GREEDY(s->items, s->cap, 1) || !GREEDY(s->kept_back, s->cap_kept, 1))
        return error_set(err, -ENOMEM, "%m");
    s->items[s->n++] =
        (struct policy_buffer){.name = BUILD_OWN_FILE, .text = s->own, .len = strlen(s->own)};
    return 0;
}

// Not in what is kept as accepted: it ends by itself.
static int add_isolation(struct sources *s, const struct build_options *o, struct error *err)
{
    int r;

    if (!o->isolation)
        return 0;
    r = sources_add(s, xstrndup(ISOLATION_FILE, sizeof(ISOLATION_FILE)),
                    xstrndup(o->isolation, strlen(o->isolation)), strlen(o->isolation), false);
    return r < 0 ? error_set(err, r, "%m") : 0;
}

static int add_file(struct sources *s, const char *dir, const char *name,
                    struct policy_diags *diags)
{
    _cleanup_(sb_done) struct strbuf path = {};
    _cleanup_free_ char *full = NULL;
    char *text = NULL;
    size_t len = 0;
    int r;

    sb_printf(&path, "%s/%s", dir, name);
    r = sb_finish(&path, &full);
    if (r < 0)
        return r;
    // One byte more than a policy may have, so that the reader of policies is who complains.
    r = read_file_bounded(AT_FDCWD, full, POLICY_FILE_MAX + 1, &text, &len);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        (void)policy_diag_add(diags, POLICY_ERROR, full, 0, 0, "the file cannot be read: %s",
                              r == -EINVAL  ? "it is not a regular file"
                              : r == -EFBIG ? "it is larger than a policy may be"
                                            : strerror(-r));
        return 0;
    }
    return sources_add(s, TAKE_PTR(full), text, len, false);
}

// A file of the directory, or of the server.
struct entry {
    const char *name;
    const struct bundle_file *server; // NULL: of the directory
};

// By name; where both have one of this name, the host's own goes first.
static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = natural_cmp(x->name, y->name);

    return order ? order : (x->server != NULL) - (y->server != NULL);
}

static int add_server_file(struct sources *s, const char *dir, const struct bundle_file *file)
{
    _cleanup_(sb_done) struct strbuf path = {};
    char *full = NULL;

    sb_printf(&path, "%s/%s", dir, file->name);
    if (sb_finish(&path, &full) < 0)
        return -ENOMEM;
    return sources_add(s, full, memdup(file->text, file->len), file->len,
                       file->mode == BUNDLE_MONITOR);
}

static int list_dir(const char *dir, bool may_be_missing, char ***ret_names, struct error *err)
{
    _cleanup_(strv_freep) char **names = NULL, **more = NULL;
    int r;

    r = dir_names(AT_FDCWD, dir, ".yaml", POLICY_FILES_MAX, &names);
    r = r < 0 ? r : dir_names(AT_FDCWD, dir, ".yml", POLICY_FILES_MAX, &more);
    STRV_FOREACH (name, more)
        r = r < 0 ? r : strv_append(&names, *name);
    if (r == -ENOENT && may_be_missing)
        return 0;
    if (r < 0) {
        (void)error_set(err, r, "the directory of policies cannot be read: %s: %m", dir);
        if (r == -ENOENT)
            error_cure(err, "create it, or set policy_dir in agent.yaml");
        return r;
    }
    *ret_names = TAKE_PTR(names);
    return 0;
}

// All files of both places, in the order of their names.
static int add_dirs(struct sources *s, const struct build_options *o, struct policy_diags *diags,
                    struct error *err)
{
    _cleanup_(bundle_dir_done) struct bundle_dir server = {};
    _cleanup_(strv_freep) char **names = NULL;
    _cleanup_free_ struct entry *entries = NULL;
    size_t n = 0;
    int r = 0;

    if (o->server_dir)
        r = bundle_dir_read(o->server_dir, &server, err);
    if (r == 0 && o->server_id[0] && !streq(o->server_id, server.id))
        r = error_set(err, -ESTALE, "the policies that the server sent are not there any more");
    if (r == 0)
        r = list_dir(o->dir, server.n > 0, &names, err);
    if (r < 0)
        return r;
    entries = new0(struct entry, server.n + strv_len(names));
    if (!entries)
        return error_set(err, -ENOMEM, "%m");
    STRV_FOREACH (name, names)
        entries[n++].name = *name;
    for (size_t i = 0; i < server.n; i++)
        entries[n++] = (struct entry){server.files[i].name, &server.files[i]};
    qsort(entries, n, sizeof(*entries), by_name);
    if (n == 0)
        (void)policy_diag_add(diags, POLICY_WARNING, o->dir, 0, 0,
                              "there is no policy here: no file ends in .yaml or .yml");
    for (size_t i = 0; i < n && r == 0; i++)
        r = entries[i].server ? add_server_file(s, o->server_shown, entries[i].server)
                              : add_file(s, o->dir, entries[i].name, diags);
    if (r < 0)
        return error_set(err, r, "%m");
    memcpy(s->bundle, server.id, sizeof(s->bundle));
    return 0;
}

static bool is_of(struct json_object *root, const struct build_options *o)
{
    return json_get_u64(root, "policy_id", 0) == o->policy_id &&
           streq(json_get_str(root, "boot_id", ""), strempty(o->boot_id));
}

// {"policy_id": N, "boot_id": "...", "bundle": "...", "files": [{"file": "...", "text": "...", "monitor": true}, ...]};
// earlier agents wrote the list alone.
static int add_accepted(struct sources *s, const struct build_options *o, struct error *err)
{
    struct json_object *root, *files, *item, *text;
    _cleanup_free_ char *buf = NULL;
    const char *path = o->accepted;
    int r;

    r = read_file_bounded(AT_FDCWD, path, BUILD_ACCEPTED_MAX, &buf, NULL);
    if (r < 0)
        return error_set(err, r, "%s: %m", path);
    root = json_tokener_parse(buf);
    files = json_object_is_type(root, json_type_object) ? json_get(root, "files") : root;
    if (!json_object_is_type(files, json_type_array))
        r = error_set(err, -EBADMSG, "%s: it is not what this agent writes there", path);
    else if (o->only_names && !is_of(root, o))
        r = error_set(err, -ESTALE, "%s: it is another policy than the one in force", path);
    for (size_t i = 0; r >= 0 && i < json_object_array_length(files); i++) {
        item = json_object_array_get_idx(files, i);
        text = json_get(item, "text");
        if (!json_object_is_type(text, json_type_string) || !json_get_str(item, "file", NULL)) {
            r = error_set(err, -EBADMSG, "%s: it is not what this agent writes there", path);
            break;
        }
        r = sources_add(s, xstrndup(json_get_str(item, "file", ""), 4096),
                        memdup(json_object_get_string(text),
                               (size_t)json_object_get_string_len(text)),
                        (size_t)json_object_get_string_len(text),
                        json_get_bool(item, "monitor", 0));
        if (r < 0)
            (void)error_set(err, r, "%s: %m", path);
    }
    (void)snprintf(s->bundle, sizeof(s->bundle), "%s", json_get_str(root, "bundle", ""));
    json_object_put(root);
    return MIN(r, 0);
}

int build_keep(const struct loaded *l, const char *boot_id, const char *path)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "policy_id", l->id);
    jw_kv_str(&jw, "boot_id", boot_id);
    if (l->bundle[0])
        jw_kv_str(&jw, "bundle", l->bundle);
    jw_kv_array(&jw, "files");
    for (uint32_t i = l->isolated ? 2 : 1; i < l->policy->n_files; i++) {
        jw_begin_object(&jw);
        jw_kv_str(&jw, "file", l->policy->files[i].path);
        jw_kv_strn(&jw, "text", l->policy->files[i].text, l->policy->files[i].text_len);
        if (l->kept_back[i])
            jw_kv_bool(&jw, "monitor", true);
        jw_end_object(&jw);
        if (sb.len > BUILD_ACCEPTED_MAX)
            return -EFBIG;
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    return r < 0 ? r : write_file_atomic(AT_FDCWD, path, sb.s, sb.len, 0600);
}

// The files that are kept back, or all of them but the agent's own and those of an isolation, which are the first `own`.
static void only_monitor(struct policy *p, const bool *kept_back, bool all, uint32_t own)
{
    for (uint32_t i = 0; i < p->n_rules; i++)
        if (p->rules[i].pos.file >= own && (all || kept_back[p->rules[i].pos.file]))
            p->rules[i].monitor = true;
    for (uint32_t i = own; i < p->n_files; i++)
        if (all || kept_back[i])
            p->files[i].monitor = true;
}

void loaded_keep_names(struct loaded *l)
{
    l->only_names = true;
    if (l->refs == 1)
        forget(l);
}

struct loaded *loaded_drop_names(struct loaded *l)
{
    if (l)
        l->only_names = false; // who else has a reference needs more than names
    return loaded_unref(l);
}

// "/etc/shadow /etc/gshadow": what a rule without a name is called.
static void rule_name(const struct policy_rule *rule, struct strbuf *sb)
{
    size_t begin = sb->len;
    bool more = true;

    for (uint32_t i = 0; more; i++) {
        _cleanup_(sb_done) struct strbuf one = {};

        more = policy_rule_about(rule, i, &one);
        if (one.len == 0)
            continue;
        if (sb->len - begin + one.len > RULE_NAME_MAX && sb->len > begin) {
            sb_puts(sb, " ...");
            return;
        }
        if (sb->len > begin)
            sb_putc(sb, ' ');
        sb_add(sb, sb_str(&one), MIN(one.len, (size_t)RULE_NAME_MAX));
    }
}

// Texts one behind the other: of each file its name and its path, then the names of the rules.
struct names {
    struct strbuf text;
    size_t *ends;
    size_t n;
};

static void names_done(struct names *n)
{
    sb_done(&n->text);
    free(n->ends);
}

static struct bytes name_at(const char *text, const struct names *n, size_t i)
{
    size_t start = i ? n->ends[i - 1] : 0;

    return (struct bytes){text + start, (uint32_t)(n->ends[i] - start)};
}

static bool is_guard(const struct build_options *o, size_t rule)
{
    return o->defended && rule >= BUILD_KEPT_RULES && rule < BUILD_KEPT_RULES + BUILD_GUARD_RULES;
}

static int collect_names(const struct build_options *o, const struct policy *p, struct names *n)
{
    n->ends = new0(size_t, 2 * (size_t)p->n_files + p->n_rules);
    if (!n->ends)
        return -ENOMEM;
    for (size_t i = 0; i < p->n_files; i++) {
        sb_puts(&n->text, p->files[i].name);
        n->ends[n->n++] = n->text.len;
        sb_puts(&n->text, p->files[i].path);
        n->ends[n->n++] = n->text.len;
    }
    for (size_t i = 0; i < p->n_rules; i++) {
        if (is_guard(o, i))
            sb_puts(&n->text, BUILD_GUARD_NAME);
        else
            rule_name(&p->rules[i], &n->text);
        n->ends[n->n++] = n->text.len;
    }
    return n->text.failed ? -ENOMEM : 0;
}

static int make_rules(const struct build_options *o, struct loaded *l)
{
    const struct policy *p = l->policy;
    _cleanup_(names_done) struct names names = {};
    int r;

    l->n_rules = p->n_rules;
    l->rules = new0(struct rule_ref, l->n_rules);
    if (!l->rules)
        return -ENOMEM;
    r = collect_names(o, p, &names);
    if (r == 0)
        r = sb_finish(&names.text, &l->names);
    for (size_t i = 0; r == 0 && i < l->n_rules; i++) {
        const struct policy_rule *rule = &p->rules[i];
        const size_t file = rule->pos.file;

        l->rules[i] = (struct rule_ref){
            .policy = name_at(l->names, &names, 2 * file),
            .file = name_at(l->names, &names, 2 * file + 1),
            .line = rule->pos.line,
            .name = name_at(l->names, &names, 2 * (size_t)p->n_files + i),
        };
        if (file == 0)
            l->n_own = i + 1;
        if (rule->verdict != SG_ALLOW && (file != 0 || is_guard(o, i)))
            l->ops |= rule->ops;
    }
    return r;
}

static int build_with(const struct build_options *o, const struct guarded *guarded,
                      const struct own_files *files, uint64_t controls, struct policy_diags *diags,
                      struct loaded **ret_loaded, struct error *err)
{
    _cleanup_(sources_done) struct sources sources = {};
    _cleanup_(loaded_unrefp) struct loaded *l = new0(struct loaded, 1);
    int r;

    if (!l)
        return error_set(err, -ENOMEM, "%m");
    l->refs = 1;
    l->accepted = o->accepted != NULL;
    l->mounts = o->mounts_digest;
    l->built_ns = now_ns(CLOCK_REALTIME);
    r = add_own(&sources, o, guarded, files, controls, err);
    if (r == 0)
        r = add_isolation(&sources, o, err);
    if (r == 0 && o->accepted)
        r = add_accepted(&sources, o, err);
    else if (r == 0 && o->dir)
        r = add_dirs(&sources, o, diags, err);
    if (r < 0)
        return r;
    r = policy_load_buffers(sources.items, sources.n, NULL, diags, &l->policy);
    if (r == 0 && diags->n_errors > 0)
        r = -EINVAL; // a file could not be read: the others are not the whole policy
    if (r < 0)
        return error_set(err, r, "the policies have mistakes");
    assert(l->policy->n_files == sources.n);
    l->kept_back = TAKE_PTR(sources.kept_back);
    memcpy(l->bundle, sources.bundle, sizeof(l->bundle));
    l->isolated = o->isolation != NULL;
    only_monitor(l->policy, l->kept_back, o->monitor, l->isolated ? 2 : 1);
    if (o->isolation)
        policy_diags_drop_warnings(diags);
    if (!o->only_names)
        r = policy_compile(l->policy, o->mounts,
                           // Of rules that an isolation hides there is nothing to tell.
                           &(struct policy_compile_options){.own_file = !o->defended,
                                                            .no_warnings = o->isolation},
                           diags, &l->image);
    if (r < 0)
        return error_set(err, r, "the policies cannot be compiled: %m");
    l->named = l->image && policy_image_head(l->image)->controls >> SG_CONTROL_MAX;
    r = make_rules(o, l);
    if (r < 0)
        return error_set(err, r, "%m");
    *ret_loaded = TAKE_PTR(l);
    return 0;
}

// Also for rules that are only to be named: they have to be numbered like those that are in force.
static bool locks_out(const struct own_files *files, const struct loaded *l)
{
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;

    if (l->image)
        return own_locked_out(files, l->image);
    return policy_compile(l->policy, NULL, NULL, NULL, &image) == 0 && own_locked_out(files, image);
}

// The kinds that the host's own rules speak of.
static uint64_t controls_of(const struct policy *p)
{
    uint64_t kinds = 0;

    for (uint32_t i = 0; i < p->n_rules; i++)
        for (uint32_t k = 0; p->rules[i].pos.file != 0 && k < p->rules[i].paths.n; k++)
            if (p->rules[i].paths.items[k].control)
                kinds |= SG_BIT(p->rules[i].paths.items[k].control->kind);
    return kinds;
}

int build_policy(const struct build_options *o, struct policy_diags *diags,
                 struct loaded **ret_loaded, struct error *err)
{
    _cleanup_(own_files_done) struct own_files files = {};
    _cleanup_(guarded_done) struct guarded guarded = {};
    _cleanup_(loaded_unrefp) struct loaded *l = NULL;
    uint64_t controls;
    bool locked;
    int r;

    r = own_files_find(o->config_path, &files);
    if (r < 0)
        return error_set(err, r, "what safeguard's own programs need cannot be found: %m");
    if (o->defended)
        r = guarded_find(o->defended, files.programs, &guarded);
    if (r < 0)
        return error_set(err, r, "what is safeguard's own cannot be found: %m");
    r = build_with(o, o->defended ? &guarded : NULL, NULL, 0, diags, &l, err);
    if (r < 0)
        return r;
    assert(l);
    // Rules about libraries cost every program that starts, and a kind that is spoken of costs whoever asks: only where they
    // are needed.
    locked = locks_out(&files, l);
    controls = controls_of(l->policy);
    if (locked || controls) {
        loaded_unref(TAKE_PTR(l));
        policy_diags_done(diags);
        *diags = (struct policy_diags){};
        r = build_with(o, o->defended ? &guarded : NULL, locked ? &files : NULL, controls, diags,
                       &l, err);
        if (r < 0)
            return r;
    }
    *ret_loaded = TAKE_PTR(l);
    return 0;
}
