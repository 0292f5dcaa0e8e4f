// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share.
#pragma once

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "flows/flows.h"
#include "flows/names.h"
#include "flows/table.h"

#define FLOWS_LINKS_MAX 24

struct flows {
    struct bpf_object *object;
    struct bpf_link *links[FLOWS_LINKS_MAX];
    size_t n_links;
    struct ring_buffer *ring;
    int epoll_fd, timer_fd;
    uint64_t look_ns;                                    // what the timer was set to last
    int connections, datagrams, drops, forwards, counts; // maps, on loan from the object
    int n_cpus;
    uint64_t flows_met; // made by the kernel, as of the last walk
    bool walked_any;    // it met some
    uint64_t forgot_ns; // the last look for forwarded ones that are over
    uint64_t lost;      // records, when rows were last held against the kernel's
    uint64_t bad;       // records that were none
    struct flow_table *table;
    struct reason_names *reasons;
    char *absent;
    flow_fn fn; // while records are read
    void *ctx;
    int result;
};

const void *flows_object_bytes(size_t *ret_len);

// kernel.c: loads what this kernel has a place for, and attaches it.
int flows_load(struct flows *f, struct error *err);
int flows_attach(struct flows *f, struct error *err);
