// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strutil.h"
#include "policy/arena.h"
#include "policy/yaml.h"
#include "transport/token.h"

#define DURATION_MAX_MS (UINT64_C(3653) * 24 * 3600 * 1000)

#define DEPTH_MAX 4
#define NODES_MAX 1000

enum kind { KIND_PATH, KIND_SIZE, KIND_COUNT, KIND_WORD, KIND_BOOL, KIND_DURATION, KIND_URL };

static const struct row {
    const char *key, *option, *dflt, *values, *help;
    enum kind kind;
    size_t offset;
} rows[] = {
#define CONFIG(id, option, kind, dflt, values, help) \
    [CONFIG_ID_##id] = {#id, option, dflt, values, help, KIND_##kind, offsetof(struct config, id)},
#include "agent/config.def"
};
STATIC_ASSERT(ARRAY_SIZE(rows) == CONFIG_ID_COUNT, "a row for each setting");

static const char *const kind_args[] = {
    [KIND_PATH] = "PATH",   [KIND_SIZE] = "SIZE",     [KIND_COUNT] = "N", [KIND_WORD] = "WORD",
    [KIND_BOOL] = "YES|NO", [KIND_DURATION] = "TIME", [KIND_URL] = "URL",
};

static const char *const kind_expected[] = {
    [KIND_PATH] = "an absolute path of at most 4095 bytes, without control characters",
    [KIND_SIZE] = "a number of bytes, such as 64K or 100M",
    [KIND_COUNT] = "a number from 0 to 1000",
    [KIND_BOOL] = "yes or no",
    [KIND_DURATION] = "a time, such as 12h or 7d, of at most ten years",
    [KIND_URL] = "https://HOST or https://HOST:PORT",
};

static int set_path(char **field, const char *text)
{
    size_t len = strlen(text);
    char *copy;

    if (text[0] != '/' || len >= 4096)
        return -EINVAL;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            return -EINVAL;
    while (len > 1 && text[len - 1] == '/')
        len--;
    copy = xstrndup(text, len);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int set_duration(uint64_t *field, const char *text)
{
    uint64_t ms;

    if (parse_duration_ms(text, &ms) < 0 || ms > DURATION_MAX_MS)
        return -EINVAL;
    *field = ms;
    return 0;
}

static int set_url(char **field, const char *text)
{
    char url[TOKEN_URL_MAX + 1] = "";
    char *copy;

    if (*text && server_url_normalise(text, url, NULL) < 0)
        return -EINVAL;
    copy = xstrndup(url, strlen(url));
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int set_word(uint32_t *field, const char *values, const char *text)
{
    _cleanup_(strv_freep) char **words = NULL;
    int r = strv_split(values, " ", &words);

    if (r < 0)
        return r;
    for (uint32_t i = 0; words && words[i]; i++)
        if (streq(words[i], text)) {
            *field = i;
            return 0;
        }
    return -EINVAL;
}

static int set_count(uint32_t *field, const char *text)
{
    uint32_t value;

    if (parse_u32(text, &value) < 0 || value > 1000)
        return -EINVAL;
    *field = value;
    return 0;
}

static int set_field(void *field, const struct row *row, const char *text)
{
    switch (row->kind) {
    case KIND_PATH: return set_path(field, text);
    case KIND_SIZE: return parse_size(text, field) < 0 ? -EINVAL : 0;
    case KIND_COUNT: return set_count(field, text);
    case KIND_WORD: return set_word(field, row->values, text);
    case KIND_BOOL: return parse_bool(text, field) < 0 ? -EINVAL : 0;
    case KIND_DURATION: return set_duration(field, text);
    case KIND_URL: return set_url(field, text);
    }
    return -EINVAL;
}

int config_set(struct config *c, enum config_id id, const char *text, struct error *err)
{
    const struct row *row = &rows[id];
    int r = set_field((char *)c + row->offset, row, text);

    if (r == -EINVAL) {
        (void)error_set(err, r, "%s: '%s' is not valid", row->key, text);
        if (row->kind == KIND_WORD)
            error_expected(err, "one of: %s", row->values);
        else
            error_expected(err, "%s", kind_expected[row->kind]);
    } else if (r < 0) {
        (void)error_set(err, r, "%s: %m", row->key);
    }
    return r;
}

int config_init(struct config *c)
{
    int r = 0;

    *c = (struct config){};
    for (int id = 1; id < CONFIG_ID_COUNT && r == 0; id++)
        r = config_set(c, (enum config_id)id, rows[id].dflt, NULL);
    if (r < 0)
        config_done(c);
    return r;
}

void config_done(struct config *c)
{
    for (int id = 1; id < CONFIG_ID_COUNT; id++)
        if (rows[id].kind == KIND_PATH || rows[id].kind == KIND_URL)
            free(*(char **)((char *)c + rows[id].offset));
    *c = (struct config){};
}

struct source {
    const char *name, *text;
    size_t len;
    struct policy_diags *diags;
};

static struct policy_diag *complain(const struct source *s, const struct yaml_node *at,
                                    const char *what)
{
    struct policy_diag *d = policy_diag_add(s->diags, POLICY_ERROR, s->name, at->line, at->column,
                                            "%s", what);

    policy_diag_source(s->diags, d, s->text, s->len, at->width);
    return d;
}

static enum config_id find_key(const char *key)
{
    for (int id = 1; id < CONFIG_ID_COUNT; id++)
        if (streq(rows[id].key, key))
            return (enum config_id)id;
    return CONFIG_NONE;
}

static int unknown_key(const struct source *s, const struct yaml_node *key)
{
    const char *names[CONFIG_ID_COUNT - 1], *near;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diag *d;

    for (int id = 1; id < CONFIG_ID_COUNT; id++)
        names[id - 1] = rows[id].key;
    sb_puts(&sb, "unknown key '");
    utf8_escape(&sb, key->text, key->len);
    sb_puts(&sb, "'");
    d = complain(s, key, sb_str(&sb));
    near = nearest_word(key->text, names, ARRAY_SIZE(names));
    if (near)
        policy_diag_cure(s->diags, d, "did you mean '%s'?", near);
    return -EINVAL;
}

static int read_pair(struct config *c, const struct source *s, const struct yaml_node *key,
                     const struct yaml_node *value)
{
    enum config_id id = find_key(key->text);
    struct error err = {};
    struct policy_diag *d;
    int r;

    if (id == CONFIG_NONE)
        return unknown_key(s, key);
    if (value->kind != YAML_SCALAR) {
        d = complain(s, value, "a single value is expected here");
        policy_diag_expected(s->diags, d, "%s: %s", rows[id].key, rows[id].dflt);
        return -EINVAL;
    }
    r = config_set(c, id, value->text, &err);
    if (r == -EINVAL) {
        d = complain(s, value, err.what);
        policy_diag_expected(s->diags, d, "%s", err.expected);
    }
    return r;
}

int config_read(struct config *c, const char *name, const char *text, size_t len,
                struct policy_diags *diags)
{
    const struct yaml_source yaml = {name, text, len, DEPTH_MAX, NODES_MAX};
    const struct source source = {name, text, len, diags};
    _cleanup_(arena_freep) struct policy_arena *arena = NULL;
    struct yaml_node *root = NULL;
    int r, result;

    r = arena_new(&arena);
    if (r < 0)
        return r;
    result = yaml_read(&yaml, arena, diags, &root);
    if (root && root->kind != YAML_MAP) {
        (void)complain(&source, root, "a map of settings is expected");
        result = -EINVAL;
    }
    if (root && root->kind == YAML_MAP)
        for (const struct yaml_node *key = root->first; key && key->next; key = key->next->next) {
            r = read_pair(c, &source, key, key->next);
            if (r < 0 && result != -ENOMEM)
                result = r;
        }
    return result;
}

const char *config_word(enum config_id id, uint32_t value, char *buf, size_t size)
{
    const char *word = rows[id].values;

    for (uint32_t i = 0; i < value && *word; i++) {
        word += strcspn(word, " ");
        word += *word == ' ';
    }
    (void)snprintf(buf, size, "%.*s", (int)strcspn(word, " "), word);
    return buf;
}

void config_option_rows(struct option_row ret_rows[CONFIG_ID_COUNT - 1])
{
    for (int id = 1; id < CONFIG_ID_COUNT; id++)
        ret_rows[id - 1] = (struct option_row){
            .long_name = rows[id].option,
            .arg = kind_args[rows[id].kind],
            .help = rows[id].help,
            .kind = OPTION_ARG,
            .id = id,
            .values = *rows[id].values ? rows[id].values : NULL,
        };
}

void config_man(struct strbuf *sb)
{
    sb_puts(
        sb,
        ".TH safeguard\\-agent.yaml 5 \"" OPTIONS_MAN_DATE "\" \"safeguard " SAFEGUARD_VERSION
        "\"\n"
        ".SH NAME\nagent.yaml \\- settings of the safeguard agent\n"
        ".SH SYNOPSIS\n" CONFIG_PATH_DEFAULT "\n"
        ".SH DESCRIPTION\nA YAML map with the keys below. Each has an option of the same name on "
        "the command line of\n.BR safeguard\\-agent (8),\nwhich wins. Without the file all "
        "settings are at their defaults. The agent reads it when it starts.\n"
        ".SH KEYS\n");
    for (int id = 1; id < CONFIG_ID_COUNT; id++) {
        sb_printf(sb, ".TP\n\\fB%s\\fR: %s\n%s", rows[id].key,
                  *rows[id].dflt ? rows[id].dflt : "\"\"", rows[id].help);
        if (rows[id].kind == KIND_WORD)
            sb_printf(sb, " (%s)", rows[id].values);
        sb_puts(sb, ".\n");
    }
    sb_puts(
        sb,
        ".SH SEE ALSO\n.BR safeguard\\-agent (8),\n.BR safeguard\\-policy (5),\n.BR safeguard (1)\n");
}

int config_read_file(struct config *config, const char *given)
{
    const char *path = given ? given : CONFIG_PATH_DEFAULT;
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len);
    if (r == -ENOENT && !given)
        return 0;
    if (r < 0)
        return log_error_code(r, "the settings cannot be read: %s: %m", path);
    r = config_read(config, path, text, len, &diags);
    policy_diags_format(&diags, false, &sb);
    if (diags.n)
        (void)fputs(sb_str(&sb), stderr);
    return r;
}
