// SPDX-License-Identifier: Apache-2.0
/* User and group ids. */
#include "control.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/wait.h>

#define DENIED  4242
#define OTHER   4243
#define AUDITED 4244

#define IDS(name, call)               \
    int name(const struct way_ctx *c) \
    {                                 \
        (void)c;                      \
        return errno_of(call);        \
    }
IDS(way_setuid, setuid(DENIED))
IDS(way_seteuid, seteuid(DENIED))
IDS(way_setreuid, setreuid(DENIED, (uid_t)-1))
IDS(way_setresuid, setresuid(OTHER, OTHER, DENIED))
IDS(way_setsuid, setresuid((uid_t)-1, (uid_t)-1, DENIED))
IDS(way_setuid_audited, setuid(AUDITED))
IDS(way_setuid_other, setuid(OTHER))
IDS(way_setuid_same, setresuid(0, 0, 0))
IDS(way_setgid, setgid(DENIED))
IDS(way_setresgid, setresgid((gid_t)-1, (gid_t)-1, DENIED))
IDS(way_setgid_other, setgid(OTHER))

/* These two do not say whether they did it: the next call does. */
int way_setfsuid(const struct way_ctx *c)
{
    (void)c;
    (void)setfsuid(DENIED);
    return setfsuid((uid_t)-1) == DENIED ? 0 : EPERM;
}

int way_setfsgid(const struct way_ctx *c)
{
    (void)c;
    (void)setfsgid(DENIED);
    return setfsgid((gid_t)-1) == DENIED ? 0 : EPERM;
}

int way_setgroups(const struct way_ctx *c)
{
    const gid_t groups[] = {OTHER, DENIED};

    (void)c;
    return errno_of(setgroups(2, groups));
}

int way_setgroups_last(const struct way_ctx *c)
{
    gid_t groups[60];

    (void)c;
    for (unsigned i = 0; i < 59; i++)
        groups[i] = 1000 + i;
    groups[59] = DENIED;
    return errno_of(setgroups(60, groups));
}

int way_setgroups_other(const struct way_ctx *c)
{
    const gid_t groups[] = {OTHER, AUDITED};

    (void)c;
    return errno_of(setgroups(2, groups));
}

static int execute(char *program)
{
    char word[] = "nothing", *const argv[] = {program, word, NULL}, *const envp[] = {NULL};

    return errno_of(execve(program, argv, envp));
}

int way_setuid_program(const struct way_ctx *c)
{
    char program[] = "./setuid";

    (void)c;
    return execute(program);
}

int way_setgid_program(const struct way_ctx *c)
{
    char program[] = "./setgid";

    (void)c;
    return execute(program);
}
