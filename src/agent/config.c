// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "policy/conffile.h"
#include "transport/token.h"

#define OLD_FILES_MAX 1000 // each rotation renames all of them

static int keep_url(const char *text, char *ret, size_t size)
{
    return size > TOKEN_URL_MAX ? server_url_normalise(text, ret, NULL) : -EINVAL;
}

static const struct conf_form url_form = {"URL", "https://HOST or https://HOST:PORT", keep_url};

#define ROW_PATH     .kind = CONF_PATH
#define ROW_SIZE     .kind = CONF_SIZE
#define ROW_COUNT    .kind = CONF_COUNT, .most = OLD_FILES_MAX
#define ROW_WORD     .kind = CONF_WORD
#define ROW_BOOL     .kind = CONF_BOOL
#define ROW_DURATION .kind = CONF_DURATION
#define ROW_URL      .kind = CONF_TEXT, .form = &url_form

static const struct conf_row rows[] = {
#define CONFIG(id, option, kind, dflt, values, help) \
    {#id, option, dflt, values, help, ROW_##kind, .offset = offsetof(struct config, id)},
#include "agent/config.def"
};
STATIC_ASSERT(ARRAY_SIZE(rows) == CONFIG_ID_COUNT - 1, "a row for each setting");

static const struct conf agent_conf = {rows, ARRAY_SIZE(rows)};

int config_init(struct config *c)
{
    *c = (struct config){};
    return conf_init(&agent_conf, c);
}

void config_done(struct config *c)
{
    conf_done(&agent_conf, c);
    *c = (struct config){};
}

int config_set(struct config *c, enum config_id id, const char *text, struct error *err)
{
    return conf_set(&agent_conf, c, (size_t)id - 1, text, err);
}

int config_read(struct config *c, const char *name, const char *text, size_t len,
                struct policy_diags *diags)
{
    return conffile_read(&agent_conf, c, name, text, len, diags);
}

const char *config_word(enum config_id id, uint32_t value, char *buf, size_t size)
{
    return conf_word(&rows[id - 1], value, buf, size);
}

void config_option_rows(struct option_row ret_rows[CONFIG_ID_COUNT - 1])
{
    conf_option_rows(&agent_conf, 1, ret_rows);
}

void config_man(struct strbuf *sb)
{
    sb_puts(
        sb,
        ".TH safeguard\\-agent.yaml 5 \"" OPTIONS_MAN_DATE "\" \"safeguard " SAFEGUARD_VERSION
        "\"\n"
        ".SH NAME\nagent.yaml \\- settings of the safeguard agent\n"
        ".SH SYNOPSIS\n" CONFIG_PATH_DEFAULT "\n"
        ".SH DESCRIPTION\nA YAML map with the keys below. Each has an option of the same name on "
        "the command line of\n.BR safeguard\\-agent (8),\nwhich wins. Without the file all "
        "settings are at their defaults. The agent reads it when it starts.\n"
        ".SH KEYS\n");
    conf_man(&agent_conf, sb);
    sb_puts(
        sb,
        ".SH SEE ALSO\n.BR safeguard\\-agent (8),\n.BR safeguard\\-policy (5),\n.BR safeguard (1)\n");
}

int config_read_file(struct config *config, const char *given)
{
    const char *path = given ? given : CONFIG_PATH_DEFAULT;
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, CONFFILE_MAX, &text, &len);
    if (r == -ENOENT && !given)
        return 0;
    if (r < 0)
        return log_error_code(r, "the settings cannot be read: %s: %m", path);
    r = config_read(config, path, text, len, &diags);
    policy_diags_format(&diags, false, &sb);
    if (diags.n)
        (void)fputs(sb_str(&sb), stderr);
    return r;
}
