// SPDX-License-Identifier: Apache-2.0
//
// Enrolment tokens: a line of text that a person carries from the server to a host. It says where the
// server is, by which CA it is known, and a secret that lets one host (or some) in. Made by the
// server, read by the agent. The server keeps a hash of the secret and cannot show a token twice.
//
//     sg1.<base64url of: SHA-256 of the CA's certificate (32), secret (16), check (4), URL>
//
// The check is the beginning of a SHA-256 of the rest: a token that lost its end when it was copied
// is told from one that the server does not know.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TOKEN_PREFIX      "sg1."
#define TOKEN_FINGERPRINT 32
#define TOKEN_SECRET      16
#define TOKEN_URL_MAX     255 // bytes
#define TOKEN_TEXT_MAX    512 // bytes of a token, the NUL counted
#define TOKEN_HASH_TEXT   65  // 64 hexadecimal digits and a NUL

struct token {
    uint8_t fingerprint[TOKEN_FINGERPRINT]; // SHA-256 of the CA's certificate (DER)
    uint8_t secret[TOKEN_SECRET];
    char url[TOKEN_URL_MAX + 1]; // "https://host:port"; "": whoever enrols has to say it
};

// A token with a new secret. url may be NULL. -EINVAL with err: not a URL of a server.
int token_new(const uint8_t fingerprint[TOKEN_FINGERPRINT], const char *url,
              struct token *ret_token, struct error *err);

int token_format(const struct token *token, char ret_text[TOKEN_TEXT_MAX]);

// Blanks and newlines around it are skipped. -EINVAL with err, which never quotes the token.
int token_parse(const char *text, struct token *ret_token, struct error *err);

// What the server keeps: the hexadecimal SHA-256 of the secret under a name of its own.
int token_hash(const uint8_t secret[TOKEN_SECRET], char ret_hash[TOKEN_HASH_TEXT]);

// Overwrites it, so that a secret does not stay in memory that is freed.
void token_wipe(struct token *token);

// "https://host", "https://[::1]:8443/": https, a host, perhaps a port, nothing else. Writes it with its
// port (DEFAULT_PORT where there is none) and without a path. -EINVAL with err.
#define SERVER_PORT_DEFAULT 8443
int server_url_normalise(const char *url, char ret_url[TOKEN_URL_MAX + 1], struct error *err);
