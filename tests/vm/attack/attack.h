// SPDX-License-Identifier: Apache-2.0
/* sg-attack: every known way to reach a protected file, as a table.
 *
 * For: the VM tests. They load a policy that denies any access to <root>/vault/secret and to
 * <root>/vault/tree/ (everything below) for everybody but <root>/bin/sg-exempt, then run this
 * program and compare each result with the row's expectation. The same program with no policy
 * loaded proves that each attack works at all: a way that is "denied" there is a bug of this
 * program.
 *
 * A way is a row of ways.def: how the object is reached (a `reach` function) and what is done
 * with it then (a row of deeds.def). Every way runs in a process of its own, so it may change
 * its namespaces, directories and limits, and leaves by one of the functions marked noreturn
 * below. Memory that a way takes lives until its process ends.
 *
 * What a result means:
 *   denied   a decisive step failed with EPERM or EACCES (errno 0: a descriptor was withheld)
 *   passed   the content was read, the program ran, or the change was seen by the exempt program
 *   error    something else failed: the attack proves nothing, and never counts as a denial
 *   skipped  this kernel, file system or processor does not have the way; the reason is printed
 *
 * A second, unprotected tree (setup in another directory, outside the policy) must pass every
 * way while the policy is loaded: that tells a denial of the object from a denial of the
 * operation.
 *
 * A JSON line has name, result, errno, errname, op (the access word of a policy), path (of the
 * object, wherever it was reached from), pid (of the process that was denied; threads of io_uring
 * have it as their thread group; -1: not known here), start_ns and end_ns (CLOCK_BOOTTIME), real_ns
 * (to be added to them for CLOCK_REALTIME), flags (of the open), expect,
 * ok, step (the call that decided) and reason. `hold` prints a line "ready" before them.
 *
 * Never: loads a policy, knows how safeguard works, or keeps anything open after its end. */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define ARRAY_LEN(a)   (sizeof(a) / sizeof((a)[0]))
#define _noreturn_     __attribute__((noreturn))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))

/* The mark that every protected file holds, and the one that every other file of the tree holds;
 * the nonce of the tree follows each. */
#define MARK_SECRET "TOP-SECRET-"
#define MARK_PUBLIC "PUBLIC-"
#define NONCE_LEN   16

/* What a writing way leaves behind. */
#define MARK_ATTACK "ATTACKED-BY-SG\n"

/* Exit status of the tiny program (elf.c): "I was executed". */
#define EXIT_EXECUTED     42
/* Left by a program that was refused to hand its descriptors to another one by exec. */
#define EXIT_EXEC_REFUSED 43

#define WAY_SECONDS 10

enum verdict {
    VERDICT_NONE,
    VERDICT_DENIED,
    VERDICT_PASSED,
    VERDICT_CLAIMED, /* the call succeeded; the exempt program has to confirm the change */
    VERDICT_ERROR,
    VERDICT_SKIPPED,
};

enum expect {
    EXPECT_DENIED,
    EXPECT_DOCUMENTED, /* beyond what a file policy can promise; the docs say what happens */
    EXPECT_ALLOWED,    /* must not be denied */
};

/* What a way needs, in the low bits; the oldest kernel that has it, in the high ones. */
enum {
    N_NONE = 0,
    N_MNTNS = 1 << 0,   /* a private mount namespace, made before the way starts */
    N_URING = 1 << 1,   /* io_uring is there and not switched off */
    N_OVERLAY = 1 << 2, /* overlayfs is registered */
    N_DROP = 1 << 3,    /* caches can be dropped */
    N_HELD = 1 << 4,    /* a descriptor or mapping from before the policy: `hold`, not `run` */
    N_X86 = 1 << 5,     /* x86-64 only */
    N_DISKFS = 1 << 6,  /* inodes of the tree can leave the cache: not tmpfs, not ramfs */
};
#define KERNEL(major, minor) (((unsigned)(major) << 24) | ((unsigned)(minor) << 16))
#define NEED_KERNEL(needs)   ((needs)&0xffff0000u)

struct outcome {
    int32_t verdict;
    int32_t err;
    int32_t pid;
    int32_t prepared;          /* the exempt program changed the tree for the way, and back */
    uint64_t start_ns, end_ns; /* CLOCK_BOOTTIME */
    char step[112];
    char detail[160];
};

struct attack;

typedef int (*reach_fn)(struct attack *a, int flags);
typedef void (*use_fn)(struct attack *a, int fd);
typedef void (*undo_fn)(struct attack *a, const char *what, int fd);

struct deed {
    const char *access; /* the word of a policy's `access:` */
    int flags;          /* how the object is opened */
    use_fn use;         /* NULL: the reach function does it all and does not return */
    bool modifies;      /* the exempt program checks the tree afterwards */
};

struct way {
    const char *name, *object, *help;
    reach_fn reach;
    const struct deed *deed;
    unsigned needs;
    enum expect expect;
};

/* An io_uring: uring.c. */
struct ring {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
    void *sqes, *cqes;
    bool sqpoll;
};

/* What `hold` opened before the policy; -1 or NULL where that was not possible. */
struct held {
    int rdwr, path;        /* vault/secret */
    int dir;               /* vault/tree/a */
    int socket;            /* vault/secret on its way, not yet received */
    struct ring ring;      /* vault/secret is its registered file 0 */
    char *map_rw, *map_ro; /* vault/tree/mapped */
    size_t map_len;
};

struct attack {
    const char *root;   /* the tree */
    const char *self;   /* this program's file */
    const char *exempt; /* <root>/bin/sg-exempt */
    const char *tmp;    /* a directory for this way alone; empty, unprotected, removed afterwards */
    const char *target; /* the object's canonical path */
    const char *want;   /* the mark and nonce that the object holds */
    const struct way *way;
    const struct held *held;
    struct outcome *out;
    int out_fd;
    size_t n_deferred;
    struct {
        undo_fn fn;
        const char *what;
        int fd;
    } deferred[8];
};

extern const struct way ways[];
extern const size_t n_ways;

const struct way *way_find(const char *name);
/* The mark that its object holds. */
const char *way_mark(const struct way *w);

/* ---- attack.c: results and steps ------------------------------------------------------------ */

_noreturn_ void attack_finish(struct attack *a, enum verdict v, int err, const char *detail);
_noreturn_ void attack_passed(struct attack *a, const char *detail);
_noreturn_ void attack_claimed(struct attack *a); /* changed; the exempt program will tell */
_noreturn_ void attack_failed(struct attack *a, const char *detail);
_noreturn_ _printf_(2, 3) void attack_skip(struct attack *a, const char *fmt, ...);
_noreturn_ void attack_withheld(struct attack *a,
                                const char *detail); /* denied, without an errno */

/* Names the step that is tried next. */
void attack_step(struct attack *a, const char *step);
long attack_guarded(struct attack *a, long rc);
long attack_needed(struct attack *a, long rc);

/* A step that the policy may deny: EPERM and EACCES end the way as denied, all else as an error. */
#define GUARD(a, call) (attack_step((a), #call), attack_guarded((a), (long)(call)))
/* A step that has to succeed whatever the policy says: any failure ends the way as an error. */
#define MUST(a, call)  (attack_step((a), #call), attack_needed((a), (long)(call)))
/* A step that kernels and file systems may lack: the errnos that say so end the way as skipped. */
#define HAVE(a, call)  (attack_step((a), #call), attack_available((a), (long)(call)))
long attack_available(struct attack *a, long rc);
/* The same for a decisive step: EPERM and EACCES are a denial. */
#define GUARD_OR_SKIP(a, call) (attack_step((a), #call), attack_guarded_or_skip((a), (long)(call)))
long attack_guarded_or_skip(struct attack *a, long rc);

/* Runs fn when the way ends, last one first. */
void attack_defer(struct attack *a, undo_fn fn, const char *what, int fd);

/* Passed when the bytes hold the object's mark, an error otherwise. */
_noreturn_ void attack_got(struct attack *a, const void *buf, size_t n);
bool attack_holds_mark(const struct attack *a, const void *buf, size_t n);

_printf_(1, 2) char *fmt(const char *format, ...);
char *in_root(const struct attack *a, const char *rel);
char *in_tmp(const struct attack *a, const char *rel);
char *parent_of(const char *path);
const char *leaf_of(const char *path);
/* A new file in the way's directory, open for reading and writing. */
int tmp_file(struct attack *a, const char *name);
/* An unprotected file of the tree's file system, made for controls: "does the call work at all". */
int control_file(struct attack *a, const char *name, size_t size);
void write_text(struct attack *a, const char *path, const char *text);
bool drop_caches(void);

/* ---- helper.c: other processes, and what the exempt program does ----------------------------- */

/* Where x-exec leaves the descriptor for the program that it executes. */
#define HANDED_FD 200

struct helper {
    pid_t pid;
    int to, from; /* its standard input and output */
};

/* fork(2) whose child dies with its parent. */
pid_t fork_helper(void);
/* Runs the exempt program's verb on a path of the tree and waits; a failure ends the way. */
void exempt_do(struct attack *a, const char *verb, const char *path, const char *more);
/* The same in two steps. */
pid_t exempt_start(struct attack *a, const char *verb, const char *path, const char *more);
void exempt_wait(struct attack *a, const char *verb, pid_t pid);
/* Has it remove what a way made; an undo_fn. */
void exempt_remove(struct attack *a, const char *path, int fd);
/* Starts the exempt program's `x-hold`: it opens the target and waits; *ret_line is what it
 * says. */
void exempt_hold(struct attack *a, int flags, struct helper *ret, char *ret_line, size_t size);
/* Starts a verb of the exempt program that opens the target and sends the descriptor over a socket of
 * this type. Returns the end where it arrives. */
int exempt_send(struct attack *a, const char *verb, int flags, int type);
/* Receives it, or ends the way: security modules answer by leaving it out. */
int receive_fd(struct attack *a, int sock);
int message_fd(struct attack *a, struct msghdr *mh);
int exempt_main(int argc, char *const argv[]);
/* Continues the way in this program after another one executed it; fd < 0: open the target. */
char *const *resume_argv(const struct attack *a, const char *argv0, int fd);
int resume_main(int argc, char *const argv[]);
_noreturn_ void way_go(struct attack *a);
_noreturn_ void way_use(struct attack *a, int fd);

/* ---- tree.c: the tree ------------------------------------------------------------------------ */

int tree_setup(const char *root, const char *self);
/* Compares the tree with what setup made and, with `fix`, repairs it. Returns the number of
 * differences, negative on failure; the first difference goes to ret_what. */
int tree_verify(const char *root, bool fix, char *ret_what, size_t size);
int tree_nonce(const char *root, char ret[NONCE_LEN + 1]);
bool tree_remove(const char *path);
/* The object's path below the root; chains of directories are written out. */
char *tree_object(const char *root, const char *object);

/* One directory of nested ones, all but the last component. */
struct chain {
    const char *object;
    size_t depth, name_len;
};
const struct chain *chain_find(const char *object);
void chain_name(const struct chain *ch, char ret[256]);
#define CHAIN_LEAF "leaf"

/* ---- run.c, hold.c, race.c, burst.c: the commands -------------------------------------------- */

enum format { FORMAT_TAP, FORMAT_JSON };

struct run {
    const char *root, *self;
    enum format format;
    bool policy; /* results are judged: with a policy by the rows' expectations, without: passed */
    const struct held *held;
};

int run_ways(const struct run *r, char *const patterns[], size_t n_patterns);
int list_ways(enum format format);
int hold_main(const struct run *r, char *const command[]);
int race_main(const char *root, unsigned seconds, unsigned n_proc);
int burst_main(const char *path, uint64_t total, unsigned n_proc);

/* ---- json.c --------------------------------------------------------------------------------- */

/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
void json_string(const char *s);

/* ---- elf.c ---------------------------------------------------------------------------------- */

/* A program that exits with EXIT_EXECUTED, for this processor; with `interpreter` it asks for that
 * one. Returns its size, or -ENOTSUP on other processors. */
ssize_t elf_tiny(const char *interpreter, void *ret_buf, size_t size);
/* Writes the header of a swap area of n pages. */
void swap_header(void *page, size_t page_size, uint32_t n_pages);

/* ---- namespace.c ----------------------------------------------------------------------------- */

/* Root of a user namespace of its own, to files still who it was; with further namespaces. */
void enter_userns(struct attack *a, int more);

/* ---- mount.c --------------------------------------------------------------------------------- */

/* The target's directory as a mount that is attached nowhere. */
int detached_parent(struct attack *a);

/* ---- uring.c -------------------------------------------------------------------------------- */

int ring_open(struct ring *r, unsigned flags);
int ring_register_file(struct ring *r, int fd);
long ring_read_registered(struct ring *r, void *buf, unsigned len, unsigned sqe_flags);

/* ---- reach and use functions: one declaration for each name in the tables ------------------- */

#define DEED(id, flags, use, access, modifies) void use(struct attack *a, int fd);
#define NO_USE(id, access, modifies)
#include "deeds.def"
#undef DEED
#undef NO_USE

#define WAY(name, reach, deed, object, needs, expect, help) int reach(struct attack *a, int flags);
#include "ways.def"
#undef WAY
