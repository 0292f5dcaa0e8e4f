// SPDX-License-Identifier: Apache-2.0
//
// Messages about certificates, both directions:
//
//     POST /agent/v1/enrol {"token","csr","host":{...},"version","former"?,"proof"?}
//                                                                 -> {"agent_id","certificate","ca","renew_after_ms"}
//     POST /agent/v1/renew {"csr"}                                -> {"certificate","ca","renew_after_ms"}
//
// Texts are on loan: from the caller when a message is written, from `root` when it was read.
#pragma once

#include "transport/wire.h"

// How a host describes itself. "" where it does not know. NULL is written as "".
struct msg_host {
    const char *name, *machine_id, *boot_id, *os, *kernel, *arch;
};

struct msg_enrol {
    const char *token;
    const char *csr; // PEM
    struct msg_host host;
    const char *version;
    // Of a host that was enrolled before (proof.h); NULL both otherwise.
    const char *former; // its certificate, PEM
    const char *proof;
    struct json_object *root; // owned when read
};

struct msg_renew {
    const char *csr;
    struct json_object *root;
};

struct msg_certificate {
    const char *agent_id;    // NULL in the answer to renew
    const char *certificate; // PEM
    const char *ca;          // PEM
    uint64_t renew_after_ms; // from now
    struct json_object *root;
};

int msg_enrol_write(struct strbuf *out, const struct msg_enrol *m);
int msg_enrol_read(const char *text, size_t len, struct msg_enrol *ret, struct error *err);
void msg_enrol_done(struct msg_enrol *m);

int msg_renew_write(struct strbuf *out, const struct msg_renew *m);
int msg_renew_read(const char *text, size_t len, struct msg_renew *ret, struct error *err);
void msg_renew_done(struct msg_renew *m);

int msg_certificate_write(struct strbuf *out, const struct msg_certificate *m);
int msg_certificate_read(const char *text, size_t len, struct msg_certificate *ret,
                         struct error *err);
void msg_certificate_done(struct msg_certificate *m);

// A member "host" of another message.
void msg_host_write(struct jw *jw, const struct msg_host *host);
int msg_host_read(struct json_object *o, struct msg_host *ret, struct error *err);
