// SPDX-License-Identifier: Apache-2.0
//
// `safeguard policy check`, `show` and `reload`.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/render.h"
#include "policy/diag.h"

// Loading programs takes seconds, on an emulated machine minutes.
#define RELOAD_MS 600000

// check ------------------------------------------------------------------------------------------------

enum { OPT_KERNEL = OPT_OWN };

static const struct option_row check_rows[] = {
    {'k', "kernel", "VERSION", "say what serves the rules on another kernel, such as 6.1",
     OPTION_ARG, OPT_KERNEL, NULL},
    ROW_JSON,
    ROW_COLOR,
    ROW_HELP};

const struct command_options policy_check_options = {
    .description =
        "Reads and compiles the policies as the agent does, without an agent and without root. Without operands: " POLICIES_DIR
        ". Files that are named are checked as one policy, in the order of the line.\n\n"
        "For rules about programs, system calls and control it says what serves them here: hooks of security modules, or a "
        "filter for what 'safeguard run' starts. A rule that nothing serves is a mistake.\n\n"
        "Exit status: 0 fine (there may be warnings), 1 there are mistakes, 2 wrong usage, 4 failure.",
    .rows = check_rows,
    .n_rows = ARRAY_SIZE(check_rows),
};

static int cannot_read(int r, const char *path, struct error *err)
{
    (void)error_set(err, r, "%s: %m", path);
    if (r == -ENOENT)
        error_cure(err, "name a directory or files that are there");
    else if (r == -EACCES)
        error_cure(err, "run this command as root");
    return r;
}

int policies_load(char *const *paths, int n_paths, struct policy_diags *diags,
                  struct policy **ret_policy, struct error *err)
{
    const char *dir = n_paths == 0 ? POLICIES_DIR : paths[0];
    struct stat st;
    int r;

    if (n_paths <= 1 && stat(dir, &st) < 0)
        return cannot_read(negative_errno(), dir, err);
    if (n_paths <= 1 && S_ISDIR(st.st_mode))
        r = policy_load_dir(dir, NULL, diags, ret_policy);
    else
        r = policy_load_files((const char *const *)paths, (size_t)n_paths, NULL, diags, ret_policy);
    if (r == -E2BIG) {
        (void)policy_diag_add(diags, POLICY_ERROR, dir, 0, 0, "these are more than %d files",
                              POLICY_FILES_MAX);
        return -EINVAL;
    }
    if (r == -EINVAL && diags->n_errors)
        return r;
    return r < 0 ? cannot_read(r, dir, err) : 0;
}

static void put_number(struct strbuf *sb, uint64_t n, const char *one)
{
    put_count(sb, n);
    sb_printf(sb, " %s%s", one, n == 1 ? "" : "s");
}

void render_check(const struct policy *policy, const struct policy_image *image,
                  const struct policy_diags *diags, bool color, struct strbuf *sb)
{
    policy_diags_format(diags, color, sb);
    if (diags->n)
        sb_putc(sb, '\n');
    if (!policy || !image) {
        sb_printf(sb, "%srefused%s: ", color_seq(color, COLOR_RED), color_seq(color, COLOR_RESET));
        put_number(sb, diags->n_errors, "mistake");
    } else {
        sb_printf(sb, "%sfine%s: ", color_seq(color, COLOR_GREEN), color_seq(color, COLOR_RESET));
        put_number(sb, policy->n_rules, "rule");
        sb_puts(sb, " in ");
        put_number(sb, policy->n_files, "file");
        sb_puts(sb, ", ");
        put_number(sb, image->stats.n_states, "state");
        sb_puts(sb, ", ");
        put_bytes(sb, image->size);
        sb_puts(sb, " in the kernel");
    }
    if (diags->n_warnings) {
        sb_puts(sb, ", ");
        put_number(sb, diags->n_warnings, "warning");
    }
    sb_putc(sb, '\n');
}

void render_check_json(const struct policy *policy, const struct policy_image *image,
                       const struct policy_diags *diags, const struct served_kernel *kernel,
                       struct strbuf *sb)
{
    const bool fine = policy && image;
    struct jw jw;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_bool(&jw, "fine", fine);
    if (fine) {
        jw_kv_u64(&jw, "files", policy->n_files);
        jw_kv_u64(&jw, "rules", policy->n_rules);
        jw_kv_u64(&jw, "states", image->stats.n_states);
        jw_kv_u64(&jw, "image_bytes", image->size);
    }
    if (fine && kernel)
        (void)render_served_json(policy, kernel, &jw);
    jw_key(&jw, "found");
    policy_diags_json(diags, &jw);
    jw_end_object(&jw);
    sb_putc(sb, '\n');
}

static int on_check_option(void *ctx, int id, const char *arg, struct error *err)
{
    if (id != OPT_KERNEL)
        return 0;
    if (served_version(arg, ctx) == 0)
        return 0;
    (void)error_set(err, -EINVAL, "--kernel: '%s' is not valid", arg);
    error_expected(err, "a version such as 6.1");
    return -EINVAL;
}

// Which kernel it is about: that of the option, or this one. False: it cannot be said.
static bool find_kernel(struct served_kernel *kernel)
{
    return kernel->kernel.version || served_this_kernel(kernel) == 0;
}

int cmd_policy_check(struct cli *cli)
{
    struct served_kernel kernel = {};
    bool known = false;
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    int r;

    r = cli_parse(cli, on_check_option, &kernel);
    if (r >= 0)
        return r;
    r = policies_load(cli->operands, cli->n_operands, &diags, &policy, &err);
    if (r == 0)
        r = policy_compile(policy, NULL, NULL, &diags, &image);
    if (r == 0)
        known = find_kernel(&kernel);
    if (known && (r = policy_check_served(policy, &kernel.kernel, &diags)) == 0 && diags.n_errors)
        image = policy_image_free(image);
    if (r < 0 && diags.n_errors == 0) {
        if (!error_is_set(&err))
            (void)error_set(&err, r, "the policies cannot be compiled: %m");
        return cli_fail(&err);
    }
    if (cli->json)
        render_check_json(policy, image, &diags, known ? &kernel : NULL, &sb);
    else
        render_check(policy, image, &diags, cli->color, &sb);
    if (!cli->json && image && known && render_served(policy, &kernel, &sb) < 0)
        sb.failed = true;
    return cli_print(&sb, image ? CLI_OK : CLI_NEGATIVE);
}

// show -------------------------------------------------------------------------------------------------

static const struct option_row show_rows[] = {ROW_JSON, ROW_COLOR, ROW_SOCKET, ROW_HELP};

const struct command_options policy_show_options = {
    .description = "The rules are tried in this order; the first one that matches decides.",
    .rows = show_rows,
    .n_rows = ARRAY_SIZE(show_rows),
};

// The agent answers in pieces.
static int show_piece(struct cli *cli, uint64_t from, uint64_t *ret_next)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *piece = NULL;
    char args[64];
    int r;

    (void)snprintf(args, sizeof(args), "{\"from\":%llu}", (unsigned long long)from);
    r = cli_ask(cli, CONTROL_policy_show, args, 0, &piece);
    if (r != 0)
        return r;
    *ret_next = json_get_u64(piece, "next", 0);
    if (cli->json) {
        struct json_object *rules = json_get(piece, "rules");

        // One rule a line, so that any number of pieces is one stream.
        for (size_t i = 0; i < json_object_array_length(rules); i++)
            sb_printf(&sb, "%s\n",
                      json_object_to_json_string_ext(json_object_array_get_idx(rules, i),
                                                     JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
    } else {
        render_rules(piece, cli->color, &sb);
    }
    json_object_put(piece);
    return cli_print(&sb, CLI_OK);
}

int cmd_policy_show(struct cli *cli)
{
    uint64_t from = 0, next = 0;
    int r;

    r = cli_parse(cli, NULL, NULL);
    if (r >= 0)
        return r;
    do {
        from = next;
        r = show_piece(cli, from, &next);
    } while (r == 0 && next > from);
    return r;
}

// reload -----------------------------------------------------------------------------------------------

static const struct option_row reload_rows[] = {ROW_JSON, ROW_SOCKET, ROW_HELP};

const struct command_options policy_reload_options = {
    .description =
        "The agent also notices by itself when the files change. A policy with mistakes is refused, and the one "
        "before stays in force.\n\nExit status: 0 the policies are in force, 1 they were refused, 3 no agent answers.",
    .rows = reload_rows,
    .n_rows = ARRAY_SIZE(reload_rows),
};

static void put_warnings(struct json_object *policy, struct strbuf *sb)
{
    uint64_t n = json_get_u64(json_get(policy, "found"), "warnings", 0);

    if (n) {
        sb_puts(sb, ", ");
        put_number(sb, n, "warning");
    }
}

int cmd_policy_reload(struct cli *cli)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *policy = NULL;
    int r;

    r = cli_parse(cli, NULL, NULL);
    if (r >= 0)
        return r;
    // Compiling may take its time.
    r = cli_ask(cli, CONTROL_policy_reload, NULL, RELOAD_MS, &policy);
    if (r != 0)
        return r;
    if (cli->json) {
        cli_pretty(policy, &sb);
    } else {
        sb_printf(&sb,
                  "policy %llu is in force: ", (unsigned long long)json_get_u64(policy, "id", 0));
        put_number(&sb, json_get_u64(policy, "rules", 0), "rule");
        put_warnings(policy, &sb);
        sb_putc(&sb, '\n');
    }
    json_object_put(policy);
    return cli_print(&sb, CLI_OK);
}
