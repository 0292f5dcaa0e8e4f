// SPDX-License-Identifier: Apache-2.0
/* Between tree.c (which objects there are) and tree_file.c (what one object is like). */
#pragma once

#include "attack.h"

#define N50  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define N255 N50 N50 N50 N50 N50 "nnnnn"

enum kind {
    KIND_DIR,
    KIND_LOOSE, /* a directory whose entries are nobody's business */
    KIND_CHAIN, /* nested directories with one file at their end: see chains[] */
    KIND_SECRET,
    KIND_PUBLIC,
    KIND_LINK,   /* a hard link of the file that the detail names */
    KIND_TINY,   /* a program that exits with EXIT_EXECUTED */
    KIND_NEEDS,  /* the same, whose ELF interpreter is the file that the detail names */
    KIND_SCRIPT, /* a script whose interpreter is the file that the detail names */
    KIND_SWAP,   /* a swap area */
    KIND_BIG,    /* 64 KiB */
    KIND_FIFO,
    KIND_CHAR,
};

struct object {
    const char *path; /* below the root */
    enum kind kind;
    const char *detail;
};

struct tree {
    int fd, err;
    const char *root;
    char nonce[NONCE_LEN + 1];
    bool fix;
    unsigned n_diff;
    char *what;
    size_t what_size;
    uid_t uid;
    gid_t gid;
};

extern const struct object objects[];
extern const size_t n_objects;

void tree_differs(struct tree *t, const char *path, const char *why);
void tree_check_flags(struct tree *t, int dir_fd, const char *path);
void tree_check_xattrs(struct tree *t, int dir_fd, const char *path, const char *own);
void tree_check_file(struct tree *t, int dir_fd, const char *path, const struct object *o,
                     nlink_t n_links);
void tree_check_chain(struct tree *t, const struct chain *ch);
bool tree_remove_at(int dir_fd, const char *path);
int tree_copy_file(const char *from, const char *to);
