// SPDX-License-Identifier: Apache-2.0
#include "tests/store/suite.h"

static uint64_t now(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

static void told(void *ctx, enum store_told kind, const struct error *what)
{
    struct fixture *f = ctx;

    f->told[kind]++;
    f->last_told = *what;
}

void fixture_open(struct fixture *f)
{
    f->err = (struct error){};
    if (store_open(f->url, &f->options, &f->st, &f->err) != 0)
        error_print(&f->err, stderr);
    assert_non_null(f->st);
}

void fixture_begin(struct fixture *f)
{
    *f = (struct fixture){.dir = unit_mkdtemp(), .now_ms = UINT64_C(1764115200000)};
    f->options = (struct store_options){
        .now_ms = now, .told = told, .ctx = f, .threads = 2, .scan_ms = 10000};
    (void)snprintf(f->url, sizeof(f->url), "%s:%s%s", suite_scheme,
                   streq(suite_scheme, "null") ? "" : f->dir,
                   streq(suite_scheme, "null") ? "" : "/records");
    fixture_open(f);
}

void fixture_reopen(struct fixture *f)
{
    f->st = store_close(f->st);
    fixture_open(f);
}

void fixture_end(struct fixture *f)
{
    store_close(f->st);
    unit_rmdir(f->dir);
}

struct stream_id stream_of(unsigned n)
{
    struct stream_id id = {{0xaa}};

    id.b[1] = (uint8_t)(n >> 8);
    id.b[2] = (uint8_t)n;
    return id;
}

static void kv(struct jw *jw, const char *key, const char *s)
{
    if (s)
        jw_kv_str(jw, key, s);
}

static void object_with(struct jw *jw, const char *object, const char *key, const char *s)
{
    if (!s)
        return;
    jw_kv_object(jw, object);
    jw_kv_str(jw, key, s);
    jw_end_object(jw);
}

void made_json(const struct made_record *r, struct strbuf *sb)
{
    static const unsigned actions[] = {2, 3, 3, 1, 3, 0}, dispositions[] = {2, 15, 17, 1, 19, 0};
    struct jw jw;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "activity_id", r->activity);
    jw_kv_u64(&jw, "class_uid", r->class_uid);
    jw_kv_u64(&jw, "severity_id", r->severity);
    if (r->outcome != STORE_OTHER) {
        jw_kv_u64(&jw, "action_id", actions[r->outcome]);
        jw_kv_u64(&jw, "disposition_id", dispositions[r->outcome]);
    }
    if (r->policy) {
        jw_kv_object(&jw, "policy");
        jw_kv_str(&jw, "name", r->policy);
        jw_end_object(&jw);
    }
    jw_kv_object(&jw, "actor");
    jw_kv_object(&jw, "user");
    kv(&jw, "name", r->user);
    jw_end_object(&jw);
    jw_kv_object(&jw, "process");
    jw_kv_u64(&jw, "pid", r->number + 100);
    if (r->program) {
        jw_kv_object(&jw, "file");
        jw_kv_str(&jw, "path", r->program);
        jw_end_object(&jw);
    }
    kv(&jw, "uid", r->process);
    object_with(&jw, "parent_process", "uid", r->parent);
    object_with(&jw, "user", "name", r->run_user);
    object_with(&jw, "container", "uid", r->container);
    jw_end_object(&jw);
    object_with(&jw, "session", "uid", r->session);
    jw_end_object(&jw);
    if (r->target) {
        jw_kv_object(&jw, "process");
        jw_kv_str(&jw, "uid", r->target);
        kv(&jw, "cmd_line", r->cmd_line);
        object_with(&jw, "parent_process", "uid", r->target_parent);
        jw_end_object(&jw);
    }
    if (r->launch)
        jw_kv_u64(&jw, "launch_type_id", r->launch);
    if (r->path) {
        jw_kv_object(&jw, "file");
        jw_kv_str(&jw, "path", r->path);
        jw_end_object(&jw);
    }
    jw_kv_u64(&jw, "time", r->time_ms);
    if (r->count > 1)
        jw_kv_u64(&jw, "count", r->count);
    kv(&jw, "message", r->message);
    jw_kv_object(&jw, "unmapped");
    kv(&jw, "rule", r->rule);
    if (r->exec_asked) {
        jw_kv_array(&jw, "access");
        jw_str(&jw, "read", 4);
        jw_str(&jw, "exec", 4);
        jw_end_array(&jw);
    }
    jw_end_object(&jw);
    jw_end_object(&jw);
    assert_int_equal(jw_finish(&jw), 0);
    sb_putc(sb, '\n');
}

void batch_of(struct one_batch *b, const char *host, unsigned stream, uint64_t first,
              const char *text)
{
    *b = (struct one_batch){.block = {.raw = text, .raw_len = (uint32_t)strlen(text)}};
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        b->block.n_records++;
    b->batch = (struct record_batch){.host = host,
                                     .class = stream % 2 ? STREAM_AUDIT : STREAM_SECURITY,
                                     .stream = stream_of(stream),
                                     .first_seq = first,
                                     .n_records = b->block.n_records,
                                     .blocks = &b->block,
                                     .n_blocks = 1};
}

int append_text(struct fixture *f, const char *host, unsigned stream, uint64_t first,
                const char *text, struct store_appended *ret)
{
    struct store_appended ignored;
    struct one_batch b;

    batch_of(&b, host, stream, first, text);
    b.batch.received_ms = f->now_ms;
    return store_append(f->st, &b.batch, ret ? ret : &ignored, &f->err);
}

int collect_line(void *ctx, const struct store_row *row)
{
    struct lines *l = ctx;

    sb_add(&l->text, row->line, row->len);
    sb_putc(&l->text, '\n');
    (void)snprintf(l->last_id, sizeof(l->last_id), "%s", row->id);
    l->n++;
    return 0;
}
