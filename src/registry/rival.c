// SPDX-License-Identifier: Apache-2.0
//
// Who uses the identity of a cloned host.
#include "registry/internal.h"

int rival_note(struct change *c, const char *host, const char *machine_id, const char *boot_id,
               const char *name, const char *address, struct error *err)
{
    int r = db_do(
        c->db, err,
        "INSERT INTO rivals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (host, machine_id, boot_id)"
        " DO UPDATE SET name = ?4, address = ?5, last_ms = ?6",
        "sssssu", host, machine_id, boot_id, name, address, c->now);

    if (r == 0)
        r = db_do(
            c->db, err,
            "DELETE FROM rivals WHERE host = ?1 AND (machine_id, boot_id) IN (SELECT machine_id, boot_id FROM"
            " rivals WHERE host = ?1 ORDER BY last_ms DESC, first_ms, machine_id, boot_id LIMIT -1 OFFSET ?2)",
            "su", host, (uint64_t)HOST_RIVALS_MAX);
    return r;
}

int registry_rival_list(struct registry *rg, const char *host, registry_rival_fn fn, void *ctx,
                        struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(rg,
                          "SELECT machine_id, boot_id, name, address, first_ms, last_ms FROM rivals"
                          " WHERE host = ?1 ORDER BY first_ms, machine_id, boot_id",
                          &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, host);
    while ((r = db_step(st, err)) > 0) {
        r = fn(ctx,
               &(struct registry_rival){db_col_str(st, 0), db_col_str(st, 1), db_col_str(st, 2),
                                        db_col_str(st, 3), db_col_u64(st, 4), db_col_u64(st, 5)});
        if (r != 0)
            return r;
    }
    return r;
}
