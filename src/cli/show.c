// SPDX-License-Identifier: Apache-2.0
//
// The short commands: status, doctor, stop, version.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonget.h"
#include "cli/cli.h"
#include "cli/render.h"
#include "sensor/sensor.h"

enum { OPT_ALL = OPT_OWN, OPT_DETACH, OPT_PIN_DIR };

static int on_flag(void *ctx, int id _unused_, const char *arg _unused_, struct error *err _unused_)
{
    *(bool *)ctx = true;
    return 0;
}

static int no_operands(const struct cli *cli)
{
    struct error err = {};

    if (cli->n_operands == 0)
        return -1;
    (void)error_set(&err, -EINVAL, "'%s' is not expected here", cli->operands[0]);
    return cli_usage(cli, &err);
}

// status -----------------------------------------------------------------------------------------------

static const struct option_row status_rows[] = {
    {'a', "all", NULL, "also show hooks that no rule needs or this kernel lacks", OPTION_FLAG,
     OPT_ALL, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options status_options = {
    .description =
        "A hook is \"proved\" when its last self-test was refused by the kernel and its record arrived; "
        "\"attached\" when there is nothing that it could refuse as a test; \"recording\" where this kernel "
        "cannot be trusted to deny; \"failed\" when the test went wrong.\n\n"
        "Quick decisions are those about files and directories that were met before. Where they are limited, the line "
        "\"decisions\" says why and what that costs; nothing is decided otherwise.\n\n"
        "Exit status: 0 nothing needs attention, 1 something serious does, 2 wrong usage, 3 no agent answers.",
    .rows = status_rows,
    .n_rows = ARRAY_SIZE(status_rows),
};

int cmd_status(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {}, unused = {};
    struct json_object *status = NULL;
    bool all = false, well;
    int r;

    r = cli_parse(cli, on_flag, &all);
    r = r >= 0 ? r : no_operands(cli);
    if (r >= 0)
        return r;
    r = cli_ask(cli, CONTROL_status, NULL, 0, &status);
    if (r != 0)
        return r;
    well = render_status(status, cli->color, all, cli->json ? &unused : &sb);
    if (cli->json)
        cli_pretty(status, &sb);
    json_object_put(status);
    return cli_print(&sb, well ? CLI_OK : CLI_NEGATIVE);
}

// doctor -----------------------------------------------------------------------------------------------

static const struct option_row doctor_rows[] = {ROW_JSON, ROW_COLOR, ROW_HELP};

const struct command_options doctor_options = {
    .description =
        "Needs no agent. Run it as root: what needs privileges cannot be looked at otherwise.\n\n"
        "Exit status: 0 this kernel can deny, 1 only in part, 2 it cannot protect this host.",
    .rows = doctor_rows,
    .n_rows = ARRAY_SIZE(doctor_rows),
};

int cmd_doctor(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct sensor_probe probe;
    struct error err = {};
    int r;

    r = cli_parse(cli, NULL, NULL);
    r = r >= 0 ? r : no_operands(cli);
    if (r >= 0)
        return r;
    r = sensor_probe(&probe);
    if (r < 0) {
        (void)error_set(&err, r, "the kernel cannot be asked what it can do: %m");
        return cli_fail(&err);
    }
    sensor_probe_quick(&probe);
    if (cli->json)
        render_probe_json(&probe, &sb);
    else
        render_probe(&probe, cli->color, &sb);
    return cli_print(&sb, probe_verdict(&probe));
}

// stop -------------------------------------------------------------------------------------------------

static const struct option_row stop_rows[] = {
    {0, "detach", NULL, "also take the programs out of the kernel: nothing is enforced any more",
     OPTION_FLAG, OPT_DETACH, NULL},
    {0, "pin-dir", "DIR",
     "where they are, for --detach without an agent (default: /sys/fs/bpf/safeguard)", OPTION_ARG,
     OPT_PIN_DIR, "DIR"},
    ROW_SOCKET,
    ROW_HELP,
};

const struct command_options stop_options = {
    .description =
        "Without --detach the kernel goes on enforcing what is loaded, and the next agent takes over. With "
        "--detach it also works when no agent runs.",
    .rows = stop_rows,
    .n_rows = ARRAY_SIZE(stop_rows),
};

struct stop {
    bool detach;
    const char *pin_dir;
};

static int on_stop(void *ctx, int id, const char *arg, struct error *err _unused_)
{
    struct stop *s = ctx;

    if (id == OPT_DETACH)
        s->detach = true;
    else
        s->pin_dir = arg;
    return 0;
}

// What could not be removed when the enforcement ended, and whether programs are among it.
static int print_left(const char *who, bool attached, struct error *err)
{
    error_context(err, "%s, %s", who,
                  attached ? "but programs stay in the kernel, which may go on enforcing"
                           : "and nothing is enforced any more, but something is left over");
    return cli_fail(err);
}

// What an agent that is gone left in the kernel.
static int detach_alone(const struct cli *cli, const struct stop *s)
{
    _cleanup_(sb_done) struct strbuf sb = {}, run_dir = {}, canary = {};
    struct sensor_options options = {.pin_dir = s->pin_dir};
    const char *slash = strrchr(cli->socket, '/');
    struct sensor *sensor = NULL;
    struct error err = {};
    int r;

    if (geteuid() != 0) {
        (void)error_set(&err, -EPERM, "programs can only be taken out of the kernel by root");
        error_cure(&err, "run this command as root");
        return cli_fail(&err);
    }
    // The agent's own places are beside its socket.
    if (slash) {
        sb_add(&run_dir, cli->socket, (size_t)(slash - cli->socket));
        sb_printf(&canary, "%s/canary", sb_str(&run_dir));
        options.canary_dir = sb_str(&canary);
        options.claim.dirs[0] = sb_str(&run_dir);
    }
    options.claim.pin_dir = s->pin_dir;
    // Before anything is looked at: what is to be ended may refuse that.
    sensor_claim(&options.claim);
    r = sensor_left(s->pin_dir);
    if (r < 0) {
        (void)error_set(&err, r, "what is in force in the kernel cannot be seen: %s", strerror(-r));
        return cli_fail(&err);
    }
    if (r == 0) {
        sb_puts(&sb, "no agent was running, and nothing of safeguard is in force\n");
        return cli_print(&sb, CLI_OK);
    }

    r = sensor_new(&options, &sensor, &err);
    r = r < 0 ? r : sensor_detach(sensor, &err);
    (void)sensor_free(sensor);
    if (r < 0)
        return cli_fail(&err);
    if (r > 0)
        return print_left("no agent was running", sensor_left(s->pin_dir) != 0, &err);
    sb_puts(&sb, "no agent was running; nothing is enforced any more\n");
    return cli_print(&sb, CLI_OK);
}

static bool nobody_there(const struct cli *cli)
{
    _cleanup_(control_client_freep) struct control_client *client = NULL;
    int r = control_client_new(cli->socket, 0, &client, NULL);

    return r == -ENOENT || r == -ECONNREFUSED;
}

int cmd_stop(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *result = NULL;
    struct error err = {};
    struct stop s = {};
    const char *left;
    int r;

    r = cli_parse(cli, on_stop, &s);
    r = r >= 0 ? r : no_operands(cli);
    if (r >= 0)
        return r;
    if (s.detach && nobody_there(cli))
        return detach_alone(cli, &s);
    r = cli_ask(cli, CONTROL_stop, s.detach ? "{\"detach\":true}" : NULL, 30000, &result);
    if (r != 0)
        return r;
    left = json_get_str(result, "left", NULL);
    if (left) {
        (void)error_set(&err, -EBUSY, "%s", left);
        error_cure(&err, "%s", json_get_str(result, "cure", ""));
        r = print_left("the agent has ended", !json_get_bool(result, "detached", 1), &err);
    }
    json_object_put(result);
    if (r != 0)
        return r;
    sb_puts(&sb, s.detach ? "the agent has ended; nothing is enforced any more\n"
                          : "the agent has ended; what is loaded stays in force\n");
    return cli_print(&sb, CLI_OK);
}

// version ----------------------------------------------------------------------------------------------

static const struct option_row version_rows[] = {ROW_HELP};

const struct command_options version_options = {
    .rows = version_rows,
    .n_rows = ARRAY_SIZE(version_rows),
};

int cmd_version(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = cli_parse(cli, NULL, NULL);

    if (r >= 0)
        return r;
    sb_puts(&sb, "safeguard " SAFEGUARD_VERSION "\n");
    return cli_print(&sb, CLI_OK);
}
