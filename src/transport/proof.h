// SPDX-License-Identifier: Apache-2.0
//
// That a host which enrols had an identity before: a signature of the former key over the new request. A server that knows the
// host then keeps it the same host, with its history, and what waits in its spool joins what it had sent. Also with a
// certificate that has expired meanwhile, which opens no connection any more.
#pragma once

#include "base/error.h"
#include "transport/ca.h"

#define PROOF_TEXT_MAX 128 // base64 of a signature of EC P-256

// The caller frees.
int proof_make(const char *key_pem, const char *csr, char **ret_proof, struct error *err);

// Whether certificate is an agent's of this CA, expired or not, and its key made the proof. -EACCES: not; -EBADMSG.
int proof_check(const struct ca *ca, const char *certificate, const char *csr, const char *proof,
                struct cert_info *ret_info, struct error *err);
