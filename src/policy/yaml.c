// SPDX-License-Identifier: Apache-2.0
#include "policy/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "base/table.h"
#include "base/utf8.h"

#define SAID_MAX 1024 // bytes of what libfyaml says

struct reader {
    const struct yaml_source *source;
    struct policy_arena *arena;
    struct policy_diags *diags;
    struct fy_parser *parser;
    struct yaml_node **stack; // open lists and maps
    uint32_t depth;
    uint32_t n_nodes;
    struct yaml_node *root;
    uint32_t n_documents;
    uint32_t warned; // the last line with a character that turns its direction
    bool bad;        // something was reported
    bool stop;       // nothing after it can be read
};

static void parser_freep(struct fy_parser **p)
{
    if (*p)
        fy_parser_destroy(*p);
}

static void diag_freep(struct fy_diag **d)
{
    if (*d)
        fy_diag_unref(*d);
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_LIST: return "a list";
    case YAML_MAP: return "a map";
    default: return node->len == 0 && !node->quoted ? "nothing" : "text";
    }
}

static struct policy_diag *report(struct reader *rd, uint32_t line, uint32_t column, uint32_t width,
                                  const char *fmt, ...) _printf_(5, 6);

static struct policy_diag *report(struct reader *rd, uint32_t line, uint32_t column, uint32_t width,
                                  const char *fmt, ...)
{
    struct policy_diag *d;
    char text[512];
    va_list ap;

    rd->bad = true;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d = policy_diag_add(rd->diags, POLICY_ERROR, rd->source->name, line, column, "%s", text);
    policy_diag_source(rd->diags, d, rd->source->text, rd->source->len, width);
    return d;
}

static void place(const struct fy_mark *mark, uint32_t *ret_line, uint32_t *ret_column)
{
    *ret_line = mark && mark->line >= 0 ? (uint32_t)mark->line + 1 : 0;
    *ret_column = mark && mark->column >= 0 ? (uint32_t)mark->column + 1 : 0;
}

static int refuse(struct reader *rd, struct fy_token *token, const char *what, const char *cure)
{
    const struct fy_mark *start = fy_token_start_mark(token);
    uint32_t line, column;

    place(start, &line, &column);
    policy_diag_cure(rd->diags, report(rd, line, column, 1, "%s", what), "%s", cure);
    return 0;
}

// Anchors, tags: on any value.
static void check_properties(struct reader *rd, struct fy_token *anchor, struct fy_token *tag)
{
    if (anchor)
        refuse(rd, anchor,
               "anchors are not part of policies: aliases are how small files become huge",
               "write the value where it is used, or name a subject");
    if (tag)
        refuse(rd, tag, "tags are not part of policies", "drop the tag; quote what has to be text");
}

// Puts a value where it belongs: root, list, or map (keys and values in turn).
static int put(struct reader *rd, struct yaml_node *node)
{
    struct yaml_node *in = rd->depth > 0 ? rd->stack[rd->depth - 1] : NULL;

    if (!in) {
        if (!rd->root)
            rd->root = node;
        return 0;
    }
    if (in->last)
        in->last->next = node;
    else
        in->first = node;
    in->last = node;
    in->n++;
    return 0;
}

static int new_node(struct reader *rd, enum yaml_kind kind, struct fy_event *event,
                    struct yaml_node **ret_node)
{
    struct fy_mark *start = (struct fy_mark *)fy_event_start_mark(event);
    struct yaml_node *node;
    uint32_t line, column;

    place(start, &line, &column);
    if (++rd->n_nodes > rd->source->max_nodes) {
        policy_diag_cure(rd->diags,
                         report(rd, line, column, 1, "the file holds more than %u values",
                                rd->source->max_nodes),
                         "split it into several files");
        rd->stop = true;
        return -EINVAL;
    }
    node = arena_new0(rd->arena, struct yaml_node, 1);
    if (!node)
        return -ENOMEM;
    if (line == 0 && rd->depth > 0) {
        // A value that is not there stands where its key, its list or the value before it stands.
        const struct yaml_node *in = rd->stack[rd->depth - 1], *near = in->last ? in->last : in;

        line = near->line;
        column = near->column;
    }
    node->kind = kind;
    node->line = line;
    node->column = column;
    node->width = 1;
    *ret_node = node;
    return put(rd, node);
}

// The text of a scalar in single quotes, cut out of the source: fy_token_get_text() of 0.7.12 leaks
// when it holds many doubled quotes.
static int single_quoted(struct reader *rd, struct fy_token *token, struct yaml_node *node)
{
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    const char *s = rd->source->text;
    char *text;
    size_t len, n = 0;

    // Where there is nothing between the quotes there may be no marks.
    len = start && end && end->input_pos > start->input_pos && end->input_pos <= rd->source->len
              ? end->input_pos - start->input_pos
              : 0;
    s += len > 0 ? start->input_pos : 0;
    if (memchr(s, '\n', len)) {
        policy_diag_cure(rd->diags,
                         report(rd, node->line, node->column, 1,
                                "a text in single quotes cannot run over several lines"),
                         "write it in one line");
        len = 0;
    }
    text = arena_strn(rd->arena, s, len);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++) {
        text[n++] = s[i];
        if (s[i] == '\'' && i + 1 < len && s[i + 1] == '\'')
            i++;
    }
    text[n] = '\0';
    node->text = text;
    node->len = (uint32_t)n;
    return 0;
}

static int copy_text(struct reader *rd, struct fy_token *token, struct yaml_node *node)
{
    size_t len = 0;
    const char *text;

    node->quoted = fy_token_scalar_style(token) != FYSS_PLAIN;
    if (fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED)
        return single_quoted(rd, token, node);
    text = fy_token_get_text(token, &len);
    if (!text && len > 0)
        return -ENOMEM;
    node->text = arena_strn(rd->arena, strempty(text), len);
    node->len = (uint32_t)len;
    return node->text ? 0 : -ENOMEM;
}

static int read_scalar(struct reader *rd, struct fy_event *event)
{
    struct yaml_node *node;
    int r;

    check_properties(rd, event->scalar.anchor, event->scalar.tag);
    r = new_node(rd, YAML_SCALAR, event, &node);
    if (r < 0)
        return r;
    r = copy_text(rd, event->scalar.value, node);
    if (r < 0)
        return r;
    if (memchr(node->text, '\0', node->len)) {
        report(rd, node->line, node->column, 1, "a NUL character cannot be part of anything here");
        node->len = (uint32_t)strlen(node->text);
    }
    for (size_t pos = 0; pos < node->len; node->width++) {
        size_t n = utf8_decode(node->text + pos, node->len - pos, NULL);

        pos += n > 0 ? n : 1;
    }
    if (node->len > 0)
        node->width--;
    return 0;
}

static int open_node(struct reader *rd, enum yaml_kind kind, struct fy_event *event)
{
    struct yaml_node *node;
    int r;

    if (kind == YAML_LIST)
        check_properties(rd, event->sequence_start.anchor, event->sequence_start.tag);
    else
        check_properties(rd, event->mapping_start.anchor, event->mapping_start.tag);
    r = new_node(rd, kind, event, &node);
    if (r < 0)
        return r;
    if (rd->depth >= rd->source->max_depth) {
        report(rd, node->line, node->column, 1, "values are nested more than %u deep",
               rd->source->max_depth);
        rd->stop = true;
        return -EINVAL;
    }
    rd->stack[rd->depth++] = node;
    return 0;
}

static int close_map(struct reader *rd, struct yaml_node *map)
{
    _cleanup_(map_freep) struct map *seen = NULL;
    int r;

    map->n /= 2;
    if (map->n == 0)
        return 0;
    r = map_new(MAP_STR, 0, NULL, &seen);
    if (r < 0)
        return r;
    for (struct yaml_node *key = map->first; key; key = key->next->next) {
        struct yaml_node *before;

        if (key->kind != YAML_SCALAR) {
            report(rd, key->line, key->column, key->width, "a key has to be a word, this is %s",
                   yaml_kind_name(key));
            continue;
        }
        before = map_get_mem(seen, key->text, key->len);
        if (before) {
            policy_diag_cure(rd->diags,
                             report(rd, key->line, key->column, key->width,
                                    "the key '%s' is there already, in line %u", key->text,
                                    before->line),
                             "keep one of them");
            continue;
        }
        r = map_put_mem(seen, key->text, key->len, key);
        if (r < 0)
            return r;
    }
    return 0;
}

static int start_document(struct reader *rd, struct fy_event *event)
{
    const struct fy_mark *start;
    uint32_t line, column;

    if (++rd->n_documents == 1)
        return 0;
    start = fy_event_start_mark(event);
    place(start, &line, &column);
    policy_diag_cure(rd->diags,
                     report(rd, line, column, 1,
                            "a policy file holds one document, this is a second"),
                     "put it into a file of its own");
    rd->stop = true;
    return -EINVAL;
}

static int read_event(struct reader *rd, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START: return start_document(rd, event);
    case FYET_SCALAR: return read_scalar(rd, event);
    case FYET_SEQUENCE_START: return open_node(rd, YAML_LIST, event);
    case FYET_MAPPING_START: return open_node(rd, YAML_MAP, event);
    case FYET_SEQUENCE_END: rd->depth--; return 0;
    case FYET_MAPPING_END: return close_map(rd, rd->stack[--rd->depth]);
    case FYET_ALIAS: {
        struct yaml_node *node;
        int r;

        refuse(rd, event->alias.anchor,
               "aliases are not part of policies: they are how small files become huge",
               "write the value here again, or name a subject");
        r = new_node(rd, YAML_SCALAR, event, &node); // so that keys and values stay in step
        if (r == 0) {
            node->text = "";
            node->reported = true;
        }
        return r;
    }
    default: return 0;
    }
}

// libfyaml says what it could not read as "<name>:line:column: error: text", and then shows the
// place. Its own collection of errors (fy_diag_set_collect_errors) leaks in 0.7.12.
static void note_syntax(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
    struct strbuf *said = user;

    (void)diag;
    if (said->len < SAID_MAX)
        sb_add(said, buf, len < SAID_MAX ? len : SAID_MAX);
}

// The number that ends at *end, where a colon is; *end moves in front of the colon before it.
static uint32_t number_before(const char *begin, const char **end)
{
    uint32_t value = 0, unit = 1;
    const char *s = *end;

    while (s > begin && s[-1] >= '0' && s[-1] <= '9' && unit <= 100000000) {
        value += (uint32_t)(*--s - '0') * unit;
        unit *= 10;
    }
    *end = s > begin && s[-1] == ':' ? s - 1 : s;
    return value;
}

static void report_syntax(struct reader *rd, const struct strbuf *said)
{
    static const char error[] = ": error: ";
    const char *text = sb_str(said), *at = strstr(text, error), *end = at;
    uint32_t line, column;

    if (!at) {
        report(rd, 0, 0, 0, "this is not YAML");
        return;
    }
    column = number_before(text, &end);
    line = number_before(text, &end);
    at += strlen(error);
    report(rd, line, column, 1, "this is not YAML: %.*s", (int)strcspn(at, "\n"), at);
}

// What looks like one rule and is another: these turn the direction in which the text around them is shown.
static void warn_of_direction(struct reader *rd, uint32_t cp, uint32_t line, uint32_t column)
{
    struct policy_diag *d;

    if ((!(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069)) || rd->warned == line)
        return;
    rd->warned = line;
    d = policy_diag_add(
        rd->diags, POLICY_WARNING, rd->source->name, line, column,
        "a character that cannot be seen (U+%04X) changes the order in which this line is shown",
        cp);
    policy_diag_source(rd->diags, d, rd->source->text, rd->source->len, 1);
    policy_diag_cure(rd->diags, d, "remove it, unless you know why it is there");
}

// What libfyaml does not say well, or at all.
static bool check_bytes(struct reader *rd)
{
    const char *s = rd->source->text;
    uint32_t line = 1, column = 1, cp = 0;
    bool indent = true;

    for (size_t pos = 0; pos < rd->source->len;) {
        size_t n = utf8_decode(s + pos, rd->source->len - pos, &cp);
        unsigned char c = (unsigned char)s[pos];
        struct policy_diag *d;

        if (n == 0) {
            d = report(rd, line, column, 1, "this is not UTF-8 (byte 0x%02x)", c);
            policy_diag_cure(rd->diags, d, "save the file as UTF-8");
            return false;
        }
        if (c == '\t' && indent) {
            d = report(rd, line, column, 1, "a tab cannot indent YAML");
            policy_diag_cure(rd->diags, d, "use blanks");
            return false;
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            report(rd, line, column, 1, "a control character (0x%02x) cannot be here", c);
            return false;
        }
        warn_of_direction(rd, cp, line, column);
        indent = c == '\n' || (indent && c == ' ');
        column = c == '\n' ? 1 : column + 1;
        line += c == '\n';
        pos += n;
    }
    return true;
}

static int parse_all(struct reader *rd)
{
    struct fy_event *event;
    int r = 0;

    while (r == 0 && !rd->stop && (event = fy_parser_parse(rd->parser))) {
        r = read_event(rd, event);
        fy_parser_event_free(rd->parser, event);
    }
    return r == -ENOMEM ? r : 0;
}

int yaml_read(const struct yaml_source *source, struct policy_arena *arena,
              struct policy_diags *diags, struct yaml_node **ret_root)
{
    struct reader rd = {.source = source, .arena = arena, .diags = diags};
    _cleanup_(sb_done) struct strbuf said = {};
    _cleanup_(diag_freep) struct fy_diag *diag = NULL;
    _cleanup_(parser_freep) struct fy_parser *parser = NULL;
    _cleanup_free_ struct yaml_node **stack = NULL;
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE};
    int r;

    if (!check_bytes(&rd)) {
        *ret_root = NULL;
        return -EINVAL;
    }
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = note_syntax;
    diag_cfg.user = &said;
    diag_cfg.colorize = false;
    diag = fy_diag_create(&diag_cfg);
    stack = new0(struct yaml_node *, source->max_depth);
    if (!diag || !stack)
        return -ENOMEM;
    cfg.diag = diag;
    parser = fy_parser_create(&cfg);
    if (!parser || fy_parser_set_string(parser, source->text, source->len) < 0)
        return -ENOMEM;
    rd.parser = parser;
    rd.stack = stack;
    r = parse_all(&rd);
    if (r < 0)
        return r;
    if (!rd.stop && fy_parser_get_stream_error(parser))
        report_syntax(&rd, &said);
    // A tree that was cut off in the middle would make mistakes of its own.
    *ret_root = rd.depth > 0 || rd.stop ? NULL : rd.root;
    return rd.bad ? -EINVAL : 0;
}
