// SPDX-License-Identifier: Apache-2.0
#include "policy/control.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "abi/control.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "base/utf8.h"
#include "policy/ends.h"
#include "policy/environ.h"
#include "policy/explain.h"

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

static const struct word {
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

const char *policy_control_name(enum sg_control kind)
{
    return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : NULL;
}

const char *policy_control_expected(enum sg_control kind)
{
    const char *text = (size_t)kind < ARRAY_SIZE(expected) ? expected[kind] : NULL;

    return text ? text : policy_control_name(kind) ? "any" : NULL;
}

enum sg_control policy_control_kind(const char *name)
{
    enum sg_control kind = 0;

    while (kind < SG_CONTROL_COUNT && !streq(kinds[kind].name, name))
        kind++;
    return kind;
}

bool control_asks_with_ends(enum sg_control kind)
{
    return (size_t)kind < ARRAY_SIZE(kinds) && kinds[kind].arg == SG_CONTROL_ARG_ENDS;
}

// Capabilities are known with and without what stands in front of all of them.
static bool is_word(const struct word *row, const char *word)
{
    static const char prefix[] = "CAP_";

    if (streq(row->word, word))
        return true;
    return row->kind == SG_CONTROL_capability && strcasecmp(row->word + strlen(prefix), word) == 0;
}

// The row of a word, or NULL.
static const struct word *find_word(enum sg_control kind, const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (words[i].kind == kind && is_word(&words[i], word))
            return &words[i];
    return NULL;
}

int policy_control_from_word(enum sg_control kind, const char *word,
                             struct policy_control *ret_control)
{
    struct policy_control control = {.kind = kind, .what = POLICY_CONTROL_NUMBER};
    const struct word *known;
    struct ends_asked asked;

    if ((size_t)kind >= ARRAY_SIZE(kinds) || !*word || streq(word, "any"))
        return -EINVAL;
    if (kinds[kind].arg == SG_CONTROL_ARG_ENDS) {
        if (ends_parse_asked(word, &asked) < 0)
            return -EINVAL;
        control.what = POLICY_CONTROL_ENDS;
        control.name = word;
        *ret_control = control;
        return 0;
    }
    known = find_word(kind, word);
    if (known) {
        control.number = known->number;
    } else if (kinds[kind].arg == SG_CONTROL_ARG_NAME) {
        if (strlen(word) > SG_CONTROL_NAME_MAX)
            return -EINVAL;
        control.what = POLICY_CONTROL_NAME;
        control.name = word;
    } else {
        if (parse_u32(word, &control.number) < 0)
            return -EINVAL;
        if (kinds[kind].arg == SG_CONTROL_ARG_ID)
            control.what = POLICY_CONTROL_ID;
    }
    *ret_control = control;
    return 0;
}

void policy_control_format(const struct policy_control *control, struct strbuf *sb)
{
    sb_printf(sb, "%s:", strempty(policy_control_name(control->kind)));
    if (control->name) {
        utf8_escape(sb, control->name, strlen(control->name));
        return;
    }
    for (size_t i = 0; control->what == POLICY_CONTROL_NUMBER && i < ARRAY_SIZE(words); i++)
        if (words[i].kind == control->kind && words[i].number == control->number) {
            sb_puts(sb, words[i].word);
            return;
        }
    if (control->what == POLICY_CONTROL_ANY)
        sb_puts(sb, "any");
    else
        sb_printf(sb, "%u", control->number);
}

static uint32_t walk_word(const struct policy_image *image, uint32_t start, const char *word,
                          size_t len)
{
    return start ? policy_image_walk(image, start, word, len) : 0;
}

static int walk_ends(const struct policy_image *image, uint32_t start, const char *text,
                     struct control_states *ret)
{
    char word[SG_NET_NAME_WORD_MAX];
    struct ends_asked asked;

    if (ends_parse_asked(text, &asked) < 0)
        return -EINVAL;
    ret->state = walk_word(image, start, word, ends_word(&asked, false, word));
    if (!*asked.name)
        return 0;
    ret->given = walk_word(image, start, word, ends_word(&asked, true, word));
    ret->name = walk_word(image, start, word, ends_word_name(&asked, word));
    return 0;
}

int control_walk(const struct policy_image *image, const struct policy_control *control,
                 struct control_states *ret)
{
    char bytes[SG_CONTROL_ID_BYTES] = {(char)SG_CONTROL_NUMBER(control->number)};
    struct control_states states = {};
    uint32_t start;
    int r = 0;

    if ((size_t)control->kind >= ARRAY_SIZE(kinds) || control->what == POLICY_CONTROL_ANY)
        return -EINVAL;
    start = policy_image_head(image)->control_state[control->kind];
    if (control->what == POLICY_CONTROL_ENDS) {
        r = walk_ends(image, start, control->name, &states);
    } else if (control->what == POLICY_CONTROL_NAME) {
        states.state = walk_word(image, start, control->name, strlen(control->name));
    } else if (control->what == POLICY_CONTROL_ID) {
        for (size_t i = 0; i < SG_CONTROL_ID_BYTES; i++)
            bytes[i] = (char)SG_CONTROL_ID(control->number, i);
        states.state = walk_word(image, start, bytes, SG_CONTROL_ID_BYTES);
    } else {
        states.state = walk_word(image, start, bytes, 1);
    }
    if (r == 0)
        *ret = states;
    return r;
}

bool control_is_named(const struct policy_control *control)
{
    return control->what == POLICY_CONTROL_ENDS && control->ends && control->ends->name;
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

int control_put_ends(struct loader *ld, const struct yaml_node *node, enum sg_control kind,
                     const struct policy_ends *ends, struct pattern_list *list)
{
    static const char any[] = "any";
    const struct yaml_node all = {.kind = YAML_SCALAR,
                                  .text = any,
                                  .len = sizeof(any) - 1,
                                  .line = node->line,
                                  .column = node->column,
                                  .width = node->width};
    struct policy_control control = {.kind = kind, .what = POLICY_CONTROL_ENDS, .ends = ends};

    // A rule without an address stands for all.
    if (node->kind != YAML_SCALAR)
        node = &all;
    control.name = arena_strn(ld->arena, node->text, node->len);
    return control.name ? put(ld, node, &control, list) : -ENOMEM;
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
    (void)snprintf(what, sizeof(what), "a word of `%s`", policy_control_name(kind));
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
    const struct word *known;

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
    known = find_word(kind, node->text);
    if (known)
        return put_number(ld, node, &control, known->number, list);
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
                             policy_control_expected(kind));
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

int control_glob(const struct policy_control *control, size_t i, bool named, struct glob *ret_glob)
{
    int r;

    if (i > 0 && control->what != POLICY_CONTROL_ENDS)
        return -ENOENT;
    r = add(ret_glob, GLOB_BYTE, SG_CONTROL_KIND(control->kind));
    if (r < 0)
        return r;
    switch (control->what) {
    case POLICY_CONTROL_ANY: return add(ret_glob, GLOB_ANY, 0);
    case POLICY_CONTROL_NUMBER: return add(ret_glob, GLOB_BYTE, SG_CONTROL_NUMBER(control->number));
    case POLICY_CONTROL_ID:
        for (int k = 0; r == 0 && k < SG_CONTROL_ID_BYTES; k++)
            r = add(ret_glob, GLOB_BYTE, SG_CONTROL_ID(control->number, k));
        return r;
    case POLICY_CONTROL_NAME: return value_glob(control->name, strlen(control->name), 0, ret_glob);
    case POLICY_CONTROL_ENDS: return ends_glob(control->ends, i, named, ret_glob);
    }
    return -EINVAL;
}
