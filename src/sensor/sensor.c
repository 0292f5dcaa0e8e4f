// SPDX-License-Identifier: Apache-2.0
#include "sensor/sensor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "sensor/capture.h"
#include "sensor/env_names.h"
#include "sensor/hostfile.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"
#include "sensor/object.h"

#define CANARY_DIR "/run/safeguard/canary"

// The first thing that is missing, in the probe's own words.
static int refuse(const struct sensor_probe *p, struct error *err)
{
    for (size_t i = 0; i < p->n_capabilities; i++) {
        const struct sensor_capability *c = &p->capabilities[i];

        if (c->ok || !c->required)
            continue;
        (void)error_set(err, streq(c->id, "privilege") ? -EPERM : -ENOTSUP, "%s: %s", c->id,
                        c->detail);
        error_cure(err, "%s", c->cure);
        return streq(c->id, "privilege") ? -EPERM : -ENOTSUP;
    }
    (void)error_set(err, -ENOTSUP, "this kernel offers no hook that programs can be attached to");
    error_cure(err, "a kernel with CONFIG_BPF_LSM=y, or with CONFIG_DEBUG_INFO_BTF=y and fmod_ret");
    return -ENOTSUP;
}

static int choose_attach(struct sensor *s, enum sensor_attach force, struct error *err)
{
    bool preemption_is_harmless = s->probe.preemption == SENSOR_PREEMPT_NONE ||
                                  s->probe.preemption == SENSOR_PREEMPT_VOLUNTARY;

    if (!s->probe.can_record)
        return refuse(&s->probe, err);
    s->attach = force != SENSOR_ATTACH_NONE ? force : s->probe.attach;
    s->enforcing = s->attach == SENSOR_ATTACH_LSM || preemption_is_harmless;
    return 0;
}

int sensor_study(struct sensor *s, struct error *err)
{
    struct bpf_object *object = NULL;
    struct object_variable typed;
    struct capture quiet;
    struct btf *btf = NULL;
    struct stat st;
    int r;

    (void)kernel_symbol("/proc/kallsyms", "rename_lock", &s->rename_lock);
    (void)kernel_symbol("/proc/kallsyms", "init_cred", &s->init_cred);
    if (stat("/proc/1/ns/mnt", &st) < 0)
        return error_set(err, -errno, "the host's mount namespace: /proc/1/ns/mnt: %m");
    s->host_mnt_ns = (uint32_t)st.st_ino;
    r = object_open(s, true, &object, err);
    if (r < 0)
        return r;
    capture_begin(&quiet);
    r = kernel_btf(&btf);
    capture_end(&quiet);
    if (r < 0) {
        (void)kernel_btf_error(err, r);
    } else {
        choose_programs(object, btf, s->probe.release, s->attach, &s->choices);
        s->typed = s->choices.typed;
        if (object_find_variable(object, "sg_typed", &typed) == 0)
            s->quick = (struct quick){.at = typed.offset, .size = typed.size};
        btf__free(btf);
        object_build(s->build);
        r = object_layout(object, s->layout);
    }
    bpf_object__close(object);
    return r;
}

static int open_set(struct sensor *s, const struct sensor_options *options, struct error *err)
{
    const char *pin_dir = options->pin_dir ? options->pin_dir : SENSOR_PIN_DIR;
    struct sensor_claim claim = options->claim;
    int r;

    r = pins_open(&s->pins, pin_dir, s->build, s->layout, err);
    if (r < 0)
        return r;
    claim.pin_dir = pin_dir;
    // Until somebody has looked who holds what, it goes on as it is.
    s->wants.old_descriptors = pins_has_link(&s->pins, "_file_permission");
    r = s->pins.made ? maps_make(s, s->pins.maps, err) : maps_adopt(s, s->pins.maps, err);
    if (r < 0)
        return r;
    // From here on this process holds the lock of the set.
    r = claim_write(map_fd(s, "sg_agents"), &claim, true);
    if (r < 0)
        return error_set(err, r, "the agent cannot be made known to the kernel: %s", strerror(-r));
    if (s->pins.made)
        return 0;
    r = guard_adopt(s);
    if (r < 0)
        return error_set(err, r, "what an earlier agent left of the defence: %s", strerror(-r));
    s->taken_over = true;
    image_adopt(s);
    return links_adopt(s, !s->pins.same_build, err);
}

int sensor_set_env_names(struct sensor *s, const char *const *names, size_t n)
{
    struct sg_env_names made;
    int r = env_names_make(names, n, &made);

    if (r < 0)
        return r;
    env_names_put(&made, s->maps.words.env_names);
    return 0;
}

int sensor_new(const struct sensor_options *options, struct sensor **ret, struct error *err)
{
    _cleanup_(sensor_freep) struct sensor *s = new0(struct sensor, 1);
    struct sensor_claim claim = options->claim;
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    claim.pin_dir = options->pin_dir;
    sensor_claim(&claim);
    s->pins.lock_fd = s->rings.epoll_fd = s->rings.event_fd = s->rings.timer_fd = -1;
    s->canary = (struct canary){.root_fd = -1,
                                .old_fd = -1,
                                .exe_fd = -1,
                                .host_ns_fd = -1,
                                .uts_ns_fd = -1,
                                .guard.ftrace_fd = -1};
    s->ring_bytes = options->ring_bytes;
    s->wants.features = options->features;
    s->guard_first = options->claim.kept_rules;
    s->guard_rules = options->guard_rules;
    s->credentials = options->credentials;
    r = sensor_probe(&s->probe);
    if (r < 0)
        return error_set(err, r, "the kernel cannot be asked: %s", strerror(-r));
    r = choose_attach(s, options->force, err);
    r = r < 0 ? r : sensor_study(s, err);
    r = r < 0 ? r : open_set(s, options, err);
    r = r < 0 ? r : rings_open(s, err);
    if (r < 0)
        return r;
    if (s->maps.words.env_names->n == 0)
        (void)sensor_set_env_names(s, NULL, 0);
    if (merged_open(&s->merged) < 0 || map_new(MAP_U64, 65536, NULL, &s->provisional) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    canary_prepare(&s->canary, options->canary_dir ? options->canary_dir : CANARY_DIR,
                   map_fd(s, "sg_roots"), s->policy_id);
    *ret = TAKE_PTR(s);
    return 0;
}

struct sensor *sensor_free(struct sensor *s)
{
    if (!s)
        return NULL;
    canary_close(&s->canary);
    rings_close(&s->rings);
    merged_close(&s->merged);
    (void)map_free(s->provisional);
    links_free(&s->links);
    maps_close(&s->maps);
    if (!s->in_force)
        pins_discard(&s->pins);
    pins_close(&s->pins);
    free(s);
    return NULL;
}

// Files whose reads and writes were counted when the programs for that were attached the last time: nobody saw
// them close.
static void forget_counted(struct sensor *s)
{
    const struct choice *closes = &s->choices.hooks[SG_HOOK_file_close - 1];
    int fd = map_fd(s, "sg_io_files");
    uint64_t key;

    if (fd < 0 || links_get(&s->links, closes->program))
        return;
    while (bpf_map_get_next_key(fd, NULL, &key) == 0)
        if (bpf_map_delete_elem(fd, &key) < 0)
            return;
}

// What follows once a policy is in force. Every step is tried whatever became of those before; 1: one of them failed, *err says
// how the first did.
static int finish_change(struct sensor *s, const struct names *wanted, struct links *added,
                         struct error *err)
{
    struct error later = {};
    int r, k;

    credentials_pause(s, added);
    r = links_commit(s, wanted, added, err);
    guard_ids(s);
    credentials_resume(s);
    k = s->pins.same_build ? 0 : pins_mark(&s->pins, s->build, s->layout, &later);
    k = k < 0 ? k : pins_swap(&s->pins, &later);
    if (r == 0 && k < 0 && err)
        *err = later;
    return r < 0 || k < 0;
}

static int set_policy(struct sensor *s, const void *image, size_t len, uint32_t ops,
                      const struct sensor_root *roots, size_t n_roots, struct error *err)
{
    const struct image_view view = {image, len};
    _cleanup_free_ struct sensor_root *all = NULL;
    struct wants wants = s->wants;
    struct links added = {};
    struct names wanted;
    size_t n_all;
    int r;

    r = image_check(image, len, err);
    if (r < 0)
        return r;
    wants.ops = ops;
    wants.needs = ((const struct sg_image *)image)->needs;
    wants.controls = ((const struct sg_image *)image)->controls;
    r = choose_wanted(&s->choices, &wants, &wanted, err);
    if (r < 0)
        return r;
    all = new0(struct sensor_root, n_roots + CANARY_ROOTS);
    if (!all)
        return error_set(err, -ENOMEM, "out of memory");
    if (n_roots)
        memcpy(all, roots, n_roots * sizeof(*roots));
    canary_resolve(&s->canary, &view, roots, n_roots);
    n_all = canary_add_roots(&s->canary, &s->canary.coming, all, n_roots);
    *s->maps.words.host_mnt_ns = s->host_mnt_ns;

    forget_counted(s);
    r = links_prepare(s, &wanted, &added, err);
    if (r < 0)
        return r;
    r = image_swap(s, image, len, all, n_all, err);
    if (r < 0) {
        links_rollback(s, &added);
        return r;
    }
    s->in_force = true;
    s->wants = wants;
    for (size_t i = 0; i < HOOKS; i++)
        if (links_get(&added, s->choices.hooks[i].program) ||
            !names_has(&wanted, s->choices.hooks[i].program))
            s->proofs[i] = (struct proof){};
    return finish_change(s, &wanted, &added, err);
}

int sensor_set_policy(struct sensor *s, const void *image, size_t len, uint32_t ops,
                      const struct sensor_root *roots, size_t n_roots, struct error *err)
{
    int r = set_policy(s, image, len, ops, roots, n_roots, err);

    s->stage = (struct sensor_stage){}; // the loan ends
    return r;
}

int sensor_set_old_descriptors(struct sensor *s, bool on, struct error *err)
{
    struct wants wants = s->wants;
    struct links added = {};
    struct names wanted;
    int r;

    if (!s->in_force || s->wants.old_descriptors == on) {
        s->wants.old_descriptors = on;
        return 0;
    }
    wants.old_descriptors = on;
    r = choose_wanted(&s->choices, &wants, &wanted, err);
    r = r < 0 ? r : links_prepare(s, &wanted, &added, err);
    if (r < 0)
        return r;
    s->wants = wants;
    r = links_commit(s, &wanted, &added, err);
    guard_ids(s);
    return r;
}

// Programs end some time after their last link; until then they still run.
static void wait_until_gone(const uint32_t *ids, size_t n)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + 5 * NS_PER_SEC;

    // The kernel tells nobody when a program is gone.
    for (size_t i = 0; i < n && now_ns(CLOCK_MONOTONIC) < deadline;) {
        int fd = bpf_prog_get_fd_by_id(ids[i]);

        if (fd < 0) {
            i++;
            continue;
        }
        (void)close(fd);
        (void)nanosleep(&pause, NULL);
    }
}

int sensor_names_fd(const struct sensor *s)
{
    return map_fd(s, "sg_names");
}

int sensor_detach(struct sensor *s, struct error *err)
{
    uint32_t ids[ARRAY_SIZE(((struct names *)0)->items)];
    char ftrace[16];
    size_t n = 0;
    int r;

    if (s->links.n &&
        hostfile_read("", "/proc/sys/kernel/ftrace_enabled", ftrace, sizeof(ftrace)) == 0 &&
        streq(ftrace, "0")) {
        (void)error_set(
            err, -EBUSY,
            "kernel.ftrace_enabled is 0: taking programs off now would end ftrace in this "
            "kernel until the next boot");
        error_cure(err, "sysctl -w kernel.ftrace_enabled=1, then again");
        return -EBUSY;
    }
    for (size_t i = 0; i < s->links.n && n < ARRAY_SIZE(ids); i++)
        ids[n++] = s->links.items[i].prog_id;
    credentials_pause(s, NULL);
    r = pins_remove(&s->pins, err);
    links_free(&s->links);
    s->in_force = s->pins.made = false;
    wait_until_gone(ids, n);
    if (r == 0) {
        r = canary_remove(&s->canary);
        if (r < 0) {
            (void)error_set(err, r, "%s cannot be removed: %s", s->canary.dir, strerror(-r));
            error_cure(err, "see what others have put there, and remove it: findmnt, ls -lR %s",
                       s->canary.dir);
        }
    }
    return r < 0;
}

int sensor_counters_by_cpu(struct sensor *s, uint64_t **ret_values, size_t *ret_n_cpus)
{
    int n_cpus = libbpf_num_possible_cpus(), fd = map_fd(s, "sg_counters");
    _cleanup_free_ uint64_t *values = NULL;

    if (n_cpus < 0)
        return n_cpus;
    values = new0(uint64_t, (size_t)n_cpus * SG_COUNT_MAX);
    if (!values)
        return -ENOMEM;
    for (uint32_t i = 0; i < SG_COUNT_MAX; i++)
        if (bpf_map_lookup_elem(fd, &i, values + (size_t)i * (size_t)n_cpus) < 0)
            return -errno;
    *ret_values = TAKE_PTR(values);
    *ret_n_cpus = (size_t)n_cpus;
    return 0;
}

uint64_t sensor_count(const struct sensor *s, uint32_t counter)
{
    int n_cpus = libbpf_num_possible_cpus();
    _cleanup_free_ uint64_t *values = new0(uint64_t, (size_t)MAX(n_cpus, 1));
    uint64_t sum = counter == SG_COUNT_SECURITY_LOST ? s->rings.dropped : 0;

    if (values && bpf_map_lookup_elem(map_fd(s, "sg_counters"), &counter, values) == 0)
        for (int cpu = 0; cpu < n_cpus; cpu++)
            sum += values[cpu];
    return sum;
}

int sensor_counters(struct sensor *s, uint64_t ret[SG_COUNT_MAX])
{
    _cleanup_free_ uint64_t *values = NULL;
    uint64_t sums[SG_COUNT_MAX] = {};
    size_t n_cpus = 0;
    int r;

    r = sensor_counters_by_cpu(s, &values, &n_cpus);
    if (r < 0)
        return r;
    for (size_t i = 0; i < SG_COUNT_MAX; i++)
        for (size_t cpu = 0; cpu < n_cpus; cpu++)
            sums[i] += values[i * n_cpus + cpu];
    sums[SG_COUNT_SECURITY_LOST] += s->rings.dropped;
    memcpy(ret, sums, sizeof(sums));
    return 0;
}

void sensor_facts(struct sensor *s, struct sensor_facts *ret)
{
    *ret = (struct sensor_facts){
        .attach = s->attach,
        .enforcing = s->enforcing,
        .policy_id = s->policy_id,
        .generation = *s->maps.words.generation,
        .image_bytes = s->image_bytes,
        .taken_over = s->taken_over,
        .old_descriptors = s->wants.old_descriptors,
        .credentials = credentials_now(s),
    };
    quick_describe(s, &ret->quick);
}
