// SPDX-License-Identifier: Apache-2.0
//
// A process that ends between any two of its system calls, and a machine that loses its power. fdatasync(2)
// and fsync(2) are this file's own: they note what is on the disk for certain, which is all that a
// power cut leaves.
#include "tests/unit/spool/rig.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LINES_MAX 200000
#define FILES_MAX 4096

// What the server has, and what it was promised; shared by the children and the test.
struct server {
    struct stream_id stream[STREAM_CLASSES];
    uint64_t acked[STREAM_CLASSES];              // numbers
    uint32_t line[STREAM_CLASSES][LINES_MAX];    // of each number
    uint32_t last_line[STREAM_CLASSES];          // given to spool_append()
    uint8_t promised[STREAM_CLASSES][LINES_MAX]; // spool_flush() had returned
    bool wrong, done;
};

// Which line has which number of which stream; of the process that is not killed.
static struct {
    uint64_t key;
    uint32_t line;
    bool committed;
} seen[1 << 18];
static size_t n_seen;

static struct server *new_server(void)
{
    struct server *server = mmap(NULL, sizeof(*server), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(server, MAP_FAILED);
    return server;
}

// As the server does it: what it has already is compared instead of stored.
static void store(struct server *server, const struct spool_lease *lease)
{
    const char *at = lease->data, *end = at + lease->len;
    enum stream_class c = lease->class;

    if (stream_id_is_none(&server->stream[c]))
        server->stream[c] = lease->stream;
    if (!stream_id_equal(&server->stream[c], &lease->stream))
        server->wrong = true;
    for (uint64_t seq = lease->first_seq; seq < lease->first_seq + lease->n; seq++) {
        uint32_t line = (uint32_t)rig_number(&at, end, c);

        if (seq <= server->acked[c]) {
            server->wrong = server->wrong || server->line[c][seq] != line;
            continue;
        }
        server->wrong = server->wrong || seq != server->acked[c] + 1;
        server->line[c][seq] = line;
        server->acked[c] = seq;
    }
}

static void remember(struct server *server, const struct spool_lease *lease, bool commit)
{
    const char *at = lease->data, *end = at + lease->len;

    for (uint64_t seq = lease->first_seq; seq < lease->first_seq + lease->n; seq++) {
        uint32_t line = (uint32_t)rig_number(&at, end, lease->class);
        uint64_t key;
        size_t i;

        memcpy(&key, lease->stream.b, sizeof(key));
        key += seq * UINT64_C(0x9e3779b97f4a7c15);
        for (i = key % ARRAY_SIZE(seen); seen[i].key && seen[i].key != key;)
            i = (i + 1) % ARRAY_SIZE(seen);
        server->wrong = server->wrong || (seen[i].key && seen[i].line != line);
        n_seen += !seen[i].key;
        seen[i].key = key;
        seen[i].line = line;
        seen[i].committed = seen[i].committed || commit;
    }
}

static int append(struct rig *rig, struct server *server, enum stream_class c, size_t size)
{
    char buf[4096];
    uint32_t line = ++server->last_line[c];

    return spool_append(rig->spool, c, buf, rig_line(buf, sizeof(buf), c, line, size));
}

static void promise(struct server *server, const uint32_t from[STREAM_CLASSES])
{
    for (int c = 0; c < STREAM_CLASSES; c++)
        for (uint32_t line = from[c] + 1; line <= server->last_line[c]; line++)
            server->promised[c][line] = 1;
}

static void append_some(struct rig *rig, struct server *server, int n, size_t size)
{
    uint32_t from[] = {server->last_line[0], server->last_line[1]};

    for (int i = 0; i < n; i++)
        if (append(rig, server, (enum stream_class)(i % 3 == 0 ? STREAM_SECURITY : STREAM_AUDIT),
                   size) < 0)
            return;
    if (spool_flush(rig->spool) == 0)
        promise(server, from);
}

static int send_some(struct rig *rig, struct server *server, enum stream_class c, uint32_t n)
{
    struct spool_lease lease;
    int r = spool_lease(rig->spool, c, n, 1 << 20, &lease);

    if (r <= 0)
        return r;
    store(server, &lease);
    return spool_commit(rig->spool, c, &lease.stream, server->acked[c]) < 0 ? -1 : 1;
}

// The life of one process; may end anywhere.
static void live(struct rig *rig, struct server *server)
{
    if (spool_new(&rig->options, &rig->spool, NULL) < 0)
        _exit(1);
    for (int i = 0; i < 3; i++) {
        append_some(rig, server, 9, 700);
        (void)send_some(rig, server, STREAM_AUDIT, 4);
        (void)send_some(rig, server, STREAM_SECURITY, 2);
    }
    append_some(rig, server, 3, 700);
    for (int c = 0; c < STREAM_CLASSES; c++)
        while (send_some(rig, server, (enum stream_class)c, 100) > 0)
            ;
    append_some(rig, server, 6, 700);
    (void)spool_free(rig->spool);
    server->done = true;
    _exit(0);
}

// Everything that was promised is there once and in order.
static void check(struct rig *rig, struct server *server)
{
    rig_open(rig);
    for (int c = 0; c < STREAM_CLASSES; c++) {
        uint32_t before = 0;

        while (send_some(rig, server, (enum stream_class)c, 100) > 0)
            ;
        assert_false(server->wrong);
        for (uint64_t seq = 1; seq <= server->acked[c]; seq++) {
            uint32_t line = server->line[c][seq];

            assert_true(line > before);
            for (uint32_t skipped = before + 1; skipped < line; skipped++)
                assert_false(server->promised[c][skipped]);
            before = line;
        }
        for (uint32_t line = before + 1; line <= server->last_line[c]; line++)
            assert_false(server->promised[c][line]);
    }
    rig_close(rig);
}

static void begin(struct rig *rig)
{
    rig_begin(rig);
    rig_close(rig);
    rig->options.max_bytes = 4 << 20;
    rig->options.segment_bytes = 8 << 10; // so that segments begin and end
}

// Ends the child after `stops` entries to and exits from system calls. false: it was done before.
static bool kill_after(pid_t pid, int stops)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < stops && WIFSTOPPED(status); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    if (!WIFSTOPPED(status)) {
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return true;
}

static void test_between_any_two_calls(void **state)
{
    struct server *server = new_server();
    bool killed = true;
    struct rig rig;

    (void)state;
    begin(&rig);
    for (int stops = 1; killed; stops++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                _exit(1);
            (void)raise(SIGSTOP);
            live(&rig, server);
        }
        killed = kill_after(pid, stops);
        // The next life goes on from what this one left; each tenth time all of it is looked at.
        if (stops % 10 == 0 || !killed)
            check(&rig, server);
    }
    assert_true(server->done);
    assert_true(server->acked[STREAM_AUDIT] > 1000);
    (void)munmap(server, sizeof(*server));
    unit_rmdir(rig.dir);
}

// At any instruction: children that work as fast as they can are ended while they do.
static void test_at_any_moment(void **state)
{
    struct server *server = new_server();
    struct rig rig;

    (void)state;
    begin(&rig);
    srand48(7);
    for (int i = 0; i < 150; i++) {
        struct timespec ts = {.tv_nsec = (long)(drand48() * 4e6)};
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            if (spool_new(&rig.options, &rig.spool, NULL) < 0)
                _exit(1);
            for (;;) {
                append_some(&rig, server, 20, 300);
                (void)send_some(&rig, server, STREAM_AUDIT, 15);
                (void)send_some(&rig, server, STREAM_SECURITY, 5);
                if (server->last_line[STREAM_AUDIT] > LINES_MAX - 100)
                    _exit(0);
            }
        }
        (void)nanosleep(&ts, NULL); // the moment is what is random here
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        if (i % 10 == 0)
            check(&rig, server);
    }
    check(&rig, server);
    (void)munmap(server, sizeof(*server));
    unit_rmdir(rig.dir);
}

// What the disk has for certain.
static struct {
    ino_t ino;
    off_t size;
} synced[FILES_MAX];
static size_t n_synced;
static ino_t linked[FILES_MAX];
static size_t n_linked;
static char durable_state[8192];
static ssize_t durable_state_len;
static const char *synced_dir;

static off_t synced_size(ino_t ino)
{
    for (size_t i = 0; i < n_synced; i++)
        if (synced[i].ino == ino)
            return synced[i].size;
    return 0;
}

static bool is_linked(ino_t ino)
{
    for (size_t i = 0; i < n_linked; i++)
        if (linked[i] == ino)
            return true;
    return false;
}

int fdatasync(int fd)
{
    struct stat st, state;
    size_t i = 0;

    if (synced_dir && fstat(fd, &st) == 0) {
        while (i < n_synced && synced[i].ino != st.st_ino)
            i++;
        n_synced += i == n_synced;
        synced[i].ino = st.st_ino;
        synced[i].size = st.st_size;
        if (stat(unit_path(synced_dir, "state"), &state) == 0 && state.st_ino == st.st_ino)
            durable_state_len = pread(fd, durable_state, sizeof(durable_state), 0);
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    struct stat st;

    if (synced_dir && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        DIR *dir = opendir(synced_dir);
        const struct dirent *entry;

        while ((entry = readdir(dir)))
            if (!is_linked(entry->d_ino)) {
                assert_true(n_linked < FILES_MAX);
                linked[n_linked++] = entry->d_ino;
            }
        (void)closedir(dir);
    }
    return (int)syscall(SYS_fsync, fd);
}

// Behind what was synced anything may be: nothing, zeros, rubbish, or what was written.
static void tear(const char *path, off_t keep)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = keep; at < st.st_size;) {
        off_t step = MIN((off_t)(1 + lrand48() % 3000), st.st_size - at);
        char noise[3000];
        long what = lrand48() % 4;

        if (what == 0) {
            assert_int_equal(ftruncate(fd, at), 0);
            break;
        }
        for (off_t i = 0; i < step; i++)
            noise[i] = what == 1 ? 0 : (char)lrand48();
        if (what != 3)
            assert_int_equal(pwrite(fd, noise, (size_t)step, at), step);
        at += step;
    }
    (void)close(fd);
}

static void cut_power(struct rig *rig)
{
    DIR *dir = opendir(rig->dir);
    const struct dirent *entry;
    struct stat st;

    while ((entry = readdir(dir))) {
        const char *path = unit_path(rig->dir, entry->d_name);

        assert_int_equal(stat(path, &st), 0);
        if (!S_ISREG(st.st_mode))
            continue;
        if (streq(entry->d_name, "state")) {
            if (lrand48() % 2)
                continue;
            int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
            assert_int_equal(pwrite(fd, durable_state, (size_t)durable_state_len, 0),
                             durable_state_len);
            (void)close(fd);
        } else if (!is_linked(st.st_ino) && lrand48() % 2) {
            assert_int_equal(unlink(path), 0);
        } else {
            tear(path, synced_size(st.st_ino));
        }
    }
    (void)closedir(dir);
}

// Numbers that were handed out belong to their lines for ever, and the lines are still there. With the boot's id
// unchanged, which is harder than what happens: the disk alone has to know.
static void power_cuts(bool other_boot)
{
    struct server *server = new_server();
    struct spool_lease lease;
    struct rig rig;

    begin(&rig);
    srand48(other_boot ? 11 : 3);
    synced_dir = rig.dir;
    n_synced = n_linked = n_seen = 0;
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < 300; i++) {
        rig_open(&rig);
        append_some(&rig, server, (int)(lrand48() % 40), 200);
        for (int c = 0; c < STREAM_CLASSES; c++) {
            // Sent; stored or not, answered or not.
            if (lrand48() % 4 && spool_lease(rig.spool, (enum stream_class)c,
                                             1 + (uint32_t)(lrand48() % 30), 1 << 20, &lease) > 0) {
                bool commit = lrand48() % 2;

                remember(server, &lease, commit);
                if (commit)
                    assert_int_equal(spool_commit(rig.spool, (enum stream_class)c, &lease.stream,
                                                  lease.first_seq + lease.n - 1),
                                     0);
            }
        }
        append_some(&rig, server, (int)(lrand48() % 40), 200);
        assert_false(server->wrong);
        rig_close(&rig);
        cut_power(&rig);
        if (other_boot) {
            static char boot[37];

            (void)snprintf(boot, sizeof(boot), "%08x-1111-4222-8333-444444444444", i);
            rig.options.boot_id = boot;
        }
    }
    synced_dir = NULL;
    rig_open(&rig);
    for (int c = 0; c < STREAM_CLASSES; c++)
        while (spool_lease(rig.spool, (enum stream_class)c, 100, 1 << 20, &lease) > 0) {
            remember(server, &lease, true);
            assert_int_equal(spool_commit(rig.spool, (enum stream_class)c, &lease.stream,
                                          lease.first_seq + lease.n - 1),
                             0);
        }
    rig_close(&rig);
    assert_false(server->wrong);
    assert_true(n_seen > 1000);
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        assert_true(!seen[i].key || seen[i].committed);
    (void)munmap(server, sizeof(*server));
    unit_rmdir(rig.dir);
}

static void test_power_cuts(void **state)
{
    (void)state;
    power_cuts(false);
}

static void test_power_cuts_and_boots(void **state)
{
    (void)state;
    power_cuts(true);
}

UNIT_MAIN(cmocka_unit_test(test_between_any_two_calls), cmocka_unit_test(test_at_any_moment),
          cmocka_unit_test(test_power_cuts), cmocka_unit_test(test_power_cuts_and_boots))
