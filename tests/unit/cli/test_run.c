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

static uint32_t interpret_with(const struct run_filter *filter, uint32_t arch, uint32_t nr,
                               uint64_t first)
{
    const struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {first}};
    uint32_t a = 0;

    for (size_t pc = 0; pc < filter->n; pc++) {
        const struct sock_filter *f = &filter->code[pc];

        switch (BPF_CLASS(f->code)) {
        case BPF_LD: a = load_word(&data, f->k); break;
        case BPF_RET: return f->k;
        case BPF_ALU:
            assert_int_equal(BPF_OP(f->code), BPF_AND);
            a &= f->k;
            break;
        case BPF_JMP: pc += BPF_OP(f->code) == BPF_JA ? f->k : jumps(f, a) ? f->jt : f->jf; break;
        default: fail_msg("class %x", f->code);
        }
    }
    fail_msg("no way out");
    return 0;
}

static uint32_t interpret(const struct run_filter *filter, uint32_t arch, uint32_t nr)
{
    // 32-bit programs make sockets by socketcall(2), of which this is number 1.
    return interpret_with(filter, arch, nr, 1);
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
        if (arch == SCMP_ARCH_X86 && (nr == 102 || nr == 117) && strcmp(name, "socket") != 0)
            continue; // one of many of its number: test_multiplexed()
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

// Names that 32-bit programs have and 64-bit ones do not.
static const char *const forms[][5] = {
#define FORMS(...) {__VA_ARGS__, NULL},
#include "policy/syscall_forms.def"
};
static const char *const alone[] = {
#define ALONE(name) #name,
#include "policy/syscall_forms.def"
};

static bool is_form(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        for (size_t k = 0; forms[i][k]; k++)
            if (strcmp(forms[i][k], name) == 0)
                return true;
    for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
        if (strcmp(alone[i], name) == 0)
            return true;
    return false;
}

static void test_no_name_forgotten(void **state)
{
    static const uint32_t small[] = {SCMP_ARCH_X86, SCMP_ARCH_ARM},
                          large[] = {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64};
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(small); i++)
        for (int nr = 0; nr < 1000; nr++) {
            char *name = seccomp_syscall_resolve_num_arch(small[i], nr);
            bool known = !name;

            for (size_t k = 0; !known && k < ARRAY_SIZE(large); k++)
                known = seccomp_syscall_resolve_name_arch(large[k], name) >= 0;
            if (!known && !is_form(name)) {
                print_error("%s is no form of anything\n", name);
                bad++;
            }
            free(name);
        }
    assert_int_equal(bad, 0);
}

// Whichever form a rule names, all of them are meant; a form that an earlier rule names keeps what that says.
static void test_forms(void **state)
{
    struct run_filter f;
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        for (size_t k = 0; forms[i][k]; k++) {
            (void)snprintf(text, sizeof(text), H "  - {syscall: %s, by: l, do: {errno: EXDEV}}\n",
                           forms[i][k]);
            build(text, &f, 0);
            for (size_t m = 0; forms[i][m]; m++)
                check_call(&f, forms[i][m], ERRNO(EXDEV));
            run_filter_done(&f);
        }
    build(H "  - {syscall: mmap2, by: l, do: allow}\n  - {syscall: clock_settime64, by: l, do: "
            "audit}\n"
            "  - {syscall: [mmap, clock_settime], by: l, do: {errno: EXDEV}}\n",
          &f, 0);
    check_call(&f, "mmap", SECCOMP_RET_ALLOW);
    check_call(&f, "mmap2", SECCOMP_RET_ALLOW);
    check_call(&f, "clock_settime64", SECCOMP_RET_LOG);
    run_filter_done(&f);
}

#if defined(__x86_64__)
// By socketcall(2) and ipc(2) the same is refused as by the call's own number, whatever version ipc(2) is asked for.
static void test_multiplexed(void **state)
{
    static const struct {
        const char *name;
        uint32_t by, number;
    } rows[] = {
        {"socket", 102, 1},     {"bind", 102, 2},       {"connect", 102, 3},
        {"listen", 102, 4},     {"accept", 102, 5},     {"sendto", 102, 11},
        {"recvfrom", 102, 12},  {"sendto", 102, 9},     {"sendmsg", 102, 16},
        {"recvmsg", 102, 17},   {"accept4", 102, 18},   {"recvmmsg", 102, 19},
        {"sendmmsg", 102, 20},  {"semop", 117, 1},      {"semget", 117, 2},
        {"semctl", 117, 3},     {"semtimedop", 117, 4}, {"msgsnd", 117, 11},
        {"msgrcv", 117, 12},    {"msgget", 117, 13},    {"msgctl", 117, 14},
        {"shmat", 117, 21},     {"shmdt", 117, 22},     {"shmget", 117, 23},
        {"shmctl", 117, 24},    {"semop", 117, 65537},  {"shmat", 117, 65557},
        {"msgctl", 117, 65550},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run_filter f;
        char text[512];
        int nr = seccomp_syscall_resolve_name_rewrite(SCMP_ARCH_X86, rows[i].name);

        (void)snprintf(text, sizeof(text), H "  - {syscall: %s, by: l, do: {errno: EXDEV}}\n",
                       rows[i].name);
        build(text, &f, 0);
        if (interpret_with(&f, SCMP_ARCH_X86, rows[i].by, rows[i].number) != ERRNO(EXDEV))
            fail_msg("%s passes by number %u of %u", rows[i].name, rows[i].number, rows[i].by);
        if (nr >= 0 && (uint32_t)nr != rows[i].by &&
            interpret_with(&f, SCMP_ARCH_X86, (uint32_t)nr, 0) != ERRNO(EXDEV))
            fail_msg("%s passes by its own number %d", rows[i].name, nr);
        assert_int_equal(interpret_with(&f, SCMP_ARCH_X86, rows[i].by, 30), SECCOMP_RET_ALLOW);
        run_filter_done(&f);
    }
}
#endif

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
          cmocka_unit_test(test_no_name_forgotten), cmocka_unit_test(test_forms),
#if defined(__x86_64__)
          cmocka_unit_test(test_multiplexed),
#endif
          cmocka_unit_test(test_any), cmocka_unit_test(test_missing), cmocka_unit_test(test_none),
          cmocka_unit_test(test_no_group))
