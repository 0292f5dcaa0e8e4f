// SPDX-License-Identifier: Apache-2.0
//
// sg-fill: takes all places that a hook has for programs, as another security product could, and holds them until its
// standard input ends. Prints how many there were. For VM tests that ask what happens when there is none left.
//
//   sg-fill HOOK [LEAVE]      LEAVE: so many places are given back
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"

#define PLACES_MAX 64

// return 0;
static const struct bpf_insn program[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
    {.code = BPF_JMP | BPF_EXIT},
};

static int attach(int btf_id)
{
    LIBBPF_OPTS(bpf_prog_load_opts, options, .attach_btf_id = (__u32)btf_id,
                .expected_attach_type = BPF_LSM_MAC);
    int fd = bpf_prog_load(BPF_PROG_TYPE_LSM, "sg_fill", "GPL", program, ARRAY_SIZE(program),
                           &options);
    int link;

    if (fd < 0)
        return fd;
    link = bpf_raw_tracepoint_open(NULL, fd);
    (void)close(fd);
    return link;
}

int main(int argc, char **argv)
{
    int links[PLACES_MAX], n = 0, id, r = 0;
    uint64_t leave = 0;
    char c;

    if (argc < 2 || (argc > 2 && parse_u64(argv[2], &leave) < 0)) {
        fprintf(stderr, "usage: sg-fill HOOK [LEAVE]\n");
        return 2;
    }
    id = libbpf_find_vmlinux_btf_id(argv[1], BPF_LSM_MAC);
    if (id < 0) {
        fprintf(stderr, "sg-fill: this kernel has no hook %s\n", argv[1]);
        return 1;
    }
    while (n < PLACES_MAX && (r = attach(id)) >= 0)
        links[n++] = r;
    if (n == 0 || n == PLACES_MAX) {
        fprintf(stderr, "sg-fill: %d places, then: %s\n", n, r < 0 ? strerror(-r) : "no end");
        return 1;
    }
    for (uint64_t i = 0; i < leave && n > 0; i++)
        (void)close(links[--n]);
    printf("%d\n", n);
    (void)fflush(stdout);
    return read(0, &c, 1) < 0 ? 1 : 0;
}
