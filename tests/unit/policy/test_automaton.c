// SPDX-License-Identifier: Apache-2.0
//
// Patterns → automaton: random patterns over a small alphabet against a matcher that knows nothing
// of it.
#include "tests/unit/policy/generator.h"
#include "tests/unit/policy/reference.h"
#include "tests/unit/unit.h"

#include "policy/comb.h"
#include "policy/dfa.h"
#include "policy/nfa.h"

#define SEED     UINT64_C(0x5a1e6a12d)
#define SETS     5000
#define PATHS    40
#define PATTERNS 8

struct fixture {
    struct nfa *nfa;
    struct dfa *dfa;
    uint32_t start;
    char patterns[PATTERNS][REF_TEXT];
    uint32_t n;
    bool owned; // patterns 0 and 1 belong to owner 0, 2 and 3 to owner 1 …
};

static void build(struct fixture *f)
{
    const struct dfa_limits limits = {.max_states = 100000, .max_bytes = SIZE_MAX};
    struct nfa_list start = {};
    uint32_t node;

    assert_int_equal(nfa_new(&f->nfa), 0);
    assert_int_equal(nfa_add_node(f->nfa, &node), 0);
    for (uint32_t i = 0; i < f->n; i++) {
        struct glob g = {};

        assert_int_equal(glob_parse(f->patterns[i], strlen(f->patterns[i]), &g, NULL), 0);
        assert_int_equal(nfa_add_glob(f->nfa, node, &g, i), 0);
        glob_done(&g);
    }
    if (f->owned) {
        static const uint32_t owners[PATTERNS] = {0, 0, 1, 1, 2, 2, 3, 3};

        assert_int_equal(nfa_set_owners(f->nfa, owners), 0);
    }
    assert_int_equal(nfa_run(f->nfa, node, "", 0, &start), 0);
    assert_int_equal(dfa_build(f->nfa, &start, 1, &limits, &f->start, &f->dfa), 0);
    nfa_list_done(&start);
}

static void teardown(struct fixture *f)
{
    f->dfa = dfa_free(f->dfa);
    f->nfa = nfa_free(f->nfa);
}

static bool accepts(const struct fixture *f, uint32_t state, uint32_t pattern)
{
    const struct dfa_state *s = &f->dfa->states[state];

    for (uint32_t i = 0; i < s->n_nodes; i++) {
        uint32_t node = f->dfa->nodes[s->nodes + i];

        for (uint32_t m = f->nfa->nodes[node].marks; m != NFA_NONE; m = f->nfa->marks[m].next)
            if (f->nfa->marks[m].id == pattern)
                return true;
    }
    return false;
}

static uint32_t walk(const struct fixture *f, const char *path)
{
    uint32_t state = f->start;

    for (const char *s = strcmp(path, "/") == 0 ? "" : path; *s; s++)
        state = dfa_next(f->dfa, state, (uint8_t)*s);
    return state;
}

// The packed array says the same as the edges it was made from.
static void check_comb(const struct fixture *f)
{
    struct comb comb = {};

    assert_int_equal(comb_pack(f->dfa, SIZE_MAX, &comb), 0);
    for (uint32_t s = 0; s < f->dfa->n_states; s++)
        for (unsigned c = 1; c < 256; c++) {
            const struct sg_edge *e = &comb.edges[comb.base[s] + c];
            uint32_t next = e->check == s ? e->next : f->dfa->states[s].dflt;

            assert_true(comb.base[s] + c < comb.n_slots);
            assert_int_equal(next, dfa_next(f->dfa, s, (uint8_t)c));
        }
    comb_done(&comb);
}

static bool owner_matches(const struct fixture *f, uint32_t owner, const char *path)
{
    return ref_match(f->patterns[2 * owner], path) ||
           (2 * owner + 1 < f->n && ref_match(f->patterns[2 * owner + 1], path));
}

// With owners a state need not name every pattern that matches, but every owner.
static void check_owners(const struct fixture *f, uint32_t at, const char *path)
{
    for (uint32_t owner = 0; 2 * owner < f->n; owner++) {
        bool got = accepts(f, at, 2 * owner) ||
                   (2 * owner + 1 < f->n && accepts(f, at, 2 * owner + 1));

        if (got != owner_matches(f, owner, path))
            fail_msg("owner %u and '%s': expected %d", owner, path, !got);
    }
}

static void test_random(void **state)
{
    struct ref_random r = {SEED};
    unsigned long checked = 0, matched = 0;

    (void)state;
    print_message("# seed 0x%llx\n", (unsigned long long)r.state);
    for (int set = 0; set < SETS; set++) {
        struct fixture f = {.n = 1 + ref_below(&r, PATTERNS), .owned = set % 2};

        for (uint32_t i = 0; i < f.n; i++)
            ref_pattern(&r, f.patterns[i]);
        build(&f);
        for (int k = 0; k < PATHS; k++) {
            char path[256];
            uint32_t at;

            if (ref_below(&r, 2))
                ref_path_from(&r, f.patterns[ref_below(&r, f.n)], path);
            else
                ref_path(&r, path);
            at = walk(&f, path);
            if (f.owned)
                check_owners(&f, at, path);
            for (uint32_t i = 0; i < f.n && !f.owned; i++) {
                bool want = ref_match(f.patterns[i], path);

                if (accepts(&f, at, i) != want)
                    fail_msg("'%s' and '%s': expected %d", f.patterns[i], path, want);
                checked++;
                matched += want;
            }
        }
        if (set % 50 == 0)
            check_comb(&f);
        teardown(&f);
    }
    print_message("# %lu pairs, %lu match\n", checked, matched);
    assert_true(checked >= 100000);
    assert_true(matched >= checked / 20);
}

static void expect(const char *pattern, const char *path, bool want)
{
    struct fixture f = {.n = 1};

    ref_add(f.patterns[0], pattern);
    build(&f);
    if (accepts(&f, walk(&f, path), 0) != want || ref_match(pattern, path) != want)
        fail_msg("'%s' and '%s': expected %d", pattern, path, want);
    teardown(&f);
}

// What the documentation promises, literally.
static void test_examples(void **state)
{
    (void)state;
    expect("/", "/", true);
    expect("/", "/a", false);
    expect("/a/**", "/a", false);
    expect("/a/**", "/a/x", true);
    expect("/a/**", "/a/x/y", true);
    expect("/a/**/b", "/a/b", true);
    expect("/a/**/b", "/a/x/y/b", true);
    expect("/a/**/b", "/a/xb", false);
    expect("/**", "/", false);
    expect("/**", "/x", true);
    expect("/**/x", "/x", true);
    expect("/a/*", "/a/.hidden", true);
    expect("/a/*", "/a", false);
    expect("/a/*", "/a/b/c", false);
    expect("/a?c", "/a/c", false);
    expect("/a[!b]c", "/a/c", false);
    expect("/a[!b]c", "/axc", true);
    expect("/a/**/*", "/a/b", true);
    expect("/a/**/*", "/a/b/c", true);
    expect("/a/**/**/b", "/a/b", true);
    expect("/a/**/**", "/a", false);
    expect("/a/*b*", "/a/xbx", true);
    expect("/\\[a\\]", "/[a]", true);
    expect("/\303\251", "/\303\251", true);
    expect("/?", "/\303\251", false); // bytes, not characters
    expect("/??", "/\303\251", true);
    expect("/[!a]", "/\377", true);
    expect("/[a-]", "/-", true);
}

static uint32_t state_of(const struct fixture *f, const char *text)
{
    uint32_t state = f->start;

    for (; *text; text++)
        state = dfa_next(f->dfa, state, (uint8_t)*text);
    return state;
}

// Nothing is live where nothing can match: state 0 ends the kernel's work.
static void test_dead(void **state)
{
    struct fixture f = {.patterns = {"/etc/shadow", "/a/**"}, .n = 2};

    (void)state;
    build(&f);
    assert_int_equal(state_of(&f, "/usr"), 0);
    assert_int_equal(state_of(&f, "/etc/shadows"), 0);
    assert_int_equal(state_of(&f, "/etc//"), 0);
    assert_int_not_equal(state_of(&f, "/etc/shado"), 0);
    assert_int_not_equal(state_of(&f, "/a/"), 0);
    assert_false(accepts(&f, state_of(&f, "/a/"), 1));
    assert_true(state_of(&f, "/a/x") == state_of(&f, "/a/x/y/z")); // one state for all beneath
    teardown(&f);
}

// 16 patterns that end in "**": of one owner they are few states, of 16 owners every subset is one.
static void test_owners_keep_it_small(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        const struct dfa_limits limits = {.max_states = 20000, .max_bytes = SIZE_MAX};
        uint32_t owners[16] = {}, node;
        struct nfa_list start = {};
        struct fixture f = {};

        assert_int_equal(nfa_new(&f.nfa), 0);
        assert_int_equal(nfa_add_node(f.nfa, &node), 0);
        for (uint32_t i = 0; i < 16; i++) {
            struct glob g = {};
            char text[64];
            int n = snprintf(text, sizeof(text), "/**/dir%u/**", i);

            assert_int_equal(glob_parse(text, (size_t)n, &g, NULL), 0);
            assert_int_equal(nfa_add_glob(f.nfa, node, &g, i), 0);
            owners[i] = shared ? 0 : i;
            glob_done(&g);
        }
        assert_int_equal(nfa_set_owners(f.nfa, owners), 0);
        assert_int_equal(nfa_run(f.nfa, node, "", 0, &start), 0);
        assert_int_equal(dfa_build(f.nfa, &start, 1, &limits, &f.start, &f.dfa),
                         shared ? 0 : -E2BIG);
        assert_true(!shared || f.dfa->n_states < 100);
        nfa_list_done(&start);
        teardown(&f);
    }
}

// 10,000 literal paths are a trie: as many states as letters, at most.
static void test_literals_are_a_trie(void **state)
{
    const struct dfa_limits limits = {.max_states = 200000, .max_bytes = SIZE_MAX};
    struct fixture f = {};
    struct nfa_list start = {};
    size_t letters = 0;
    uint32_t node;

    (void)state;
    assert_int_equal(nfa_new(&f.nfa), 0);
    assert_int_equal(nfa_add_node(f.nfa, &node), 0);
    for (uint32_t i = 0; i < 10000; i++) {
        struct glob g = {};
        char text[64];
        int n = snprintf(text, sizeof(text), "/srv/data/file%u", i);

        letters += (size_t)n;
        assert_int_equal(glob_parse(text, (size_t)n, &g, NULL), 0);
        assert_int_equal(nfa_add_glob(f.nfa, node, &g, i), 0);
        glob_done(&g);
    }
    assert_int_equal(nfa_run(f.nfa, node, "", 0, &start), 0);
    assert_int_equal(dfa_build(f.nfa, &start, 1, &limits, &f.start, &f.dfa), 0);
    assert_true(f.dfa->n_states < 12000 && letters > 150000);
    nfa_list_done(&start);
    check_comb(&f);
    teardown(&f);
}

static void test_limits(void **state)
{
    static const struct {
        struct dfa_limits limits;
        enum dfa_stop stop;
    } rows[] = {
        {{.max_states = 5000, .max_bytes = SIZE_MAX}, DFA_TOO_MANY_STATES},
        {{.max_states = 1u << 30, .max_bytes = 1 << 20}, DFA_TOO_MANY_BYTES},
        {{.max_states = 1u << 30, .max_bytes = SIZE_MAX, .deadline = 1}, DFA_TOO_LONG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        static const char pattern[] = "/**/*a????????????????????";
        struct nfa_list start = {};
        struct fixture f = {};
        struct glob g = {};
        uint32_t node;

        assert_int_equal(nfa_new(&f.nfa), 0);
        assert_int_equal(nfa_add_node(f.nfa, &node), 0);
        assert_int_equal(glob_parse(pattern, strlen(pattern), &g, NULL), 0);
        assert_int_equal(nfa_add_glob(f.nfa, node, &g, 0), 0);
        assert_int_equal(nfa_run(f.nfa, node, "", 0, &start), 0);
        assert_int_equal(dfa_build(f.nfa, &start, 1, &rows[i].limits, &f.start, &f.dfa), -E2BIG);
        assert_int_equal(f.dfa->stop, rows[i].stop);
        glob_done(&g);
        nfa_list_done(&start);
        teardown(&f);
    }
}

UNIT_MAIN(cmocka_unit_test(test_examples), cmocka_unit_test(test_dead),
          cmocka_unit_test(test_owners_keep_it_small), cmocka_unit_test(test_literals_are_a_trie),
          cmocka_unit_test(test_limits), cmocka_unit_test(test_random))
