// SPDX-License-Identifier: Apache-2.0
//
// Enrolment, the agent's end: from a token to an identity. Called by `safeguard-agent enrol`. Blocks for at most
// timeout_ms.
//
// The server is trusted by the fingerprint in the token alone: the CA has to be in the chain that the server
// shows, and the server's certificate has to be signed by it for the name that was asked for. All of this
// is proved before the token's secret leaves the host.
//
// A host that was enrolled with this server before proves that (proof.h), and stays the same host there unless the server
// has a reason against it: it was cloned, revoked or retired.
#pragma once

#include "transport/identity.h"
#include "transport/msg_enrol.h"

struct enrol_options {
    const char *token;
    const char *server_url; // NULL: the token's
    struct msg_host host;   // machine_id is kept in the identity
    const char *version;
    const char *path;    // of the identity file; what is there is replaced
    uint32_t timeout_ms; // 0: 30 s
};

// 0 and the identity, which lies in the file by then. Otherwise nothing was written, and err says what to do:
// -EINVAL (token, URL), -EACCES (the server refused the token), -EKEYREJECTED (not the server of this token),
// -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH and the like, -EBADMSG (an answer that cannot be read).
int enrol(const struct enrol_options *options, struct identity **ret_id, struct error *err);
