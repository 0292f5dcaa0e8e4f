// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"
#include "policy/conffile.h"

static const struct conf_row rows[] = {
#define CONFIG(id, option, kind, dflt, values, help) \
    {#id, option, dflt, values, help, CONF_##kind, offsetof(struct server_config, id)},
#include "server/config.def"
};
STATIC_ASSERT(ARRAY_SIZE(rows) == SERVER_CONFIGS, "a row for each setting");

const struct conf server_conf = {rows, ARRAY_SIZE(rows)};

int server_config_init(struct server_config *c)
{
    return conf_init(&server_conf, c);
}

void server_config_done(struct server_config *c)
{
    conf_done(&server_conf, c);
}

int server_config_read(struct server_config *c, const char *path, struct strbuf *text)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    const char *name = path ? path : SERVER_CONFIG_PATH;
    _cleanup_free_ char *content = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, name, CONFFILE_MAX, &content, &len);
    if (r == -ENOENT && !path)
        return 0;
    if (r < 0) {
        sb_printf(text, "%s: %s\n", name, strerror(-r));
        return r;
    }
    r = conffile_read(&server_conf, c, name, content, len, &diags);
    policy_diags_format(&diags, false, text);
    return r;
}

void server_config_man(struct strbuf *sb)
{
    sb_puts(
        sb,
        ".TH safeguard\\-server.yaml 5 \"" OPTIONS_MAN_DATE "\" \"safeguard " SAFEGUARD_VERSION
        "\"\n"
        ".SH NAME\nserver.yaml \\- settings of the safeguard server\n"
        ".SH SYNOPSIS\n" SERVER_CONFIG_PATH "\n"
        ".SH DESCRIPTION\nA YAML map with the keys below. Each has an option of the same name on "
        "the command line of\n.BR safeguard\\-server (8),\nwhich wins. Without the file all "
        "settings are at their defaults. The server reads it when it starts. What an admin may change "
        "while it runs is set in the web interface.\n"
        ".SH KEYS\n");
    conf_man(&server_conf, sb);
    sb_puts(sb, ".SH SEE ALSO\n.BR safeguard\\-server (8),\n.BR safeguard (1)\n");
}
