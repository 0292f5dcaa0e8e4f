// SPDX-License-Identifier: Apache-2.0
//
// The policies in policies/: without a warning, alone and together, nothing is refused, and what
// they are about is recorded while what a host does all day is not.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/strutil.h"
#include "policy/explain.h"

#define SHIPPED SOURCE_ROOT "/policies"

static struct policy_image *compile(const struct policy *p, struct policy_diags *d)
{
    struct policy_image *image = NULL;

    assert_int_equal(policy_compile(p, NULL, NULL, d, &image), 0);
    if (d->n > 0)
        fail_msg("%s:%u: %s", d->items[0].file, d->items[0].line, d->items[0].message);
    for (uint32_t i = 0; i < p->n_rules; i++)
        assert_true(p->rules[i].monitor);
    return image;
}

static void test_each(void **state)
{
    _cleanup_(strv_freep) char **names = NULL;

    (void)state;
    assert_int_equal(dir_names(AT_FDCWD, SHIPPED, ".yaml", 100, &names), 0);
    assert_true(strv_len(names) >= 8);
    STRV_FOREACH (name, names) {
        _cleanup_(policy_diags_done) struct policy_diags d = {};
        const char *const path = unit_path(SHIPPED, *name);
        struct policy *p = NULL;

        if (policy_load_files(&path, 1, &names_options, &d, &p) < 0)
            fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_true(p->n_rules > 0);
        policy_image_free(compile(p, &d));
        policy_free(p);
    }
}

struct question {
    const char *path;
    uint32_t op;
    const char *exe;
    const char *ancestor; // NULL: systemd
    uint32_t uid;
    const char *policy; // that records it; NULL: none
    uint8_t verdict;
};

static const struct question questions[] = {
    // A host's day.
    {"/usr/bin/ls", SG_OP_EXEC, "/usr/bin/bash", NULL, 1000, NULL, 0},
    {"/etc/passwd", SG_OP_READ, "/usr/bin/ls", NULL, 1000, NULL, 0},
    {"/etc/shadow", SG_OP_READ, "/usr/sbin/unix_chkpwd", NULL, 0, NULL, 0},
    {"/etc/shadow", SG_OP_READ, "/usr/bin/sudo", NULL, 0, NULL, 0},
    {"/etc/shadow", SG_OP_WRITE, "/usr/bin/passwd", NULL, 0, NULL, 0},
    {"/usr/bin/ls", SG_OP_CREATE, "/usr/bin/dpkg", NULL, 0, NULL, 0},
    {"/usr/bin/ls", SG_OP_CREATE, "/usr/bin/rm", "/usr/bin/dpkg", 0, NULL, 0},
    {"/usr/bin/ls", SG_OP_CREATE, "/usr/bin/python3.11", NULL, 0, NULL, 0},
    {"/usr/lib/modules", SG_OP_MOUNT, "/usr/lib/systemd/systemd", NULL, 0, NULL, 0},
    {"/boot/grub/grubenv", SG_OP_WRITE, "/usr/bin/grub-editenv", NULL, 0, NULL, 0},
    {"/root/.bash_history", SG_OP_WRITE, "/usr/bin/bash", NULL, 0, NULL, 0},
    {"/home/ann/.ssh/id_rsa", SG_OP_READ, "/usr/bin/ssh", NULL, 1000, NULL, 0},
    {"/home/ann/.ssh/known_hosts", SG_OP_WRITE, "/usr/bin/ssh", NULL, 1000, NULL, 0},
    {"/var/www/html/x.php", SG_OP_READ, "/usr/sbin/php-fpm8.2", NULL, 33, NULL, 0},
    {"/var/www/html/upload.png", SG_OP_CREATE, "/usr/sbin/php-fpm8.2", NULL, 33, NULL, 0},
    {"/var/log/syslog", SG_OP_WRITE, "/usr/sbin/rsyslogd", NULL, 0, NULL, 0},
    {"/etc/safeguard/policies/10-x.yaml", SG_OP_WRITE, "/usr/bin/safeguard-agent", NULL, 0, NULL,
     0},
    // What the policies are for.
    {"/etc/safeguard/policies/10-x.yaml", SG_OP_WRITE, "/usr/bin/vi", NULL, 0, "safeguard",
     SG_DENY},
    {"/var/lib/safeguard/spool/1", SG_OP_DELETE, "/usr/bin/rm", NULL, 0, "safeguard", SG_DENY},
    {"/usr/bin/safeguard-agent", SG_OP_WRITE, "/usr/bin/cp", NULL, 0, "safeguard", SG_DENY},
    {"/etc/shadow", SG_OP_READ, "/usr/bin/cat", NULL, 0, "credentials", SG_DENY},
    {"/etc/shadow-", SG_OP_READ, "/usr/bin/cat", NULL, 0, "credentials", SG_DENY},
    {"/etc/sudoers.d/x", SG_OP_CREATE, "/usr/bin/tee", NULL, 0, "credentials", SG_DENY},
    {"/etc/ssl/private/a.key", SG_OP_READ, "/usr/bin/tar", NULL, 0, "credentials", SG_DENY},
    {"/home/ann/.aws/credentials", SG_OP_READ, "/usr/bin/curl", NULL, 1000, "credentials",
     SG_AUDIT},
    {"/usr/bin/ls", SG_OP_WRITE, "/usr/bin/cp", NULL, 0, "system-binaries", SG_DENY},
    {"/usr/lib/modules/6.1/x.ko", SG_OP_CREATE, "/usr/bin/cp", NULL, 0, "system-binaries", SG_DENY},
    {"/usr/local/bin/x", SG_OP_CREATE, "/usr/bin/install", NULL, 0, "system-binaries", SG_AUDIT},
    {"/boot/vmlinuz", SG_OP_WRITE, "/usr/bin/dd", NULL, 0, "boot", SG_DENY},
    {"/etc/cron.d/x", SG_OP_CREATE, "/usr/bin/cp", NULL, 0, "persistence", SG_DENY},
    {"/var/spool/cron/crontabs/ann", SG_OP_CREATE, "/usr/bin/crontab", NULL, 1000, "persistence",
     SG_AUDIT},
    {"/etc/systemd/system/x.service", SG_OP_CREATE, "/usr/bin/vi", NULL, 0, "persistence", SG_DENY},
    {"/etc/systemd/system/a.wants/x", SG_OP_CREATE, "/usr/lib/systemd/systemd", NULL, 0,
     "persistence", SG_AUDIT},
    {"/etc/ld.so.preload", SG_OP_CREATE, "/usr/bin/bash", NULL, 0, "persistence", SG_DENY},
    {"/etc/pam.d/sshd", SG_OP_WRITE, "/usr/bin/sed", NULL, 0, "persistence", SG_DENY},
    {"/etc/profile.d/x.sh", SG_OP_CREATE, "/usr/bin/vi", NULL, 0, "persistence", SG_DENY},
    {"/home/ann/.ssh/id_ed25519", SG_OP_READ, "/usr/bin/cat", NULL, 1000, "ssh-keys", SG_DENY},
    {"/root/.ssh/authorized_keys", SG_OP_WRITE, "/usr/bin/bash", NULL, 0, "ssh-keys", SG_DENY},
    {"/etc/ssh/ssh_host_rsa_key", SG_OP_READ, "/usr/bin/cat", NULL, 0, "ssh-keys", SG_DENY},
    {"/var/www/html/up/x.php", SG_OP_CREATE, "/usr/sbin/php-fpm8.2", NULL, 33, "web-roots",
     SG_DENY},
    {"/var/www/html/.htaccess", SG_OP_CREATE, "/usr/bin/cp", "/usr/sbin/nginx", 33, "web-roots",
     SG_DENY},
    {"/tmp/x", SG_OP_EXEC, "/usr/bin/dash", "/usr/sbin/apache2", 33, "web-roots", SG_DENY},
    {"/usr/bin/bash", SG_OP_EXEC, "/usr/bin/dash", "/usr/sbin/apache2", 33, "web-roots", SG_AUDIT},
};

// What policies/90-control.yaml is about: a record, of anybody but those who do it every day.
static const struct {
    enum sg_control kind;
    const char *word, *exe;
    bool recorded;
} controls[] = {
    {SG_CONTROL_module, "nf_tables", "/usr/bin/kmod", true},
    {SG_CONTROL_module, "nf_tables", "/usr/bin/udevadm", false},
    {SG_CONTROL_kexec, "file", "/usr/sbin/kexec", true},
    {SG_CONTROL_bpf, "prog_load", "/usr/bin/python3.11", true},
    {SG_CONTROL_bpf, "prog_load", "/usr/lib/systemd/systemd", false},
    {SG_CONTROL_bpf, "prog_load", "/usr/bin/safeguard-agent", false},
    {SG_CONTROL_bpf, "map_create", "/usr/bin/python3.11", false},
    {SG_CONTROL_ptrace, "attach", "/usr/bin/gdb", true},
    {SG_CONTROL_ptrace, "read", "/usr/bin/ps", false},
    {SG_CONTROL_socket, "packet", "/usr/bin/tcpdump", true},
    {SG_CONTROL_socket, "packet", "/usr/sbin/NetworkManager", false},
    {SG_CONTROL_socket, "raw", "/usr/bin/ping", false},
    {SG_CONTROL_signal, "term", "/usr/bin/bash", false},
};

static void test_control(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    struct policy_decision decision;
    struct policy_image *image;
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(policy_load_dir(SHIPPED, &names_options, &d, &p), 0);
    image = compile(p, &d);
    for (size_t i = 0; i < sizeof(controls) / sizeof(*controls); i++) {
        struct policy_control control;
        const struct policy_query query = {
            .control = &control,
            .ops = SG_OP_CONTROL,
            .facts = {.exe = controls[i].exe, .session = SG_SESSION_SERVICE},
        };

        assert_int_equal(policy_control_from_word(controls[i].kind, controls[i].word, &control), 0);
        assert_int_equal(policy_explain(image, &query, &decision), 0);
        if ((decision.overall.matched && decision.overall.verdict == SG_AUDIT) !=
            controls[i].recorded)
            fail_msg("%s by %s", controls[i].word, controls[i].exe);
    }
    policy_image_free(image);
    policy_free(p);
}

static bool answer(const struct policy_image *image, const struct question *q)
{
    const char *const ancestors[] = {q->ancestor ? q->ancestor : "/usr/lib/systemd/systemd"};
    const struct policy_query query = {.path = q->path,
                                       .path_len = strlen(q->path),
                                       .ops = q->op,
                                       .facts = {.exe = q->exe,
                                                 .ancestors = ancestors,
                                                 .n_ancestors = 1,
                                                 .uid = q->uid,
                                                 .session = SG_SESSION_SERVICE}};
    struct policy_decision d;
    const char *policy;

    assert_int_equal(policy_explain(image, &query, &d), 0);
    assert_false(d.blocked);
    // An `allow` is as silent as no rule.
    policy = d.overall.matched && d.overall.verdict != SG_ALLOW
                 ? image->rules[d.overall.rule].policy
                 : NULL;
    if (streq_ptr(policy, q->policy) && (!policy || d.overall.verdict == q->verdict))
        return true;
    print_error("%s %s by %s: %s %u, expected %s %u\n", policy_op_name(q->op), q->path, q->exe,
                strempty(policy), d.overall.verdict, strempty(q->policy), q->verdict);
    return false;
}

static void test_together(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    struct policy_image *image;
    struct policy *p = NULL;
    unsigned bad = 0;

    (void)state;
    assert_int_equal(policy_load_dir(SHIPPED, &names_options, &d, &p), 0);
    image = compile(p, &d);
    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        bad += !answer(image, &questions[i]);
    assert_int_equal(bad, 0);
    policy_image_free(image);
    policy_free(p);
}

UNIT_MAIN(cmocka_unit_test(test_each), cmocka_unit_test(test_together),
          cmocka_unit_test(test_control))
