// SPDX-License-Identifier: Apache-2.0
//
// One policy file: its keys and sections.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/loader.h"
#include "policy/packets.h"

// What a file says besides subjects and rules.
struct head {
    bool version, mode;
    const struct yaml_node *subjects, *record, *packets;
    const struct yaml_node *sections[POLICY_SECTION_COUNT];
};

void read_mode_word(struct loader *ld, const struct yaml_node *value, bool *ret_monitor)
{
    static const char *const words[] = {"enforce", "monitor"};

    if (!read_is_word(ld, value, "enforce or monitor"))
        return;
    if (streq(value->text, words[0]))
        *ret_monitor = false;
    else if (streq(value->text, words[1]))
        *ret_monitor = true;
    else
        read_unknown_word(ld, value, "a mode", words, ARRAY_SIZE(words));
}

static int read_version(struct loader *ld, const struct yaml_node *key _unused_,
                        const struct yaml_node *value, void *ctx)
{
    ((struct head *)ctx)->version = true;
    if (read_is_word(ld, value, "1") && !streq(value->text, "1"))
        policy_diag_cure(ld->diags,
                         read_error(ld, value,
                                    "this is a policy of version '%s', which is not known here",
                                    value->text),
                         "write 1, or use a version of safeguard that knows it");
    return 0;
}

static int read_name(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx _unused_)
{
    if (!read_is_word(ld, value, "a name"))
        return 0;
    if (value->len > POLICY_NAME_MAX) {
        read_error(ld, value, "the name is longer than %d bytes", POLICY_NAME_MAX);
        return 0;
    }
    ld->files[ld->n_files - 1].name = arena_strn(ld->arena, value->text, value->len);
    return ld->files[ld->n_files - 1].name ? 0 : -ENOMEM;
}

static int read_mode(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    ((struct head *)ctx)->mode = true;
    read_mode_word(ld, value, &ld->files[ld->n_files - 1].monitor);
    return 0;
}

static int note_section(struct loader *ld _unused_, const struct yaml_node *key,
                        const struct yaml_node *value, void *ctx)
{
    struct head *head = ctx;

    // Rules may stand in front of the subjects that they use.
    if (streq(key->text, "subjects"))
        head->subjects = value;
    if (streq(key->text, "record"))
        head->record = value;
    if (streq(key->text, "packets"))
        head->packets = value;
    for (unsigned i = 0; i < POLICY_SECTION_COUNT; i++)
        if (streq(key->text, policy_section_name(i)))
            head->sections[i] = value;
    return 0;
}

static const struct key_row file_keys[] = {
    {.name = "safeguard",
     .read = read_version,
     .help = "The version of the language: 1. Required."},
    {.name = "name",
     .read = read_name,
     .help = "What the policy is called in records; else the name of its file."},
    {.name = "mode",
     .read = read_mode,
     .help =
         "enforce: refuse what rules refuse. monitor: record what would be refused, refuse nothing. Required."},
    {.name = "subjects",
     .read = note_section,
     .help =
         "Names, and who is meant by each: a map of subjects. They are known in this file only."},
    {.name = "files", .read = note_section, .help = "A list of rules about files, tried in order."},
    {.name = "processes",
     .read = note_section,
     .help = "A list of rules about programs: what may be executed, and by whom."},
    {.name = "control",
     .read = note_section,
     .help = "A list of rules about what processes may ask of the kernel besides files."},
    {.name = "network",
     .read = note_section,
     .help = "A list of rules about sockets: who may connect, listen and send, and where."},
    {.name = "record",
     .read = note_section,
     .help = "What records have besides what they always have: a map."},
    {.name = "packets",
     .read = note_section,
     .help =
         "A list of rules about packets: what is dropped, limited, marked, rewritten or sent another way."},
};

static const struct section *const sections[POLICY_SECTION_COUNT] = {
    [POLICY_SECTION_FILES] = &section_files,
    [POLICY_SECTION_PROCESSES] = &section_processes,
    [POLICY_SECTION_CONTROL] = &section_control,
    [POLICY_SECTION_NETWORK] = &section_network,
};

static int read_root(struct loader *ld, const struct yaml_node *root)
{
    struct head head = {};
    size_t first_rule = ld->n_rules + ld->n_packets;
    int r;

    r = read_map(ld, root, file_keys, ARRAY_SIZE(file_keys), "a policy file", &head);
    if (r < 0 || root->kind != YAML_MAP)
        return r;
    if (!head.version)
        policy_diag_cure(ld->diags, read_error(ld, root, "the file does not say its version"),
                         "write `safeguard: 1` in front");
    if (!head.mode)
        policy_diag_cure(ld->diags, read_error(ld, root, "the file does not say its mode"),
                         "write `mode: monitor` to record only, `mode: enforce` to refuse");
    if (head.subjects)
        r = read_subjects(ld, head.subjects);
    if (r == 0 && head.record)
        r = read_record(ld, head.record);
    for (size_t i = 0; r == 0 && i < POLICY_SECTION_COUNT; i++)
        if (head.sections[i])
            r = read_rules(ld, sections[i], head.sections[i]);
    if (r == 0 && head.packets)
        r = read_packets(ld, head.packets);
    if (r == 0 && !ld->bad && ld->n_rules + ld->n_packets == first_rule && !head.record)
        read_warning(ld, root, "the file has no rules");
    return r;
}

static void warn_unused(struct loader *ld)
{
    for (size_t i = ld->first_subject; i < ld->n_subjects; i++) {
        const struct policy_subject *s = &ld->subjects[i];
        const struct yaml_node at = {.line = s->pos.line,
                                     .column = s->pos.column,
                                     .width = s->pos.width};

        if (s->name && !ld->used[i])
            read_warning(ld, &at, "no rule uses the subject '%s'", s->name);
    }
}

// The file's name without directory and ending.
static char *name_of(struct loader *ld, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    return arena_strn(ld->arena, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

// The tree lives only while it is read: what the policy keeps is copied.
static int read_tree(struct loader *ld, const struct yaml_source *source)
{
    _cleanup_(arena_freep) struct policy_arena *arena = NULL;
    const struct yaml_node whole = {.line = 1, .column = 1, .width = 1};
    struct yaml_node *root = NULL;
    int r;

    r = arena_new(&arena);
    if (r < 0)
        return r;
    r = yaml_read(source, arena, ld->diags, &root);
    if (r == -EINVAL)
        ld->bad = true;
    else if (r < 0)
        return r;
    if (root)
        return read_root(ld, root);
    if (r == 0)
        policy_diag_cure(ld->diags, read_error(ld, &whole, "the file is empty"),
                         "write a policy, or remove the file");
    return 0;
}

int read_file(struct loader *ld, const char *path, const char *text, size_t len)
{
    struct policy_source file = {.text_len = len};
    struct yaml_source source = {.len = len,
                                 .max_depth = POLICY_DEPTH_MAX,
                                 .max_nodes = POLICY_NODES_MAX};
    int r;

    file.path = source.name = arena_str(ld->arena, path);
    file.text = source.text = arena_strn(ld->arena, text, len);
    file.name = name_of(ld, path);
    if (!file.path || !file.text || !file.name ||
        !GREEDY(ld->files, ld->cap_files, ld->n_files + 1))
        return -ENOMEM;
    ld->files[ld->n_files++] = file;
    ld->first_subject = ld->n_subjects;

    map_free(ld->names);
    ld->names = NULL;
    r = map_new(MAP_STR, 0, NULL, &ld->names);
    if (r == 0)
        r = read_tree(ld, &source);
    if (r == 0 && !ld->bad)
        warn_unused(ld);
    return r;
}

const struct key_row *read_file_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(file_keys);
    return file_keys;
}
