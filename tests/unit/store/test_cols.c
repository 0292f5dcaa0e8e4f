// SPDX-License-Identifier: Apache-2.0
//
// Columns of a run: written and read again; words and pairs of the index; the set of terms.
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "store/cols.h"
#include "store/terms.h"
#include "store/text.h"

static struct store_str str(const char *s)
{
    return (struct store_str){s, s ? (uint32_t)strlen(s) : 0};
}

static bool has(const struct cols *c, const uint32_t *marks, unsigned n, enum store_mark mark,
                const char *value)
{
    for (unsigned i = 0; i < n; i++)
        if (cols_mark_at(c, marks[i]) == cols_mark_hash(mark, value, strlen(value)))
            return true;
    return false;
}

static void check_marks(const struct cols *c, char (*paths)[16], unsigned n_paths)
{
    const uint8_t **sets = calloc(c->n_sets + 1, sizeof(*sets)), *next = c->sets;
    uint32_t marks[STORE_MARK_SLOTS];
    unsigned n;

    assert_true(c->marked);
    for (uint32_t i = 0; i < c->n_sets; i++) {
        sets[i] = next;
        next = cols_set(c, next, marks, &n);
    }
    for (uint32_t i = 0; i < c->n; i++) {
        const char *parent = paths[i / 2 % n_paths];

        (void)cols_set(c, sets[cols_index(c, COLS_SETS, i)], marks, &n);
        assert_true(has(c, marks, n, STORE_MARK_PROCESS, paths[i % n_paths]));
        assert_true(has(c, marks, n, STORE_MARK_PROCESS, paths[i * 7 % n_paths]));
        assert_int_equal(has(c, marks, n, STORE_MARK_PARENT, parent), i % 3 != 0);
        assert_int_equal(n, 1 + (i % n_paths != i * 7 % n_paths) + (i % 3 != 0));
    }
    free(sets);
}

static void round_trip(unsigned n, unsigned n_paths)
{
    _cleanup_(sb_done) struct strbuf cols = {}, names = {};
    struct cols_names texts = {};
    struct cols_writer *w = NULL;
    char(*paths)[16] = calloc(n_paths, sizeof(*paths));
    uint64_t min, max;
    struct cols c;

    assert_int_equal(cols_writer_new(&w), 0);
    for (unsigned i = 0; i < n_paths; i++)
        (void)snprintf(paths[i], sizeof(paths[i]), "/p/%u", i);
    // Twice with one writer: nothing is left of the run before.
    for (int round = 0; round < 2; round++) {
        sb_reset(&cols);
        sb_reset(&names);
        for (unsigned i = 0; i < n; i++) {
            struct store_columns record = {.count = i % 5 ? 1 : i + 1,
                                           .class_uid = 1001 + i % 3,
                                           .activity = i % 400,
                                           .severity = i % 300,
                                           .outcome = (enum store_outcome)(i % STORE_OUTCOMES),
                                           .path = str(paths[i % n_paths]),
                                           .user = str(i % 2 ? "ann" : NULL)};

            record.marks[STORE_SLOT_PROCESS_UID] = str(paths[i % n_paths]);
            record.marks[STORE_SLOT_TARGET_UID] = str(paths[i * 7 % n_paths]);
            record.marks[STORE_SLOT_PARENT_UID] = str(i % 3 ? paths[i / 2 % n_paths] : NULL);

            assert_true(cols_fits(w, 5000 + i % 100));
            assert_int_equal(cols_add(w, &record, 5000 + i % 100), 0);
        }
        assert_int_equal(cols_count(w), n);
        assert_int_equal(cols_n_names(w, FILTER_PATH), MIN(n, n_paths));
        assert_int_equal(cols_finish(w, &cols, &names, &min, &max), 0);
    }
    assert_int_equal(cols_parse(cols.s, cols.len, n, min, &c), 0);
    assert_int_equal(cols_names_parse(&c, names.s, names.len, &texts), 0);
    for (unsigned i = 0; i < n; i++) {
        struct store_str path = cols_names_at(&texts, FILTER_PATH, cols_index(&c, FILTER_PATH, i));
        struct cols_kind kind = cols_kind_at(&c, cols_index(&c, COLS_STRINGS, i));

        assert_int_equal(cols_time(&c, i), 5000 + i % 100);
        assert_int_equal(cols_count_of(&c, i), i % 5 ? 1 : i + 1);
        assert_int_equal(path.len, strlen(paths[i % n_paths]));
        assert_memory_equal(path.s, paths[i % n_paths], path.len);
        assert_int_equal(cols_hash_at(&c, FILTER_PATH, cols_index(&c, FILTER_PATH, i)),
                         cols_hash(path.s, path.len));
        assert_int_equal(cols_hash_at(&c, FILTER_USER, cols_index(&c, FILTER_USER, i)),
                         i % 2 ? cols_hash("ann", 3) : 0);
        assert_int_equal(kind.class_uid, 1001 + i % 3);
        assert_int_equal(kind.activity, i % 400);
        assert_int_equal(kind.severity, MIN(i % 300, 255u));
        assert_int_equal(kind.outcome, i % STORE_OUTCOMES);
    }
    check_marks(&c, paths, n_paths);
    // Nothing that is cut off, or too long, is taken for a run.
    for (size_t len = 0; len < cols.len; len += 1 + len / 50)
        assert_int_equal(cols_parse(cols.s, len, n, min, &c), -EBADMSG);
    sb_putc(&cols, 0);
    assert_int_equal(cols_parse(cols.s, cols.len, n, min, &c), -EBADMSG);
    cols_names_done(&texts);
    cols_writer_free(w);
    free(paths);
}

static void test_round_trip(void **state)
{
    (void)state;
    round_trip(1, 1);
    round_trip(60, 7);
    round_trip(256, 256);
    round_trip(257, 257);
    round_trip(COLS_RECORDS_MAX, COLS_RECORDS_MAX);
}

static void test_runs_end(void **state)
{
    _cleanup_(sb_done) struct strbuf cols = {}, names = {};
    struct store_columns record = {.count = 1};
    struct cols_writer *w = NULL;
    uint64_t min, max;

    (void)state;
    assert_int_equal(cols_writer_new(&w), 0);
    assert_int_equal(cols_add(w, &record, 100000), 0);
    assert_true(cols_fits(w, 100000 + COLS_SPAN_MS));
    assert_false(cols_fits(w, 100001 + COLS_SPAN_MS));
    assert_true(cols_fits(w, 100000 - COLS_SPAN_MS));
    assert_false(cols_fits(w, 99999 - COLS_SPAN_MS));
    for (unsigned i = 1; i < COLS_RECORDS_MAX; i++)
        assert_int_equal(cols_add(w, &record, 100000), 0);
    assert_false(cols_fits(w, 100000));
    assert_int_equal(cols_finish(w, &cols, &names, &min, &max), 0);
    assert_true(cols_fits(w, 0));
    cols_writer_free(w);
}

static void test_words(void **state)
{
    static const char text[] =
        "Cat (pid 42) read /etc/ssh_config.d\xc3\xa4x, 0123456789012345678901234567890";
    static const char *const expected[] = {"cat",    "pid",        "42",
                                           "read",   "etc",        "ssh",
                                           "config", "d\xc3\xa4x", "012345678901234567890123"};
    const char *p = text, *end = text + strlen(text);
    char word[TEXT_WORD_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        size_t len = text_next_word(&p, end, word);

        assert_int_equal(len, strlen(expected[i]));
        assert_memory_equal(word, expected[i], len);
    }
    assert_int_equal(text_next_word(&p, end, word), 0);
}

static void test_terms(void **state)
{
    struct terms t = {.seed = 1};
    char pair[TERM_SIZE];

    (void)state;
    terms_add_words(&t, "a /etc/ssh etc", 14);
    assert_true(term_pair(pair, "etc", 3, "/", 1, "ssh", 3));
    assert_int_equal(t.n, 4); // a, etc, ssh, and etc/ssh as a pair; none across a blank
    assert_non_null(strstr(t.text.s, pair));
    assert_false(term_pair(pair, "etc", 3, " ", 1, "ssh", 3));
    assert_false(term_pair(pair, "etc", 3, "////", 4, "ssh", 3));
    terms_reset(&t);
    for (unsigned i = 0; i < 20000; i++) {
        char word[16];

        (void)snprintf(word, sizeof(word), "w%u", i % 10000);
        terms_add(&t, word, strlen(word));
    }
    assert_int_equal(t.n, 10000);
    terms_done(&t);
}

static void test_dirs(void **state)
{
    (void)state;
    assert_int_equal(term_dir("/a/bc/d", 7, 1), 2);
    assert_int_equal(term_dir("/a/bc/d", 7, 2), 5);
    assert_int_equal(term_dir("/a/bc/d", 7, 3), 0);
    assert_int_equal(term_dir("a/b", 3, 1), 0);
    assert_int_equal(term_dir("", 0, 1), 0);
}

UNIT_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_runs_end),
          cmocka_unit_test(test_words), cmocka_unit_test(test_terms), cmocka_unit_test(test_dirs))
