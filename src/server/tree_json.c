// SPDX-License-Identifier: Apache-2.0
#include "server/tree_json.h"

#include <string.h>

#include <json-c/json.h>

#include "api/api.h"
#include "base/jsonget.h"
#include "base/macro.h"

#define DEPTH_MAX     32
#define ANCESTORS_MAX 64

static void text(struct jw *out, const char *key, const char *s)
{
    jw_kv_str(out, key, s);
}

static void write_process(struct jw *out, struct json_object *p)
{
    struct json_object *pid = json_get(p, "pid"), *file = json_get(p, "file");
    const char *path = json_get_str(p, "path", json_get_str(file, "path", NULL)),
               *name = json_get_str(p, "name", NULL), *slash;

    // An ancestor has its path alone: the name is the path's end.
    if (!name && path)
        name = (slash = strrchr(path, '/')) ? slash + 1 : path;
    jw_begin_object(out);
    if (json_object_is_type(pid, json_type_int))
        jw_kv_i64(out, "pid", json_object_get_int64(pid));
    else
        jw_kv_null(out, "pid");
    text(out, "name", name);
    text(out, "path", path);
    text(out, "uid", json_get_str(p, "uid", NULL));
    text(out, "user", json_get_str(json_get(p, "user"), "name", NULL));
    text(out, "cmd_line", json_get_str(p, "cmd_line", NULL));
    jw_end_object(out);
}

static bool same_process(struct json_object *a, struct json_object *b)
{
    const char *x = json_get_str(a, "uid", NULL), *y = json_get_str(b, "uid", NULL);

    return x && y && streq(x, y);
}

static void write_ancestors(struct jw *out, struct json_object *process)
{
    struct json_object *list = json_get(process, "ancestry"),
                       *parent = json_get(process, "parent_process");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    // The nearest comes first there. The parent is told in full.
    for (size_t i = MIN(n, (size_t)ANCESTORS_MAX); i-- > 0;) {
        struct json_object *p = json_object_array_get_idx(list, i);

        if (json_object_is_type(p, json_type_object) && !same_process(p, parent))
            write_process(out, p);
    }
    if (json_object_is_type(parent, json_type_object))
        write_process(out, parent);
}

void tree_json_write(struct jw *out, const char *line, size_t len)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *root = tokener ? json_tokener_parse_ex(tokener, line, (int)len) : NULL;
    struct json_object *actor = json_get(json_get(root, "actor"), "process"),
                       *started = json_get(root, "process");

    if (json_object_is_type(actor, json_type_object)) {
        write_ancestors(out, actor);
        write_process(out, actor);
        if (json_object_is_type(started, json_type_object) && !same_process(actor, started))
            write_process(out, started);
    }
    json_object_put(root);
    if (tokener)
        json_tokener_free(tokener);
}
