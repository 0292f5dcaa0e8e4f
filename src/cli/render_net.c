// SPDX-License-Identifier: Apache-2.0
//
// Who talks to whom, in columns: live and ended flows, questions, drops, and the map.
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/render.h"

static const char *str(struct json_object *o, const char *key)
{
    return json_get_str(o, key, "");
}

static uint64_t num(struct json_object *o, const char *key)
{
    return json_get_u64(o, key, 0);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

// "tcp"; the number of those that have no name here.
static void put_protocol(struct columns *c, struct json_object *row)
{
    static const struct {
        uint64_t number;
        const char *name;
    } names[] = {{1, "icmp"}, {2, "igmp"},   {6, "tcp"},    {17, "udp"},      {47, "gre"},
                 {50, "esp"}, {58, "icmp6"}, {132, "sctp"}, {136, "udplite"}, {255, "raw"}};
    uint64_t number = num(row, "protocol");
    char digits[24];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].number == number) {
            columns_put(c, names[i].name);
            return;
        }
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    columns_put(c, number ? digits : "");
}

// "10.0.0.1:443", "[::1]:443"
static void sb_end(struct strbuf *sb, const char *address, uint64_t port)
{
    bool v6 = strchr(address, ':') && port;

    sb_printf(sb, "%s%s%s", v6 ? "[" : "", address, v6 ? "]" : "");
    if (port)
        sb_printf(sb, ":%llu", (unsigned long long)port);
}

static void put_end(struct columns *c, struct json_object *row, const char *address,
                    const char *port)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_end(&sb, str(row, address), num(row, port));
    columns_put(c, sb_str(&sb));
}

static void put_program(struct columns *c, struct json_object *row)
{
    const char *container = json_get_str(row, "container", NULL);
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_puts(&sb, base_name(str(row, "program")));
    if (num(row, "pid"))
        sb_printf(&sb, " (%llu)", (unsigned long long)num(row, "pid"));
    if (container)
        sb_printf(&sb, " [%.12s]", container);
    columns_put(c, sb_str(&sb));
}

static void put_bytes_cell(struct columns *c, struct json_object *row, const char *key)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (json_get(row, key))
        put_bytes(&sb, num(row, key));
    columns_put(c, sb_str(&sb));
}

static bool is_same_flow(struct json_object *a, struct json_object *b)
{
    return num(a, "local_port") == num(b, "local_port") &&
           num(a, "remote_port") == num(b, "remote_port") &&
           num(a, "protocol") == num(b, "protocol") && streq(str(a, "local"), str(b, "local")) &&
           streq(str(a, "remote"), str(b, "remote")) &&
           streq(str(a, "process_uid"), str(b, "process_uid"));
}

// Bytes a second, both ways: since the answer before; of what has ended, over its life.
static void put_rate(struct columns *c, struct json_object *row, struct json_object *before,
                     uint64_t ms)
{
    struct json_object *live = json_get(before, "live");
    uint64_t bytes = num(row, "bytes_out") + num(row, "bytes_in"), earlier = 0;
    _cleanup_(sb_done) struct strbuf sb = {};
    bool known = false;

    if (json_get(row, "end_ms")) {
        ms = num(row, "end_ms") - num(row, "begin_ms");
        known = json_get(row, "begin_ms") && num(row, "end_ms") > num(row, "begin_ms");
    } else {
        for (size_t i = 0; i < cli_length(live) && !known; i++) {
            struct json_object *was = json_object_array_get_idx(live, i);

            known = ms && is_same_flow(was, row) && json_get(row, "bytes_out");
            earlier = known ? num(was, "bytes_out") + num(was, "bytes_in") : 0;
        }
    }
    if (known && bytes >= earlier) {
        put_bytes(&sb, (bytes - earlier) * 1000 / ms);
        sb_puts(&sb, "/s");
    }
    columns_put(c, sb_str(&sb));
}

static void put_us(struct columns *c, struct json_object *row, const char *key)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (num(row, key))
        put_ns(&sb, num(row, key) * NS_PER_US);
    columns_put(c, sb_str(&sb));
}

static bool is_bad(const char *reason)
{
    static const char *const bad[] = {"timed_out", "refused", "unreachable",
                                      "failed",    "aborted", "reset_received"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (streq(bad[i], reason))
            return true;
    return false;
}

static void put_state(struct columns *c, struct json_object *row)
{
    const char *type = str(row, "type"), *reason = json_get_str(row, "reason", NULL);

    if (reason && is_bad(reason))
        columns_color(c, COLOR_RED);
    columns_put(c, reason                      ? reason
                   : streq(type, "listen")     ? "listens"
                   : num(row, "protocol") == 6 ? "connected"
                                               : "goes on");
}

static void put_flow(struct columns *c, struct json_object *row, struct json_object *before,
                     uint64_t ms)
{
    const char *peer = str(row, "peer_program");
    _cleanup_(sb_done) struct strbuf name = {};

    put_program(c, row);
    put_protocol(c, row);
    put_end(c, row, "local", "local_port");
    columns_put(c, json_get_bool(row, "incoming", 0) ? "<-" : json_get(row, "remote") ? "->" : "");
    put_end(c, row, "remote", "remote_port");
    sb_puts(&name, str(row, "name"));
    if (*peer)
        sb_printf(&name, "%s%s", name.len ? ", " : "", base_name(peer));
    columns_put(c, sb_str(&name));
    put_state(c, row);
    put_bytes_cell(c, row, "bytes_out");
    put_bytes_cell(c, row, "bytes_in");
    put_rate(c, row, before, ms);
    put_us(c, row, "rtt_us");
    if (num(row, "retransmits"))
        columns_put_count(c, num(row, "retransmits"));
    else
        columns_put(c, "");
}

static void render_flows(struct json_object *net, struct json_object *before, bool color,
                         struct strbuf *sb)
{
    static const struct columns titles = {
        .n = 12,
        .titles = {"PROGRAM", "", "HERE", "", "THERE", "NAME", "STATE", "OUT", "IN", "RATE", "RTT",
                   "RESENT"},
    };
    static const char *const lists[] = {"live", "closed"};
    _cleanup_(columns_done) struct columns c = titles;
    uint64_t now_ms = num(net, "now_ms"), then = num(before, "now_ms");

    sb_printf(sb, "%zu go on, %zu ended\n", cli_length(json_get(net, "live")),
              cli_length(json_get(net, "closed")));
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
        struct json_object *list = json_get(net, lists[k]);

        for (size_t i = 0; i < cli_length(list); i++)
            put_flow(&c, json_object_array_get_idx(list, i), before,
                     before && now_ms > then ? now_ms - then : 0);
    }
    columns_print(&c, color, sb);
}

static void put_answers(struct columns *c, struct json_object *row)
{
    struct json_object *answers = json_get(row, "answers");
    const char *rcode = str(row, "rcode");
    _cleanup_(sb_done) struct strbuf sb = {};

    if (!json_get_bool(row, "answered", 0)) {
        columns_color(c, COLOR_YELLOW);
        columns_put(c, "no answer");
        return;
    }
    for (size_t i = 0; i < cli_length(answers); i++)
        sb_printf(&sb, "%s%s", i ? ", " : "",
                  str(json_object_array_get_idx(answers, i), "address"));
    if (!streq(rcode, "NoError"))
        columns_color(c, COLOR_YELLOW);
    columns_put(c, sb.len ? sb_str(&sb) : rcode);
}

static void render_dns(struct json_object *net, bool color, struct strbuf *sb)
{
    _cleanup_(columns_done) struct columns c = {.n = 7,
                                                .titles = {"AGO", "PROGRAM", "NAME", "TYPE",
                                                           "ANSWER", "TOOK", "SERVER"}};
    struct json_object *list = json_get(net, "questions");

    for (size_t i = 0; i < cli_length(list); i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        char number[24];

        (void)snprintf(number, sizeof(number), "TYPE%llu",
                       (unsigned long long)num(row, "type_number"));
        columns_put_ago(&c, num(row, "time_ms"), num(net, "now_ms"));
        put_program(&c, row);
        columns_put(&c, *str(row, "name") ? str(row, "name") : ".");
        columns_put(&c, json_get_str(row, "type", number));
        put_answers(&c, row);
        put_us(&c, row, "duration_us");
        put_end(&c, row, "server", "server_port");
    }
    columns_print(&c, color, sb);
}

// The service, as the kernel side adds it up: those above 1023 have no number of their own.
static void put_service(struct columns *c, struct json_object *row)
{
    uint64_t service = num(row, "service");
    char number[24];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)service);
    columns_put(c, service == 0       ? ""
                   : service == 1024  ? "1024-32767"
                   : service == 32768 ? "32768-65535"
                                      : number);
}

static void render_drops(struct json_object *net, bool color, struct strbuf *sb)
{
    _cleanup_(columns_done) struct columns c = {.n = 8,
                                                .titles = {"PACKETS", "BYTES", "LAST", "REASON",
                                                           "PLACE", "", "PORT", "SUCH AS"}};
    struct json_object *list = json_get(net, "drops");

    for (size_t i = 0; i < cli_length(list); i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        _cleanup_(sb_done) struct strbuf ends = {};

        columns_put_count(&c, num(row, "packets"));
        put_bytes_cell(&c, row, "bytes");
        columns_put_ago(&c, num(row, "last_ms"), num(net, "now_ms"));
        columns_put(&c, str(row, "reason"));
        columns_put(&c, str(row, "place"));
        put_protocol(&c, row);
        put_service(&c, row);
        sb_printf(&ends, "%s -> %s", str(row, "source"), str(row, "destination"));
        columns_put(&c, num(row, "protocol") ? sb_str(&ends) : "");
    }
    columns_print(&c, color, sb);
}

static void put_edge(struct columns *c, struct json_object *row, uint64_t now_ms)
{
    const char *peer = str(row, "peer_program"), *name = str(row, "name");
    bool incoming = json_get_bool(row, "incoming", 0);
    _cleanup_(sb_done) struct strbuf sb = {};
    char port[24];

    columns_put(c, base_name(str(row, "program")));
    columns_put(c, incoming ? "<-" : "->");
    // What says most: a program of this host, a name, an address.
    if (*peer)
        sb_printf(&sb, "%s here", base_name(peer));
    else if (*name)
        sb_printf(&sb, "%s (%s)", name, str(row, "peer"));
    else
        sb_puts(&sb, str(row, "peer"));
    columns_put(c, sb_str(&sb));
    put_protocol(c, row);
    (void)snprintf(port, sizeof(port), "%llu", (unsigned long long)num(row, "port"));
    columns_put(c, num(row, "port") ? port : "");
    columns_put_count(c, num(row, "flows"));
    if (num(row, "failed"))
        columns_color(c, COLOR_RED);
    columns_put_count(c, num(row, "failed"));
    put_bytes_cell(c, row, "bytes_out");
    put_bytes_cell(c, row, "bytes_in");
    columns_put_ago(c, num(row, "last_ms"), now_ms);
}

static void render_map(struct json_object *net, bool color, struct strbuf *sb)
{
    _cleanup_(columns_done) struct columns c = {.n = 10,
                                                .titles = {"PROGRAM", "", "WITH", "", "PORT",
                                                           "FLOWS", "FAILED", "OUT", "IN", "LAST"}};
    struct json_object *list = json_get(net, "edges");

    for (size_t i = 0; i < cli_length(list); i++)
        put_edge(&c, json_object_array_get_idx(list, i), num(net, "now_ms"));
    columns_print(&c, color, sb);
}

static void render_forwarded(struct json_object *net, bool color, struct strbuf *sb)
{
    _cleanup_(columns_done) struct columns c = {.n = 7,
                                                .titles = {"BYTES", "PACKETS", "LAST", "FROM", "TO",
                                                           "", "PORT"}};
    struct json_object *list = json_get(net, "forwarded");

    for (size_t i = 0; i < cli_length(list); i++) {
        struct json_object *row = json_object_array_get_idx(list, i);

        put_bytes_cell(&c, row, "bytes");
        columns_put_count(&c, num(row, "packets"));
        columns_put_ago(&c, num(row, "last_ms"), num(net, "now_ms"));
        columns_put(&c, str(row, "source"));
        columns_put(&c, str(row, "destination"));
        put_protocol(&c, row);
        put_service(&c, row);
    }
    columns_print(&c, color, sb);
}

// What is not looked at, though it is to be.
static void put_error(struct json_object *net, const char *key, bool color, struct strbuf *sb)
{
    struct json_object *error = json_get(net, key);

    if (!error)
        return;
    sb_puts(sb, color_seq(color, COLOR_RED));
    put_escaped(sb, str(error, "what"));
    sb_printf(sb, "%s\n", color_seq(color, COLOR_RESET));
}

void render_net(const char *what, struct json_object *net, struct json_object *before, bool color,
                unsigned lines, unsigned width, struct strbuf *sb)
{
    _cleanup_(sb_done) struct strbuf all = {};

    put_error(net, streq(what, "dns") ? "dns_error" : "flows_error", color, &all);
    if (streq(what, "flows"))
        render_flows(net, before, color, &all);
    else if (streq(what, "dns"))
        render_dns(net, color, &all);
    else if (streq(what, "drops"))
        render_drops(net, color, &all);
    else if (streq(what, "forwarded"))
        render_forwarded(net, color, &all);
    else
        render_map(net, color, &all);
    if (num(net, "more")) {
        put_count(&all, num(net, "more"));
        sb_puts(&all, " more: see --limit\n");
    }
    if (all.failed)
        sb->failed = true;
    put_cut(&all, lines, width, sb);
}

static bool process_matches(struct json_object *row, const char *wanted)
{
    uint64_t pid;

    if (parse_u64(wanted, &pid) == 0)
        return num(row, "pid") == pid;
    return fnmatch(wanted, str(row, "program"), 0) == 0 ||
           fnmatch(wanted, base_name(str(row, "program")), 0) == 0 ||
           fnmatch(wanted, base_name(str(row, "peer_program")), 0) == 0;
}

static bool peer_matches(struct json_object *row, const char *wanted)
{
    static const char *const keys[] = {"local",  "remote", "name",       "peer",
                                       "server", "source", "destination"};
    struct json_object *answers = json_get(row, "answers");

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (json_get(row, keys[i]) && fnmatch(wanted, str(row, keys[i]), 0) == 0)
            return true;
    for (size_t i = 0; i < cli_length(answers); i++)
        if (fnmatch(wanted, str(json_object_array_get_idx(answers, i), "address"), 0) == 0)
            return true;
    return false;
}

static void filter_list(struct json_object *net, const char *key, const struct net_filter *f)
{
    struct json_object *list = json_get(net, key), *kept;

    if (!list || !json_object_is_type(list, json_type_array))
        return;
    kept = json_object_new_array();
    for (size_t i = 0; kept && i < cli_length(list); i++) {
        struct json_object *row = json_object_array_get_idx(list, i);

        if ((!f->process || process_matches(row, f->process)) &&
            (!f->peer || peer_matches(row, f->peer)) && !(f->live && streq(key, "closed")))
            (void)json_object_array_add(kept, json_object_get(row));
    }
    if (kept)
        (void)json_object_object_add(net, key, kept);
}

void net_filter_apply(struct json_object *net, const struct net_filter *f)
{
    static const char *const lists[] = {"live",  "closed", "questions",
                                        "drops", "edges",  "forwarded"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        filter_list(net, lists[i], f);
}
