// SPDX-License-Identifier: Apache-2.0
#include "files/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define PIECE ((size_t)128 << 10)

static enum file_hash read_all(int fd, uint64_t size, bool (*stop)(void *ctx), void *ctx,
                               EVP_MD_CTX *md, unsigned char *piece)
{
    uint64_t done = 0;

    while (done <= size) {
        ssize_t n = pread(fd, piece, PIECE, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FILE_HASH_UNREADABLE;
        if (n == 0)
            break;
        if (EVP_DigestUpdate(md, piece, (size_t)n) != 1)
            return FILE_HASH_UNREADABLE;
        done += (uint64_t)n;
        if (stop && stop(ctx))
            return FILE_HASH_LATE;
    }
    return done == size ? FILE_HASH_KNOWN : FILE_HASH_CHANGED;
}

enum file_hash hash_fd(int fd, uint64_t size, bool (*stop)(void *ctx), void *ctx,
                       uint8_t ret_sha256[FILE_SHA256_BYTES])
{
    _cleanup_free_ unsigned char *piece = malloc(PIECE);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    enum file_hash hash = FILE_HASH_UNREADABLE;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (piece && md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
        hash = read_all(fd, size, stop, ctx, md, piece);
    if (hash == FILE_HASH_KNOWN &&
        (EVP_DigestFinal_ex(md, digest, &len) != 1 || len != FILE_SHA256_BYTES))
        hash = FILE_HASH_UNREADABLE;
    EVP_MD_CTX_free(md);
    if (hash == FILE_HASH_KNOWN)
        memcpy(ret_sha256, digest, FILE_SHA256_BYTES);
    return hash;
}
