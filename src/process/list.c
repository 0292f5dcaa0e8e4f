// SPDX-License-Identifier: Apache-2.0
//
// The living, one after the other; and what their files are. That is a text like any other, shared by all that run the same file:
// 32 bytes of the hash (zero bytes when it is not known), the package, NUL, its version.
#include <string.h>

#include "base/macro.h"
#include "process/process.h"
#include "process/table.h"

#define FACTS_MAX 512u

static struct istr *intern_facts(struct process_table *t, const struct file_facts *facts)
{
    char text[FACTS_MAX] = {};
    size_t len = FILE_SHA256_BYTES;
    struct istr *str = NULL;

    if (facts->hash != FILE_HASH_KNOWN && facts->package.len == 0)
        return NULL;
    if (FILE_SHA256_BYTES + (size_t)facts->package.len + facts->version.len + 1 > sizeof(text))
        return NULL;
    if (facts->hash == FILE_HASH_KNOWN)
        memcpy(text, facts->sha256, FILE_SHA256_BYTES);
    if (facts->package.len)
        memcpy(text + len, facts->package.s, facts->package.len);
    len += facts->package.len + 1;
    if (facts->version.len)
        memcpy(text + len, facts->version.s, facts->version.len);
    len += facts->version.len;
    // Without memory it is not known.
    return intern_get(&t->texts, (struct bytes){text, (uint32_t)len}, &str) < 0 ? NULL : str;
}

static struct file_facts facts_of(const struct image *image)
{
    struct file_facts facts = {.hash = (enum file_hash)image->file_hash};
    struct bytes text = istr_bytes(image->facts);

    if (text.len <= FILE_SHA256_BYTES)
        return facts;
    memcpy(facts.sha256, text.s, FILE_SHA256_BYTES);
    text.s += FILE_SHA256_BYTES;
    text.len -= FILE_SHA256_BYTES;
    facts.package = (struct bytes){text.s, (uint32_t)strnlen(text.s, text.len)};
    if (facts.package.len < text.len)
        facts.version = (struct bytes){text.s + facts.package.len + 1,
                                       text.len - facts.package.len - 1};
    return facts;
}

bool process_table_unasked(struct process_table *t, uint32_t *cursor, uint32_t most,
                           struct process_program *ret)
{
    uint32_t n = (uint32_t)(t->n_slabs << SLAB_SHIFT);

    who_release(t);
    for (uint32_t i = 0; i < MIN(most, n); i++) {
        struct process *p;

        *cursor = *cursor + 1 < n ? *cursor + 1 : 0;
        p = table_at(t, *cursor);
        if (p->state != PROCESS_LIVE || p->kthread || p->image.file_hash != FILE_HASH_NONE ||
            p->image.exe_ino == 0)
            continue;
        p->image.file_hash = FILE_HASH_WAITING;
        *ret = (struct process_program){
            .ref = p->ref,
            .ino = p->image.exe_ino,
            .dev = p->image.exe_dev,
        };
        if (!p->image.exe_foreign && !p->image.exe_deleted)
            ret->path = istr_bytes(p->image.exe);
        return true;
    }
    return false;
}

void process_table_set_facts(struct process_table *t, const struct process_ref *ref, uint32_t dev,
                             uint64_t ino, const struct file_facts *facts)
{
    struct process *p = table_find(t, ref);
    struct image *image = p ? &p->image : NULL;

    who_release(t);
    if (image && (image->exe_ino != ino || image->exe_dev != dev))
        image = p->before;
    if (!image || image->exe_ino != ino || image->exe_dev != dev)
        return;
    (void)intern_put(&t->texts, image->facts);
    image->facts = intern_facts(t, facts);
    image->file_hash = (uint8_t)facts->hash;
    if (image->facts == NULL && facts->hash == FILE_HASH_KNOWN)
        image->file_hash = FILE_HASH_BUSY;
}

// Programs are removed while they run, of which no record tells.
static bool is_deleted(struct process_table *t, const struct process *p)
{
    struct procfs_process *s = &t->scratch;

    if (p->image.exe_deleted || p->kthread || p->image.exe_ino == 0)
        return p->image.exe_deleted;
    return procfs_exe(t->proc_fd, p->ref.tgid, s) == 0 && s->exe_ino == p->image.exe_ino &&
           s->exe_deleted;
}

static struct process_ref living_ancestor(const struct process_table *t, const struct process *p)
{
    for (p = table_get(t, p->parent); p; p = table_get(t, p->parent))
        if (p->state == PROCESS_LIVE)
            return p->ref;
    return (struct process_ref){};
}

bool process_table_row(struct process_table *t, uint32_t *cursor, struct process_row *ret)
{
    uint32_t n = (uint32_t)(t->n_slabs << SLAB_SHIFT);

    who_release(t);
    while (*cursor < n) {
        struct process *p = table_at(t, (*cursor)++);

        if (p->state != PROCESS_LIVE)
            continue;
        *ret = (struct process_row){
            .who = who_get(t, p, 0),
            .below = living_ancestor(t, p),
            .facts = facts_of(&p->image),
            .exec_ns = p->image.since_ns,
            .deleted = is_deleted(t, p),
        };
        return true;
    }
    return false;
}
