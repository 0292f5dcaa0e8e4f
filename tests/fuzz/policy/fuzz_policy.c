// SPDX-License-Identifier: Apache-2.0
//
// Whatever the bytes: they are refused with an error that says why, or they are a policy whose
// image is whole and decides as trying the rules one by one does.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "policy/explain.h"
#include "policy/launch.h"
#include "tests/unit/policy/names.h"
#include "tests/unit/policy/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Recursion over long patterns takes too long to be of use.
#define REFERENCE_RULES 32
#define REFERENCE_LEN   48

static bool for_reference(const struct policy_patterns *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].len > REFERENCE_LEN)
            return false;
    return true;
}

static bool comparable(const struct policy *p)
{
    if (p->n_rules > REFERENCE_RULES)
        return false;
    for (uint32_t i = 0; i < p->n_rules; i++)
        if (!for_reference(&p->rules[i].paths))
            return false;
    for (uint32_t i = 0; i < p->n_subjects; i++) {
        const struct policy_subject *s = &p->subjects[i];

        // The patterns of containers are ours, and long.
        if (!for_reference(&s->exe) || !for_reference(&s->parent) || !for_reference(&s->ancestor) ||
            !for_reference(&s->cgroup) || s->container.n > 0)
            return false;
    }
    return true;
}

// A path, or what is asked of the kernel.
static void ask(const struct policy *p, const struct policy_image *image, const char *path,
                const struct policy_control *control, bool compare)
{
    static const char *const ancestors[] = {"/usr/sbin/nginx", "/usr/sbin/sshd", "/sbin/init"};
    static const uint32_t gids[] = {0, 1000};
    const struct policy_query q = {.path = path,
                                   .path_len = path ? strlen(path) : 0,
                                   .control = control,
                                   .ops = control ? SG_OP_CONTROL : SG_OP_CONTROL - 1,
                                   .facts = {.exe = "/usr/bin/cat",
                                             .ancestors = ancestors,
                                             .n_ancestors = 3,
                                             .uid = 1000,
                                             .gids = gids,
                                             .n_gids = 2,
                                             .login_uid = 1001,
                                             .caps = 0x3,
                                             .cgroup = "/system.slice/a.service",
                                             .session = SG_SESSION_SSH}};
    _cleanup_(sb_done) struct strbuf text = {}, json = {};
    struct policy_decision d;
    struct jw jw;

    if (policy_explain(image, &q, &d) < 0)
        abort();
    for (size_t i = 0; compare && i < d.n_ops; i++)
        if (ref_decide(p, &q, d.ops[i].op) != (d.ops[i].matched ? d.ops[i].rule : -1))
            abort();
    policy_explain_format(image, &q, &d, false, &text);
    jw_init(&jw, &json);
    policy_explain_json(image, &q, &d, &jw);
    if (jw_finish(&jw) < 0)
        abort();
}

// Every kind, with what patterns say or something else.
static void ask_controls(const struct policy *p, const struct policy_image *image, bool compare)
{
    static const char *const words[] = {"0", "1000", "nf_tables", "umount", "4294967294"};
    struct policy_control asked;

    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++)
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
            if (policy_control_from_word(kind, words[i], &asked) == 0)
                ask(p, image, NULL, &asked, compare);
    for (uint32_t i = 0; i < p->n_rules && i < 4; i++)
        if (p->rules[i].paths.n > 0 && p->rules[i].paths.items[0].control &&
            p->rules[i].paths.items[0].control->what != POLICY_CONTROL_ANY)
            ask(p, image, NULL, p->rules[i].paths.items[0].control, compare);
}

static void check_calls(const struct policy *p)
{
    struct policy_calls calls = {};

    for (uint32_t file = 0; file < p->n_files; file++) {
        if (policy_calls(p, file, &calls) < 0)
            abort();
        for (size_t i = 0; i < calls.n; i++)
            if (!p->rules[calls.items[i].rule].launched || !*calls.items[i].name)
                abort();
        policy_calls_done(&calls);
    }
}

static void check(const struct policy *p, const struct policy_image *image)
{
    static const char *const paths[] = {"/", "/a", "/etc/shadow", "/a/b/c",
                                        "/home/ann/.ssh/id_rsa"};
    bool compare = comparable(p);

    if (policy_image_validate(image->mem, image->size) < 0)
        abort();
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        ask(p, image, paths[i], NULL, compare);
    ask_controls(p, image, compare);
    check_calls(p);
    // Patterns look like paths, most of them.
    for (uint32_t i = 0; i < p->n_rules && i < 4; i++)
        if (p->rules[i].paths.n > 0 && !p->rules[i].paths.items[0].control)
            ask(p, image, p->rules[i].paths.items[0].text, NULL, compare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct policy_compile_options options = {.max_states = 20000,
                                                   .max_bytes = 4 << 20,
                                                   .max_ms = 2000};
    _cleanup_(policy_diags_done) struct policy_diags d = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_image *image = NULL;
    struct policy *p = NULL;
    int r;

    r = policy_load_buffer("f.yaml", (const char *)data, size, &names_options, &d, &p);
    if (r == 0)
        r = policy_compile(p, NULL, &options, &d, &image);
    if ((r == 0) != (d.n_errors == 0) || d.n > POLICY_DIAGS_MAX)
        abort();
    if (image)
        check(p, image);
    policy_diags_format(&d, false, &sb);
    if (d.n > 0 && sb.len == 0)
        abort();
    policy_image_free(image);
    policy_free(p);
    return 0;
}
