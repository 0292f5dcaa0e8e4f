/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known about a file, changed: mode, owner, times, extended attributes, access control lists. */
#ifndef SG_BPF_FILE_META_H
#define SG_BPF_FILE_META_H

#include "lib/hook.bpf.h"

static __always_inline int sg_meta_access(struct dentry *dentry, __u32 ops, __u16 hook,
                                          const char *name, bool storage)
{
    struct inode *inode = dentry->d_inode;
    struct sg_request q = {.dentry = dentry,
                           .inode = inode,
                           .ops = ops,
                           .hook = hook,
                           .text = name,
                           .text_type = SG_FIELD_XATTR};

    if (!inode)
        return 0;
    if (storage) {
        q.dir = sg_dir_of(dentry);
        if (inode->i_nlink <= 1 && dentry->d_parent != dentry && sg_dir_is_dead(q.dir))
            return 0;
    }
    return sg_access(&q, storage);
}

/* Truncation comes here, too, with the times that it sets: it is a write. ATTR_FORCE: the kernel's own doing. */
static __always_inline int sg_on_setattr(struct dentry *dentry, struct iattr *attr, bool storage)
{
    __u32 valid = attr->ia_valid, ops = 0;

    if (valid & ATTR_SIZE)
        ops = SG_OP_WRITE;
    else if (valid & ATTR_FORCE)
        return 0;
    else if (valid & (ATTR_MODE | ATTR_ATIME | ATTR_MTIME)) /* ATTR_CTIME comes with every change */
        ops = SG_OP_CHMOD;
    if (valid & (ATTR_UID | ATTR_GID))
        ops |= SG_OP_CHOWN;
    return ops && sg_meta_access(dentry, ops, SG_HOOK_inode_setattr, NULL, storage);
}

SG_PROGRAMS(inode_setattr, inode_setattr, sg_on_setattr(dentry, attr, storage),
            struct dentry *dentry, struct iattr *attr)
SG_PROGRAMS(inode_setattr_3, inode_setattr, sg_on_setattr(dentry, attr, storage), void *idmap,
            struct dentry *dentry, struct iattr *attr)

#define SG_XATTR(hook) sg_meta_access(dentry, SG_OP_XATTR, SG_HOOK_##hook, name, storage)

SG_PROGRAMS(inode_setxattr, inode_setxattr, SG_XATTR(inode_setxattr), struct dentry *dentry,
            const char *name)
SG_PROGRAMS(inode_setxattr_6, inode_setxattr, SG_XATTR(inode_setxattr), void *idmap,
            struct dentry *dentry, const char *name)
SG_PROGRAMS(inode_removexattr, inode_removexattr, SG_XATTR(inode_removexattr),
            struct dentry *dentry, const char *name)
SG_PROGRAMS(inode_removexattr_3, inode_removexattr, SG_XATTR(inode_removexattr), void *idmap,
            struct dentry *dentry, const char *name)
SG_PROGRAMS(inode_set_acl, inode_set_acl, SG_XATTR(inode_set_acl), void *idmap,
            struct dentry *dentry, const char *name)
SG_PROGRAMS(inode_remove_acl, inode_remove_acl, SG_XATTR(inode_remove_acl), void *idmap,
            struct dentry *dentry, const char *name)

/* file_setattr(2), from 6.17. */
SG_PROGRAMS(inode_file_setattr, inode_file_setattr,
            sg_meta_access(dentry, SG_OP_CHMOD, SG_HOOK_inode_file_setattr, NULL, storage),
            struct dentry *dentry)

#endif
