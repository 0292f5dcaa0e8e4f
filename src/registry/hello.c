// SPDX-License-Identifier: Apache-2.0
//
// Hello: whether a host is who it was, and hosts that this database does not know.
#include <stdio.h>

#include "registry/cert.h"
#include "registry/internal.h"
#include "registry/label.h"

#define STRANGERS_MAX 10000
#define NAME_FACT_MAX 64

// What a host says, cleaned.
struct facts {
    struct fact name, machine_id, boot_id, os, kernel, arch, version, address;
};

static int clean(const struct host_facts *in, struct facts *ret, struct error *err)
{
    (void)fact_clean(&ret->name, in->name, NAME_FACT_MAX);
    (void)fact_clean(&ret->machine_id, in->machine_id, REGISTRY_ID_MAX);
    (void)fact_clean(&ret->boot_id, in->boot_id, REGISTRY_ID_MAX);
    (void)fact_clean(&ret->os, in->os, HOST_FACT_MAX);
    (void)fact_clean(&ret->kernel, in->kernel, HOST_FACT_MAX);
    (void)fact_clean(&ret->arch, in->arch, NAME_FACT_MAX);
    (void)fact_clean(&ret->version, in->version, NAME_FACT_MAX);
    (void)fact_clean(&ret->address, in->address, REGISTRY_ID_MAX);
    if (!*ret->machine_id.s || !*ret->boot_id.s)
        return error_set(err, -EINVAL, "a host has to say its machine id and boot id");
    return 0;
}

static int add_boot(struct change *c, const char *id, const char *boot_id, struct error *err)
{
    int r = db_do(
        c->db, err,
        "INSERT INTO boots VALUES (?1, ?2, ?3, (SELECT coalesce(max(n), 0) + 1 FROM boots WHERE host = ?1))",
        "ssu", id, boot_id, c->now);

    if (r == 0)
        r = db_do(
            c->db, err,
            "DELETE FROM boots WHERE host = ?1 AND n + ?2 <= (SELECT max(n) FROM boots WHERE host = ?1)",
            "su", id, (uint64_t)HOST_BOOTS_MAX);
    return r;
}

static int add_cert(struct change *c, const char *host, const char *serial, uint64_t not_after_ms,
                    struct error *err)
{
    return db_do(
        c->db, err,
        "INSERT INTO certs (serial, host, issued_ms, not_after_ms) VALUES (?1, ?2, ?3, ?4)", "ssuu",
        serial, host, c->now, not_after_ms);
}

int host_insert(struct change *c, const char *id, const struct host_facts *in, const char *labels,
                const char *serial, uint64_t not_after_ms, struct error *err)
{
    struct facts f;
    int r = clean(in, &f, err);

    if (r == 0)
        r = db_do(
            c->db, err,
            "INSERT INTO hosts (id, name, machine_id, boot_id, os, kernel, arch, version, address, labels,"
            " enrolled_ms, seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
            "ssssssssssu", id, f.name.s, f.machine_id.s, f.boot_id.s, f.os.s, f.kernel.s, f.arch.s,
            f.version.s, f.address.s, labels, c->now);
    if (r == 0)
        r = add_boot(c, id, f.boot_id.s, err);
    if (r == 0)
        r = add_cert(c, id, serial, not_after_ms, err);
    return r == 0 ? bundles_refresh(c, id, err) : r;
}

static int note_stranger(struct change *c, const char *id, const char *serial,
                         const struct facts *f, struct error *err)
{
    int r = db_do(
        c->db, err,
        "INSERT INTO strangers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (id) DO UPDATE SET"
        " serial = ?2, name = ?3, machine_id = ?4, boot_id = ?5, os = ?6, address = ?7, last_ms = ?8",
        "sssssssu", id, serial, f->name.s, f->machine_id.s, f->boot_id.s, f->os.s, f->address.s,
        c->now);

    if (r == 0)
        r = db_do(
            c->db, err,
            "DELETE FROM strangers WHERE id IN (SELECT id FROM strangers ORDER BY last_ms DESC, id LIMIT -1"
            " OFFSET ?1)",
            "u", (uint64_t)STRANGERS_MAX);
    return r;
}

// 0: good (and known from now on), -EKEYREVOKED.
static int know_cert(struct change *c, const char *id, const char *serial, struct error *err)
{
    int64_t revoked = 0;
    int r = db_get_i64(c->db, err, &revoked,
                       "SELECT revoked_ms FROM certs WHERE serial = ?1 AND host = ?2", "ss", serial,
                       id);

    if (r != 0)
        return r < 0 ? r : revoked > 0 ? -EKEYREVOKED : 0;
    // Ours, of a host that is known, and given after this database was copied.
    r = add_cert(c, id, serial, 0, err);
    return r < 0 ? r : change_audit(c, err, "certificate.relearn", id, "s", "serial", serial);
}

struct known {
    int64_t lifecycle;
    bool other_machine, same_boot, old_boot;
};

// The one that has the identity, before the other one is noted beside it.
static int note_holder(struct change *c, const char *id, struct error *err)
{
    return db_do(
        c->db, err,
        "INSERT INTO rivals SELECT id, machine_id, boot_id, name, address, enrolled_ms, seen_ms FROM hosts"
        " WHERE id = ?1 ON CONFLICT (host, machine_id, boot_id) DO NOTHING",
        "s", id);
}

static int note_rival(struct change *c, const char *id, const struct facts *f, struct error *err)
{
    return rival_note(c, id, f->machine_id.s, f->boot_id.s, f->name.s, f->address.s, err);
}

static int look_up(struct change *c, const char *id, const struct facts *f, struct known *ret,
                   struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        c->db,
        "SELECT lifecycle, machine_id <> ?2, boot_id = ?3, EXISTS (SELECT 1 FROM boots WHERE host = ?1 AND"
        " boot_id = ?3) FROM hosts WHERE id = ?1",
        &st, err);

    if (r < 0)
        return r;
    db_bind(st, "sss", id, f->machine_id.s, f->boot_id.s);
    r = db_step(st, err);
    if (r > 0)
        *ret = (struct known){db_col_i64(st, 0), db_col_bool(st, 1), db_col_bool(st, 2),
                              db_col_bool(st, 3)};
    return r;
}

static int refuse_clone(struct change *c, const char *id, const struct facts *f, const char *why,
                        struct error *err)
{
    int r = db_do(c->db, err,
                  "UPDATE hosts SET lifecycle = 3, session = '', reason = ?1 WHERE id = ?2", "ss",
                  why, id);

    if (r == 0)
        r = note_holder(c, id, err);
    if (r == 0)
        r = note_rival(c, id, f, err);
    if (r == 0)
        r = change_audit(c, err, "host.cloned", id, "ssss", "reason", why, "machine_id",
                         f->machine_id.s, "boot_id", f->boot_id.s, "name", f->name.s);
    c->live = (struct live_change){.host = id, .refused = true};
    change_tell(c, REGISTRY_REVOKED, id);
    return r;
}

static int admit(struct change *c, const char *id, const struct facts *f, const struct known *known,
                 struct registry_hello *hello, struct error *err)
{
    int r = known->same_boot ? 0 : add_boot(c, id, f->boot_id.s, err);

    random_hex(hello->session, 32);
    if (r == 0)
        r = db_do(
            c->db, err,
            "UPDATE hosts SET name = ?2, boot_id = ?3, os = ?4, kernel = ?5, arch = ?6, version = ?7,"
            " address = ?8, session = ?9, seen_ms = ?10 WHERE id = ?1",
            "sssssssssu", id, f->name.s, f->boot_id.s, f->os.s, f->kernel.s, f->arch.s,
            f->version.s, f->address.s, hello->session, c->now);
    c->live = (struct live_change){.host = id, .session = hello->session};
    return r;
}

// What its clock said when it asked, against ours.
static void note_clock(struct change *c, uint64_t time_ms)
{
    if (c->live.session && time_ms > 0 && time_ms <= INT64_MAX) {
        c->live.skew_known = true;
        c->live.skew_ms = (int64_t)time_ms - (int64_t)c->now;
    }
}

static int judge_hello(struct change *c, const char *id, const char *serial, const struct facts *f,
                       struct registry_hello *hello, struct error *err)
{
    static const char *const other_machine = "another machine used its identity",
                             *const old_boot =
                                 "a boot came back after another one had taken its place: two "
                                 "machines use its identity, or one went back to a snapshot";
    struct known known = {};
    int r = look_up(c, id, f, &known, err);

    if (r == 0) {
        hello->admission = HOST_REFUSED_UNKNOWN;
        hello->reason = "this server's database does not know this host; an admin can adopt it";
        return note_stranger(c, id, serial, f, err);
    }
    if (r > 0)
        r = known.lifecycle == 0 ? know_cert(c, id, serial, err) : 0;
    if (r < 0 && r != -EKEYREVOKED)
        return r;
    if (r == -EKEYREVOKED || known.lifecycle == HOST_REVOKED) {
        hello->admission = HOST_REFUSED_REVOKED;
        hello->reason = "an admin revoked its identity; enrol it anew";
        return 0;
    }
    if (known.lifecycle == HOST_RETIRED) {
        hello->admission = HOST_REFUSED_RETIRED;
        hello->reason = "this host was retired; enrol it anew";
        return 0;
    }
    if (known.lifecycle == 0 && !known.other_machine && (known.same_boot || !known.old_boot)) {
        hello->admission = HOST_ADMITTED;
        hello->reason = "";
        return admit(c, id, f, &known, hello, err);
    }
    hello->admission = HOST_REFUSED_CLONED;
    hello->reason = "two machines used this identity; enrol each of them anew";
    if (known.lifecycle != 0)
        return note_rival(c, id, f, err);
    return refuse_clone(c, id, f, known.other_machine ? other_machine : old_boot, err);
}

int registry_hello(struct registry *rg, const char *id, const char *serial,
                   const struct host_facts *facts, struct registry_hello *ret, struct error *err)
{
    const struct actor actor = {.kind = ACTOR_AGENT, .name = id, .address = facts->address};
    _cleanup_(change_done) struct change c = {};
    struct registry_hello hello = {};
    struct facts f;
    int r = check_host(err, id);

    if (r == 0)
        r = check_hex(err, "the serial number", serial, 0);
    if (r == 0)
        r = clean(facts, &f, err);
    if (r == 0)
        r = change_begin(rg, &actor, RELAXED, &c, err);
    if (r == 0)
        r = judge_hello(&c, id, serial, &f, &hello, err);
    if (r == 0)
        note_clock(&c, facts->time_ms);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        *ret = hello;
    return r;
}

int registry_stranger_list(struct registry *rg, const struct registry_page *page,
                           registry_stranger_fn fn, void *ctx, struct registry_next *ret_next,
                           struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned limit = page_limit(page), n = 0;
    struct registry_next next = {};
    int r = reading_query(
        rg,
        "SELECT id, serial, name, machine_id, os, address, first_ms, last_ms FROM strangers"
        " WHERE id > ?1 ORDER BY id LIMIT ?2",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind(st, "su", strempty(page_cursor(page)), (uint64_t)limit + 1);
    while ((r = db_step(st, err)) > 0 && n++ < limit) {
        const struct registry_stranger s = {db_col_str(st, 0), db_col_str(st, 1), db_col_str(st, 2),
                                            db_col_str(st, 3), db_col_str(st, 4), db_col_str(st, 5),
                                            db_col_u64(st, 6), db_col_u64(st, 7)};

        (void)snprintf(next.cursor, sizeof(next.cursor), "%s", s.id);
        r = fn(ctx, &s);
        if (r != 0)
            return r;
    }
    if (r >= 0 && ret_next)
        *ret_next = r > 0 ? next : (struct registry_next){};
    return r < 0 ? r : 0;
}

static int adopt(struct change *c, const char *id, const char *labels, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct host_facts facts;
    int r = db_query(
        c->db, "SELECT serial, name, machine_id, boot_id, os, address FROM strangers WHERE id = ?1",
        &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r : not_found(err, "stranger", id);
    facts = (struct host_facts){.name = db_col_str(st, 1),
                                .machine_id = db_col_str(st, 2),
                                .boot_id = db_col_str(st, 3),
                                .os = db_col_str(st, 4),
                                .address = db_col_str(st, 5)};
    r = host_insert(c, id, &facts, labels, db_col_str(st, 0), 0, err);
    return r < 0
               ? r
               : change_audit(c, err, "host.adopt", id, "sj", "name", facts.name, "labels", labels);
}

int registry_stranger_adopt(struct registry *rg, const struct actor *actor, const char *id,
                            const char *labels, struct error *err)
{
    _cleanup_(labels_done) struct labels parsed = {};
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *json = NULL;
    int r = labels ? labels_from_json(labels, &parsed, err) : 0;

    if (r == 0)
        r = labels_to_json(&parsed, &json);
    if (r == 0)
        r = check_host(err, id);
    if (r == 0)
        r = journal_has(rg, id, err);
    if (r > 0)
        return error_set(err, -EKEYREVOKED, "this host was revoked before; enrol it anew");
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = adopt(&c, id, json, err);
    if (r == 0)
        r = db_do(c.db, err, "DELETE FROM strangers WHERE id = ?1", "s", id);
    return r < 0 ? r : change_commit(&c, err);
}
