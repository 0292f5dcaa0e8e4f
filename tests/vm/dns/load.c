// SPDX-License-Identifier: Apache-2.0
//
// sg-dns [-s] [-b SERVER]… [-n OBJECT] [-r READER] [-o RECORDS] COMMAND…: puts bpf/dns.bpf.c to work on the root of the hierarchy of cgroups, runs
// COMMAND and writes each record to RECORDS as a line of JSON, the counters as the last one. Without RECORDS nothing is read.
//   -b SERVER   believe this server, in this network namespace, and none that is not named
//   -n OBJECT   another object instead, of which nothing is read
//   -r READER   a second object, which has the first one's table of names
//   -s          into the table of names that the kernel has already, of programs that decide by them
// The table of names is pinned as /sys/fs/bpf/sg_names, the counters as /sys/fs/bpf/dns_counters.
// Exit status: COMMAND's own; 99 when the object could not be put to work.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/dns.h"
#include "base/macro.h"
#include "dns.skel.h"

#define EXIT_NOT_LOADED 99
#define CGROUPS         "/sys/fs/cgroup"
#define NAMES_PIN       "/sys/fs/bpf/sg_names"
#define POLL_MS         20

static int fail(const char *what, int error)
{
    (void)fprintf(stderr, "sg-dns: %s: %s\n", what, strerror(error));
    return EXIT_NOT_LOADED;
}

static const char *text_of(const __u8 *addr, char *buf, size_t size)
{
    static const __u8 mapped[12] = {[10] = 0xff, 0xff};

    if (memcmp(addr, mapped, sizeof(mapped)) == 0)
        return inet_ntop(AF_INET, addr + 12, buf, (socklen_t)size);
    return inet_ntop(AF_INET6, addr, buf, (socklen_t)size);
}

static int print_record(void *to, void *data, size_t len)
{
    const struct sg_dns_record *r = data;
    char server[64], local[64], addr[64];
    FILE *out = to;

    if (len < offsetof(struct sg_dns_record, answers) || r->size > len || r->name_len > 253)
        return fail("a record", EBADMSG);
    (void)fprintf(out,
                  "{\"type\":%u,\"flags\":%u,\"time\":%llu,\"duration\":%llu,\"cookie\":%llu,"
                  "\"start\":%llu,\"tgid\":%u,\"uid\":%d,\"server\":\"%s\",\"server_port\":%u,"
                  "\"local\":\"%s\",\"local_port\":%u,\"net_ns\":%u,\"id\":%u,\"qtype\":%u,"
                  "\"qclass\":%u,\"header\":%u,\"sent\":%u,\"records\":%u,\"reason\":%u,"
                  "\"name\":\"",
                  r->type, r->flags, r->time_ns, r->duration_ns, r->cookie, r->start_ns, r->tgid,
                  (int)r->uid, text_of(r->server, server, sizeof(server)), r->server_port,
                  text_of(r->local, local, sizeof(local)), r->local_port, r->net_ns, r->id,
                  r->qtype, r->qclass, r->header, r->sent, r->records, r->reason);
    for (unsigned i = 0; i < r->name_len; i++)
        (void)fprintf(out, "%s%c", r->name[i] == '"' || r->name[i] == '\\' ? "\\" : "", r->name[i]);
    (void)fprintf(out, "\",\"answers\":[");
    for (unsigned i = 0; i < r->n_answers; i++)
        (void)fprintf(out, "%s[\"%s\",%u]", i ? "," : "",
                      text_of(r->answers[i].addr, addr, sizeof(addr)), r->answers[i].ttl_s);
    (void)fprintf(out, "]}\n");
    return 0;
}

static int believe(struct bpf_map *servers, const char *text)
{
    struct sg_dns_server server = {.addr = {[10] = 0xff, 0xff}};
    struct stat st;
    __u8 one = 1;

    if (stat("/proc/self/ns/net", &st) < 0)
        return -errno;
    server.net_ns = (__u32)st.st_ino;
    if (inet_pton(AF_INET, text, server.addr + 12) != 1 &&
        inet_pton(AF_INET6, text, server.addr) != 1)
        return -EINVAL;
    return bpf_map__update_elem(servers, &server, sizeof(server), &one, sizeof(one), BPF_ANY);
}

static int attach(struct bpf_object *object)
{
    int cgroup = open(CGROUPS, O_RDONLY | O_CLOEXEC);
    struct bpf_program *program;

    if (cgroup < 0)
        return -errno;
    bpf_object__for_each_program(program, object)
    {
        if (!bpf_program__attach_cgroup(program, cgroup))
            return -errno;
    }
    (void)close(cgroup);
    return 0;
}

static void print_counters(const struct bpf_object *object, FILE *out)
{
    const struct bpf_map *map = bpf_object__find_map_by_name(object, "dns_counters");
    int n_cpus = libbpf_num_possible_cpus();
    size_t size = sizeof(__u64) * (size_t)n_cpus;
    __u64 *of_cpus = calloc(1, size);

    (void)fprintf(out, "{\"counters\":[");
    for (__u32 i = 0; of_cpus && i < SG_DNS_COUNT_MAX; i++) {
        __u64 sum = 0;

        if (bpf_map__lookup_elem(map, &i, sizeof(i), of_cpus, size, 0) == 0)
            for (int cpu = 0; cpu < n_cpus; cpu++)
                sum += of_cpus[cpu];
        (void)fprintf(out, "%s%llu", i ? "," : "", sum);
    }
    (void)fprintf(out, "]}\n");
    free(of_cpus);
}

static int run(char **argv, struct ring_buffer *ring, FILE *out)
{
    int status = 0;
    pid_t pid = fork(), ended = 0;

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0)
        return fail("fork", errno);
    while (ended == 0) {
        if (ring) {
            (void)ring_buffer__poll(ring, POLL_MS);
            (void)fflush(out);
        }
        ended = waitpid(pid, &status, ring ? WNOHANG : 0);
    }
    if (ring)
        (void)ring_buffer__consume(ring);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_with_records(struct dns_bpf *n, const char *path, char **argv)
{
    FILE *out = fopen(path, "w");
    struct ring_buffer *ring;
    int r;

    ring = ring_buffer__new(bpf_map__fd(n->maps.dns_records), print_record, out, NULL);
    if (!out || !ring)
        return fail(path, errno);
    r = run(argv, ring, out);
    print_counters(n->obj, out);
    (void)fclose(out);
    ring_buffer__free(ring);
    dns_bpf__destroy(n);
    return r;
}

// Another object that knows the table by its name, and takes what is pinned.
static int load_reader(const char *path)
{
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    int r;

    if (!object)
        return -errno;
    r = bpf_map__set_pin_path(bpf_object__find_map_by_name(object, "sg_names"), NAMES_PIN);
    if (r == 0)
        r = bpf_object__load(object);
    return r < 0 ? r : attach(object);
}

static int load_null(const char *path, char **argv)
{
    struct bpf_object *object = bpf_object__open_file(path, NULL);

    if (!object || bpf_object__load(object) < 0 || attach(object) < 0)
        return fail(path, errno);
    return run(argv, NULL, NULL);
}

// The table of another object, by its name.
static int share_names(struct bpf_map *map)
{
    struct bpf_map_info info = {};
    __u32 id = 0, size = sizeof(info);

    while (bpf_map_get_next_id(id, &id) == 0) {
        int fd = bpf_map_get_fd_by_id(id), r;

        if (fd < 0)
            continue;
        memset(&info, 0, sizeof(info));
        r = bpf_obj_get_info_by_fd(fd, &info, &size);
        if (r == 0 && strcmp(info.name, "sg_names") == 0)
            r = bpf_map__reuse_fd(map, fd) < 0 ? -errno : 1;
        (void)close(fd);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return -ENOENT;
}

static int load(struct dns_bpf *n, char **servers, unsigned n_servers, bool shared)
{
    int r = shared ? share_names(n->maps.sg_names)
                   : bpf_map__set_pin_path(n->maps.sg_names, NAMES_PIN);

    if (r == 0)
        r = bpf_map__set_pin_path(n->maps.dns_counters, "/sys/fs/bpf/dns_counters");
    if (r == 0)
        r = dns_bpf__load(n);
    for (unsigned i = 0; r == 0 && i < n_servers; i++)
        r = believe(n->maps.dns_servers, servers[i]);
    if (r < 0)
        return r;
    n->bss->dns_servers_only = n_servers > 0;
    return attach(n->obj);
}

int main(int argc, char **argv)
{
    const char *records = NULL, *other = NULL, *reader = NULL;
    unsigned n_servers = 0;
    bool shared = false;
    struct dns_bpf *n;
    char *servers[16];
    int c, r;

    while ((c = getopt(argc, argv, "+b:n:o:r:s")) != -1) {
        if (c == 'b' && n_servers < ARRAY_SIZE(servers))
            servers[n_servers++] = optarg;
        else if (c == 'n')
            other = optarg;
        else if (c == 'r')
            reader = optarg;
        else if (c == 's')
            shared = true;
        else if (c == 'o')
            records = optarg;
    }
    if (optind >= argc)
        return fail("usage: sg-dns [-s] [-b SERVER] [-n OBJECT] [-r READER] [-o RECORDS] COMMAND",
                    EINVAL);
    if (other)
        return load_null(other, argv + optind);
    n = dns_bpf__open();
    if (!n)
        return fail("open", errno);
    r = load(n, servers, n_servers, shared);
    if (r < 0)
        return fail("load", -r);
    r = reader ? load_reader(reader) : 0;
    if (r < 0)
        return fail(reader, -r);
    if (!records)
        return run(argv + optind, NULL, NULL);
    return run_with_records(n, records, argv + optind);
}
