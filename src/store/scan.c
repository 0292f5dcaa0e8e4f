// SPDX-License-Identifier: Apache-2.0
#include "store/scan.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

#define HOST_TERMS_MAX 32 // more are found by the columns

// ---- what the index is asked for

static void begin_group(struct strbuf *sb, const char *joint)
{
    if (sb->len && sb->s[sb->len - 1] != '(')
        sb_puts(sb, joint);
}

static void add_term(struct strbuf *sb, const char *joint, const char *term)
{
    begin_group(sb, joint);
    sb_printf(sb, "\"%s\"", term);
}

static void add_number(struct strbuf *sb, const char *joint, char column, uint64_t value)
{
    char term[TERM_SIZE];

    term_number(term, column, value);
    add_term(sb, joint, term);
}

static void add_text(struct strbuf *sb, const char *joint, char column, const char *s, size_t len)
{
    char term[TERM_SIZE];

    term_text(term, column, s, len);
    add_term(sb, joint, term);
}

// One of several values: ("#o0" OR "#o1").
static void add_bits(struct strbuf *sb, char column, unsigned bits, unsigned n)
{
    if (!bits)
        return;
    begin_group(sb, " AND ");
    sb_putc(sb, '(');
    for (unsigned i = 0; i < n; i++)
        if (bits & 1u << i)
            add_number(sb, " OR ", column, i);
    sb_putc(sb, ')');
}

static void add_hosts(struct strbuf *sb, const struct store_filter *f)
{
    if (f->n_hosts == 0 || f->n_hosts > HOST_TERMS_MAX)
        return;
    begin_group(sb, " AND ");
    sb_putc(sb, '(');
    for (size_t i = 0; i < f->n_hosts; i++)
        add_text(sb, " OR ", TERM_HOST, f->hosts[i], strlen(f->hosts[i]));
    sb_putc(sb, ')');
}

static void add_classes(struct strbuf *sb, const struct store_filter *f)
{
    if (f->n_classes == 0)
        return;
    begin_group(sb, " AND ");
    sb_putc(sb, '(');
    for (size_t i = 0; i < f->n_classes; i++)
        add_number(sb, " OR ", TERM_CLASS, f->classes[i]);
    sb_putc(sb, ')');
}

static void add_pattern(struct strbuf *sb, enum filter_text column, const struct filter_pattern *p)
{
    size_t dir = 0, deeper;

    if (!p->s || p->len == 0)
        return;
    if (!p->prefix) {
        add_text(sb, " AND ", term_letter(column), p->s, p->len);
        return;
    }
    // "/etc/ssh/s*": what is beneath /etc/ssh.
    for (unsigned level = 1; level <= TERM_DIRS && (deeper = term_dir(p->s, p->len, level)) > 0;
         level++)
        dir = deeper;
    if (dir && term_dir_letter(column))
        add_text(sb, " AND ", term_dir_letter(column), p->s, dir);
}

static void add_marks(struct strbuf *sb, const struct filter *f)
{
    for (unsigned m = 0; m < STORE_MARKS; m++) {
        if (f->marks[m].n == 0)
            continue;
        begin_group(sb, " AND ");
        sb_putc(sb, '(');
        for (size_t i = 0; i < f->marks[m].n; i++)
            add_text(sb, " OR ", term_mark_letter((enum store_mark)m), f->f.marks[m][i],
                     strlen(f->f.marks[m][i]));
        sb_putc(sb, ')');
    }
}

static int make_match(const struct filter *filter, bool marks, char **ret_match)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    const struct store_filter *f = &filter->f;
    unsigned severities = 0;

    add_hosts(&sb, f);
    if (f->class_uid)
        add_number(&sb, " AND ", TERM_CLASS, f->class_uid);
    add_classes(&sb, f);
    if (f->activity)
        add_number(&sb, " AND ", TERM_ACTIVITY, f->activity);
    for (unsigned v = MIN(f->severity_min, (uint32_t)TERM_SEVERITY_MAX);
         f->severity_min && v <= TERM_SEVERITY_MAX; v++)
        severities |= 1u << v;
    add_bits(&sb, TERM_SEVERITY, severities, TERM_SEVERITY_MAX + 1);
    add_bits(&sb, TERM_OUTCOME, f->outcomes, STORE_OUTCOMES);
    if (f->streams != (1u << STREAM_CLASSES) - 1)
        add_bits(&sb, TERM_STREAM, f->streams, STREAM_CLASSES);
    for (unsigned i = 0; i < FILTER_TEXTS; i++)
        add_pattern(&sb, (enum filter_text)i, &filter->texts[i]);
    if (marks)
        add_marks(&sb, filter);
    text_query_match(&filter->query, &sb);
    text_query_match(&filter->cmd_query, &sb);
    return sb_finish(&sb, ret_match);
}

// ---- open

int scan_open(struct scan *s, struct sqlite_store *st, const struct filter *filter,
              bool newest_first, uint64_t from_ms, uint64_t to_ms, struct error *err)
{
    int r;

    *s =
        (struct scan){.st = st, .filter = filter, .newest_first = newest_first, .from_ms = from_ms};
    s->to_ms = to_ms ? MIN(to_ms, STORE_TIME_MAX + 1) : STORE_TIME_MAX + 1;
    s->deadline_ns = now_ns(CLOCK_MONOTONIC) + st->base.options.scan_ms * NS_PER_MS;
    r = make_match(filter, true, &s->match);
    if (r == 0)
        r = make_match(filter, false, &s->match_unmarked);
    if (r == 0)
        r = days_take(st, from_ms, s->to_ms, &s->views, &s->n_views);
    if (r == 0 && !(s->days = new0(struct scan_day, s->n_views)))
        r = -ENOMEM;
    if (r < 0)
        return error_set(err, r, "no memory for a query");
    for (size_t i = 0; i < s->n_views; i++)
        s->days[i].view = &s->views[i];
    for (unsigned i = 0; i < FILTER_TEXTS; i++)
        s->asked[i] = filter->texts[i].s || filter->n_not_texts[i];
    s->asked[COLS_STRINGS] = filter->f.class_uid || filter->f.n_classes ||
                             filter->f.n_not_classes || filter->f.activity ||
                             filter->f.severity_min || filter->f.outcomes || filter->f.not_outcomes;
    return 0;
}

static void close_day(struct scan *s, struct scan_day *day)
{
    day->runs = db_done(day->runs);
    if (day->db)
        day_reader_give(s->st, day->view->day, day->db);
    day->db = NULL;
    day->ended = true;
}

void scan_release(struct scan *s)
{
    for (size_t i = 0; s->days && i < s->n_views; i++)
        close_day(s, &s->days[i]);
    if (s->views)
        days_give(s->st, s->views, s->n_views);
    s->views = NULL;
}

void scan_close(struct scan *s)
{
    scan_release(s);
    for (size_t i = 0; s->days && i < s->n_views; i++)
        map_free(s->days[i].streams);
    free(s->days);
    free(s->match);
    free(s->match_unmarked);
    cols_names_done(&s->names);
    s->days = NULL;
    s->match = s->match_unmarked = NULL;
}

int scan_failed(struct scan *s, struct scan_day *day, int r, struct error *err)
{
    if (r != -EUCLEAN && r != -EBADMSG)
        return r;
    if (r == -EBADMSG)
        (void)error_set(err, -EUCLEAN, "%s: columns of a run cannot be read", day->view->day->path);
    day->runs = db_done(day->runs);
    day->db = db_close(day->db);
    day->ended = true;
    day_condemn(s->st, day->view->day, err);
    error_reset(err);
    return 0;
}

bool scan_late(const struct scan *s)
{
    return now_ns(CLOCK_MONOTONIC) > s->deadline_ns;
}

// ---- from run to run

#define COLUMNS \
    "r.id, r.block, r.stream, r.number, r.first, r.n, r.time_min, r.received_ms, r.cols, r.names"

static int begin_day(struct scan *s, struct scan_day *day, struct error *err)
{
    static const char *const all[] = {
        "SELECT " COLUMNS " FROM runs r WHERE r.id BETWEEN ?1 AND ?2 ORDER BY r.id",
        "SELECT " COLUMNS " FROM runs r WHERE r.id BETWEEN ?1 AND ?2 ORDER BY r.id DESC",
    };
    static const char *const some[] = {
        "SELECT " COLUMNS " FROM words w CROSS JOIN runs r ON r.id = w.rowid "
        "WHERE w.words MATCH ?3 AND w.rowid BETWEEN ?1 AND ?2 ORDER BY w.rowid",
        "SELECT " COLUMNS " FROM words w CROSS JOIN runs r ON r.id = w.rowid "
        "WHERE w.words MATCH ?3 AND w.rowid BETWEEN ?1 AND ?2 ORDER BY w.rowid DESC",
    };
    const char *match = day->view->bounds.marked ? s->match : s->match_unmarked;
    int r = day_reader(s->st, day->view->day, &day->db, err);

    day->begun = true;
    if (r == 0)
        r = db_query(day->db, (match[0] ? some : all)[s->newest_first], &day->runs, err);
    if (r < 0)
        return r;
    db_bind_u64(day->runs, 1, run_first_id(s->from_ms));
    db_bind_u64(day->runs, 2, run_first_id(s->to_ms + day->view->bounds.slack_ms) | RUN_SEQ_MAX);
    if (match[0])
        db_bind_str(day->runs, 3, match);
    return map_new(MAP_U64, 0, free, &day->streams);
}

static int step_day(struct scan *s, struct scan_day *day, struct error *err)
{
    int r = day->begun ? 0 : begin_day(s, day, err);

    if (r == 0)
        r = db_step(day->runs, err);
    if (r < 0)
        return scan_failed(s, day, r, err);
    if (r == 0)
        close_day(s, day);
    else
        day->id = db_col_u64(day->runs, 0);
    return 0;
}

static uint64_t bound_of(const struct scan *s, const struct scan_day *day)
{
    const struct day_bounds *b = &day->view->bounds;
    uint64_t end = run_end_ms(day->id);

    if (!day->begun)
        return s->newest_first ? b->time_max + 1 : b->time_min;
    if (s->newest_first)
        return end;
    return end > b->slack_ms ? end - b->slack_ms : 0;
}

static struct scan_day *nearest(const struct scan *s)
{
    struct scan_day *found = NULL;

    for (size_t i = 0; i < s->n_views; i++) {
        struct scan_day *day = &s->days[i];

        if (day->ended)
            continue;
        if (!found || (s->newest_first ? bound_of(s, day) > bound_of(s, found)
                                       : bound_of(s, day) < bound_of(s, found)))
            found = day;
    }
    return found;
}

// The run that was handed out has been used; its file goes on.
static int advance(struct scan *s, struct error *err)
{
    struct scan_day *day = s->last;

    s->last = NULL;
    return day && !day->ended ? step_day(s, day, err) : 0;
}

int scan_bound(struct scan *s, uint64_t *ret_ms, struct error *err)
{
    const struct scan_day *day;
    int r = advance(s, err);

    if (r < 0)
        return r;
    day = nearest(s);
    if (!day)
        return 0;
    *ret_ms = bound_of(s, day);
    return 1;
}

// ---- one run

static int load_stream(struct scan *s, struct scan_day *day, uint64_t row,
                       const struct scan_stream **ret, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    struct scan_stream *found = map_get_u64(day->streams, row);
    size_t len = 0;
    const void *id;
    int r;

    if (found) {
        *ret = found;
        return 0;
    }
    r = db_query(day->db, "SELECT host, stream, class FROM streams WHERE id = ?1", &q, err);
    if (r < 0)
        return r;
    db_bind_u64(q, 1, row);
    r = db_step(q, err);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    id = db_col_blob(q, 1, &len);
    if (!db_col_str(q, 0) || len != STREAM_ID_SIZE)
        return -EBADMSG;
    found = new0(struct scan_stream, 1);
    if (!found)
        return -ENOMEM;
    (void)snprintf(found->host, sizeof(found->host), "%s", db_col_str(q, 0));
    memcpy(found->id.b, id, STREAM_ID_SIZE);
    found->class = (enum stream_class)(db_col_u64(q, 2) % STREAM_CLASSES);
    found->wanted = filter_host_matches(s->filter, found->host) &&
                    (!s->filter->f.streams || s->filter->f.streams & 1u << found->class);
    r = map_put_u64(day->streams, row, found);
    if (r < 0) {
        free(found);
        return r;
    }
    *ret = found;
    return 0;
}

static int read_run(struct scan *s, struct scan_day *day, struct scan_run *run, struct error *err)
{
    size_t len = 0;
    const void *mem;

    *run = (struct scan_run){
        .day = day,
        .id = day->id,
        .block = db_col_i64(day->runs, 1),
        .number = db_col_u64(day->runs, 3),
        .first = (uint32_t)db_col_u64(day->runs, 4),
        .n = (uint32_t)db_col_u64(day->runs, 5),
        .received_ms = db_col_u64(day->runs, 7),
    };
    mem = db_col_blob(day->runs, 8, &len);
    if (!mem || cols_parse(mem, len, run->n, db_col_u64(day->runs, 6), &run->cols) < 0)
        return -EBADMSG;
    run->names = db_col_blob(day->runs, 9, &run->names_len);
    return load_stream(s, day, db_col_u64(day->runs, 2), &run->stream, err);
}

int scan_next(struct scan *s, struct scan_run *ret_run, struct error *err)
{
    struct scan_day *day;
    int r = advance(s, err);

    while (r == 0 && (day = nearest(s))) {
        // A file begins when its turn comes; how far it is shows then.
        if (!day->begun) {
            r = step_day(s, day, err);
            continue;
        }
        s->last = day;
        s->names_read = false;
        r = read_run(s, day, ret_run, err);
        if (r == 0 && ret_run->stream->wanted)
            return 1;
        r = r < 0 ? scan_failed(s, day, r, err) : advance(s, err);
    }
    return r;
}

// ---- columns

const struct cols_names *scan_names(struct scan *s, const struct scan_run *run)
{
    if (!s->names_read && cols_names_parse(&run->cols, run->names, run->names_len, &s->names) < 0)
        return NULL;
    s->names_read = true;
    return &s->names;
}

// Which entries of a column's dictionary the pattern lets through; false: none. A whole text is compared by its hash: that lets
// nothing out, and what it lets in by chance, one text in four thousand millions, a list drops when it has the record itself. What is
// not wanted is compared as it is: a hash would drop records by chance.
static bool match_strings(struct scan *s, const struct scan_run *run, enum filter_text column)
{
    const struct filter_pattern *p = &s->filter->texts[column];
    uint32_t hash = p->s ? cols_hash(p->s, MIN(p->len, (size_t)COLS_NAME_MAX)) : 0;
    bool names = p->prefix || s->filter->n_not_texts[column], any = false;

    if (names && !scan_names(s, run))
        return false;
    for (uint32_t i = 0; i < run->cols.strings[column].n; i++) {
        bool *allowed = &s->allowed[column][i];

        *allowed = !p->s || p->prefix || cols_hash_at(&run->cols, column, i) == hash;
        if (names && *allowed) {
            struct store_str name = cols_names_at(&s->names, column, i);

            *allowed = (!p->prefix || filter_pattern_matches(p, name.s, name.len)) &&
                       !filter_text_excluded(s->filter, column, name.s, name.len);
        }
        any |= *allowed;
    }
    return any;
}

static bool match_kinds(struct scan *s, const struct scan_run *run)
{
    const struct store_filter *f = &s->filter->f;
    bool any = false;

    for (uint32_t i = 0; i < run->cols.n_kinds; i++) {
        struct cols_kind k = cols_kind_at(&run->cols, i);
        bool *allowed = &s->allowed[COLS_STRINGS][i];

        *allowed = filter_class_matches(s->filter, k.class_uid) &&
                   (!f->activity || k.activity == f->activity) &&
                   k.severity >= MIN(f->severity_min, 255u) &&
                   filter_outcome_matches(s->filter, k.outcome);
        any |= *allowed;
    }
    return any;
}

// Which sets of marks have one of the values of each mark that is asked for; false: none. By hashes, as whole texts.
static bool match_sets(struct scan *s, const struct scan_run *run)
{
    const struct filter *f = s->filter;
    uint16_t bits[COLS_MARKS_MAX] = {}, wanted = 0;
    const uint8_t *set = run->cols.sets;
    uint32_t marks[STORE_MARK_SLOTS];
    unsigned n;
    bool any = false;

    STATIC_ASSERT(STORE_MARKS <= 16, "a bit for each mark");
    for (unsigned m = 0; m < STORE_MARKS; m++) {
        wanted |= f->marks[m].n ? (uint16_t)(1u << m) : 0;
        for (size_t v = 0; v < f->marks[m].n; v++)
            for (uint32_t i = 0; i < run->cols.n_marks; i++)
                if (cols_mark_at(&run->cols, i) == f->marks[m].hashes[v])
                    bits[i] |= (uint16_t)(1u << m);
    }
    for (uint32_t i = 0; i < run->cols.n_sets; i++) {
        uint16_t has = 0;

        set = cols_set(&run->cols, set, marks, &n);
        for (unsigned k = 0; k < n; k++)
            has |= bits[marks[k]];
        s->allowed[COLS_SETS][i] = has == wanted;
        any |= s->allowed[COLS_SETS][i];
    }
    return any;
}

bool scan_match_begin(struct scan *s, const struct scan_run *run)
{
    if (s->asked[COLS_STRINGS] && !match_kinds(s, run))
        return false;
    s->asked[COLS_SETS] = s->filter->marked && run->cols.marked;
    if (s->asked[COLS_SETS] && !match_sets(s, run))
        return false;
    for (unsigned i = 0; i < COLS_STRINGS; i++)
        if (s->asked[i] && !match_strings(s, run, (enum filter_text)i))
            return false;
    return true;
}

bool scan_match(const struct scan *s, const struct scan_run *run, uint32_t i)
{
    uint64_t time_ms = cols_time(&run->cols, i);

    if (time_ms < s->from_ms || time_ms >= s->to_ms)
        return false;
    for (unsigned c = 0; c <= COLS_SETS; c++)
        if (s->asked[c] && !s->allowed[c][cols_index(&run->cols, c, i)])
            return false;
    return true;
}
