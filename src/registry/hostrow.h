// SPDX-License-Identifier: Apache-2.0
//
// A row of the hosts, and what follows from it: which conditions the host is in, and its state.
#pragma once

#include "db/db.h"
#include "registry/host.h"

#define HOST_COLUMNS                                                                                        \
    "id, name, lifecycle, reason, health, labels, os, kernel, arch, version, machine_id, boot_id, address," \
    " enrolled_ms, seen_ms, (SELECT not_after_ms FROM certs WHERE host = hosts.id AND revoked_ms = 0"       \
    " ORDER BY issued_ms DESC LIMIT 1), bundle_wanted, bundle_applied, bundle_error, bundle_wanted_ms,"     \
    " bundle_applied_ms, health_severity, skew_ms, max(lost_total, missing), lost_ms, conditions"

// Texts are on loan from the statement.
void host_read(struct registry *rg, struct db_stmt *st, uint64_t now, struct registry_host *h);

// Bits of the conditions that it is in; lifecycle as it is stored.
uint32_t conditions_judge(struct registry *rg, const struct registry_host *h, int64_t lifecycle,
                          uint64_t now);
