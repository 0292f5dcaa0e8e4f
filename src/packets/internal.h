// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share.
#pragma once

#include <bpf/libbpf.h>

#include "packets/compile.h"
#include "packets/packets.h"

#define PACKETS_PATH_MAX     512
#define PACKETS_PROBLEMS_MAX 64

struct packets_interface {
    uint32_t ifindex;
    char name[16];
    bool loopback, raw; // raw: no Ethernet header
    bool wanted;        // some rule is about it
    bool want[2];       // … by direction, or may have to change what comes back that way
    bool want_early;
    struct sg_packet_interface entry;
    enum packets_way in, out, early;
    int in_fd, out_fd, early_fd; // links; -1: there is none, or it is a filter of clsact
};

struct problem {
    char what[256], cure[256];
};

struct packets {
    char pin_dir[PACKETS_PATH_MAX];
    struct bpf_object *object;
    struct ring_buffer *ring;
    int epoll_fd, netlink_fd;
    int ingress_fd, egress_fd, early_fd; // programs; on loan from the object
    bool rewrites, limits;               // what its tables have room for
    struct compiled *compiled;           // in force
    struct packet_rules *rules;          // … what it was made of
    struct sg_packet_tables *tables;     // in force: the kernel's memory
    uint32_t half, generation;
    bool no_tcx;       // this kernel has none
    bool knows_tables; // … has bpf_fib_lookup() by table
    struct packets_interface *items;
    size_t n, cap;
    struct problem problems[PACKETS_PROBLEMS_MAX];
    size_t n_problems;
    struct problem tamper; // the last one, since the policy is in force
    uint64_t tampers;
    uint64_t swept_ns; // CLOCK_BOOTTIME
    packets_fn fn;     // while records are read
    void *ctx;
    int result;
};

const void *packets_object_bytes(size_t *ret_len);

_printf_(3, 4) void packets_add_problem(struct packets *p, const char *cure, const char *fmt, ...);

// packets.c: what rules ask for that this kernel or host does not have.
void packets_find_problems(struct packets *p);

// kernel.c
int packets_load(struct packets *p, const struct packet_rules *rules, struct error *err);
int packets_map(const struct packets *p, const char *name);
int packets_swap(struct packets *p, struct compiled *c, struct error *err);
// Gives an interface its entry in the policy in force, or takes it away.
int packets_put_interface(struct packets *p, const struct packets_interface *i);
// Interfaces that rules name, by number, in the policy in force.
void packets_resolve(struct packets *p);

// interfaces.c
int packets_scan(struct packets *p);
// What the compiled rules want on each; entries that a half about to come into force gets.
int packets_want(struct packets *p, struct compiled *c);
// Programs where they are wanted, and nowhere else.
void packets_settle(struct packets *p);
int packets_watch(struct packets *p, struct error *err);
void packets_drain(struct packets *p);

// attach.c
void packets_attach(struct packets *p, struct packets_interface *i);
void packets_detach(struct packets *p, struct packets_interface *i);
void packets_forget(struct packets *p, struct packets_interface *i); // it is gone
void packets_verify(struct packets *p, struct packets_interface *i); // puts back what was taken off
void packets_renew(struct packets *p,
                   struct packets_interface *i); // its programs are another object's now
void packets_detach_stray(
    const struct packets *p,
    const struct packets_interface *i); // filters that an earlier process left
void packets_detach_filters(const char *pin_dir, uint32_t ifindex);
