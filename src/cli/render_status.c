// SPDX-License-Identifier: Apache-2.0
//
// `safeguard status` as people read it.
#include <string.h>

#include "base/color.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "cli/render.h"
#include "control/message.h"

#define LABEL_WIDTH 12

struct page {
    struct strbuf *sb;
    bool color;
    uint64_t now_ms;
};

static const char *str(struct json_object *o, const char *key)
{
    return json_get_str(o, key, "");
}

static uint64_t num(struct json_object *o, const char *key)
{
    return json_get_u64(o, key, 0);
}

static size_t length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static void label(const struct page *p, const char *text)
{
    sb_printf(p->sb, "  %s%-*s%s", color_seq(p->color, COLOR_DIM), LABEL_WIDTH, text,
              color_seq(p->color, COLOR_RESET));
}

static void colored(const struct page *p, enum color color, const char *text)
{
    sb_printf(p->sb, "%s%s%s", color_seq(p->color, color), text, color_seq(p->color, COLOR_RESET));
}

static void put_ago(const struct page *p, uint64_t ms)
{
    if (ms == 0) {
        sb_puts(p->sb, "never");
        return;
    }
    put_span(p->sb, p->now_ms > ms ? p->now_ms - ms : 0);
    sb_puts(p->sb, " ago");
}

static size_t count_hooks(struct json_object *s, const char *state)
{
    struct json_object *hooks = json_get(s, "hooks");
    size_t found = 0;

    for (size_t i = 0; i < length(hooks); i++)
        found += streq(str(json_object_array_get_idx(hooks, i), "state"), state);
    return found;
}

static void put_headline(const struct page *p, struct json_object *s)
{
    struct json_object *policy = json_get(s, "policy");
    bool enforcing = json_get_bool(s, "enforcing", 0), monitor = streq(str(s, "mode"), "monitor");

    sb_printf(p->sb, "safeguard %s on ", str(s, "version"));
    put_escaped(p->sb, str(s, "hostname"));
    sb_puts(p->sb, ": ");
    if (!json_get(policy, "id") || num(policy, "rules") == 0)
        colored(p, COLOR_RED, streq(str(policy, "state"), "building") ? "starting" : "no policy");
    else if (count_hooks(s, "failed"))
        colored(p, COLOR_RED, "not enforcing, hooks failed their self-test");
    else if (!enforcing && streq(str(s, "attach"), "lsm"))
        colored(p, COLOR_RED, "not proved, the self-test cannot be run");
    else if (!enforcing)
        colored(p, COLOR_RED, "recording, refusals cannot be relied on");
    else if (monitor)
        colored(p, COLOR_YELLOW, "monitoring, nothing is blocked");
    else
        colored(p, COLOR_GREEN, "enforcing");
    sb_putc(p->sb, '\n');
}

static void put_agent(const struct page *p, struct json_object *s)
{
    struct json_object *r = json_get(s, "resources");
    uint64_t started = num(s, "started_ms"), permille = num(r, "cpu_permille");

    label(p, "agent");
    sb_printf(p->sb, "pid %llu, up ", (unsigned long long)num(s, "pid"));
    put_span(p->sb, p->now_ms > started ? p->now_ms - started : 0);
    sb_puts(p->sb, ", ");
    put_bytes(p->sb, num(r, "resident_bytes"));
    sb_printf(p->sb, ", %llu.%llu %% of a processor", (unsigned long long)(permille / 10),
              (unsigned long long)(permille % 10));
    if (json_get_bool(s, "taken_over", 0))
        sb_puts(p->sb, ", took over from an earlier one");
    sb_putc(p->sb, '\n');
}

static void put_kernel(const struct page *p, struct json_object *s)
{
    struct json_object *k = json_get(s, "kernel");

    label(p, "kernel");
    sb_printf(p->sb, "Linux %s, attached by %s, preemption %s\n", str(k, "release"),
              str(s, "attach"), str(k, "preemption"));
}

static void put_defence(const struct page *p, struct json_object *s)
{
    struct json_object *d = json_get(s, "defence");
    const char *state = str(d, "state");
    uint64_t until = num(d, "unlocked_until_ms"), attempts = num(d, "attempts");

    // Agents of an earlier version say nothing of it.
    if (!d)
        return;
    label(p, "defence");
    colored(p, streq(state, "locked") ? COLOR_GREEN : COLOR_YELLOW, state);
    if (until > p->now_ms) {
        sb_puts(p->sb, " for ");
        put_span(p->sb, until - p->now_ms);
        if (*str(d, "unlocked_by")) {
            sb_puts(p->sb, " by ");
            put_escaped(p->sb, str(d, "unlocked_by"));
        }
    }
    if (attempts)
        sb_printf(p->sb, ", %llu attempts on it refused", (unsigned long long)attempts);
    sb_putc(p->sb, '\n');
}

static void put_quick(const struct page *p, struct json_object *s)
{
    struct json_object *q = json_get(s, "quick_decisions");
    bool on = json_get_bool(q, "on", 0);

    // Agents of an earlier version say nothing of it.
    if (!q)
        return;
    label(p, "decisions");
    sb_puts(p->sb, on ? "quick ones are on\n" : "quick ones are limited: ");
    if (on)
        return;
    put_escaped(p->sb, str(q, "reason"));
    sb_printf(p->sb, "\n  %-*s", LABEL_WIDTH, "");
    put_escaped(p->sb, str(q, "costs"));
    sb_putc(p->sb, '\n');
}

static void put_files(const struct page *p, struct json_object *policy)
{
    struct json_object *files = json_get(policy, "files");

    for (size_t i = 0; i < length(files); i++) {
        struct json_object *f = json_object_array_get_idx(files, i);
        uint64_t rules = num(f, "rules");

        label(p, "");
        put_escaped(p->sb, str(f, "path"));
        sb_printf(p->sb, "  %llu rule%s%s\n", (unsigned long long)rules, rules == 1 ? "" : "s",
                  streq(str(f, "mode"), "monitor") ? ", monitor" : "");
    }
}

static void put_policy(const struct page *p, struct json_object *s)
{
    struct json_object *policy = json_get(s, "policy");

    label(p, "policy");
    if (!json_get(policy, "id")) {
        sb_printf(p->sb, "%s\n", str(policy, "state"));
        return;
    }
    put_count(p->sb, num(policy, "rules"));
    sb_puts(p->sb, num(policy, "rules") == 1 ? " rule: " : " rules: ");
    put_count(p->sb, num(policy, "denying"));
    sb_puts(p->sb, " deny, ");
    put_count(p->sb, num(policy, "monitoring"));
    sb_printf(p->sb, " would deny; number %llu since ", (unsigned long long)num(policy, "id"));
    put_time(p->sb, num(policy, "changed_ms"));
    if (streq(str(policy, "from"), "accepted"))
        sb_puts(p->sb, " (the ones accepted last)");
    sb_putc(p->sb, '\n');
    put_files(p, policy);
}

static void put_records(const struct page *p, struct json_object *s)
{
    struct json_object *r = json_get(s, "records"), *o = json_get(s, "output");

    label(p, "records");
    put_count(p->sb, num(r, "denied"));
    sb_puts(p->sb, " denied, ");
    put_count(p->sb, num(r, "would_deny"));
    sb_puts(p->sb, " would be denied, ");
    put_count(p->sb, num(r, "audited"));
    sb_puts(p->sb, " audited\n");
    label(p, "output");
    put_escaped(p->sb, json_get_str(o, "path", str(o, "kind")));
    sb_puts(p->sb, ", ");
    put_count(p->sb, num(o, "records"));
    sb_puts(p->sb, num(o, "records") == 1 ? " record" : " records");
    if (num(o, "waiting_bytes") > 65536) {
        sb_puts(p->sb, ", ");
        put_bytes(p->sb, num(o, "waiting_bytes"));
        sb_puts(p->sb, " wait");
    }
    sb_putc(p->sb, '\n');
}

static void put_waiting(const struct page *p, struct json_object *spool)
{
    struct json_object *security = json_get(spool, "security"), *audit = json_get(spool, "audit");
    uint64_t n = num(security, "waiting") + num(audit, "waiting");
    uint64_t oldest = MAX(num(security, "oldest_ms"), num(audit, "oldest_ms"));

    if (!spool)
        return;
    label(p, "waiting");
    if (n == 0) {
        sb_puts(p->sb, "no records\n");
        return;
    }
    put_count(p->sb, n);
    sb_puts(p->sb, n == 1 ? " record, " : " records, ");
    put_bytes(p->sb, num(security, "waiting_bytes") + num(audit, "waiting_bytes"));
    sb_puts(p->sb, " of ");
    put_bytes(p->sb, num(spool, "max_bytes"));
    if (oldest) {
        sb_puts(p->sb, ", for up to ");
        put_span(p->sb, oldest);
    }
    sb_putc(p->sb, '\n');
}

static void put_server(const struct page *p, struct json_object *s)
{
    struct json_object *server = json_get(s, "server"), *link = json_get(server, "link");
    bool online = streq(str(link, "state"), "online");

    if (!server)
        return;
    label(p, "server");
    put_escaped(p->sb, json_get_str(link, "url", str(server, "url")));
    sb_puts(p->sb, *json_get_str(link, "url", str(server, "url")) ? ", " : "");
    colored(p,
            online                            ? COLOR_GREEN
            : json_get_bool(link, "stuck", 0) ? COLOR_RED
                                              : COLOR_YELLOW,
            str(link, "state"));
    if (num(link, "since_ms")) {
        sb_puts(p->sb, " since ");
        put_time(p->sb, num(link, "since_ms"));
    }
    if (!online && num(link, "last_ok_ms")) {
        sb_puts(p->sb, ", last heard of ");
        put_ago(p, num(link, "last_ok_ms"));
    }
    sb_putc(p->sb, '\n');
    put_waiting(p, json_get(server, "spool"));
}

// Only where rules schedule something.
static void put_scheduling(const struct page *p, struct json_object *s)
{
    struct json_object *scheduling = json_get(s, "scheduling"),
                       *ext = json_get(scheduling, "sched_ext");
    const char *state = str(ext, "state"), *why = str(json_get(ext, "error"), "what");
    uint64_t rules = num(scheduling, "rules");

    if (!rules)
        return;
    label(p, "scheduling");
    put_count(p->sb, rules);
    sb_puts(p->sb, rules == 1 ? " rule, served by " : " rules, served by ");
    if (streq(state, "in charge"))
        sb_puts(p->sb, "safeguard's scheduler (sched_ext)");
    else if (*why)
        colored(p, COLOR_YELLOW, "the default scheduler");
    else
        sb_puts(p->sb, "the default scheduler");
    sb_putc(p->sb, '\n');
    if (*why) {
        label(p, "");
        put_escaped(p->sb, why);
        sb_putc(p->sb, '\n');
    }
    if (streq(str(scheduling, "io_weight"), "nothing")) {
        label(p, "");
        colored(p, COLOR_YELLOW, "io_weight has no effect");
        sb_puts(p->sb, ": no disk has the scheduler BFQ, and iocost is enabled for none\n");
    }
}

// Only while it is, or is to be.
static void put_isolation(const struct page *p, struct json_object *s)
{
    struct json_object *i = json_get(s, "isolation");

    if (json_get_bool(i, "on", 0) != 1)
        return;
    label(p, "isolation");
    colored(p, COLOR_RED, json_get_bool(i, "in_force", 0) == 1 ? "isolated" : "not in force yet");
    sb_puts(p->sb, " until ");
    put_time(p->sb, num(i, "until_ms"));
    sb_puts(p->sb, ", by ");
    put_escaped(p->sb, str(i, "by"));
    if (*str(i, "reason")) {
        sb_puts(p->sb, ": ");
        put_escaped(p->sb, str(i, "reason"));
    }
    sb_putc(p->sb, '\n');
}

// Only where it is looked at.
static void put_network(const struct page *p, struct json_object *s)
{
    struct json_object *n = json_get(s, "network");
    bool flows = json_get_bool(n, "flows", 0) == 1, dns = json_get_bool(n, "dns", 0) == 1;

    if (!flows && !dns)
        return;
    label(p, "network");
    if (flows) {
        put_count(p->sb, num(n, "live"));
        sb_puts(p->sb, " flows go on");
    }
    if (dns) {
        sb_puts(p->sb, flows ? ", " : "");
        put_count(p->sb, num(n, "names_learnt"));
        sb_puts(p->sb, " names learnt");
    }
    if (num(n, "merged")) {
        sb_puts(p->sb, ", ");
        put_count(p->sb, num(n, "merged"));
        sb_puts(p->sb, " records became parts of others");
    }
    sb_putc(p->sb, '\n');
    if (*str(n, "not_seen")) {
        label(p, "");
        colored(p, COLOR_YELLOW, "not seen on this kernel");
        sb_puts(p->sb, ": ");
        put_escaped(p->sb, str(n, "not_seen"));
        sb_putc(p->sb, '\n');
    }
}

// "eth0: in tcx, early xdp native": only where rules are about packets.
static void put_packets(const struct page *p, struct json_object *s)
{
    static const char *const places[] = {"in", "out", "early"};
    struct json_object *packets = json_get(s, "packets"), *rules = json_get(packets, "rules"),
                       *interfaces = json_get(packets, "interfaces");
    uint64_t seen = 0, drops = 0;

    if (length(rules) == 0)
        return;
    for (size_t i = 0; i < length(rules); i++) {
        seen += num(json_object_array_get_idx(rules, i), "packets");
        drops += num(json_object_array_get_idx(rules, i), "drops");
    }
    label(p, "packets");
    put_count(p->sb, length(rules));
    sb_puts(p->sb, length(rules) == 1 ? " rule, " : " rules, ");
    put_count(p->sb, seen);
    sb_puts(p->sb, " packets decided, ");
    put_count(p->sb, drops);
    sb_puts(p->sb, " dropped\n");
    for (size_t i = 0; i < length(interfaces); i++) {
        struct json_object *at = json_object_array_get_idx(interfaces, i);
        const char *between = ": ";

        label(p, "");
        put_escaped(p->sb, str(at, "interface"));
        for (size_t k = 0; k < ARRAY_SIZE(places); k++) {
            if (!*str(at, places[k]))
                continue;
            sb_printf(p->sb, "%s%s ", between, places[k]);
            put_escaped(p->sb, str(at, places[k]));
            between = ", ";
        }
        sb_putc(p->sb, '\n');
    }
}

static void put_losses(const struct page *p, struct json_object *s)
{
    struct json_object *losses = json_get(s, "losses");
    size_t n = 0;

    label(p, "lost");
    if (json_object_is_type(losses, json_type_object)) {
        json_object_object_foreach(losses, key, value)
        {
            uint64_t count = json_object_get_uint64(value);

            if (count == 0)
                continue;
            sb_puts(p->sb, n++ ? ", " : "");
            for (const char *c = key; *c; c++)
                sb_putc(p->sb, *c == '_' ? ' ' : *c);
            sb_puts(p->sb, ": ");
            put_count(p->sb, count);
        }
    }
    sb_puts(p->sb, n ? "\n" : "nothing\n");
}

static void put_scans(const struct page *p, struct json_object *s)
{
    struct json_object *l = json_get(s, "hard_links"), *t = json_get(s, "self_test");

    label(p, "hard links");
    put_count(p->sb, num(l, "pinned"));
    sb_puts(p->sb, num(l, "pinned") == 1 ? " file with several names is known"
                                         : " files with several names are known");
    if (json_get_bool(l, "scanning", 0))
        sb_puts(p->sb, ", still looking");
    sb_putc(p->sb, '\n');
    label(p, "self-test");
    sb_puts(p->sb, "all hooks ");
    put_ago(p, num(t, "time_ms"));
    sb_putc(p->sb, '\n');
}

static void put_credentials(const struct page *p, struct json_object *s)
{
    const char *now = str(s, "credentials"), *wanted = str(s, "credentials_wanted");

    if (!*now || streq(wanted, "off"))
        return;
    label(p, "credentials");
    if (streq(now, "enforce"))
        sb_puts(p->sb, "who has some that no system call gave is killed");
    else if (streq(now, "record"))
        sb_puts(p->sb, "some that no system call gave are recorded");
    else
        colored(p, COLOR_RED, "nobody looks at them: this kernel lacks a hook that it takes");
    sb_putc(p->sb, '\n');
}

static const struct {
    const char *state;
    enum color color;
    bool attached;
} hook_states[] = {
    {"failed", COLOR_RED, true},      {"recording", COLOR_YELLOW, true},
    {"attached", COLOR_CYAN, true},   {"proved", COLOR_GREEN, true},
    {"untestable", COLOR_CYAN, true}, {"unavailable", COLOR_DIM, false},
    {"off", COLOR_DIM, false},
};

static void put_hook(const struct page *p, struct json_object *h, enum color color)
{
    sb_printf(p->sb, "  %s%-*s%s%-22s%s\n", color_seq(p->color, color), LABEL_WIDTH,
              str(h, "state"), color_seq(p->color, COLOR_RESET), str(h, "id"), str(h, "help"));
    if (*str(h, "reason")) {
        sb_printf(p->sb, "  %-*s", LABEL_WIDTH, "");
        put_escaped(p->sb, str(h, "reason"));
        sb_putc(p->sb, '\n');
    }
    if (*str(h, "cure")) {
        sb_printf(p->sb, "  %-*sto do: ", LABEL_WIDTH, "");
        put_escaped(p->sb, str(h, "cure"));
        sb_putc(p->sb, '\n');
    }
}

static void put_hooks(const struct page *p, struct json_object *s, bool all)
{
    struct json_object *hooks = json_get(s, "hooks");
    size_t hidden = 0;

    sb_puts(p->sb, "\nHooks:\n");
    for (size_t k = 0; k < ARRAY_SIZE(hook_states); k++)
        for (size_t i = 0; i < length(hooks); i++) {
            struct json_object *h = json_object_array_get_idx(hooks, i);

            if (!streq(str(h, "state"), hook_states[k].state))
                continue;
            if (hook_states[k].attached || all)
                put_hook(p, h, hook_states[k].color);
            else
                hidden++;
        }
    if (hidden)
        sb_printf(p->sb, "  and %zu that no rule needs or this kernel lacks (--all)\n", hidden);
}

static void put_descriptors(const struct page *p, struct json_object *s)
{
    struct json_object *old = json_get(s, "old_descriptors"), *list = json_get(old, "list");

    if (*str(old, "checked_because"))
        sb_printf(p->sb, "\nEvery read and write is checked: %s\n", str(old, "checked_because"));
    if (length(list) == 0)
        return;
    sb_puts(p->sb, "\nOpen since before the policy:\n");
    for (size_t i = 0; i < length(list); i++) {
        struct json_object *d = json_object_array_get_idx(list, i);

        sb_puts(p->sb, "  ");
        put_escaped(p->sb, str(d, "comm"));
        sb_printf(p->sb, "[%llu] ", (unsigned long long)num(d, "pid"));
        put_escaped(p->sb, str(d, "path"));
        sb_printf(p->sb, " (descriptor %llu)", (unsigned long long)num(d, "fd"));
        if (*str(d, "rule_file")) {
            sb_puts(p->sb, "  ");
            put_escaped(p->sb, str(d, "rule_file"));
            sb_printf(p->sb, ":%llu", (unsigned long long)num(d, "rule_line"));
        }
        sb_putc(p->sb, '\n');
    }
}

// True when none of them is serious.
static bool put_problems(const struct page *p, struct json_object *s)
{
    struct json_object *problems = json_get(s, "problems");
    bool well = true;

    if (length(problems))
        sb_puts(p->sb, "\nNeeds attention:\n");
    for (size_t i = 0; i < length(problems); i++) {
        struct json_object *one = json_object_array_get_idx(problems, i);
        bool serious = streq(str(one, "severity"), "critical") ||
                       streq(str(one, "severity"), "high");

        well = well && !serious;
        sb_printf(p->sb, "  %s%-*s%s", color_seq(p->color, serious ? COLOR_RED : COLOR_YELLOW),
                  LABEL_WIDTH, str(one, "severity"), color_seq(p->color, COLOR_RESET));
        put_escaped(p->sb, str(one, "what"));
        if (*str(one, "cure")) {
            sb_printf(p->sb, "\n  %-*sto do: ", LABEL_WIDTH, "");
            put_escaped(p->sb, str(one, "cure"));
        }
        sb_putc(p->sb, '\n');
    }
    return well;
}

bool render_status(struct json_object *status, bool color, bool all, struct strbuf *sb)
{
    const struct page page = {.sb = sb, .color = color, .now_ms = num(status, "now_ms")};
    bool well;

    put_headline(&page, status);
    put_agent(&page, status);
    put_kernel(&page, status);
    put_quick(&page, status);
    put_defence(&page, status);
    put_policy(&page, status);
    put_records(&page, status);
    put_server(&page, status);
    put_scheduling(&page, status);
    put_isolation(&page, status);
    put_network(&page, status);
    put_packets(&page, status);
    put_losses(&page, status);
    put_scans(&page, status);
    put_credentials(&page, status);
    well = put_problems(&page, status);
    put_descriptors(&page, status);
    put_hooks(&page, status, all);
    return well;
}
