// SPDX-License-Identifier: GPL-2.0-only
//
// A kernel module that writes to the credentials of a process, as whoever found a hole in the kernel would: "PID WAY" into
// /sys/module/tamper/parameters/do. And one that takes the answer from one hook, as a rootkit would: the name of a function of the
// kernel that returns an error or 0 into …/deaf, which returns 0 from then on; "none" ends it. For VMs of tests; it makes everybody
// root who asks.
//
// Built without the kernel's headers, which would need the compiler and the programs that each kernel was built with: its types
// come from the kernel's own BTF (vmlinux.h), and the few parts of a module that headers make are written out below. Loaded with
// MODULE_INIT_IGNORE_MODVERSIONS and MODULE_INIT_IGNORE_VERMAGIC (loader.py).
#include "vmlinux.h"

#define NULL    ((void *)0)
#define EINVAL  22
#define ESRCH   3
#define PIDTYPE 0 /* PIDTYPE_PID, include/linux/pid_types.h */
#define CAPS    0x1ffffffffffull
#define INFO(name, text) \
    static const char info_##name[] __attribute__((section(".modinfo"), used, aligned(1))) = text

INFO(license, "license=GPL");
INFO(name, "name=tamper");

extern struct pid *find_vpid(int nr);
extern struct task_struct *pid_task(struct pid *pid, unsigned type);
extern struct cred *prepare_kernel_cred(struct task_struct *daemon);
extern int commit_creds(struct cred *cred);
extern struct task_struct init_task;

extern int register_kretprobe(struct kretprobe *rp);
extern void unregister_kretprobe(struct kretprobe *rp);

extern struct module __this_module;

static struct task_struct *target(const char *text, const char **rest)
{
    int number = 0;

    while (*text >= '0' && *text <= '9')
        number = number * 10 + (*text++ - '0');
    *rest = *text == ' ' ? text + 1 : text;
    return pid_task(find_vpid(number), PIDTYPE);
}

static int is(const char *text, const char *word)
{
    while (*word && *text == *word) {
        text++;
        word++;
    }
    return !*word && (!*text || *text == '\n');
}

/* What kernel_cap_t consists of differs between versions; its bytes do not. */
static void fill(kernel_cap_t *caps)
{
    *(volatile unsigned long long *)caps = CAPS;
}

/* Nobody gives these back: the kernel's own must never be freed. */
static struct cred *kernels(void)
{
    struct cred *cred = (struct cred *)init_task.cred;

    *(volatile int *)&cred->usage += 16;
    return cred;
}

static int do_set(const char *text, const struct kernel_param *param)
{
    struct task_struct *task = target(text, &text);
    struct cred *cred = task ? (struct cred *)task->real_cred : NULL;

    if (!cred)
        return -ESRCH;
    if (is(text, "ids")) {
        cred->uid.val = cred->euid.val = cred->suid.val = cred->fsuid.val = 0;
    } else if (is(text, "euid")) {
        cred->euid.val = 0;
    } else if (is(text, "gid")) {
        cred->gid.val = cred->egid.val = cred->sgid.val = cred->fsgid.val = 0;
    } else if (is(text, "effective")) {
        fill(&cred->cap_effective);
    } else if (is(text, "ambient")) {
        fill(&cred->cap_inheritable);
        fill(&cred->cap_ambient);
    } else if (is(text, "user_ns")) {
        cred->user_ns = init_task.cred->user_ns;
    } else if (is(text, "replace")) {
        task->real_cred = task->cred = kernels();
    } else if (is(text, "subjective")) {
        task->cred = kernels();
    } else if (is(text, "commit")) {
        /* Of the writer itself, whoever was named: what exploits call. */
        commit_creds(prepare_kernel_cred(&init_task));
    } else if (!is(text, "nothing")) {
        return -EINVAL;
    }
    return 0;
}

static int returns(struct kretprobe_instance *instance, struct pt_regs *regs)
{
#ifdef __x86_64__
    regs->ax = 0;
#else
    regs->regs[0] = 0;
#endif
    return 0;
}

static struct kretprobe probe;
static char probed[64];

static int deaf_set(const char *text, const struct kernel_param *param)
{
    struct kretprobe fresh = {.handler = returns, .maxactive = 64};
    unsigned n = 0;

    if (probed[0])
        unregister_kretprobe(&probe);
    probed[0] = 0;
    if (is(text, "none"))
        return 0;
    while (text[n] && text[n] != '\n' && n + 1 < sizeof(probed)) {
        probed[n] = text[n];
        n++;
    }
    probed[n] = 0;
    probe = fresh;
    probe.kp.symbol_name = probed;
    n = register_kretprobe(&probe);
    if (n)
        probed[0] = 0;
    return n;
}

static int do_init(void)
{
    return 0;
}

static void do_exit(void)
{
}

static const struct kernel_param_ops ops = {.set = do_set}, deaf_ops = {.set = deaf_set};
static const struct kernel_param params[] __attribute__((section("__param"), used)) = {
    {
        .name = "deaf",
        .mod = &__this_module,
        .ops = &deaf_ops,
        .perm = 0200,
        .level = -1,
    },
    {
        .name = "do",
        .mod = &__this_module,
        .ops = &ops,
        .perm = 0200, /* the case opens it to everybody: here the kernel warns of that */
        .level = -1,
    },
};

struct module __this_module __attribute__((section(".gnu.linkonce.this_module"))) = {
    .name = "tamper",
    .init = do_init,
    .exit = do_exit,
};
