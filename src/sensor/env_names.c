// SPDX-License-Identifier: Apache-2.0
#include "sensor/env_names.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

const char *const env_names_default[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "SSH_*"};
const size_t env_names_default_n = ARRAY_SIZE(env_names_default);

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

    if (n > SG_ENV_NAMES_MAX)
        return -E2BIG;
    for (size_t i = 0; i < n; i++) {
        int r = make_name(names[i], &made);

        if (r < 0)
            return r;
    }
    *ret_names = made;
    return 0;
}
