// SPDX-License-Identifier: Apache-2.0
//
// The control group of what is launched: /safeguard.run/POLICY/PID of the hierarchy, which only root can make and by which
// rules know it; else the same beneath our own, where that was handed over to us.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/run.h"

#define TEXT_MAX ((size_t)64 << 10)

// Each directory on the way; those that are there are fine.
static int make_path(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        int r;

        *slash = '\0';
        r = mkdir(path, 0755) < 0 && errno != EEXIST ? negative_errno() : 0;
        // What is above us exists, whatever a read-only file system says of it.
        if (r < 0 && access(path, F_OK) == 0)
            r = 0;
        *slash = '/';
        if (r < 0)
            return r;
    }
    return mkdir(path, 0755) < 0 ? negative_errno() : 0;
}

static int try_at(const char *root, const char *beneath, const char *group, struct run_group *g)
{
    char procs[sizeof(g->path) + 32];
    int n = snprintf(g->path, sizeof(g->path), "%s%s%s/%d", root, beneath, group, getpid());
    int r;

    if (n < 0 || (size_t)n >= sizeof(g->path))
        return -ENAMETOOLONG;
    r = make_path(g->path);
    if (r < 0)
        return r;
    (void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", g->path);
    g->procs = open(procs, O_WRONLY | O_CLOEXEC);
    if (g->procs >= 0)
        return 0;
    r = negative_errno();
    (void)rmdir(g->path);
    return r;
}

int run_group_make_in(const char *root, const char *own, const char *policy,
                      struct run_group *ret_group, struct error *why)
{
    _cleanup_(sb_done) struct strbuf group = {};
    struct run_group g = {.procs = -1};
    int r;

    policy_launch_group(policy, &group);
    if (group.failed)
        return -ENOMEM;
    r = try_at(root, "", sb_str(&group), &g);
    g.known = r == 0;
    if (r < 0 && own && !streq(own, "/"))
        r = try_at(root, own, sb_str(&group), &g) == 0 ? 0 : r;
    if (r < 0) {
        (void)error_set(why, r, "it gets no control group of its own (%s%s): %s", root,
                        sb_str(&group), strerror(-r));
        error_cure(why, "start it as root");
        g.path[0] = '\0';
    }
    *ret_group = g;
    return 0;
}

static const char *find_root(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        struct statfs fs;

        if (statfs(roots[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
            return roots[i];
    }
    return NULL;
}

int run_group_make(const char *policy, struct run_group *ret_group, struct error *why)
{
    const char *root = find_root();
    _cleanup_free_ char *text = NULL;
    char *own = NULL;

    if (!root) {
        (void)error_set(why, -ENOENT, "it gets no control group of its own: no cgroup2 is mounted");
        error_cure(why, "mount -t cgroup2 none /sys/fs/cgroup");
        *ret_group = (struct run_group){.procs = -1};
        return 0;
    }
    // "0::/user.slice/x"
    if (read_file_bounded(AT_FDCWD, "/proc/self/cgroup", TEXT_MAX, &text, NULL) == 0) {
        own = str_startswith(text, "0::/") ? text : strstr(text, "\n0::/");
        own = own ? strchr(own, '/') : NULL;
        if (own)
            own[strcspn(own, "\n")] = '\0';
    }
    return run_group_make_in(root, own, policy, ret_group, why);
}

void run_group_done(struct run_group *group)
{
    if (group->procs >= 0)
        (void)close(group->procs);
    // Its own, and that of the policy when it was the last.
    if (*group->path) {
        char *slash = strrchr(group->path, '/');

        (void)rmdir(group->path);
        *slash = '\0';
        (void)rmdir(group->path);
    }
    *group = (struct run_group){.procs = -1};
}
