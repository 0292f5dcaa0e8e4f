// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/color.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"
#include "cli/columns.h"
#include "cli/ps.h"
#include "cli/render.h"

#define HASH_SHORT    12u
#define COMMAND_LEAST 20u // columns of a command, however narrow the terminal
#define TREE_DEEPEST  64u // levels that lines are drawn for
#define DAY_MS        UINT64_C(86400000)

// Choosing.

static bool is_number_of(struct json_object *p, const char *key, const char *text)
{
    uint64_t n;

    return parse_u64(text, &n) == 0 && json_get(p, key) && json_get_u64(p, key, n + 1) == n;
}

static bool is_user(struct json_object *p, const char *name, const char *id, const char *wanted)
{
    return !wanted || streq(json_get_str(p, name, ""), wanted) || is_number_of(p, id, wanted);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_named(struct json_object *p, const char *name)
{
    const char *program = json_get_str(p, "program", ""), *comm = json_get_str(p, "comm", "");

    if (is_number_of(p, "pid", name))
        return true;
    if (name[0] == '/')
        return streq(program, name);
    return streq(base_of(program), name) || streq(comm, name);
}

static bool is_any_named(struct json_object *p, const struct ps_filter *f)
{
    for (int i = 0; i < f->n_names; i++)
        if (is_named(p, f->names[i]))
            return true;
    return f->n_names == 0;
}

static bool is_of_package(struct json_object *p, const char *wanted)
{
    const char *package = json_get_str(p, "package", "");

    if (!wanted)
        return true;
    if (!streq(wanted, "none"))
        return streq(package, wanted);
    return !package[0] && !json_get_bool(p, "kernel_thread", 0);
}

bool ps_matches(struct json_object *p, const struct ps_filter *f)
{
    const char *container = json_get_str(p, "container", "");

    if (!is_user(p, "user", "user_id", f->user) || !is_user(p, "login", "login_id", f->login))
        return false;
    if (f->session && !streq(json_get_str(p, "session", "none"), f->session))
        return false;
    if (f->container && (!container[0] || !str_startswith(container, f->container)))
        return false;
    if (f->deleted && !json_get_bool(p, "deleted", 0) && !json_get_bool(p, "foreign", 0))
        return false;
    return is_of_package(p, f->package) && is_any_named(p, f);
}

int ps_add(struct ps_rows *rows, struct json_object *array)
{
    size_t n = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

    if (!GREEDY(rows->rows, rows->cap, rows->n + n))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct json_object *p = json_object_array_get_idx(array, i);

        if (!json_object_is_type(p, json_type_object))
            continue;
        rows->rows[rows->n++] = (struct ps_row){
            .process = json_object_get(p),
            .uid = json_get_str(p, "uid", ""),
            .below = json_get_str(p, "below", ""),
            .pid = json_get_u64(p, "pid", 0),
            .started_ms = json_get_u64(p, "started_ms", 0),
        };
    }
    return 0;
}

void ps_done(struct ps_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        json_object_put(rows->rows[i].process);
    free(rows->rows);
    *rows = (struct ps_rows){};
}

static int by_pid(const void *x, const void *y)
{
    const struct ps_row *a = x, *b = y;

    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return strcmp(a->uid, b->uid);
}

// Whoever is below somebody that began later would be below himself, in the end.
static bool may_be_below(const struct ps_row *child, const struct ps_row *parent)
{
    return parent != child && (parent->started_ms < child->started_ms ||
                               (parent->started_ms == child->started_ms && parent < child));
}

static void link_rows(struct ps_rows *rows)
{
    _cleanup_(map_freep) struct map *by_uid = NULL;

    for (size_t i = 0; i < rows->n; i++) {
        struct ps_row *row = &rows->rows[i];

        row->parent = row->first = row->last = row->next = rows->n;
    }
    if (map_new(MAP_STR, 0, NULL, &by_uid) < 0)
        return; // a list, then
    for (size_t i = 0; i < rows->n; i++)
        if (rows->rows[i].uid[0])
            (void)map_put_str(by_uid, rows->rows[i].uid, &rows->rows[i]);
    for (size_t i = 0; i < rows->n; i++) {
        struct ps_row *row = &rows->rows[i], *parent = map_get_str(by_uid, row->below);

        if (!parent || !may_be_below(row, parent))
            continue;
        row->parent = (size_t)(parent - rows->rows);
        *(parent->last == rows->n ? &parent->first : &rows->rows[parent->last].next) = i;
        parent->last = i;
    }
}

size_t ps_choose(struct ps_rows *rows, const struct ps_options *o)
{
    size_t n = 0;

    if (rows->n)
        qsort(rows->rows, rows->n, sizeof(*rows->rows), by_pid);
    link_rows(rows);
    for (size_t i = 0; i < rows->n; i++)
        rows->rows[i].shown = ps_matches(rows->rows[i].process, &o->filter);
    // Parents need not come first: until nobody is added any more, at most as often as the tree is deep.
    for (bool again = o->tree; again;) {
        again = false;
        for (size_t i = 0; i < rows->n; i++) {
            struct ps_row *row = &rows->rows[i];

            if (row->shown || row->parent == rows->n || !rows->rows[row->parent].shown)
                continue;
            row->shown = again = true;
        }
    }
    for (size_t i = 0; i < rows->n; i++)
        n += rows->rows[i].shown;
    return n;
}

// Printing.

struct printing {
    const struct ps_rows *rows;
    const struct ps_options *o;
    struct columns columns;
    bool has_login, has_container, has_package;
    uint32_t depth;
    bool more[TREE_DEEPEST]; // has a level further children?
    size_t *order;           // rows as they are printed
    struct strbuf prefixes;  // for each of them, with a NUL
    size_t n;
};

static bool any_has(const struct ps_rows *rows, const char *key)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->rows[i].shown && json_get_str(rows->rows[i].process, key, "")[0])
            return true;
    return false;
}

static void put_titles(struct printing *p)
{
    const char **title = p->columns.titles;

    *title++ = "PID";
    if (p->o->ids)
        *title++ = "ID";
    *title++ = "USER";
    if (p->has_login)
        *title++ = "LOGIN";
    *title++ = "SESSION";
    if (p->has_container)
        *title++ = "CONTAINER";
    *title++ = "STARTED";
    if (p->has_package)
        *title++ = "PACKAGE";
    if (p->o->hashes)
        *title++ = "SHA-256";
    *title++ = "COMMAND";
    p->columns.n = (size_t)(title - p->columns.titles);
}

static void put_named(struct columns *c, struct json_object *p, const char *name, const char *id)
{
    const char *text = json_get_str(p, name, "");
    char number[24] = "";

    if (!text[0] && json_get(p, id))
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)json_get_u64(p, id, 0));
    columns_put(c, text[0] ? text : number);
}

// As ps(1): the time of today, else the day.
static void put_started(struct columns *c, uint64_t ms, uint64_t now_ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[32] = "";
    struct tm tm;

    if (ms && localtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text),
                       now_ms < ms + DAY_MS         ? "%H:%M:%S"
                       : now_ms < ms + 300 * DAY_MS ? "%b %d"
                                                    : "%Y-%m-%d",
                       &tm);
    columns_put(c, text);
}

static void put_short(struct columns *c, const char *text, size_t most)
{
    char cut[80];
    size_t len = MIN(MIN(strlen(text), most), sizeof(cut) - 1);

    memcpy(cut, text, len);
    cut[len] = '\0';
    columns_put(c, cut);
}

// What is remarkable about a program that nobody can look at by its name.
static const char *remark(struct json_object *p)
{
    if (json_get_bool(p, "deleted", 0))
        return " (deleted)";
    return json_get_bool(p, "foreign", 0) ? " (not on the host)" : "";
}

static void make_command(struct json_object *p, struct strbuf *sb)
{
    const char *command = json_get_str(p, "command", ""), *program = json_get_str(p, "program", "");

    if (command[0])
        sb_puts(sb, command);
    else if (program[0] && !json_get_bool(p, "kernel_thread", 0))
        sb_puts(sb, program);
    else
        sb_printf(sb, "[%s]", json_get_str(p, "comm", "?"));
    sb_printf(sb, "%s%s", json_get_bool(p, "command_cut", 0) ? " ..." : "", remark(p));
}

static void put_row(struct printing *p, const struct ps_row *row)
{
    struct json_object *j = row->process;
    struct columns *c = &p->columns;
    const char *hash = json_get_str(j, "sha256", "");
    char pid[24];

    (void)snprintf(pid, sizeof(pid), "%llu", (unsigned long long)row->pid);
    columns_put(c, pid);
    if (p->o->ids)
        columns_put(c, row->uid);
    put_named(c, j, "user", "user_id");
    if (p->has_login)
        put_named(c, j, "login", "login_id");
    columns_put(c, json_get_str(j, "session", ""));
    if (p->has_container)
        put_short(c, json_get_str(j, "container", ""), HASH_SHORT);
    put_started(c, row->started_ms, p->o->now_ms);
    if (p->has_package)
        columns_put(c, json_get_str(j, "package", ""));
    if (p->o->hashes)
        put_short(c, hash[0] ? hash : json_get_str(j, "hash_missing", ""),
                  p->o->width == PS_WIDTH_UNBOUNDED ? 64 : HASH_SHORT);
}

static void draw(struct printing *p, bool last)
{
    for (uint32_t i = 1; i < p->depth && i < TREE_DEEPEST; i++)
        sb_puts(&p->prefixes, p->more[i] ? "│  " : "   ");
    if (p->depth > 0)
        sb_puts(&p->prefixes, last ? "└─ " : "├─ ");
}

static size_t next_shown(const struct ps_rows *rows, size_t i)
{
    while (i < rows->n && !rows->rows[i].shown)
        i = rows->rows[i].next;
    return i;
}

// One tree, without recursion: whoever runs processes chooses how deep it is.
static void walk(struct printing *p, size_t root)
{
    const struct ps_rows *rows = p->rows;
    size_t at = root;

    p->depth = 0;
    for (;;) {
        const struct ps_row *row = &rows->rows[at];
        bool last = at == root || next_shown(rows, row->next) == rows->n;
        size_t child = next_shown(rows, row->first);

        draw(p, last);
        sb_putc(&p->prefixes, '\0');
        p->order[p->n++] = at;
        if (p->depth < TREE_DEEPEST)
            p->more[p->depth] = !last;
        if (child < rows->n) {
            p->depth++;
            at = child;
            continue;
        }
        while (at != root && next_shown(rows, rows->rows[at].next) == rows->n) {
            at = rows->rows[at].parent;
            p->depth--;
        }
        if (at == root)
            return;
        at = next_shown(rows, rows->rows[at].next);
    }
}

static void make_order(struct printing *p)
{
    for (size_t i = 0; i < p->rows->n; i++) {
        const struct ps_row *row = &p->rows->rows[i];

        if (!row->shown)
            continue;
        if (!p->o->tree) {
            p->order[p->n++] = i;
            sb_putc(&p->prefixes, '\0');
        } else if (row->parent == p->rows->n || !p->rows->rows[row->parent].shown) {
            walk(p, i);
        }
    }
}

// Columns in front of the command, with what lies between.
static uint32_t width_before(const struct columns *c)
{
    uint32_t sum = 0, widest[COLUMNS_MAX] = {};

    for (size_t i = 0; i + 1 < c->n; i++)
        widest[i] = columns_width(c->titles[i]);
    for (size_t i = 0; i < c->n_cells; i++)
        widest[i % c->n] = MAX(widest[i % c->n], c->cells[i].width);
    for (size_t i = 0; i + 1 < c->n; i++)
        sum += widest[i] + 2;
    return sum;
}

static bool is_remarkable(struct json_object *p)
{
    return json_get_bool(p, "deleted", 0);
}

// The command, escaped and cut to the room there is.
static void put_command(struct printing *p, const struct ps_row *row, const char *prefix,
                        uint32_t room)
{
    _cleanup_(sb_done) struct strbuf plain = {}, text = {};

    make_command(row->process, &plain);
    sb_puts(&text, prefix);
    put_escaped(&text, sb_str(&plain));
    if (!text.failed && columns_width(sb_str(&text)) > room) {
        sb_truncate(&text, columns_fit(sb_str(&text), room - 1));
        sb_puts(&text, "…");
    }
    if (is_remarkable(row->process))
        columns_color(&p->columns, COLOR_RED);
    columns_put_escaped(&p->columns, sb_str(&text));
}

static void print(struct printing *p, struct strbuf *sb)
{
    // Twice: how wide the others are is known once they are all there.
    uint32_t before, room = PS_WIDTH_UNBOUNDED;
    const char *prefix = sb_str(&p->prefixes);

    put_titles(p);
    for (size_t i = 0; i < p->n; i++) {
        put_row(p, &p->rows->rows[p->order[i]]);
        columns_put(&p->columns, "");
    }
    before = width_before(&p->columns);
    if (p->o->width != PS_WIDTH_UNBOUNDED)
        room = MAX(p->o->width > before ? p->o->width - before : 0, COMMAND_LEAST);
    columns_done(&p->columns);
    sb_reset(&p->columns.text);
    for (size_t i = 0; i < p->n; i++, prefix += strlen(prefix) + 1) {
        const struct ps_row *row = &p->rows->rows[p->order[i]];

        put_row(p, row);
        put_command(p, row, prefix, room);
    }
    columns_print(&p->columns, p->o->color, sb);
}

void render_ps(const struct ps_rows *rows, const struct ps_options *o, struct strbuf *sb)
{
    struct printing p = {
        .rows = rows,
        .o = o,
        .has_login = any_has(rows, "login"),
        .has_container = any_has(rows, "container"),
        .has_package = any_has(rows, "package"),
        .order = new0(size_t, MAX(rows->n, (size_t)1)),
    };

    if (p.order) {
        make_order(&p);
        print(&p, sb);
    }
    sb->failed = sb->failed || !p.order || p.prefixes.failed;
    free(p.order);
    sb_done(&p.prefixes);
    columns_done(&p.columns);
}
