// SPDX-License-Identifier: Apache-2.0
//
// What of the object this kernel has a place for, and putting it to work.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "flows/internal.h"

#define LOG_BYTES (4u << 20)

// A program that is one of several for one place: by how many arguments the kernel's has. Every other is for any number.
static const struct {
    const char *program;
    int from, to;
} variants[] = {
    {"flow_accept_4", 4, 4},
    {"flow_accept_2", 2, 2},
    {"flow_drop_2", 2, 2},
    {"flow_drop_3", 3, 4},
};

// Without these there is nothing to show; others are left out where the kernel lacks their place.
static const char *const needed[] = {"flow_state"};

// The number of arguments of a function, or of a tracepoint without its first one; -1: the kernel has no such thing.
static int arguments_of(const struct btf *btf, const char *section)
{
    const char *name = strchr(section, '/');
    const struct btf_type *t;
    char trace[96];
    int id;

    if (!name)
        return -1;
    name++;
    if (!str_startswith(section, "tp_btf/")) {
        id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
        t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
        t = t ? btf__type_by_id(btf, t->type) : NULL;
        return t && btf_is_func_proto(t) ? btf_vlen(t) : -1;
    }
    (void)snprintf(trace, sizeof(trace), "btf_trace_%s", name);
    id = btf__find_by_name_kind(btf, trace, BTF_KIND_TYPEDEF);
    t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    t = t ? btf__type_by_id(btf, t->type) : NULL; // the pointer
    t = t ? btf__type_by_id(btf, t->type) : NULL; // the function
    return t && btf_is_func_proto(t) ? btf_vlen(t) - 1 : -1;
}

static bool fits(const char *program, int arguments)
{
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
        if (streq(variants[i].program, program))
            return arguments >= variants[i].from && arguments <= variants[i].to;
    return arguments >= 0;
}

static bool is_needed(const char *program)
{
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (streq(needed[i], program))
            return true;
    return false;
}

// Whether any program for this place was chosen.
static bool is_served(const struct bpf_object *object, const char *section)
{
    struct bpf_program *program;

    bpf_object__for_each_program(program, object)
    {
        if (bpf_program__autoload(program) && streq(bpf_program__section_name(program), section))
            return true;
    }
    return false;
}

// What is not seen on this kernel is said: a function may be without type information where a compiler changed it.
static int note_absent(struct flows *f)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct bpf_program *program;

    bpf_object__for_each_program(program, f->object)
    {
        const char *section = bpf_program__section_name(program);

        if (!bpf_program__autoload(program) && !is_served(f->object, section))
            sb_printf(&sb, "%s%s", sb.len ? ", " : "", section);
    }
    return sb_finish(&sb, &f->absent);
}

static int fit(struct flows *f, struct error *err)
{
    struct btf *btf = btf__load_vmlinux_btf();
    struct bpf_program *program;
    int r = (int)libbpf_get_error(btf);

    if (r < 0)
        return error_set(err, -ENOTSUP, "the kernel has no type information: %s", strerror(-r));
    bpf_object__for_each_program(program, f->object)
    {
        const char *name = bpf_program__name(program);
        bool fitting = fits(name, arguments_of(btf, bpf_program__section_name(program)));

        if (!fitting && is_needed(name))
            r = error_set(err, -ENOTSUP, "this kernel has no place for the program %s", name);
        r = r < 0 ? r : bpf_program__set_autoload(program, fitting);
    }
    r = r < 0 ? r : note_absent(f);
    r = r < 0 ? r : reason_names_new(btf, &f->reasons);
    btf__free(btf);
    return r;
}

static int find_maps(struct flows *f)
{
    const struct {
        const char *name;
        int *fd;
    } maps[] = {
        {"flow_connections", &f->connections},
        {"flow_datagrams", &f->datagrams},
        {"flow_drops", &f->drops},
        {"flow_forwards", &f->forwards},
        {"flow_counts", &f->counts},
    };

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        *maps[i].fd = bpf_object__find_map_fd_by_name(f->object, maps[i].name);
        if (*maps[i].fd < 0)
            return *maps[i].fd;
    }
    f->n_cpus = libbpf_num_possible_cpus();
    return f->n_cpus < 0 ? f->n_cpus : 0;
}

int flows_load(struct flows *f, struct error *err)
{
    _cleanup_free_ char *log = new0(char, LOG_BYTES);
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sg_flow", .kernel_log_buf = log,
                .kernel_log_size = LOG_BYTES);
    const void *bytes;
    size_t len;
    int r;

    if (!log)
        return error_set(err, -ENOMEM, "out of memory");
    bytes = flows_object_bytes(&len);
    f->object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(f->object);
    if (r < 0) {
        f->object = NULL;
        return error_set(err, r, "the programs that look at flows cannot be read: %s",
                         strerror(-r));
    }
    r = fit(f, err);
    if (r < 0)
        return r;
    r = bpf_object__load(f->object);
    if (r < 0)
        return error_kernel_refused(err, r, "that look at flows", log);
    r = find_maps(f);
    return r < 0 ? error_set(err, r, "the maps of the programs that look at flows: %m") : 0;
}

int flows_attach(struct flows *f, struct error *err)
{
    struct bpf_program *program;

    bpf_object__for_each_program(program, f->object)
    {
        struct bpf_link *link;
        int r;

        if (!bpf_program__autoload(program))
            continue;
        if (f->n_links == FLOWS_LINKS_MAX)
            return error_set(err, -E2BIG, "more programs than there is room for");
        link = bpf_program__attach(program);
        r = (int)libbpf_get_error(link);
        if (r < 0)
            return error_set(err, r, "program %s cannot be attached: %s",
                             bpf_program__name(program), strerror(-r));
        f->links[f->n_links++] = link;
    }
    return 0;
}
