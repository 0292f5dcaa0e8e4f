// SPDX-License-Identifier: Apache-2.0
//
// Ownership that the compiler keeps: a variable marked _cleanup_*() gives up what it holds when its
// scope ends; TAKE_PTR and TAKE_FD hand it on. The convention for types of our own:
//
//     struct x *x_free(struct x *);          // NULL is fine, returns NULL
//     DEFINE_CLEANUP(struct x *, x_free)     // next to it, in the header
//     ...
//     _cleanup_(x_freep) struct x *x = NULL; // always initialised
//     ...
//     *ret_x = TAKE_PTR(x);
//
// Descriptors start at -1. None of the functions here changes errno.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(func) __attribute__((cleanup(func)))

// Makes `func`p(type *), which calls func on what is not NULL. `type` is a pointer type.
#define DEFINE_CLEANUP(type, func)                              \
    static inline __attribute__((unused)) void func##p(type *p) \
    {                                                           \
        if (*p)                                                 \
            (void)func(*p);                                     \
    }

#define TAKE_PTR(ptr)                             \
    __extension__({                               \
        __typeof__(ptr) *_take_ptr = &(ptr);      \
        __typeof__(ptr) _take_value = *_take_ptr; \
        *_take_ptr = NULL;                        \
        _take_value;                              \
    })

#define TAKE_FD(fd)                  \
    __extension__({                  \
        int *_take_fd = &(fd);       \
        int _take_value = *_take_fd; \
        *_take_fd = -1;              \
        _take_value;                 \
    })

// Closes fd when it is one, keeps errno. Returns -1: `fd = safe_close(fd)`.
static inline int safe_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
    }
    return -1;
}

static inline void freep(void *p)
{
    int saved = errno;

    free(*(void **)p);
    errno = saved;
}

static inline void closep(const int *fd)
{
    (void)safe_close(*fd);
}

static inline void fclosep(FILE **f)
{
    int saved = errno;

    if (*f)
        (void)fclose(*f);
    errno = saved;
}

static inline void closedirp(DIR **d)
{
    int saved = errno;

    if (*d)
        (void)closedir(*d);
    errno = saved;
}

#define _cleanup_free_     _cleanup_(freep)
#define _cleanup_close_    _cleanup_(closep)
#define _cleanup_fclose_   _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)
