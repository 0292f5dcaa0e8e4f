/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories in which nothing is any rule's business, for programs that cannot ask inode storage for a directory: those of
 * type fmod_ret, and those on kernels (from 6.13 on) that do not take what was walked to. A table of marks; who falls on the
 * place of another one puts it out.
 */
#ifndef SG_BPF_DEAD_H
#define SG_BPF_DEAD_H

#include "walk.bpf.h"

/*
 * A directory's mark: a sum over the generation, the directory (file system, number, generation) and
 * where it is (dentry, directory above, name), since numbers are used again. Nobody can choose what makes the sum that of another
 * one: the factors are secret.
 */
static __always_inline __u64 sg_dir_mark(const struct dentry *dir, __u64 generation)
{
    const struct inode *inode = dir->d_inode;
    const struct dentry *up = dir->d_parent;

    /* Of pointers only distances are numbers. */
    return generation * sg_factors[0] + ((__u64)dir - (__u64)sg_dead_dirs) * sg_factors[1] +
           ((__u64)up - (__u64)sg_dead_dirs) * sg_factors[2] +
           ((__u64)inode->i_sb - (__u64)sg_dead_dirs) * sg_factors[3] +
           inode->i_ino * sg_factors[4] +
           ((__u64)inode->i_generation << 32 | dir->d_name.hash) * sg_factors[5];
}

static __always_inline __u64 sg_dead_place(const struct dentry *dir)
{
    __u64 place = ((__u64)dir - (__u64)sg_dead_dirs) >> 6;

    place ^= place >> 12;
    return place & (SG_DEAD_DIRS - 1);
}

static __always_inline int sg_dead_known(const struct dentry *dir, __u64 generation)
{
    return sg_dead_dirs[sg_dead_place(dir)] == sg_dir_mark(dir, generation);
}

/* A step of its own: the stack of those who learn is nearly full. */
static __noinline int sg_dead_learn(const struct dentry *dir, __u64 generation)
{
    sg_dead_dirs[sg_dead_place(dir)] = sg_dir_mark(dir, generation);
    return 0;
}

#endif
