// SPDX-License-Identifier: Apache-2.0
//
// Which hooks this kernel has, without loading anything: for whoever checks a policy.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sensor/capture.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"

static int look(const struct sensor_probe *p, enum sensor_attach attach, const struct btf *btf,
                bool *ret_has)
{
    _cleanup_free_ struct choices *choices = new0(struct choices, 1);
    struct bpf_object *object;
    struct capture log;
    const void *bytes;
    size_t len;
    int r;

    if (!choices)
        return -ENOMEM;
    bytes = object_bytes(&len);
    capture_begin(&log);
    object = bpf_object__open_mem(bytes, len, NULL);
    r = (int)libbpf_get_error(object);
    capture_end(&log);
    if (r < 0)
        return r;
    choose_programs(object, btf, p->release, attach, choices);
    ret_has[SG_HOOK_NONE] = false;
    for (size_t i = 0; i < HOOKS; i++)
        ret_has[i + 1] = *choices->hooks[i].program;
    bpf_object__close(object);
    return 0;
}

int sensor_hooks_here(const struct sensor_probe *p, enum sensor_attach attach, bool *ret_has)
{
    struct btf *btf = NULL;
    int r = kernel_btf(&btf);

    if (r < 0)
        return r;
    r = look(p, attach, btf, ret_has);
    btf__free(btf);
    return r;
}
