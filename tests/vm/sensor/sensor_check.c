// SPDX-License-Identifier: Apache-2.0
//
// The sensor at work on the kernel it runs on: load, deny, prove, swap, be taken over, detach. For virtual
// machines: it loads real programs and denies real accesses below /tmp.
//
//   sensor-check [lsm|fmod_ret]   every step; "ok"/"not ok" lines and "N passed, N failed"; status 1 on failure
//   sensor-check guarded          only: what was open before its rule, over take-overs
//   sensor-check probe            what sensor_probe() says, as JSON
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/macro.h"
#include "sensor/sensor.h"
#include "tests/vm/sensor/check.h"
#include "tests/vm/sensor/tiny_image.h"

static const struct tiny_rule rules[] = {
    {.path = CANARY, .beneath = true, .ops = SG_OPS_ANY, .verdict = SG_DENY},
    {.path = SECRET, .ops = SG_OP_READ | SG_OP_WRITE, .verdict = SG_DENY},
    {.path = DIR_, .beneath = true, .ops = SG_OPS_WRITE, .verdict = SG_DENY},
};

static int make_sensor(struct ctx *c)
{
    const struct sensor_options options = {
        .pin_dir = PIN_DIR,
        .canary_dir = CANARY,
        .force = c->force,
        // The rules hold for this process, too: it makes accesses.
        .claim = {.kept_rules = ARRAY_SIZE(rules)}};
    struct error err = {};
    int r = sensor_new(&options, &c->sensor, &err);

    check_error(c, r, &err, "sensor_new");
    return r;
}

static int set_policy(struct ctx *c, uint32_t ops)
{
    struct error err = {};
    int r = sensor_set_policy(c->sensor, c->image, c->image_len, ops, c->roots, c->n_roots, &err);

    if (r < 0)
        error_print(&err, stdout);
    return r;
}

static void print_hooks(struct ctx *c)
{
    size_t n;
    const struct sensor_hook *h = sensor_hooks(c->sensor, &n);

    for (size_t i = 0; i < n; i++)
        (void)printf("# %-20s %-11s %-8s missed=%llu %s%s%s\n", h[i].id,
                     sensor_hook_state_name(h[i].state), sensor_attach_name(h[i].attach),
                     (unsigned long long)h[i].missed, h[i].reason, *h[i].cure ? "; cure: " : "",
                     h[i].cure);
}

static size_t count_hooks(struct ctx *c, enum sensor_hook_state state)
{
    size_t n, found = 0;
    const struct sensor_hook *h = sensor_hooks(c->sensor, &n);

    for (size_t i = 0; i < n; i++)
        found += h[i].state == state;
    return found;
}

static void self_test(struct ctx *c, const char *when)
{
    struct error err = {};
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    int r = sensor_self_test(c->sensor, &err);

    if (r < 0)
        error_print(&err, stdout);
    print_hooks(c);
    check(c, r == 0, "self-test %s: %d failed, %zu proved, %zu attached, %zu recording, %llu ms",
          when, r, count_hooks(c, SENSOR_HOOK_PROVED), count_hooks(c, SENSOR_HOOK_ATTACHED),
          count_hooks(c, SENSOR_HOOK_RECORDING),
          (unsigned long long)((now_ns(CLOCK_MONOTONIC) - before) / NS_PER_MS));
}

static void step_deny(struct ctx *c, bool enforcing)
{
    struct stat st;

    c->denied_secret = 0;
    check(c, can_read(SECRET) != enforcing, "the secret is %s", enforcing ? "refused" : "readable");
    check(c, read_until(c, 1, false) == 1, "its record came");
    check(c,
          stat(SECRET, &st) == 0 && c->last_secret.ino == st.st_ino && c->last_secret.count == 1 &&
              c->last_secret.error == (enforcing ? EPERM : 0) &&
              streq(c->last_path, "sensor-check-secret"),
          "the record names it: %s, inode %llu, error %u", c->last_path,
          (unsigned long long)c->last_secret.ino, c->last_secret.error);
    check(c, can_read("/etc/passwd"), "what no rule names is readable");
    check(c, (mkdir(DIR_ "/x", 0700) < 0) == enforcing, "a directory beneath a protected one");
    (void)rmdir(DIR_ "/x");
}

static void step_merge(struct ctx *c)
{
    // The first denial of this process has been seen, its second is over at the latest in one more.
    (void)read_until(c, UINT64_MAX, true);
    c->denied_secret = 0;
    for (int i = 0; i < 1000; i++)
        (void)can_read(SECRET);
    (void)read_until(c, 1000, true);
    check(c, c->denied_secret == 1000, "of 1000 denials %llu are counted, %u in the last record",
          (unsigned long long)c->denied_secret, c->last_secret.count);
    check(c,
          c->last_secret.count > 100 && c->last_secret.first_ns && !c->last_secret.seq &&
              streq(c->last_path, "sensor-check-secret"),
          "the merged record is the first one with a number");
}

static void step_swap(struct ctx *c)
{
    struct sensor_facts before, after;
    struct hammer h;
    int r = 0;

    sensor_facts(c->sensor, &before);
    hammer_start(&h);
    for (int i = 0; i < 50 && r == 0; i++) {
        // Now and then one that needs other hooks, which takes its time.
        r = set_policy(c, i == 24 ? SG_OPS_ANY & ~SG_OP_XATTR : SG_OPS_ANY);
        (void)sensor_consume(c->sensor, on_record, c);
    }
    hammer_stop(c, &h, "50 changes of policy");
    sensor_facts(c->sensor, &after);
    check(c, r == 0 && after.policy_id == before.policy_id + 50, "the policy's number is %u",
          after.policy_id);
}

static void step_failures(struct ctx *c)
{
    static struct sensor_root many[20000];
    struct sensor_facts before, after;
    struct error err = {};
    char *copy = malloc(c->image_len);
    int r;

    if (!copy)
        abort();
    sensor_facts(c->sensor, &before);
    memcpy(copy, c->image, c->image_len);
    copy[0] ^= 1;
    r = sensor_set_policy(c->sensor, copy, c->image_len, SG_OPS_ANY, c->roots, c->n_roots, &err);
    check(c, r == -EBADMSG && error_is_set(&err), "a broken image is refused: %s", err.what);
    for (uint32_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct sensor_root){.dev = i + 1000, .root = {.state = TINY_START}};
    r = sensor_set_policy(c->sensor, c->image, c->image_len, SG_OPS_ANY, many, ARRAY_SIZE(many),
                          &err);
    check(c, r < 0 && error_is_set(&err), "too many roots are refused: %s", err.what);
    sensor_facts(c->sensor, &after);
    check(c, after.policy_id == before.policy_id && !can_read(SECRET),
          "the old policy stays in force");
    free(copy);
}

// A refused policy has other numbers for its states: nothing of it may be left where the next change of mounts would find it.
static void step_refused(struct ctx *c)
{
    static const struct tiny_rule more[] = {
        {.path = "/a/path/before/all", .ops = SG_OP_READ, .verdict = SG_DENY},
        {.path = CANARY, .beneath = true, .ops = SG_OPS_ANY, .verdict = SG_DENY},
    };
    static struct sensor_root many[20000];
    struct ctx other = {};
    struct error err = {};
    int r;

    tiny_image(more, ARRAY_SIZE(more), &other.image, &other.image_len);
    read_roots(&other);
    for (uint32_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = i < other.n_roots
                      ? other.roots[i]
                      : (struct sensor_root){.dev = i + (1u << 30), .root = {.state = TINY_START}};
    r = sensor_set_policy(c->sensor, other.image, other.image_len, SG_OPS_ANY, many,
                          ARRAY_SIZE(many), &err);
    check(c, r < 0, "a policy of other states is refused: %s", err.what);
    check_error(c, sensor_set_roots(c->sensor, c->roots, c->n_roots, &err), &err, "roots after it");
    self_test(c, "after a refusal");
    free(other.image);
}

// The pin of a program that is not needed any more cannot be removed: the policy is in force all the same, and that is said.
static void step_unfinished(struct ctx *c)
{
    static const char pin[] = PIN_DIR "/links/lsm_inode_setxattr";
    struct sensor_facts before, after;
    struct error err = {};
    struct stat st;
    int r;

    if (stat(pin, &st) < 0) {
        (void)printf("# %s: there is no such pin here\n", pin);
        return;
    }
    sensor_facts(c->sensor, &before);
    if (!check(c, mount("/dev/null", pin, NULL, MS_BIND, NULL) == 0, "a mount on a pin"))
        return;
    r = sensor_set_policy(c->sensor, c->image, c->image_len, SG_OPS_ANY & ~SG_OP_XATTR, c->roots,
                          c->n_roots, &err);
    sensor_facts(c->sensor, &after);
    check(c, r == 1 && error_is_set(&err) && after.policy_id == before.policy_id + 1,
          "in force, although a pin stays: %d, %s", r, err.what);
    check(c, !can_read(SECRET), "the secret is refused");
    check(c, umount2(pin, 0) == 0, "the mount goes");
    r = set_policy(c, SG_OPS_ANY & ~SG_OP_XATTR);
    check(c, r == 0 && stat(pin, &st) < 0, "the next change makes it good");
}

static bool set_ftrace(const char *value)
{
    int fd = open("/proc/sys/kernel/ftrace_enabled", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, value, 1) == 1;

    (void)safe_close(fd);
    return ok;
}

// One word in /proc switches every attached program off, without an error anywhere.
static void step_switched_off(struct ctx *c)
{
    struct error err = {};
    size_t n;
    const struct sensor_hook *h;
    int r;

    if (!set_ftrace("0")) {
        check(c, !can_read(SECRET), "this kernel does not let programs be switched off");
        return;
    }
    r = sensor_self_test(c->sensor, &err);
    h = sensor_hooks(c->sensor, &n);
    check(c, r > 10 && h[0].state == SENSOR_HOOK_FAILED && strstr(h[0].cure, "ftrace_enabled=1"),
          "programs that are switched off are noticed: %d failed, %s; %s", r, h[0].reason,
          h[0].cure);
    check(c, set_ftrace("1") && sensor_self_test(c->sensor, &err) == 0, "and that they are back");
}

static void step_old_descriptors(struct ctx *c, int old_fd)
{
    struct error err = {};
    char byte;

    check(c, pread(old_fd, &byte, 1, 0) == 1, "a descriptor older than its rule reads");
    check_error(c, sensor_set_old_descriptors(c->sensor, true, &err), &err,
                "old descriptors are guarded");
    check(c, pread(old_fd, &byte, 1, 0) < 0 && errno == EPERM, "now it does not");
    check_error(c, sensor_set_old_descriptors(c->sensor, false, &err), &err,
                "old descriptors are left alone");
}

static void take_over(struct ctx *c, const char *what, bool expect_taken)
{
    struct sensor_facts facts;
    struct hammer h;
    char name[160];

    hammer_start(&h);
    c->sensor = sensor_free(c->sensor);
    if (make_sensor(c) < 0) {
        hammer_stop(c, &h, what);
        return;
    }
    sensor_facts(c->sensor, &facts);
    check(c, facts.taken_over == expect_taken, "%s: taken over: %d", what, facts.taken_over);
    check(c, set_policy(c, SG_OPS_ANY) == 0, "%s: policy in force again", what);
    hammer_stop(c, &h, what);
    (void)snprintf(name, sizeof(name), "after %s", what);
    self_test(c, name);
}

// Pretends that the pins are of another build (first half of the mark) or have other maps (second half).
static void falsify_mark(struct ctx *c, size_t at)
{
    struct dirent *entry;
    DIR *dir = opendir(PIN_DIR);
    bool done = false;

    while (dir && (entry = readdir(dir)) && !done) {
        char from[512], to[512], *mark;

        if (strncmp(entry->d_name, "build-", 6) != 0)
            continue;
        (void)snprintf(from, sizeof(from), PIN_DIR "/%s", entry->d_name);
        memcpy(to, from, sizeof(to));
        mark = strstr(to, "build-") + at;
        *mark = *mark == '0' ? '1' : '0';
        done = rename(from, to) == 0;
    }
    if (dir)
        (void)closedir(dir);
    check(c, done, "the mark of the pins is falsified");
}

static void step_no_room(struct ctx *c, enum sensor_attach attach)
{
    struct error err = {};
    size_t n, links;
    int fds[64], r;

    n = fill_hook(attach, fds, ARRAY_SIZE(fds));
    links = count_links();
    r = sensor_set_policy(c->sensor, c->image, c->image_len, SG_OP_READ, c->roots, c->n_roots,
                          &err);
    check(c, n > 30 && r < 0 && strstr(err.what, "file_open"),
          "no room on the hook after %zu programs: %s", n, err.what);
    check(c, *err.cure && await_links(links) && count_entries(PIN_DIR "/links") == 0,
          "nothing stays attached or pinned: %s", err.cure);
    check(c, can_read(SECRET), "the secret is readable");
    while (n > 0)
        (void)close(fds[--n]);
}

static void step_counters(struct ctx *c)
{
    uint64_t n[SG_COUNT_MAX] = {};

    (void)sensor_counters(c->sensor, n);
    check(c, n[SG_COUNT_SECURITY_SENT] > 0, "denials sent: %llu",
          (unsigned long long)n[SG_COUNT_SECURITY_SENT]);
    check(c, n[SG_COUNT_SECURITY_LOST] == 0, "denials lost: %llu",
          (unsigned long long)n[SG_COUNT_SECURITY_LOST]);
    check(c, n[SG_COUNT_MERGED] > 0, "denials merged: %llu",
          (unsigned long long)n[SG_COUNT_MERGED]);
    (void)printf("# unresolved %llu, unknown file systems %llu, walks %llu\n",
                 (unsigned long long)n[SG_COUNT_UNRESOLVED],
                 (unsigned long long)n[SG_COUNT_UNKNOWN_FS],
                 (unsigned long long)n[SG_COUNT_RESOLVED_COLD]);
}

static void step_detach(struct ctx *c, size_t links_before)
{
    struct error err = {};
    struct stat st;

    check_error(c, sensor_detach(c->sensor, &err), &err, "sensor_detach");
    c->sensor = sensor_free(c->sensor);
    check(c, can_read(SECRET), "the secret is readable again");
    check(c, stat(PIN_DIR, &st) < 0, "the pins are gone");
    check(c, stat(CANARY, &st) < 0, "the canary directory is gone");
    check(c, await_links(links_before), "attached programs: %zu before, %zu now", links_before,
          count_links());
}

static void prepare(struct ctx *c)
{
    (void)mkdir(DIR_, 0700);
    if (write_file_atomic(AT_FDCWD, SECRET, "secret\n", 7, 0644) < 0)
        abort();
    tiny_image(rules, ARRAY_SIZE(rules), &c->image, &c->image_len);
    // As if there were subjects known by their program: the hook on exec has something to do.
    ((struct sg_image *)c->image)->needs = SG_NEED_EXE;
    read_roots(c);
}

static void run_all(struct ctx *c)
{
    size_t links_before = count_links();
    struct sensor_facts facts;
    struct error err = {};
    int old_fd;

    old_fd = open(SECRET, O_RDONLY | O_CLOEXEC);
    if (make_sensor(c) < 0)
        return;
    sensor_facts(c->sensor, &facts);
    (void)printf("# attach %s, enforcing %d\n", sensor_attach_name(facts.attach), facts.enforcing);
    check(c, !facts.taken_over && count_links() == links_before,
          "nothing is attached before a policy");
    check(c, sensor_self_test(c->sensor, &err) < 0, "no self-test before a policy: %s", err.what);
    step_no_room(c, facts.attach);
    if (!check(c, set_policy(c, SG_OPS_ANY) == 0, "the first policy is in force"))
        return;
    step_deny(c, facts.enforcing);
    self_test(c, "first");
    step_merge(c);
    if (facts.enforcing) {
        step_swap(c);
        step_failures(c);
        step_refused(c);
        step_unfinished(c);
        check(c, set_policy(c, SG_OPS_ANY) == 0, "all operations again");
        step_old_descriptors(c, old_fd);
        step_switched_off(c);
        check_error(c, sensor_set_roots(c->sensor, c->roots, c->n_roots, &err), &err, "roots anew");
        check(c, !can_read(SECRET), "still refused");
        take_over(c, "take-over by the same build", true);
        falsify_mark(c, 6);
        take_over(c, "take-over by another build", true);
        falsify_mark(c, 6 + 17);
        take_over(c, "take-over by a build with other maps", false);
        take_over(c, "take-over of that", true);
    }
    step_counters(c);
    (void)close(old_fd);
    step_detach(c, links_before);
}

static bool is_guarded(int old_fd)
{
    struct stat st;
    char byte;

    return pread(old_fd, &byte, 1, 0) < 0 && errno == EPERM &&
           stat(PIN_DIR "/links/lsm_file_permission", &st) == 0;
}

static void next_sensor(struct ctx *c, int old_fd, const char *what)
{
    struct sensor_facts facts;

    c->sensor = sensor_free(c->sensor);
    check(c, is_guarded(old_fd), "before %s: refused", what);
    if (make_sensor(c) < 0)
        return;
    sensor_facts(c->sensor, &facts);
    check(c, facts.old_descriptors, "%s knows of it", what);
    check(c, set_policy(c, 0) == 0 && is_guarded(old_fd), "the policy of %s: refused", what);
}

// No rule needs a hook but the descriptor: what a new sensor keeps, it keeps for that alone.
static void run_guarded(struct ctx *c)
{
    int old_fd = open(SECRET, O_RDONLY | O_CLOEXEC);
    struct error err = {};

    ((struct sg_image *)c->image)->needs = 0;
    if (make_sensor(c) < 0 || !check(c, set_policy(c, 0) == 0, "the first policy is in force"))
        return;
    check(c, !is_guarded(old_fd), "a descriptor older than its rule reads");
    check_error(c, sensor_set_old_descriptors(c->sensor, true, &err), &err,
                "old descriptors are guarded");
    next_sensor(c, old_fd, "a sensor of the same build");
    falsify_mark(c, 6 + 17);
    next_sensor(c, old_fd, "a sensor with other maps");
    check_error(c, sensor_set_old_descriptors(c->sensor, false, &err), &err,
                "old descriptors are left alone");
    check(c, !is_guarded(old_fd), "it reads again");
    (void)close(old_fd);
    check_error(c, sensor_detach(c->sensor, &err), &err, "sensor_detach");
}

static int print_probe(void)
{
    struct strbuf sb = {};
    struct jw jw;
    struct sensor_probe p;

    if (sensor_probe(&p) < 0)
        return 1;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "release", p.release);
    jw_kv_str(&jw, "machine", p.machine);
    jw_kv_str(&jw, "lsm", p.lsm);
    jw_kv_str(&jw, "preemption", sensor_preemption_name(p.preemption));
    jw_kv_str(&jw, "attach", sensor_attach_name(p.attach));
    jw_kv_bool(&jw, "can_enforce", p.can_enforce);
    jw_kv_bool(&jw, "can_record", p.can_record);
    jw_key(&jw, "capabilities");
    jw_begin_array(&jw);
    for (size_t i = 0; i < p.n_capabilities; i++) {
        jw_begin_object(&jw);
        jw_kv_str(&jw, "id", p.capabilities[i].id);
        jw_kv_bool(&jw, "ok", p.capabilities[i].ok);
        jw_kv_bool(&jw, "required", p.capabilities[i].required);
        jw_kv_str(&jw, "detail", p.capabilities[i].detail);
        jw_kv_str(&jw, "cure", p.capabilities[i].cure);
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    (void)printf("%s\n", sb_str(&sb));
    sb_done(&sb);
    return 0;
}

int main(int argc, char **argv)
{
    void (*run)(struct ctx * c) = run_all;
    struct ctx c = {};

    for (int i = 1; i < argc; i++) {
        if (streq(argv[i], "probe"))
            return print_probe();
        if (streq(argv[i], "lsm"))
            c.force = SENSOR_ATTACH_LSM;
        else if (streq(argv[i], "guarded"))
            run = run_guarded;
        else if (streq(argv[i], "fmod_ret"))
            c.force = SENSOR_ATTACH_FMOD_RET;
        else
            return 2;
    }
    prepare(&c);
    run(&c);
    (void)sensor_free(c.sensor);
    free(c.image);
    (void)printf("%d passed, %d failed\n", c.passed, c.failed);
    return c.failed || !c.passed;
}
