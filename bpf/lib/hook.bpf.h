/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One body, two programs: SG_PROGRAMS(name, hook, refuse, arguments…) makes lsm_<name> and fmod_<name>.
 *
 * `refuse` is an expression over the arguments and the constant `storage`; when it is true the operation fails with
 * EPERM. The return value is a constant on both ways, which is what verifiers from 6.12 on ask for.
 */
#ifndef SG_BPF_HOOK_H
#define SG_BPF_HOOK_H

#include "object.bpf.h"

/* A constant on either way: compilers would make one expression of both, of which verifiers do not see the bounds. */
#define SG_REFUSE(refuse)                    \
    ({                                       \
        int result = 0;                      \
        if (refuse) {                        \
            result = -EPERM;                 \
            asm volatile("" : "+r"(result)); \
        }                                    \
        result;                              \
    })

#define SG_LSM(name, hook, refuse, args...) \
    SEC("lsm/" #hook)                       \
    int BPF_PROG(lsm_##name, args)          \
    {                                       \
        const bool storage = true;          \
        (void)storage;                      \
        return SG_REFUSE(refuse);           \
    }

#define SG_FMOD(name, hook, refuse, args...) \
    SEC("fmod_ret/security_" #hook)          \
    int BPF_PROG(fmod_##name, args)          \
    {                                        \
        const bool storage = false;          \
        (void)storage;                       \
        return SG_REFUSE(refuse);            \
    }

#define SG_PROGRAMS(name, hook, refuse, args...) \
    SG_LSM(name, hook, refuse, args)             \
    SG_FMOD(name, hook, refuse, args)

#endif
