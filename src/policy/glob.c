// SPDX-License-Identifier: Apache-2.0
#include "policy/glob.h"

#include <errno.h>
#include <string.h>

#include "abi/policy.h"
#include "base/alloc.h"
#include "policy/policy.h"

const struct glob_set glob_name_bytes = {
    .bits = {~(UINT64_C(1) | UINT64_C(1) << '/'), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0)},
};

struct glob_parser {
    const char *text;
    size_t len, pos;
    struct glob *out;
    struct glob_error *err;
};

static int fail(struct glob_parser *p, size_t offset, size_t width, const char *what,
                const char *expected, const char *cure)
{
    if (p->err)
        *p->err = (struct glob_error){.offset = offset,
                                      .width = width > 0 ? width : 1,
                                      .what = what,
                                      .expected = expected,
                                      .cure = cure};
    return -EINVAL;
}

static int add_item(struct glob *g, struct glob_item item)
{
    if (!GREEDY(g->items, g->cap, g->n + 1))
        return -ENOMEM;
    g->items[g->n++] = item;
    if (item.kind != GLOB_BYTE)
        g->wild = true;
    return 0;
}

static int add_byte(struct glob *g, uint8_t byte)
{
    return add_item(g, (struct glob_item){.kind = GLOB_BYTE, .byte = byte});
}

static void set_add(struct glob_set *set, unsigned byte)
{
    set->bits[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static int add_set(struct glob *g, const struct glob_set *set)
{
    size_t i, n_bits = 0;

    for (i = 0; i < 4; i++)
        n_bits += (size_t)__builtin_popcountll(set->bits[i]);
    if (n_bits == 1)
        for (i = 0; i < 256; i++)
            if (glob_set_has(set, (uint8_t)i))
                return add_byte(g, (uint8_t)i);

    for (i = 0; i < g->n_sets; i++)
        if (memcmp(&g->sets[i], set, sizeof(*set)) == 0)
            break;
    if (i == g->n_sets) {
        if (!GREEDY(g->sets, g->cap_sets, g->n_sets + 1))
            return -ENOMEM;
        g->sets[g->n_sets++] = *set;
    }
    return add_item(g, (struct glob_item){.kind = GLOB_SET, .set = (uint16_t)i});
}

// One byte inside [...]: plain or escaped. Advances.
static int set_byte(struct glob_parser *p, uint8_t *ret_byte)
{
    uint8_t c = (uint8_t)p->text[p->pos];

    if (c == '\\') {
        if (p->pos + 1 >= p->len)
            return fail(p, p->pos, 1, "a backslash at the end stands for nothing",
                        "a byte after it", "write \\\\ for a backslash");
        c = (uint8_t)p->text[++p->pos];
    } else if (c == '[' && p->pos + 1 < p->len && strchr(":.=", p->text[p->pos + 1])) {
        return fail(p, p->pos, 2, "named classes are not part of path patterns",
                    "single bytes and ranges such as [a-z0-9]", "write \\[ for a bracket");
    }
    if (c == '/')
        return fail(p, p->pos, 1, "a set cannot hold a slash", "bytes of one component", NULL);
    if (c == '\0')
        return fail(p, p->pos, 1, "a path cannot hold a NUL byte", NULL, NULL);
    if (c >= 0x80)
        return fail(p, p->pos, 1, "a set counts bytes, and this character has several",
                    "ASCII characters in [...]", "use * or list both spellings");
    p->pos++;
    *ret_byte = c;
    return 0;
}

// The members of [...], up to the closing bracket; p->pos is behind '[' and '!'.
static int set_members(struct glob_parser *p, size_t open, struct glob_set *set)
{
    bool first = true;
    int r;

    for (;; first = false) {
        uint8_t low, high;
        size_t from;

        if (p->pos >= p->len || p->text[p->pos] == '/')
            return fail(p, open, p->pos - open, "this set is not closed", "a ']' behind it",
                        "write \\[ for a bracket that is part of the name");
        if (p->text[p->pos] == ']' && !first) {
            p->pos++;
            return 0;
        }
        from = p->pos;
        r = set_byte(p, &low);
        if (r < 0)
            return r;
        high = low;
        if (p->pos + 1 < p->len && p->text[p->pos] == '-' && p->text[p->pos + 1] != ']') {
            p->pos++;
            r = set_byte(p, &high);
            if (r < 0)
                return r;
        }
        if (high < low)
            return fail(p, from, p->pos - from, "this range runs backwards and holds nothing",
                        "the smaller byte first", NULL);
        for (unsigned c = low; c <= high; c++)
            set_add(set, c);
    }
}

static int parse_set(struct glob_parser *p)
{
    struct glob_set set = {};
    size_t open = p->pos++;
    bool negate = false, any = false;
    int r;

    if (p->pos < p->len && p->text[p->pos] == '^')
        return fail(p, p->pos, 1, "'^' does not negate a set", "'!' as in [!a-z]",
                    "write [! to negate, [\\^ for the character itself");
    if (p->pos < p->len && p->text[p->pos] == '!') {
        negate = true;
        p->pos++;
    }
    r = set_members(p, open, &set);
    if (r < 0)
        return r;
    for (size_t i = 0; i < 4; i++) {
        if (negate)
            set.bits[i] = ~set.bits[i];
        set.bits[i] &= glob_name_bytes.bits[i];
        any |= set.bits[i] != 0;
    }
    if (!any)
        return fail(p, open, p->pos - open, "this set matches nothing", NULL, NULL);
    return add_set(p->out, &set);
}

static int parse_escape(struct glob_parser *p)
{
    uint8_t c;

    if (p->pos + 1 >= p->len)
        return fail(p, p->pos, 1, "a backslash at the end stands for nothing", "a byte after it",
                    "write \\\\ for a backslash");
    c = (uint8_t)p->text[p->pos + 1];
    if (c == '/')
        return fail(p, p->pos, 2, "a slash always separates components", NULL,
                    "drop the backslash");
    p->pos += 2;
    return add_byte(p->out, c);
}

// A component without "**", from p->pos to the next slash or the end.
static int parse_component(struct glob_parser *p)
{
    size_t start = p->pos, first = p->out->n, fixed = 0;
    bool star = false;
    int r;

    while (p->pos < p->len && p->text[p->pos] != '/') {
        char c = p->text[p->pos];

        if (c == '*' && p->pos + 1 < p->len && p->text[p->pos + 1] == '*')
            return fail(p, p->pos, 2, "'**' has to be a component of its own",
                        "'*' inside a component, '**' between slashes", NULL);
        if (c == '\0')
            return fail(p, p->pos, 1, "a path cannot hold a NUL byte", NULL, NULL);
        if (c == '*') {
            star = true;
            p->pos++;
            r = add_item(p->out, (struct glob_item){.kind = GLOB_STAR});
        } else {
            fixed++;
            if (c == '[') {
                r = parse_set(p);
            } else if (c == '\\') {
                r = parse_escape(p);
            } else {
                p->pos++;
                r = c == '?' ? add_set(p->out, &glob_name_bytes) : add_byte(p->out, (uint8_t)c);
            }
        }
        if (r < 0)
            return r;
        if (fixed > SG_NAME_MAX)
            return fail(p, start, p->pos - start, "no file name is longer than 255 bytes",
                        "at most 255 bytes between two slashes", NULL);
    }
    if (star && fixed == 0) {
        // Only stars: no name is empty, so at least one byte.
        p->out->n = first;
        r = add_set(p->out, &glob_name_bytes);
        return r < 0 ? r : add_item(p->out, (struct glob_item){.kind = GLOB_STAR});
    }
    return 0;
}

// What the items from `first` on spell when all of them are bytes.
static bool component_is(const struct glob *g, size_t first, const char *name)
{
    size_t n = strlen(name);

    if (g->n - first != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (g->items[first + i].kind != GLOB_BYTE || g->items[first + i].byte != (uint8_t)name[i])
            return false;
    return true;
}

static bool component_is_any(const struct glob *g, size_t first)
{
    return g->n - first == 2 && g->items[first].kind == GLOB_SET &&
           g->items[first + 1].kind == GLOB_STAR &&
           memcmp(&g->sets[g->items[first].set], &glob_name_bytes, sizeof(glob_name_bytes)) == 0;
}

// "**" stands at p->pos as a whole component; the slash before it was added.
static int parse_deep(struct glob_parser *p)
{
    bool last;

    p->pos += 2;
    last = p->pos == p->len;
    if (p->out->n > 0 && p->out->items[p->out->n - 1].kind == GLOB_DEEP) {
        // "**/**" says no more than one of them.
        if (!last)
            return 0;
        p->out->n--;
    }
    return add_item(p->out, (struct glob_item){.kind = last ? GLOB_BENEATH : GLOB_DEEP});
}

// One component behind its slash.
static int parse_one(struct glob_parser *p)
{
    const char *s = p->text + p->pos;
    size_t left = p->len - p->pos, start = p->pos, first;
    int r;

    if (left == 0 || *s == '/')
        return fail(p, start - 1, 2, "a component is empty", "a name between two slashes",
                    "write one slash");
    // A slash is part of what "**" in front of it stands for.
    if (p->out->n == 0 || p->out->items[p->out->n - 1].kind != GLOB_DEEP) {
        r = add_byte(p->out, '/');
        if (r < 0)
            return r;
    }
    if (left >= 2 && s[0] == '*' && s[1] == '*' && (left == 2 || s[2] == '/'))
        return parse_deep(p);

    first = p->out->n;
    r = parse_component(p);
    if (r < 0)
        return r;
    if (component_is(p->out, first, ".") || component_is(p->out, first, ".."))
        return fail(p, start, p->pos - start, "'.' and '..' are not part of a real path",
                    "the path as the system resolves it", "write the directory that is meant");
    if (!p->out->wild)
        p->out->literal_depth++;
    // "/a/**/*" is "/a/**", which needs fewer states.
    if (p->pos == p->len && p->out->items[first - 1].kind == GLOB_DEEP &&
        component_is_any(p->out, first)) {
        p->out->n = first;
        p->out->items[first - 1].kind = GLOB_BENEATH;
    }
    return 0;
}

int glob_parse(const char *text, size_t len, struct glob *ret_glob, struct glob_error *err)
{
    _cleanup_(glob_done) struct glob g = {};
    struct glob_parser p = {.text = text, .len = len, .out = &g, .err = err};
    int r;

    if (len == 0)
        return fail(&p, 0, 1, "the path is empty", "an absolute path", NULL);
    if (text[0] != '/')
        return fail(&p, 0, len, "the path is not absolute", "a path that starts with a slash",
                    text[0] == '~'   ? "write the home directory, or /home/*/..."
                    : text[0] == '*' ? "write a slash in front: /**/... means everywhere"
                                     : NULL);
    if (len > POLICY_PATTERN_MAX)
        return fail(&p, 0, len, "the path is longer than the 4096 bytes that a path can have", NULL,
                    NULL);
    while (p.pos < len && len > 1) {
        p.pos++; // the slash
        r = parse_one(&p);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < g.n; i++) {
        g.deep |= g.items[i].kind == GLOB_DEEP;
        g.beneath |= g.items[i].kind == GLOB_BENEATH;
    }
    *ret_glob = g;
    g = (struct glob){};
    return 0;
}

void glob_done(struct glob *g)
{
    free(g->items);
    free(g->sets);
    *g = (struct glob){};
}
