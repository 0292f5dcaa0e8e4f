/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to execute a program, each tried where rules record it, where they refuse it, and where no rule speaks of it. For
 * virtual machines: mounts, changes users, registers interpreters.
 *
 * A way is a function that executes something and does not come back if it could. What must be in the record is in its row of
 * ways.def; exec.py holds the one against the other.
 */
#ifndef SG_EXEC_H
#define SG_EXEC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RAN      42  /* exit status of a program that was executed */
#define LIVES_MS 300 /* at least, one that is to end in some way */

enum mode { MODE_AUDIT, MODE_DENY, MODE_FREE, MODE_KILL, MODE_STOP, MODE_COUNT };

/* What rules decide it by. */
enum by {
    BY_PATH,  /* exec, of a path */
    BY_LOAD,  /* load, of a path */
    BY_MEMFD, /* exec: memfd … for users of their own */
    BY_DELETED,
    BY_FOREIGN,
    BY_COUNT,
};

/* In the order of `namespaces` of exec.py. */
#define NAMESPACES 8

/* What a child tells the runner. */
struct told {
    int pid;   /* that executes, where it is not the child itself */
    int error; /* errno of what was refused; 0: nothing was */
    bool skipped;
    char reason[200];
    unsigned long ns[NAMESPACES]; /* that it is in; 0: there is no such namespace */
};

struct run {
    const char *root; /* of everything */
    char area[256];   /* where the files are that the rules of this mode speak of */
    char target[300]; /* a static program in it */
    enum mode mode;
    uid_t uid; /* to execute as; 0: as it is */
    struct told *told;
};

/* Ends the child: what this kernel or machine does not have. */
_Noreturn void skip(const struct run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the child when `value` is negative: what has to work for the way to be tried. */
long must(const struct run *r, long value, const char *what);
#define MUST(r, call) must(r, (long)(call), #call)
/* Ends the child: the exec came back with this errno. */
_Noreturn void refused(const struct run *r, int error);

/* Executes as the run's user; comes back only through refused(). NULL: [path], no environment. */
_Noreturn void go(const struct run *r, const char *path, char *const *argv, char *const *envp);
_Noreturn void go_at(const struct run *r, int fd, const char *path, int flags, char *const *argv);
void become(const struct run *r);

/* `area`/name; in memory that is never freed, since a child ends soon. */
const char *in_area(const struct run *r, const char *name);
const char *in_root(const struct run *r, const char *name);
void copy(const struct run *r, const char *from, const char *to, mode_t mode);
void write_file(const struct run *r, const char *path, mode_t mode, const char *text);
void make_dir(const struct run *r, const char *path);
/* A mount namespace of its own, in which nothing comes from or goes to the host. */
void own_mounts(const struct run *r);
/* Where an overlay is mounted: of a lower directory, or of an upper one in a file system of its own; and of one in the area. */
const char *overlay(const struct run *r, const char *name, const char *lower, const char *upper);
const char *overlay_upper(const struct run *r);
/* A script in the area that the program outside interprets. */
const char *script(const struct run *r, const char *name, const char *interpreter);
/* Tells in which namespaces it is, right before it executes. */
void tell_namespaces(const struct run *r);
/* A format of binfmt_misc for files that end so. 0, or -1 with errno. */
int register_format(const char *extension, const char *interpreter, const char *flags);
int memfd_of(const struct run *r, const char *name, unsigned flags, const char *content);
int elf32(const struct run *r, const char *path);

typedef void (*way_fn)(const struct run *r);

#define WAY(id, by, modes, want, help) void way_##id(const struct run *r);
#include "ways.def"

#endif
