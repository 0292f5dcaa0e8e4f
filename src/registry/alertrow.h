// SPDX-License-Identifier: Apache-2.0
//
// A row of the alerts, for lists of them and for messages about them.
#pragma once

#include "db/db.h"
#include "registry/alert.h"

#define ALERT_COLUMNS                                                                                                           \
    "a.id, a.host, h.name, a.state, a.owner, a.class_uid, a.severity, a.outcome, a.policy, a.rule, a.rule_file,"                \
    " a.rule_line, a.program, a.user, a.path, a.message, a.first_ms, a.last_ms, a.count, a.changed_ms, a.reopened, a.overflow," \
    " (SELECT count(*) FROM alert_comments WHERE alert = a.id), a.condition FROM alerts a LEFT JOIN hosts h ON h.id = a.host"

// Texts are on loan from the statement.
void alert_read(struct db_stmt *st, struct registry_alert *a);
