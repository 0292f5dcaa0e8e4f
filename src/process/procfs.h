// SPDX-License-Identifier: Apache-2.0
//
// What procfs says about one process. Processes come and go while they are read: a pid that
// vanishes half way is -ESRCH, never a mixture of two processes (all files are opened through one
// descriptor of /proc/PID, which stays with the process that it was opened for). Private to
// src/process.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"

#define PROCFS_TEXT_MAX    4096u // PATH_MAX
#define PROCFS_CMDLINE_MAX 1024u // bytes of a command line that are kept

struct procfs_process {
    struct process_ref ref; // start floored to ticks
    uint32_t ppid;
    uint32_t uid, euid, gid, egid;
    uint32_t login_uid, session_id;
    uint32_t pid_ns, mnt_ns; // 0: not readable
    uint64_t exe_ino;        // of its program, as stat() has it; 0: not readable
    uint32_t exe_dev;        // likewise, major << 20 | minor
    bool kthread;
    bool exe_deleted;
    bool cmdline_cut;
    uint8_t comm_len;
    char comm[16];
    uint32_t exe_len, cmdline_len, cgroup_len; // 0: none
    char exe[PROCFS_TEXT_MAX];
    char cmdline[PROCFS_CMDLINE_MAX]; // arguments joined by blanks
    char cgroup[PROCFS_TEXT_MAX];
};

// Fills *ret, which may be changed on failure too. -ESRCH: no such process, or it is gone by now.
// -EBADMSG: not the text of a procfs. mask: without the passwords on its command line (model/secrets.h).
int procfs_read(int proc_fd, uint32_t pid, bool mask, struct procfs_process *ret);

// Only cmdline, cmdline_len and cmdline_cut of *ret. -ESRCH also when another process has the
// number.
int procfs_cmdline(int proc_fd, const struct process_ref *ref, bool mask,
                   struct procfs_process *ret);

// Only exe, exe_len, exe_ino, exe_dev and exe_deleted of *ret. -ESRCH: no such process.
int procfs_exe(int proc_fd, uint32_t pid, struct procfs_process *ret);

// Only the start. Errors as above.
int procfs_start(int proc_fd, uint32_t pid, uint64_t *ret_start_ns);

// Inode number of a namespace link such as "ns/mnt"; 0 when it cannot be read.
uint32_t procfs_namespace(int proc_fd, uint32_t pid, const char *link);
