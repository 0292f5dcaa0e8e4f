// SPDX-License-Identifier: Apache-2.0
//
// What a server costs: memory of polls that wait, and processor time of records on their way into the store.
//
//     sg-bench-server PATH_OF_SAFEGUARD_SERVER [POLLS [SECONDS]]
//
// Starts the server with a data directory of its own below $TMPDIR, enrols one host and asks as it would. Prints each
// number beside a floor: the same number of bare TLS connections, and the same records put into a store without a server.
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <json-c/json.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "store/store.h"
#include "tests/bench/store/store_records.h"
#include "transport/enrol.h"
#include "transport/frame.h"
#include "transport/identity.h"
#include "transport/msg_hello.h"

#define FRAMES        60
#define FRAME_RECORDS 1000
#define SENDERS       4

static const char *dir, *server;
static unsigned port;

static void die(const char *what, const struct error *err)
{
    (void)fprintf(stderr, "%s\n", what);
    if (err)
        error_print(err, stderr);
    _exit(1);
}

// The server -------------------------------------------------------------------------------------

static pid_t start(char *const extra[])
{
    char data[512], run[512], port_text[16];
    char *argv[24] = {(char *)(uintptr_t)server, NULL};
    pid_t pid;
    int n = 1;

    (void)snprintf(data, sizeof(data), "--data-dir=%s/data", dir);
    (void)snprintf(run, sizeof(run), "--run-dir=%s/run", dir);
    (void)snprintf(port_text, sizeof(port_text), "--port=%u", port);
    argv[n++] = data;
    argv[n++] = run;
    argv[n++] = port_text;
    argv[n++] = (char *)(uintptr_t) "--address=127.0.0.1";
    argv[n++] = (char *)(uintptr_t) "--names=127.0.0.1,localhost";
    argv[n++] = (char *)(uintptr_t) "--connections-per-address=65535";
    argv[n++] = (char *)(uintptr_t) "--log-level=error";
    for (int i = 0; extra && extra[i]; i++)
        argv[n++] = extra[i];
    argv[n] = NULL;
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execv(server, argv);
        _exit(127);
    }
    return pid;
}

static char *make_token(void)
{
    char *const words[] = {(char *)(uintptr_t) "token", (char *)(uintptr_t) "create",
                           (char *)(uintptr_t) "--uses=0", NULL};
    char *text = NULL;
    int pipes[2], status;
    pid_t pid;

    if (pipe(pipes) < 0)
        return NULL;
    (void)fflush(stdout);
    if ((pid = fork()) == 0) {
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
        pid = start(words);
        (void)waitpid(pid, &status, 0);
        _exit(0);
    }
    (void)close(pipes[1]);
    (void)read_fd_bounded(pipes[0], 4096, &text, NULL);
    (void)close(pipes[0]);
    (void)waitpid(pid, &status, 0);
    return text;
}

static uint64_t resident_kb(pid_t pid)
{
    _cleanup_free_ char *text = NULL;
    char path[64];
    char *rest;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    if (read_file_bounded(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return 0;
    (void)strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * 4;
}

static double cpu_seconds(pid_t pid)
{
    _cleanup_free_ char *text = NULL;
    unsigned long user = 0, system_ = 0;
    char path[64];
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (read_file_bounded(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return 0;
    at = strrchr(text, ')');
    if (!at ||
        sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_) != 2)
        return 0;
    return (double)(user + system_) / (double)sysconf(_SC_CLK_TCK);
}

// Asking -----------------------------------------------------------------------------------------

static size_t collect(char *data, size_t size, size_t n, void *ctx)
{
    sb_add(ctx, data, size * n);
    return size * n;
}

static CURL *ask_as(const struct identity *id, const char *target, struct strbuf *answer)
{
    struct curl_blob ca = {id->ca, strlen(id->ca), CURL_BLOB_COPY};
    struct curl_blob key = {id->key, strlen(id->key), CURL_BLOB_COPY};
    struct curl_blob certificate = {id->certificate, strlen(id->certificate), CURL_BLOB_COPY};
    CURL *c = curl_easy_init();
    char url[1024];

    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", port, target);
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    (void)curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
    (void)curl_easy_setopt(c, CURLOPT_SSLKEY_BLOB, &key);
    (void)curl_easy_setopt(c, CURLOPT_SSLCERT_BLOB, &certificate);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    return c;
}

static char *hello(const struct identity *id)
{
    struct msg_hello m = {.boot_id = "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e",
                          .machine_id = id->machine_id,
                          .host = {"bench", id->machine_id, "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e",
                                   "Linux", "6", "x86_64"},
                          .version = "0"};
    struct strbuf body = {}, answer = {};
    struct msg_hello_answer a = {};
    struct error err = {};
    CURL *c = ask_as(id, WIRE_HELLO, &answer);
    char *session;

    if (msg_hello_write(&body, &m) < 0)
        die("hello", NULL);
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body.len);
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, sb_str(&body));
    if (curl_easy_perform(c) != CURLE_OK ||
        msg_hello_answer_read(sb_str(&answer), answer.len, &a, &err) < 0)
        die("hello is not answered", &err);
    session = xstrndup(a.session, strlen(a.session));
    msg_hello_answer_done(&a);
    curl_easy_cleanup(c);
    sb_done(&body);
    sb_done(&answer);
    return session;
}

static struct identity *enrol_host(const char *token)
{
    struct enrol_options o = {.token = token,
                              .host = {"bench", "11112222333344445555666677778888",
                                       "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e", "Linux", "6",
                                       "x86_64"},
                              .version = "0"};
    struct identity *id = NULL;
    struct error err = {};
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/identity-%llu", dir,
                   (unsigned long long)now_ns(CLOCK_MONOTONIC));
    o.path = path;
    if (enrol(&o, &id, &err) < 0)
        die("the host cannot be enrolled", &err);
    return id;
}

// Polls ------------------------------------------------------------------------------------------

// The last hundred have shaken hands.
static bool all_asked(CURL **all, unsigned n)
{
    for (unsigned i = n > 100 ? n - 100 : 0; i < n; i++) {
        curl_off_t at = 0;

        (void)curl_easy_getinfo(all[i], CURLINFO_APPCONNECT_TIME_T, &at);
        if (at == 0)
            return false;
    }
    return true;
}

struct polls {
    CURLM *multi;
    CURL **all;
    unsigned n;
    struct strbuf answer;
};

static void close_polls(struct polls *p)
{
    int left;

    while (curl_multi_info_read(p->multi, &left))
        ;
    for (unsigned i = 0; i < p->n; i++) {
        (void)curl_multi_remove_handle(p->multi, p->all[i]);
        curl_easy_cleanup(p->all[i]);
    }
    (void)curl_multi_cleanup(p->multi);
    sb_done(&p->answer);
    free(p->all);
}

// Opens n connections that wait for `target`; what each of them costs, in KiB.
static double open_polls(struct polls *p, const struct identity *id, const char *target, unsigned n,
                         pid_t pid, bool park)
{
    uint64_t before = resident_kb(pid), began = now_ns(CLOCK_MONOTONIC);
    int running = 0;
    double each;

    *p = (struct polls){.multi = curl_multi_init(), .all = new0(CURL *, n), .n = n};
    (void)curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)n + 10);
    // A hundred at a time: how fast hands are shaken is another question.
    for (unsigned i = 0; i < n;) {
        for (unsigned k = 0; k < 100 && i < n; k++, i++) {
            p->all[i] = ask_as(id, target, &p->answer);
            (void)curl_easy_setopt(p->all[i], CURLOPT_FRESH_CONNECT, 1L);
            (void)curl_easy_setopt(p->all[i], CURLOPT_CONNECT_ONLY, park ? 0L : 1L);
            (void)curl_multi_add_handle(p->multi, p->all[i]);
        }
        while (!all_asked(p->all, i)) {
            (void)curl_multi_perform(p->multi, &running);
            (void)curl_multi_poll(p->multi, NULL, 0, 10, NULL);
        }
    }
    // What the server still has to do for them.
    for (unsigned k = 0; k < 100; k++) {
        (void)curl_multi_perform(p->multi, &running);
        (void)curl_multi_poll(p->multi, NULL, 0, 10, NULL);
    }
    each = ((double)resident_kb(pid) - (double)before) / n;
    (void)printf("%s: %u connections in %.1f s, %.1f KiB each\n",
                 park ? "parked polls" : "idle TLS (floor)", n,
                 (double)(now_ns(CLOCK_MONOTONIC) - began) / 1e9, each);
    return each;
}

// Records ----------------------------------------------------------------------------------------

struct sender {
    struct identity *id;
    char *session;
    struct strbuf frames[FRAMES];
    unsigned n;
    pthread_t thread;
    uint64_t latency_ns;
};

static void make_frames(struct sender *s, struct maker *m)
{
    struct frame_writer *w = NULL;
    struct stream_id stream;
    uint64_t number = 1;
    struct made made = {};

    if (frame_writer_new(&w) < 0 || stream_id_new(&stream) < 0)
        die("no memory", NULL);
    for (unsigned i = 0; i < FRAMES; i++) {
        struct strbuf lines = {};
        struct record_lease lease;

        maker_batch(m, FRAME_RECORDS, &made);
        for (uint32_t k = 0; k < made.batch.n_blocks; k++)
            sb_add(&lines, made.batch.blocks[k].raw, made.batch.blocks[k].raw_len);
        lease = (struct record_lease){STREAM_AUDIT,  stream,         number,
                                      FRAME_RECORDS, sb_str(&lines), lines.len};
        if (frame_encode(w, &lease, &s->frames[i]) < 0)
            die("frames cannot be made", NULL);
        number += FRAME_RECORDS;
        sb_done(&lines);
    }
    made_done(&made);
    (void)frame_writer_free(w);
}

static void *send_frames(void *ctx)
{
    struct sender *s = ctx;
    struct strbuf answer = {};
    CURL *c = ask_as(s->id, WIRE_RECORDS, &answer);
    struct curl_slist *headers = NULL;
    char header[128];

    (void)snprintf(header, sizeof(header), WIRE_SESSION_HEADER ": %s", s->session);
    headers = curl_slist_append(headers, header);
    headers = curl_slist_append(headers, "Expect:");
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    for (unsigned i = 0; i < FRAMES; i++) {
        uint64_t began = now_ns(CLOCK_MONOTONIC);
        long status = 0;

        sb_reset(&answer);
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)s->frames[i].len);
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, sb_str(&s->frames[i]));
        if (curl_easy_perform(c) != CURLE_OK)
            die("records cannot be sent", NULL);
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
            die(sb_str(&answer), NULL);
        s->latency_ns += now_ns(CLOCK_MONOTONIC) - began;
        s->n++;
    }
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    sb_done(&answer);
    return NULL;
}

// The same frames, read and stored by one thread, one commit for as many frames as there are senders.
static double floor_rate(struct sender *senders, pid_t pid)
{
    struct frame_reader *reader = NULL;
    uint64_t began = now_ns(CLOCK_MONOTONIC);
    struct store *store = NULL;
    struct error err = {};
    char url[512];

    (void)snprintf(url, sizeof(url), "sqlite:%s/floor-%d", dir, pid);
    if (store_open(url, NULL, &store, &err) < 0 || frame_reader_new(&reader) < 0)
        die("no store", &err);
    for (unsigned i = 0; i < FRAMES; i++) {
        const struct record_batch *batches[SENDERS];
        struct store_appended appended[SENDERS];
        struct frame *frames[SENDERS] = {};

        for (unsigned k = 0; k < SENDERS; k++) {
            if (frame_decode(reader, sb_str(&senders[k].frames[i]), senders[k].frames[i].len,
                             &frames[k], &err) < 0)
                die("frames cannot be read", &err);
            frames[k]->batch.host = senders[k].id->agent_id;
            frames[k]->batch.received_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
            batches[k] = &frames[k]->batch;
        }
        if (store_append_many(store, batches, SENDERS, appended, &err) < 0)
            die("records cannot be stored", &err);
        for (unsigned k = 0; k < SENDERS; k++)
            (void)frame_free(frames[k]);
    }
    (void)frame_reader_free(reader);
    (void)store_close(store);
    return (double)SENDERS * FRAMES * FRAME_RECORDS * 1e9 /
           (double)(now_ns(CLOCK_MONOTONIC) - began);
}

static void measure_records(const char *token, pid_t pid)
{
    struct sender *senders = new0(struct sender, SENDERS);
    uint64_t began, latency = 0;
    double seconds, cpu, rate, floor;
    struct maker maker;

    maker_init(&maker, 1, now_ns(CLOCK_REALTIME) / NS_PER_MS, 100);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].id = enrol_host(token);
        senders[i].session = hello(senders[i].id);
        make_frames(&senders[i], &maker);
    }
    floor = floor_rate(senders, pid);
    cpu = cpu_seconds(pid);
    began = now_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < SENDERS; i++)
        (void)pthread_create(&senders[i].thread, NULL, send_frames, &senders[i]);
    for (unsigned i = 0; i < SENDERS; i++) {
        (void)pthread_join(senders[i].thread, NULL);
        latency += senders[i].latency_ns;
    }
    seconds = (double)(now_ns(CLOCK_MONOTONIC) - began) / 1e9;
    cpu = cpu_seconds(pid) - cpu;
    rate = (double)SENDERS * FRAMES * FRAME_RECORDS / seconds;
    (void)printf("records: %.0f a second, %.2f processor seconds for 100,000, %.1f ms a frame\n",
                 rate, cpu / (SENDERS * FRAMES * FRAME_RECORDS) * 1e5,
                 (double)latency / 1e6 / (SENDERS * FRAMES));
    (void)printf(
        "floor (read and stored by one thread): %.0f a second, ratio %.2f; resident %llu KiB\n",
        floor, rate / floor, (unsigned long long)resident_kb(pid));
    for (unsigned i = 0; i < SENDERS; i++) {
        for (unsigned k = 0; k < FRAMES; k++)
            sb_done(&senders[i].frames[k]);
        (void)identity_free(senders[i].id);
        free(senders[i].session);
    }
    free(senders);
}

static void stop(pid_t pid)
{
    int status;

    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("the server did not end well", NULL);
}

// It listens once a command is answered.
static bool listens(void)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((in_port_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
}

static pid_t restart(void)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    pid_t pid = start(NULL);

    while (!listens()) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            die("the server does not start", NULL);
        (void)nanosleep(&pause, NULL);
    }
    return pid;
}

int main(int argc, char **argv)
{
    char template[] = "/tmp/sg-bench-server-XXXXXX", target[256];
    uint64_t polls = 2000;
    struct rlimit limit;
    char *token;
    struct identity *id;
    char *session;
    struct polls open;
    double idle, parked;
    pid_t pid;

    if (argc < 2 || (argc > 2 && parse_u64(argv[2], &polls) < 0)) {
        (void)fprintf(stderr, "usage: sg-bench-server SAFEGUARD_SERVER [POLLS]\n");
        return 2;
    }
    server = argv[1];
    dir = mkdtemp(template);
    port = 20000 + (unsigned)getpid() % 20000;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    pid = restart();
    token = make_token();
    id = enrol_host(token);
    session = hello(id);
    // Each by a server of its own: what one has taken from the system it keeps.
    idle = open_polls(&open, id, "/healthz", (unsigned)polls, pid, false);
    close_polls(&open);
    stop(pid);
    pid = restart();
    measure_records(token, pid);
    stop(pid);
    pid = restart();
    free(session);
    session = hello(id);
    (void)snprintf(target, sizeof(target), WIRE_POLL "?session=%s&bundle=&after=0", session);
    parked = open_polls(&open, id, target, (unsigned)polls, pid, true);
    (void)printf("a poll beyond its TLS: %.1f KiB; records beside them:\n", parked - idle);
    measure_records(token, pid);
    close_polls(&open);
    stop(pid);
    (void)printf("%s is left\n", dir);
    (void)identity_free(id);
    free(session);
    free(token);
    return 0;
}
