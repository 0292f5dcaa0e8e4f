// SPDX-License-Identifier: Apache-2.0
//
// Who an agent is to its server: a key that was made on this host and never leaves it, the certificate for it,
// the CA that the server is known by, and where the server is. Made by enrolment, used by the link. One file
// (JSON, mode 0600), replaced as a whole: key and certificate change together or not at all.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transport/cert.h"
#include "transport/token.h"

struct identity {
    char agent_id[WIRE_UUID_TEXT];
    char server_url[TOKEN_URL_MAX + 1]; // "https://host:port"
    char machine_id[WIRE_NAME_MAX + 1]; // of the host it was made on; "": unknown
    char *key;                          // PEM
    char *certificate;                  // PEM
    char *ca;                           // PEM
    struct cert_info info;              // of the certificate
    uint64_t renew_at_ms;               // since 1970; the server's clock as far as it was known
};

struct identity *identity_free(struct identity *id); // overwrites the key
DEFINE_CLEANUP(struct identity *, identity_free)

// A new key and the request to sign it, both PEM, the caller frees (the key with identity_key_free()).
int identity_new_key(char **ret_key, char **ret_csr, struct error *err);
char *identity_key_free(char *key);

// Puts it together and proves that the certificate is for this key, names agent_id (NULL: takes the one it
// names) and is signed by ca. -EBADMSG with err. Copies everything.
int identity_new(const char *agent_id, const char *server_url, const char *machine_id,
                 const char *key, const char *certificate, const char *ca, uint64_t renew_at_ms,
                 struct identity **ret_id, struct error *err);

// -ENOENT: not enrolled; -ESTALE: made on another machine (machine_id differs; "" skips this); -EPERM: others
// may read the file; -EBADMSG: damaged; each with err and what to do. Expired certificates load.
int identity_load(const char *path, const char *machine_id, struct identity **ret_id,
                  struct error *err);

// -ENOSPC, -EIO and the like with err; the file is as it was then.
int identity_store(const char *path, const struct identity *id, struct error *err);
