// SPDX-License-Identifier: Apache-2.0
//
// sg-refuse.preload: answers the first load of one kernel program as a verifier does that refuses it, for VM tests
// that ask what the agent makes of that. Which one says SG_REFUSE; what the verifier has to say, SG_REFUSE_WORDS.
//
//   LD_PRELOAD=…/sg-refuse.preload SG_REFUSE=lsm_file_open safeguard-agent
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static bool over; // the verifier was asked for its log, which is the last try of one load

static bool is_refused(const union bpf_attr *attr)
{
    const char *name = getenv("SG_REFUSE");

    return !over && name && strncmp(attr->prog_name, name, sizeof(attr->prog_name) - 1) == 0;
}

static long refuse(const union bpf_attr *attr)
{
    const char *words = getenv("SG_REFUSE_WORDS");

    over = attr->log_level != 0;
    if (attr->log_level && attr->log_buf && attr->log_size)
        (void)snprintf((char *)(uintptr_t)attr->log_buf, attr->log_size, "%s\n",
                       words ? words : "refused by a test");
    errno = EACCES;
    return -1;
}

// libbpf asks the kernel by this function of libc's.
long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list ap;

    va_start(ap, number);
    for (size_t i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_bpf && a[0] == BPF_PROG_LOAD && is_refused((const union bpf_attr *)a[1]))
        return refuse((const union bpf_attr *)a[1]);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
