// SPDX-License-Identifier: Apache-2.0
//
// Small macros that every room uses. Holds no state, allocates nothing.
#pragma once

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_            __attribute__((unused))
#define _nonnull_           __attribute__((nonnull))
#define _returns_nonnull_   __attribute__((returns_nonnull))
#define _pure_              __attribute__((pure))
#define _must_check_        __attribute__((warn_unused_result))

// For tables of constants next to their enum: STATIC_ASSERT(ARRAY_SIZE(names) == N_KINDS, "...").
#define STATIC_ASSERT(cond, text) _Static_assert(cond, text)

// Number of elements; a pointer instead of an array does not compile.
#define ARRAY_SIZE(a)             \
    (sizeof(a) / sizeof((a)[0]) + \
     0 * sizeof(char[1 - 2 * __builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

// libbpf and sys/param.h bring their own MIN and MAX.
#undef MIN
#undef MAX
// Each argument is evaluated once; both must be of one type. The number keeps the names apart where
// one stands inside another.
#define MIN(a, b)           PICK_(a, <, b, __COUNTER__)
#define MAX(a, b)           PICK_(a, >, b, __COUNTER__)
#define CLAMP(x, low, high) MAX(low, MIN(x, high))
#define PICK_(a, op, b, n)  PICK__(a, op, b, n)
#define PICK__(a, op, b, n)             \
    __extension__({                     \
        __typeof__(a) _a##n = (a);      \
        __typeof__(b) _b##n = (b);      \
        (void)(&_a##n == &_b##n);       \
        _a##n op _b##n ? _a##n : _b##n; \
    })

#ifndef container_of
#define container_of(ptr, type, member)                             \
    __extension__({                                                 \
        const __typeof__(((type *)0)->member) *_member_ptr = (ptr); \
        (type *)((uintptr_t)_member_ptr - offsetof(type, member));  \
    })
#endif

// Bit n (0..63) as uint64_t.
#define SG_BIT(n) (UINT64_C(1) << (n))

// Equal strings; neither may be NULL.
#define streq(a, b) (strcmp((a), (b)) == 0)

// Equal strings, or both NULL.
static inline int streq_ptr(const char *a, const char *b)
{
    return a && b ? streq(a, b) : a == b;
}

// The string, or "" for NULL: for printing what may be absent.
static inline const char *strempty(const char *s)
{
    return s ? s : "";
}

// NULL and "" hold nothing.
static inline int str_isempty(const char *s)
{
    return !s || !*s;
}

// -errno after a call that failed: always negative, also when the call forgot to set errno, so that
// neither callers nor analysers take a failure for a success.
static inline int negative_errno(void)
{
    int code = errno;

    return code > 0 ? -code : -EIO;
}
