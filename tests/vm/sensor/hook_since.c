// SPDX-License-Identifier: Apache-2.0
//
// Holds src/policy/hook_since.def against the types of a kernel: hook-since VERSION VMLINUX-BTF
//
// What `policy check --kernel VERSION` takes for granted has to be what the sensor finds on that kernel, for every hook. Needs no
// kernel but the file. Prints TAP; status 1 when a row is wrong.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <stdio.h>

#include "policy/served.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"

static size_t check_hooks(const struct choices *choices, const char *version)
{
    const struct policy_kernel kernel = {.version = kernel_version(version)};
    size_t bad = 0;

    for (size_t i = 0; i < HOOKS; i++) {
        const char *id = hook_row(i)->id;
        bool is = *choices->hooks[i].program, said = policy_kernel_has(&kernel, id);

        (void)printf("%s %s.%s: %s%s\n", is == said ? "ok" : "not ok", version, id,
                     is ? "there" : choices->hooks[i].reason,
                     is == said ? "" : ", the table says otherwise");
        bad += is != said;
    }
    return bad;
}

int main(int argc, char **argv)
{
    struct choices choices;
    struct bpf_object *object;
    struct btf *btf = NULL;
    const void *bytes;
    size_t len, bad;
    int r;

    if (argc != 3 || !kernel_version(argv[1]))
        errx(2, "usage: hook-since VERSION VMLINUX-BTF");
    r = kernel_btf_from(argv[2], &btf);
    if (r < 0)
        errx(2, "%s: the types cannot be read (%d)", argv[2], r);
    bytes = object_bytes(&len);
    object = bpf_object__open_mem(bytes, len, NULL);
    if (libbpf_get_error(object))
        errx(2, "the programs cannot be opened");
    choose_programs(object, btf, argv[1], SENSOR_ATTACH_LSM, &choices);
    bad = check_hooks(&choices, argv[1]);
    bpf_object__close(object);
    btf__free(btf);
    return bad > 0;
}
