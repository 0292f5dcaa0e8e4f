// SPDX-License-Identifier: Apache-2.0
#include "model/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/macro.h"

static const char *const classes[] = {
    [STREAM_SECURITY] = "security",
    [STREAM_AUDIT] = "audit",
};
STATIC_ASSERT(ARRAY_SIZE(classes) == STREAM_CLASSES, "a name for every class");

const char *stream_class_name(enum stream_class class)
{
    return (unsigned)class < STREAM_CLASSES ? classes[class] : NULL;
}

int stream_class_find(const char *name, enum stream_class *ret_class)
{
    for (unsigned i = 0; i < STREAM_CLASSES; i++) {
        if (streq_ptr(name, classes[i])) {
            *ret_class = (enum stream_class)i;
            return 0;
        }
    }
    return -ENOENT;
}

bool stream_id_is_none(const struct stream_id *id)
{
    static const struct stream_id none;

    return stream_id_equal(id, &none);
}

bool stream_id_equal(const struct stream_id *a, const struct stream_id *b)
{
    return memcmp(a->b, b->b, STREAM_ID_SIZE) == 0;
}

int stream_id_new(struct stream_id *ret_id)
{
    struct stream_id id;

    do {
        ssize_t n = getrandom(id.b, sizeof(id.b), 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof(id.b))
            return n < 0 ? negative_errno() : -EIO;
    } while (stream_id_is_none(&id));
    *ret_id = id;
    return 0;
}

void stream_id_format(const struct stream_id *id, char ret_text[STREAM_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < STREAM_ID_SIZE; i++) {
        ret_text[2 * i] = digits[id->b[i] >> 4];
        ret_text[2 * i + 1] = digits[id->b[i] & 15];
    }
    ret_text[2 * STREAM_ID_SIZE] = '\0';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int stream_id_parse(const char *text, struct stream_id *ret_id)
{
    struct stream_id id;

    if (!text || strnlen(text, STREAM_ID_TEXT) != 2 * STREAM_ID_SIZE)
        return -EINVAL;
    for (size_t i = 0; i < STREAM_ID_SIZE; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        id.b[i] = (uint8_t)(high << 4 | low);
    }
    if (stream_id_is_none(&id))
        return -EINVAL;
    *ret_id = id;
    return 0;
}
