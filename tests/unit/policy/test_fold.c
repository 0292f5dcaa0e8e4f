// SPDX-License-Identifier: Apache-2.0
//
// Patterns on file systems where names that differ are one file's: random ones against every way to write a path, and
// the names that people found to get round a comparison.
#include "tests/unit/policy/generator.h"
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "policy/compile.h"
#include "policy/fold.h"

#define SEED    UINT64_C(0xf01dab1e)
#define SETS    2000
#define PATHS   20
#define LETTERS 10 // of a path that is tried in every way

// Is node `mark` 0 among what is reached from the folded start by reading the path?
static bool folded_match(const char *pattern, const char *path, bool unicode)
{
    struct nfa_list at = {}, next = {};
    struct nfa *nfa = NULL;
    struct fold fold = {};
    struct glob g = {};
    bool found = false;
    uint32_t node;

    assert_int_equal(nfa_new(&nfa), 0);
    assert_int_equal(nfa_add_node(nfa, &node), 0);
    assert_int_equal(glob_parse(pattern, strlen(pattern), &g, NULL), 0);
    assert_int_equal(nfa_add_glob(nfa, node, &g, 0), 0);
    assert_int_equal(nfa_run(nfa, node, "", 0, &next), 0);
    assert_int_equal(fold_nodes(&fold, nfa, unicode, &next, &at), 0);
    for (const char *s = strcmp(path, "/") == 0 ? "" : path; *s; s++) {
        struct nfa_list swap = at;

        assert_int_equal(nfa_step(nfa, &swap, (uint8_t)*s, &next), 0);
        at = next;
        next = swap;
    }
    for (size_t i = 0; i < at.n; i++)
        found = found || nfa->nodes[at.items[i]].marks != NFA_NONE;
    nfa_list_done(&at);
    nfa_list_done(&next);
    fold_done(&fold);
    glob_done(&g);
    nfa_free(nfa);
    return found;
}

// Does the pattern match the path in any way to write its letters?
static bool any_case(const char *pattern, char *path)
{
    size_t letters[LETTERS], n = 0;

    for (size_t i = 0; path[i]; i++)
        if (path[i] >= 'a' && path[i] <= 'z') {
            if (n == LETTERS)
                return false;
            letters[n++] = i;
        }
    for (uint32_t way = 0; way < 1u << n; way++) {
        for (size_t i = 0; i < n; i++)
            path[letters[i]] = (char)((path[letters[i]] & ~0x20) | (way >> i & 1 ? 0x20 : 0));
        if (ref_match(pattern, path))
            return true;
    }
    return false;
}

static size_t count_letters(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += *path >= 'a' && *path <= 'z';
    return n;
}

static void test_random(void **state)
{
    struct ref_random r = {SEED};
    unsigned long checked = 0, matched = 0;

    (void)state;
    print_message("# seed 0x%llx\n", (unsigned long long)r.state);
    for (int set = 0; set < SETS; set++) {
        char pattern[REF_TEXT], path[REF_TEXT], shout[REF_TEXT];

        ref_pattern(&r, pattern);
        for (int k = 0; k < PATHS; k++) {
            bool want;

            if (ref_below(&r, 2))
                ref_path_from(&r, pattern, path);
            else
                ref_path(&r, path);
            if (count_letters(path) > LETTERS)
                continue;
            // As it is met, each letter either way.
            memcpy(shout, path, sizeof(shout));
            for (char *s = shout; *s; s++)
                if (*s >= 'a' && *s <= 'z' && ref_below(&r, 2))
                    *s ^= 0x20;
            want = any_case(pattern, path);
            if (folded_match(pattern, shout, false) != want)
                fail_msg("'%s' and '%s': expected %d", pattern, shout, want);
            if (want && !folded_match(pattern, shout, true))
                fail_msg("'%s' and '%s': not matched as Unicode", pattern, shout);
            checked++;
            matched += want;
        }
    }
    print_message("# %lu pairs, %lu match\n", checked, matched);
    assert_true(checked > 20000 && matched > checked / 20);
}

static void test_names(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool plain, unicode;
    } rows[] = {
        {"/efi/secret", "/EFI/SeCrEt", true, true},
        {"/efi/secret", "/efi/secret2", false, false},
        {"/efi/secret", "/efi/sekret", false, false},
        {"/a_b", "/A_B", true, true},
        {"/a@b", "/a`b", false, false}, // 32 apart, and no letters
        {"/[a-c]x", "/BX", true, true},
        {"/key",
         "/\xe2\x84\xaa"
         "ey",
         false, true}, // the sign for kelvin
        {"/ssh",
         "/\xc5\xbf"
         "sh",
         false, true}, // a long s
        {"/ssh",
         "/\xc3\x9f"
         "h",
         false, true}, // a sharp s
        {"/file",
         "/\xef\xac\x81"
         "le",
         false, true}, // f and i as one sign
        {"/.git",
         "/.g\xe2\x80\x8c"
         "it",
         false, true}, // a sign that does not count
        {"/.git", "/.git\xe2\x80\x8c", false, true},
        {"/a/b", "/a\xe2\x80\x8c/b", false, true},
        {"/a/b", "/a/c", false, false},
        {"/caf\xc3\xa9", "/CAF\xc3\x89", true, true},
        {"/caf\xc3\xa9", "/cafe\xcc\x81", true, true}, // the accent on its own
        {"/caf\xc3\xa9/x", "/caf/x", false, false},
        {"/caf\xc3\xa9/x", "/caf/y/x", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (folded_match(rows[i].pattern, rows[i].path, false) != rows[i].plain)
            fail_msg("'%s' and '%s': expected %d", rows[i].pattern, rows[i].path, rows[i].plain);
        if (folded_match(rows[i].pattern, rows[i].path, true) != rows[i].unicode)
            fail_msg("'%s' and '%s' as Unicode: expected %d", rows[i].pattern, rows[i].path,
                     rows[i].unicode);
    }
}

static struct policy_image *compile(const char *mountinfo, struct policy_mounts **ret_mounts)
{
    static const char text[] =
        "safeguard: 1\nmode: monitor\nfiles:\n"
        "  - {path: [/boot/efi/x/key, /home/key], access: read, do: audit}\n";
    struct policy_image *image = NULL;
    struct policy *p = NULL;

    assert_int_equal(mounts_parse(mountinfo, strlen(mountinfo), ret_mounts), 0);
    assert_int_equal(policy_load_buffer("t", text, strlen(text), &names_options, NULL, &p), 0);
    assert_int_equal(policy_compile(p, *ret_mounts, NULL, NULL, &image), 0);
    assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    policy_free(p);
    return image;
}

static uint32_t ops_at(const struct policy_image *image, uint32_t dev, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = (const void *)((const char *)image->mem + h->states_off);

    for (size_t i = 0; i < image->n_roots; i++)
        if (image->roots[i].dev == dev)
            return states[policy_image_walk(image, image->roots[i].root.state, path, strlen(path))]
                .ops;
    fail_msg("no root for %u", dev);
    return 0;
}

#define ROOT_MOUNT "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"

// The mount table says which file systems they are, and only there letters do not count.
static void test_mounts(void **state)
{
    static const char efi[] = ROOT_MOUNT "2 1 8:2 / /boot/efi rw - vfat /dev/sda2 rw\n";
    static const char part[] = ROOT_MOUNT "2 1 8:2 /Sub /boot/efi rw - exfat /dev/sda2 rw\n";
    static const char share[] = ROOT_MOUNT "2 1 0:2 / /home rw - cifs //s/h rw\n";
    struct policy_mounts *m, *other;
    struct policy_image *image, *plain;
    struct policy_root *roots;
    size_t n;

    (void)state;
    image = compile(efi, &m);
    assert_int_equal(ops_at(image, policy_dev(8, 1), "/boot/efi/x/key"), SG_OP_READ);
    assert_int_equal(ops_at(image, policy_dev(8, 1), "/boot/efi/X/key"), 0);
    assert_int_equal(ops_at(image, policy_dev(8, 2), "/x/key"), SG_OP_READ);
    assert_int_equal(ops_at(image, policy_dev(8, 2), "/X/Key"), SG_OP_READ);
    assert_int_equal(ops_at(image, policy_dev(8, 2), "/X/Keys"), 0);

    // The image answers for the table it was made for, also when something else is mounted.
    mounts_free(m);
    assert_int_equal(mounts_parse(efi, strlen(efi), &m), 0);
    assert_int_equal(mounts_add(m, policy_dev(0, 9), "/", "/mnt", 0), 0);
    assert_int_equal(policy_image_roots(image, m, false, &roots, &n), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        if (roots[i].dev == policy_dev(8, 2))
            assert_int_equal(roots[i].root.state, image->roots[1].root.state);
    free(roots);

    // One that was made without it has to be made again.
    plain = compile(ROOT_MOUNT, &other);
    assert_int_equal(policy_image_roots(plain, m, false, &roots, &n), -EAGAIN);
    policy_image_free(plain);
    mounts_free(other);
    policy_image_free(image);
    mounts_free(m);

    image = compile(part, &m);
    assert_int_equal(ops_at(image, policy_dev(8, 2), "/SUB/X/KEY"), SG_OP_READ);
    assert_int_equal(ops_at(image, policy_dev(8, 2), "/X/KEY"), 0);
    policy_image_free(image);
    mounts_free(m);

    image = compile(share, &m);
    assert_int_equal(ops_at(image, policy_dev(0, 2),
                            "/\xe2\x84\xaa"
                            "ey"),
                     SG_OP_READ);
    policy_image_free(image);
    mounts_free(m);
}

UNIT_MAIN(cmocka_unit_test(test_random), cmocka_unit_test(test_names),
          cmocka_unit_test(test_mounts))
