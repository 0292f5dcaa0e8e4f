// SPDX-License-Identifier: Apache-2.0
#include "files/packages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/sort.h"
#include "base/strbuf.h"
#include "base/table.h"

#define PATH_LONGEST   4096u
#define ALIASES_MAX    16u
#define DIVERSIONS_MAX 65536u
#define HASH_BITS      48u

struct package {
    uint32_t name, version; // offsets in the texts; each with a NUL. version 0: not known
    uint32_t name_len;
};

struct alias {
    char from[64], to[64];
    uint32_t from_len, to_len;
};

struct packages {
    struct package *list;
    size_t n, cap;
    uint64_t *files; // 48 bits of the path's hash, 16 of the package's number
    size_t n_files, cap_files;
    uint32_t n_dropped;
    struct strbuf texts;
    struct alias aliases[ALIASES_MAX];
    uint32_t n_aliases;
    // Until packages_finish():
    struct map *diversions; // path → where it is instead, NUL, for which package not, NUL
    struct map *numbers;    // "name" or "name:arch" → number + 1
    uint64_t seed;
};

// What nobody executes or loads: half of all there is.
static const struct bytes left_out[] = {
    BYTES("/usr/share/doc/"),
    BYTES("/usr/share/man/"),
    BYTES("/usr/share/locale/"),
    BYTES("/usr/share/icons/"),
    BYTES("/usr/share/info/"),
    BYTES("/usr/include/"),
    BYTES("/usr/share/fonts/"),
    BYTES("/usr/share/zoneinfo/"),
    BYTES("/usr/src/"),
    BYTES("/usr/share/lintian/"),
    BYTES("/usr/share/bash-completion/"),
};

int packages_new(struct packages **ret_packages)
{
    _cleanup_(packages_freep) struct packages *p = new0(struct packages, 1);
    int r;

    if (!p)
        return -ENOMEM;
    // Names of files are somebody's choice, too.
    if (getrandom(&p->seed, sizeof(p->seed), GRND_NONBLOCK) < 0)
        p->seed = (uint64_t)(uintptr_t)p;
    r = map_new(MAP_STR, DIVERSIONS_MAX, free, &p->diversions);
    r = r < 0 ? r : map_new(MAP_STR, PACKAGES_MAX + 1, NULL, &p->numbers);
    if (r < 0)
        return r;
    sb_putc(&p->texts, '\0'); // offset 0 is no text
    *ret_packages = TAKE_PTR(p);
    return 0;
}

struct packages *packages_free(struct packages *p)
{
    if (p) {
        free(p->list);
        free(p->files);
        sb_done(&p->texts);
        (void)map_free(p->diversions);
        (void)map_free(p->numbers);
        free(p);
    }
    return NULL;
}

int packages_add_alias(struct packages *p, const char *from, const char *to)
{
    struct alias *a = &p->aliases[p->n_aliases];
    size_t from_len = strlen(from), to_len = strlen(to);

    if (p->n_aliases == ALIASES_MAX || from_len >= sizeof(a->from) || to_len >= sizeof(a->to))
        return -ENOSPC;
    memcpy(a->from, from, from_len + 1);
    memcpy(a->to, to, to_len + 1);
    a->from_len = (uint32_t)from_len;
    a->to_len = (uint32_t)to_len;
    p->n_aliases++;
    return 0;
}

static bool next_line(const char **at, const char *end, struct bytes *ret_line)
{
    const char *newline;

    if (*at >= end)
        return false;
    newline = memchr(*at, '\n', (size_t)(end - *at));
    *ret_line = (struct bytes){*at, (uint32_t)((newline ? newline : end) - *at)};
    *at = newline ? newline + 1 : end;
    return true;
}

static bool is_path(struct bytes path)
{
    return path.len > 1 && path.len <= PATH_LONGEST && path.s[0] == '/' &&
           !memchr(path.s, '\0', path.len);
}

static int add_diversion(struct packages *p, struct bytes from, struct bytes to, struct bytes by)
{
    _cleanup_free_ char *value = mallocz(to.len + by.len + 2);
    int r;

    if (!value)
        return -ENOMEM;
    memcpy(value, to.s, to.len);
    memcpy(value + to.len + 1, by.s, by.len);
    r = map_put_mem(p->diversions, from.s, from.len, value);
    if (r == 0)
        TAKE_PTR(value);
    // Twice the same path, or too many: the first ones hold.
    return r == -ENOMEM ? r : 0;
}

int packages_add_diversions(struct packages *p, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    struct bytes from, to, by;
    int r = 0;

    while (r == 0 && next_line(&at, end, &from) && next_line(&at, end, &to) &&
           next_line(&at, end, &by)) {
        if (is_path(from) && is_path(to) && by.len > 0)
            r = add_diversion(p, from, to, by);
    }
    return r;
}

// Where the file is that a package calls `path`. `buf` has room for PATH_LONGEST and an alias.
static struct bytes place_of(const struct packages *p, struct bytes path, struct bytes package,
                             char *buf)
{
    const char *to = map_get_mem(p->diversions, path.s, path.len);

    if (to) {
        const struct bytes instead = {to, (uint32_t)strlen(to)};
        const char *by = to + instead.len + 1;

        if (!bytes_equal(package, (struct bytes){by, (uint32_t)strlen(by)}))
            path = instead;
    }
    for (uint32_t i = 0; i < p->n_aliases; i++) {
        const struct alias *a = &p->aliases[i];

        if (path.len <= a->from_len || path.s[a->from_len] != '/' ||
            memcmp(path.s, a->from, a->from_len) != 0)
            continue;
        memcpy(buf, a->to, a->to_len);
        memcpy(buf + a->to_len, path.s + a->from_len, path.len - a->from_len);
        return (struct bytes){buf, a->to_len + path.len - a->from_len};
    }
    return path;
}

static bool is_left_out(struct bytes path)
{
    for (size_t i = 0; i < ARRAY_SIZE(left_out); i++) {
        if (path.len > left_out[i].len && memcmp(path.s, left_out[i].s, left_out[i].len) == 0)
            return true;
    }
    return false;
}

static uint64_t hash_of(const struct packages *p, struct bytes path)
{
    return XXH3_64bits_withSeed(path.s, path.len, p->seed) << (64 - HASH_BITS);
}

static uint32_t add_text(struct packages *p, struct bytes text)
{
    uint32_t offset = (uint32_t)p->texts.len;

    if (p->texts.len + text.len + 1 > PACKAGES_TEXT_MAX)
        return 0;
    sb_add(&p->texts, text.s, text.len);
    sb_putc(&p->texts, '\0');
    return offset;
}

static int add_package(struct packages *p, struct bytes name)
{
    const char *colon = name.len ? memchr(name.s, ':', name.len) : NULL;
    struct bytes plain = {name.s, colon ? (uint32_t)(colon - name.s) : name.len};
    int r;

    if (plain.len == 0)
        return -EINVAL;
    if (p->n >= PACKAGES_MAX || !GREEDY(p->list, p->cap, p->n + 1))
        return p->n >= PACKAGES_MAX ? -ENOSPC : -ENOMEM;
    p->list[p->n] = (struct package){.name = add_text(p, plain), .name_len = plain.len};
    if (p->texts.failed)
        return -ENOMEM;
    if (p->list[p->n].name == 0)
        return -ENOSPC;
    r = map_put_mem(p->numbers, name.s, name.len, (void *)(uintptr_t)(p->n + 1));
    if (r == -ENOMEM)
        return r;
    p->n++;
    return 0;
}

static int add_file(struct packages *p, struct bytes path, struct bytes package, uint64_t number)
{
    char buf[PATH_LONGEST + sizeof(p->aliases[0].to)];
    struct bytes place = place_of(p, path, package, buf);

    if (is_left_out(place))
        return 0;
    if (p->n_files >= PACKAGES_FILES_MAX) {
        p->n_dropped++;
        return 0;
    }
    if (!GREEDY(p->files, p->cap_files, p->n_files + 1))
        return -ENOMEM;
    p->files[p->n_files++] = hash_of(p, place) | number;
    return 0;
}

// Directories stand in front of what is in them.
static bool is_directory_of(struct bytes path, struct bytes next)
{
    return next.len > path.len && next.s[path.len] == '/' && memcmp(path.s, next.s, path.len) == 0;
}

int packages_add_list(struct packages *p, struct bytes name, const char *text, size_t len)
{
    return packages_add_version_list(p, name, (struct bytes){}, text, len);
}

int packages_add_version_list(struct packages *p, struct bytes name, struct bytes version,
                              const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    struct bytes line, before = {}, package;
    uint64_t number = p->n;
    int r = add_package(p, name);

    if (r < 0)
        return r;
    if (version.len)
        p->list[number].version = add_text(p, version);
    // The text of names may move, but that of this one is the caller's.
    package = name;
    package.len = p->list[number].name_len;
    while (r == 0 && next_line(&at, end, &line)) {
        if (!is_path(line) || bytes_equal(line, BYTES("/.")))
            continue;
        if (before.len && !is_directory_of(before, line))
            r = add_file(p, before, package, number);
        before = line;
    }
    return r == 0 && before.len ? add_file(p, before, package, number) : r;
}

static bool take_field(struct bytes line, struct bytes key, struct bytes *ret_value)
{
    if (line.len < key.len || memcmp(line.s, key.s, key.len) != 0)
        return false;
    *ret_value = (struct bytes){line.s + key.len, line.len - key.len};
    while (ret_value->len && (ret_value->s[0] == ' ' || ret_value->s[0] == '\t')) {
        ret_value->s++;
        ret_value->len--;
    }
    return true;
}

static struct package *find_package(struct packages *p, struct bytes name, struct bytes arch)
{
    char key[256];
    uintptr_t number = (uintptr_t)map_get_mem(p->numbers, name.s, name.len);

    // Of packages that can be installed for several processors the list is called by both.
    if (!number && name.len + arch.len + 1 <= sizeof(key)) {
        memcpy(key, name.s, name.len);
        key[name.len] = ':';
        memcpy(key + name.len + 1, arch.s, arch.len);
        number = (uintptr_t)map_get_mem(p->numbers, key, name.len + 1 + arch.len);
    }
    return number ? &p->list[number - 1] : NULL;
}

struct stanza {
    struct bytes name, arch, version;
};

static int take_stanza(struct packages *p, const struct stanza *s)
{
    struct package *package;

    if (s->name.len == 0 || s->version.len == 0)
        return 0;
    package = find_package(p, s->name, s->arch.len ? s->arch : BYTES("all"));
    if (package)
        package->version = add_text(p, s->version);
    return p->texts.failed ? -ENOMEM : 0;
}

int packages_add_versions(struct packages *p, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    struct stanza s = {.arch = BYTES("all")};
    struct bytes line;
    int r = 0;

    while (r == 0 && next_line(&at, end, &line)) {
        if (line.len == 0) {
            r = take_stanza(p, &s);
            s = (struct stanza){.arch = BYTES("all")};
        } else if (!take_field(line, BYTES("Package:"), &s.name) &&
                   !take_field(line, BYTES("Architecture:"), &s.arch)) {
            (void)take_field(line, BYTES("Version:"), &s.version);
        }
    }
    return r < 0 ? r : take_stanza(p, &s);
}

static int by_hash(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return (*a > *b) - (*a < *b);
}

int packages_finish(struct packages *p)
{
    uint64_t *less;

    p->numbers = map_free(p->numbers);
    p->diversions = map_free(p->diversions);
    if (p->n_files == 0)
        return 0;
    qsort(p->files, p->n_files, sizeof(*p->files), by_hash);
    less = reallocarray(p->files, p->n_files, sizeof(*p->files));
    if (less) {
        p->files = less;
        p->cap_files = p->n_files;
    }
    return 0;
}

// Directories are in many lists: of those that share a path the first package stands for all.
bool packages_find(const struct packages *p, struct bytes path, struct bytes *ret_name,
                   struct bytes *ret_version)
{
    const uint64_t hash = hash_of(p, path);
    const size_t at = LOWER_BOUND(p->n_files, i, p->files[i] < hash);
    const struct package *package;

    if (at == p->n_files || (p->files[at] ^ hash) >> (64 - HASH_BITS))
        return false;
    package = &p->list[p->files[at] & ((1u << (64 - HASH_BITS)) - 1)];
    *ret_name = (struct bytes){p->texts.s + package->name, package->name_len};
    *ret_version = (struct bytes){p->texts.s + package->version,
                                  (uint32_t)strlen(p->texts.s + package->version)};
    return true;
}

void packages_size(const struct packages *p, uint32_t *ret_packages, uint32_t *ret_files,
                   uint32_t *ret_dropped, size_t *ret_memory)
{
    *ret_packages = (uint32_t)p->n;
    *ret_files = (uint32_t)p->n_files;
    *ret_dropped = p->n_dropped;
    *ret_memory = sizeof(*p) + p->cap * sizeof(*p->list) + p->cap_files * sizeof(*p->files) +
                  p->texts.cap;
}
