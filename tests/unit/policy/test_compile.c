// SPDX-License-Identifier: Apache-2.0
//
// Rules → image: what is in it, what is left out of it, and what is said about it.
#include "tests/unit/policy/names.h"
#include "tests/unit/policy/reference.h"
#include "tests/unit/unit.h"

#include "base/strbuf.h"

#define HEAD "safeguard: 1\nmode: enforce\nfiles:\n" // rules start in line 4

static struct policy_image *compile_with(const char *text,
                                         const struct policy_compile_options *options,
                                         struct policy_diags *diags)
{
    struct policy_image *image = NULL;
    struct policy *p = NULL;
    int r;

    if (policy_load_buffer("t.yaml", text, strlen(text), &names_options, diags, &p) < 0)
        fail_msg("%s", diags->n > 0 ? diags->items[0].message : text);
    r = policy_compile(p, NULL, options, diags, &image);
    assert_true(r == 0 || (r == -EINVAL && diags->n_errors > 0));
    if (image)
        assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    policy_free(p);
    return image;
}

static struct policy_image *compile(const char *text)
{
    struct policy_diags d = {};
    struct policy_image *image = compile_with(text, NULL, &d);

    if (!image)
        fail_msg("%s", d.items[d.n - 1].message);
    policy_diags_done(&d);
    return image;
}

static const void *section(const struct policy_image *image, uint32_t off)
{
    return (const char *)image->mem + off;
}

static const struct sg_state *state_at(const struct policy_image *image, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = section(image, h->states_off);

    return &states[policy_image_walk(image, image->start, path, strlen(path))];
}

static const struct sg_accept *accept_at(const struct policy_image *image, const char *path)
{
    const struct sg_accept *accepts = section(image, policy_image_head(image)->accepts_off);

    return &accepts[state_at(image, path)->accept];
}

static const struct sg_entry *entry_at(const struct policy_image *image, const char *path,
                                       uint32_t i)
{
    const struct sg_entry *entries = section(image, policy_image_head(image)->entries_off);

    assert_true(i < accept_at(image, path)->n_entries);
    return &entries[accept_at(image, path)->entry + i];
}

static const struct sg_below *below_at(const struct policy_image *image, const char *path)
{
    const struct sg_below *belows = section(image, policy_image_head(image)->belows_off);

    return &belows[accept_at(image, path)->below];
}

static void test_shadow(void **state)
{
    struct policy_image *image = compile(
        "safeguard: 1\nmode: enforce\nsubjects: {a: {user: 1}, b: {user: 2}}\nfiles:\n"
        "  - {path: /a, access: [read, exec], do: audit}\n"              // 0
        "  - {path: /a, access: [read, delete], by: a, do: deny}\n"      // 1: read is lost
        "  - {path: /a, access: delete, by: [a], not_by: b, do: deny}\n" // 2: all is lost
        "  - {path: /a, access: delete, by: [a, b], do: allow}\n"        // 3: more subjects
        "  - {path: /a, access: delete, not_by: b, do: kill}\n"          // 4
        "  - {path: /a, access: any, mode: monitor, do: deny}\n"         // 5: the rest
        "  - {path: /**, access: chmod, do: allow}\n");                  // 6: lost at /a only
    static const struct {
        uint16_t rule, ops;
    } want[] = {{0, SG_OP_READ | SG_OP_EXEC},
                {1, SG_OP_DELETE},
                {3, SG_OP_DELETE},
                {4, SG_OP_DELETE},
                {5, SG_OPS_ANY & ~(SG_OP_READ | SG_OP_EXEC)}};

    (void)state;
    assert_int_equal(accept_at(image, "/a")->n_entries, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(entry_at(image, "/a", i)->rule, want[i].rule);
        assert_int_equal(entry_at(image, "/a", i)->ops, want[i].ops);
    }
    assert_int_equal(entry_at(image, "/a", 4)->flags, SG_ENTRY_MONITOR);
    assert_int_equal(entry_at(image, "/a", 0)->pred, 0);
    assert_int_equal(state_at(image, "/a")->ops, SG_OPS_ANY);
    assert_int_equal(entry_at(image, "/b", 0)->rule, 6);
    policy_image_free(image);
}

static void test_below(void **state)
{
    struct policy_image *image = compile(
        "safeguard: 1\nmode: enforce\nsubjects: {a: {user: 1}}\nfiles:\n"
        "  - {path: /etc/ssh/**, access: write, do: deny}\n"
        "  - {path: /etc/x/y, access: read, by: a, mode: monitor, do: kill}\n"
        "  - {path: /srv/**, access: write, do: audit}\n"
        "  - {path: \"/home/*/.ssh/**\", access: write, by: a, do: deny}\n");

    (void)state;
    assert_int_equal(below_at(image, "")->enforce[0], 3); // everybody, and a
    assert_int_equal(below_at(image, "")->monitor[0], 2);
    assert_int_equal(below_at(image, "/etc")->enforce[0], 1);
    assert_int_equal(below_at(image, "/etc")->monitor[0], 2);
    assert_int_equal(below_at(image, "/etc/ssh")->enforce[0], 1);
    assert_int_equal(below_at(image, "/etc/ssh")->monitor[0], 0);
    assert_int_equal(below_at(image, "/etc/ssh/a")->enforce[0], 1);
    assert_int_equal(accept_at(image, "/etc/ss")->below, 0);
    assert_int_equal(accept_at(image, "/etc/x/y")->below, 0);
    assert_int_equal(accept_at(image, "/srv")->below, 0); // an audit is no denial
    assert_int_equal(below_at(image, "/home/u")->enforce[0], 2);
    assert_int_equal(below_at(image, "/home/u/.ssh")->enforce[0], 2);
    assert_int_equal(state_at(image, "/usr")->accept, 0);
    policy_image_free(image);
}

// Whatever is denied somewhere beneath a directory is in its below.
static void test_below_is_complete(void **state)
{
    static const char *const parts[] = {"a", "b", "*", "?", "**", "[ab]c", "a*"};
    static const char *const names[] = {"a", "b", "ac", "x"};
    struct ref_random r = {UINT64_C(0xbe10)};

    (void)state;
    for (int i = 0; i < 300; i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy_image *image;

        sb_puts(&sb, "safeguard: 1\nmode: enforce\nfiles:\n");
        for (uint32_t k = 0; k < 6; k++) {
            sb_puts(&sb, "  - {path: \"");
            for (uint32_t n = 1 + ref_below(&r, 4); n > 0; n--)
                sb_printf(&sb, "/%s", parts[ref_below(&r, 7)]);
            sb_printf(&sb, "\", access: read, by: {user: %u}, do: %s}\n", k,
                      ref_below(&r, 3) ? "deny" : "audit");
        }
        image = compile(sb_str(&sb));
        for (int k = 0; k < 200; k++) {
            char path[64] = "";
            uint32_t depth = 1 + ref_below(&r, 4);

            for (uint32_t n = 0; n < depth; n++)
                (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s",
                               names[ref_below(&r, 4)]);
            for (uint32_t e = 0; e < accept_at(image, path)->n_entries; e++) {
                const struct sg_entry *entry = entry_at(image, path, e);
                char up[64];

                if (entry->verdict < SG_DENY)
                    continue;
                memcpy(up, path, sizeof(up));
                for (char *slash; (slash = strrchr(up, '/'));) {
                    *slash = '\0';
                    if (!(below_at(image, up)->enforce[entry->pred / 64] >> entry->pred % 64 & 1))
                        fail_msg("%s does not tell of the denial at %s", up, path);
                }
            }
        }
        policy_image_free(image);
    }
}

static void test_layout(void **state)
{
    struct policy_image *image = compile(
        "safeguard: 1\nmode: enforce\nfiles:\n"
        "  - {path: [/a, /b/**], access: read, by: {exe: /x, descendants: true}, do: deny}\n"
        "  - {path: /c, access: io, by: {parent: /x, group: 7, cgroup: /c}, do: audit}\n"
        "  - {path: /d, access: exec, by: {exe: /x, time: \"08:00-09:00\"}, do: kill}\n");
    const struct sg_image *h = policy_image_head(image);
    const struct sg_term *terms = section(image, h->terms_off);

    (void)state;
    assert_int_equal(h->magic, SG_IMAGE_MAGIC);
    assert_int_equal(h->policy_id, 1);
    assert_int_equal((uintptr_t)image->mem % 4096, 0);
    assert_int_equal(image->size, h->n_pages * (size_t)SG_IMAGE_PAGE);
    assert_int_equal(h->belows_off % sizeof(struct sg_below), 0);
    assert_int_equal(h->n_rules, 3);
    assert_int_equal(h->ops, SG_OP_READ | SG_OP_IO | SG_OP_EXEC);
    assert_int_equal(h->enforce_ops, SG_OP_READ | SG_OP_EXEC);
    assert_int_equal(h->needs, SG_NEED_EXE | SG_NEED_DESCENDANTS | SG_NEED_PARENT | SG_NEED_GROUPS |
                                   SG_NEED_CGROUP | SG_NEED_TIME | SG_NEED_GUARD);
    assert_int_equal(h->descendants[0], 1);
    assert_int_equal(image->n_subjects, 3);
    assert_int_equal(h->n_terms, 5);
    assert_int_equal(terms[0].dim, SG_DIM_EXE);
    // /x is one atom, whether exe or parent; cgroup paths are another.
    assert_int_equal(terms[0].value, SG_ATOM_FIRST_FREE);
    assert_int_equal(terms[1].dim, SG_DIM_PARENT);
    assert_int_equal(terms[1].value, SG_ATOM_FIRST_FREE);
    assert_int_equal(terms[3].dim, SG_DIM_CGROUP);
    assert_int_equal(terms[3].value, SG_ATOM_FIRST_FREE + 1);
    assert_int_equal(image->rules[2].line, 6);
    assert_string_equal(image->rules[2].file, "t.yaml");
    assert_string_equal(image->rules[2].policy, "t");
    assert_int_equal(image->n_roots, 1);
    assert_int_equal(image->roots[0].dev, 0);
    assert_int_equal(image->roots[0].root.state, image->start);
    policy_image_free(image);
}

// Subjects that say the same share a bit, in whatever order they say it; unused ones have none.
static void test_sharing(void **state)
{
    struct policy_image *image = compile(
        "safeguard: 1\nmode: enforce\n"
        "subjects:\n"
        "  a: {user: [1, 2], exe: [/x, /y]}\n"
        "  b: {exe: [/y, /x, /x], user: [2, 1, 2]}\n"
        "  c: {user: [1, 2], exe: [/x, /y], descendants: true}\n"
        "  unused: {user: 5}\n"
        "files:\n"
        "  - {path: /a, access: read, by: a, do: deny}\n"
        "  - {path: /b, access: read, by: [b, a], do: deny}\n"
        "  - {path: /c, access: read, by: {user: [2, 1], exe: [/x, /y]}, do: deny}\n"
        "  - {path: /d, access: read, by: c, do: deny}\n");

    (void)state;
    assert_int_equal(image->n_subjects, 2);
    assert_int_equal(policy_image_head(image)->n_preds, 3);
    assert_int_equal(policy_image_head(image)->n_terms, 6);
    assert_string_equal(image->subjects[0].name, "a");
    policy_image_free(image);
}

static void test_validate(void **state)
{
    struct policy_image *image = compile(HEAD "  - {path: /a/**, access: read, do: deny}\n");
    const struct sg_image good = *policy_image_head(image);
    struct sg_image *h = image->mem;
    uint32_t *const fields[] = {&h->magic,     &h->version,  &h->n_pages,     &h->states_off,
                                &h->n_states,  &h->n_edges,  &h->edges_off,   &h->n_accepts,
                                &h->n_entries, &h->n_belows, &h->n_atoms,     &h->n_preds,
                                &h->n_rules,   &h->ops,      &h->cgroup_state};

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        *fields[i] += 1u << 30;
        assert_int_equal(policy_image_validate(image->mem, image->size), -EBADMSG);
        *h = good;
        assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    }
    for (size_t at = sizeof(good); at < image->size; at += 97) {
        ((char *)image->mem)[at] ^= 1;
        assert_int_equal(policy_image_validate(image->mem, image->size), -EBADMSG);
        ((char *)image->mem)[at] ^= 1;
    }
    assert_int_equal(policy_image_validate(image->mem, image->size - 1), -EBADMSG);
    assert_int_equal(policy_image_validate(image->mem, 0), -EBADMSG);
    policy_image_free(image);
}

static void expect_error(const char *text, const struct policy_compile_options *options,
                         uint32_t line, const char *message)
{
    struct policy_diags d = {};
    struct policy_image *image = compile_with(text, options, &d);

    assert_null(image);
    if (d.items[d.n - 1].line != line || !strstr(d.items[d.n - 1].message, message))
        fail_msg("%u: %s", d.items[d.n - 1].line, d.items[d.n - 1].message);
    policy_diags_done(&d);
}

// n rules made by a format that takes the number of the rule twice.
static void rules(struct strbuf *sb, const char *head, uint32_t n, const char *path,
                  const char *rest)
{
    sb_puts(sb, head);
    for (uint32_t i = 0; i < n; i++) {
        sb_puts(sb, "  - {path: \"");
        for (const char *s = path; *s; s++)
            if (*s == '#')
                sb_printf(sb, "%u", i);
            else
                sb_putc(sb, *s);
        sb_puts(sb, "\", access: read, ");
        for (const char *s = rest; *s; s++)
            if (*s == '#')
                sb_printf(sb, "%u", i);
            else
                sb_putc(sb, *s);
        sb_puts(sb, "}\n");
    }
}

static void test_bounds(void **state)
{
    // As many rules as there may be, then one more.
    static const struct {
        uint32_t n, line;
        const char *path, *rest, *message;
    } rows[] = {
        {128, 131, "/a/**", "by: {user: #}, do: deny",
         "more than 128 rules compete for one path, such as /a/a"},
        {256, 260, "/#", "by: {user: #}, do: deny", "more than 256 different subjects"},
        {253, 257, "/#", "by: {exe: /#}, do: deny", "more than 253 different path lists"},
        {102, 106, "/#", "by: {user: [#, 1000, 1001, 1002, 1003]}, do: deny",
         "more than 512 conditions"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        _cleanup_(sb_done) struct strbuf fits = {}, over = {};

        rules(&fits, HEAD, rows[i].n, rows[i].path, rows[i].rest);
        policy_image_free(compile(sb_str(&fits)));
        rules(&over, HEAD, rows[i].n + 1, rows[i].path, rows[i].rest);
        expect_error(sb_str(&over), NULL, rows[i].line, rows[i].message);
    }
}

static void test_predicates_bound(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, "safeguard: 1\nmode: enforce\nsubjects:\n");
    for (unsigned i = 0; i < 40; i++)
        sb_printf(&sb, "  s%u: {user: %u}\n", i, i);
    sb_puts(&sb, "files:\n");
    for (unsigned i = 0; i < 512; i++)
        sb_printf(&sb, "  - {path: /%u, access: read, by: s%u, not_by: s%u, do: deny}\n", i, i / 16,
                  i % 16 + 16);
    // 512 pairs and everybody
    expect_error(sb_str(&sb), NULL, 45 + 511, "more than 511 different pairs of `by` and `not_by`");
}

static void test_explosion(void **state)
{
    static const struct policy_compile_options few = {.max_states = 10000};
#define ANY4  "[!b][!b][!b][!b]"
#define WORST "/srv/**/*a" ANY4 ANY4 ANY4 ANY4 ANY4
    static const char text[] = HEAD "  - {path: /srv/*, access: read, do: audit}\n"
                                    "  - {path: \"" WORST "\", access: read, do: deny}\n"
                                    "  - {path: /etc/**, access: read, do: audit}\n";
    static const struct policy_compile_options soon = {.max_ms = 1};
    static const struct policy_compile_options small = {.max_bytes = 1 << 20};
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    expect_error(text, &few, 5, "more states than there may be; '" WORST "'");
    expect_error(text, &soon, 5, "more time than there may be");
    expect_error(text, &small, 5, "more memory than there may be");
    rules(&sb, HEAD, 5000, "/srv/a#/b/c/d/e/f", "do: deny");
    expect_error(sb_str(&sb), &(struct policy_compile_options){.max_bytes = 1300000}, 0,
                 "the paths of the policy need more memory than there may be");
    expect_error(sb_str(&sb), &(struct policy_compile_options){.max_bytes = 1400000}, 0,
                 "the compiled policy takes 1472 KiB, more than the 1367 KiB");
}

struct warning {
    const char *text;
    uint32_t line, column;
    const char *message;
};

#define H2 "safeguard: 1\nmode: enforce\nsubjects: {r: {user: root}}\nfiles:\n"

// The first warning of each; NULL: there is none.
static const struct warning warnings[] = {
    {HEAD "  - {path: /a/**, access: read, do: audit}\n  - {path: /a/b, access: read, do: audit}\n",
     5, 5, "this rule can never match: t.yaml:4 decides everything that it names"},
    {HEAD "  - {path: /a/**, access: any, do: allow}\n  - {path: /a/b, access: read, do: deny}\n",
     5, 5, "this deny never acts: t.yaml:4 (allow) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: deny, mode: monitor}\n"
          "  - {path: /a/b, access: read, do: kill}\n",
     5, 5, "this kill never acts: t.yaml:4 (deny (monitor)) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: audit}\n  - {path: /a/b, access: any, do: deny}\n",
     5, 5, "this deny never acts on read: t.yaml:4 (audit) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: audit}\n"
          "  - {path: [/a/b, /c], access: read, do: deny}\n",
     5, 13, "'/a/b' can never match here: t.yaml:4 (audit) matches first"},
    // Exceptions in front of what they are exceptions from are how rules are meant.
    {HEAD "  - {path: /a/b, access: read, do: allow}\n  - {path: /a/**, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: /a, access: read, by: {user: 1}, do: allow}\n"
          "  - {path: /a, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: [/a/**, /a/b], access: read, do: deny}\n", 0, 0, NULL},
    {"safeguard: 1\nmode: enforce\nsubjects: {a: {user: 1}}\nfiles:\n"
     "  - {path: /a, access: read, by: a, not_by: a, do: deny}\n",
     5, 5, "`not_by` names everybody whom `by` names"},
    {HEAD "  - {path: \"/e/**/*.pem\", access: read, do: audit}\n", 4, 13,
     "'/e/**/*.pem' makes the kernel follow every file"},
    {HEAD "  - {path: \"/etc/ssl/**/*.pem\", access: read, do: audit}\n", 0, 0, NULL},
    {HEAD "  - {path: /**, access: chown, do: audit}\n", 4, 12, "'/**' makes the kernel follow"},
    {HEAD "  - {path: /a, access: read, by: {exe: \"/**/vi\"}, do: audit}\n", 4, 41,
     "'/**/vi' makes"},
    {HEAD "  - {path: \"/usr/*bin/*\", access: exec, do: deny}\n", 4, 5,
     "locks out: it refuses exec of /usr/sbin/init to everybody, and the host would not start"},
    {HEAD "  - {path: /etc/shadow, access: read, do: deny}\n", 4, 5,
     "nobody could log in with a password"},
    {H2 "  - {path: /etc/shadow, access: read, by: r, do: deny}\n", 5, 5, "locks out"},
    {H2 "  - {path: /etc/shadow, access: read, not_by: r, do: deny}\n", 0, 0, NULL},
    {H2 "  - {path: /etc/shadow, access: read, by: r, do: allow}\n"
        "  - {path: /etc/shadow, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: /etc/shadow, access: read, do: deny, mode: monitor}\n", 0, 0, NULL},
};

static void test_warnings(void **state)
{
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(warnings) / sizeof(*warnings); i++) {
        const struct warning *w = &warnings[i];
        const struct policy_diag *item;
        struct policy_diags d = {};

        policy_image_free(compile_with(w->text, NULL, &d));
        item = d.items;
        if (!w->message
                ? d.n != 0
                : d.n == 0 || item->line != w->line || item->column != w->column ||
                      item->severity != POLICY_WARNING || !strstr(item->message, w->message)) {
            print_error("%sgives %u:%u %s\n", w->text, d.n > 0 ? item->line : 0,
                        d.n > 0 ? item->column : 0, d.n > 0 ? item->message : "nothing");
            bad++;
        }
        policy_diags_done(&d);
    }
    assert_int_equal(bad, 0);
}

static void test_no_warnings(void **state)
{
    static const struct policy_compile_options quiet = {.no_warnings = true, .policy_id = 77};
    struct policy_diags d = {};
    struct policy_image *image;

    (void)state;
    image = compile_with(HEAD "  - {path: /**, access: any, do: deny}\n", &quiet, &d);
    assert_int_equal(d.n, 0);
    assert_int_equal(policy_image_head(image)->policy_id, 77);
    policy_image_free(image);
}

// An empty policy is an image in which everything is dead.
static void test_empty(void **state)
{
    struct policy_image *image = NULL;
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(policy_load_buffers(NULL, 0, NULL, NULL, &p), 0);
    assert_int_equal(policy_compile(p, NULL, NULL, NULL, &image), 0);
    assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    assert_int_equal(policy_image_walk(image, image->start, "/", 1), 0);
    assert_int_equal(policy_image_head(image)->needs, 0);
    policy_image_free(image);
    policy_free(p);
}

// 10,000 rules with 50 subjects.
static void test_many_rules(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;

    (void)state;
    rules(&sb, HEAD, 10000, "/srv/data/dir/file#.conf", "do: audit");
    image = compile(sb_str(&sb));
    assert_int_equal(entry_at(image, "/srv/data/dir/file9999.conf", 0)->rule, 9999);
    assert_int_equal(policy_image_head(image)->n_rules, 10000);
    policy_image_free(image);
}

// 10,000 rules about one path: one decides, the others are warned about, 100 of them one by one.
static void test_many_hidden_rules(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image;
    struct policy_diags d = {};

    (void)state;
    rules(&sb, HEAD, 10000, "/srv/**", "do: audit");
    image = compile_with(sb_str(&sb), NULL, &d);
    assert_int_equal(accept_at(image, "/srv/a")->n_entries, 1);
    assert_int_equal(d.n_warnings, 9999);
    assert_int_equal(d.n, POLICY_DIAGS_MAX);
    policy_diags_done(&d);
    policy_image_free(image);
}

static void test_session_atoms(void **state)
{
    struct policy_image *without = compile(HEAD "  - {path: /a, access: read, do: audit}\n");
    struct policy_image *with = compile(
        HEAD "  - {path: /a, access: read, by: {session: ssh}, do: audit}\n");
    const struct sg_atoms *atoms = section(with, policy_image_head(with)->atoms_off);

    (void)state;
    assert_int_equal(state_at(without, "/usr/sbin/sshd")->accept, 0);
    assert_int_equal(atoms[accept_at(with, "/usr/sbin/sshd")->atoms].bits[0],
                     1u << SG_ATOM_SESSION_SSH);
    assert_int_equal(atoms[accept_at(with, "/usr/sbin/cron")->atoms].bits[0],
                     1u << SG_ATOM_SESSION_CRON);
    assert_int_equal(atoms[accept_at(with, "/usr/bin/login")->atoms].bits[0],
                     1u << SG_ATOM_SESSION_CONSOLE);
    policy_image_free(without);
    policy_image_free(with);
}

UNIT_MAIN(cmocka_unit_test(test_shadow), cmocka_unit_test(test_below),
          cmocka_unit_test(test_below_is_complete), cmocka_unit_test(test_layout),
          cmocka_unit_test(test_sharing), cmocka_unit_test(test_validate),
          cmocka_unit_test(test_bounds), cmocka_unit_test(test_predicates_bound),
          cmocka_unit_test(test_explosion), cmocka_unit_test(test_warnings),
          cmocka_unit_test(test_no_warnings), cmocka_unit_test(test_empty),
          cmocka_unit_test(test_many_rules), cmocka_unit_test(test_many_hidden_rules),
          cmocka_unit_test(test_session_atoms))
