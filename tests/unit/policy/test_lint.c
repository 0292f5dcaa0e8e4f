// SPDX-License-Identifier: Apache-2.0
//
// What is said about policies that are in order: rules that cannot match, cost much, or lock people out.
#include "tests/unit/policy/compiled.h"

#define H2 "safeguard: 1\nmode: enforce\nsubjects: {r: {user: root}}\nfiles:\n"

#define PROCESSES "safeguard: 1\nmode: enforce\nprocesses:\n"
#define SYSCALLS  "safeguard: 1\nmode: enforce\nprocesses:\n"
#define CONTROL   "safeguard: 1\nmode: enforce\ncontrol:\n"

// The first warning of each; NULL: there is none.
struct warning {
    const char *text;
    uint32_t line, column;
    const char *message;
};

static const struct warning warnings[] = {
    {HEAD "  - {path: /a/**, access: read, do: audit}\n  - {path: /a/b, access: read, do: audit}\n",
     5, 5, "this rule can never match: t.yaml:4 decides everything that it names"},
    {HEAD "  - {path: /a/**, access: any, do: allow}\n  - {path: /a/b, access: read, do: deny}\n",
     5, 5, "this deny never acts: t.yaml:4 (allow) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: deny, mode: monitor}\n"
          "  - {path: /a/b, access: read, do: kill}\n",
     5, 5, "this kill never acts: t.yaml:4 (deny (monitor)) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: audit}\n  - {path: /a/b, access: any, do: deny}\n",
     5, 5, "this deny never acts on read: t.yaml:4 (audit) matches first"},
    {HEAD "  - {path: /a/**, access: read, do: audit}\n"
          "  - {path: [/a/b, /c], access: read, do: deny}\n",
     5, 13, "'/a/b' can never match here: t.yaml:4 (audit) matches first"},
    // Exceptions in front of what they are exceptions from are how rules are meant.
    {HEAD "  - {path: /a/b, access: read, do: allow}\n  - {path: /a/**, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: /a, access: read, by: {user: 1}, do: allow}\n"
          "  - {path: /a, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: [/a/**, /a/b], access: read, do: deny}\n", 0, 0, NULL},
    {"safeguard: 1\nmode: enforce\nsubjects: {a: {user: 1}}\nfiles:\n"
     "  - {path: /a, access: read, by: a, not_by: a, do: deny}\n",
     5, 5, "`not_by` names everybody whom `by` names"},
    {HEAD "  - {path: \"/e/**/*.pem\", access: read, do: audit}\n", 4, 13,
     "'/e/**/*.pem' makes the kernel follow every file"},
    {HEAD "  - {path: \"/etc/ssl/**/*.pem\", access: read, do: audit}\n", 0, 0, NULL},
    {HEAD "  - {path: /**, access: chown, do: audit}\n", 4, 12, "'/**' makes the kernel follow"},
    {HEAD "  - {path: /a, access: read, by: {exe: \"/**/vi\"}, do: audit}\n", 4, 41,
     "'/**/vi' makes"},
    {HEAD "  - {path: \"/usr/*bin/*\", access: exec, do: deny}\n", 4, 5,
     "locks out: it refuses exec of /usr/sbin/init to everybody, and the host would not start"},
    {HEAD "  - {path: /etc/shadow, access: read, do: deny}\n", 4, 5,
     "nobody could log in with a password"},
    {H2 "  - {path: /etc/shadow, access: read, by: r, do: deny}\n", 5, 5, "locks out"},
    {H2 "  - {path: /etc/shadow, access: read, not_by: r, do: deny}\n", 0, 0, NULL},
    {H2 "  - {path: /etc/shadow, access: read, by: r, do: allow}\n"
        "  - {path: /etc/shadow, access: read, do: deny}\n",
     0, 0, NULL},
    {HEAD "  - {path: /etc/shadow, access: read, do: deny, mode: monitor}\n", 0, 0, NULL},
    {PROCESSES "  - {load: \"/usr/lib/**\", do: deny}\n", 4, 5,
     "locks out: it refuses load of /usr/lib/x86_64-linux-gnu/libc.so.6 to everybody"},
    {PROCESSES "  - {exec: \"/usr/bin/su*\", do: deny}\n", 4, 5, "nobody could become root"},
    {PROCESSES "  - {exec: \"/usr/bin/systemctl\", do: stop}\n", 4, 5,
     "services could not be managed"},
    {PROCESSES
     "  - {load: [\"/usr/lib/**\", \"/usr/lib64/**\"], do: allow}\n  - {load: \"/usr/**\", do: deny}\n",
     0, 0, NULL},
    {PROCESSES "  - {exec: \"/usr/bin/su*\", do: deny, mode: monitor}\n", 0, 0, NULL},
    {CONTROL "  - {fork: any, do: deny}\n", 4, 5,
     "locks out: it refuses fork to everybody, and no program would start another"},
    {CONTROL "  - {capability: any, do: deny}\n", 4, 5,
     "locks out: it refuses capability:sys_admin to everybody, and nothing could be mounted"},
    {CONTROL "  - {capability: [net_raw, setuid], by: {user: 0}, do: kill}\n", 4, 5,
     "capability:setuid to everybody, and nobody could log in"},
    {CONTROL "  - {signal: any, do: stop}\n", 4, 5,
     "signal:term to everybody, and services could not be stopped, nothing that hangs"},
    {CONTROL "  - {mount: \"*\", do: deny}\n", 4, 5, "mount:tmpfs to everybody"},
    {CONTROL "  - {mount: \"ext?\", do: deny}\n", 4, 5, "disks could not be mounted"},
    {CONTROL "  - {bpf: any, do: {errno: EPERM}}\n", 4, 5, "bpf:prog_load to everybody"},
    {CONTROL "  - {ptrace: any, do: deny}\n", 4, 5, "ptrace:read to everybody"},
    {CONTROL "  - {module: any, do: deny}\n", 4, 5, "module:ext4 to everybody"},
    {CONTROL "  - {setuid: any, do: deny}\n", 4, 5, "nobody could become root"},
    {CONTROL "  - {unshare: any, do: deny}\n", 4, 5, "unshare:mount to everybody"},
    {SYSCALLS "  - {syscall: kill, do: deny}\n", 4, 5, "signal:term to everybody"},
    // Who is meant, or what, or that it only is to be seen.
    {CONTROL "  - {fork: any, not_by: {user: 0}, do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {fork: any, by: {user: 1000}, do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {fork: any, do: audit}\n", 0, 0, NULL},
    {CONTROL "  - {signal: any, mode: monitor, do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {capability: net_raw, do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {ptrace: attach, do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {module: \"dccp*\", do: deny}\n", 0, 0, NULL},
    {CONTROL "  - {bpf: any, by: {user: 0}, do: allow}\n  - {bpf: any, do: deny}\n", 0, 0, NULL},
};

static void test_warnings(void **state)
{
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(warnings) / sizeof(*warnings); i++) {
        const struct warning *w = &warnings[i];
        const struct policy_diag *item;
        struct policy_diags d = {};

        policy_image_free(compile_with(w->text, NULL, &d));
        item = d.items;
        if (!w->message
                ? d.n != 0
                : d.n == 0 || item->line != w->line || item->column != w->column ||
                      item->severity != POLICY_WARNING || !strstr(item->message, w->message)) {
            print_error("%sgives %u:%u %s\n", w->text, d.n > 0 ? item->line : 0,
                        d.n > 0 ? item->column : 0, d.n > 0 ? item->message : "nothing");
            bad++;
        }
        policy_diags_done(&d);
    }
    assert_int_equal(bad, 0);
}

static void test_no_warnings(void **state)
{
    static const struct policy_compile_options quiet = {.no_warnings = true, .policy_id = 77};
    struct policy_diags d = {};
    struct policy_image *image;

    (void)state;
    image = compile_with(HEAD "  - {path: /**, access: any, do: deny}\n", &quiet, &d);
    assert_int_equal(d.n, 0);
    assert_int_equal(policy_image_head(image)->policy_id, 77);
    policy_image_free(image);
}

UNIT_MAIN(cmocka_unit_test(test_warnings), cmocka_unit_test(test_no_warnings))
