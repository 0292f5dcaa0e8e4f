// SPDX-License-Identifier: Apache-2.0
//
// Lines with gaps. Records of one process under one rule differ in a few places: their number, the file, the
// time. A line that was written out notes where these stand; the next record of the same kind is that line
// with other things in its gaps. Private to src/ocsf.
//
// Only for ordinary records of files: one name, which needs no escapes and no remarks. All others are
// written out (ocsf.c).
#pragma once

#include "base/strbuf.h"
#include "ocsf/out.h"

// Everything that a line depends on and that is not in one of its gaps; compared as bytes.
struct template_key {
    uint64_t who; // serial
    const struct rule_ref *rule;
    char comm[16]; // of the thread
    uint32_t policy_id, error, dev, mode_bits, nlink, tid;
    uint16_t rule_index, access, flags, hook;
    uint8_t comm_len, verdict, mode, outcome, reason, ring, path_kind, unused;
};

struct template
{
    struct template_key key;
    char *text; // NULL: not yet
    uint32_t len;
    struct gaps gaps; // `start` counts in `text`
};

#define TEMPLATES 64

struct templates {
    struct template slots[TEMPLATES];
};

void templates_done(struct templates *t);

// The template for an event; one that was of another kind until now is empty. NULL: it has to be written out.
// *ret_new: nobody asked for it before, and it is not worth to keep a line that comes once.
struct template *template_find(struct templates *t, const struct event *ev, bool *ret_new);

// Keeps a line with its gaps, as out.h noted them. Without memory it is not kept.
void template_keep(struct template *t, const char *line, size_t len, const struct gaps *gaps);

// Appends the line. -ENOMEM: `out` is as it was before.
int template_write(const struct template *t, const struct event *ev, struct strbuf *out);
