// SPDX-License-Identifier: Apache-2.0
//
// `safeguard top`: asks the agent once an interval and draws what it says. On a terminal the screen is drawn anew by the sequences
// that every terminal of the last forty years knows (ECMA-48); elsewhere, each answer is printed behind the one before.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/render.h"
#include "cli/screen.h"

enum { OPT_SCHED = OPT_OWN, OPT_INTERVAL, OPT_SORT, OPT_ONCE, OPT_LIMIT };

#define ROWS_DEFAULT 40u
#define ROWS_MAX     1000u
#define FIRST_MS     60000u // the agent may have to load programs first

#define SORTS "cpu memory io threads switches delay wait"

static const struct option_row top_rows[] = {
    {0, "sched", NULL, "how processes are scheduled: switches, waits for a CPU, what they wait for",
     OPTION_FLAG, OPT_SCHED, NULL},
    {'i', "interval", "TIME", "how long each look lasts, such as 500ms or 2s (default: 1s)",
     OPTION_ARG, OPT_INTERVAL, NULL},
    {0, "sort", "WHAT", "what the greatest of stands first: " SORTS, OPTION_ARG, OPT_SORT, SORTS},
    {'n', "limit", "N", "how many processes, at most 1000 (default: 40, or as many as fit)",
     OPTION_ARG, OPT_LIMIT, NULL},
    {0, "once", NULL, "one look and no more", OPTION_FLAG, OPT_ONCE, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options top_options = {
    .description =
        "CPU is in percent of one processor, as is everything else with a percent sign; of a process with many threads it may "
        "be more than 100. With --sched, WAIT is the time in which it could have run and had no CPU, MEAN, 95 % and MAX say how "
        "long one wait was, and SLEEP, I/O and LOCK what it waited for otherwise. These are bounds by powers of two, counted in "
        "the kernel while this command looks: the setting `scheduling` of the agent may forbid it, or have it counted all the "
        "time.\n\n"
        "On a terminal, q ends it; c, m, i, t, s, d and w sort by CPU, memory, I/O, threads, switches, delay and waiting. "
        "Elsewhere each look is printed behind the last one, with --json as one line each.",
    .rows = top_rows,
    .n_rows = ARRAY_SIZE(top_rows),
};

struct top {
    struct cli *cli;
    bool sched, once;
    const char *sort;
    uint32_t interval_ms, limit;
    uint64_t since; // the sample before
    struct screen screen;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct top *t = ctx;
    unsigned long n;
    char *end;

    switch (id) {
    case OPT_SCHED: t->sched = true; return 0;
    case OPT_ONCE: t->once = true; return 0;
    case OPT_SORT: t->sort = arg; return 0; // the agent knows the words
    case OPT_INTERVAL:
        return interval_parse(arg, &t->interval_ms) == 0
                   ? 0
                   : cli_bad_value(err, "--interval", arg, INTERVAL_TEXT);
    case OPT_LIMIT:
        n = strtoul(arg, &end, 10);
        if (end == arg || *end || n == 0 || n > ROWS_MAX)
            return cli_bad_value(err, "--limit", arg, "a number from 1 to 1000");
        t->limit = (uint32_t)n;
        return 0;
    default: return 0;
    }
}

static int ask(struct top *t, uint32_t timeout_ms, struct json_object **ret)
{
    _cleanup_(sb_done) struct strbuf args = {};
    struct jw jw;
    int r;

    jw_init(&jw, &args);
    jw_begin_object(&jw);
    jw_kv_bool(&jw, "sched", t->sched);
    jw_kv_u64(&jw, "since", t->since);
    jw_kv_str(&jw, "sort", t->sort);
    jw_kv_u64(&jw, "limit", t->limit);
    jw_end_object(&jw);
    if (jw_finish(&jw) < 0)
        return CLI_FAILED;
    r = cli_ask(t->cli, CONTROL_top, sb_str(&args), timeout_ms, ret);
    if (r == 0)
        t->since = json_get_u64(*ret, "sample", 0);
    return r;
}

static int show(const struct top *t, struct json_object *answer)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    unsigned lines, width;

    if (t->cli->json && t->once) {
        cli_pretty(answer, &sb);
    } else if (t->cli->json) {
        sb_puts(&sb, json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE));
        sb_putc(&sb, '\n');
    } else {
        screen_begin(&t->screen, &sb, &lines, &width);
        render_top(answer, t->cli->color, lines, width, &sb);
        if (!t->once && !lines)
            sb_putc(&sb, '\n');
    }
    return cli_print(&sb, CLI_OK);
}

// What a key sorts by; NULL: it is none of those.
static const char *sort_of_key(char key)
{
    static const struct {
        char key;
        const char *sort;
    } keys[] = {{'c', "cpu"},      {'m', "memory"}, {'i', "io"},  {'t', "threads"},
                {'s', "switches"}, {'d', "delay"},  {'w', "wait"}};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].key == key)
            return keys[i].sort;
    return NULL;
}

// Waits for the interval, or for a key. True: it is to end.
static bool wait_interval(struct top *t)
{
    uint64_t until = now_ns(CLOCK_MONOTONIC) + t->interval_ms * NS_PER_MS;

    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        uint32_t left = now < until ? (uint32_t)((until - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
        char key;
        int r = screen_wait(&t->screen, left, &key);

        if (r <= 0)
            return r < 0;
        if (key == 'q')
            return true;
        // Looked at and drawn at once: the interval may be long.
        if (sort_of_key(key)) {
            t->sort = sort_of_key(key);
            return false;
        }
    }
}

int cmd_top(struct cli *cli)
{
    struct top t = {.cli = cli,
                    .sort = "cpu",
                    .interval_ms = 1000,
                    .limit = ROWS_DEFAULT,
                    .screen = {.signals = -1}};
    struct json_object *answer = NULL;
    int r;

    r = cli_parse(cli, on_option, &t);
    r = r >= 0 ? r : cli_operands(cli, 0, 0);
    if (r >= 0)
        return r;
    // What was before the first look says nothing of now.
    r = ask(&t, FIRST_MS, &answer);
    if (r != 0)
        return r;
    json_object_put(answer);
    if (!t.once && !cli->json)
        screen_enter(&t.screen);
    cli->leave = screen_leave;
    cli->leave_ctx = &t.screen;
    while (r == 0 && !wait_interval(&t)) {
        r = ask(&t, 0, &answer);
        if (r == 0) {
            r = show(&t, answer);
            json_object_put(answer);
        }
        if (t.once)
            break;
    }
    cli->leave = NULL;
    cli->leave_ctx = NULL;
    screen_leave(&t.screen);
    return r;
}
