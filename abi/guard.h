/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Safeguard's own defence: what the agent tells the kernel side, and what that counts. Included by both sides.
 *
 * A record of the defence is SG_RECORD_CONTROL with the rule SG_RULE_DEFENCE. Of its SG_FIELD_CONTROL, number[0] is what was asked
 * for (signal, mode of ptrace, nice value, resource, id), number[1] an enum sg_guard_act, number[2] an enum sg_guard_whom. Equal ones
 * within a second are one record with a number, as those of rules are (struct sg_merge_key).
 */
#ifndef SG_ABI_GUARD_H
#define SG_ABI_GUARD_H

#include <linux/types.h>

enum sg_guard_act {
#define SG_GUARD_ACT(id, word) SG_GUARD_##id,
#include "guard.def"
    SG_GUARD_ACTS,
};

enum sg_guard_whom { SG_GUARD_OF_AGENT, SG_GUARD_OF_SERVER, SG_GUARD_OF_MANAGER };

/*
 * An act and whom it was about; with the low half of its argument, what SG_CONTROL_INO() is of, so that the number of refusals whose
 * record was lost still says what they were.
 */
#define SG_GUARD_WHAT(act, whom)         ((__u32)(act) << 8 | (__u32)(whom))
#define SG_GUARD_WHAT_ACT(what)          ((what) >> 8 & 0xff)
#define SG_GUARD_WHAT_WHOM(what)         ((what)&0xff)
#define SG_GUARD_WHAT_IN(what, argument) ((__u64)(what) << 24 | ((argument)&0xffffff))
#define SG_GUARD_WHAT_OF(in)             ((__u32)((in) >> 24))
#define SG_GUARD_WHAT_ARGUMENT(in)       ((in)&0xffffff)

/* The canary: the agent's own kill() of itself with this signal is refused, without a record. Ignored by default. */
#define SG_GUARD_CANARY_SIGNAL 28 /* SIGWINCH, x86 and arm64 */

/*
 * Programs by their file: who starts from one of the agent's may have the maps before it is known; who runs one of the server's must
 * not be traced; and while pid 1 runs the manager's, the host is not going down.
 */
#define SG_GUARD_PROGRAMS 4
struct sg_guard_program {
    __u64 ino; /* 0: none */
    __u32 dev; /* s_dev */
    __u32 whom;
};

/* How long the agent may not have said that it lives until its service manager may end it. */
#define SG_GUARD_ALIVE_NS 45000000000ull

/* Written by the agent through the map's descriptor. */
struct sg_guard {
    __u64
        unlocked_until_ns; /* CLOCK_BOOTTIME; what has passed: locked. Ends by itself, whatever becomes of the agent */
    __u64 alive_ns; /* CLOCK_BOOTTIME: the agent's loop went round */
    __u32 ending;   /* the agent has accepted to end: its manager may help */
    __u32 on;       /* 0: the defence is switched off in the settings */
    /* Rules first_rule … first_rule + n_rules - 1 of this policy are the defence's own: they yield while it is down */
    __u32 policy_id, first_rule, n_rules;
    __u32
        cgroup; /* the agent's: the low half of its number, which no other one has that lives; 0: none */
    struct sg_guard_program programs[SG_GUARD_PROGRAMS];
};

/* Which maps, programs and links are safeguard's. */
enum sg_guard_kind { SG_GUARD_MAP_ID, SG_GUARD_PROG_ID, SG_GUARD_LINK_ID };
struct sg_guard_id {
    __u32 kind, id;
};

enum sg_guard_count {
    SG_GUARD_REFUSED, /* by the programs of the defence, whatever became of its record; not what the self-test asked */
    SG_GUARD_COUNTS,
};

_Static_assert(sizeof(struct sg_guard) == 40 + 16 * SG_GUARD_PROGRAMS, "sg_guard");

#endif
