// SPDX-License-Identifier: Apache-2.0
#include "server/password.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

int password_make(char ret[PASSWORD_MADE_SIZE], struct error *err)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789A"; // 32 of them
    uint8_t bytes[PASSWORD_MADE_SIZE];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_set(err, -EIO, "there are no random numbers");
    for (unsigned i = 0; i < PASSWORD_MADE_SIZE - 1; i++)
        ret[i] = i % 5 == 4 ? '-' : letters[bytes[i] % 32];
    ret[PASSWORD_MADE_SIZE - 1] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}
