// SPDX-License-Identifier: Apache-2.0
#include "ocsf/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macro.h"

// A serial is looked for in the few slots of one set.
#define SETS 256u
#define WAYS 4u

#define FIRST_ROOM 4096u
#define LARGEST    (4u << 20) // 32 ancestors with paths of PATH_MAX, every byte escaped

struct parts {
    size_t max_bytes, bytes;
    uint32_t hand; // next to go when there are too many bytes
    uint8_t next[SETS];
    uint64_t reused, built;
    struct strbuf scratch;
    struct part slots[SETS][WAYS];
};

int parts_new(size_t max_bytes, struct parts **ret_parts)
{
    struct parts *p = new0(struct parts, 1);

    if (!p)
        return -ENOMEM;
    p->max_bytes = max_bytes;
    *ret_parts = p;
    return 0;
}

static void part_clear(struct parts *p, struct part *part)
{
    p->bytes -= part->size;
    free(part->memory);
    *part = (struct part){};
}

struct parts *parts_free(struct parts *p)
{
    if (p) {
        for (size_t i = 0; i < SETS * WAYS; i++)
            part_clear(p, &p->slots[i / WAYS][i % WAYS]);
        sb_done(&p->scratch);
        free(p);
    }
    return NULL;
}

static struct bytes name_of(const struct who *w)
{
    return w->exe.len ? bytes_basename(w->exe) : w->comm;
}

// task_struct.comm has room for 15 bytes of it.
static bool is_comm_of(struct bytes comm, struct bytes name)
{
    name.len = MIN(name.len, 15u);
    return bytes_equal(comm, name);
}

void ocsf_view_process(const struct who *w, struct process_view *v)
{
    *v = (struct process_view){
        .w = w,
        .name = name_of(w),
        .exe = {.path = w->exe,
                .name = bytes_basename(w->exe),
                .type = 8, // an executable file
                .deleted = w->exe_deleted},
        .cmdline = w->cmdline,
        .user = {.id = w->euid, .name = w->user},
        .login = {.id = w->login_uid, .name = w->login_user},
        .has_session = w->session != SG_SESSION_NONE || w->session_id != ID_NONE,
    };
    v->has_comm = !is_comm_of(w->comm, v->name);
    // Without a login nobody but the process's own user can answer for it.
    if (w->login_uid == ID_NONE)
        v->login = v->user;
}

static void put_sentence(struct out *out, const struct who *w)
{
    out_text(out, name_of(w));
    out_lit(out, " (pid ");
    out_u64(out, w->ref.tgid);
    out_lit(out, ", user ");
    if (w->user.len)
        out_text(out, w->user);
    else
        out_u64(out, w->euid);
    out_char(out, ')');
}

struct bytes parts_unknown(const struct event *ev, char buf[PART_UNKNOWN_MAX])
{
    struct out out = {.p = buf, .end = buf + PART_UNKNOWN_MAX};

    out_text(&out, (struct bytes){ev->process.comm, ev->process.comm_len});
    out_lit(&out, " (pid ");
    out_u64(&out, ev->process.ref.tgid);
    out_lit(&out, ", user ");
    out_u64(&out, ev->process.euid);
    out_char(&out, ')');
    return (struct bytes){buf, (uint32_t)(out.p - buf)};
}

static void put_part(struct out *out, const struct ocsf_context *o, const struct who *w,
                     uint32_t ends[4])
{
    struct process_view v;
    char *start = out->p;

    ocsf_view_process(w, &v);
    put_sentence(out, w);
    ends[0] = (uint32_t)(out->p - start);
    ocsf_put_actor(out, &v);
    ends[1] = (uint32_t)(out->p - start);
    ocsf_put_process(out, o, &v);
    ends[2] = (uint32_t)(out->p - start);
    ocsf_put_unmapped_actor(out, o, &v);
    ends[3] = (uint32_t)(out->p - start);
}

static int build(struct parts *p, const struct ocsf_context *o, const struct who *w,
                 struct part *ret_part)
{
    struct part part = {.serial = w->serial};
    uint32_t ends[4] = {};

    sb_reset(&p->scratch);
    for (size_t room = FIRST_ROOM;; room *= 2) {
        char *start = room <= LARGEST ? sb_reserve(&p->scratch, room) : NULL;
        struct out out = {.p = start, .end = start + room};

        if (!start)
            return -ENOMEM;
        put_part(&out, o, w, ends);
        if (!out.full)
            break;
    }
    part.size = ends[3];
    part.memory = memdup(p->scratch.s, part.size);
    if (!part.memory)
        return -ENOMEM;
    part.sentence = (struct bytes){part.memory, ends[0]};
    part.actor = (struct bytes){part.memory + ends[0], ends[1] - ends[0]};
    part.process = (struct bytes){part.memory + ends[1], ends[2] - ends[1]};
    part.unmapped = (struct bytes){part.memory + ends[2], ends[3] - ends[2]};
    *ret_part = part;
    return 0;
}

// The hand goes round, whoever it meets goes.
static void bound(struct parts *p, const struct part *keep)
{
    for (size_t i = 0; i < SETS * WAYS && p->bytes > p->max_bytes; i++) {
        struct part *part = &p->slots[p->hand / WAYS][p->hand % WAYS];

        p->hand = (p->hand + 1) % (SETS * WAYS);
        if (part != keep)
            part_clear(p, part);
    }
}

int parts_get(struct parts *p, const struct ocsf_context *o, const struct who *who,
              const struct part **ret_part)
{
    size_t set = who->serial % SETS;
    struct part *part, new;
    int r;

    assert(who->serial != 0);
    for (size_t way = 0; way < WAYS; way++) {
        part = &p->slots[set][way];
        if (part->serial == who->serial) {
            p->reused++;
            *ret_part = part;
            return 0;
        }
    }
    r = build(p, o, who, &new);
    if (r < 0)
        return r;
    part = &p->slots[set][p->next[set]];
    p->next[set] = (uint8_t)((p->next[set] + 1) % WAYS);
    part_clear(p, part);
    *part = new;
    p->bytes += new.size;
    p->built++;
    bound(p, part);
    *ret_part = part;
    return 0;
}

void parts_counters(const struct parts *p, struct ocsf_counters *ret)
{
    *ret = (struct ocsf_counters){.reused = p->reused, .built = p->built, .cached_bytes = p->bytes};
}
