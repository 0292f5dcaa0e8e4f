// SPDX-License-Identifier: Apache-2.0
//
// The host that records come from. Filled once at start (process/host.h), read by whoever writes
// records. Texts end with NUL; "" where the host does not say.
#pragma once

#include <stdint.h>

struct host {
    char hostname[256];
    char boot_id[37];    // /proc/sys/kernel/random/boot_id
    char machine_id[33]; // /etc/machine-id
    char os_name[128];   // PRETTY_NAME of os-release, else NAME, else "Linux"
    char os_version[64]; // VERSION_ID
    char kernel[65];     // uname -r
    char arch[65];       // uname -m
    uint64_t boot_ns;    // when it was booted, nanoseconds since 1970; 0: unknown
    // Inode numbers of the first process's namespaces; 0: unknown.
    uint32_t pid_ns, mnt_ns, net_ns, user_ns, uts_ns, ipc_ns, cgroup_ns, timens;
    uint8_t bits; // of a pointer in this program
};
