// SPDX-License-Identifier: Apache-2.0
#include "store/recordid.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_LEN 12

void record_id_format(const struct record_id *id, char ret_text[STORE_ID_SIZE])
{
    (void)snprintf(ret_text, STORE_ID_SIZE, "%.12s.%" PRIx64 ".%" PRIx32, id->day, id->run,
                   id->record);
}

bool hex_read(const char **p, unsigned digits, uint64_t *ret_value)
{
    uint64_t value = 0;
    unsigned n = 0;

    for (;; n++) {
        char c = (*p)[n];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
        if (n == digits)
            return false;
    }
    *p += n;
    *ret_value = value;
    return n > 0;
}

bool record_id_read(const char **p, struct record_id *ret_id)
{
    struct record_id id = {};
    uint64_t record = 0;

    if (strnlen(*p, DAY_LEN + 1) <= DAY_LEN || strspn(*p, "0123456789-") != DAY_LEN)
        return false;
    memcpy(id.day, *p, DAY_LEN);
    *p += DAY_LEN;
    if (*(*p)++ != '.' || !hex_read(p, 12, &id.run) || *(*p)++ != '.' || !hex_read(p, 4, &record))
        return false;
    id.record = (uint32_t)record;
    *ret_id = id;
    return true;
}
