// SPDX-License-Identifier: Apache-2.0
#include "registry/cert.h"

#include "registry/internal.h"

#define CERTS_A_DAY 50

int registry_cert_list(struct registry *rg, const char *host, registry_cert_fn fn, void *ctx,
                       struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(
        rg,
        "SELECT serial, host, issued_ms, not_after_ms, revoked_ms, reason FROM certs WHERE host = ?1"
        " ORDER BY issued_ms DESC, serial LIMIT 1000",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, host);
    while ((r = db_step(st, err)) > 0) {
        r = fn(ctx,
               &(struct registry_cert){db_col_str(st, 0), db_col_str(st, 1), db_col_u64(st, 2),
                                       db_col_u64(st, 3), db_col_u64(st, 4), db_col_str(st, 5)});
        if (r != 0)
            return r;
    }
    return r;
}

int registry_cert_add(struct registry *rg, const char *host, const char *serial,
                      uint64_t not_after_ms, struct error *err)
{
    const struct actor actor = {.kind = ACTOR_AGENT, .name = host};
    _cleanup_(change_done) struct change c = {};
    int64_t lifecycle = 0, n = 0;
    int r = check_hex(err, "the serial number", serial, 0);

    if (r == 0)
        r = change_begin(rg, &actor, DURABLE, &c, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &lifecycle, "SELECT lifecycle FROM hosts WHERE id = ?1", "s",
                       host);
    if (r == 0)
        return not_found(err, "host", host);
    if (r > 0 && lifecycle != 0)
        return error_set(err, -EACCES, "this host gets no certificate any more: it is %s",
                         host_state_name((enum host_state)lifecycle));
    if (r > 0)
        r = db_get_i64(c.db, err, &n,
                       "SELECT count(*) FROM certs WHERE host = ?1 AND issued_ms + ?2 > ?3", "suu",
                       host, MS_PER_DAY, c.now);
    if (n >= CERTS_A_DAY)
        return error_set(err, -EDQUOT, "this host got %d certificates within a day", CERTS_A_DAY);
    if (r > 0)
        r = db_do(
            c.db, err,
            "INSERT INTO certs (serial, host, issued_ms, not_after_ms) VALUES (?1, ?2, ?3, ?4)",
            "ssuu", serial, host, c.now, not_after_ms);
    if (r == 0)
        r = change_audit(&c, err, "certificate.renew", host, "su", "serial", serial, "not_after",
                         not_after_ms);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_cert_check(struct registry *rg, const char *host, const char *serial)
{
    _cleanup_(reading_done) struct reading rd = {};
    int64_t revoked = 0;
    int r = reading_begin(rg, &rd, NULL);

    if (r == 0)
        r = db_get_i64(rd.db, NULL, &revoked,
                       "SELECT revoked_ms FROM certs WHERE serial = ?1 AND host = ?2", "ss", serial,
                       host);
    return r < 0 ? r : r == 0 ? -ENOENT : revoked > 0 ? -EKEYREVOKED : 0;
}
