// SPDX-License-Identifier: Apache-2.0
//
// The certificate that a peer shows, and the request that one sends in.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "transport/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct cert_info info;
    EVP_PKEY *key = NULL;

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (cert_read_der(data, size, &info, NULL) == 0 &&
        ((*info.agent_id && !wire_uuid_valid(info.agent_id)) || strlen(info.fingerprint) != 64))
        abort();
    (void)cert_read_pem(text, &info, NULL);
    if (pki_read_request(text, &key, NULL) == 0) {
        if (pki_check_key(key) < 0)
            abort();
        EVP_PKEY_free(key);
    }
    free(text);
    return 0;
}
