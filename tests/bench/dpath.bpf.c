// SPDX-License-Identifier: GPL-2.0-only
/*
 * For comparison, how file rules are often written: at every open the path as a string, and a
 * comparison with sixteen prefixes. Never refuses anything.
 */
#include "lib/common.bpf.h"

#define PREFIXES   16
#define PREFIX_MAX 32
#define PATH_MAX   4096

static const char prefixes[PREFIXES][PREFIX_MAX] = {
    "/etc/shadow",  "/etc/gshadow",    "/etc/sudoers",    "/etc/ssh/",
    "/root/.ssh/",  "/boot/",          "/usr/bin/",       "/usr/sbin/",
    "/usr/lib/",    "/lib/modules/",   "/var/lib/dpkg/",  "/var/spool/cron/",
    "/etc/cron.d/", "/var/log/audit/", "/home/backup/a/", "/srv/secrets/keys",
};

struct path_buffer {
    char bytes[PATH_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct path_buffer);
} buffers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} matches SEC(".maps");

static __always_inline int matches_prefix(const char *path, const char *prefix)
{
    for (int i = 0; i < PREFIX_MAX; i++) {
        if (!prefix[i])
            return 1;
        if (path[i] != prefix[i])
            return 0;
    }
    return 1;
}

SEC("lsm/file_open")
int BPF_PROG(dpath_file_open, struct file *file)
{
    __u32 zero = 0;
    struct path_buffer *b = bpf_map_lookup_elem(&buffers, &zero);
    __u64 *n = bpf_map_lookup_elem(&matches, &zero);

    if (!b || !n || bpf_d_path(&file->f_path, b->bytes, sizeof(b->bytes)) < 0)
        return 0;
    for (int i = 0; i < PREFIXES; i++)
        if (matches_prefix(b->bytes, prefixes[i])) {
            *n += 1;
            break;
        }
    return 0;
}

char _license[] SEC("license") = "GPL";
