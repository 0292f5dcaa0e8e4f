// SPDX-License-Identifier: Apache-2.0
#include "model/bundle.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/strutil.h"

static const char *const modes[] = {
    [BUNDLE_POLICY] = "policy",
    [BUNDLE_MONITOR] = "monitor",
};
STATIC_ASSERT(ARRAY_SIZE(modes) == BUNDLE_MODES, "a name for every mode");

const char *bundle_mode_name(enum bundle_mode mode)
{
    return (unsigned)mode < BUNDLE_MODES ? modes[mode] : NULL;
}

int bundle_mode_find(const char *name, enum bundle_mode *ret_mode)
{
    for (unsigned i = 0; i < BUNDLE_MODES; i++) {
        if (streq_ptr(name, modes[i])) {
            *ret_mode = (enum bundle_mode)i;
            return 0;
        }
    }
    return -ENOENT;
}

// The name becomes one of a file in a directory that root reads policies from.
int bundle_name_check(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strnlen(strempty(name), BUNDLE_NAME_MAX + 1);

    if (len == 0 || len > BUNDLE_NAME_MAX || name[0] == '.' || strspn(name, allowed) != len ||
        !str_endswith(name, ".yaml"))
        return -EINVAL;
    return 0;
}

static void md_freep(EVP_MD_CTX **md)
{
    EVP_MD_CTX_free(*md);
}

static bool add_file(EVP_MD_CTX *md, const struct bundle_file *file)
{
    const char *mode = bundle_mode_name(file->mode);
    char length[24];
    int n = snprintf(length, sizeof(length), "%zu", file->len);

    return EVP_DigestUpdate(md, file->name, strlen(file->name) + 1) == 1 &&
           EVP_DigestUpdate(md, mode, strlen(mode) + 1) == 1 &&
           EVP_DigestUpdate(md, length, (size_t)n + 1) == 1 &&
           EVP_DigestUpdate(md, file->text, file->len) == 1;
}

int bundle_id(const struct bundle_file *files, size_t n, char ret_id[BUNDLE_ID_TEXT])
{
    _cleanup_(md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int hash_len = 0;
    size_t total = 0;

    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    if (n > BUNDLE_FILES_MAX)
        return -E2BIG;
    for (size_t i = 0; i < n; i++) {
        if (bundle_name_check(files[i].name) < 0 || !bundle_mode_name(files[i].mode) ||
            (i > 0 && strcmp(files[i - 1].name, files[i].name) >= 0))
            return -EINVAL;
        if (files[i].len > BUNDLE_TEXT_MAX || files[i].len > BUNDLE_BYTES_MAX - total)
            return -EMSGSIZE;
        total += files[i].len;
        if (!add_file(md, &files[i]))
            return -ENOMEM;
    }
    if (EVP_DigestFinal_ex(md, hash, &hash_len) != 1 || hash_len != (BUNDLE_ID_TEXT - 1) / 2)
        return -EIO;
    for (unsigned i = 0; i < hash_len; i++)
        (void)snprintf(ret_id + (size_t)2 * i, 3, "%02x", hash[i]);
    return 0;
}
