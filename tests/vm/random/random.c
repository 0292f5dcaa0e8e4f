// SPDX-License-Identifier: Apache-2.0
//
// sg-random [SEED [CASES]]: the kernel against `safeguard policy explain`, on random policies.
//
// Makes policies by chance, puts each in force, has processes of many kinds access files in many ways through the
// hooks, and compares with what explain says of the same case: whether it is refused, which rule decides, what
// is recorded, under which name. Runs in a VM that is thrown away. Prints TAP and, of each case in which the two
// differ, everything that is needed to look at it; the same seed makes the same cases again.
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "model/names.h"

#define CASES_A_POLICY 100
#define TREE_EVERY     4 // policies
#define LINKED_MAX     64
#define SHOWN          4
#define RECORDS_MAX    16

static const char *const act_names[] = {
#define ACT(id) #id,
#include "acts.def"
};

struct seen {
    uint16_t rule;
    uint8_t verdict, reason;
    bool monitor, refused;
    uint32_t access;
    char path[HAND_PATH];
};

static struct {
    struct force force;
    struct chance chance;
    struct model model;
    struct hand hands[HANDS];
    struct policy_image *image, *none;
    struct strbuf yaml;
    struct seen seen[RECORDS_MAX];
    size_t n_seen;
    uint64_t merged; // of the kernel's counter, as far as it is explained, or from before the case
    uint32_t seed;
    uint64_t n_cases, n_policies, n_wrong, n_trouble;
    uint64_t compile_ns, put_ns,
        first_ns; // all together; the first time, with the loading of programs
    uint64_t n_denied, n_recorded, n_allowed, n_monitored, n_merged, n_killed, n_refused_policies;
} t;

static int on_record(void *userdata, const void *data, size_t len)
{
    const struct event *ev = t.force.event;
    struct seen *s = &t.seen[t.n_seen];

    (void)userdata;
    if (force_decode(&t.force, data, len) < 0 || ev->kind != EVENT_FILE ||
        ev->path.bytes.len < strlen(ROOT) || memcmp(ev->path.bytes.s, ROOT, strlen(ROOT)) != 0 ||
        t.n_seen == RECORDS_MAX)
        return 0;
    *s = (struct seen){
        .rule = ev->rule_index,
        .verdict = (uint8_t)ev->verdict,
        .reason = (uint8_t)ev->reason,
        .monitor = ev->mode == EVENT_MODE_MONITOR,
        .refused = ev->error != 0,
        .access = ev->access,
    };
    (void)snprintf(s->path, sizeof(s->path), "%.*s", (int)ev->path.bytes.len, ev->path.bytes.s);
    // Several hooks of one system call say the same.
    for (size_t i = 0; i < t.n_seen; i++)
        if (memcmp(&t.seen[i], s, sizeof(*s)) == 0)
            return 0;
    t.n_seen++;
    return 0;
}

static int count_merged(uint64_t *ret)
{
    uint64_t n[SG_COUNT_MAX];
    int r = sensor_counters(t.force.sensor, n);

    if (r == 0)
        *ret = n[SG_COUNT_MERGED];
    return r;
}

// Was a further one only counted, because the same was refused a moment ago? Explains one record.
static bool merged_meanwhile(void)
{
    uint64_t merged = 0;

    if (count_merged(&merged) < 0 || merged == t.merged)
        return false;
    t.merged++;
    t.n_merged++;
    return true;
}

static bool same(const struct seen *s, const struct expected *e, const struct hand_order *o)
{
    return s->rule == e->rule && s->verdict == e->verdict && s->monitor == e->monitor &&
           s->access == e->access && s->refused == e->refused && !s->reason &&
           streq(s->path, o->path);
}

// NULL: as expected; otherwise in which way not.
static const char *compare(const struct hand_order *o, const struct expected *e, size_t n,
                           const struct hand_answer *a)
{
    bool refused = n && e[n - 1].refused, kill = refused && e[n - 1].verdict == SG_KILL;

    if (kill ? !a->killed : a->killed)
        return kill ? "explain says kill, the process lives" : "the process was killed";
    if (!kill && refused != (a->error == EPERM))
        return refused ? "explain says denied, the kernel allowed it"
                       : "explain says allowed, the kernel denied it";
    for (size_t i = 0; i < n; i++) {
        bool found = !e[i].recorded;

        for (size_t k = 0; k < t.n_seen && !found; k++)
            found = same(&t.seen[k], &e[i], o);
        if (!found && !(e[i].verdict >= SG_DENY && !o->fresh && merged_meanwhile()))
            return "the record that explain says is not there";
    }
    for (size_t k = 0; k < t.n_seen; k++) {
        bool found = false;

        for (size_t i = 0; i < n && !found; i++)
            found = e[i].recorded && same(&t.seen[k], &e[i], o);
        if (!found)
            return "there is a record that explain knows nothing of";
    }
    return NULL;
}

static void show_lines(const char *text)
{
    unsigned rule = 0;

    while (*text) {
        const char *end = strchr(text, '\n');
        int len = end ? (int)(end - text) : (int)strlen(text);

        if (strncmp(text, "  - {path", 9) == 0)
            printf("#   %3u %.*s\n", rule++, len, text);
        else
            printf("#       %.*s\n", len, text);
        text += len + (end ? 1 : 0);
    }
}

static void show(const char *why, const struct hand *h, const struct hand_order *o,
                 const struct expected *e, size_t n, const struct hand_answer *a)
{
    const struct case_facts *f = o->fresh ? &h->fresh : &h->own;
    const struct node *node = model_find(&t.model, o->path);

    printf("# seed %u, case %llu: %s\n", t.seed, (unsigned long long)t.n_cases, why);
    printf("#   %s %s %s%s by '%s'%s: %s in step %d%s\n", act_names[o->act], o->path, o->path2,
           node && node->group ? " (has several names)" : "", h->what, o->fresh ? ", forked" : "",
           a->error ? strerror(a->error) : "done", a->step, a->killed ? ", killed" : "");
    printf("#   exe %s parent %s uid %u caps %#llx login %d cgroup %s container %d\n", f->exe,
           f->n_ancestors ? f->ancestors[0] : "-", f->uid, (unsigned long long)f->caps,
           (int)f->login_uid, f->cgroup, f->container);
    for (size_t i = 0; node && node->group && i < t.model.groups[node->group].n; i++)
        printf("#   name: %s\n", t.model.groups[node->group].names[i]);
    for (size_t i = 0; i < n; i++)
        printf("#   explain: access %#x: recorded %d rule %u verdict %u monitor %d refused %d\n",
               e[i].access, e[i].recorded, e[i].rule, e[i].verdict, e[i].monitor, e[i].refused);
    for (size_t k = 0; k < t.n_seen; k++)
        printf("#   kernel: access %#x: rule %u verdict %u monitor %d refused %d reason %u %s\n",
               t.seen[k].access, t.seen[k].rule, t.seen[k].verdict, t.seen[k].monitor,
               t.seen[k].refused, t.seen[k].reason, t.seen[k].path);
    show_lines(sb_str(&t.yaml));
}

// Paths for an access of this kind. False: there are none just now.
static bool choose_paths(struct hand_order *o, const struct hand *h)
{
    struct model *m = &t.model;
    struct chance *c = &t.chance;
    struct node *node, *other;

    switch (o->act) {
    case ACT_CREATE:
    case ACT_MKDIR:
    case ACT_MKNOD:
    case ACT_SYMLINK: return model_free_name(m, c, o->path);
    case ACT_READDIR: node = model_pick(m, c, KIND_DIR); break;
    case ACT_RMDIR:
        node = model_pick(m, c, KIND_DIR);
        if (node && streq(node->path, ROOT))
            return false;
        break;
    case ACT_RENAME:
        node = model_pick(m, c, chance_percent(c, 25) ? KIND_DIR : KIND_FILE);
        if (!node || streq(node->path, ROOT) || !model_free_name(m, c, o->path2))
            return false;
        // Names outside of a directory that moves are the agent's to find, which is not there.
        if (node->kind == KIND_DIR && model_linked_beneath(m, node->path))
            return false;
        // Over another file, too; never into itself.
        other = node->kind == KIND_FILE && chance_percent(c, 30) ? model_pick(m, c, KIND_FILE)
                                                                 : NULL;
        if (other && other != node && (!node->group || node->group != other->group))
            memcpy(o->path2, other->path, sizeof(o->path2));
        if (str_startswith(o->path2, node->path))
            return false;
        break;
    case ACT_LINK:
        node = model_pick(m, c, KIND_FILE);
        if (!node || node->group || !model_free_name(m, c, o->path2))
            return false;
        break;
    case ACT_CHMOD:
    case ACT_UTIMES:
    case ACT_CHOWN:
        if (!h->owner)
            return false;
        node = model_pick(m, c, chance_percent(c, 25) ? KIND_DIR : KIND_FILE);
        break;
    default: node = model_pick(m, c, KIND_FILE);
    }
    if (node)
        memcpy(o->path, node->path, sizeof(o->path));
    return node != NULL;
}

// Errors that come after the policy was asked, and change nothing.
static bool harmless(const struct hand_order *o, int error)
{
    return (o->act == ACT_EXEC && error == ENOEXEC) ||
           (o->act == ACT_RMDIR && error == ENOTEMPTY) ||
           (o->act == ACT_REMOVEXATTR && error == ENODATA);
}

static void count(const struct expected *e, size_t n)
{
    bool recorded = false;

    for (size_t i = 0; i < n; i++) {
        recorded |= e[i].recorded;
        t.n_monitored += e[i].recorded && e[i].monitor;
    }
    t.n_recorded += recorded;
    t.n_denied += n && e[n - 1].refused;
    t.n_killed += n && e[n - 1].refused && e[n - 1].verdict == SG_KILL;
    t.n_allowed += !recorded;
}

static int one_case(void)
{
    struct hand *h = &t.hands[chance_below(&t.chance, HANDS)];
    struct hand_order o = {.act = chance_below(&t.chance, ACT_SETEUID),
                           .fresh = chance_percent(&t.chance, 50)};
    struct expected e[EXPECTED_MAX];
    struct hand_answer a;
    const char *why;
    size_t n;
    int r;

    if (!choose_paths(&o, h))
        return 0;
    n = expect(t.image, &t.model, &o, o.fresh ? &h->fresh : &h->own, e);
    // A hand that is killed is missed: only what it forked for this may be.
    if (n && e[n - 1].refused && e[n - 1].verdict == SG_KILL && !o.fresh)
        return 0;
    t.n_seen = 0;
    r = count_merged(&t.merged);
    if (r == 0)
        r = hand_do(h, &o, &a);
    if (r == 0)
        r = sensor_consume(t.force.sensor, on_record, NULL);
    if (r < 0)
        return r;
    t.n_cases++;
    count(e, n);
    why = compare(&o, e, n, &a);
    if (why && t.n_wrong++ < SHOWN)
        show(why, h, &o, e, n, &a);
    if (a.error && a.error != EPERM && !harmless(&o, a.error) && !a.killed && t.n_trouble++ < SHOWN)
        show("this was not to happen", h, &o, e, n, &a);
    // A file is there once it has been created, also when it could not be opened.
    if (a.error == 0 || (o.act == ACT_CREATE && n == 2 && e[1].refused && !why))
        if (!a.killed || n == 2)
            model_did(&t.model, &o);
    return why ? 1 : 0;
}

// Somebody gets other credentials, or comes into another cgroup.
static int change_somebody(void)
{
    struct hand *h = &t.hands[chance_below(&t.chance, HANDS)];
    struct hand_order o = {.act = ACT_SETEUID, .flags = chance_percent(&t.chance, 50) ? 1000 : 0};
    struct hand_answer a;
    int r;

    if (chance_percent(&t.chance, 50))
        return hand_move(h, &t.chance);
    // Only root can, and come back.
    r = hand_do(h, &o, &a);
    return r < 0 ? r : hand_refresh(h);
}

// What there is can be looked at only while the policy that denies nothing is in force.
static int put(const struct policy_image *image)
{
    struct sensor_object linked[LINKED_MAX];
    struct sensor_stage stage = {.objects = linked};
    int r = 0;

    if (image != t.none)
        r = force_find_linked(&t.force, image, ROOT, linked, LINKED_MAX, &stage.n_objects);
    if (r < 0)
        return r;
    sensor_stage(t.force.sensor, &stage);
    return force_set(&t.force, image, SG_OPS_ANY);
}

static int next_policy(void)
{
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    int r = put(t.none);

    t.put_ns += now_ns(CLOCK_MONOTONIC) - start;
    if (r >= 0 && t.n_policies % TREE_EVERY == 0)
        r = model_make(&t.model, &t.chance);
    t.image = policy_image_free(t.image);
    start = now_ns(CLOCK_MONOTONIC);
    while (r >= 0 && !t.image) {
        sb_reset(&t.yaml);
        generate_policy(&t.chance, &t.yaml);
        r = force_compile(&t.force, "random.yaml", sb_str(&t.yaml), &t.image);
        if (r == -EINVAL && t.n_refused_policies++ < 10)
            r = 0;
    }
    t.compile_ns += now_ns(CLOCK_MONOTONIC) - start;
    model_forget_names(&t.model);
    start = now_ns(CLOCK_MONOTONIC);
    r = r < 0 ? r : put(t.image);
    t.put_ns += now_ns(CLOCK_MONOTONIC) - start;
    t.n_policies += r >= 0;
    return r;
}

static int run(uint64_t n_cases)
{
    int r = 0;

    while (r >= 0 && t.n_cases < n_cases) {
        bool differs = false;

        r = next_policy();
        for (int i = 0; i < CASES_A_POLICY && r >= 0 && !differs; i++) {
            if (chance_percent(&t.chance, 6))
                r = change_somebody();
            r = r < 0 ? r : one_case();
            // The model of what there is may be wrong from here on.
            differs = r > 0;
        }
        if (differs)
            t.n_policies = (t.n_policies + TREE_EVERY - 1) / TREE_EVERY * TREE_EVERY;
    }
    return r;
}

static void report(double seconds)
{
    const uint64_t n = t.n_cases;

    printf(
        "# seed %u: %llu cases under %llu policies in %.1f s: %llu denied, %llu killed, %llu recorded, "
        "%llu in monitor mode, %llu merged, %llu that no rule decides or one allows\n",
        t.seed, (unsigned long long)n, (unsigned long long)t.n_policies, seconds,
        (unsigned long long)t.n_denied, (unsigned long long)t.n_killed,
        (unsigned long long)t.n_recorded, (unsigned long long)t.n_monitored,
        (unsigned long long)t.n_merged, (unsigned long long)t.n_allowed);
    printf("# %.1f s to load the programs, %.1f s to compile, %.1f s to put in force\n",
           (double)t.first_ns / 1e9, (double)t.compile_ns / 1e9, (double)t.put_ns / 1e9);
    printf("%s kernel and explain agree on %llu cases", t.n_wrong ? "not ok" : "ok",
           (unsigned long long)n);
    printf(t.n_wrong ? ": %llu differ\n" : "\n", (unsigned long long)t.n_wrong);
    printf("%s every access came as far as the policy (%llu did not)\n",
           t.n_trouble ? "not ok" : "ok", (unsigned long long)t.n_trouble);
    printf("%s there was something of everything\n",
           t.n_denied * 20 > n && t.n_recorded * 10 > n && t.n_allowed * 10 > n &&
                   t.n_monitored * 100 > n && t.n_killed * 1000 > n
               ? "ok"
               : "not ok");
}

int main(int argc, char **argv)
{
    uint32_t n_cases = 5000;
    uint64_t start;
    int r;

    setvbuf(stdout, NULL, _IOLBF, 0);
    t.seed = 1;
    if (argc > 3 || (argc > 1 && parse_u32(argv[1], &t.seed) < 0) ||
        (argc > 2 && parse_u32(argv[2], &n_cases) < 0)) {
        fprintf(stderr, "usage: sg-random [SEED [CASES]]\n");
        return 2;
    }
    t.chance.state = t.seed;
    r = hands_start(t.hands);
    r = r < 0 ? r : force_open(&t.force, &(struct sensor_options){0});
    r = r < 0 ? r
              : force_compile(
                    &t.force, "none.yaml",
                    "safeguard: 1\nname: none\nmode: enforce\nfiles:\n  - {path: /none, access: "
                    "any, by: {exe: /none}, do: audit}\n",
                    &t.none);
    start = now_ns(CLOCK_MONOTONIC);
    r = r < 0 ? r : put(t.none);
    t.first_ns = now_ns(CLOCK_MONOTONIC) - start;
    start = now_ns(CLOCK_MONOTONIC);
    r = r < 0 ? r : run(n_cases);
    if (r < 0) {
        fprintf(stderr, "sg-random: case %llu of seed %u: %s\n", (unsigned long long)t.n_cases,
                t.seed, strerror(-r));
        return EXIT_NOT_IN_FORCE;
    }
    report((double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
    hands_stop(t.hands);
    (void)policy_image_free(t.image);
    (void)policy_image_free(t.none);
    sb_done(&t.yaml);
    return force_close(&t.force) < 0 || t.n_wrong || t.n_trouble;
}
