// SPDX-License-Identifier: Apache-2.0
//
// The settings of the server: defaults, then server.yaml, then the command line. Read once at start. The rows are in
// config.def. Owns its texts.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/error.h"

#define SERVER_CONFIG_PATH "/etc/safeguard/server.yaml"

#define SERVER_CONFIG_TYPE_PATH     char *
#define SERVER_CONFIG_TYPE_TEXT     char *
#define SERVER_CONFIG_TYPE_SIZE     uint64_t
#define SERVER_CONFIG_TYPE_DURATION uint64_t
#define SERVER_CONFIG_TYPE_COUNT    uint32_t
#define SERVER_CONFIG_TYPE_WORD     uint32_t
#define SERVER_CONFIG_TYPE_BOOL     bool

struct server_config {
#define CONFIG(id, option, kind, dflt, values, help) SERVER_CONFIG_TYPE_##kind id;
#include "server/config.def"
};

enum server_config_id {
#define CONFIG(id, option, kind, dflt, values, help) SERVER_CONFIG_##id,
#include "server/config.def"
    SERVER_CONFIGS,
};

extern const struct conf server_conf;

int server_config_init(struct server_config *c);
void server_config_done(struct server_config *c);

// The file at path (NULL: the default one, which may be missing). Mistakes go to `text`, as people read them. 0 or negative.
int server_config_read(struct server_config *c, const char *path, struct strbuf *text);

// server.yaml(5).
void server_config_man(struct strbuf *sb);
