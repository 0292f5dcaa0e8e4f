// SPDX-License-Identifier: Apache-2.0
//
// Tells the kernel programs which process the agent is.
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/where.h"

#define MOUNTINFO_MAX ((size_t)16 << 20)

static void add_dir(struct sg_agent *a, const char *mountinfo, size_t len, const char *path)
{
    _cleanup_free_ char *real = path ? realpath(path, NULL) : NULL;
    struct where where;
    struct stat st;

    // Not st_dev: some file systems give each of their parts a device of its own.
    if (!real || a->n_dirs >= SG_AGENT_DIRS || stat(real, &st) < 0 || !S_ISDIR(st.st_mode) ||
        where_find(mountinfo, len, real, &where) < 0)
        return;
    a->dirs[a->n_dirs].ino = st.st_ino;
    a->dirs[a->n_dirs].dev = where.dev;
    a->n_dirs++;
}

int claim_write(int fd, const struct sensor_claim *claim, bool locked)
{
    struct sg_agent a = {}, mine = {.tgid = (uint32_t)getpid(), .kept_rules = claim->kept_rules};
    _cleanup_free_ char *mountinfo = NULL;
    uint32_t zero = 0;
    size_t len;

    if (bpf_map_lookup_elem(fd, &zero, &a) < 0)
        return -errno;
    // Another one that lives: only the lock of the set says that it does not.
    if (!locked && a.tgid && a.tgid != mine.tgid && (kill((pid_t)a.tgid, 0) == 0 || errno != ESRCH))
        return -EBUSY;
    if (a.tgid == mine.tgid)
        mine.start_ns = a.start_ns;
    if (bpf_map_update_elem(fd, &zero, &mine, BPF_ANY) < 0)
        return -errno;

    // Now it may be read; and the kernel side has put the start in.
    if (read_file_bounded(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &len) < 0)
        return 0;
    add_dir(&mine, mountinfo, len, claim->pin_dir);
    for (size_t i = 0; i < ARRAY_SIZE(claim->dirs); i++)
        add_dir(&mine, mountinfo, len, claim->dirs[i]);
    if (bpf_map_lookup_elem(fd, &zero, &a) == 0 && a.tgid == mine.tgid)
        mine.start_ns = a.start_ns;
    return bpf_map_update_elem(fd, &zero, &mine, BPF_ANY) < 0 ? -errno : 0;
}

void sensor_claim(const struct sensor_claim *claim)
{
    struct sensor_claim c = *claim;
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info);
    _cleanup_close_ int fd = -1;
    char path[SENSOR_PATH_MAX];

    if (!c.pin_dir)
        c.pin_dir = SENSOR_PIN_DIR;
    (void)snprintf(path, sizeof(path), "%s/maps/sg_agents", c.pin_dir);
    fd = bpf_obj_get(path);
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ||
        info.value_size != sizeof(struct sg_agent))
        return;
    (void)claim_write(fd, &c, false);
}
