// SPDX-License-Identifier: Apache-2.0
#include "sensor/kernel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/sensor.h"

uint32_t kernel_version(const char *release)
{
    unsigned long major, minor;
    const char *s = release;
    char *end;

    if (*s < '0' || *s > '9')
        return 0;
    major = strtoul(s, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return 0;
    minor = strtoul(end + 1, NULL, 10);
    return major <= UINT16_MAX && minor <= UINT16_MAX ? KERNEL(major, minor) : 0;
}

// What stands in front of the '/' of a section, and what the kernel puts before the name.
static const struct {
    const char *section, *prefix;
    bool function;
} targets[] = {
    {"lsm/", "bpf_lsm_", true},       {"lsm.s/", "bpf_lsm_", true}, {"fmod_ret/", "", true},
    {"fmod_ret.s/", "", true},        {"fentry/", "", true},        {"fexit/", "", true},
    {"tp_btf/", "btf_trace_", false},
};

static int target_kind(const char *section)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (str_startswith(section, targets[i].section))
            return (int)i;
    return -EINVAL;
}

int kernel_target_name(const char *section, char *ret_name, size_t size)
{
    int kind = target_kind(section), n;
    const char *rest;

    if (kind < 0)
        return kind;
    rest = section + strlen(targets[kind].section);
    n = snprintf(ret_name, size, "%s%s", targets[kind].prefix, rest);
    return n > 0 && (size_t)n < size ? 0 : -ENOSPC;
}

int kernel_btf_from(const char *path, struct btf **ret)
{
    struct btf *btf = btf__parse(path, NULL);
    int r = (int)libbpf_get_error(btf);

    // Kernels that do not show their types there may have them in a file beside their image.
    if (r == -ENOENT) {
        btf = btf__load_vmlinux_btf();
        r = libbpf_get_error(btf) ? -ENOENT : 0;
    }
    if (r == 0)
        *ret = btf;
    return r;
}

int kernel_btf(struct btf **ret)
{
    return kernel_btf_from(KERNEL_BTF, ret);
}

const char *kernel_btf_cure(int error)
{
    return error == -ENOMEM                      ? SENSOR_MEMORY_CURE
           : error == -EACCES || error == -EPERM ? "let it read " KERNEL_BTF
                                                 : "a kernel with CONFIG_DEBUG_INFO_BTF=y";
}

int kernel_btf_error(struct error *err, int error)
{
    (void)error_set(err, error, "the kernel's types (" KERNEL_BTF ") cannot be read: %s",
                    strerror(-error));
    error_cure(err, "%s", kernel_btf_cure(error));
    return error;
}

int kernel_load_error(struct error *err, const char *what, int error)
{
    struct btf *btf = NULL;
    int again;

    if (error != -ESRCH)
        return error_set(err, error, "the kernel refused %s: %s", what, strerror(-error));
    again = kernel_btf(&btf);
    btf__free(btf);
    // What can be read now could not be kept then.
    return kernel_btf_error(err, again < 0 ? again : -ENOMEM);
}

int kernel_target_id(const struct btf *btf, const char *section)
{
    int kind = target_kind(section), id, r;
    char name[128];

    if (kind < 0)
        return kind;
    r = kernel_target_name(section, name, sizeof(name));
    if (r < 0)
        return r;
    id = btf__find_by_name_kind(btf, name,
                                targets[kind].function ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF);
    return id < 0 ? -ENOENT : id;
}

int kernel_target_args(const struct btf *btf, const char *section)
{
    int id = kernel_target_id(btf, section);
    const struct btf_type *type;

    if (id < 0)
        return id;
    if (!targets[target_kind(section)].function)
        return 0;
    type = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
    if (!type || !btf_is_func_proto(type))
        return -ENOENT;
    return btf_vlen(type);
}

bool kernel_f_path_in_union(const struct btf *btf)
{
    int id = btf__find_by_name_kind(btf, "file", BTF_KIND_STRUCT);
    const struct btf_type *type;
    const struct btf_member *member;

    if (id < 0)
        return false;
    type = btf__type_by_id(btf, (__u32)id);
    member = btf_members(type);
    for (int i = 0; i < btf_vlen(type); i++) {
        const char *name = btf__name_by_offset(btf, member[i].name_off);

        if (name && streq(name, "f_path"))
            return false;
    }
    return true;
}

// "ffffffff82d095c0 D rename_lock\n" of this name: its address. Modules' symbols have more behind the name.
static bool symbol_line(const char *line, const char *name, uint64_t *ret_address)
{
    size_t len = strlen(name);
    char *end;
    uint64_t address = strtoull(line, &end, 16);

    if (end == line || end[0] != ' ' || end[1] == '\0' || end[2] != ' ' ||
        strncmp(end + 3, name, len) != 0 || end[3 + len] != '\n')
        return false;
    *ret_address = address;
    return true;
}

int kernel_symbol(const char *kallsyms, const char *name, uint64_t *ret_address)
{
    _cleanup_fclose_ FILE *f = fopen(kallsyms, "re");
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;

    if (!f)
        return -errno;
    while (getline(&line, &cap, f) > 0) {
        uint64_t address;

        if (!symbol_line(line, name, &address))
            continue;
        if (address == 0)
            return -EACCES;
        *ret_address = address;
        return 0;
    }
    return ferror(f) ? -EIO : -ENOENT;
}

void kernel_program_name(unsigned i, const char *prefix, const char *id, int n_args, char *ret_name,
                         size_t size)
{
    const char *const u = i < 2 ? "_u" : "";
    int n;

    if (i % 2 == 0)
        n = snprintf(ret_name, size, "%s_%s_%d%s", prefix, id, n_args, u);
    else
        n = snprintf(ret_name, size, "%s_%s%s", prefix, id, u);
    if (n < 0 || (size_t)n >= size)
        ret_name[0] = '\0';
}
