// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/sensor/check.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "tests/vm/sensor/tiny_image.h"

bool check(struct ctx *c, bool ok, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)printf("%s - ", ok ? "ok" : "not ok");
    (void)vprintf(fmt, args);
    (void)printf("\n");
    (void)fflush(stdout);
    va_end(args);
    ok ? c->passed++ : c->failed++;
    return ok;
}

bool check_error(struct ctx *c, int r, const struct error *err, const char *what)
{
    bool ok = check(c, r >= 0, "%s", what);

    if (!ok)
        error_print(err, stdout);
    return ok;
}

void read_roots(struct ctx *c)
{
    char *text = NULL;

    c->n_roots = 0;
    if (read_file_bounded(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL) < 0)
        abort();
    for (char *line = text; *line && c->n_roots < ARRAY_SIZE(c->roots);) {
        const struct sg_image *head = c->image;
        const struct sg_state *states = (const void *)((char *)c->image + head->states_off);
        const struct sg_edge *edges = (const void *)((char *)c->image + head->edges_off);
        char root[512], point[512], *end = strchr(line, '\n');
        unsigned major, minor;
        uint32_t state = TINY_START;

        if (sscanf(line, "%*d %*d %u:%u %511s %511s", &major, &minor, root, point) == 4 &&
            streq(root, "/")) {
            for (const char *s = streq(point, "/") ? "" : point; *s && state; s++) {
                const struct sg_edge *e = &edges[states[state].base + (uint8_t)*s];

                state = e->check == state ? e->next : states[state].dflt;
            }
            c->roots[c->n_roots++] = (struct sensor_root){.dev = major << 20 | minor,
                                                          .root = {.state = state}};
        }
        line = end ? end + 1 : line + strlen(line);
    }
    free(text);
}

int on_record(void *userdata, const void *data, size_t len)
{
    const struct sg_record *r = data;
    struct ctx *c = userdata;

    if (len < sizeof(*r))
        return -EBADMSG;
    c->records++;
    if (r->type == SG_RECORD_FILE && r->rule == RULE_SECRET) {
        const struct sg_field *f = (const void *)(r + 1);

        c->last_secret = *r;
        c->denied_secret += r->count;
        if (len > sizeof(*r) + sizeof(*f) && f->type == SG_FIELD_PATH)
            (void)snprintf(c->last_path, sizeof(c->last_path), "%.*s", (int)f->len,
                           (const char *)(f + 1));
    }
    return 0;
}

uint64_t read_until(struct ctx *c, uint64_t n, bool flush)
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + 3 * NS_PER_SEC;

    while (now_ns(CLOCK_MONOTONIC) < deadline) {
        struct pollfd p = {.fd = sensor_fd(c->sensor), .events = POLLIN};

        if (sensor_consume(c->sensor, on_record, c) < 0)
            return 0;
        if (flush && sensor_flush_merged(c->sensor, on_record, c) < 0)
            return 0;
        if (c->denied_secret >= n)
            break;
        (void)poll(&p, 1, 100);
    }
    return c->denied_secret;
}

bool can_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

void hammer_start(struct hammer *h)
{
    h->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    h->pid = fork();
    if (h->pid == 0) {
        // Nothing of the sensor's may live on here, its lock least of all.
        (void)close_range(3, ~0u, 0);
        for (;;) {
            h->shared->successes += can_read(SECRET);
            h->shared->tries++;
        }
    }
    while (h->shared->tries < 10)
        (void)poll(NULL, 0, 1);
}

void hammer_stop(struct ctx *c, struct hammer *h, const char *what)
{
    (void)kill(h->pid, SIGKILL);
    (void)waitpid(h->pid, NULL, 0);
    check(c, h->shared->successes == 0, "%s: %llu of %llu forbidden opens got through", what,
          (unsigned long long)h->shared->successes, (unsigned long long)h->shared->tries);
    (void)munmap((void *)h->shared, 4096);
}

size_t count_links(void)
{
    uint32_t id = 0;
    size_t n = 0;

    while (bpf_link_get_next_id(id, &id) == 0)
        n++;
    return n;
}

bool await_links(size_t n)
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + 5 * NS_PER_SEC;

    while (count_links() != n) {
        if (now_ns(CLOCK_MONOTONIC) > deadline)
            return false;
        (void)poll(NULL, 0, 10);
    }
    return true;
}

size_t count_entries(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    size_t n = 0;

    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    return n;
}

size_t fill_hook(enum sensor_attach attach, int *fds, size_t max)
{
    static const struct bpf_insn pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    bool lsm = attach == SENSOR_ATTACH_LSM;
    enum bpf_attach_type type = lsm ? BPF_LSM_MAC : BPF_MODIFY_RETURN;
    int id = libbpf_find_vmlinux_btf_id(lsm ? "file_open" : "security_file_open", type);
    size_t n = 0;

    while (n < max) {
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type,
                    .attach_btf_id = (uint32_t)id);
        int prog = bpf_prog_load(lsm ? BPF_PROG_TYPE_LSM : BPF_PROG_TYPE_TRACING, "pass", "GPL",
                                 pass, ARRAY_SIZE(pass), &opts);

        fds[n] = prog < 0 ? -1 : bpf_raw_tracepoint_open(NULL, prog);
        (void)safe_close(prog);
        if (fds[n] < 0)
            break;
        n++;
    }
    return n;
}
