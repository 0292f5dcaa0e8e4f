// SPDX-License-Identifier: Apache-2.0
//
// The object in the kernel: its maps, its programs, and where they are attached.
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "dns/internal.h"

#define LOG_BYTES (4u << 20)

static const char *const programs[DNS_PROGRAMS] = {"dns_egress", "dns_ingress"};

// Where all control groups (version 2) are seen.
static int open_cgroups(struct error *err)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    int fd, r;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (statfs(places[i], &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
            continue;
        fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(err, -errno, "%s: %m", places[i]) : fd;
    }
    r = error_set(err, -ENOTSUP, "no control groups of version 2 are mounted");
    error_cure(err, "boot with systemd.unified_cgroup_hierarchy=1");
    return r;
}

// Is the map of this descriptor what the object would make?
static bool is_alike(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info);

    return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map) &&
           info.map_flags == bpf_map__map_flags(map);
}

static int adopt_pinned(const struct dns *d, struct bpf_map *map)
{
    _cleanup_close_ int fd = -1;
    char path[PATH_MAX];
    int r;

    if (!d->pins.dir[0] || !dns_pins_wants(map))
        return 0;
    r = dns_pins_path(&d->pins, "maps", bpf_map__name(map), path, sizeof(path));
    if (r < 0)
        return r;
    fd = bpf_obj_get(path);
    return fd >= 0 && is_alike(map, fd) ? bpf_map__reuse_fd(map, fd) : 0;
}

static int adopt_names(struct bpf_map *map, int fd, struct error *err)
{
    int r = is_alike(map, fd) ? bpf_map__reuse_fd(map, fd) : -EINVAL;

    return r < 0 ? error_set(err, r, "the table of names is not the one that programs fill: %s",
                             strerror(-r))
                 : 0;
}

static int adopt_maps(struct dns *d, const struct dns_options *options, struct error *err)
{
    struct bpf_map *map;
    int r = 0;

    bpf_object__for_each_map(map, d->object)
    {
        if (options->names_fd >= 0 && streq(bpf_map__name(map), "sg_names"))
            r = adopt_names(map, options->names_fd, err);
        else if ((r = adopt_pinned(d, map)) < 0)
            (void)error_set(err, r, "the pinned map %s cannot be used: %s", bpf_map__name(map),
                            strerror(-r));
        if (r < 0)
            break;
    }
    return r;
}

static int find_maps(struct dns *d)
{
    const struct {
        const char *name;
        int *fd;
    } maps[] = {
        {"sg_names", &d->names},
        {"dns_counters", &d->counters},
        {"dns_servers", &d->servers},
    };

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        *maps[i].fd = bpf_object__find_map_fd_by_name(d->object, maps[i].name);
        if (*maps[i].fd < 0)
            return *maps[i].fd;
    }
    d->n_cpus = libbpf_num_possible_cpus();
    return d->n_cpus < 0 ? d->n_cpus : 0;
}

int dns_load(struct dns *d, const struct dns_options *options, struct error *err)
{
    _cleanup_free_ char *log = new0(char, LOG_BYTES);
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sg_dns", .kernel_log_buf = log,
                .kernel_log_size = LOG_BYTES);
    const void *bytes;
    size_t len;
    int r;

    if (!log)
        return error_set(err, -ENOMEM, "out of memory");
    bytes = dns_object_bytes(&len);
    d->object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(d->object);
    if (r < 0) {
        d->object = NULL;
        return error_set(err, r, "the programs that learn names cannot be read: %s", strerror(-r));
    }
    r = adopt_maps(d, options, err);
    if (r < 0)
        return r;
    r = dns_object_servers_only(d->object, options->servers_only);
    if (r < 0)
        return error_set(err, r, "the programs that learn names lack a variable: %s", strerror(-r));
    r = bpf_object__load(d->object);
    if (r < 0)
        return error_kernel_refused(err, r, "that learn names", log);
    r = find_maps(d);
    return r < 0 ? error_set(err, r, "the maps of the programs that learn names: %m") : 0;
}

// What is pinned goes on with the new program, from one packet to the next. A link that somebody detached is of no use.
static struct bpf_link *take_over(const struct bpf_program *program, const char *path)
{
    struct bpf_link *link = bpf_link__open(path);

    if (libbpf_get_error(link))
        return NULL;
    if (bpf_link__update_program(link, (struct bpf_program *)program) == 0)
        return link;
    (void)bpf_link__destroy(link);
    (void)unlink(path);
    return NULL;
}

static int attach_one(struct dns *d, const struct bpf_program *program, int cgroups,
                      struct bpf_link **ret)
{
    bool pinned = d->pins.dir[0];
    char path[PATH_MAX];
    struct bpf_link *link = NULL;
    int r;

    if (pinned) {
        r = dns_pins_path(&d->pins, "links", bpf_program__name(program), path, sizeof(path));
        if (r < 0)
            return r;
        link = take_over(program, path);
    }
    if (!link) {
        link = bpf_program__attach_cgroup(program, cgroups);
        r = (int)libbpf_get_error(link);
        if (r < 0)
            return r;
        r = pinned ? bpf_link__pin(link, path) : 0;
        if (r < 0) {
            (void)bpf_link__destroy(link);
            return r;
        }
    }
    *ret = link;
    return 0;
}

int dns_attach(struct dns *d, struct error *err)
{
    _cleanup_close_ int cgroups = open_cgroups(err);
    int r = MIN(cgroups, 0);

    for (size_t i = 0; i < DNS_PROGRAMS && r == 0; i++) {
        const struct bpf_program *program = bpf_object__find_program_by_name(d->object,
                                                                             programs[i]);

        r = program ? attach_one(d, program, cgroups, &d->links[i]) : -ENOENT;
        if (r < 0)
            (void)error_set(err, r, "program %s cannot be attached: %s", programs[i], strerror(-r));
        if (r == -EPERM)
            error_cure(err, "CAP_NET_ADMIN for the agent (CapabilityBoundingSet= of its service)");
    }
    return r < 0 ? r : dns_pins_maps(&d->pins, d->object, err);
}
