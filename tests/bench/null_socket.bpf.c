// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do nothing where rules about sockets are asked: what is left of their cost is the hooks'. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define NULL_PROGRAM(hook)     \
    SEC("lsm/" #hook)          \
    int null_##hook(void *ctx) \
    {                          \
        (void)ctx;             \
        return 0;              \
    }

NULL_PROGRAM(socket_connect)
NULL_PROGRAM(socket_sendmsg)
NULL_PROGRAM(socket_recvmsg)

const volatile int kept = 1; /* without a constant of a name the object has no types on 5.10 */
char _license[] SEC("license") = "GPL";
