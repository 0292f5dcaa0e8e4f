// SPDX-License-Identifier: Apache-2.0
#include "agent/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define SYMBOLS    25
#define FILE_MAX   ((size_t)4096)
#define VERSION    "sha256"

// Crockford's: without letters that are taken for digits or for one another.
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
STATIC_ASSERT(sizeof(alphabet) == 33, "five bits a symbol");

static int hash(const uint8_t salt[SALT_BYTES], const char symbols[SYMBOLS],
                uint8_t ret[HASH_BYTES])
{
    uint8_t text[SALT_BYTES + SYMBOLS];
    int ok;

    memcpy(text, salt, SALT_BYTES);
    memcpy(text + SALT_BYTES, symbols, SYMBOLS);
    ok = EVP_Digest(text, sizeof(text), ret, NULL, EVP_sha256(), NULL);
    OPENSSL_cleanse(text, sizeof(text));
    return ok == 1 ? 0 : -EIO;
}

static void put_hex(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int get_hex(const char *text, uint8_t *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

        if (low < 0)
            return -EBADMSG;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int secret_make(const char *path, char ret_text[SECRET_TEXT], struct error *err)
{
    uint8_t bytes[SYMBOLS], salt[SALT_BYTES], digest[HASH_BYTES];
    char symbols[SYMBOLS], salt_hex[2 * SALT_BYTES + 1], hash_hex[2 * HASH_BYTES + 1], line[256];
    int n, r;

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
        getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return error_set(err, -EIO, "no random numbers: %m");
    for (size_t i = 0; i < SYMBOLS; i++)
        symbols[i] = alphabet[bytes[i] & 31];
    r = hash(salt, symbols, digest);
    if (r < 0)
        return error_set(err, r, "the secret cannot be hashed");
    put_hex(salt, sizeof(salt), salt_hex);
    put_hex(digest, sizeof(digest), hash_hex);
    n = snprintf(line, sizeof(line), VERSION " %s %s\n", salt_hex, hash_hex);
    r = write_file_atomic(AT_FDCWD, path, line, (size_t)n, 0600);
    if (r < 0)
        return error_set(err, r, "%s: %s", path, strerror(-r));
    for (size_t i = 0, at = 0; i < SYMBOLS; i++) {
        if (i && i % 5 == 0)
            ret_text[at++] = '-';
        ret_text[at++] = symbols[i];
        ret_text[at] = '\0';
    }
    OPENSSL_cleanse(symbols, sizeof(symbols));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

bool secret_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

// The symbols of what somebody typed; false: these are not as many as there have to be.
static bool normalise(const char *text, char ret[SYMBOLS])
{
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        char c = *p;

        if (c == '-' || c == ' ' || c == '\t')
            continue;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (c == 'O')
            c = '0';
        if (c == 'I' || c == 'L')
            c = '1';
        if (!strchr(alphabet, c) || n == SYMBOLS)
            return false;
        ret[n++] = c;
    }
    return n == SYMBOLS;
}

int secret_check(const char *path, const char *text)
{
    const size_t salt_at = sizeof(VERSION), hash_at = salt_at + 2 * SALT_BYTES + 1;
    uint8_t salt[SALT_BYTES], wanted[HASH_BYTES], got[HASH_BYTES];
    _cleanup_free_ char *line = NULL;
    char symbols[SYMBOLS];
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, FILE_MAX, &line, &len);
    if (r < 0)
        return r;
    if (len < hash_at + 2 * HASH_BYTES || !str_startswith(line, VERSION " "))
        return -EBADMSG;
    r = get_hex(line + salt_at, salt, sizeof(salt));
    r = r < 0 ? r : get_hex(line + hash_at, wanted, sizeof(wanted));
    if (r < 0)
        return r;
    if (!normalise(text, symbols))
        return -EACCES;
    r = hash(salt, symbols, got);
    OPENSSL_cleanse(symbols, sizeof(symbols));
    if (r < 0)
        return r;
    return CRYPTO_memcmp(wanted, got, sizeof(got)) == 0 ? 0 : -EACCES;
}
