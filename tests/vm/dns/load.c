// SPDX-License-Identifier: Apache-2.0
//
// sg-dns [-b SERVER]… [-s] [-k] [-t] [-n OBJECT] [-r READER] [-o RECORDS] COMMAND…: has src/dns look for domain names, runs COMMAND and writes
// each record to RECORDS as a line of JSON, the counters as the last one. Without RECORDS nothing is read.
//   -b SERVER   believe this server, in this network namespace, and none that is not named or in resolv.conf
//   -s          believe those of resolv.conf only
//   -k          takes over what is pinned, and leaves it; otherwise it begins anew and takes it away
//   -t          into the table of names that the kernel has already, of programs that decide by them
//   -n OBJECT   another object instead, of which nothing is read
//   -r READER   a second object, which has the first one's table of names
// All is pinned in /sys/fs/bpf/sg_dns. `sg-dns -d` takes that away.
// Exit status: COMMAND's own; 99 when the object could not be put to work.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/inet.h"
#include "base/macro.h"
#include "dns/dns.h"

#define EXIT_NOT_LOADED 99
#define CGROUPS         "/sys/fs/cgroup"
#define PIN_DIR         "/sys/fs/bpf/sg_dns"

struct settings {
    const char *records, *other, *reader;
    struct sg_dns_server servers[16];
    size_t n_servers;
    bool only, keep, shared, remove;
};

static int fail(const char *what, int error)
{
    (void)fprintf(stderr, "sg-dns: %s: %s\n", what, strerror(error));
    return EXIT_NOT_LOADED;
}

static const char *text_of(const uint8_t *addr, char *buf, size_t size)
{
    if (inet_is_mapped(addr))
        return inet_ntop(AF_INET, addr + INET_MAPPED_BYTES, buf, (socklen_t)size);
    return inet_ntop(AF_INET6, addr, buf, (socklen_t)size);
}

static unsigned flags_of(const struct dns_record *r)
{
    return (r->tcp ? SG_DNS_TCP : 0u) | (r->process.tgid ? 0u : SG_DNS_NOBODY) |
           (r->nameless ? SG_DNS_NAMELESS : 0u) | (r->more ? SG_DNS_MORE : 0u) |
           (r->partial ? SG_DNS_PARTIAL : 0u) | (r->reason ? SG_DNS_BAD : 0u) |
           (r->ignored ? SG_DNS_IGNORED : 0u);
}

static int print_record(void *to, const struct dns_record *r)
{
    char server[64], local[64], addr[64];
    FILE *out = to;

    (void)fprintf(out,
                  "{\"type\":%u,\"flags\":%u,\"time\":%llu,\"duration\":%llu,\"cookie\":%llu,"
                  "\"start\":%llu,\"tgid\":%u,\"uid\":%d,\"server\":\"%s\",\"server_port\":%u,"
                  "\"local\":\"%s\",\"local_port\":%u,\"net_ns\":%u,\"id\":%u,\"qtype\":%u,"
                  "\"qclass\":%u,\"header\":%u,\"sent\":%u,\"records\":%u,\"reason\":%u,"
                  "\"name\":\"",
                  r->is_answer ? SG_DNS_ANSWER : SG_DNS_QUESTION, flags_of(r),
                  (unsigned long long)r->time_ns, (unsigned long long)r->duration_ns,
                  (unsigned long long)r->cookie, (unsigned long long)r->process.start_ns,
                  r->process.tgid, (int)r->uid, text_of(r->server, server, sizeof(server)),
                  r->server_port, text_of(r->local, local, sizeof(local)), r->local_port, r->net_ns,
                  r->id, r->qtype, r->qclass, r->header, r->sent, r->records, r->reason);
    for (unsigned i = 0; i < r->name_len; i++)
        (void)fprintf(out, "%s%c", r->name[i] == '"' || r->name[i] == '\\' ? "\\" : "", r->name[i]);
    (void)fprintf(out, "\",\"answers\":[");
    for (unsigned i = 0; i < r->n_answers; i++)
        (void)fprintf(out, "%s[\"%s\",%u]", i ? "," : "",
                      text_of(r->answers[i].address, addr, sizeof(addr)), r->answers[i].ttl_s);
    (void)fprintf(out, "]}\n");
    return fflush(out) ? -errno : 0;
}

static int parse_server(const char *text, struct sg_dns_server *ret)
{
    struct stat st;

    if (stat("/proc/self/ns/net", &st) < 0)
        return -errno;
    *ret = (struct sg_dns_server){.addr = {[10] = 0xff, 0xff}, .net_ns = (uint32_t)st.st_ino};
    return inet_pton(AF_INET, text, ret->addr + 12) == 1 ||
                   inet_pton(AF_INET6, text, ret->addr) == 1
               ? 0
               : -EINVAL;
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

static int print_counters(const struct dns *d, FILE *out)
{
    struct dns_counts counts;
    int r = dns_counts(d, &counts);

    if (r < 0)
        return fail("counters", -r);
    (void)fprintf(out, "{\"counters\":[");
    for (unsigned i = 0; i < SG_DNS_COUNT_MAX; i++)
        (void)fprintf(out, "%s%llu", i ? "," : "", (unsigned long long)counts.kernel[i]);
    (void)fprintf(out, "],\"bad\":%llu,\"servers\":%llu}\n", (unsigned long long)counts.bad,
                  (unsigned long long)counts.servers);
    return 0;
}

// Runs the command; `out`: reads records meanwhile, and once more when it has ended.
static int run(char **argv, struct dns *d, FILE *out)
{
    struct pollfd fds[2] = {{.events = POLLIN}, {.fd = d ? dns_fd(d) : -1, .events = POLLIN}};
    sigset_t child;
    int status = 0;
    pid_t pid;

    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    fds[0].fd = signalfd(-1, &child, SFD_CLOEXEC);
    pid = fork();
    if (pid == 0) {
        (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || fds[0].fd < 0)
        return fail("fork", errno);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        (void)poll(fds, out ? 2 : 1, -1);
        if (out && dns_consume(d, print_record, out) < 0)
            return fail("records", EIO);
    }
    if (out && dns_consume(d, print_record, out) < 0)
        return fail("records", EIO);
    (void)close(fds[0].fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Another object, which has the table of names if it has a map of that name.
static int load_other(const char *path, const struct dns *d)
{
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    struct bpf_map *names;
    int r = 0;

    if (!object)
        return -errno;
    names = bpf_object__find_map_by_name(object, "sg_names");
    if (d)
        r = names ? bpf_map__reuse_fd(names, dns_names_fd(d)) : -ENOENT;
    if (r == 0)
        r = bpf_object__load(object);
    return r < 0 ? r : attach(object);
}

// The table of another object, by its name.
static int find_names(void)
{
    __u32 id = 0;

    while (bpf_map_get_next_id(id, &id) == 0) {
        struct bpf_map_info info = {};
        __u32 size = sizeof(info);
        int fd = bpf_map_get_fd_by_id(id);

        if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
            strcmp(info.name, "sg_names") == 0)
            return fd;
        if (fd >= 0)
            (void)close(fd);
    }
    return -ENOENT;
}

static int run_ours(const struct settings *s, char **argv)
{
    const struct dns_options options = {
        .pin_dir = PIN_DIR,
        .names_fd = s->shared ? find_names() : -1,
        .servers = s->servers,
        .n_servers = s->n_servers,
        .servers_only = s->only || s->n_servers,
    };
    struct error err = {};
    FILE *out = NULL;
    struct dns *d;
    int r = s->keep ? 0 : dns_remove(PIN_DIR, &err);

    if (s->shared && options.names_fd < 0)
        return fail("the table of names", ENOENT);
    r = r < 0 ? r : dns_open(&options, &d, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return EXIT_NOT_LOADED;
    }
    r = s->reader ? load_other(s->reader, d) : 0;
    if (r < 0)
        return fail(s->reader, -r);
    if (s->records && !(out = fopen(s->records, "we")))
        return fail(s->records, errno);
    r = run(argv, d, out);
    if (out) {
        r = print_counters(d, out) ? EXIT_NOT_LOADED : r;
        (void)fclose(out);
    }
    (void)dns_close(d);
    if (!s->keep && dns_remove(PIN_DIR, &err) < 0) {
        error_print(&err, stderr);
        return EXIT_NOT_LOADED;
    }
    return r;
}

int main(int argc, char **argv)
{
    struct settings s = {};
    struct error err = {};
    int c, r;

    while ((c = getopt(argc, argv, "+b:dkn:o:r:st")) != -1) {
        switch (c) {
        case 'b':
            if (s.n_servers == ARRAY_SIZE(s.servers) ||
                parse_server(optarg, &s.servers[s.n_servers++]) < 0)
                return fail(optarg, EINVAL);
            break;
        case 'd': s.remove = true; break;
        case 'k': s.keep = true; break;
        case 'n': s.other = optarg; break;
        case 'o': s.records = optarg; break;
        case 'r': s.reader = optarg; break;
        case 's': s.only = true; break;
        case 't': s.shared = true; break;
        default: return EXIT_NOT_LOADED;
        }
    }
    if (s.remove) {
        r = dns_remove(PIN_DIR, &err);
        error_print(&err, stderr);
        return r < 0 ? EXIT_NOT_LOADED : 0;
    }
    if (optind >= argc)
        return fail(
            "usage: sg-dns [-b SERVER] [-s] [-k] [-t] [-n OBJECT] [-r READER] [-o RECORDS] COMMAND",
            EINVAL);
    if (!s.other)
        return run_ours(&s, argv + optind);
    r = load_other(s.other, NULL);
    return r < 0 ? fail(s.other, -r) : run(argv + optind, NULL, NULL);
}
