// SPDX-License-Identifier: Apache-2.0
//
// The settings of the agent: defaults, then agent.yaml, then the command line. Read once at start. The
// rows are in config.def. Owns its texts.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/options.h"
#include "policy/diag.h"

#define CONFIG_PATH_DEFAULT "/etc/safeguard/agent.yaml"

// In the order of the words in config.def.
enum config_mode { CONFIG_MODE_POLICY, CONFIG_MODE_MONITOR };
enum config_credentials {
    CONFIG_CREDENTIALS_OFF,
    CONFIG_CREDENTIALS_RECORD,
    CONFIG_CREDENTIALS_ENFORCE
};
enum config_scheduling { CONFIG_SCHEDULING_DEMAND, CONFIG_SCHEDULING_ON, CONFIG_SCHEDULING_OFF };
enum config_sched_ext { CONFIG_SCHED_EXT_OFF, CONFIG_SCHED_EXT_ON };
enum config_flows { CONFIG_FLOWS_OFF, CONFIG_FLOWS_ON };
enum config_dns { CONFIG_DNS_OFF, CONFIG_DNS_ON };
enum config_output { CONFIG_OUTPUT_FILE, CONFIG_OUTPUT_STDOUT, CONFIG_OUTPUT_JOURNAL };
enum config_log { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

#define CONFIG_TYPE_PATH     char *
#define CONFIG_TYPE_SIZE     uint64_t
#define CONFIG_TYPE_COUNT    uint32_t
#define CONFIG_TYPE_WORD     uint32_t
#define CONFIG_TYPE_BOOL     bool
#define CONFIG_TYPE_DURATION uint64_t
#define CONFIG_TYPE_URL      char *

struct config {
#define CONFIG(id, option, kind, dflt, values, help) CONFIG_TYPE_##kind id;
#include "agent/config.def"
};

enum config_id {
    CONFIG_NONE = 0,
#define CONFIG(id, option, kind, dflt, values, help) CONFIG_ID_##id,
#include "agent/config.def"
    CONFIG_ID_COUNT,
};

// All defaults. -ENOMEM.
int config_init(struct config *c);
void config_done(struct config *c);

// One setting from text. -EINVAL with err: what was expected; -ENOMEM.
int config_set(struct config *c, enum config_id id, const char *text, struct error *err);

// Takes what the text of agent.yaml says; diags gets every mistake with its place. 0, -EINVAL, -ENOMEM.
int config_read(struct config *c, const char *name, const char *text, size_t len,
                struct policy_diags *diags);

// agent.yaml, or the file that was given, into c; a default that is not there is fine. Prints the mistakes to standard error.
int config_read_file(struct config *c, const char *given);

// The word for a setting of kind WORD.
const char *config_word(enum config_id id, uint32_t value, char *buf, size_t size);

// The options of the command line, CONFIG_ID_COUNT - 1 of them, and agent.yaml(5).
void config_option_rows(struct option_row ret_rows[CONFIG_ID_COUNT - 1]);
void config_man(struct strbuf *sb);
