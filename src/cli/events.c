// SPDX-License-Identifier: Apache-2.0
//
// `safeguard events`: from the file of records, or live from the agent.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "cli/tail.h"

#define EVENTS_FILE   "/var/log/safeguard/events.ndjson"
#define FOLLOW_BEFORE 10   // lines shown first when following
#define EXPORT_LIMIT  1000 // of a server, where neither a time nor a number is given

enum {
    OPT_FOLLOW = OPT_OWN,
    OPT_DENIED,
    OPT_RULE,
    OPT_PATH,
    OPT_PROCESS,
    OPT_USER,
    OPT_PEER,
    OPT_SINCE,
    OPT_LIMIT,
    OPT_FILE,
    OPT_LIVE,
};

static const struct option_row rows[] = {
    {'f', "follow", NULL, "go on with what happens from now on", OPTION_FLAG, OPT_FOLLOW, NULL},
    {'d', "denied", NULL, "only what was or would be denied", OPTION_FLAG, OPT_DENIED, NULL},
    {'r', "rule", "RULE", "only this rule: FILE:LINE, FILE, or the name of a policy", OPTION_ARG,
     OPT_RULE, NULL},
    {'p', "path", "GLOB", "only these paths; '*' also stands for '/'", OPTION_ARG, OPT_PATH,
     "FILE"},
    {'P', "process", "NAME|PID|UID",
     "only this program or process; UID is a process.uid, as records have it", OPTION_ARG,
     OPT_PROCESS, NULL},
    {'u', "user", "USER", "only this user (name or number), also as the one who logged in",
     OPTION_ARG, OPT_USER, NULL},
    {0, "peer", "ADDRESS|NAME", "only those with this address or domain name ('*' matches)",
     OPTION_ARG, OPT_PEER, NULL},
    {'s', "since", "TIME", "only after TIME: 10m, 2h, 14:05, \"2026-01-31 14:05\"", OPTION_ARG,
     OPT_SINCE, NULL},
    {'n', "limit", "N", "only the last N (default: all; with --follow: 10 before it begins)",
     OPTION_ARG, OPT_LIMIT, NULL},
    {0, "file", "PATH", "read this file (default: " EVENTS_FILE ")", OPTION_ARG, OPT_FILE, "FILE"},
    {0, "live", NULL, "get the records from the agent, not from the file; implies --follow",
     OPTION_FLAG, OPT_LIVE, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_SERVER,
    ROW_HELP,
};

const struct command_options events_options = {
    .description =
        "Each line says when, what became of it (DENIED, WOULD DENY in monitor mode, NOT HELD where the "
        "kernel could only record, audit), who, what, and which rule. With --json the records themselves are "
        "written, one a line.\n\n"
        "The file of records is read with its rotated predecessors; --follow goes on through rotations. Where "
        "there is no file, records come live from the agent. With --server they are those of all hosts that report to the "
        "server: without --since the last 1,000 of a day.\n\n"
        "Exit status: 0 records were shown, 1 none was there, 2 wrong usage, 3 no agent or server answers, 4 failure.",
    .rows = rows,
    .n_rows = ARRAY_SIZE(rows),
};

struct show {
    struct cli *cli;
    struct event_filter filter;
    const char *file;
    bool follow, live, limited;
    uint64_t limit;

    char **last; // the last `limit` lines that fit, as a ring
    uint64_t n_last;
    uint64_t shown, bad;
    char day[16];
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct show *s = ctx;

    switch (id) {
    case OPT_FOLLOW: s->follow = true; break;
    case OPT_DENIED: s->filter.denied = true; break;
    case OPT_RULE: s->filter.rule = arg; break;
    case OPT_PATH: s->filter.path = arg; break;
    case OPT_PROCESS: s->filter.process = arg; break;
    case OPT_USER: s->filter.user = arg; break;
    case OPT_PEER: s->filter.peer = arg; break;
    case OPT_FILE: s->file = arg; break;
    case OPT_LIVE: s->live = true; break;
    case OPT_SINCE:
        if (parse_since(arg, time(NULL), &s->filter.since_ms) < 0) {
            (void)error_set(err, -EINVAL, "--since: '%s' is no time", arg);
            error_expected(err, "10m, 2h30m, 14:05, 2026-01-31, \"2026-01-31 14:05\"");
            return -EINVAL;
        }
        break;
    case OPT_LIMIT:
        if (parse_u64(arg, &s->limit) < 0 || s->limit > 1000000)
            return error_set(err, -EINVAL, "--limit: '%s' is no number up to 1000000", arg);
        s->limited = true;
        break;
    }
    return 0;
}

// Prints a record. False: nobody reads any more.
static bool print_record(struct show *s, struct json_object *record, const char *line, size_t len)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (s->cli->json) {
        sb_add(&sb, line, len);
        sb_putc(&sb, '\n');
    } else {
        render_event(record, s->cli->color, s->day, &sb);
    }
    s->shown++;
    return cli_print(&sb, CLI_OK) == CLI_OK;
}

// True when nothing went wrong with the output.
static bool take(struct show *s, const char *line, size_t len, bool keep)
{
    struct json_object *record = control_json_parse(line, len);
    bool well = true;

    if (!record) {
        s->bad += len > 0;
        return true;
    }
    if (event_matches(record, &s->filter)) {
        if (keep && s->limit) {
            char **slot = &s->last[s->n_last++ % s->limit];

            free(*slot);
            *slot = xstrndup(line, len);
        } else if (!keep) {
            well = print_record(s, record, line, len);
        }
    }
    json_object_put(record);
    return well;
}

static bool print_kept(struct show *s)
{
    uint64_t first = s->n_last > s->limit ? s->n_last - s->limit : 0;
    bool well = true;

    for (uint64_t i = first; i < s->n_last && well; i++) {
        const char *line = s->last[i % s->limit];

        well = !line || take(s, line, strlen(line), false);
    }
    for (uint64_t i = 0; i < s->limit && s->last; i++)
        free(s->last[i]);
    free(s->last);
    s->last = NULL;
    return well;
}

static int drain(struct show *s, struct tail *t, bool keep)
{
    const char *line;
    size_t len;
    int r;

    while ((r = tail_next(t, &line, &len)) > 0)
        if (!take(s, line, len, keep))
            return -EPIPE;
    return r;
}

static int show_file(struct show *s, struct tail *t)
{
    int r;

    if (s->follow && !s->limited) {
        s->limited = s->filter.since_ms == 0;
        s->limit = FOLLOW_BEFORE;
    }
    if (s->limited) {
        s->last = new0(char *, s->limit + 1);
        if (!s->last)
            return -ENOMEM;
    }
    r = drain(s, t, s->limited);
    if (s->limited && !print_kept(s))
        r = -EPIPE;
    while (r == 0 && s->follow) {
        r = tail_wait(t, -1);
        r = r < 0 ? r : drain(s, t, false);
    }
    return r == -EINTR ? 0 : r;
}

static int show_live(struct show *s)
{
    _cleanup_(control_client_freep) struct control_client *client = NULL;
    struct json_object *result = NULL;
    struct control_frame frame;
    struct error err = {};
    int r;

    r = control_client_new(s->cli->socket, 0, &client, &err);
    r = r < 0 ? r : control_client_call(client, CONTROL_events_subscribe, NULL, &result, &err);
    json_object_put(result);
    while (r >= 0) {
        r = control_client_next(client, -1, &frame, &err);
        if (r > 0 && frame.kind == CONTROL_EVENT && !take(s, frame.payload, frame.len, false))
            return CLI_FAILED;
        if (r > 0 && frame.kind == CONTROL_LOST)
            (void)fprintf(stderr,
                          "safeguard: records were left out, this terminal was too slow: %.*s\n",
                          (int)MIN(frame.len, (size_t)64), frame.payload);
    }
    return r == -EINTR ? CLI_OK : cli_fail(&err);
}

// A filter that the server applies, so that not everything has to come here; what it lets through is looked at here again.
static void put_filter(struct strbuf *url, const struct show *s)
{
    const char *path = s->filter.path;
    size_t plain = path ? strcspn(path, "*?[") : 0;

    if (s->filter.denied)
        url_param(url, "outcome", "denied,would-deny,not-held");
    // A literal path, or everything behind one.
    if (path && (!path[plain] || streq(path + plain, "*")))
        url_param(url, "path", path);
}

static int on_export(void *ctx, const char *line, size_t len)
{
    struct show *s = ctx;

    return take(s, line, len, s->limited) ? 0 : -EPIPE;
}

// Server-sent events (the WHATWG's HTML standard, 9.2): one line of data each, the record as it came.
static int on_stream(void *ctx, const char *line, size_t len)
{
    const size_t head = strlen("data: ");
    struct json_object *event, *record;
    struct show *s = ctx;
    const char *text;
    bool well = true;

    if (len <= head || memcmp(line, "data: ", head) != 0)
        return 0;
    event = control_json_parse(line + head, len - head);
    record = json_get(event, "record");
    if (record) {
        text = json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE);
        well = take(s, text, strlen(text), false);
    } else if (json_get_u64(event, "lost", 0)) {
        (void)fprintf(stderr, "safeguard: %llu records were left out, this terminal was too slow\n",
                      (unsigned long long)json_get_u64(event, "lost", 0));
    }
    json_object_put(event);
    return well ? 0 : -EPIPE;
}

static int show_remote(struct show *s)
{
    _cleanup_(sb_done) struct strbuf before = {}, after = {};
    _cleanup_(remote_freep) struct remote *r = NULL;
    struct error err = {};
    int code;

    code = remote_new(s->cli, &r, &err);
    if (code < 0)
        return cli_fail(&err);
    sb_puts(&before, "/events/export");
    put_filter(&before, s);
    if (s->filter.since_ms)
        url_param_u64(&before, "from", s->filter.since_ms);
    else
        url_param(&before, "from", "-24h");
    if (!s->limited) {
        s->limited = s->filter.since_ms == 0;
        s->limit = s->follow ? FOLLOW_BEFORE : EXPORT_LIMIT;
    }
    if (s->limited) {
        s->last = new0(char *, s->limit + 1);
        if (!s->last)
            return CLI_FAILED;
    }
    code = remote_lines(r, sb_str(&before), on_export, s, &err);
    if (s->limited && !print_kept(s))
        code = -EPIPE;
    if (code == 0 && s->follow) {
        sb_puts(&after, "/events/stream");
        put_filter(&after, s);
        s->limited = false;
        url_param(&after, "full", "yes");
        code = remote_lines(r, sb_str(&after), on_stream, s, &err);
    }
    if (code == -EPIPE)
        return CLI_FAILED;
    if (code < 0)
        return cli_fail(&err);
    return s->shown || s->follow ? CLI_OK : CLI_NEGATIVE;
}

static void on_signal(int signo _unused_)
{
}

// Ctrl-C ends following, not the program half way through a line.
static void end_on_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int cmd_events(struct cli *cli)
{
    struct show s = {.cli = cli, .file = NULL};
    _cleanup_(tail_freep) struct tail *t = NULL;
    struct error err = {};
    int r;

    r = cli_parse(cli, on_option, &s);
    if (r >= 0)
        return r;
    if (cli->server)
        return show_remote(&s);
    if (s.follow || s.live)
        end_on_interrupt();
    if (s.live)
        return show_live(&s);
    r = tail_new(s.file ? s.file : EVENTS_FILE, true, s.follow, &t);
    if (r == -ENOENT && !s.file && access(cli->socket, F_OK) == 0) {
        // The agent writes elsewhere: to the journal, or to another file.
        end_on_interrupt();
        return show_live(&s);
    }
    r = r < 0 ? r : show_file(&s, t);
    if (r < 0 && r != -EPIPE) {
        (void)error_set(&err, r, "%s: %m", s.file ? s.file : EVENTS_FILE);
        if (r == -ENOENT)
            error_cure(&err, "name the file with --file, or start the agent");
        else if (r == -EACCES)
            error_cure(&err, "run this command as root");
        return cli_fail(&err);
    }
    if (s.bad)
        (void)fprintf(stderr, "safeguard: %llu lines are no records\n", (unsigned long long)s.bad);
    return s.shown || s.follow ? CLI_OK : CLI_NEGATIVE;
}
