// SPDX-License-Identifier: Apache-2.0
#include "policy/mounts.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "base/table.h"

// /proc/PID/mountinfo, as Documentation/filesystems/proc.rst has it:
//   id parent major:minor root mountpoint options [optional fields…] - fstype source superoptions
enum {
    F_ID,
    F_PARENT,
    F_DEV,
    F_ROOT,
    F_MOUNTPOINT,
    F_OPTIONS,
    F_COUNT,
};

struct text {
    const char *s;
    size_t len;
};

int mounts_new(struct policy_mounts **ret_mounts)
{
    struct policy_mounts *m = new0(struct policy_mounts, 1);

    if (!m)
        return -ENOMEM;
    *ret_mounts = m;
    return 0;
}

static void mount_done(struct policy_mount *m)
{
    free(m->fs_root);
    free(m->mountpoint);
    free(m->fstype);
}

struct policy_mounts *mounts_free(struct policy_mounts *m)
{
    if (!m)
        return NULL;
    for (size_t i = 0; i < m->n; i++)
        mount_done(&m->items[i]);
    free(m->items);
    free(m);
    return NULL;
}

// Takes over the strings of *mount, also on failure.
static int append(struct policy_mounts *m, struct policy_mount *mount)
{
    if (!mount->fs_root || !mount->mountpoint || !mount->fstype ||
        !GREEDY(m->items, m->cap, m->n + 1)) {
        mount_done(mount);
        return -ENOMEM;
    }
    m->items[m->n++] = *mount;
    return 0;
}

int mounts_add(struct policy_mounts *m, uint32_t dev, const char *fs_root, const char *mountpoint,
               uint32_t flags)
{
    struct policy_mount mount = {.dev = dev, .flags = flags};

    if (fs_root[0] != '/' || mountpoint[0] != '/')
        return -EINVAL;
    mount.fs_root = strdup(fs_root);
    mount.mountpoint = strdup(mountpoint);
    mount.fstype = strdup("");
    return append(m, &mount);
}

uint64_t mount_digest(uint64_t digest, const struct policy_mount *m)
{
    const uint64_t numbers[] = {digest, m->dev, m->flags};

    digest = XXH3_64bits(numbers, sizeof(numbers));
    digest = XXH3_64bits_withSeed(m->fs_root, strlen(m->fs_root), digest);
    return XXH3_64bits_withSeed(m->mountpoint, strlen(m->mountpoint), digest);
}

// The next field of a line, which loses it. False when there is none.
static bool next_field(struct text *line, struct text *ret_field)
{
    const char *blank;

    while (line->len > 0 && *line->s == ' ') {
        line->s++;
        line->len--;
    }
    if (line->len == 0)
        return false;
    blank = memchr(line->s, ' ', line->len);
    ret_field->s = line->s;
    ret_field->len = blank ? (size_t)(blank - line->s) : line->len;
    line->s += ret_field->len;
    line->len -= ret_field->len;
    return true;
}

static bool parse_number(struct text t, uint32_t *ret_value)
{
    char buf[16];

    if (t.len == 0 || t.len >= sizeof(buf))
        return false;
    memcpy(buf, t.s, t.len);
    buf[t.len] = '\0';
    return buf[0] >= '0' && buf[0] <= '9' && parse_u32(buf, ret_value) == 0;
}

static bool parse_dev(struct text t, uint32_t *ret_dev)
{
    const char *colon = memchr(t.s, ':', t.len);
    uint32_t major, minor;

    if (!colon || !parse_number((struct text){t.s, (size_t)(colon - t.s)}, &major) ||
        !parse_number((struct text){colon + 1, t.len - (size_t)(colon - t.s) - 1}, &minor) ||
        major >= 1u << 12 || minor >= 1u << 20)
        return false;
    *ret_dev = policy_dev(major, minor);
    return true;
}

static bool octal(const char *s)
{
    return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

// The kernel writes blank, tab, newline and backslash as \ooo.
static char *unescape(struct text t)
{
    char *out = mallocz(t.len + 1);
    size_t n = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < t.len; i++) {
        if (t.s[i] == '\\' && t.len - i >= 4 && octal(t.s + i + 1)) {
            out[n++] = (char)((t.s[i + 1] - '0') << 6 | (t.s[i + 2] - '0') << 3 |
                              (t.s[i + 3] - '0'));
            i += 3;
        } else {
            out[n++] = t.s[i];
        }
    }
    out[n] = '\0';
    return out;
}

// Reads the fields behind the options up to the type of the file system.
static bool read_fstype(struct text *line, struct text *ret_fstype)
{
    struct text field;

    while (next_field(line, &field))
        if (field.len == 1 && field.s[0] == '-')
            return next_field(line, ret_fstype);
    return false;
}

static uint32_t case_flags(const char *fstype)
{
    static const struct {
        const char *fstype;
        uint32_t flags;
    } rows[] = {
#define NOCASE(fstype, flags) {fstype, flags},
#include "policy/nocase.def"
#undef NOCASE
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(fstype, rows[i].fstype))
            return rows[i].flags;
    return 0;
}

static int parse_line(struct policy_mounts *m, struct text line)
{
    struct policy_mount mount = {};
    struct text f[F_COUNT], fstype;

    for (size_t i = 0; i < F_COUNT; i++)
        if (!next_field(&line, &f[i]))
            goto bad;
    if (!parse_number(f[F_ID], &mount.id) || !parse_number(f[F_PARENT], &mount.parent) ||
        !parse_dev(f[F_DEV], &mount.dev) || f[F_MOUNTPOINT].s[0] != '/' ||
        !read_fstype(&line, &fstype))
        goto bad;
    if (m->n >= POLICY_MOUNTS_MAX) {
        m->n_dropped++;
        return 0;
    }
    mount.fs_root = unescape(f[F_ROOT]);
    mount.mountpoint = unescape(f[F_MOUNTPOINT]);
    mount.fstype = unescape(fstype);
    if (mount.fstype)
        mount.flags |= case_flags(mount.fstype);
    return append(m, &mount);
bad:
    m->n_bad++;
    return 0;
}

// Finds mounts by what they hang on: parent's id and mountpoint.
struct hiding {
    struct policy_mounts *m;
    struct map *by_id;    // the mount
    struct map *by_place; // parent's id and mountpoint → the last mount there
    uint8_t *covered;     // by index: 0 unknown, 1 no, 2 yes, 3 being looked at
};

enum {
    COVER_UNKNOWN,
    COVER_NO,
    COVER_YES,
    COVER_OPEN,
};

static void hiding_done(struct hiding *h)
{
    map_free(h->by_id);
    map_free(h->by_place);
    free(h->covered);
}

// The key of a place in `key`, which has room for 4 bytes and the path.
static size_t place_key(char *key, uint32_t parent, const char *path, size_t len)
{
    memcpy(key, &parent, sizeof(parent));
    memcpy(key + sizeof(parent), path, len);
    return sizeof(parent) + len;
}

static const struct policy_mount *at_place(const struct hiding *h, char *key, uint32_t parent,
                                           const char *path, size_t len)
{
    return map_get_mem(h->by_place, key, place_key(key, parent, path, len));
}

// Another mount lies over a directory on the way from the parent's root to the mountpoint.
static bool sibling_covers(const struct hiding *h, const struct policy_mount *mount, char *key)
{
    const char *path = mount->mountpoint;

    if (!streq(path, "/") && at_place(h, key, mount->parent, "/", 1) &&
        at_place(h, key, mount->parent, "/", 1) != mount)
        return true;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        const struct policy_mount *other = at_place(h, key, mount->parent, path,
                                                    (size_t)(slash - path));

        if (other && other != mount)
            return true;
    }
    return false;
}

// The way to a mount is covered when a sibling covers it, or the way to its parent is.
static int find_covered(struct hiding *h, size_t index, bool *ret_covered)
{
    _cleanup_free_ char *key = NULL;
    size_t at = index, n_way = 0;
    _cleanup_free_ size_t *way = NULL;
    uint8_t result = COVER_NO;
    size_t cap = 0;

    for (;;) {
        const struct policy_mount *mount = &h->m->items[at], *parent;

        if (h->covered[at] != COVER_UNKNOWN) {
            // A table in which mounts hang on each other in a circle is wrong; nothing follows from
            // it.
            result = h->covered[at] == COVER_YES ? COVER_YES : COVER_NO;
            break;
        }
        h->covered[at] = COVER_OPEN;
        if (!GREEDY(way, cap, n_way + 1))
            return -ENOMEM;
        way[n_way++] = at;
        free(key);
        key = mallocz(sizeof(uint32_t) + strlen(mount->mountpoint) + 1);
        if (!key)
            return -ENOMEM;
        if (sibling_covers(h, mount, key)) {
            result = COVER_YES;
            break;
        }
        parent = map_get_u64(h->by_id, mount->parent);
        if (!parent || parent == mount)
            break;
        at = (size_t)(parent - h->m->items);
    }
    for (size_t i = 0; i < n_way; i++)
        h->covered[way[i]] = result;
    *ret_covered = result == COVER_YES;
    return 0;
}

static int index_mounts(struct hiding *h)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < h->m->n; i++) {
        struct policy_mount *mount = &h->m->items[i];
        size_t len = strlen(mount->mountpoint);
        _cleanup_free_ char *key = mallocz(sizeof(uint32_t) + len + 1);

        if (!key)
            return -ENOMEM;
        r = map_set_u64(h->by_id, mount->id, mount);
        if (r == 0)
            r = map_set_mem(h->by_place, key, place_key(key, mount->parent, mount->mountpoint, len),
                            mount);
    }
    return r;
}

// Marks what cannot be reached by its path any more: another mount lies over its root, or over a
// directory above it, or over one above its parent.
static int mark_hidden(struct policy_mounts *m)
{
    _cleanup_(hiding_done) struct hiding h = {.m = m, .covered = new0(uint8_t, m->n)};
    int r;

    if (!h.covered)
        return -ENOMEM;
    r = map_new(MAP_U64, 0, NULL, &h.by_id);
    if (r == 0)
        r = map_new(MAP_STR, 0, NULL, &h.by_place);
    if (r == 0)
        r = index_mounts(&h);
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        struct policy_mount *mount = &m->items[i];
        size_t len = strlen(mount->mountpoint);
        _cleanup_free_ char *key = mallocz(sizeof(uint32_t) + len + 1);
        const struct policy_mount *over;
        bool covered = false;

        if (!key)
            return -ENOMEM;
        over = at_place(&h, key, mount->id, mount->mountpoint, len);
        if (!over || over == mount)
            r = find_covered(&h, i, &covered);
        if (r == 0 && (covered || (over && over != mount)))
            mount->flags |= POLICY_MOUNT_HIDDEN;
    }
    return r;
}

int mounts_parse(const char *buf, size_t len, struct policy_mounts **ret_mounts)
{
    _cleanup_(mounts_freep) struct policy_mounts *m = NULL;
    const char *end = buf + len;
    int r;

    r = mounts_new(&m);
    while (r == 0 && buf < end) {
        const char *eol = memchr(buf, '\n', (size_t)(end - buf));
        struct text line = {buf, (size_t)((eol ? eol : end) - buf)};

        if (memchr(line.s, '\0', line.len))
            m->n_bad++; // a path cannot hold it
        else if (line.len > 0)
            r = parse_line(m, line);
        buf = eol ? eol + 1 : end;
    }
    if (r == 0)
        r = mark_hidden(m);
    if (r < 0)
        return r;
    *ret_mounts = TAKE_PTR(m);
    return 0;
}

static int compare_dev(const void *a, const void *b)
{
    const struct policy_mount *x = *(const struct policy_mount *const *)a;
    const struct policy_mount *y = *(const struct policy_mount *const *)b;

    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x < y ? -1 : x > y;
}

int mounts_sort(const struct policy_mounts *m, const struct policy_mount ***ret_sorted)
{
    const struct policy_mount **sorted = new0(const struct policy_mount *, m->n);

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < m->n; i++)
        sorted[i] = &m->items[i];
    if (m->n > 0)
        qsort(sorted, m->n, sizeof(*sorted), compare_dev);
    *ret_sorted = sorted;
    return 0;
}

size_t mounts_of_one(const struct policy_mount *const *sorted, size_t n)
{
    size_t i = 0;

    while (i < n && sorted[i]->dev == sorted[0]->dev)
        i++;
    return i;
}
