// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do nothing where credentials are looked at (bpf/cred.bpf.h): what tests/vm/cases/credentials_cost.sh compares with. */
#include "lib/common.bpf.h"

#define NULL_PLACE(name, section) \
    SEC(section)                  \
    int null_##name(void *ctx)    \
    {                             \
        return 0;                 \
    }
#define NULL_LSM(hook) NULL_PLACE(hook, "lsm/" #hook)

NULL_LSM(file_open)
NULL_LSM(capable)
NULL_LSM(task_kill)
NULL_LSM(socket_create)
NULL_LSM(inode_setattr)
NULL_LSM(inode_create)
NULL_LSM(inode_unlink)
NULL_LSM(inode_rename)
NULL_LSM(inode_link)
NULL_LSM(inode_mkdir)
NULL_LSM(inode_rmdir)
NULL_LSM(inode_mknod)
NULL_LSM(inode_symlink)
NULL_LSM(inode_setxattr)
NULL_LSM(inode_removexattr)
NULL_LSM(unix_stream_connect)
NULL_LSM(unix_may_send)
NULL_LSM(ipc_permission)
NULL_LSM(key_permission)
NULL_LSM(ptrace_access_check)
NULL_LSM(task_prlimit)
NULL_LSM(task_setscheduler)
NULL_LSM(task_setnice)
NULL_LSM(task_setioprio)
NULL_LSM(bprm_check_security)
NULL_LSM(capset)
NULL_LSM(task_fix_setuid)
NULL_LSM(task_fix_setgid)
NULL_LSM(bprm_committed_creds)
NULL_LSM(task_alloc)
NULL_PLACE(fork, "tp_btf/sched_process_fork")
NULL_PLACE(exit, "tp_btf/sched_process_exit")

char _license[] SEC("license") = "GPL";
