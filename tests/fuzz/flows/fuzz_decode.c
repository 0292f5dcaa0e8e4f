// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for src/flows: any bytes as records give errors or flows that hold what flow.h promises, and the table keeps
// its bound and takes each end out.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "flows/table.h"

#define ROWS 8u

static void check(bool cond)
{
    if (!cond)
        abort();
}

static int on_flow(void *ctx, const struct flow *f)
{
    unsigned *n = ctx;

    (*n)++;
    check(f->type > SG_FLOW_NONE && f->type < SG_FLOW_TYPES && flow_type_name(f->type));
    check(f->reason < SG_FLOW_REASONS && flow_reason_name(f->reason));
    check(flow_is_end(f) ? f->reason != SG_FLOW_GOES_ON || f->type == SG_FLOW_LISTEN_END
                         : f->reason == SG_FLOW_GOES_ON);
    check(f->ends.family == AF_INET || f->ends.family == AF_INET6);
    check(f->last_ns >= f->begin_ns && flow_duration_ns(f) <= f->last_ns);
    return 0;
}

// One record, or a look at one entry of the kernel's table.
static void feed(struct flow_table *t, const uint8_t *data, size_t size, unsigned *n)
{
    struct sg_flow_value value;
    struct sg_flow_key key;
    struct flow f;

    if (flow_decode(data, size, &f) == 0)
        check(flow_table_record(t, &f, on_flow, n) == 0);
    if (size < sizeof(key) + sizeof(value))
        return;
    memcpy(&key, data, sizeof(key));
    memcpy(&value, data + sizeof(key), sizeof(value));
    if (flow_of_entry(&key, &value, &f) < 0)
        return;
    flow_table_look(t, f.last_ns + f.who.uid);
    if (flow_table_entry(t, &f))
        check(flow_table_idle(t, &f, on_flow, n) == 0);
    check(flow_table_look_end(t, on_flow, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(flow_table_freep) struct flow_table *t = NULL;
    unsigned n = 0;

    if (flow_table_new(ROWS, 1000, &t) < 0)
        abort();
    for (size_t at = 0; at < size; at += sizeof(struct sg_flow_record)) {
        feed(t, data + at, MIN(size - at, sizeof(struct sg_flow_record)), &n);
        check(flow_table_len(t) <= ROWS);
    }
    check(flow_table_each(t, on_flow, &n) == 0);
    return 0;
}
