// SPDX-License-Identifier: Apache-2.0
//
// Bodies of messages, as both ends read them. The first byte picks the reader. What was read and is written again
// is read again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/macro.h"
#include "transport/msg_enrol.h"
#include "transport/msg_hello.h"
#include "transport/msg_poll.h"
#include "transport/msg_result.h"
#include "transport/msg_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(name)                                                  \
    static void try_##name(const char *text, size_t len)           \
    {                                                              \
        struct msg_##name m, again;                                \
        struct strbuf sb = {};                                     \
                                                                   \
        if (msg_##name##_read(text, len, &m, NULL) < 0)            \
            return;                                                \
        /* Escapes may make it longer than a message may be. */    \
        if (msg_##name##_write(&sb, &m) == 0 && sb.len <= len) {   \
            if (msg_##name##_read(sb.s, sb.len, &again, NULL) < 0) \
                abort();                                           \
            msg_##name##_done(&again);                             \
        }                                                          \
        sb_done(&sb);                                              \
        msg_##name##_done(&m);                                     \
    }
TRY(enrol)
TRY(renew)
TRY(certificate)
TRY(hello)
TRY(hello_answer)
TRY(poll)
TRY(bundle)
TRY(state)
TRY(result)

static void try_rest(const char *text, size_t len)
{
    struct msg_records_answer records;
    struct error err = {};
    uint64_t checksum;

    (void)msg_records_answer_read(text, len, &records, &err);
    (void)msg_state_answer_read(text, len, &checksum, &err);
    (void)wire_error_read(text, len, -EIO, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const char *text, size_t len) = {
        try_enrol, try_renew,  try_certificate, try_hello,  try_hello_answer,
        try_poll,  try_bundle, try_state,       try_result, try_rest,
    };

    if (size > 0)
        readers[data[0] % ARRAY_SIZE(readers)]((const char *)data + 1, size - 1);
    return 0;
}
