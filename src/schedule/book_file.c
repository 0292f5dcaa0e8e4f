// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "schedule/book_table.h"

#define FILE_MAX ((size_t)16 << 20)

static void put_values(struct jw *jw, const struct task_schedule *t)
{
    jw_kv_u64(jw, "set", t->set);
    jw_kv_i64(jw, "nice", t->nice);
    jw_kv_i64(jw, "policy", t->policy);
    jw_kv_i64(jw, "priority", t->priority);
    jw_kv_i64(jw, "io", t->io);
}

static void put_process(struct jw *jw, const struct process_entry *e)
{
    jw_begin_object(jw);
    jw_kv_u64(jw, "pid", e->pid);
    jw_kv_u64(jw, "start_ns", e->start_ns);
    jw_kv_str(jw, "rule", e->name);
    jw_kv_str(jw, "exe", e->exe);
    put_values(jw, &e->before);
    jw_kv_object(jw, "given");
    put_values(jw, &e->given);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_group(struct jw *jw, const struct group_entry *e)
{
    jw_begin_object(jw);
    jw_kv_str(jw, "group", e->group);
    jw_kv_str(jw, "rule", e->name);
    jw_kv_bool(jw, "own", e->own);
    jw_kv_u64(jw, "set", e->set);
    for (unsigned i = 0; i < GROUP_FILES; i++)
        if (e->before[i])
            jw_kv_str(jw, group_file_name((enum group_file)i), e->before[i]);
    jw_end_object(jw);
}

int book_save(struct book *b)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    if (!b->changed || !b->path)
        return 0;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_array(&jw, "processes");
    for (size_t i = 0; i < b->n_processes; i++)
        put_process(&jw, &b->processes[i]);
    jw_end_array(&jw);
    jw_kv_array(&jw, "groups");
    for (size_t i = 0; i < b->n_groups; i++)
        put_group(&jw, &b->groups[i]);
    jw_end_array(&jw);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    r = r < 0 ? r : write_file_atomic(AT_FDCWD, b->path, sb_str(&sb), sb.len, 0600);
    if (r == 0)
        b->changed = false;
    return r;
}

static struct task_schedule values_of(struct json_object *o)
{
    return (struct task_schedule){
        .set = (uint32_t)json_get_u64(o, "set", 0) & SCHEDULE_OF_PROCESS,
        .nice = (int)json_get_i64(o, "nice", 0),
        .policy = (int)json_get_i64(o, "policy", 0),
        .priority = (int)json_get_i64(o, "priority", 0),
        .io = (int)json_get_i64(o, "io", 0),
    };
}

static void take_process(struct book *b, struct json_object *o)
{
    const char *exe = json_get_str(o, "exe", NULL);
    struct process_entry e = {
        .pid = (uint32_t)json_get_u64(o, "pid", 0),
        .start_ns = json_get_u64(o, "start_ns", 0),
        .before = values_of(o),
        .given = values_of(json_get(o, "given")),
    };
    struct process_entry *added;

    if (e.pid == 0 || e.pid > INT32_MAX)
        return;
    (void)snprintf(e.name, sizeof(e.name), "%s", json_get_str(o, "rule", ""));
    e.exe = exe ? xstrndup(exe, strlen(exe)) : NULL;
    (void)book_add_process(b, &e, &added);
}

static void take_group(struct book *b, struct json_object *o)
{
    const char *group = json_get_str(o, "group", ""), *name = json_get_str(o, "rule", "");
    bool own = json_get_bool(o, "own", 0);
    struct group_entry *e;

    if (*group != '/' || strstr(group, "/..") || strlen(name) >= BOOK_NAME || strchr(name, '/') ||
        (own && strncmp(name, BOOK_GROUP, strlen(BOOK_GROUP)) != 0) ||
        book_add_group(b, group, name, own, &e) < 0)
        return;
    e->set = (uint32_t)json_get_u64(o, "set", 0) & SCHEDULE_OF_GROUP;
    for (unsigned i = 0; i < GROUP_FILES; i++) {
        const char *text = json_get_str(o, group_file_name((enum group_file)i), NULL);

        e->before[i] = text ? xstrndup(text, strlen(text)) : NULL;
    }
}

void book_read(struct book *b)
{
    _cleanup_free_ char *text = NULL;
    struct json_object *o, *list;
    size_t len = 0;

    if (!b->path || read_file_bounded(AT_FDCWD, b->path, FILE_MAX, &text, &len) < 0)
        return;
    o = json_parse(text, len, 8);
    list = json_get(o, "processes");
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        take_process(b, json_object_array_get_idx(list, i));
    list = json_get(o, "groups");
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        take_group(b, json_object_array_get_idx(list, i));
    json_object_put(o);
    b->changed = false;
}
