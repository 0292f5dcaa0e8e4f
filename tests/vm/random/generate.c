// SPDX-License-Identifier: Apache-2.0
#include "random.h"

#include "base/macro.h"

// splitmix64: any seed is as good as another.
static uint64_t next(struct chance *c)
{
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t chance_below(struct chance *c, uint32_t n)
{
    return (uint32_t)(next(c) >> 32) % n;
}

// In a policy some of their bytes have to be taken literally: see put_literal().
static const char *const names[] = {
    "a",    "b",  "c",   "ab",  "abc", "ba",   "a.b",      "a.txt", "b.txt",       ".a", ".ab",
    "x[1]", "x1", "x-y", "a b", "a*",  "\\a?", "\xc3\xa9", "\xff",  "longer-name", "A",  "aa",
};

const char *generate_name(struct chance *c)
{
    return CHANCE_PICK(c, names);
}

// In a double-quoted scalar of YAML a backslash is two; a byte that is not UTF-8 cannot stand in a file of it
// and is matched by a question mark.
static void put_byte(struct strbuf *sb, char byte)
{
    if (byte == '\\' || byte == '"')
        sb_putc(sb, '\\');
    sb_putc(sb, byte);
}

static void put_literal(struct strbuf *sb, const char *name)
{
    for (; *name; name++) {
        if (*name == '\xff') {
            sb_putc(sb, '?');
            continue;
        }
        if (*name == '*' || *name == '?' || *name == '[' || *name == ']' || *name == '\\')
            sb_puts(sb, "\\\\");
        put_byte(sb, *name);
    }
}

static void put_component(struct strbuf *sb, struct chance *c)
{
    static const char *const wild[] = {
        "*",     "?",     "a*",    "*b", "*.txt",    "?b*", "[ab]",   "[!a]",  "[a-c]*",
        "*[.]*", "[.a]*", "[!b]?", ".*", "x[[]1[]]", "*a*", "\\\\a*", "[A-Z]", "??",
    };

    if (chance_percent(c, 40))
        put_literal(sb, generate_name(c));
    else
        sb_puts(sb, CHANCE_PICK(c, wild));
}

static void put_pattern(struct strbuf *sb, struct chance *c)
{
    uint32_t n = chance_below(c, 4) + 1;

    sb_puts(sb, "\"" ROOT);
    if (chance_percent(c, 3))
        n = 0;
    for (uint32_t i = 0; i < n; i++) {
        sb_putc(sb, '/');
        if (chance_percent(c, i + 1 < n ? 8 : 35))
            sb_puts(sb, "**");
        else
            put_component(sb, c);
    }
    sb_putc(sb, '"');
}

static void put_patterns(struct strbuf *sb, struct chance *c)
{
    uint32_t n = chance_percent(c, 75) ? 1 : 2 + chance_below(c, 3);

    sb_putc(sb, '[');
    for (uint32_t i = 0; i < n; i++) {
        sb_puts(sb, i ? ", " : "");
        put_pattern(sb, c);
    }
    sb_putc(sb, ']');
}

static void put_words(struct strbuf *sb, struct chance *c)
{
    static const char *const words[] = {"any",    "any",    "write",  "read", "read",
                                        "create", "delete", "rename", "link", "chmod",
                                        "chown",  "xattr",  "exec",   "mmap"};
    uint32_t n = chance_percent(c, 60) ? 1 : 2 + chance_below(c, 3);

    sb_putc(sb, '[');
    for (uint32_t i = 0; i < n; i++)
        sb_printf(sb, "%s%s", i ? ", " : "", CHANCE_PICK(c, words));
    sb_putc(sb, ']');
}

// Each key of a subject by chance; at least one.
static void put_keys(struct strbuf *sb, struct chance *c)
{
    static const struct {
        const char *key;
        const char *values[6];
    } keys[] = {
        {"exe",
         {EXES "/one", EXES "/two", EXES "/*", "\"" EXES "/sub/*\"", "[" EXES "/t*, /none]",
          "/none"}},
        {"parent", {EXES "/one", EXES "/two", EXES "/*", "\"" EXES "/**\"", "/usr/**", "/none"}},
        {"ancestor",
         {EXES "/one", EXES "/two", EXES "/t*", EXES "/sub/*", "/usr/sbin/sshd", "/none"}},
        {"user", {"0", "1000", "[0, 1000]", "1001", "alice", "[bob, root]"}},
        {"group", {"0", "1000", "50", "[7, 1001]", "staff", "[50, 7]"}},
        {"login_user", {"1000", "none", "[0, none]", "1001", "0", "alice"}},
        {"capability",
         {"CAP_SYS_ADMIN", "CAP_NET_RAW", "[CAP_SYS_ADMIN, CAP_NET_RAW]", "CAP_CHOWN",
          "CAP_SYS_BOOT", "CAP_FOWNER"}},
        {"cgroup", {"/r1", "/r1/sub", "/r2", "\"/r*\"", "[/r2, /r1/sub]", "/none"}},
        {"session", {"ssh", "service", "[ssh, cron]", "console", "ssh", "service"}},
        {"namespace", {"host", "container", "host", "container", "host", "container"}},
    };
    uint32_t n = chance_percent(c, 65) ? 1 : 2, first = chance_below(c, ARRAY_SIZE(keys));

    sb_putc(sb, '{');
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = (first + i * (1 + chance_below(c, ARRAY_SIZE(keys) - 1))) % ARRAY_SIZE(keys);

        if (i && k == first)
            break;
        sb_printf(sb, "%s%s: %s", i ? ", " : "", keys[k].key, CHANCE_PICK(c, keys[k].values));
    }
    // What a process descends from was somebody itself, with ids of its own, which only the kernel knows: the
    // program alone is what both sides can tell of an ancestor.
    if (n == 1 && first == 0 && chance_percent(c, 40))
        sb_puts(sb, ", descendants: true");
    sb_putc(sb, '}');
}

static void put_by(struct strbuf *sb, struct chance *c, const char *key, uint32_t n_named)
{
    uint32_t n = chance_percent(c, 75) ? 1 : 2;

    sb_printf(sb, ", %s: [", key);
    for (uint32_t i = 0; i < n; i++) {
        sb_puts(sb, i ? ", " : "");
        if (n_named && chance_percent(c, 60))
            sb_printf(sb, "s%u", chance_below(c, n_named));
        else
            put_keys(sb, c);
    }
    sb_putc(sb, ']');
}

static void put_rule(struct strbuf *sb, struct chance *c, uint32_t n_named, bool kills)
{
    static const char *const verbs[] = {"deny",  "deny",  "deny",  "deny", "audit",
                                        "audit", "audit", "allow", "allow"};

    sb_puts(sb, "  - {path: ");
    put_patterns(sb, c);
    sb_puts(sb, ", access: ");
    put_words(sb, c);
    if (chance_percent(c, 35))
        put_by(sb, c, "by", n_named);
    if (chance_percent(c, 25))
        put_by(sb, c, "not_by", n_named);
    if (chance_percent(c, 15))
        sb_printf(sb, ", mode: %s", chance_percent(c, 50) ? "monitor" : "enforce");
    sb_printf(sb, ", do: %s}\n", kills && chance_percent(c, 15) ? "kill" : CHANCE_PICK(c, verbs));
}

void generate_policy(struct chance *c, struct strbuf *sb)
{
    uint32_t n_named = chance_below(c, 5), n_rules = 1 + chance_below(c, 14);
    bool kills = chance_percent(c, 40);

    if (chance_percent(c, 4))
        n_rules = 30 + chance_below(c, 40);
    sb_printf(sb, "safeguard: 1\nname: random\nmode: %s\n",
              chance_percent(c, 80) ? "enforce" : "monitor");
    if (n_named)
        sb_puts(sb, "subjects:\n");
    for (uint32_t i = 0; i < n_named; i++) {
        sb_printf(sb, "  s%u: ", i);
        put_keys(sb, c);
        sb_putc(sb, '\n');
    }
    sb_puts(sb, "files:\n");
    for (uint32_t i = 0; i < n_rules; i++)
        put_rule(sb, c, n_named, kills);
    // Keeps the same hooks attached whatever the others ask for.
    sb_puts(sb, "  - {path: /none, access: any, by: {exe: /none}, do: audit}\n");
}
