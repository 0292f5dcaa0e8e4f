// SPDX-License-Identifier: Apache-2.0
//
// The first line of a request, cookies, times and types: the small parsers, each on the same bytes.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/schema.h"
#include "api/target.h"
#include "api/time.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_piece(const char *s)
{
    size_t len = strlen(s);

    if (!utf8_valid(s, len))
        abort();
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < ' ')
            abort();
}

static void read_target(const char *text)
{
    struct error err = {};
    struct target t = {};

    if (target_parse(text, &t, &err) < 0)
        return;
    for (size_t i = 0; i < t.n_segments; i++) {
        check_piece(t.segments[i]);
        if (!*t.segments[i] || strcmp(t.segments[i], ".") == 0 || strcmp(t.segments[i], "..") == 0)
            abort();
    }
    for (size_t i = 0; i < t.n_params; i++) {
        check_piece(t.params[i].name);
        check_piece(t.params[i].value);
    }
    target_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct api_type *type = NULL;
    const char *value;
    size_t len = 0;
    uint64_t ms;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    read_target(text);
    value = cookie_find(text, "n", &len);
    if (value && (value < text || value + len > text + strlen(text) || memchr(value, ';', len)))
        abort();
    (void)api_time_parse(text, &ms, NULL);
    if (api_type_parse(text, &type, NULL) == 0)
        (void)api_type_free(type);
    free(text);
    return 0;
}
