// SPDX-License-Identifier: Apache-2.0
//
// Bytes from a client: frames, requests and responses, as both ends read them.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "control/frame.h"
#include "control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_payload(const struct control_frame *frame)
{
    struct control_response response = {};
    struct control_request request = {};
    struct error err = {};
    int r;

    r = control_request_parse(frame->payload, frame->len, &request, &err);
    if (r == 0 && (request.id == 0 || !control_command_name(request.command)))
        abort();
    control_request_done(&request);
    if (control_response_parse(frame->payload, frame->len, &response, &err) == 0)
        json_object_put(response.result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_frame frame;
    size_t used = 0;

    while (control_frame_decode(data, size, &frame, &used) > 0) {
        if (used < CONTROL_HEAD || used > size || frame.len != used - CONTROL_HEAD)
            abort();
        read_payload(&frame);
        data += used;
        size -= used;
    }
    return 0;
}
