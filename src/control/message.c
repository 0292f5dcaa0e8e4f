// SPDX-License-Identifier: Apache-2.0
#include "control/message.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "control/frame.h"

#define DEPTH_MAX 32

static const char *const names[CONTROL_COMMAND_COUNT] = {
#define CONTROL_COMMAND(id, name, help) [CONTROL_##id] = (name),
#include "control/commands.def"
};

const char *control_command_name(enum control_command command)
{
    return (unsigned)command < CONTROL_COMMAND_COUNT ? names[command] : NULL;
}

enum control_command control_command_find(const char *name)
{
    for (unsigned i = 1; i < CONTROL_COMMAND_COUNT; i++)
        if (streq(names[i], name))
            return (enum control_command)i;
    return CONTROL_UNKNOWN;
}

struct json_object *control_json_parse(const char *text, size_t len)
{
    return len <= CONTROL_FRAME_MAX ? json_parse(text, len, DEPTH_MAX) : NULL;
}

int control_request_parse(const char *payload, size_t len, struct control_request *ret_request,
                          struct error *err)
{
    struct control_request request = {.root = control_json_parse(payload, len)};
    const char *name = json_get_str(request.root, "command", NULL);

    request.id = json_get_u64(request.root, "id", 0);
    request.args = json_get(request.root, "args");
    if (!name || request.id == 0 ||
        (request.args && !json_object_is_type(request.args, json_type_object))) {
        json_object_put(request.root);
        return error_set(err, -EBADMSG,
                         "a request has to be a JSON object with id, command and args");
    }
    request.command = control_command_find(name);
    *ret_request = request;
    if (request.command == CONTROL_UNKNOWN)
        return error_set(err, -EOPNOTSUPP, "this agent does not know the command '%.64s'", name);
    return 0;
}

void control_request_done(struct control_request *request)
{
    json_object_put(request->root);
    *request = (struct control_request){};
}

int control_request_write(struct strbuf *sb, uint64_t id, enum control_command command,
                          const char *args)
{
    size_t begin = control_frame_begin(sb, CONTROL_REQUEST);
    struct jw jw;
    int r;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "id", id);
    jw_kv_str(&jw, "command", control_command_name(command));
    jw_end_object(&jw);
    r = jw_finish(&jw);
    if (r < 0)
        return r;
    if (args) {
        sb_truncate(sb, sb->len - 1);
        sb_printf(sb, ",\"args\":%s}", args);
    }
    return control_frame_end(sb, begin);
}

static void read_error(struct json_object *o, int code, struct error *err)
{
    (void)error_at(err, code, json_get_str(o, "file", NULL), (unsigned)json_get_u64(o, "line", 0),
                   (unsigned)json_get_u64(o, "column", 0), "%s",
                   json_get_str(o, "what", "the agent gave no reason"));
    if (json_get_str(o, "expected", NULL))
        error_expected(err, "%s", json_get_str(o, "expected", NULL));
    if (json_get_str(o, "cure", NULL))
        error_cure(err, "%s", json_get_str(o, "cure", NULL));
}

int control_response_parse(const char *payload, size_t len, struct control_response *ret_response,
                           struct error *err)
{
    struct json_object *root = control_json_parse(payload, len), *error = json_get(root, "error");
    struct control_response response = {.id = json_get_u64(root, "id", 0)};
    uint64_t number;

    // Without a number: about the connection as a whole.
    if (response.id == 0 && !error) {
        json_object_put(root);
        return error_set(err, -EBADMSG, "what the agent answered is not of the form of an answer");
    }
    if (error) {
        number = json_get_u64(error, "errno", EIO);
        response.code = number > 0 && number < 4096 ? -(int)number : -EIO;
        read_error(error, response.code, err);
    } else {
        response.result = json_object_get(json_get(root, "result"));
    }
    json_object_put(root);
    *ret_response = response;
    return 0;
}

int control_response_write(struct strbuf *sb, uint64_t id, const struct strbuf *result)
{
    size_t begin = control_frame_begin(sb, CONTROL_RESPONSE);

    sb_printf(sb, "{\"id\":%llu,\"result\":", (unsigned long long)id);
    sb_add(sb, sb_str(result), result->len);
    sb_putc(sb, '}');
    return control_frame_end(sb, begin);
}

static void kv_text(struct jw *jw, const char *key, const char *text)
{
    if (*text)
        jw_kv_str(jw, key, text);
}

int control_response_write_error(struct strbuf *sb, uint64_t id, const struct error *err)
{
    size_t begin = control_frame_begin(sb, CONTROL_RESPONSE);
    struct jw jw;
    int r;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "id", id);
    jw_kv_object(&jw, "error");
    jw_kv_i64(&jw, "errno", err->code ? -err->code : EIO);
    kv_text(&jw, "what", err->what);
    kv_text(&jw, "expected", err->expected);
    kv_text(&jw, "cure", err->cure);
    kv_text(&jw, "file", err->file);
    if (err->line)
        jw_kv_u64(&jw, "line", err->line);
    if (err->column)
        jw_kv_u64(&jw, "column", err->column);
    jw_end_object(&jw);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    return r < 0 ? r : control_frame_end(sb, begin);
}
