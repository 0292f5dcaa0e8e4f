/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Safeguard's own defence: what the agent tells the kernel side, and what that counts. Included by both sides.
 *
 * A record of the defence is SG_RECORD_CONTROL with the rule SG_RULE_DEFENCE. Of its SG_FIELD_CONTROL, number[0] is what was asked
 * for (signal, mode of ptrace, nice value, resource, id), number[1] an enum sg_guard_act, number[2] an enum sg_guard_whom.
 */
#ifndef SG_ABI_GUARD_H
#define SG_ABI_GUARD_H

#include <linux/types.h>

enum sg_guard_act {
#define SG_GUARD_ACT(id, text) SG_GUARD_##id,
#include "guard.def"
    SG_GUARD_ACTS,
};

enum sg_guard_whom { SG_GUARD_OF_AGENT, SG_GUARD_OF_SERVER, SG_GUARD_OF_MANAGER };

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
    __u32 policy_id, first_rule, n_rules, reserved;
    struct sg_guard_program programs[SG_GUARD_PROGRAMS];
};

/* Which maps, programs and links are safeguard's. */
enum sg_guard_kind { SG_GUARD_MAP_ID, SG_GUARD_PROG_ID, SG_GUARD_LINK_ID };
struct sg_guard_id {
    __u32 kind, id;
};

enum sg_guard_count {
    SG_GUARD_REFUSED, /* all of them */
    SG_GUARD_MERGED,  /* counted instead of recorded: equal to one of the second before */
    SG_GUARD_FTRACE,  /* writes to kernel.ftrace_enabled that the sysctl program refused */
    SG_GUARD_COUNTS,
};

/* Equal refusals within a second are recorded once. */
struct sg_guard_seen {
    __u64 start_ns;
    __u32 tgid;
    __u16 act;
    __u16 argument;
};

_Static_assert(sizeof(struct sg_guard) == 40 + 16 * SG_GUARD_PROGRAMS, "sg_guard");
_Static_assert(sizeof(struct sg_guard_seen) == 16, "sg_guard_seen");

#endif
