// SPDX-License-Identifier: Apache-2.0
#include "policy/control.h"

#include <errno.h>
#include <string.h>

#include "abi/control.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/environ.h"

static const struct {
    const char *name;
    enum sg_control_arg arg;
} kinds[] = {
#define SG_CONTROL(id, kind_arg, help) {#id, SG_CONTROL_ARG_##kind_arg},
#include "abi/control.def"
};

static const char *const expected[SG_CONTROL_COUNT] = {
#define CONTROL_HELP(kind, text) [SG_CONTROL_##kind] = (text),
#include "model/control_words.def"
};

static const struct {
    enum sg_control kind;
    const char *word;
    uint32_t number;
} words[] = {
#define CONTROL_WORD(kind, word, number) {SG_CONTROL_##kind, #word, number},
#include "model/control_words.def"
#define CAP(name, number) {SG_CONTROL_capability, #name, number},
#include "model/caps.def"
#undef CAP
};

#define WORDS_MAX 128

const char *control_name(enum sg_control kind)
{
    return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : NULL;
}

const char *control_expected(enum sg_control kind)
{
    const char *text = (size_t)kind < ARRAY_SIZE(expected) ? expected[kind] : NULL;

    return text ? text : "any";
}

// Capabilities are written as the kernel has them, or without their prefix in small letters: sys_admin.
static bool is_word(size_t i, enum sg_control kind, const char *text)
{
    const char *word = words[i].word;

    if (words[i].kind != kind)
        return false;
    if (streq(word, text))
        return true;
    return kind == SG_CONTROL_capability && strlen(word) == strlen(text) + 4 &&
           strcasecmp(word + 4, text) == 0;
}

static int put(struct loader *ld, const struct yaml_node *node,
               const struct policy_control *control, struct pattern_list *list)
{
    struct policy_control *copy = arena_dup(ld->arena, control, 1, sizeof(*control));
    const char *text = arena_strn(ld->arena, node->text, node->len);

    if (!copy || !text || !GREEDY(list->items, list->cap, list->n + 1))
        return -ENOMEM;
    list->items[list->n++] = (struct policy_pattern){.text = text,
                                                     .len = node->len,
                                                     .control = copy,
                                                     .pos = read_pos(ld, node)};
    return 0;
}

static int put_number(struct loader *ld, const struct yaml_node *node,
                      struct policy_control *control, uint32_t number, struct pattern_list *list)
{
    control->number = number;
    control->what = POLICY_CONTROL_NUMBER;
    return put(ld, node, control, list);
}

static void unknown(struct loader *ld, const struct yaml_node *node, enum sg_control kind)
{
    const char *known[WORDS_MAX];
    char what[64];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words) && n < WORDS_MAX - 1; i++)
        if (words[i].kind == kind)
            known[n++] = words[i].word;
    known[n++] = "any";
    (void)snprintf(what, sizeof(what), "a word of `%s`", control_name(kind));
    read_unknown_word(ld, node, what, known, n);
}

static int put_id(struct loader *ld, const struct yaml_node *node, struct policy_control *control,
                  struct pattern_list *list)
{
    bool group = control->kind == SG_CONTROL_setgid;
    uint32_t id;
    int r = read_host_id(ld, node, group, &id);

    if (r < 0)
        return r == -EINVAL ? 0 : r; // reported
    control->number = id;
    control->what = POLICY_CONTROL_ID;
    return put(ld, node, control, list);
}

int read_control_value(struct loader *ld, enum sg_control kind, const struct yaml_node *node,
                       struct pattern_list *list)
{
    struct policy_control control = {.kind = kind, .what = POLICY_CONTROL_ANY};

    if (streq(node->text, "any"))
        return put(ld, node, &control, list);
    // The agent's own: what nobody but its self-test asks with.
    if (streq(node->text, SG_CONTROL_SELF_NAME) && kinds[kind].arg != SG_CONTROL_ARG_NAME) {
        control.what = kinds[kind].arg == SG_CONTROL_ARG_ID ? POLICY_CONTROL_ID
                                                            : POLICY_CONTROL_NUMBER;
        control.number = kinds[kind].arg == SG_CONTROL_ARG_ID ? SG_CONTROL_SELF_TEST_ID
                                                              : SG_CONTROL_SELF_TEST;
        return put(ld, node, &control, list);
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (is_word(i, kind, node->text))
            return put_number(ld, node, &control, words[i].number, list);
    if (kinds[kind].arg == SG_CONTROL_ARG_ID)
        return put_id(ld, node, &control, list);
    if (kinds[kind].arg == SG_CONTROL_ARG_NUMBER) {
        unknown(ld, node, kind);
        return 0;
    }
    if (node->len > SG_CONTROL_NAME_MAX || node->text[node->len - 1] == '\\' ||
        strchr(node->text, '[')) {
        policy_diag_expected(ld->diags, read_error(ld, node, "this is not a name"),
                             "%s; * stands for anything, ? for one byte, sets are not there",
                             control_expected(kind));
        return 0;
    }
    control.what = POLICY_CONTROL_NAME;
    control.name = arena_strn(ld->arena, node->text, node->len);
    return control.name ? put(ld, node, &control, list) : -ENOMEM;
}

static int add(struct glob *g, uint8_t kind, uint8_t byte)
{
    if (!GREEDY(g->items, g->cap, g->n + 1))
        return -ENOMEM;
    g->items[g->n++] = (struct glob_item){.kind = kind, .byte = byte};
    return 0;
}

int control_glob(const struct policy_control *control, struct glob *ret_glob)
{
    int r = add(ret_glob, GLOB_BYTE, SG_CONTROL_KIND(control->kind));

    if (r < 0)
        return r;
    switch (control->what) {
    case POLICY_CONTROL_ANY: return add(ret_glob, GLOB_ANY, 0);
    case POLICY_CONTROL_NUMBER: return add(ret_glob, GLOB_BYTE, SG_CONTROL_NUMBER(control->number));
    case POLICY_CONTROL_ID:
        for (int i = 0; r == 0 && i < SG_CONTROL_ID_BYTES; i++)
            r = add(ret_glob, GLOB_BYTE, SG_CONTROL_ID(control->number, i));
        return r;
    case POLICY_CONTROL_NAME: return value_glob(control->name, strlen(control->name), 0, ret_glob);
    }
    return -EINVAL;
}
