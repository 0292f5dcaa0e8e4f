// SPDX-License-Identifier: Apache-2.0
//
// What runs, as JSON for `safeguard ps`: from the table of processes, in pieces of bounded size.
#include <stdio.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/macro.h"
#include "model/names.h"

#define PIECE_ROWS 512 // the loop has other work, too

void processlist_uid_json(const struct agent *a, const char *key, const struct process_ref *ref,
                          struct jw *jw)
{
    char text[96];

    // As process.uid of records (ocsf/ocsf.h).
    (void)snprintf(text, sizeof(text), "%s:%u:%llu", a->host.boot_id, ref->tgid,
                   (unsigned long long)process_ref_ticks(ref));
    jw_kv_str(jw, key, text);
}

static void put_text(struct jw *jw, const char *key, struct bytes text)
{
    if (text.len)
        jw_kv_strn(jw, key, text.s, text.len);
}

static void put_facts(const struct file_facts *facts, struct jw *jw)
{
    char hex[2 * FILE_SHA256_BYTES + 1];

    if (facts->hash == FILE_HASH_KNOWN) {
        for (size_t i = 0; i < FILE_SHA256_BYTES; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", facts->sha256[i]);
        jw_kv_str(jw, "sha256", hex);
    } else if (facts->hash > FILE_HASH_KNOWN) {
        jw_kv_str(jw, "hash_missing", file_hash_name(facts->hash));
    }
    put_text(jw, "package", facts->package);
    put_text(jw, "package_version", facts->version);
}

static void put_who(const struct agent *a, const struct who *w, struct jw *jw)
{
    jw_kv_u64(jw, "user_id", w->euid);
    put_text(jw, "user", w->user);
    if (w->login_uid != ID_NONE)
        jw_kv_u64(jw, "login_id", w->login_uid);
    put_text(jw, "login", w->login_user);
    if (w->session != SG_SESSION_NONE)
        jw_kv_str(jw, "session", session_name(w->session));
    if (w->session_id != ID_NONE)
        jw_kv_u64(jw, "session_id", w->session_id);
    put_text(jw, "container", w->container_id);
    put_text(jw, "runtime", w->container_runtime);
    put_text(jw, "cgroup", w->cgroup);
    if (w->pid_ns && w->pid_ns != a->host.pid_ns)
        jw_kv_u64(jw, "pid_namespace", w->pid_ns);
    if (w->mnt_ns && w->mnt_ns != a->host.mnt_ns)
        jw_kv_u64(jw, "mount_namespace", w->mnt_ns);
}

static void put_program(const struct process_row *row, struct jw *jw)
{
    const struct who *w = row->who;

    put_text(jw, "comm", w->comm);
    put_text(jw, "program", w->exe);
    put_text(jw, "command", w->cmdline);
    if (w->cmdline_cut)
        jw_kv_bool(jw, "command_cut", true);
    if (row->deleted)
        jw_kv_bool(jw, "deleted", true);
    if (w->exe_foreign)
        jw_kv_bool(jw, "foreign", true);
    if (w->kthread)
        jw_kv_bool(jw, "kernel_thread", true);
    if (w->incomplete)
        jw_kv_bool(jw, "incomplete", true);
}

static void put_row(const struct agent *a, const struct process_row *row, struct jw *jw)
{
    const struct who *w = row->who;
    uint64_t started = a->host.boot_ns + process_ref_ticks(&w->ref) * PROCESS_TICK_NS;

    jw_begin_object(jw);
    jw_kv_u64(jw, "pid", w->ref.tgid);
    processlist_uid_json(a, "uid", &w->ref, jw);
    if (w->n_ancestors)
        processlist_uid_json(a, "parent", &w->ancestors[0].ref, jw);
    if (row->below.tgid)
        processlist_uid_json(a, "below", &row->below, jw);
    jw_kv_u64(jw, "started_ms", started / NS_PER_MS);
    put_program(row, jw);
    put_who(a, w, jw);
    put_facts(&row->facts, jw);
    jw_end_object(jw);
}

void processlist_json(struct agent *a, uint32_t from, size_t max, struct jw *jw)
{
    struct process_row row;
    uint32_t cursor = from, n = 0;
    bool more = false;

    jw_begin_object(jw);
    jw_kv_u64(jw, "now_ms", now_ns(CLOCK_REALTIME) / NS_PER_MS);
    jw_kv_array(jw, "processes");
    while ((more = process_table_row(a->processes, &cursor, &row))) {
        put_row(a, &row, jw);
        if (++n >= PIECE_ROWS || jw->out->len >= max)
            break;
    }
    jw_end_array(jw);
    if (more)
        jw_kv_u64(jw, "next", cursor);
    jw_end_object(jw);
}
