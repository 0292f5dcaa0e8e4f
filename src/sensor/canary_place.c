// SPDX-License-Identifier: Apache-2.0
//
// Where the self-test takes place: a file system of the sensor's own, mounted nowhere, which gets the state
// that the canary directory has under the policy. So nobody else can come near it, descriptors can be
// opened before its state is known to the kernel (also when an earlier agent's programs are attached), and
// what is proved is still the whole way from the root of a file system to the verdict. One small mount in
// the canary directory is real, for umount, which the kernel refuses everywhere else before it asks a hook.
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/control.h"
#include "abi/network.h"
#include "base/fd.h"
#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/where.h"

#define MOUNTINFO_MAX ((size_t)32 << 20)
#define PLACES_MAX    8
#define MOUNTS_MAX    64

static const char *const places[] = {
    "old",
#define CANARY(kind, act, help) #kind,
#include "sensor/canary.def"
};

static const enum sg_control_arg control_args[SG_CONTROL_COUNT] = {
#define SG_CONTROL(id, arg, help) SG_CONTROL_ARG_##arg,
#include "abi/control.def"
};

static int make_file_system(const char *size, int *ret_fd)
{
    _cleanup_close_ int context = -1;
    int fd;

    context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
        fsconfig(context, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

// s_dev from st_dev: what the programs and mountinfo say, for file systems that do not disguise it.
static uint32_t kernel_dev(dev_t dev)
{
    return major(dev) << 20 | (minor(dev) & 0xfffff);
}

static int populate(int root)
{
    // Those of the section `control` need no place.
    for (size_t i = 0; i <= CANARY_setuid - CANARY_open; i++) {
        _cleanup_close_ int dir = -1, fd = -1;

        if (mkdirat(root, places[i], 0700) < 0)
            return -errno;
        dir = openat(root, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || mkdirat(dir, "dir", 0700) < 0)
            return -errno;
        fd = openat(dir, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, "canary\n", 7) != 7)
            return -errno;
    }
    return 0;
}

// Something that may be executed and that no handler knows.
static int make_program_file(int root)
{
    _cleanup_close_ int fd = -1;

    fd = openat(root, "program", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (fd < 0 || write(fd, "canary\n", 7) != 7 || fchmod(fd, 0700) < 0)
        return -errno;
    return 0;
}

static int make_one(const char *size, int (*fill)(int root), int roots_fd, uint32_t policy_id,
                    int *ret_fd, uint32_t *ret_dev)
{
    struct sg_root_key key = {.policy_id = policy_id};
    struct stat st;
    int r;

    r = make_file_system(size, ret_fd);
    if (r < 0)
        return r;
    if (fstat(*ret_fd, &st) < 0)
        return -errno;
    // Numbers of such devices are used again. Whoever had this one before is gone, and a state that was
    // meant for it (an earlier sensor's place, mostly) must not keep us out.
    key.dev = kernel_dev(st.st_dev);
    (void)bpf_map_delete_elem(roots_fd, &key);
    *ret_dev = key.dev;
    return fill(*ret_fd);
}

// A file system that nobody else can reach, and its number. Programs of another build, which are attached until
// ours take their place, may still know its number as that of a place of theirs, in maps that are not ours: then
// the next one is tried, while this one keeps its number.
static int make_private(const char *size, int (*fill)(int root), int roots_fd, uint32_t policy_id,
                        int *ret_fd, uint32_t *ret_dev)
{
    int tried[PLACES_MAX], n = 0, r;

    do {
        tried[n] = -1;
        r = make_one(size, fill, roots_fd, policy_id, &tried[n], ret_dev);
        n++;
    } while (r == -EPERM && n < PLACES_MAX);
    if (r == 0)
        *ret_fd = TAKE_FD(tried[n - 1]);
    while (n > 0)
        (void)safe_close(tried[--n]);
    return r;
}

static int make_place(struct canary *c, int roots_fd, uint32_t policy_id)
{
    uint32_t dev;
    int r;

    r = make_private("256k", populate, roots_fd, policy_id, &c->root_fd, &dev);
    if (r < 0)
        return r;
    c->old_fd = openat(c->root_fd, "old/file", O_RDWR | O_CLOEXEC);
    if (c->old_fd < 0)
        return -errno;
    c->old_map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, c->old_fd, 0);
    if (c->old_map == MAP_FAILED) {
        c->old_map = NULL;
        return -errno;
    }
    c->dev = dev;
    return 0;
}

// Where no rule forbids to open a program. Not in a directory of the host: /run may be mounted noexec.
static int make_program(struct canary *c, int roots_fd, uint32_t policy_id)
{
    return make_private("16k", make_program_file, roots_fd, policy_id, &c->exe_fd, &c->exe_dev);
}

static int host_namespace(int *ret_fd)
{
    struct stat ours, host;
    int fd;

    if (stat("/proc/self/ns/mnt", &ours) < 0 || stat("/proc/1/ns/mnt", &host) < 0)
        return -errno;
    if (ours.st_ino == host.st_ino)
        return 0;
    fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int find(const char *path, struct where *ret)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, "/proc/1/mountinfo", MOUNTINFO_MAX, &text, &len);
    return r < 0 ? r : where_find(text, len, path, ret);
}

// Runs fn in the host's mount namespace, in a process of its own: a thread cannot go there and come back.
static int in_host(const struct canary *c, int (*fn)(const struct canary *c, int fd), int fd)
{
    int status;
    pid_t pid;

    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int r = c->host_ns_fd >= 0 && setns(c->host_ns_fd, CLONE_NEWNS) < 0 ? -errno : fn(c, fd);

        _exit(r < 0 ? MIN(-r, 255) : 0);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int host_mount(const struct canary *c, int fd)
{
    if (mkdir(c->dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (mkdir(c->umount_path, 0700) < 0 && errno != EEXIST)
        return -errno;
    return move_mount(fd, "", AT_FDCWD, c->umount_path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int host_umount(const struct canary *c, int fd)
{
    int n = 0;

    (void)fd;
    // Other file systems may have been put on it.
    while (n < MOUNTS_MAX && umount2(c->umount_path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        n++;
    if (n < MOUNTS_MAX && errno != EINVAL && errno != ENOENT)
        return -errno;
    if ((rmdir(c->umount_path) < 0 || rmdir(c->dir) < 0) && errno != ENOENT)
        return -errno;
    return 0;
}

// A mount that an earlier agent left is used again: nobody may mount there any more.
static void make_umount(struct canary *c)
{
    _cleanup_close_ int fd = -1;
    struct where w;

    if (find(c->umount_path, &w) < 0)
        return;
    if (!w.mountpoint) {
        if (make_file_system("16k", &fd) < 0 || in_host(c, host_mount, fd) < 0 ||
            find(c->umount_path, &w) < 0 || !w.mountpoint)
            return;
    }
    c->umount_dev = w.dev;
}

void canary_prepare(struct canary *c, const char *dir, int roots_fd, uint32_t policy_id)
{
    char real[4096];
    int r;

    *c = (struct canary){
        .root_fd = -1, .old_fd = -1, .exe_fd = -1, .host_ns_fd = -1, .uts_ns_fd = -1};
    canary_guard_prepare(&c->guard);
    // Missing, or not to be made because it is protected already: its name is what counts.
    (void)mkdir_p(AT_FDCWD, dir, 0700);
    if (!realpath(dir, real))
        (void)snprintf(real, sizeof(real), "%s", dir);
    if (strlen(real) >= sizeof(c->dir)) {
        (void)snprintf(c->now.problem, sizeof(c->now.problem),
                       "the canary directory's name is too long");
        return;
    }
    memcpy(c->dir, real, strlen(real) + 1);
    (void)snprintf(c->umount_path, sizeof(c->umount_path), "%s/umount", c->dir);
    r = host_namespace(&c->host_ns_fd);
    c->uts_ns_fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    r = r < 0 ? r : make_program(c, roots_fd, policy_id);
    r = r < 0 ? r : make_place(c, roots_fd, policy_id);
    if (r < 0) {
        (void)snprintf(c->now.problem, sizeof(c->now.problem),
                       "no place for the self-test can be made: %s", strerror(-r));
        return;
    }
    make_umount(c);
}

static void leave_place(struct canary *c)
{
    if (c->old_map)
        (void)munmap(c->old_map, 4096);
    c->old_map = NULL;
    c->old_fd = safe_close(c->old_fd);
    c->root_fd = safe_close(c->root_fd);
}

void canary_close(struct canary *c)
{
    leave_place(c);
    (void)safe_close(c->exe_fd);
    (void)safe_close(c->host_ns_fd);
    (void)safe_close(c->uts_ns_fd);
    canary_guard_close(&c->guard);
    if (c->results)
        (void)munmap(c->results, CANARY_COUNT * sizeof(*c->results));
    *c = (struct canary){
        .root_fd = -1, .old_fd = -1, .exe_fd = -1, .host_ns_fd = -1, .guard.ftrace_fd = -1};
}

int canary_renew(struct canary *c, int roots_fd, uint32_t policy_id)
{
    struct canary fresh = {.root_fd = -1, .old_fd = -1};
    struct sg_root_key key = {.dev = c->dev, .policy_id = policy_id};
    int r;

    // The old one keeps its number until there is a new one.
    r = make_place(&fresh, roots_fd, policy_id);
    if (r < 0) {
        leave_place(&fresh);
        return r;
    }
    (void)bpf_map_delete_elem(roots_fd, &key);
    leave_place(c);
    c->root_fd = fresh.root_fd;
    c->old_fd = fresh.old_fd;
    c->old_map = fresh.old_map;
    c->dev = fresh.dev;
    c->spoilt = false;
    return 0;
}

int canary_remove(struct canary *c)
{
    return in_host(c, host_umount, -1);
}

// The kinds of which the policy refuses to everybody what only the self-test asks with.
static uint64_t canary_controls(const struct image_view *image)
{
    const struct sg_image *head = image->mem;
    uint64_t refused = 0;

    for (uint32_t kind = 0; kind < SG_CONTROL_COUNT; kind++) {
        char word[SG_CONTROL_ID_BYTES];
        const char *argument = word;
        size_t len = 1;

        word[0] = (char)SG_CONTROL_NUMBER(SG_CONTROL_SELF_TEST);
        if (control_args[kind] == SG_CONTROL_ARG_NAME) {
            argument = SG_CONTROL_SELF_NAME;
            len = strlen(argument);
        } else if (control_args[kind] == SG_CONTROL_ARG_ENDS) {
            word[0] = SG_NET_SELF;
        } else if (control_args[kind] == SG_CONTROL_ARG_ID) {
            len = SG_CONTROL_ID_BYTES;
            for (int i = 0; i < SG_CONTROL_ID_BYTES; i++)
                word[i] = (char)SG_CONTROL_ID(SG_CONTROL_SELF_TEST_ID, i);
        }
        if (image_denies_all(image, image_walk(image, head->control_state[kind], argument, len),
                             SG_OP_CONTROL))
            refused |= SG_BIT(kind);
    }
    return refused;
}

void canary_resolve(struct canary *c, const struct image_view *image,
                    const struct sensor_root *roots, size_t n_roots)
{
    struct canary_states *next = &c->coming;
    const struct sensor_root *root = NULL;
    struct where w;
    int r;

    *next = (struct canary_states){.controls = canary_controls(image)};
    if (!c->dev) {
        memcpy(next->problem, c->now.problem, sizeof(next->problem));
        return;
    }
    r = find(c->dir, &w);
    for (size_t i = 0; i < n_roots && r == 0 && !root; i++)
        if (roots[i].dev == w.dev)
            root = &roots[i];
    if (!root) {
        (void)snprintf(next->problem, sizeof(next->problem),
                       "the policy does not know the file system that the canary directory is in");
        return;
    }
    next->state = image_walk(image, root->root.state, w.path, strlen(w.path));
    next->umount_state = image_walk(image, next->state, "/umount", strlen("/umount"));
    if (!image_denies_all(image, image_walk(image, next->state, "/open/file", strlen("/open/file")),
                          SG_OP_READ)) {
        next->state = next->umount_state = 0;
        (void)snprintf(next->problem, sizeof(next->problem),
                       "no rule of the policy denies %.100s/**", c->dir);
    }
}

void canary_commit(struct canary *c)
{
    c->now = c->coming;
}

size_t canary_add_roots(const struct canary *c, const struct canary_states *states,
                        struct sensor_root *roots, size_t n_roots)
{
    const struct sensor_root own[CANARY_ROOTS] = {
        {.dev = c->dev, .root = {.state = states->state}},
        {.dev = c->exe_dev, .root = {.flags = SG_ROOT_FOREIGN}},
        {.dev = c->umount_dev, .root = {.state = states->umount_state}},
    };

    for (size_t k = 0; k < ARRAY_SIZE(own) && states->state; k++) {
        bool named = !own[k].dev;

        for (size_t i = 0; i < n_roots && !named; i++)
            named = roots[i].dev == own[k].dev;
        if (!named)
            roots[n_roots++] = own[k];
    }
    return n_roots;
}
