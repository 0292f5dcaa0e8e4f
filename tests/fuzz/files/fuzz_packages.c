// SPDX-License-Identifier: Apache-2.0
//
// The files of dpkg, cut out of the input at bytes of 1: diversions, versions, then lists with the name in the first line. Every
// path of a list that is not diverted or left out is found, and whatever is found has a name.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "files/packages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take_part(struct bytes *rest)
{
    const char *end = rest->len ? memchr(rest->s, 1, rest->len) : NULL;
    struct bytes part = {rest->s, end ? (uint32_t)(end - rest->s) : rest->len};

    *rest = end ? (struct bytes){end + 1, rest->len - part.len - 1}
                : (struct bytes){rest->s + rest->len, 0};
    return part;
}

static void look_for(const struct packages *p, struct bytes line)
{
    struct bytes name, version;

    if (packages_find(p, line, &name, &version) &&
        (name.len == 0 || name.s[name.len] || version.s[version.len]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(packages_freep) struct packages *p = NULL;
    struct bytes rest = {(const char *)data, (uint32_t)size}, diversions, versions, list, all;
    uint32_t n, files, dropped, newlines = 0;
    size_t memory;

    if (packages_new(&p) < 0)
        return 0;
    (void)packages_add_alias(p, "/bin", "/usr/bin");
    diversions = take_part(&rest);
    versions = take_part(&rest);
    if (packages_add_diversions(p, diversions.s, diversions.len) < 0)
        return 0;
    all = rest;
    while (rest.len) {
        const char *newline;
        uint32_t len;

        list = take_part(&rest);
        newline = list.len ? memchr(list.s, '\n', list.len) : NULL;
        len = newline ? (uint32_t)(newline - list.s) : list.len;
        (void)packages_add_list(p, (struct bytes){list.s, len}, list.s + len, list.len - len);
    }
    if (packages_add_versions(p, versions.s, versions.len) < 0 || packages_finish(p) < 0)
        return 0;
    for (uint32_t at = 0; at < all.len; newlines++) {
        const char *newline = memchr(all.s + at, '\n', all.len - at);
        uint32_t len = newline ? (uint32_t)(newline - all.s) - at : all.len - at;

        look_for(p, (struct bytes){all.s + at, len});
        at += len + 1;
    }
    packages_size(p, &n, &files, &dropped, &memory);
    if (files > newlines + n || dropped)
        abort();
    return 0;
}
