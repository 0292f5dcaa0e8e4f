// SPDX-License-Identifier: Apache-2.0
//
// YAML → rules: what is accepted means what it says; every mistake is reported where it stands.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "policy/policy.h"

#define HEAD "safeguard: 1\nmode: enforce\n" // lines 1 and 2
#define RULE HEAD "files:\n  - "             // a rule starts at 4:5

struct row {
    const char *text;
    unsigned line, column;
    const char *message; // a part of it
};

static const struct row errors[] = {
    // YAML
    {"safeguard: 1\nmode: [enforce\n", 3, 1, "this is not YAML"},
    {"safeguard: 1\n\tmode: enforce\n", 2, 1, "a tab cannot indent"},
    {"safeguard: 1\nmode: \"en\xff\"\n", 2, 10, "not UTF-8 (byte 0xff)"},
    {"safeguard: 1\nmode: en\x01\n", 2, 9, "control character (0x01)"},
    {HEAD "name: \"a\\0b\"\n", 3, 8, "NUL character"},
    {HEAD "mode: monitor\n", 3, 1, "the key 'mode' is there already, in line 2"},
    {HEAD "name: &a web\n", 3, 8, "anchors are not part"},
    {RULE "{path: *a, access: read, do: deny}\n", 4, 13, "aliases are not part"},
    {HEAD "name: !!str web\n", 3, 7, "tags are not part"},
    {HEAD "name: 'a\n b'\n", 3, 8, "cannot run over several lines"},
    {HEAD "name: ''\n", 3, 8, "this is empty"},
    {HEAD "---\nsafeguard: 1\n", 3, 1, "holds one document"},
    {HEAD "? [a, b]\n: 1\n", 3, 3, "a key has to be a word, this is a list"},
    {"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", 1, 17, "nested more than 16 deep"},
    {"", 1, 1, "the file is empty"},
    {"# nothing\n", 1, 1, "the file is empty"},
    {"- a\n", 1, 1, "a policy file has to be a map, this is a list"},
    // file
    {"mode: enforce\n", 1, 1, "does not say its version"},
    {"safeguard: 1\n", 1, 1, "does not say its mode"},
    {"safeguard: 2\nmode: enforce\n", 1, 12, "version '2', which is not known"},
    {"safeguard: 1\nmode: enforced\n", 2, 7, "'enforced' is not a mode; did you mean 'enforce'?"},
    {"safeguard: 1\nmode:\n", 2, 1, "this is empty"},
    {HEAD "fils: []\n", 3, 1, "unknown key 'fils' in a policy file; did you mean 'files'?"},
    {HEAD "packets: {a: 1}\n", 3, 10, "`packets` has to be a list of rules, this is a map"},
    {HEAD "name: [a]\n", 3, 7, "this is a list"},
    {HEAD "files: {a: 1}\n", 3, 8, "`files` has to be a list of rules, this is a map"},
    {HEAD "subjects: [a]\n", 3, 11, "`subjects` has to be a map, this is a list"},
    // rules
    {RULE "a\n", 4, 5, "a rule has to be a map, this is text"},
    {RULE "{access: read, do: deny}\n", 4, 5, "the rule has no `path`"},
    {RULE "{path: /a, do: deny}\n", 4, 5, "the rule has no `access`"},
    {RULE "{path: /a, access: read}\n", 4, 5, "the rule has no `do`"},
    {RULE "{path: /a, access: raed, do: deny}\n", 4, 24,
     "'raed' is not an access; did you mean 'read'?"},
    {RULE "{path: /a, access: [read, xyzzy], do: deny}\n", 4, 31, "'xyzzy' is not an access"},
    {RULE "{path: /a, access: [], do: deny}\n", 4, 24, "the list is empty"},
    {RULE "{path: /a, access: {a: b}, do: deny}\n", 4, 24, "this is a map"},
    {RULE "{path: /a, access: read, do: block}\n", 4, 34, "'block' is not something to do"},
    {RULE "{path: /a, access: read, do: {redirect: /b}}\n", 4, 35, "`redirect` is not there yet"},
    {RULE "{path: /a, access: read, do: redirect}\n", 4, 34, "`redirect` is not there yet"},
    {RULE "{path: /a, access: read, do: drop}\n", 4, 34, "`drop` is a verb of packets"},
    {RULE "{path: /a, access: read, do: audit, content: true}\n", 4, 41,
     "content audit is not there yet"},
    {RULE "{path: /a, access: read, do: deny, mode: on}\n", 4, 46, "'on' is not a mode"},
    {RULE "{path: /a, access: io, do: deny}\n", 4, 24, "cannot be refused"},
    {RULE "{path: /a, access: read, do: deny, by: web}\n", 4, 44, "there is no subject 'web'"},
    {RULE "{path: /a, access: read, do: deny, not_by: []}\n", 4, 48, "the list is empty"},
    {RULE "{path: /a, access: read, do: deny, by: [[a]]}\n", 4, 45, "this is a list in a list"},
    {RULE "{path: /a, access: read, do: deny, by: {}}\n", 4, 44, "is everybody"},
    {RULE "{path: /a, access: read, do: deny, by: {user: eve}}\n", 4, 51, "there is no user 'eve'"},
    // paths
    {RULE "{path: etc/shadow, access: read, do: deny}\n", 4, 12, "not absolute"},
    {RULE "{path: ~/.ssh, access: read, do: deny}\n", 4, 12, "not absolute"},
    {RULE "{path: \"\", access: read, do: deny}\n", 4, 13, "this is empty"},
    {RULE "{path: /a/../b, access: read, do: deny}\n", 4, 15, "'.' and '..'"},
    {RULE "{path: /a/./b, access: read, do: deny}\n", 4, 15, "'.' and '..'"},
    {RULE "{path: /a//b, access: read, do: deny}\n", 4, 14, "a component is empty"},
    {RULE "{path: //, access: read, do: deny}\n", 4, 12, "a component is empty"},
    {RULE "{path: /a/b**, access: read, do: deny}\n", 4, 16, "'**' has to be a component"},
    {RULE "{path: /a/***, access: read, do: deny}\n", 4, 15, "'**' has to be a component"},
    {RULE "{path: \"/a/[b\", access: read, do: deny}\n", 4, 16, "this set is not closed"},
    {RULE "{path: \"/a/[b/c]\", access: read, do: deny}\n", 4, 16, "this set is not closed"},
    {RULE "{path: \"/a/[z-a]\", access: read, do: deny}\n", 4, 17, "runs backwards"},
    {RULE "{path: \"/a/[^b]\", access: read, do: deny}\n", 4, 17, "'^' does not negate"},
    {RULE "{path: \"/a/[[:alpha:]]\", access: read, do: deny}\n", 4, 17, "named classes"},
    {RULE "{path: \"/a/[\303\251]\", access: read, do: deny}\n", 4, 17,
     "this character has several"},
    {RULE "{path: '/a/b\\', access: read, do: deny}\n", 4, 17, "a backslash at the end"},
    {RULE "{path: '/a\\/b', access: read, do: deny}\n", 4, 15, "always separates"},
    {RULE "{path: [/a, \"/\303\251/..\"], access: read, do: deny}\n", 4, 21, "'.' and '..'"},
    // programs and control
    {HEAD "processes:\n  - {do: deny}\n", 4, 5, "does not say what it is about"},
    {HEAD "processes:\n  - {exec: tmp, do: deny}\n", 4, 12, "'tmp' is not a word of `exec`"},
    {HEAD "processes:\n  - {exec: [/a, memfs], do: deny}\n", 4, 17, "did you mean 'memfd'?"},
    {HEAD "processes:\n  - {exec: /a/../b, do: deny}\n", 4, 15, "'.' and '..'"},
    {HEAD "processes:\n  - {exec: /a, load: /b, do: deny}\n", 4, 16, "one of `exec`, `load`"},
    {HEAD "processes:\n  - {load: any, do: deny}\n", 4, 12, "not absolute"},
    {HEAD "processes:\n  - {exec: /a, access: read, do: deny}\n", 4, 16, "unknown key 'access'"},
    {HEAD "processes:\n  - {exec: /a}\n", 4, 5, "the rule has no `do`"},
    {HEAD "processes:\n  - {exec: /a, do: {errno: EFOO}}\n", 4, 28, "'EFOO' is not an error"},
    {HEAD "processes:\n  - {exec: /a, do: {errno: 13}}\n", 4, 28, "'13' is not an error"},
    {HEAD "processes:\n  - {exec: /a, do: {errno: EHWPOISON}}\n", 4, 28, "is not an error"},
    {HEAD "processes: {exec: /a}\n", 3, 12, "`processes` has to be a list of rules"},
    {RULE "{path: /a, access: read, do: {errno: EACCES}}\n", 4, 5,
     "`errno` is a verb of processes"},
    {HEAD "processes:\n  - {syscall: ptrce, do: deny}\n", 4, 15, "did you mean 'ptrace'?"},
    {HEAD "processes:\n  - {syscall: [bpf, getpid], do: deny}\n", 4, 21,
     "no security hook sees the system call 'getpid'"},
    {HEAD "processes:\n  - {syscall: any, do: deny}\n", 4, 15, "no security hook sees"},
    {HEAD "processes:\n  - {syscall: bpf, by: [{launched: true}, {user: 1}], do: deny}\n", 4, 6,
     "some of these subjects are launched"},
    {HEAD "processes:\n  - {syscall: getpid, by: {launched: true}, not_by: {user: 1}, do: deny}\n",
     4, 6, "it knows nothing of `not_by`"},
    {HEAD "processes:\n  - {syscall: getpid, by: {launched: true, user: 1}, do: deny}\n", 4, 6,
     "it knows nothing of the other keys"},
    {HEAD "processes:\n  - {syscall: bpf, exec: /a, do: deny}\n", 4, 20, "one of `exec`, `load`"},
    {HEAD "control:\n  - {do: deny}\n", 4, 5, "does not say what it is about"},
    {HEAD "control:\n  - {ptrce: any, do: deny}\n", 4, 6, "did you mean 'ptrace'?"},
    {HEAD "control:\n  - {capability: sys_admn, do: deny}\n", 4, 18, "not a word of `capability`"},
    {HEAD "control:\n  - {capability: [], do: deny}\n", 4, 18, "the list is empty"},
    {HEAD "control:\n  - {setuid: eve, do: deny}\n", 4, 14, "there is no user 'eve'"},
    {HEAD "control:\n  - {setgid: ann, do: deny}\n", 4, 14, "there is no group 'ann'"},
    {HEAD "control:\n  - {module: \"[a]\", do: deny}\n", 4, 15, "this is not a name"},
    {HEAD "control:\n  - {module: 'a\\', do: deny}\n", 4, 15, "this is not a name"},
    {HEAD "control:\n  - {path: /a, do: deny}\n", 4, 6, "unknown key 'path'"},
    // subjects
    {HEAD "subjects: {web: {launched: false}}\n", 3, 28, "'false' is not true"},
    {HEAD "subjects: {web: {launched: \"true\"}}\n", 3, 29, "'true' is not true"},
    {HEAD "subjects: {web: {launched: true, cgroup: /a}}\n", 3, 18, "control group of its own"},
    {HEAD "subjects: {web: {container: any, launched: true}}\n", 3, 34, "control group of its own"},
    {HEAD "subjects: {web: {}}\n", 3, 17, "is everybody"},
    {HEAD "subjects: {web: {descendants: true}}\n", 3, 17, "is everybody"},
    {HEAD "subjects: {web: {namespace: host, env: A}}\n", 3, 40, "`env` has to be a map"},
    {HEAD "subjects: {web: {env: {1A: x}}}\n", 3, 24, "is not the name of a variable"},
    {HEAD "subjects: {web: {env: {A: '[x]'}}}\n", 3, 28, "sets are not there"},
    {HEAD "subjects: {\"a b\": {user: 1}}\n", 3, 13, "cannot be the name of a subject"},
    {HEAD "subjects: {web: nginx}\n", 3, 17, "a subject has to be a map, this is text"},
    {HEAD "subjects: {web: {ex: /a}}\n", 3, 18,
     "unknown key 'ex' in a subject; did you mean 'exe'?"},
    {HEAD "subjects: {web: {exe: nginx}}\n", 3, 23, "not absolute"},
    {HEAD "subjects: {web: {exe: /a, descendants: yes}}\n", 3, 40, "'yes' is not true or false"},
    {HEAD "subjects: {web: {exe: /a, descendants: \"true\"}}\n", 3, 41, "is not true or false"},
    {HEAD "subjects: {web: {user: [ann, eve]}}\n", 3, 30, "there is no user 'eve' on this host"},
    {HEAD "subjects: {web: {group: ann}}\n", 3, 25, "there is no group 'ann' on this host"},
    {HEAD "subjects: {web: {user: broken}}\n", 3, 24, "could not be looked up"},
    {HEAD "subjects: {web: {user: 4294967295}}\n", 3, 24, "is not the number of a user"},
    {HEAD "subjects: {web: {user: 1x}}\n", 3, 24, "there is no user '1x'"},
    {HEAD "subjects: {web: {user: none}}\n", 3, 24, "there is no user 'none'"},
    {HEAD "subjects: {web: {capability: CAP_SYS_ADMINS}}\n", 3, 30,
     "did you mean 'CAP_SYS_ADMIN'?"},
    {HEAD "subjects: {web: {session: telnet}}\n", 3, 27, "'telnet' is not a kind of session"},
    {HEAD "subjects: {web: {namespace: vm}}\n", 3, 29, "'vm' is not a namespace"},
    {HEAD "subjects: {web: {container: a/b}}\n", 3, 29, "holds no slash"},
    {HEAD "subjects: {web: {container: \"[a\"}}\n", 3, 30, "the name of a container"},
    {HEAD "subjects: {web: {container: any, cgroup: /a}}\n", 3, 18, "cannot stand in one subject"},
    {HEAD "subjects: {web: {time: 8-18}}\n", 3, 24, "not of the form 08:00-18:00"},
    {HEAD "subjects: {web: {time: \"25:00-26:00\"}}\n", 3, 25, "not of the form 08:00-18:00"},
    {HEAD "subjects: {web: {time: \"08:00-08:00\"}}\n", 3, 25, "begins and ends at the same time"},
    {HEAD "subjects: {web: {time: \"24:00-08:00\"}}\n", 3, 25, "cannot begin at 24:00"},
    {HEAD "subjects: {web: {time: \"mo-fr 08:00-18:00\"}}\n", 3, 25,
     "the days are not of the form"},
    {HEAD "subjects: {web: {time: \"mon08:00-18:00\"}}\n", 3, 25, "a blank has to stand"},
};

static const struct row warnings[] = {
    {HEAD, 1, 1, "the file has no rules"},
    {HEAD "files: []\n", 1, 1, "the file has no rules"},
    {RULE "{path: /a/, access: read, do: deny}\n", 4, 12,
     "the slash at the end of '/a/' is dropped"},
    {RULE "{path: \"/a.{b,c}\", access: read, do: deny}\n", 4, 13, "braces in a path"},
    {HEAD "subjects: {web: {user: 1}}\nfiles: [{path: /a, access: read, do: deny}]\n", 3, 12,
     "no rule uses the subject 'web'"},
};

static int load(const char *text, struct policy_diags *diags, struct policy **ret_policy)
{
    return policy_load_buffer("t.yaml", text, strlen(text), &names_options, diags, ret_policy);
}

// The first that is reported is the one that the row is about.
static bool first_is(const struct row *row, const struct policy_diags *d,
                     enum policy_severity severity)
{
    const struct policy_diag *item = d->items;

    if (d->n > 0 && item->severity == severity && item->line == row->line &&
        item->column == row->column && strstr(item->message, row->message) &&
        strcmp(item->file, "t.yaml") == 0)
        return true;
    if (d->n == 0)
        print_error("%sgives nothing, expected %u:%u '%s'\n", row->text, row->line, row->column,
                    row->message);
    else
        print_error("%sgives %u:%u '%s', expected %u:%u '%s'\n", row->text, item->line,
                    item->column, item->message, row->line, row->column, row->message);
    return false;
}

static void check_rows(const struct row *rows, size_t n, enum policy_severity severity)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) {
        struct policy_diags d = {};
        struct policy *p = NULL;
        int r = load(rows[i].text, &d, &p);

        bad += !first_is(&rows[i], &d, severity);
        assert_int_equal(r, severity == POLICY_ERROR ? -EINVAL : 0);
        assert_true((p == NULL) == (r < 0));
        assert_true((d.n_errors > 0) == (r < 0));
        policy_free(p);
        policy_diags_done(&d);
    }
    assert_int_equal(bad, 0);
}

static void test_errors(void **state)
{
    (void)state;
    check_rows(errors, sizeof(errors) / sizeof(*errors), POLICY_ERROR);
}

static void test_warnings(void **state)
{
    (void)state;
    check_rows(warnings, sizeof(warnings) / sizeof(*warnings), POLICY_WARNING);
}

static const char everything[] =
    "safeguard: 1\n"
    "name: all\n"
    "mode: monitor\n"
    "files:\n"
    "  - {path: [/a, \"/b/**\"], access: [read, io], by: web, do: audit}\n"
    "  - {path: /c/, access: write, not_by: [web, {user: root, exe: /x}], do: kill, mode: "
    "enforce}\n"
    "  - {path: /d, access: any, do: allow}\n"
    "subjects:\n"
    "  web:\n"
    "    exe: [/usr/sbin/nginx, \"/opt/*/bin/httpd\"]\n"
    "    parent: /sbin/init\n"
    "    ancestor: /usr/bin/screen\n"
    "    descendants: true\n"
    "    user: [ann, 33]\n"
    "    group: web\n"
    "    login_user: [none, bob]\n"
    "    capability: [CAP_NET_BIND_SERVICE, CAP_SYS_ADMIN]\n"
    "    cgroup: /system.slice/nginx.service\n"
    "    session: [ssh, none]\n"
    "    namespace: container\n"
    "    time: [\"08:00-18:00\", \"sat,sun\", \"fri-mon 22:00-06:00\"]\n";

static void check_web(const struct policy_subject *s)
{
    assert_string_equal(s->name, "web");
    assert_int_equal(s->exe.n, 2);
    assert_string_equal(s->exe.items[1].text, "/opt/*/bin/httpd");
    assert_string_equal(s->parent.items[0].text, "/sbin/init");
    assert_string_equal(s->ancestor.items[0].text, "/usr/bin/screen");
    assert_true(s->descendants);
    assert_int_equal(s->users.n, 2);
    assert_int_equal(s->users.items[0], 1000);
    assert_int_equal(s->users.items[1], 33);
    assert_int_equal(s->groups.items[0], 1001);
    assert_int_equal(s->logins.items[0], UINT32_MAX);
    assert_int_equal(s->logins.items[1], 1001);
    assert_int_equal(s->caps, (1u << 10) | (1u << 21));
    assert_true(s->cgroup.items[0].cgroup);
    assert_int_equal(s->sessions, 1u << SG_SESSION_SSH | 1u << SG_SESSION_NONE);
    assert_int_equal(s->namespaces, 2);
    assert_int_equal(s->n_windows, 3);
    assert_int_equal(s->windows[0].days, 0x7f);
    assert_int_equal(s->windows[0].from, 480);
    assert_int_equal(s->windows[1].days, 0x41);
    assert_int_equal(s->windows[2].days, 1 << 5 | 1 << 6 | 1 << 0 | 1 << 1);
    assert_int_equal(s->windows[2].to, 360);
}

static void test_everything(void **state)
{
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(load(everything, &d, &p), 0);
    assert_int_equal(d.n, 1); // the slash behind /c
    assert_int_equal(p->n_rules, 3);
    assert_string_equal(p->files[0].name, "all");
    assert_int_equal(p->rules[0].ops, SG_OP_READ | SG_OP_IO);
    assert_int_equal(p->rules[0].verdict, SG_AUDIT);
    assert_true(p->rules[0].monitor);
    assert_int_equal(p->rules[0].pos.line, 5);
    assert_int_equal(p->rules[0].paths.n, 2);
    assert_string_equal(p->rules[1].paths.items[0].text, "/c");
    assert_int_equal(p->rules[1].ops, SG_OPS_WRITE);
    assert_false(p->rules[1].monitor);
    assert_int_equal(p->rules[1].n_not_by, 2);
    assert_false(p->rules[1].by_given);
    assert_int_equal(p->rules[2].ops, SG_OPS_ANY);
    assert_int_equal(p->n_subjects, 2);
    check_web(&p->subjects[p->rules[0].by[0]]);
    assert_null(p->subjects[p->rules[1].not_by[1]].name);
    policy_free(p);
    policy_diags_done(&d);
}

// Every mistake of a file is reported in one run.
static void test_all_at_once(void **state)
{
    static const char text[] = "safeguard: 1\nmode: enforce\nfiles:\n"
                               "  - {path: a, access: read, do: deny}\n"
                               "  - {path: /a, access: reed, do: dney}\n"
                               "  - {path: /a, access: read, do: deny, by: nobody, foo: bar}\n";
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(load(text, &d, &p), -EINVAL);
    assert_int_equal(d.n_errors, 5);
    assert_int_equal(d.items[4].line, 6);
    policy_diags_done(&d);
}

// Rules keep the order of the files' names; a subject belongs to its file.
static void test_directory(void **state)
{
    static const char *const names[] = {"9-first.yaml", "10-second.yml", "20-third.yaml",
                                        "30-not.txt"};
    char *dir = unit_mkdtemp();
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(policy_load_dir(dir, &names_options, &d, &p), 0);
    assert_int_equal(p->n_rules, 0);
    assert_int_equal(d.n_warnings, 1);
    p = policy_free(p);
    policy_diags_done(&d);
    for (int i = 0; i < 4; i++) {
        FILE *f = fopen(unit_path(dir, names[i]), "w");

        assert_non_null(f);
        (void)fprintf(f,
                      "%sfiles: [{path: /%d, access: read, by: s, do: audit}]\n"
                      "subjects: {s: {user: %d}}\n",
                      HEAD, i, i);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(policy_load_dir(dir, &names_options, &d, &p), 0);
    assert_int_equal(p->n_files, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(p->rules[i].paths.items[0].text[1], '0' + i);
        assert_int_equal(p->rules[i].pos.file, i);
        assert_int_equal(p->subjects[p->rules[i].by[0]].users.items[0], i);
    }
    assert_string_equal(p->files[0].name, "9-first");
    policy_free(p);

    p = NULL;
    assert_int_equal(mkdir(unit_path(dir, "40-dir.yaml"), 0700), 0);
    assert_int_equal(policy_load_dir(dir, &names_options, &d, &p), -EINVAL);
    assert_non_null(strstr(d.items[0].message, "cannot be read"));
    assert_null(p);
    assert_int_equal(policy_load_dir("/nonexistent", NULL, NULL, &p), -ENOENT);
    policy_diags_done(&d);
    unit_rmdir(dir);
}

static void test_too_large(void **state)
{
    size_t len = POLICY_FILE_MAX + 1;
    char *text = malloc(len);
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, '#', len);
    assert_int_equal(policy_load_buffer("t.yaml", text, len, NULL, &d, &p), -EINVAL);
    assert_non_null(strstr(d.items[0].message, "larger than the 4 MiB"));
    policy_diags_done(&d);
    // At the limit it is read.
    assert_int_equal(policy_load_buffer("t.yaml", text, len - 1, NULL, &d, &p), -EINVAL);
    assert_non_null(strstr(d.items[0].message, "the file is empty"));
    policy_diags_done(&d);
    free(text);
}

static void test_component_length(void **state)
{
    struct policy_diags d = {};
    struct policy *p = NULL;
    char text[1024];

    (void)state;
    for (int n = 255; n <= 256; n++) {
        int r;

        (void)snprintf(text, sizeof(text), RULE "{path: /a/%0*d, access: read, do: deny}\n", n, 0);
        r = load(text, &d, &p);
        assert_int_equal(r, n == 255 ? 0 : -EINVAL);
        p = policy_free(p);
    }
    assert_int_equal(d.items[0].column, 15);
    assert_int_equal(d.items[0].width, 256);
    assert_non_null(strstr(d.items[0].message, "255 bytes"));
    policy_diags_done(&d);
}

static void test_rule_limit(void **state)
{
    struct policy_diags d = {};
    struct policy *p = NULL;
    struct strbuf sb = {};

    (void)state;
    sb_puts(&sb, HEAD "files:\n");
    for (unsigned i = 0; i < POLICY_RULES_MAX + 5; i++)
        sb_printf(&sb, "- {path: /%u, access: read, do: audit}\n", i);
    assert_int_equal(policy_load_buffer("t.yaml", sb_str(&sb), sb.len, NULL, &d, &p), -EINVAL);
    assert_non_null(strstr(d.items[0].message, "more than 16384 rules"));
    assert_int_equal(d.items[0].line, POLICY_RULES_MAX + 4);
    policy_diags_done(&d);
    sb_done(&sb);
}

static void test_words(void **state)
{
    (void)state;
    for (uint32_t op = 1; op < 1u << SG_OP_COUNT; op <<= 1) {
        const char *name = policy_op_name(op);

        assert_non_null(name);
        assert_true(policy_ops_from_word(name) & op);
    }
    assert_null(policy_op_name(1u << SG_OP_COUNT));
    assert_null(policy_op_name(3));
    assert_int_equal(policy_ops_from_word("any"), SG_OPS_ANY);
    assert_int_equal(policy_ops_from_word(""), 0);
}

// Quotes: what is between them is the text, byte for byte.
static void test_quotes(void **state)
{
    static const char text[] =
        "# \303\251\nsafeguard: 1\nmode: 'enforce'\nname: '\303\251''''\"it''s'\nfiles: "
        "[{path: ['/\303\251/''''''''''''''''''''''''x', \"/\\xe9\\t\\\"\"], access: 'read', "
        "do: deny}]\n";
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    if (load(text, &d, &p) < 0)
        fail_msg("%s", d.items[0].message);
    assert_string_equal(p->files[0].name, "\303\251''\"it's");
    assert_string_equal(p->rules[0].paths.items[0].text, "/\303\251/''''''''''''x");
    assert_string_equal(p->rules[0].paths.items[1].text, "/\303\251\t\"");
    policy_free(p);
    policy_diags_done(&d);
}

// The first 12 digits of an id name a container; a name stands for itself.
static void test_containers(void **state)
{
    static const char text[] = HEAD
        "files: [{path: /a, access: read, by: [{container: 0123456789ab}, {container: web-1}], "
        "do: deny}]\n";
    struct policy_diags d = {};
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(load(text, &d, &p), 0);
    assert_string_equal(p->subjects[0].container.items[0].text, "/docker/0123456789ab*");
    assert_string_equal(p->subjects[1].container.items[0].text, "/docker/web-1");
    assert_string_equal(p->subjects[1].container_names, "web-1");
    assert_true(p->subjects[1].container.n > 10);
    policy_free(p);
    policy_diags_done(&d);
}

UNIT_MAIN(cmocka_unit_test(test_errors), cmocka_unit_test(test_warnings),
          cmocka_unit_test(test_everything), cmocka_unit_test(test_all_at_once),
          cmocka_unit_test(test_directory), cmocka_unit_test(test_too_large),
          cmocka_unit_test(test_component_length), cmocka_unit_test(test_rule_limit),
          cmocka_unit_test(test_words), cmocka_unit_test(test_containers),
          cmocka_unit_test(test_quotes))
