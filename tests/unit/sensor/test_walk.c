// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "sensor/internal.h"
#include "tests/vm/sensor/tiny_image.h"

static const struct tiny_rule rules[] = {
    {.path = "/run/c", .beneath = true, .ops = SG_OPS_ANY, .verdict = SG_DENY},
    {.path = "/etc/shadow", .ops = SG_OP_READ, .verdict = SG_DENY, .flags = SG_ENTRY_MONITOR},
    {.path = "/etc/motd", .ops = SG_OP_READ, .verdict = SG_AUDIT},
};

static int setup(void **state)
{
    struct image_view *view = calloc(1, sizeof(*view));
    void *mem;

    tiny_image(rules, ARRAY_SIZE(rules), &mem, &view->len);
    view->mem = mem;
    *state = view;
    return 0;
}

static int teardown(void **state)
{
    struct image_view *view = *state;

    free((void *)(uintptr_t)view->mem);
    free(view);
    return 0;
}

static uint32_t walk(const struct image_view *view, const char *path)
{
    return image_walk(view, TINY_START, path, strlen(path));
}

static void test_walk(void **state)
{
    const struct image_view *view = *state;

    assert_int_not_equal(walk(view, "/run/c"), 0);
    assert_int_not_equal(walk(view, "/run/c/open/file"), 0);
    assert_int_equal(walk(view, "/run/d"), 0);
    assert_int_equal(walk(view, "/home"), 0);
    assert_int_equal(walk(view, ""), TINY_START);
    // In two steps the same as in one.
    assert_int_equal(image_walk(view, walk(view, "/run"), "/c/x", 4), walk(view, "/run/c/x"));
}

static void test_who_is_denied(void **state)
{
    const struct image_view *view = *state;

    assert_true(image_denies_all(view, walk(view, "/run/c/x"), SG_OP_READ));
    assert_true(image_denies_all(view, walk(view, "/run/c/x/y"), SG_OP_MOUNT));
    assert_false(image_denies_all(view, walk(view, "/run/c"), SG_OP_READ));
    assert_false(image_denies_all(view, walk(view, "/etc/shadow"), SG_OP_READ)); // monitor only
    assert_false(image_denies_all(view, walk(view, "/etc/motd"), SG_OP_READ));
    assert_false(image_denies_all(view, 0, SG_OP_READ));
}

static void test_bad_images_lead_nowhere(void **state)
{
    const struct image_view *view = *state;
    const struct sg_image *head = view->mem;
    struct image_view cut = {view->mem, head->states_off};

    // Without its states nothing is found, whatever is asked.
    assert_int_equal(walk(&cut, "/run/c"), 0);
    assert_false(image_denies_all(&cut, TINY_START, SG_OP_READ));
    assert_int_equal(image_walk(view, 1u << 30, "/x", 2), 0);
    assert_false(image_denies_all(view, 1u << 30, SG_OP_READ));
}

static void test_check(void **state)
{
    const struct image_view *view = *state;
    struct error err = {};
    struct sg_image *head;
    char *copy = malloc(view->len);

    assert_non_null(copy);
    memcpy(copy, view->mem, view->len);
    head = (struct sg_image *)copy;
    assert_int_equal(image_check(copy, view->len, &err), 0);
    assert_int_equal(image_check(copy, view->len - 1, &err), -EBADMSG);
    assert_int_equal(image_check(copy, view->len - SG_IMAGE_PAGE, &err), -EBADMSG);
    assert_int_equal(image_check(copy, 0, &err), -EBADMSG);
    head->version++;
    assert_int_equal(image_check(copy, view->len, &err), -EBADMSG);
    assert_non_null(strstr(err.what, "version"));
    head->version--;
    head->magic++;
    assert_int_equal(image_check(copy, view->len, &err), -EBADMSG);
    free(copy);
}

UNIT_MAIN(cmocka_unit_test_setup_teardown(test_walk, setup, teardown),
          cmocka_unit_test_setup_teardown(test_who_is_denied, setup, teardown),
          cmocka_unit_test_setup_teardown(test_bad_images_lead_nowhere, setup, teardown),
          cmocka_unit_test_setup_teardown(test_check, setup, teardown))
