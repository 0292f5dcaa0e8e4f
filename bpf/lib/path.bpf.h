/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers that records are put together in, and the paths in them.
 *
 * A path is its names from the leaf up to the root of its file system, each with a NUL behind it. The directory's part is kept
 * where nothing has moved since: with the directory's inode, or in a table for programs that cannot ask inode storage for a
 * directory (lib/dead). Paths of records then cost the same at any depth.
 *
 * There are as many buffers as programs can be stacked up on a CPU in practice.
 */
#ifndef SG_BPF_PATH_H
#define SG_BPF_PATH_H

#include "dead.bpf.h"
#include "decide.bpf.h"

#define SG_PATH_COMPONENTS_MAX 128
#define SG_TEXT_LIFE_NS        1000000000ull /* a text that is out of date is not replaced earlier */

#define SG_BUFFERS 4

struct sg_buffer {
    __u64 claims;
    __u64 sent[SG_RINGS]; /* records that were numbered here */
    __u8 bytes[SG_RECORD_MAX];
    struct sg_text text; /* being made */
    struct sg_seen seen; /* of a directory on the way up */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_BUFFERS);
    __type(key, __u32);
    __type(value, struct sg_buffer);
} sg_buffers SEC(".maps");

/* A buffer that nobody else writes to until it is given back; SG_BUFFERS: none is free. */
__noinline __u32 sg_claim(void)
{
    for (__u32 i = 0; i < SG_BUFFERS; i++) {
        __u32 slot = i;
        struct sg_buffer *b = bpf_map_lookup_elem(&sg_buffers, &slot);

        if (!b)
            break;
        if (sg_claimed(&b->claims))
            return i;
    }
    return SG_BUFFERS;
}

static __always_inline struct sg_buffer *sg_buffer_of(__u32 slot)
{
    return bpf_map_lookup_elem(&sg_buffers, &slot);
}

static __always_inline void sg_give_back(struct sg_buffer *b)
{
    sg_unclaim(&b->claims);
}

/* Puts one name, followed by NUL, into a record. Returns the new end; 0: there is no room. */
static __always_inline __u64 sg_put_name(__u8 *bytes, __u64 start, __u64 end, __u64 len,
                                         const void *name)
{
    if (end - start + len + 1 > SG_PATH_BYTES_MAX)
        return 0;
    asm volatile("" : "+r"(len), "+r"(end)); /* the bounds must hold in these registers */
    if (len > SG_NAME_MAX || end > SG_RECORD_MAX - 512)
        return 0;
    bpf_probe_read_kernel(bytes + end, len, name);
    bytes[end + len] = 0;
    return end + len + 1;
}

#define SG_PUT_CUT (1ull << 32) /* not all names are there */

/*
 * The names from the dentry at `address` up to the root of its file system into buffer `slot` from `end` on; `start` is where
 * the path begins. Returns the new end, with SG_PUT_CUT when the record has no room for all.
 * By numbers, to be verified once and not once for every way to a record.
 */
__noinline __u64 sg_put_names(__u32 slot, __u64 start, __u64 end, __u64 address)
{
    struct sg_buffer *b = sg_buffer_of(slot);
    __u64 next;

    if (!b)
        return end | SG_PUT_CUT;
    for (int i = 0; i < SG_PATH_COMPONENTS_MAX; i++) {
        if (sg_see(&b->seen, address))
            return end | SG_PUT_CUT;
        if (b->seen.parent == address)
            return end;
        next = sg_put_name(b->bytes, start, end, b->seen.hash_len >> 32, (void *)b->seen.text);
        if (!next)
            break;
        end = next;
        address = b->seen.parent;
    }
    return end | SG_PUT_CUT;
}

/* Ends the path field at `at`, whose names sg_put_names() has put there. Returns where the next field begins. */
static __always_inline __u64 sg_end_path(__u8 *bytes, __u64 at, __u64 end, __u16 type, __u16 cut,
                                         __u16 *flags)
{
    struct sg_field *field;

    if (end & SG_PUT_CUT)
        *flags |= cut;
    end = (__u32)end;
    if (at > SG_RECORD_MAX - 512 || end > SG_RECORD_MAX)
        return at;
    field = (struct sg_field *)(bytes + at);
    field->type = type;
    field->len = (__u16)(end - at - sizeof(*field));
    field->reserved = 0;
    return (end + 7) & ~7ull;
}

/*
 * Appends a path as a field: names from the leaf, the dentry at `address`, up to the root of its file system. Returns the new
 * end. What does not fit is cut at the root's end, and *flags says it with `cut`.
 */
static __always_inline __u64 sg_add_path(__u32 slot, __u8 *bytes, __u64 at, __u64 address,
                                         __u16 type, __u16 cut, __u16 *flags)
{
    __u64 start = at + sizeof(struct sg_field);

    return sg_end_path(bytes, at, sg_put_names(slot, start, start, address), type, cut, flags);
}

/* Keeps what lies from `start` to `end` of a record as the path of the directory `dir`. */
static __always_inline void sg_text_keep(struct sg_buffer *b, struct dentry *dir, __u64 start,
                                         __u64 end, __u32 sequence, __u64 now, bool typed)
{
    __u64 len = end - start, key;

    asm volatile("" : "+r"(len), "+r"(start));
    if (len > SG_TEXT_MAX || start > SG_RECORD_MAX - 512)
        return;
    b->text.made_ns = now;
    b->text.sequence = sequence;
    b->text.len = len;
    bpf_probe_read_kernel(b->text.bytes, len, b->bytes + start);
    if (typed) {
        bpf_inode_storage_delete(&sg_texts, dir->d_inode);
        bpf_inode_storage_get(&sg_texts, dir->d_inode, &b->text, BPF_LOCAL_STORAGE_GET_F_CREATE);
    } else {
        b->text.mark = sg_dir_mark(dir, 0);
        key = sg_address(dir);
        bpf_map_update_elem(&sg_dir_texts, &key, &b->text, BPF_ANY);
    }
}

static __always_inline const struct sg_text *sg_text_of(struct dentry *dir, bool typed)
{
    const struct sg_text *text;
    __u64 key;

    if (typed)
        return bpf_inode_storage_get(&sg_texts, dir->d_inode, 0, 0);
    key = sg_address(dir);
    text = bpf_map_lookup_elem(&sg_dir_texts, &key);
    return text && text->mark == sg_dir_mark(dir, 0) ? text : NULL;
}

/*
 * The kept path of `dir` into a record from `end` on. Returns the new end; 0: none that is right now. *ret_made_ns is when
 * that was made, where there is one at all.
 */
static __always_inline __u64 sg_text_put(struct sg_buffer *b, __u64 end, struct dentry *dir,
                                         __u32 sequence, bool typed, __u64 *ret_made_ns)
{
    const struct sg_text *text = sg_text_of(dir, typed);
    __u64 len;

    if (!text)
        return 0;
    *ret_made_ns = text->made_ns;
    if (text->sequence != sequence)
        return 0;
    len = text->len;
    if (len > SG_TEXT_MAX)
        return 0;
    asm volatile("" : "+r"(len), "+r"(end)); /* the bounds must hold in these registers */
    len &= SG_TEXT_MASK;
    if (end > SG_RECORD_MAX - 512)
        return 0;
    bpf_probe_read_kernel(b->bytes + end, len, text->bytes);
    if (!typed && (*(volatile const __u64 *)&text->mark != sg_dir_mark(dir, 0) ||
                   *(volatile const __u32 *)&text->sequence != sequence))
        return 0;
    return end + len;
}

/* As sg_add_path(), of an object, with what is kept of its directory. */
static __always_inline __u64 sg_add_path_kept(__u32 slot, struct sg_buffer *b, __u64 at,
                                              struct dentry *dentry, __u64 now, __u16 *flags,
                                              bool typed)
{
    __u32 sequence = sg_rename_lock ? sg_rename_sequence() : 1;
    __u64 start = at + sizeof(struct sg_field), end = start, dir_start, kept = 0, made_ns = 0;
    struct dentry *parent = dentry->d_parent;

    if (parent != dentry)
        end = sg_put_name(b->bytes, start, start, dentry->d_name.len, dentry->d_name.name);
    end = dir_start = end ? end : start; /* one name always has room */
    if (!(sequence & 1))
        kept = sg_text_put(b, end, parent, sequence, typed, &made_ns);
    if (kept) {
        end = kept;
    } else {
        end = sg_put_names(slot, start, end, sg_address(parent));
        if (!(end & SG_PUT_CUT) && !(sequence & 1) && now - made_ns > SG_TEXT_LIFE_NS &&
            sequence == sg_rename_sequence())
            sg_text_keep(b, parent, dir_start, end, sequence, now, typed);
    }
    return sg_end_path(b->bytes, at, end, SG_FIELD_PATH, SG_RECORD_PATH_CUT, flags);
}

#endif
