/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of findings (abi/finding.def), for whoever finds something: sg_finding_begin(), the evidence into what it lends,
 * sg_finding_send(). They go to the ring of denials.
 */
#ifndef SG_BPF_FINDING_H
#define SG_BPF_FINDING_H

#include "emit.bpf.h"

#define SG_FINDING_BYTES (sizeof(struct sg_field) + sizeof(struct sg_finding_field))

struct sg_find {
    __u16 finding;  /* enum sg_finding */
    __u16 evidence; /* enum sg_evidence */
    __u16 hook;     /* enum sg_hook; SG_HOOK_NONE: it has no row */
    __u8 verdict;   /* enum sg_verdict: what is to be done about it */
    __u8 error;     /* errno that the hook returns; 0: nothing was done */
    __u32 size;     /* bytes of the evidence, a multiple of 8 */
};

/* Room for the evidence of a finding, `size` bytes; NULL: no buffer was free. sg_finding_send() is to be called in either case. */
static __always_inline void *sg_finding_begin(__u32 *ret_slot, struct sg_buffer **ret_buffer,
                                              const struct sg_find *f)
{
    struct sg_buffer *b = sg_begin(ret_slot, SG_RECORD_FINDING);
    struct sg_finding_field *head;
    struct sg_field *field;
    struct sg_record *r;

    *ret_buffer = b;
    if (!b)
        return NULL;
    r = (struct sg_record *)b->bytes;
    r->hook = f->hook;
    r->verdict = f->verdict;
    r->error = f->error;
    r->size = sizeof(*r) + SG_FINDING_BYTES + f->size;
    field = (struct sg_field *)(r + 1);
    field->type = SG_FIELD_FINDING;
    field->len = sizeof(*head) + f->size;
    field->reserved = 0;
    head = (struct sg_finding_field *)(field + 1);
    head->finding = f->finding;
    head->evidence = f->evidence;
    head->target_tgid = 0;
    head->target_start_ns = 0;
    return head + 1;
}

static __always_inline void sg_finding_send(__u32 slot, struct sg_buffer *b,
                                            const struct sg_find *f)
{
    sg_send(slot, b, sizeof(struct sg_record) + SG_FINDING_BYTES + f->size, SG_RING_SECURITY);
}

#endif
