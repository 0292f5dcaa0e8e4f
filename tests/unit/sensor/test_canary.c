// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/where.h"
#include "tests/vm/sensor/tiny_image.h"

static void test_its_records_are_its_own(void **state)
{
    struct canary c = {.dev = 5, .exe_dev = 8, .umount_dev = 6, .started_ns = 100};
    struct sg_record r = {.type = SG_RECORD_FILE,
                          .dev = 5,
                          .hook = SG_HOOK_inode_mkdir,
                          .time_ns = 200};

    (void)state;
    assert_true(canary_take(&c, &r));
    assert_true(c.seen[SG_HOOK_inode_mkdir]);
    assert_false(c.seen[SG_HOOK_file_open]);
    // Of an earlier test: taken, but no proof.
    r.hook = SG_HOOK_file_open;
    r.time_ns = 99;
    assert_true(canary_take(&c, &r));
    assert_false(c.seen[SG_HOOK_file_open]);
    // Of another file system, of another kind, of a hook that does not exist.
    r.dev = 7;
    assert_false(canary_take(&c, &r));
    r.dev = 5;
    r.type = SG_RECORD_EXEC;
    assert_false(canary_take(&c, &r));
    r.type = SG_RECORD_FILE;
    r.dev = 8;
    r.hook = SG_HOOK_bprm_check_security;
    r.time_ns = 200;
    assert_true(canary_take(&c, &r));
    assert_true(c.seen[SG_HOOK_bprm_check_security]);
    assert_false(c.seen[SG_HOOK_file_opened]);
    r.hook = SG_HOOK_file_close;
    assert_true(canary_take(&c, &r));
    assert_true(c.seen[SG_HOOK_file_opened]);
    r.hook = 999;
    r.time_ns = 200;
    assert_true(canary_take(&c, &r));
}

static void test_somebody_unmounts_it(void **state)
{
    struct canary c = {.dev = 5, .umount_dev = 6};
    struct sg_record r = {.type = SG_RECORD_FILE, .dev = 6, .hook = SG_HOOK_sb_umount, .tgid = 42};

    (void)state;
    assert_false(canary_take(&c, &r));
    c.child = 43;
    assert_false(canary_take(&c, &r));
    c.child = 42;
    assert_true(canary_take(&c, &r));
    assert_true(c.seen[SG_HOOK_sb_umount]);
}

static struct sg_record life(uint32_t type, uint32_t tgid, uint64_t start_ns)
{
    return (struct sg_record){.type = type, .tgid = tgid, .start_ns = start_ns};
}

static struct sg_record birth(uint32_t tgid, uint64_t start_ns, uint32_t child, uint64_t child_ns)
{
    struct sg_record r = life(SG_RECORD_FORK, tgid, start_ns);

    r.value[0] = child;
    r.value[1] = child_ns;
    return r;
}

static void test_its_processes_are_its_own(void **state)
{
    struct canary c = {};
    const struct sg_record born = birth(10, 1, 42, 150), grandchild = birth(42, 150, 43, 160),
                           gone = life(SG_RECORD_EXIT, 42, 150),
                           grandchild_gone = life(SG_RECORD_EXIT, 43, 160),
                           exec = life(SG_RECORD_EXEC, 43, 160);

    (void)state;
    assert_false(canary_take(&c, &born));
    canary_born(&c, 42, 100, 200);
    assert_true(canary_take(&c, &born));
    assert_true(canary_take(&c, &grandchild));
    assert_true(canary_take(&c, &grandchild_gone));
    assert_true(canary_take(&c, &gone));
    // Who has its number later is somebody else, and so is who had it before.
    assert_false(canary_take(&c, &gone));
    canary_born(&c, 42, 100, 200);
    assert_false(
        canary_take(&c, &(struct sg_record){.type = SG_RECORD_EXIT, .tgid = 42, .start_ns = 201}));
    assert_false(
        canary_take(&c, &(struct sg_record){.type = SG_RECORD_EXIT, .tgid = 42, .start_ns = 99}));
    // Whose birth was lost.
    assert_true(canary_take(&c, &gone));
    // What becomes another program is told of, and what that does.
    canary_born(&c, 42, 100, 200);
    assert_true(canary_take(&c, &grandchild));
    assert_false(canary_take(&c, &exec));
    assert_false(canary_take(&c, &grandchild_gone));
}

struct refusal {
    struct sg_record record;
    struct sg_field field;
    struct sg_control_field control;
};

static struct refusal refusal(uint32_t tgid, uint64_t start_ns, uint32_t act)
{
    return (struct refusal){
        .record = {.type = SG_RECORD_CONTROL,
                   .size = sizeof(struct refusal),
                   .rule = SG_RULE_DEFENCE,
                   .tgid = tgid,
                   .start_ns = start_ns,
                   .time_ns = 300},
        .field = {.type = SG_FIELD_CONTROL, .len = sizeof(struct sg_control_field)},
        .control = {.number = {0, act}},
    };
}

static void test_what_it_asks_of_the_defence_is_its_own(void **state)
{
    struct canary c = {.started_ns = 100, .child = 42};
    struct refusal r = refusal(42, 150, SG_GUARD_PTRACE);

    (void)state;
    // By its number alone it is anybody's.
    assert_false(canary_take(&c, &r.record));
    canary_born(&c, 42, 120, 200);
    assert_true(canary_take(&c, &r.record));
    assert_true(c.seen[HOOKS + 1 + GUARD_guard_ptrace]);
    assert_false(c.seen[HOOKS + 1 + GUARD_guard_task_kill]);
    // Of somebody else; of what it never asks; cut short.
    r = refusal(43, 150, SG_GUARD_NICE);
    assert_false(canary_take(&c, &r.record));
    r = refusal(42, 150, SG_GUARD_JOIN);
    assert_false(canary_take(&c, &r.record));
    r = refusal(42, 150, SG_GUARD_NICE);
    r.record.size = sizeof(r.record);
    assert_false(canary_take(&c, &r.record));
    // Of an earlier test, and late: taken, but no proof.
    c.child = 0;
    c.started_ns = 400;
    r = refusal(42, 150, SG_GUARD_NICE);
    assert_true(canary_take(&c, &r.record));
    assert_false(c.seen[HOOKS + 1 + GUARD_guard_setnice]);
}

static void test_its_processes_are_bounded(void **state)
{
    struct canary c = {};
    struct sg_record r;

    (void)state;
    for (uint32_t i = 0; i <= CANARY_PROCESSES; i++)
        canary_born(&c, 100 + i, 1, 2);
    r = life(SG_RECORD_EXIT, 100, 1);
    assert_false(canary_take(&c, &r));
    for (uint32_t i = 1; i <= CANARY_PROCESSES; i++) {
        r = life(SG_RECORD_EXIT, 100 + i, 1);
        assert_true(canary_take(&c, &r));
    }
}

static void test_no_place_no_records(void **state)
{
    struct canary c = {};
    struct sg_record r = {.type = SG_RECORD_FILE, .dev = 0};

    (void)state;
    assert_false(canary_take(&c, &r));
}

static void test_roots(void **state)
{
    struct canary c = {.dev = 5,
                       .umount_dev = 6,
                       .now = {.state = 50, .umount_state = 60},
                       .coming = {.state = 51, .umount_state = 61}};
    struct sensor_root roots[4] = {{.dev = 1}, {.dev = 6, .root = {.state = 61}}};

    (void)state;
    // What the caller names stays as it is.
    assert_int_equal(canary_add_roots(&c, &c.now, roots, 2), 3);
    assert_int_equal(roots[1].root.state, 61);
    assert_int_equal(roots[2].dev, 5);
    assert_int_equal(roots[2].root.state, 50);
    assert_int_equal(canary_add_roots(&c, &c.now, roots, 0), 2);
    c.exe_dev = 7;
    assert_int_equal(canary_add_roots(&c, &c.now, roots, 0), 3);
    assert_int_equal(roots[1].root.state, 0);
    assert_int_equal(canary_add_roots(&c, &c.coming, roots, 0), 3);
    assert_int_equal(roots[0].root.state, 51);
    // No rule denies its place: nothing is tested, nothing is added.
    c.now.state = c.now.umount_state = 0;
    assert_int_equal(canary_add_roots(&c, &c.now, roots, 1), 1);
}

static void test_the_policy_must_deny_it(void **state)
{
    char *dir = unit_mkdtemp(), *text = NULL;
    const struct tiny_rule rules[] = {
        {.path = dir, .beneath = true, .ops = SG_OPS_ANY, .verdict = SG_DENY},
        {.path = "/no/such", .ops = SG_OP_READ, .verdict = SG_DENY}};
    struct sensor_root root = {};
    struct image_view view;
    struct canary c = {.dev = 5};
    struct where w;
    void *mem;

    (void)state;
    (void)snprintf(c.dir, sizeof(c.dir), "%s", dir);
    assert_int_equal(read_file_bounded(AT_FDCWD, "/proc/1/mountinfo", 1 << 24, &text, NULL), 0);
    assert_int_equal(where_find(text, strlen(text), dir, &w), 0);
    free(text);
    tiny_image(rules, 2, &mem, &view.len);
    view.mem = mem;
    // The mount that holds it is at what is left of its path.
    root.dev = w.dev;
    root.root.state = image_walk(&view, TINY_START, dir, strlen(dir) - strlen(w.path));

    canary_resolve(&c, &view, &root, 1);
    assert_int_equal(c.now.state, 0);
    canary_commit(&c);
    assert_string_equal(c.now.problem, "");
    assert_int_equal(c.now.state, image_walk(&view, TINY_START, dir, strlen(dir)));
    assert_int_not_equal(c.now.umount_state, 0);
    // What is refused in the end changes nothing.
    root.dev++;
    canary_resolve(&c, &view, &root, 1);
    assert_string_equal(c.now.problem, "");
    assert_int_equal(c.now.state, image_walk(&view, TINY_START, dir, strlen(dir)));
    canary_commit(&c);
    assert_non_null(strstr(c.now.problem, "does not know the file system"));
    assert_int_equal(c.now.state, 0);
    free(mem);

    root.dev--;
    tiny_image(rules + 1, 1, &mem, &view.len);
    view.mem = mem;
    canary_resolve(&c, &view, &root, 1);
    canary_commit(&c);
    assert_non_null(strstr(c.now.problem, "no rule of the policy denies"));
    free(mem);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_its_records_are_its_own),
          cmocka_unit_test(test_somebody_unmounts_it),
          cmocka_unit_test(test_its_processes_are_its_own),
          cmocka_unit_test(test_what_it_asks_of_the_defence_is_its_own),
          cmocka_unit_test(test_its_processes_are_bounded),
          cmocka_unit_test(test_no_place_no_records), cmocka_unit_test(test_roots),
          cmocka_unit_test(test_the_policy_must_deny_it))
