// SPDX-License-Identifier: Apache-2.0
//
// Secrets: the key beside the database, what is encrypted with it, random texts and their hashes.
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "registry/internal.h"

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES

STATIC_ASSERT(REGISTRY_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
              "the size of a key");

int secret_key_load(struct registry *rg, int dirfd, struct error *err)
{
    static const char name[] = "server.key";
    _cleanup_free_ char *key = NULL;
    size_t len = 0;
    int r = read_file_bounded(dirfd, name, REGISTRY_KEY_SIZE, &key, &len);

    if (r == -ENOENT) {
        randombytes_buf(rg->key, sizeof(rg->key));
        r = write_file_atomic(dirfd, name, rg->key, sizeof(rg->key), 0600);
        return r < 0 ? error_set(err, r, "%s/%s could not be written: %m", rg->options.dir, name)
                     : 0;
    }
    if (r < 0 || len != REGISTRY_KEY_SIZE) {
        r = error_set(err, r < 0 ? r : -EINVAL, "%s/%s is not a key of %d bytes", rg->options.dir,
                      name, REGISTRY_KEY_SIZE);
        error_cure(
            err,
            "bring it back from a backup; or remove it and set the secrets of all channels again");
    } else {
        memcpy(rg->key, key, len);
    }
    if (key)
        sodium_memzero(key, len);
    return r;
}

int secret_seal(struct registry *rg, const char *what, const char *text, char **ret_blob,
                size_t *ret_len)
{
    size_t len = strlen(text);
    unsigned char *blob = mallocz(NONCE + len + TAG);
    unsigned long long sealed = 0;

    if (!blob)
        return -ENOMEM;
    randombytes_buf(blob, NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(blob + NONCE, &sealed,
                                                     (const unsigned char *)text, len,
                                                     (const unsigned char *)what, strlen(what),
                                                     NULL, blob, rg->key);
    *ret_blob = (char *)blob;
    *ret_len = NONCE + (size_t)sealed;
    return 0;
}

int secret_open(struct registry *rg, const char *what, const void *blob, size_t len,
                char **ret_text)
{
    const unsigned char *in = blob;
    unsigned char *text;

    if (len < NONCE + TAG)
        return -EKEYREJECTED;
    text = mallocz(len - NONCE - TAG + 1);
    if (!text)
        return -ENOMEM;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, in + NONCE, len - NONCE,
                                                   (const unsigned char *)what, strlen(what), in,
                                                   rg->key) < 0) {
        free(text);
        return -EKEYREJECTED;
    }
    *ret_text = (char *)text;
    return 0;
}

void hex_of(const void *mem, size_t len, char *ret)
{
    (void)sodium_bin2hex(ret, 2 * len + 1, mem, len);
}

void random_hex(char *ret, size_t digits)
{
    uint8_t bytes[32];

    assert(digits <= 2 * sizeof(bytes) && digits % 2 == 0);
    randombytes_buf(bytes, digits / 2);
    hex_of(bytes, digits / 2, ret);
    sodium_memzero(bytes, sizeof(bytes));
}

void base64_of(const uint8_t bytes[32], char ret[44])
{
    (void)sodium_bin2base64(ret, 44, bytes, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void random_base64(char ret[44])
{
    uint8_t bytes[32];

    randombytes_buf(bytes, sizeof(bytes));
    base64_of(bytes, ret);
    sodium_memzero(bytes, sizeof(bytes));
}

void hash_text(const char *domain, const char *text, uint8_t ret[32])
{
    crypto_hash_sha256_state st;

    (void)crypto_hash_sha256_init(&st);
    // With its NUL, so that no domain is the beginning of another.
    (void)crypto_hash_sha256_update(&st, (const uint8_t *)domain, strlen(domain) + 1);
    (void)crypto_hash_sha256_update(&st, (const uint8_t *)text, strlen(text));
    (void)crypto_hash_sha256_final(&st, ret);
}
