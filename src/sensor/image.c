// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/sort.h"
#include "sensor/internal.h"

// One part in so many of the table of roots is for what no rule speaks of, for each of the two policies of a swap.
#define IDLE_SHARE 8

int image_check(const void *image, size_t len, struct error *err)
{
    const struct sg_image *head = image;

    if (len < SG_IMAGE_PAGE || len % SG_IMAGE_PAGE != 0 || len / SG_IMAGE_PAGE > SG_IMAGE_PAGES_MAX)
        return error_set(err, -EBADMSG, "a policy image of %zu bytes", len);
    if (head->magic != SG_IMAGE_MAGIC)
        return error_set(err, -EBADMSG, "this is not a policy image");
    if (head->version != SG_IMAGE_VERSION)
        return error_set(err, -EBADMSG, "a policy image of version %u, not %u", head->version,
                         SG_IMAGE_VERSION);
    if (head->n_pages != len / SG_IMAGE_PAGE)
        return error_set(err, -EBADMSG, "a policy image of %u pages in %zu bytes", head->n_pages,
                         len);
    return 0;
}

// A descriptor of the image in force, or -ENOENT.
static int current_image(const struct sensor *s)
{
    uint32_t zero = 0, id = 0;
    int fd;

    if (bpf_map_lookup_elem(map_fd(s, "sg_images"), &zero, &id) < 0)
        return -errno;
    fd = bpf_map_get_fd_by_id(id);
    return fd < 0 ? -errno : fd;
}

uint32_t image_current_id(const struct sensor *s)
{
    _cleanup_close_ int fd = current_image(s);
    _cleanup_free_ struct sg_image *page = mallocz(SG_IMAGE_PAGE);
    uint32_t zero = 0;

    if (fd >= 0 && page && bpf_map_lookup_elem(fd, &zero, page) == 0)
        return page->policy_id;
    return s->maps.words.policy_id ? *s->maps.words.policy_id : 0;
}

static int write_image(const void *image, size_t len, uint32_t policy_id, int *ret_fd)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
    _cleanup_free_ char *first = memdup(image, SG_IMAGE_PAGE);
    uint32_t n_pages = (uint32_t)(len / SG_IMAGE_PAGE);
    _cleanup_close_ int fd = -1;

    if (!first)
        return -ENOMEM;
    ((struct sg_image *)first)->policy_id = policy_id;
    fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sg_image", sizeof(uint32_t), SG_IMAGE_PAGE, n_pages,
                        &opts);
    if (fd < 0)
        return -errno;
    for (uint32_t i = 0; i < n_pages; i++) {
        const void *page = i ? (const char *)image + (size_t)i * SG_IMAGE_PAGE : first;

        if (bpf_map_update_elem(fd, &i, page, BPF_ANY) < 0)
            return -errno;
    }
    // From here on nobody changes it, root included.
    if (bpf_map_freeze(fd) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

// All keys of a hash map at this moment; what comes later may be missing. The caller frees.
static int list_keys(int fd, uint32_t max, size_t key_size, char **ret_keys, size_t *ret_n)
{
    _cleanup_free_ char *keys = mallocz_array(max, key_size);
    const char *last = NULL;
    size_t n = 0;

    if (!keys)
        return -ENOMEM;
    while (n < max) {
        if (bpf_map_get_next_key(fd, last, keys + n * key_size) < 0) {
            if (errno == ENOENT)
                break;
            return -errno;
        }
        last = keys + n * key_size;
        n++;
    }
    *ret_keys = TAKE_PTR(keys);
    *ret_n = n;
    return 0;
}

static uint32_t map_max(const struct sensor *s, const char *name)
{
    for (size_t i = 0; i < s->maps.n; i++)
        if (streq(s->maps.items[i].name, name))
            return s->maps.items[i].max_entries;
    return 0;
}

// Forgets the roots of one policy, or of all others.
static void drop_roots(const struct sensor *s, uint32_t policy_id, bool drop_this)
{
    int fd = map_fd(s, "sg_roots");
    _cleanup_free_ char *keys = NULL;
    size_t n = 0;

    if (list_keys(fd, map_max(s, "sg_roots"), sizeof(struct sg_root_key), &keys, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct sg_root_key *key = (const struct sg_root_key *)keys + i;

        if ((key->policy_id == policy_id) == drop_this)
            (void)bpf_map_delete_elem(fd, key);
    }
}

// Forgets the pinned objects of one policy, or of all others.
static void drop_pins(const struct sensor *s, uint32_t policy_id, bool drop_this)
{
    int fd = map_fd(s, "sg_pins");
    _cleanup_free_ char *keys = NULL;
    size_t n = 0;

    if (list_keys(fd, map_max(s, "sg_pins"), sizeof(struct sg_pin_key), &keys, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct sg_pin_key *key = (const struct sg_pin_key *)keys + i;

        if ((key->policy_id == policy_id) == drop_this)
            (void)bpf_map_delete_elem(fd, key);
    }
}

// Takes the roots out that no rule speaks of, of whatever policy: without an entry they are worth the same.
static void drop_idle(const struct sensor *s)
{
    int fd = map_fd(s, "sg_roots");
    _cleanup_free_ char *keys = NULL;
    struct sg_root root;
    size_t n = 0;

    if (list_keys(fd, map_max(s, "sg_roots"), sizeof(struct sg_root_key), &keys, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct sg_root_key *key = (const struct sg_root_key *)keys + i;

        if (bpf_map_lookup_elem(fd, key, &root) == 0 && !root.state)
            (void)bpf_map_delete_elem(fd, key);
    }
}

// Returns whether it had another state, or a negative errno.
static int put_root(int fd, uint32_t policy_id, const struct sensor_root *root)
{
    struct sg_root_key key = {.policy_id = policy_id, .dev = root->dev};
    struct sg_root old = {};

    (void)bpf_map_lookup_elem(fd, &key, &old);
    if (bpf_map_update_elem(fd, &key, &root->root, BPF_ANY) < 0)
        return -errno;
    return old.state != root->root.state;
}

// The same for one that no rule speaks of, which needs no entry.
static int take_root(int fd, uint32_t policy_id, uint32_t dev)
{
    struct sg_root_key key = {.policy_id = policy_id, .dev = dev};
    struct sg_root old = {};

    if (bpf_map_lookup_elem(fd, &key, &old) == 0 && bpf_map_delete_elem(fd, &key) < 0 &&
        errno != ENOENT)
        return -errno;
    return old.state != 0;
}

// Returns whether any of them had another state, or a negative errno: -E2BIG, no room. First those that rules speak of; of the
// others so many that the kernel side finds room for what is mounted later.
static int write_roots(const struct sensor *s, uint32_t policy_id, const struct sensor_root *roots,
                       size_t n_roots)
{
    size_t room = map_max(s, "sg_roots") / IDLE_SHARE;
    int fd = map_fd(s, "sg_roots"), changed = 0, r;
    bool dropped = false;

    for (size_t i = 0; i < n_roots; i++) {
        if (!roots[i].root.state)
            continue;
        r = put_root(fd, policy_id, &roots[i]);
        if (r == -E2BIG && !dropped) {
            dropped = true;
            drop_idle(s);
            r = put_root(fd, policy_id, &roots[i]);
        }
        if (r < 0)
            return r;
        changed |= r;
    }
    for (size_t i = 0; i < n_roots; i++) {
        if (roots[i].root.state)
            continue;
        r = room ? put_root(fd, policy_id, &roots[i]) : take_root(fd, policy_id, roots[i].dev);
        room -= room > 0;
        if (r < 0 && r != -E2BIG)
            return r;
        changed |= r > 0;
    }
    return changed;
}

static int roots_refused(const struct sensor *s, const struct sensor_root *roots, size_t n_roots,
                         int r, struct error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < n_roots; i++)
        n += roots[i].root.state != 0;
    (void)error_set(err, r,
                    "%zu file systems that rules speak of do not fit into the table of roots, "
                    "which has room for %u, half of that while one policy follows another: %s",
                    n, map_max(s, "sg_roots"), strerror(-r));
    error_cure(err, "unmount what is not needed, or write rules about fewer of the places where "
                    "file systems are mounted");
    return r;
}

// NULL: all.
static void set_switches(const struct sensor *s, uint32_t policy_id, const uint64_t *on)
{
    uint64_t *words = s->maps.words.subjects_on[SG_SWITCHES(policy_id)];

    for (size_t i = 0; i < SG_SUBJECT_WORDS; i++)
        __atomic_store_n(&words[i], on ? on[i] : UINT64_MAX, __ATOMIC_RELAXED);
}

// Adds a state to those of an object under a policy. 1: it is new; 0: it was there; -ENOSPC: no room. The entry is ours
// alone, see struct sg_pin_key.
static int pin_object(const struct sensor *s, uint32_t policy_id,
                      const struct sensor_object *object)
{
    struct sg_pin_key key = {.ino = object->ino,
                             .dev = object->dev,
                             .generation = object->generation,
                             .policy_id = policy_id};
    struct sg_pin pin = {}, kernels = {};
    int fd = map_fd(s, "sg_pins"), slot = -1;

    // Where the generation is not known, the kernel side's entry, which has it, cannot be found: both in one place are
    // more than there is room for, and such an object is refused.
    if (bpf_map_lookup_elem(fd, &key, &kernels) < 0 && errno != ENOENT)
        return -errno;
    key.writer = SG_PIN_BY_USER;
    if (bpf_map_lookup_elem(fd, &key, &pin) < 0 && errno != ENOENT)
        return -errno;
    for (int i = 0; i < SG_PIN_STATES; i++) {
        if (pin.state[i] == object->state || kernels.state[i] == object->state)
            return 0;
        if (!pin.state[i] && !kernels.state[i])
            slot = i;
    }
    if (slot < 0)
        return -ENOSPC;
    pin.state[slot] = object->state;
    if (bpf_map_update_elem(fd, &key, &pin, BPF_ANY) < 0)
        return errno == E2BIG ? -ENOSPC : -errno;
    return 1;
}

// Puts down what the policy of this number starts with. Objects that do not fit are told by whoever pins them
// again, one by one.
static void put_stage(struct sensor *s, uint32_t policy_id)
{
    const struct sensor_stage *stage = &s->stage;

    for (size_t i = 0; i < stage->n_objects; i++)
        if (stage->objects[i].state)
            (void)pin_object(s, policy_id, &stage->objects[i]);
    set_switches(s, policy_id, stage->on);
}

// From here on no cached state is believed, of whatever policy; what `policy_id` finds is cached again once it
// is in force. Kernel programs raise the count at the same time.
static void announce(const struct sensor *s, uint32_t policy_id)
{
    uint64_t old = __atomic_load_n(s->maps.words.generation, __ATOMIC_SEQ_CST), next;

    __atomic_store_n(s->maps.words.policy_id, policy_id, __ATOMIC_SEQ_CST);
    do
        next = sg_generation_by(old + sg_generation_raise(old), policy_id);
    while (!__atomic_compare_exchange_n(s->maps.words.generation, &old, next, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

static void forget_states(const struct sensor *s)
{
    announce(s, s->policy_id);
}

void image_adopt(struct sensor *s)
{
    s->policy_id = image_current_id(s);
    // Its agent was killed between the announcement of another policy and its coming.
    if (s->policy_id != *s->maps.words.policy_id)
        forget_states(s);
}

int image_swap(struct sensor *s, const void *image, size_t len, const struct sensor_root *roots,
               size_t n_roots, struct error *err)
{
    uint32_t old_id = image_current_id(s), id = old_id + 1 ? old_id + 1 : 1, zero = 0;
    _cleanup_close_ int fd = -1;
    int r;

    r = write_image(image, len, id, &fd);
    if (r < 0)
        return error_set(err, r, "the kernel has no room for a policy of %zu bytes: %s", len,
                         strerror(-r));
    // An agent that was killed here may have left some of this number.
    drop_roots(s, id, true);
    drop_pins(s, id, true);
    put_stage(s, id);
    r = write_roots(s, id, roots, n_roots);
    if (r < 0) {
        drop_roots(s, id, true);
        drop_pins(s, id, true);
        return roots_refused(s, roots, n_roots, r, err);
    }
    s->coming_id = id;
    if (s->stage.coming)
        s->stage.coming(s->stage.ctx, false);
    s->coming_id = 0;
    // First nothing that is cached is good any more: between the two steps every access is decided at
    // length, by the old image. The other way round what the old policy left alone would pass, cached,
    // after others had been decided by the new one.
    announce(s, id);
    // The step that counts. It returns after every decision that began with the old image has ended, so
    // that what only those need can go afterwards.
    if (bpf_map_update_elem(map_fd(s, "sg_images"), &zero, &fd, BPF_ANY) < 0) {
        r = -errno;
        announce(s, old_id);
        drop_roots(s, id, true);
        drop_pins(s, id, true);
        return error_set(err, r, "the policy cannot be put in force: %s", strerror(-r));
    }
    s->policy_id = id;
    guard_policy_changed(s);
    canary_commit(&s->canary);
    s->image_bytes = len;
    map_clear(s->provisional);
    if (s->stage.coming)
        s->stage.coming(s->stage.ctx, true);
    drop_roots(s, id, false);
    drop_pins(s, id, false);
    return 0;
}

void sensor_stage(struct sensor *s, const struct sensor_stage *stage)
{
    s->stage = *stage;
}

int sensor_stage_roots(struct sensor *s, const struct sensor_root *roots, size_t n_roots,
                       struct error *err)
{
    int r = s->coming_id ? write_roots(s, s->coming_id, roots, n_roots) : -EINVAL;

    return r < 0 ? roots_refused(s, roots, n_roots, r, err) : 0;
}

// A root that a mount hook seeded and nobody named: the caller's mount table may be older than the mount.
// It stays for one round.
static bool keep_provisional(struct sensor *s, uint32_t dev, const struct sg_root *root)
{
    if (!(root->flags & SG_ROOT_PROVISIONAL))
        return false;
    if (map_get_u64(s->provisional, dev)) {
        (void)map_delete_u64(s->provisional, dev);
        return false;
    }
    return map_put_u64(s->provisional, dev, s) == 0;
}

// Forgets the roots of the policy in force that are not in `devs`. Returns whether rules spoke of any of them.
static int drop_unnamed(struct sensor *s, const uint32_t *devs, size_t n_devs)
{
    int fd = map_fd(s, "sg_roots"), changed = 0, r;
    _cleanup_free_ char *keys = NULL;
    size_t n = 0;

    r = list_keys(fd, map_max(s, "sg_roots"), sizeof(struct sg_root_key), &keys, &n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        const struct sg_root_key *key = (const struct sg_root_key *)keys + i;
        struct sg_root root = {};

        if (key->policy_id != s->policy_id ||
            bsearch(&key->dev, devs, n_devs, sizeof(*devs), compare_u32)) {
            (void)map_delete_u64(s->provisional, key->dev);
            continue;
        }
        (void)bpf_map_lookup_elem(fd, key, &root);
        if (!keep_provisional(s, key->dev, &root))
            changed |= bpf_map_delete_elem(fd, key) == 0 && root.state;
    }
    return changed;
}

int sensor_add_root(struct sensor *s, const struct sensor_root *root)
{
    int r = write_roots(s, s->policy_id, root, 1);

    if (r > 0)
        forget_states(s);
    return MIN(r, 0);
}

int sensor_set_roots(struct sensor *s, const struct sensor_root *roots, size_t n_roots,
                     struct error *err)
{
    _cleanup_free_ struct sensor_root *all = NULL;
    _cleanup_free_ uint32_t *devs = NULL;
    int added, dropped;
    size_t n_all;
    bool again;

    if (!s->policy_id)
        return error_set(err, -ENOENT, "no policy is in force");
    all = new0(struct sensor_root, n_roots + CANARY_ROOTS);
    devs = new0(uint32_t, n_roots + CANARY_ROOTS);
    if (!all || !devs)
        return error_set(err, -ENOMEM, "out of memory");
    if (n_roots)
        memcpy(all, roots, n_roots * sizeof(*roots));
    n_all = canary_add_roots(&s->canary, &s->canary.now, all, n_roots);
    for (size_t i = 0; i < n_all; i++)
        devs[i] = all[i].dev;
    qsort(devs, n_all, sizeof(*devs), compare_u32);

    // New ones first; they may need the room of those that have gone.
    added = write_roots(s, s->policy_id, all, n_all);
    dropped = drop_unnamed(s, devs, n_all);
    again = added == -E2BIG;
    if (again)
        added = write_roots(s, s->policy_id, all, n_all);
    // What was resolved before a root was known has been cached.
    if (added || dropped || again)
        forget_states(s);
    if (added < 0)
        return roots_refused(s, all, n_all, added, err);
    if (dropped < 0)
        return error_set(err, dropped, "the table of roots cannot be read: %s", strerror(-dropped));
    return 0;
}

int sensor_pin_object(struct sensor *s, const struct sensor_object *object)
{
    int r;

    if (!s->policy_id)
        return -ENOENT;
    if (!object->state)
        return -EINVAL;
    r = pin_object(s, s->policy_id, object);
    // What was known of the object before has been cached.
    if (r > 0)
        forget_states(s);
    return r < 0 ? r : 0;
}

int sensor_set_switches(struct sensor *s, const uint64_t on[SG_SUBJECT_WORDS])
{
    set_switches(s, s->policy_id, on);
    // What was computed before the words changed is computed again.
    (void)__atomic_add_fetch(s->maps.words.subject_epoch, 1, __ATOMIC_SEQ_CST);
    return 0;
}
