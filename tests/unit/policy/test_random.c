// SPDX-License-Identifier: Apache-2.0
//
// Policy text → image → decision: random policies and questions against trying the rules one by
// one.
#include "tests/unit/policy/names.h"
#include "tests/unit/policy/reference.h"
#include "tests/unit/unit.h"

#include "base/json.h"
#include "base/strbuf.h"

#define SEED     UINT64_C(0xc0ffee5afe)
#define POLICIES 400
#define QUERIES  150

#define PICK(r, list) (list)[ref_below(r, sizeof(list) / sizeof(*(list)))]

static const char *const exes[] = {"/usr/bin/cat", "/usr/bin/vi",    "/usr/sbin/nginx",
                                   "/opt/app/run", "/usr/sbin/sshd", "/usr/sbin/cron",
                                   "/usr/bin/dpkg"};
static const char *const cgroups[] = {"/",
                                      "/system.slice",
                                      "/system.slice/nginx.service",
                                      "/system.slice/nginx.service/worker",
                                      "/docker/0123456789abcdef",
                                      "/user.slice/user-1000.slice",
                                      "/machine.slice/libpod-web.scope",
                                      "/safeguard.run/t",
                                      "/safeguard.run/t/12"};
static const char *const paths[] = {"/",
                                    "/etc",
                                    "/etc/shadow",
                                    "/etc/passwd",
                                    "/etc/ssh/sshd_config",
                                    "/etc/ssh",
                                    "/home/ann",
                                    "/home/ann/.ssh",
                                    "/home/ann/.ssh/id_rsa",
                                    "/home/bob/.ssh/id_rsa.pub",
                                    "/srv/www/a.php",
                                    "/srv/www/x/b.php",
                                    "/srv/www/x/b.txt",
                                    "/srv",
                                    "/usr/bin/cat",
                                    "/usr/sbin/nginx",
                                    "/tmp/x",
                                    "/var/log/x.log",
                                    "/opt/app/run",
                                    "/etc/cron.d/job"};
static const char *const patterns[] = {"/",
                                       "/etc",
                                       "/etc/shadow",
                                       "/etc/*",
                                       "/etc/**",
                                       "/etc/ssh/**",
                                       "/home/*/.ssh/**",
                                       "/home/*/.ssh/*.pub",
                                       "/home/**/id_rsa",
                                       "/srv/www/**/*.php",
                                       "/srv/**",
                                       "/usr/*bin/*",
                                       "/**/[a-n]*",
                                       "/tmp/?",
                                       "/var/log/*.log",
                                       "/opt/app/run",
                                       "/etc/cron.[!a-c]/**",
                                       "/**"};

static void put_list(struct ref_random *r, struct strbuf *sb, const char *const *from, uint32_t n)
{
    uint32_t count = 1 + ref_below(r, 2);

    sb_putc(sb, '[');
    for (uint32_t i = 0; i < count; i++)
        sb_printf(sb, "%s\"%s\"", i > 0 ? ", " : "", from[ref_below(r, n)]);
    sb_putc(sb, ']');
}

#define LIST(r, sb, list) put_list(r, sb, list, sizeof(list) / sizeof(*(list)))

static void put_env(struct ref_random *r, struct strbuf *sb, const char *const *values, uint32_t n)
{
    static const char *const names[] = {"A", "AB", "LD_PRELOAD"};
    uint32_t set = 1 + ref_below(r, 7);
    const char *comma = "{";

    for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!(set >> i & 1))
            continue;
        sb_printf(sb, "%s%s: [%s, %s]", comma, names[i], values[ref_below(r, n)],
                  values[ref_below(r, n)]);
        comma = ", ";
    }
    sb_putc(sb, '}');
}

static void put_subject(struct ref_random *r, struct strbuf *sb)
{
    static const char *const exe_patterns[] = {"/usr/bin/cat", "/usr/sbin/*", "/opt/**",
                                               "/usr/**/c*", "/usr/bin/dpkg"};
    static const char *const users[] = {"root", "ann", "1001", "7"};
    static const char *const groups[] = {"root", "staff", "4"};
    static const char *const caps[] = {"CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_NET_ADMIN"};
    static const char *const sessions[] = {"ssh", "cron", "console", "service", "none"};
    static const char *const groups_of_control[] = {"/system.slice", "/system.slice/nginx.service",
                                                    "/user.slice/*", "/"};
    static const char *const containers[] = {"any", "0123456789ab", "w?b"};
    static const char *const times[] = {"08:00-18:00", "mon-fri", "sat,sun 22:00-06:00",
                                        "fri-mon 23:30-00:30", "wed 00:00-24:00"};
    static const char *const values[] = {"'*'", "'/tmp/*'", "'x?z'", "'*.so'", "'a\\*'", "plain"};
    uint32_t keys = 1 + ref_below(r, (1 << 12) - 1);
    const char *comma = "";

    keys &= 1 + ref_below(r, (1 << 12) - 1); // few keys at a time: all have to match
    if (keys == 0)
        keys = 1u << ref_below(r, 12);
    sb_putc(sb, '{');
    for (unsigned k = 0; k < 12; k++) {
        static const char *const names[] = {"exe",     "parent",     "ancestor",   "user",
                                            "group",   "login_user", "capability", "cgroup",
                                            "session", "namespace",  "time",       "env"};

        if (!(keys >> k & 1))
            continue;
        sb_printf(sb, "%s%s: ", comma,
                  k == 7 && keys & 1   ? "container"
                  : k == 7 && keys & 2 ? "launched"
                                       : names[k]);
        comma = ", ";
        if (k <= 2)
            LIST(r, sb, exe_patterns);
        else if (k == 3 || k == 5)
            LIST(r, sb, users);
        else if (k == 4)
            LIST(r, sb, groups);
        else if (k == 6)
            LIST(r, sb, caps);
        else if (k == 7 && keys & 1)
            LIST(r, sb, containers);
        else if (k == 7 && keys & 2)
            sb_puts(sb, "true");
        else if (k == 7)
            LIST(r, sb, groups_of_control);
        else if (k == 8)
            LIST(r, sb, sessions);
        else if (k == 9)
            sb_puts(sb, ref_below(r, 2) ? "host" : "container");
        else if (k == 10)
            LIST(r, sb, times);
        else
            put_env(r, sb, values, ARRAY_SIZE(values));
    }
    sb_printf(sb, "%s}", ref_below(r, 3) == 0 ? ", descendants: true" : "");
}

static void put_by(struct ref_random *r, struct strbuf *sb, const char *key)
{
    uint32_t n = 1 + ref_below(r, 2);

    sb_printf(sb, ", %s: [", key);
    for (uint32_t i = 0; i < n; i++) {
        sb_puts(sb, i > 0 ? ", " : "");
        if (ref_below(r, 3) == 0)
            put_subject(r, sb);
        else
            sb_printf(sb, "s%u", ref_below(r, 4));
    }
    sb_putc(sb, ']');
}

static void put_by_and_do(struct ref_random *r, struct strbuf *sb)
{
    static const char *const verbs[] = {
        "allow", "audit", "deny", "kill", "stop", "{errno: EACCES}", "{errno: EHOSTUNREACH}"};

    sb_printf(sb, ", do: %s", PICK(r, verbs));
    if (ref_below(r, 3) == 0)
        sb_puts(sb, ", mode: monitor");
    if (ref_below(r, 2) == 0)
        put_by(r, sb, "by");
    if (ref_below(r, 2) == 0)
        put_by(r, sb, "not_by");
    sb_puts(sb, "}\n");
}

static void random_processes(struct ref_random *r, struct strbuf *sb)
{
    static const char *const words[] = {"memfd", "deleted", "foreign", "any"};
    static const char *const calls[] = {"bpf", "[setns, mount]", "[umount2, setuid]",
                                        "[init_module, bpf]"};
    uint32_t n = 1 + ref_below(r, 6);

    sb_puts(sb, "processes:\n");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t about = ref_below(r, 6);

        sb_printf(sb, "  - {%s: ", about == 0 ? "syscall" : about == 1 ? "load" : "exec");
        if (about == 0)
            sb_puts(sb, PICK(r, calls));
        else if (about == 2)
            LIST(r, sb, words);
        else if (about == 3)
            sb_printf(sb, "[%s, \"%s\"]", PICK(r, words), PICK(r, patterns));
        else
            LIST(r, sb, patterns);
        put_by_and_do(r, sb);
    }
}

static const char *const modules[] = {"nf_tables", "nf_nat", "ext4", "x/y", "", "bind", "umount"};

static void random_control(struct ref_random *r, struct strbuf *sb)
{
    static const char *const rules[] = {"setuid: [root, \"1001\"]",
                                        "setuid: any",
                                        "setgid: [root, staff]",
                                        "module: \"nf_*\"",
                                        "module: [\"*\", ext?]",
                                        "module: 'x\\/y*'",
                                        "module: any",
                                        "mount: [bind, \"*4\"]",
                                        "mount: umount",
                                        "capability: [sys_admin, CAP_CHOWN]",
                                        "capability: any",
                                        "bpf: any, setuid: bob",
                                        "keyctl: any",
                                        "setns: any"};
    uint32_t n = 1 + ref_below(r, 8);

    sb_puts(sb, "control:\n");
    for (uint32_t i = 0; i < n; i++) {
        sb_printf(sb, "  - {%s", PICK(r, rules));
        put_by_and_do(r, sb);
    }
}

static void random_policy(struct ref_random *r, struct strbuf *sb)
{
    static const char *const ops[] = {
        "read", "write", "any", "exec", "[read, delete]", "[io, mmap]", "[create, rename]",
        "mount"};
    static const char *const verbs[] = {"allow", "audit", "deny", "kill"};
    uint32_t n = 1 + ref_below(r, 12);

    sb_puts(sb, "safeguard: 1\nmode: enforce\nsubjects:\n");
    for (unsigned i = 0; i < 4; i++) {
        sb_printf(sb, "  s%u: ", i);
        put_subject(r, sb);
        sb_putc(sb, '\n');
    }
    sb_puts(sb, "files:\n");
    for (uint32_t i = 0; i < n; i++) {
        const char *op = PICK(r, ops);

        sb_puts(sb, "  - {path: ");
        LIST(r, sb, patterns);
        sb_printf(sb, ", access: %s, do: %s", op, strstr(op, "io,") ? "audit" : PICK(r, verbs));
        if (ref_below(r, 3) == 0)
            sb_puts(sb, ", mode: monitor");
        if (ref_below(r, 2) == 0)
            put_by(r, sb, "by");
        if (ref_below(r, 2) == 0)
            put_by(r, sb, "not_by");
        sb_puts(sb, "}\n");
    }
    random_processes(r, sb);
    random_control(r, sb);
}

struct question {
    struct policy_query q;
    struct policy_control control;
    const char *ancestors[4];
    uint32_t gids[3];
    const char *env[3];
};

static void random_control_question(struct ref_random *r, struct question *out)
{
    static const uint32_t numbers[] = {0, 1, 2, 21, 253, 254, 255, 256, 1000, 1001, UINT32_MAX};
    static const enum sg_control kinds[] = {SG_CONTROL_exec,       SG_CONTROL_setuid,
                                            SG_CONTROL_setgid,     SG_CONTROL_module,
                                            SG_CONTROL_mount,      SG_CONTROL_bpf,
                                            SG_CONTROL_capability, SG_CONTROL_setns};
    struct policy_control *c = &out->control;

    c->kind = PICK(r, kinds);
    c->number = PICK(r, numbers);
    c->name = PICK(r, modules);
    c->what = c->kind == SG_CONTROL_module || c->kind == SG_CONTROL_mount ? POLICY_CONTROL_NAME
              : c->kind == SG_CONTROL_setuid || c->kind == SG_CONTROL_setgid
                  ? POLICY_CONTROL_ID
                  : POLICY_CONTROL_NUMBER;
    out->q.control = c;
    out->q.ops = SG_OP_CONTROL;
}

static void random_question(struct ref_random *r, struct question *out)
{
    static const uint32_t ids[] = {0, 1000, 1001, 7, 4, UINT32_MAX};
    static const char *const variables[] = {"A=",
                                            "A=/tmp/a/b",
                                            "A=xyz",
                                            "A=plain",
                                            "AB=x.so",
                                            "AB=a*",
                                            "AB=axy",
                                            "LD_PRELOAD=/tmp/",
                                            "B=/tmp",
                                            "LD_PRELOAD=a/.so",
                                            "LD_PRELOA=plain",
                                            "A=plain ",
                                            "A",
                                            "",
                                            "/",
                                            "LD_PRELOAD=x/z"};
    struct policy_facts *f = &out->q.facts;

    *out = (struct question){};
    out->q.path = PICK(r, paths);
    out->q.path_len = strlen(out->q.path);
    out->q.ops = 1 + ref_below(r, SG_OP_CONTROL - 1);
    if (ref_below(r, 3) == 0)
        random_control_question(r, out);
    f->exe = ref_below(r, 20) ? PICK(r, exes) : NULL;
    f->n_ancestors = ref_below(r, 5);
    f->ancestors = out->ancestors;
    for (size_t i = 0; i < f->n_ancestors; i++)
        out->ancestors[i] = PICK(r, exes);
    f->uid = ids[ref_below(r, 5)];
    f->n_gids = ref_below(r, 4);
    f->gids = out->gids;
    for (size_t i = 0; i < f->n_gids; i++)
        out->gids[i] = ids[ref_below(r, 5)];
    f->n_env = ref_below(r, 4);
    f->env = out->env;
    for (size_t i = 0; i < f->n_env; i++)
        out->env[i] = PICK(r, variables);
    f->login_uid = PICK(r, ids);
    f->caps = ref_next(r) & ref_next(r);
    f->cgroup = PICK(r, cgroups);
    f->session = (int)ref_below(r, SG_SESSION_COUNT);
    f->container = ref_below(r, 2);
    out->q.has_when = ref_below(r, 4) != 0;
    out->q.when = 1700000000 + (time_t)ref_below(r, 14 * 24 * 3600);
}

static void check_question(const struct policy *p, const struct policy_image *image,
                           const struct question *question, const char *text,
                           unsigned long *n_cases, unsigned long *n_matched)
{
    struct policy_decision d;

    assert_int_equal(policy_explain(image, &question->q, &d), 0);
    assert_int_equal(d.n_ops, (size_t)__builtin_popcount(question->q.ops));
    for (size_t i = 0; i < d.n_ops; i++) {
        int want = ref_decide(p, &question->q, d.ops[i].op);
        int got = d.ops[i].matched ? d.ops[i].rule : -1;

        if (want != got) {
            (void)fprintf(stderr, "%s\n", text); // longer than what cmocka prints
            fail_msg("%s %u:%u:%s %s: rule %d, expected %d", question->q.path,
                     question->control.kind, question->control.number,
                     strempty(question->control.name), policy_op_name(d.ops[i].op), got, want);
        }
        if (got >= 0) {
            assert_int_equal(d.ops[i].verdict, p->rules[got].verdict);
            assert_int_equal(d.ops[i].monitor, p->rules[got].monitor);
            assert_int_equal(d.ops[i].error, p->rules[got].verdict < SG_DENY ? 0
                                             : p->rules[got].error           ? p->rules[got].error
                                                                             : EPERM);
            *n_matched += 1;
        }
        *n_cases += 1;
    }
}

// What people are shown never fails, and as JSON is one value.
static void check_texts(const struct policy_image *image, const struct question *question)
{
    _cleanup_(sb_done) struct strbuf text = {}, json = {};
    struct policy_decision d;
    struct jw jw;

    assert_int_equal(policy_explain(image, &question->q, &d), 0);
    policy_explain_format(image, &question->q, &d, true, &text);
    jw_init(&jw, &json);
    policy_explain_json(image, &question->q, &d, &jw);
    assert_int_equal(jw_finish(&jw), 0);
    assert_false(text.failed);
    assert_true(text.len > 10);
}

static void test_random(void **state)
{
    const struct policy_compile_options quiet = {.no_warnings = true};
    struct ref_random r = {SEED};
    unsigned long n_cases = 0, n_matched = 0;

    (void)state;
    print_message("# seed 0x%llx\n", (unsigned long long)r.state);
    for (int i = 0; i < POLICIES; i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy_diags diags = {};
        struct policy_image *image = NULL;
        struct policy *p = NULL;

        random_policy(&r, &sb);
        if (policy_load_buffer("t", sb_str(&sb), sb.len, &names_options, &diags, &p) < 0)
            fail_msg("%u:%u: %s", diags.items[0].line, diags.items[0].column,
                     diags.items[0].message);
        if (policy_compile(p, NULL, i % 4 ? &quiet : NULL, &diags, &image) < 0)
            fail_msg("%s", diags.n > 0 ? diags.items[0].message : "compile");
        assert_int_equal(policy_image_validate(image->mem, image->size), 0);
        for (int k = 0; k < QUERIES; k++) {
            struct question question;

            random_question(&r, &question);
            check_question(p, image, &question, sb_str(&sb), &n_cases, &n_matched);
            if (k % 50 == 0)
                check_texts(image, &question);
        }
        policy_image_free(image);
        policy_free(p);
        policy_diags_done(&diags);
    }
    print_message("# %lu cases, %lu decided by a rule\n", n_cases, n_matched);
    assert_true(n_cases >= 20000 && n_matched >= n_cases / 10);
}

UNIT_MAIN(cmocka_unit_test(test_random))
