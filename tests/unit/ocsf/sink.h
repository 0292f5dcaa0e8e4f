// SPDX-License-Identifier: Apache-2.0
//
// For tests: the host and the processes that records are about, and a place where every record that
// a test sees is left for tests/golden/ocsf/validate.py ($SAFEGUARD_RECORDS, one line each).
#pragma once

#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "model/event.h"
#include "model/host.h"
#include "ocsf/ocsf.h"

#define TEST_RUN 7

static const struct host test_host = {
    .hostname = "web1",
    .boot_id = "11111111-2222-3333-4444-555555555555",
    .machine_id = "0123456789abcdef0123456789abcdef",
    .os_name = "Debian GNU/Linux 12 (bookworm)",
    .os_version = "12",
    .kernel = "6.1.0-18-amd64",
    .arch = "x86_64",
    .boot_ns = UINT64_C(1700000000000000000),
    .pid_ns = 4026531836,
    .mnt_ns = 4026531841,
    .bits = 64,
};

static inline void sink(const struct strbuf *line)
{
    const char *path = getenv("SAFEGUARD_RECORDS");
    FILE *f;

    if (!path)
        return;
    f = fopen(path, "ae");
    assert_non_null(f);
    assert_true(fwrite(line->s, 1, line->len, f) == line->len && fputc('\n', f) != EOF);
    assert_int_equal(fclose(f), 0);
}

// Writes a record into `line`, emptied before.
static inline void write_record(struct ocsf *o, const struct event *ev, struct strbuf *line)
{
    sb_reset(line);
    assert_int_equal(ocsf_write(o, ev, line), 0);
    assert_non_null(line->s);
    assert_null(memchr(line->s, '\n', line->len));
    sink(line);
}

// cat, started by bash, started by sshd, started by systemd; ann became root.
static inline void make_who(struct who *w)
{
    *w = (struct who){
        .serial = 1,
        .ref = {4242, 123456789012},
        .exe = BYTES("/usr/bin/cat"),
        .cmdline = BYTES("cat /etc/shadow"),
        .comm = BYTES("cat"),
        .login_uid = 1000,
        .session_id = 3,
        .pid_ns = 4026531836,
        .mnt_ns = 4026531841,
        .cgroup_id = 77,
        .user = BYTES("root"),
        .login_user = BYTES("ann"),
        .group = BYTES("root"),
        .cgroup = BYTES("/user.slice/user-1000.slice/session-3.scope"),
        .session = SG_SESSION_SSH,
        .n_ancestors = 3,
        .ancestors = {{{4000, 100000000000}, BYTES("/usr/bin/bash"), BYTES("bash")},
                      {{900, 50000000000}, BYTES("/usr/sbin/sshd"), BYTES("sshd")},
                      {{1, 10000000}, BYTES("/usr/lib/systemd/systemd"), BYTES("systemd")}},
    };
}

// An open of /etc/shadow by `who` that was denied.
static inline void make_event(struct event *ev, const struct who *who)
{
    event_reset(ev);
    ev->kind = EVENT_FILE;
    ev->time_ns = ev->first_ns = 200000000000;
    ev->realtime_ns = ev->first_realtime_ns = UINT64_C(1700000200123456789);
    ev->seq = 17;
    ev->cpu = 2;
    ev->ring = EVENT_RING_SECURITY;
    ev->process.ref = who->ref;
    ev->process.tid = who->ref.tgid;
    ev->process.login_uid = who->login_uid;
    ev->process.session_id = who->session_id;
    ev->process.comm_len = 3;
    memcpy(ev->process.comm, "cat", 3);
    ev->hook = SG_HOOK_file_open;
    ev->access = SG_OP_READ;
    ev->verdict = SG_DENY;
    ev->outcome = EVENT_OUTCOME_DENIED;
    ev->error = EPERM;
    ev->policy_id = 5;
    ev->rule_index = 0;
    ev->path = (struct event_path){BYTES("/etc/shadow"), EVENT_PATH_HOST};
    ev->ino = 1234;
    ev->dev = ev->dev2 = 8u << 20 | 1;
    ev->mode_bits = 0100640;
    ev->nlink = 1;
    ev->who = who;
}
