// SPDX-License-Identifier: Apache-2.0
#include "transport/msg_poll.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"

#define TIME_MAX ((uint64_t)INT64_MAX / 1000000)

int msg_poll_path(struct strbuf *out, const char *session, const char *bundle, const char *after)
{
    // Ids need no escaping: see wire_id_valid().
    if (!wire_id_valid(session) || (bundle && !wire_id_valid(bundle)) ||
        (!str_isempty(after) && !wire_id_valid(after)))
        return -EINVAL;
    sb_printf(out, WIRE_POLL "?session=%s&bundle=%s&after=%s", session, strempty(bundle),
              strempty(after));
    return out->failed ? -ENOMEM : 0;
}

static void write_commands(struct jw *jw, const char *key, const struct msg_command *list, size_t n)
{
    jw_kv_array(jw, key);
    for (size_t i = 0; i < n; i++) {
        const char *args = list[i].args ? list[i].args : "{}";

        jw_begin_object(jw);
        jw_kv_str(jw, "id", list[i].id);
        jw_kv_str(jw, "name", list[i].name);
        jw_key(jw, "args");
        jw_raw(jw, args, strlen(args));
        jw_kv_u64(jw, "deadline_ms", list[i].deadline_ms);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

int msg_poll_write(struct strbuf *out, const struct msg_poll *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "bundle", m->bundle);
    write_commands(&jw, "commands", m->commands, m->n_commands);
    write_commands(&jw, "questions", m->questions, m->n_questions);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

static int read_command(struct json_object *o, struct msg_command *ret, struct error *err)
{
    struct msg_command m = {};
    struct json_object *args = NULL;
    int r;

    r = wire_get_str(o, "id", WIRE_ID_MAX, &m.id, err);
    if (r == 0 && !wire_id_valid(m.id))
        r = error_set(err, -EBADMSG, "a command has no id that can be");
    if (r == 0)
        r = wire_get_str(o, "name", WIRE_ID_MAX, &m.name, err);
    if (r == 0)
        r = wire_get_object(o, "args", &args, err);
    if (r == 0)
        r = wire_get_u64(o, "deadline_ms", TIME_MAX, &m.deadline_ms, err);
    if (r < 0)
        return r;
    // The text belongs to the object and lives as long.
    m.args = json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN);
    if (!m.args)
        return error_set(err, -ENOMEM, "no memory");
    if (strlen(m.args) > MSG_COMMAND_ARGS_MAX)
        return error_set(err, -EBADMSG, "the arguments of a command are too long");
    *ret = m;
    return 0;
}

static int read_commands(struct json_object *root, const char *key, struct msg_command *list,
                         size_t max, size_t *ret_n, struct error *err)
{
    struct json_object *array = NULL;
    size_t n = 0;
    int r = wire_get_array(root, key, max, &array, &n, err);

    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_command(json_object_array_get_idx(array, i), &list[i], err);
    if (r == 0)
        *ret_n = n;
    return r;
}

int msg_poll_read(const char *text, size_t len, struct msg_poll *ret, struct error *err)
{
    struct msg_poll m = {};
    int r;

    r = wire_parse(text, len, WIRE_POLL_MAX, 4096, "answer to poll", &m.root, err);
    if (r == 0)
        r = wire_get_str_opt(m.root, "bundle", WIRE_ID_MAX, &m.bundle, err);
    if (r == 0 && m.bundle && !wire_id_valid(m.bundle))
        r = error_set(err, -EBADMSG, "'bundle' is not an id");
    if (r == 0)
        r = read_commands(m.root, "commands", m.commands, MSG_COMMANDS_MAX, &m.n_commands, err);
    if (r == 0 && json_object_object_get_ex(m.root, "questions", NULL))
        r = read_commands(m.root, "questions", m.questions, MSG_QUESTIONS_MAX, &m.n_questions, err);
    if (r < 0) {
        msg_poll_done(&m);
        return r;
    }
    for (size_t i = 0; i < m.n_questions; i++)
        m.questions[i].question = true;
    *ret = m;
    return 0;
}

void msg_poll_done(struct msg_poll *m)
{
    json_object_put(m->root);
    *m = (struct msg_poll){};
}

int msg_bundle_write(struct strbuf *out, const struct msg_bundle *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "id", m->id);
    jw_kv_array(&jw, "files");
    for (size_t i = 0; i < m->n_files; i++) {
        jw_begin_object(&jw);
        jw_kv_str(&jw, "name", m->files[i].name);
        jw_kv_strn(&jw, "text", m->files[i].text, m->files[i].len);
        jw_kv_str(&jw, "mode", bundle_mode_name(m->files[i].mode));
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

static int read_file(struct json_object *o, struct bundle_file *ret, struct error *err)
{
    struct bundle_file file = {};
    const char *mode = NULL;
    int r;

    r = wire_get_str(o, "name", BUNDLE_NAME_MAX, &file.name, err);
    if (r == 0)
        r = wire_get_str(o, "text", BUNDLE_TEXT_MAX, &file.text, err);
    if (r == 0)
        r = wire_get_str(o, "mode", WIRE_ID_MAX, &mode, err);
    if (r == 0 && bundle_mode_find(mode, &file.mode) < 0)
        r = error_set(err, -EBADMSG, "a policy has a mode that this version does not know");
    if (r < 0)
        return r;
    file.len = strlen(file.text);
    *ret = file;
    return 0;
}

static int read_files(struct msg_bundle *m, struct error *err)
{
    struct json_object *files = NULL;
    char id[BUNDLE_ID_TEXT];
    size_t n = 0;
    int r;

    r = wire_get_array(m->root, "files", BUNDLE_FILES_MAX, &files, &n, err);
    if (r < 0)
        return r;
    m->files = new0(struct bundle_file, n);
    if (!m->files)
        return error_set(err, -ENOMEM, "no memory");
    m->n_files = n;
    for (size_t i = 0; i < n; i++) {
        r = read_file(json_object_array_get_idx(files, i), &m->files[i], err);
        if (r < 0)
            return r;
    }
    r = bundle_id(m->files, n, id);
    if (r == -ENOMEM || r == -EIO)
        return error_set(err, r, "no memory");
    if (r < 0 || !streq(id, m->id))
        return error_set(err, -EBADMSG, "the policies are not those that their id stands for");
    return 0;
}

int msg_bundle_read(const char *text, size_t len, struct msg_bundle *ret, struct error *err)
{
    struct msg_bundle m = {};
    int r;

    r = wire_parse(text, len, WIRE_BUNDLE_MAX, 8 * BUNDLE_FILES_MAX, "bundle", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "id", BUNDLE_ID_TEXT - 1, &m.id, err);
    if (r == 0)
        r = read_files(&m, err);
    if (r < 0) {
        msg_bundle_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_bundle_done(struct msg_bundle *m)
{
    free(m->files);
    json_object_put(m->root);
    *m = (struct msg_bundle){};
}
