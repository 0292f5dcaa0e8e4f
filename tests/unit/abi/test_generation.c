// SPDX-License-Identifier: Apache-2.0
//
// The generation of cached states (abi/shared.h): none ever comes twice, and no word is mistaken for one of another.
#include "tests/unit/unit.h"

#include "abi/policy.h"
#include "abi/shared.h"
#include "base/macro.h"

// As the sensor does: the next policy's.
static uint64_t announce(uint64_t generation, uint32_t policy_id)
{
    return sg_generation_by(generation + sg_generation_raise(generation), policy_id);
}

static void test_policies_never_share(void **state)
{
    uint64_t generation = 0, before = 0;

    (void)state;
    // More than the bits of a policy's number that a word has room for, and than 4096.
    for (uint32_t policy_id = 1; policy_id < 100000; policy_id++) {
        generation = announce(generation, policy_id);
        assert_true(generation > before || generation >> 22 == (before >> 22) + 1);
        assert_true(generation >> 22 > before >> 22);
        assert_false(sg_word_is_of(before | 7, generation));
        // While it is announced but not in force, the old policy's decisions are of neither.
        assert_false(sg_word_is_of(sg_generation_by(generation, policy_id - 1), generation));
        assert_false(sg_word_is_of(sg_generation_by(generation, policy_id - 1), before));
        before = generation;
    }
}

static void test_moves_are_no_policy(void **state)
{
    uint64_t generation = announce(0, 5), first = generation;

    (void)state;
    // 2^32 of them were enough once: the count is wider than that.
    generation += (uint64_t)SG_GENERATION_STEP << 32;
    assert_true(sg_generation_caches(generation));
    assert_false(sg_word_is_of(first, generation));
    assert_int_equal(sg_generation_by(generation, 5), generation);
    assert_int_equal((generation >> SG_STATE_BITS) & 3, 5 & 3);
}

static void test_stands_still_at_the_end(void **state)
{
    uint64_t generation = SG_GENERATION_LAST - SG_GENERATION_STEP;

    (void)state;
    assert_true(sg_generation_caches(generation));
    generation += sg_generation_raise(generation);
    assert_int_equal(generation, SG_GENERATION_LAST);
    assert_false(sg_generation_caches(generation));
    for (int i = 0; i < 10; i++)
        generation = announce(generation, (uint32_t)i);
    assert_false(sg_generation_caches(generation));
    assert_int_equal(generation >> 22, SG_GENERATION_LAST >> 22);

    // All processors at once, each having read the last value that caches: no overflow.
    generation = SG_GENERATION_LAST - SG_GENERATION_STEP;
    for (int i = 0; i < 1 << 16; i++) {
        uint64_t next = generation + sg_generation_raise(SG_GENERATION_LAST - SG_GENERATION_STEP);

        assert_true(next > generation);
        generation = next;
    }
    assert_false(sg_generation_caches(generation));
}

static void test_words(void **state)
{
    uint64_t generation = announce(0, 3);

    (void)state;
    assert_int_equal(generation & SG_STATE_MASK, 0);
    assert_true(sg_word_is_of(generation, generation));
    assert_true(sg_word_is_of(generation | (SG_STATES_MAX - 1), generation));
    // What an inode's storage begins with belongs to no policy in force.
    assert_false(sg_word_is_of(0, generation));
    assert_int_not_equal(generation, 0);
    assert_int_not_equal(announce(0, 4), 0);
}

static void test_checks_bind(void **state)
{
    __u64 rules[SG_NODE_RULES] = {0x0002000100010001, 0}, changed[SG_NODE_RULES];
    uint64_t leaf = announce(0, 1) | 9, generation = announce(0, 1);
    uint64_t check = sg_leaf_check(leaf, 0x1000, 0x5001);
    uint64_t quick = sg_quick_check(generation, 0x1000, 0x5001, rules);

    (void)state;
    assert_int_equal(check, sg_leaf_check(leaf, 0x1000, 0x5001));
    assert_int_equal(quick, sg_quick_check(generation, 0x1000, 0x5001, rules));
    // What nothing was written to is of nobody.
    assert_int_not_equal(quick, 0);
    for (int bit = 0; bit < 64; bit++) {
        uint64_t flip = 1ull << bit;

        assert_int_not_equal(check, sg_leaf_check(leaf ^ flip, 0x1000, 0x5001));
        assert_int_not_equal(check, sg_leaf_check(leaf, 0x1000 ^ flip, 0x5001));
        assert_int_not_equal(check, sg_leaf_check(leaf, 0x1000, 0x5001 ^ flip));
        assert_int_not_equal(quick, sg_quick_check(generation ^ flip, 0x1000, 0x5001, rules));
        assert_int_not_equal(quick, sg_quick_check(generation, 0x1000 ^ flip, 0x5001, rules));
        assert_int_not_equal(quick, sg_quick_check(generation, 0x1000, 0x5001 ^ flip, rules));
        for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
            memcpy(changed, rules, sizeof(rules));
            changed[i] ^= flip;
            assert_int_not_equal(quick, sg_quick_check(generation, 0x1000, 0x5001, changed));
        }
    }
}

UNIT_MAIN(cmocka_unit_test(test_policies_never_share), cmocka_unit_test(test_moves_are_no_policy),
          cmocka_unit_test(test_stands_still_at_the_end), cmocka_unit_test(test_words),
          cmocka_unit_test(test_checks_bind))
