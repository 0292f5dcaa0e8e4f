// SPDX-License-Identifier: Apache-2.0
#include "sensor/env_names.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

static const char *const always[] = {SG_ENV_NAMES_ALWAYS};

static int make_name(const char *name, struct sg_env_names *names)
{
    size_t len = strlen(name);
    char text[SG_ENV_NAME_MAX] = {}, mask[SG_ENV_NAME_MAX] = {};
    const char *star = strchr(name, '*');

    if (star && star[1])
        return -EINVAL;
    if (star)
        len--;
    if (len == 0 || memchr(name, '=', len))
        return -EINVAL;
    if (len >= SG_ENV_NAME_MAX)
        return -E2BIG;
    memcpy(text, name, len);
    memset(mask, 0xff, len);
    if (!star) {
        text[len] = '=';
        mask[len] = (char)0xff;
    }
    memcpy(names->name[names->n].text, text, sizeof(text));
    memcpy(names->name[names->n].mask, mask, sizeof(mask));
    names->first |= 1ull << ((unsigned char)name[0] & 63);
    names->n++;
    return 0;
}

int env_names_make(const char *const *names, size_t n, struct sg_env_names *ret_names)
{
    struct sg_env_names made = {};

    int r = 0;

    if (n > SG_ENV_NAMES_MAX - ARRAY_SIZE(always))
        return -E2BIG;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(always); i++)
        r = make_name(always[i], &made);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = make_name(names[i], &made);
    if (r < 0)
        return r;
    *ret_names = made;
    return 0;
}

// Programs look while it changes: they see fewer names for a moment, but never a name without its mask, which all would match.
void env_names_put(const struct sg_env_names *names, struct sg_env_names *to)
{
    __atomic_store_n(&to->n, 0, __ATOMIC_SEQ_CST);
    memcpy(to->name, names->name, sizeof(to->name));
    to->first = names->first;
    __atomic_store_n(&to->n, names->n, __ATOMIC_SEQ_CST);
}
