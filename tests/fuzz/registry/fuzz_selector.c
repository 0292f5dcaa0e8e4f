// SPDX-License-Identifier: Apache-2.0
//
// A selector and the labels that it is held against, from anybody who may write to the API. What is taken has one form,
// and that form means the same.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_selector(const char *text, const struct labels *labels)
{
    _cleanup_(selector_freep) struct selector *s = NULL, *again = NULL;
    _cleanup_free_ char *form = NULL, *twice = NULL;
    struct error err = {};

    if (selector_parse(text, &s, &err) < 0) {
        // Whoever made the mistake is told where.
        if (!error_is_set(&err) || err.column > strlen(text) + 1)
            abort();
        return;
    }
    if (selector_format(s, &form) < 0)
        return;
    // Blanks after commas may make it longer than what may be given.
    if (strlen(form) > SELECTOR_TEXT_MAX)
        return;
    if (selector_parse(form, &again, &err) < 0 || selector_format(again, &twice) < 0 ||
        strcmp(form, twice) != 0)
        abort();
    if (selector_matches(s, labels) != selector_matches(again, labels))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(labels_done) struct labels labels = {};
    _cleanup_free_ char *text = NULL, *json = NULL;
    const uint8_t *end = memchr(data, '\n', size);
    size_t len = end ? (size_t)(end - data) : size;
    struct error err = {};

    text = xstrndup((const char *)data, len);
    if (!text)
        return 0;
    if (end) {
        json = xstrndup((const char *)end + 1, size - len - 1);
        if (!json)
            return 0;
        if (labels_from_json(json, &labels, &err) < 0 && labels_set(&labels, json, &err) < 0)
            labels_done(&labels);
    }
    check_selector(text, &labels);
    return 0;
}
