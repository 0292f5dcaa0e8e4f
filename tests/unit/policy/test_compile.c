// SPDX-License-Identifier: Apache-2.0
//
// Rules → image: what is in it and what is left out of it.
#include "tests/unit/policy/compiled.h"
#include "tests/unit/policy/reference.h"

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
          cmocka_unit_test(test_empty), cmocka_unit_test(test_session_atoms))
