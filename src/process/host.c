// SPDX-License-Identifier: Apache-2.0
#include "process/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "process/procfs.h"

#define FILE_MAX (64u << 10)

static void copy(char *to, size_t size, const char *from, size_t len)
{
    len = MIN(len, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

// The first line of a file, without the newline; "" when there is none.
static void read_line(const char *root, const char *name, char *to, size_t size)
{
    _cleanup_free_ char *text = NULL;
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s%s", root, name) >= (int)sizeof(path) ||
        read_file_bounded(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0)
        return;
    copy(to, size, text, strcspn(text, "\n"));
}

// The value of KEY=value in os-release(5): quotes around it are taken off; the escapes that could
// be inside are left as they are.
static void take_value(const char *text, const char *key, char *to, size_t size)
{
    size_t n = strlen(key);

    for (const char *line = text; *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");

        if (len > n && strncmp(line, key, n) == 0 && line[n] == '=') {
            const char *value = line + n + 1;
            size_t value_len = len - n - 1;

            if (value_len >= 2 && (*value == '"' || *value == '\'') &&
                value[value_len - 1] == *value) {
                value++;
                value_len -= 2;
            }
            copy(to, size, value, value_len);
            return;
        }
        line += len;
    }
}

static void read_os_release(const char *root, struct host *h)
{
    static const char *const names[] = {"/etc/os-release", "/usr/lib/os-release"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *text = NULL;
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s%s", root, names[i]) >= (int)sizeof(path) ||
            read_file_bounded(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0)
            continue;
        take_value(text, "PRETTY_NAME", h->os_name, sizeof(h->os_name));
        if (!h->os_name[0])
            take_value(text, "NAME", h->os_name, sizeof(h->os_name));
        take_value(text, "VERSION_ID", h->os_version, sizeof(h->os_version));
        break;
    }
    if (!h->os_name[0])
        copy(h->os_name, sizeof(h->os_name), "Linux", 5);
}

static void read_namespaces(const char *root, struct host *h)
{
    _cleanup_close_ int proc = -1;
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/proc", root) >= (int)sizeof(path))
        return;
    proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return;
    h->pid_ns = procfs_namespace(proc, 1, "ns/pid");
    h->mnt_ns = procfs_namespace(proc, 1, "ns/mnt");
    h->net_ns = procfs_namespace(proc, 1, "ns/net");
    h->user_ns = procfs_namespace(proc, 1, "ns/user");
    h->uts_ns = procfs_namespace(proc, 1, "ns/uts");
    h->ipc_ns = procfs_namespace(proc, 1, "ns/ipc");
    h->cgroup_ns = procfs_namespace(proc, 1, "ns/cgroup");
    h->timens = procfs_namespace(proc, 1, "ns/time");
}

int host_read(const char *root, struct host *ret_host)
{
    struct host h = {.bits = sizeof(void *) * 8};
    int64_t offset = boottime_to_realtime_offset_ns();
    struct utsname names;

    if (uname(&names) < 0)
        return -errno;
    copy(h.hostname, sizeof(h.hostname), names.nodename, strlen(names.nodename));
    copy(h.kernel, sizeof(h.kernel), names.release, strlen(names.release));
    copy(h.arch, sizeof(h.arch), names.machine, strlen(names.machine));
    read_line(root, "/proc/sys/kernel/random/boot_id", h.boot_id, sizeof(h.boot_id));
    read_line(root, "/etc/machine-id", h.machine_id, sizeof(h.machine_id));
    read_os_release(root, &h);
    read_namespaces(root, &h);
    if (strlen(h.boot_id) != sizeof(h.boot_id) - 1)
        return -EINVAL;
    h.boot_ns = offset > 0 ? (uint64_t)offset : 0;
    *ret_host = h;
    return 0;
}
