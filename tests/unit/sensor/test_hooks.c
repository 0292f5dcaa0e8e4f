// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "sensor/internal.h"

static struct sensor *new_sensor(void)
{
    struct sensor *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->attach = SENSOR_ATTACH_LSM;
    s->enforcing = true;
    return s;
}

static void attach_program(struct sensor *s, struct choice *c, const char *id)
{
    (void)snprintf(c->program, PROGRAM_NAME, "lsm_%s", id);
    s->links.items = realloc(s->links.items, (s->links.n + 1) * sizeof(*s->links.items));
    assert_non_null(s->links.items);
    s->links.items[s->links.n] = (struct link){};
    (void)snprintf(s->links.items[s->links.n].program, PROGRAM_NAME, "lsm_%s", id);
    s->links.n++;
}

static void attach(struct sensor *s, const char *id)
{
    attach_program(s, &s->choices.hooks[hook_index(id)], id);
}

static void attach_guard(struct sensor *s, enum guard g)
{
    // Its row of the table of further programs is the sensor's own affair.
    attach_program(s, (struct choice *)row_choice(s, HOOKS + g), guard_row(g)->program);
}

static const struct sensor_hook *look(struct sensor *s, const char *id)
{
    size_t n;
    const struct sensor_hook *h = sensor_hooks(s, &n);

    assert_int_equal(n, PROVED);
    for (size_t i = 0; i < n; i++)
        if (strcmp(h[i].id, id) == 0)
            return &h[i];
    fail_msg("no hook %s", id);
    return NULL;
}

static void expect(struct sensor *s, const char *id, enum sensor_hook_state state,
                   const char *reason)
{
    const struct sensor_hook *h = look(s, id);

    if (h->state != state || !strstr(h->reason, reason))
        fail_msg("%s is %s: %s", id, sensor_hook_state_name(h->state), h->reason);
}

static void free_sensor(struct sensor *s)
{
    free(s->links.items);
    free(s);
}

static void test_off_and_unavailable(void **state)
{
    struct sensor *s = new_sensor();

    (void)state;
    (void)snprintf(s->choices.hooks[hook_index("file_open")].program, PROGRAM_NAME,
                   "lsm_file_open");
    expect(s, "file_open", SENSOR_HOOK_OFF, "");
    (void)snprintf(s->choices.hooks[hook_index("move_mount")].reason, 160,
                   "this kernel does not have it");
    expect(s, "move_mount", SENSOR_HOOK_UNAVAILABLE, "does not have it");
    assert_true(*look(s, "move_mount")->cure != '\0');
    // Another hook sees the same: nothing is missing.
    expect(s, "file_truncate", SENSOR_HOOK_UNAVAILABLE, "");
    attach(s, "path_truncate");
    expect(s, "file_truncate", SENSOR_HOOK_OFF, "");
    free_sensor(s);
}

static void test_proofs(void **state)
{
    struct sensor *s = new_sensor();
    struct proof *p = &s->proofs[hook_index("file_open")];

    (void)state;
    attach(s, "file_open");
    attach(s, "sb_kern_mount");
    expect(s, "file_open", SENSOR_HOOK_ATTACHED, "has not run");
    expect(s, "sb_kern_mount", SENSOR_HOOK_UNTESTABLE, "refuses nothing");
    *p = (struct proof){.tested = true, .denied = true, .seen = true, .proved_ns = 17};
    expect(s, "file_open", SENSOR_HOOK_PROVED, "");
    assert_int_equal(look(s, "file_open")->proved_ns, 17);
    assert_int_equal(look(s, "file_open")->attach, SENSOR_ATTACH_LSM);
    p->denied = false;
    expect(s, "file_open", SENSOR_HOOK_FAILED, "recorded but not refused");
    p->seen = false;
    p->error = ENOENT;
    expect(s, "file_open", SENSOR_HOOK_FAILED, "neither refused nor recorded (No such file");
    assert_true(*look(s, "file_open")->cure != '\0');
    p->denied = true;
    expect(s, "file_open", SENSOR_HOOK_FAILED, "its record did not come");
    p->skipped = EACCES;
    expect(s, "file_open", SENSOR_HOOK_ATTACHED, "could not be made ready");
    free_sensor(s);
}

// Each has its own reason.
static void test_not_proved(void **state)
{
    struct sensor *s = new_sensor();
    struct proof *compat = &s->proofs[hook_index("file_ioctl_compat")];
    struct proof *pivot = &s->proofs[hook_index("sb_pivotroot")];

    (void)state;
    attach(s, "file_ioctl_compat");
    attach(s, "sb_pivotroot");
    *compat = (struct proof){.tested = true, .skipped = ENOSYS};
    expect(s, "file_ioctl_compat", SENSOR_HOOK_UNTESTABLE, "cannot make 32-bit system calls");
    compat->skipped = EACCES;
    expect(s, "file_ioctl_compat", SENSOR_HOOK_UNTESTABLE, "(seccomp)");
    *pivot = (struct proof){.tested = true, .skipped = ECANCELED};
    expect(s, "sb_pivotroot", SENSOR_HOOK_UNTESTABLE, "are enforced");
    s->wants.needs = SG_NEED_GUARD;
    expect(s, "sb_pivotroot", SENSOR_HOOK_ATTACHED, "there is no mount at");
    free_sensor(s);
}

static void test_recording(void **state)
{
    struct sensor *s = new_sensor();
    struct proof *p = &s->proofs[hook_index("file_open")];

    (void)state;
    s->enforcing = false;
    s->probe.preemption = SENSOR_PREEMPT_LAZY;
    attach(s, "file_open");
    expect(s, "file_open", SENSOR_HOOK_RECORDING, "preemption: lazy");
    *p = (struct proof){.tested = true, .seen = true};
    expect(s, "file_open", SENSOR_HOOK_RECORDING, "preemption: lazy");
    assert_non_null(strstr(look(s, "file_open")->cure, "active security module"));
    p->seen = false;
    expect(s, "file_open", SENSOR_HOOK_FAILED, "neither");
    free_sensor(s);
}

static void test_defence(void **state)
{
    struct sensor *s = new_sensor();
    struct proof *ptrace = &s->proofs[HOOKS + GUARD_guard_ptrace];
    struct proof *sysctl = &s->proofs[HOOKS + GUARD_guard_sysctl];

    (void)state;
    expect(s, "guard_setnice", SENSOR_HOOK_UNAVAILABLE, "");
    (void)snprintf(((struct choice *)row_choice(s, HOOKS + GUARD_guard_setnice))->program,
                   PROGRAM_NAME, "lsm_guard_setnice");
    expect(s, "guard_setnice", SENSOR_HOOK_OFF, "");
    attach_guard(s, GUARD_guard_ptrace);
    attach_guard(s, GUARD_guard_sysctl);
    expect(s, "guard_ptrace", SENSOR_HOOK_ATTACHED, "has not run");
    *ptrace = (struct proof){.tested = true, .denied = true, .seen = true, .proved_ns = 17};
    expect(s, "guard_ptrace", SENSOR_HOOK_PROVED, "");
    assert_false(sensor_hook_failed(s, HOOKS + GUARD_guard_ptrace));
    ptrace->denied = false;
    expect(s, "guard_ptrace", SENSOR_HOOK_FAILED, "recorded but not refused (it passed)");
    assert_true(sensor_hook_failed(s, HOOKS + GUARD_guard_ptrace));
    // In the window of an unlock nothing is wrong.
    ptrace->skipped = ECANCELED;
    expect(s, "guard_ptrace", SENSOR_HOOK_UNTESTABLE, "the defence is down");
    assert_false(sensor_hook_failed(s, HOOKS + GUARD_guard_ptrace));
    s->guard.on = true;
    ptrace->skipped = EACCES;
    expect(s, "guard_ptrace", SENSOR_HOOK_UNTESTABLE, "something else refuses it");
    // Not of a hook: it refuses where hooks can only record, too.
    s->enforcing = false;
    *sysctl = (struct proof){.tested = true, .denied = true, .seen = true};
    expect(s, "guard_sysctl", SENSOR_HOOK_PROVED, "");
    assert_int_equal(look(s, "guard_sysctl")->attach, SENSOR_ATTACH_NONE);
    sysctl->skipped = ECANCELED;
    expect(s, "guard_sysctl", SENSOR_HOOK_UNTESTABLE, "a built-in rule refuses it first");
    sysctl->skipped = EBADF;
    expect(s, "guard_sysctl", SENSOR_HOOK_UNTESTABLE, "cannot be written to");
    free_sensor(s);
}

static void test_defence_is_up(void **state)
{
    struct sensor *s = new_sensor();

    (void)state;
    assert_false(guard_is_up(s));
    s->guard.on = true;
    assert_true(guard_is_up(s));
    s->guard.unlocked_until_ns = UINT64_MAX;
    assert_false(guard_is_up(s));
    s->guard.unlocked_until_ns = 1;
    assert_true(guard_is_up(s));
    free_sensor(s);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sensor_attach_name(SENSOR_ATTACH_FMOD_RET), "fmod_ret");
    assert_string_equal(sensor_preemption_name(SENSOR_PREEMPT_RT), "rt");
    assert_string_equal(sensor_hook_state_name(SENSOR_HOOK_UNAVAILABLE), "unavailable");
    assert_string_equal(sensor_hook_state_name((enum sensor_hook_state)99), "?");
}

UNIT_MAIN(cmocka_unit_test(test_off_and_unavailable), cmocka_unit_test(test_proofs),
          cmocka_unit_test(test_not_proved), cmocka_unit_test(test_recording),
          cmocka_unit_test(test_defence), cmocka_unit_test(test_defence_is_up),
          cmocka_unit_test(test_names))
