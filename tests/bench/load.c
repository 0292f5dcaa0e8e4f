// SPDX-License-Identifier: Apache-2.0
//
// sg-bench-load [-x PROGRAM] OBJECT COMMAND...: loads a BPF object, attaches every program (but the
// one after -x) whose place this kernel has, runs COMMAND.
// Exit status: COMMAND's own; 99 when the object could not be put to work.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"

#define EXIT_NOT_LOADED 99

static int fail(const char *what, int error)
{
    fprintf(stderr, "sg-bench-load: %s: %s\n", what, strerror(error));
    return EXIT_NOT_LOADED;
}

// What a program of this section attaches to, as the kernel's types name it.
static const struct {
    const char *prefix, *type;
    uint32_t kind;
} places[] = {
    {"lsm/", "bpf_lsm_", BTF_KIND_FUNC},
    {"tp_btf/", "btf_trace_", BTF_KIND_TYPEDEF},
    {"fentry/", "", BTF_KIND_FUNC},
    {"fexit/", "", BTF_KIND_FUNC},
};

// Programs of control groups are for all of them.
#define CGROUP_PREFIX "cgroup_skb/"
#define CGROUP_ROOT   "/sys/fs/cgroup"

static bool kernel_has(const struct btf *btf, const char *section)
{
    char name[128];

    if (strncmp(section, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        size_t n = strlen(places[i].prefix);

        if (strncmp(section, places[i].prefix, n) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s%s", places[i].type, section + n);
        return btf__find_by_name_kind(btf, name, places[i].kind) >= 0;
    }
    return false;
}

static struct bpf_link *attach(const struct bpf_program *program)
{
    const char *section = bpf_program__section_name(program);
    struct bpf_link *link;
    int fd;

    if (strncmp(section, CGROUP_PREFIX, strlen(CGROUP_PREFIX)) != 0)
        return bpf_program__attach(program);
    fd = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    link = bpf_program__attach_cgroup(program, fd);
    (void)close(fd);
    return link;
}

static int load(const char *path, const char *without, struct bpf_object **ret)
{
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    struct btf *btf = btf__load_vmlinux_btf();
    struct bpf_program *program;
    unsigned n = 0;

    if (!object || !btf)
        return -errno;
    bpf_object__for_each_program(program, object)
    {
        bool wanted = kernel_has(btf, bpf_program__section_name(program));

        if (without && strcmp(bpf_program__name(program), without) == 0)
            wanted = false;
        (void)bpf_program__set_autoload(program, wanted);
    }
    btf__free(btf);
    if (bpf_object__load(object) < 0)
        return -errno;
    bpf_object__for_each_program(program, object)
    {
        if (!bpf_program__autoload(program))
            continue;
        if (!attach(program))
            return -errno;
        n++;
    }
    fprintf(stderr, "sg-bench-load: %u programs attached\n", n);
    *ret = object;
    return 0;
}

int main(int argc, char **argv)
{
    struct bpf_object *object = NULL;
    const char *without = NULL;
    int c, r, status;
    pid_t pid;

    while ((c = getopt(argc, argv, "+x:")) == 'x')
        without = optarg;
    if (c != -1 || argc - optind < 2) {
        fprintf(stderr, "usage: sg-bench-load [-x PROGRAM] OBJECT COMMAND...\n");
        return 2;
    }
    argv += optind;
    r = load(argv[0], without, &object);
    if (r < 0)
        return fail(argv[0], -r);
    pid = fork();
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return fail("fork", errno);
    bpf_object__close(object);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
