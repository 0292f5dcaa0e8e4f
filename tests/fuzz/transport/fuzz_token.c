// SPDX-License-Identifier: Apache-2.0
//
// What a person pastes as a token or a URL: whatever is taken comes out again as it went in.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), again[TOKEN_TEXT_MAX], url[TOKEN_URL_MAX + 1],
         url2[TOKEN_URL_MAX + 1];
    struct token token, got;

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (token_parse(text, &token, NULL) == 0) {
        if (token_format(&token, again) < 0 || token_parse(again, &got, NULL) < 0 ||
            memcmp(token.secret, got.secret, TOKEN_SECRET) != 0 || !streq(token.url, got.url))
            abort();
    }
    if (server_url_normalise(text, url, NULL) == 0 &&
        (server_url_normalise(url, url2, NULL) < 0 || !streq(url, url2)))
        abort();
    free(text);
    return 0;
}
