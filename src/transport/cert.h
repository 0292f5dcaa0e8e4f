// SPDX-License-Identifier: Apache-2.0
//
// What is to be known of a certificate, read from its bytes. Used by both ends of the link: the server asks
// who is at the other end of a connection. Proves nothing: see ca_check_agent() for that.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/wire.h"

#define CERT_FINGERPRINT      32
#define CERT_FINGERPRINT_TEXT 65 // hexadecimal, a NUL
#define CERT_SERIAL_TEXT      41 // hexadecimal, at most 20 bytes, a NUL
#define CERT_AGENT_URN        "urn:safeguard:agent:"

struct cert_info {
    char agent_id[WIRE_UUID_TEXT];           // of the one SAN URI of that form; "": none
    char serial[CERT_SERIAL_TEXT];           // lower case, no leading zeros but in pairs
    char fingerprint[CERT_FINGERPRINT_TEXT]; // SHA-256 of the DER
    int64_t not_before_ms, not_after_ms;     // since 1970
};

// -EBADMSG with err: not a certificate, or one with more than one agent's name.
int cert_read_der(const void *der, size_t len, struct cert_info *ret, struct error *err);
int cert_read_pem(const char *pem, struct cert_info *ret, struct error *err); // the first one
