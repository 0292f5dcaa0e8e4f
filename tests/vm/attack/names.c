// SPDX-License-Identifier: Apache-2.0
/* Objects whose path no buffer holds: reached step by step. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* chdir to the directory of the chain's last file. */
static void walk(struct attack *a)
{
    const struct chain *ch = chain_find(a->way->object);
    char *top = in_root(a, a->way->object), name[256];

    if (!ch)
        attack_failed(a, "the row's object is not a chain");
    chain_name(ch, name);
    MUST(a, chdir(top));
    for (size_t i = 0; i < ch->depth; i++)
        MUST(a, chdir(name));
}

int reach_chain_chdir(struct attack *a, int flags)
{
    walk(a);
    return (int)GUARD(a, open(CHAIN_LEAF, flags, 0600));
}

int reach_chain_openat(struct attack *a, int flags)
{
    const struct chain *ch = chain_find(a->way->object);
    int dir = (int)MUST(a, open(in_root(a, a->way->object), O_PATH | O_DIRECTORY));
    char name[256];

    chain_name(ch, name);
    for (size_t i = 0; i < ch->depth; i++) {
        int next = (int)MUST(a, openat(dir, name, O_PATH | O_DIRECTORY));

        close(dir);
        dir = next;
    }
    return (int)GUARD(a, openat(dir, CHAIN_LEAF, flags, 0600));
}

/* A chain of short symbolic links, each three directories further down. */
int reach_chain_symlink(struct attack *a, int flags)
{
    const struct chain *ch = chain_find(a->way->object);
    char name[256], *top = in_root(a, a->way->object), *path;
    size_t links = ch->depth / 3;

    chain_name(ch, name);
    MUST(a, chdir(a->tmp));
    MUST(a, symlink(top, "l0"));
    for (size_t i = 1; i <= links; i++)
        MUST(a, symlink(fmt("l%zu/%s/%s/%s", i - 1, name, name, name), fmt("l%zu", i)));
    path = fmt("l%zu", links);
    for (size_t i = links * 3; i < ch->depth; i++)
        path = fmt("%s/%s", path, name);
    path = fmt("%s/%s", path, CHAIN_LEAF);
    return (int)GUARD(a, open(path, flags, 0600));
}

int reach_chain_unlink(struct attack *a, _unused_ int flags)
{
    walk(a);
    GUARD(a, unlink(CHAIN_LEAF));
    attack_claimed(a);
}

int reach_chain_create(struct attack *a, _unused_ int flags)
{
    walk(a);
    GUARD(a, open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
    attack_claimed(a);
}

int reach_chain_rename(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "moved");

    walk(a);
    GUARD(a, rename(CHAIN_LEAF, to));
    attack_claimed(a);
}

int reach_chain_link(struct attack *a, _unused_ int flags)
{
    char *to = in_tmp(a, "hard");

    walk(a);
    GUARD(a, link(CHAIN_LEAF, to));
    attack_claimed(a);
}

/* A directory in the middle of the chain, so that all below changes its path. */
int reach_chain_rename_middle(struct attack *a, _unused_ int flags)
{
    char name[256], *to = in_tmp(a, "moved");

    chain_name(chain_find(a->way->object), name);
    walk(a);
    MUST(a, chdir("../../.."));
    GUARD(a, rename(name, to));
    attack_claimed(a);
}
