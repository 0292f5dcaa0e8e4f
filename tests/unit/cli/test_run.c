// SPDX-License-Identifier: Apache-2.0
//
// The filters of `safeguard run`, interpreted as the kernel does (classic BPF over struct seccomp_data), for every kind of program
// of this processor; and control groups that cannot be made.
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "cli/run.h"
#include "tests/unit/policy/names.h"

#define H "safeguard: 1\nname: p\nmode: enforce\nsubjects: {l: {launched: true}}\nprocesses:\n"

static uint32_t load_word(const struct seccomp_data *data, uint32_t off)
{
    uint32_t word;

    assert_true(off % 4 == 0 && off + 4 <= sizeof(*data));
    memcpy(&word, (const char *)data + off, sizeof(word));
    return word;
}

static bool jumps(const struct sock_filter *f, uint32_t a)
{
    switch (BPF_OP(f->code)) {
    case BPF_JEQ: return a == f->k;
    case BPF_JGE: return a >= f->k;
    case BPF_JGT: return a > f->k;
    case BPF_JSET: return a & f->k;
    default: fail_msg("operation %x", f->code); return false;
    }
}

static uint32_t interpret(const struct run_filter *filter, uint32_t arch, uint32_t nr)
{
    // 32-bit programs make sockets by socketcall(2), of which this is number 1.
    const struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {1}};
    uint32_t a = 0;

    for (size_t pc = 0; pc < filter->n; pc++) {
        const struct sock_filter *f = &filter->code[pc];

        switch (BPF_CLASS(f->code)) {
        case BPF_LD: a = load_word(&data, f->k); break;
        case BPF_RET: return f->k;
        case BPF_JMP: pc += BPF_OP(f->code) == BPF_JA ? f->k : jumps(f, a) ? f->jt : f->jf; break;
        default: fail_msg("class %x", f->code);
        }
    }
    fail_msg("no way out");
    return 0;
}

static void build(const char *text, struct run_filter *ret, int want)
{
    struct policy_calls calls = {};
    struct policy *p = NULL;
    struct error err = {};

    assert_int_equal(policy_load_buffer("t.yaml", text, strlen(text), &names_options, NULL, &p), 0);
    assert_int_equal(policy_calls(p, 0, &calls), 0);
    assert_int_equal(run_filter_build(p, &calls, ret, &err), want);
    assert_int_equal(error_is_set(&err), want != 0);
    policy_calls_done(&calls);
    policy_free(p);
}

static const uint32_t architectures[] = {
#if defined(__x86_64__)
    SCMP_ARCH_X86_64,
    SCMP_ARCH_X86,
    SCMP_ARCH_X32,
#elif defined(__aarch64__)
    SCMP_ARCH_AARCH64,
    SCMP_ARCH_ARM,
#else
    SCMP_ARCH_NATIVE,
#endif
};

// What the filter says of a call by its name, on each of them. The kernel knows x32 by its numbers.
static void check_call(const struct run_filter *filter, const char *name, uint32_t want)
{
    for (size_t i = 0; i < ARRAY_SIZE(architectures); i++) {
        uint32_t arch = architectures[i];
        int nr = seccomp_syscall_resolve_name_rewrite(arch, name);
        uint32_t got;

        if (nr < 0)
            continue; // not there
        got = interpret(filter, arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch, (uint32_t)nr);
        if (got != want)
            fail_msg("%s (%d) on %x: %x instead of %x", name, nr, arch, got, want);
    }
}

#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

static void test_actions(void **state)
{
    static const char text[] = H "  - {syscall: [mount, umount2], by: l, do: allow}\n"
                                 "  - {syscall: [mount, ptrace], by: l, do: {errno: EXDEV}}\n"
                                 "  - {syscall: personality, by: l, do: kill}\n"
                                 "  - {syscall: sethostname, by: l, do: stop}\n"
                                 "  - {syscall: bpf, by: l, do: deny}\n"
                                 "  - {syscall: getpid, by: l, do: audit}\n"
                                 "  - {syscall: getppid, by: l, do: kill, mode: monitor}\n"
                                 "  - {syscall: socket, by: l, do: {errno: EAFNOSUPPORT}}\n";
    struct run_filter f;

    (void)state;
    build(text, &f, 0);
    assert_true(f.notify);
    check_call(&f, "mount", SECCOMP_RET_ALLOW);
    check_call(&f, "umount2", SECCOMP_RET_ALLOW);
    check_call(&f, "ptrace", ERRNO(EXDEV));
    check_call(&f, "personality", SECCOMP_RET_KILL_PROCESS);
    check_call(&f, "sethostname", SECCOMP_RET_USER_NOTIF);
    check_call(&f, "bpf", ERRNO(EPERM));
    check_call(&f, "getpid", SECCOMP_RET_LOG);
    check_call(&f, "getppid", SECCOMP_RET_LOG);
    check_call(&f, "socket", ERRNO(EAFNOSUPPORT));
    check_call(&f, "io_uring_setup", ERRNO(ENOSYS));
    check_call(&f, "execve", SECCOMP_RET_ALLOW);
    check_call(&f, "read", SECCOMP_RET_ALLOW);
    // Programs of a kind that no rule was made for do not run.
    assert_int_equal(interpret(&f, 0xdead, 0), SECCOMP_RET_KILL_PROCESS);
    run_filter_done(&f);
}

// Calls have no say beside what refuses: an io_uring goes where nothing is refused, or where a rule names it.
static void test_io_uring(void **state)
{
    struct run_filter f;

    (void)state;
    build(H "  - {syscall: getpid, by: l, do: audit}\n", &f, 0);
    check_call(&f, "io_uring_setup", SECCOMP_RET_ALLOW);
    assert_false(f.notify);
    run_filter_done(&f);
    build(H "  - {syscall: getpid, by: l, do: deny, mode: monitor}\n", &f, 0);
    check_call(&f, "io_uring_setup", SECCOMP_RET_ALLOW);
    run_filter_done(&f);
    build(
        H
        "  - {syscall: getpid, by: l, do: deny}\n  - {syscall: io_uring_setup, by: l, do: allow}\n",
        &f, 0);
    check_call(&f, "io_uring_setup", SECCOMP_RET_ALLOW);
    check_call(&f, "getpid", ERRNO(EPERM));
    run_filter_done(&f);
}

static void test_any(void **state)
{
    struct run_filter f;

    (void)state;
    build(H
          "  - {syscall: [read, execve], by: l, do: allow}\n  - {syscall: [bpf], by: l, do: kill}\n"
          "  - {syscall: any, by: l, do: {errno: ENOSYS}}\n",
          &f, 0);
    check_call(&f, "read", SECCOMP_RET_ALLOW);
    check_call(&f, "execve", SECCOMP_RET_ALLOW);
    check_call(&f, "bpf", SECCOMP_RET_KILL_PROCESS);
    check_call(&f, "write", ERRNO(ENOSYS));
    check_call(&f, "io_uring_setup", ERRNO(ENOSYS));
    // The end of a program, and of a signal's handler, is nobody's business.
    check_call(&f, "exit_group", SECCOMP_RET_ALLOW);
    check_call(&f, "rt_sigreturn", SECCOMP_RET_ALLOW);
    // A number that no library knows yet.
    assert_int_equal(interpret(&f, seccomp_arch_native(), 100000), ERRNO(ENOSYS));
    run_filter_done(&f);
}

static void test_missing(void **state)
{
    static const struct {
        const char *text;
        bool missing;
    } rows[] = {
        {H "  - {syscall: any, by: l, do: deny}\n", true},
        {H "  - {syscall: any, by: l, do: deny, mode: monitor}\n", false},
        {H "  - {syscall: execve, by: l, do: kill}\n", true},
        {H "  - {syscall: execve, by: l, do: audit}\n  - {syscall: any, by: l, do: kill}\n", false},
        {H "  - {syscall: read, by: l, do: kill}\n", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy_calls calls;
        struct policy *p = NULL;

        assert_int_equal(policy_load_buffer("t", rows[i].text, strlen(rows[i].text), &names_options,
                                            NULL, &p),
                         0);
        assert_int_equal(policy_calls(p, 0, &calls), 0);
        assert_int_equal(policy_calls_missing(&calls) != NULL, rows[i].missing);
        policy_calls_done(&calls);
        policy_free(p);
    }
}

// Nothing about system calls is no filter.
static void test_none(void **state)
{
    struct run_filter f;

    (void)state;
    build(H "  - {exec: /a, by: l, do: deny}\n", &f, 0);
    assert_int_equal(f.n, 0);
    assert_false(f.notify);
    run_filter_done(&f);
}

// Where no control group is, none is made, nothing is left, and it is said why.
static void test_no_group(void **state)
{
    char *dir = unit_mkdtemp(), path[4096];
    struct run_group g;
    struct error why = {};

    (void)state;
    assert_int_equal(run_group_make_in(dir, "/own", "a/b", &g, &why), 0);
    assert_string_equal(g.path, "");
    assert_int_equal(g.procs, -1);
    assert_false(g.known);
    assert_true(error_is_set(&why));
    (void)snprintf(path, sizeof(path), "%s/safeguard.run/a%%2Fb/%d", dir, getpid());
    assert_int_equal(access(path, F_OK), -1);
    run_group_done(&g);
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_actions), cmocka_unit_test(test_io_uring),
          cmocka_unit_test(test_any), cmocka_unit_test(test_missing), cmocka_unit_test(test_none),
          cmocka_unit_test(test_no_group))
