// SPDX-License-Identifier: Apache-2.0
//
// The server's own certificate authority: one EC P-256 key that signs agents and the server itself, and
// nothing else. Called by src/server. Owns DIR/ca.pem (key and certificate) and DIR/server.pem (key,
// certificate, CA), each one file of mode 0600 that is replaced as a whole, so that no crash leaves a key
// beside another key's certificate. Does not remember whom it has signed: that is the registry's.
//
// Certificates take names from the caller alone. Whatever a request asks for besides its key is ignored.
// Safe for several threads, but for ca_server_renew().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transport/cert.h"

#define CA_AGENT_DAYS    30
#define CA_AGENT_LIFE_MS (UINT64_C(86400000) * CA_AGENT_DAYS)
#define CA_SERVER_DAYS   90
#define CA_YEARS         20

struct ca;

// Opens the CA in dir, and makes it (and the directory, 0700) when there is none; of several processes one
// makes it. -EBADMSG with err: the file is damaged; -EPERM: others may read it. A file that cannot be read is never
// replaced: every agent trusts the CA it was enrolled with.
int ca_open(const char *dir, struct ca **ret_ca, struct error *err);
// The same without making one: -ENOENT.
int ca_open_existing(const char *dir, struct ca **ret_ca, struct error *err);
struct ca *ca_free(struct ca *ca);
DEFINE_CLEANUP(struct ca *, ca_free)

const char *ca_pem(const struct ca *ca);              // the certificate, on loan
const uint8_t *ca_fingerprint(const struct ca *ca);   // CERT_FINGERPRINT bytes, on loan
const char *ca_fingerprint_text(const struct ca *ca); // hexadecimal, on loan
const struct cert_info *ca_info(const struct ca *ca); // on loan

// A certificate for an agent's key: URI urn:safeguard:agent:AGENT_ID, clientAuth, CA_AGENT_DAYS from now.
// The request must be signed by its own key, of EC P-256. -EBADMSG, -EINVAL with err. The caller frees.
int ca_sign_agent(const struct ca *ca, const char *csr_pem, const char *agent_id, uint64_t now_ms,
                  char **ret_pem, struct cert_info *ret_info, struct error *err);
// The same for another time.
int ca_sign_agent_for(const struct ca *ca, const char *csr_pem, const char *agent_id,
                      uint64_t now_ms, uint64_t life_ms, char **ret_pem, struct cert_info *ret_info,
                      struct error *err);
// How long an agent is to wait before it renews: 2/3 of the life of what ca_sign_agent() makes, or of this life.
uint64_t ca_renew_after_ms(void);
uint64_t ca_renew_after_life(uint64_t life_ms);

// Whether this certificate was signed by this CA for an agent and is valid at now_ms (0: whenever that was). -EACCES with err: not of this
// CA, or not of an agent; -ESTALE: it has expired, or is not valid yet (ret_info is filled in then, too); -EBADMSG.
int ca_check_agent(const struct ca *ca, const void *der, size_t len, uint64_t now_ms,
                   struct cert_info *ret_info, struct error *err);

// The server's own ---------------------------------------------------------------------------

// Makes DIR/server.pem unless there is one that is of this CA, has exactly these names and addresses ("host.example",
// "10.0.0.1", "::1"; at least one), and is before 2/3 of its life. 1: a new one was written, 0: it is good.
int ca_server_renew(struct ca *ca, const char *const *names, size_t n_names, uint64_t now_ms,
                    struct error *err);

// What the HTTP server needs; the caller frees, with free() (the key with ca_key_free()). chain: certificate and
// CA, so that who enrols finds the CA by its fingerprint.
int ca_server_read(const struct ca *ca, char **ret_key_pem, char **ret_chain_pem,
                   struct cert_info *ret_info, struct error *err);
char *ca_key_free(char *key_pem); // overwrites it; NULL is fine
