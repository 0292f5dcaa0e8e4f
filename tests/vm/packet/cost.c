// SPDX-License-Identifier: Apache-2.0
//
// sg-packet-cost POLICY: what the programs for packets take for one frame under this policy, beside programs that do nothing, in
// nanoseconds: in a guest that counts instructions, these. Each frame is given by itself (BPF_PROG_TEST_RUN), since a program changes
// it; the call's own part is in all numbers alike. Prints "NAME NUMBER" lines.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "packets/internal.h"
#include "policy/policy.h"
#include "tests/unit/abi/packet.h"

#define RUNS 2000

static struct build b;

static void udp(unsigned dst, unsigned port)
{
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, 0, 8 + 18, 1, dst);
    put_udp(&b, 4000, port, 18);
    put_data(&b, 18);
}

static void tcp(unsigned sport)
{
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_TCP, 0x4000, 20, 1, 2);
    put_tcp(&b, sport, 80, 2);
}

// Nanoseconds of one run; negative: it failed, or its answer was another one.
static int64_t measure(int prog_fd, uint32_t expected)
{
    uint64_t start = 0;

    // The first one makes what the others find.
    for (int i = -1; i < RUNS; i++) {
        static uint8_t out[sizeof(b.bytes)];
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b.bytes, .data_size_in = (uint32_t)b.len,
                    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

        if (i == 0)
            start = now_ns(CLOCK_MONOTONIC);
        if (bpf_prog_test_run_opts(prog_fd, &opts) < 0 || opts.retval != expected)
            return -1;
    }
    return (int64_t)((now_ns(CLOCK_MONOTONIC) - start) / RUNS);
}

static int null_program(enum bpf_prog_type type, int answer)
{
    struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = answer},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bpf_prog_load(type, "null", "GPL", code, ARRAY_SIZE(code), NULL);
}

static void measure_all(const struct packets *p)
{
    udp(2, 53);
    printf("xdp_null %lld\n", (long long)measure(null_program(BPF_PROG_TYPE_XDP, 1), 1));
    printf("xdp_drop %lld\n", (long long)measure(p->early_fd, 1));
    udp(3, 54);
    printf("xdp_pass %lld\n", (long long)measure(p->early_fd, 2));
    printf("tc_null %lld\n",
           (long long)measure(null_program(BPF_PROG_TYPE_SCHED_CLS, -1), (uint32_t)-1));
    printf("tc_pass %lld\n", (long long)measure(p->ingress_fd, (uint32_t)-1));
    tcp(4000);
    printf("tc_rewrite %lld\n", (long long)measure(p->ingress_fd, (uint32_t)-1));
}

int main(int argc, char **argv)
{
    struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY};
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(packets_freep) struct packets *p = NULL;
    _cleanup_(policy_freep) struct policy *policy = NULL;
    const char *path = argc > 1 ? argv[1] : "";
    struct error err = {};
    int r;

    (void)setrlimit(RLIMIT_MEMLOCK, &memory);
    (void)libbpf_set_print(NULL);
    r = policy_load_files(&path, 1, NULL, &diags, &policy);
    r = r < 0 ? r : packets_new("/sys/fs/bpf/sg-cost", &p, &err);
    r = r < 0 ? r : packets_apply(p, &policy->packets, &err);
    if (r == 0)
        measure_all(p);
    r = r < 0 ? r : packets_clear("/sys/fs/bpf/sg-cost", &err);
    error_print(&err, stderr);
    return r < 0;
}
