// SPDX-License-Identifier: Apache-2.0
//
// On a disk that is full: a tmpfs of this test's own.
#include "tests/unit/spool/rig.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define DISK "size=1m,mode=700"

static void mount_small(const char *dir)
{
    if (geteuid() != 0)
        assert_int_equal(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
    else
        assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, DISK), 0);
}

static void begin(struct rig *rig)
{
    rig_begin(rig);
    rig_close(rig);
    mount_small(rig->dir);
    rig->options.segment_bytes = 64 << 10;
    rig_open(rig);
}

static void end(struct rig *rig)
{
    rig_close(rig);
    assert_int_equal(umount(rig->dir), 0);
    unit_rmdir(rig->dir);
}

// A file of somebody else that takes all the room but for `leave` bytes.
static void fill(struct rig *rig, off_t leave)
{
    int fd = open(unit_path(rig->dir, "other"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    char page[4096] = {1};
    struct stat st;

    assert_true(fd >= 0);
    while (write(fd, page, sizeof(page)) > 0)
        ;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(ftruncate(fd, st.st_size - leave), 0);
    (void)close(fd);
}

static void make_room(struct rig *rig)
{
    assert_int_equal(unlink(unit_path(rig->dir, "other")), 0);
}

static void test_full_and_room_again(void **state)
{
    uint64_t taken = 0, refused = 0;
    struct spool_counters c;
    struct spool_health health;
    struct rig rig;
    int r = 0;

    (void)state;
    begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 100, 1000);
    fill(&rig, 8192);
    for (int i = 0; i < 2000; i++) {
        r = rig_try(&rig, STREAM_AUDIT, 1000);
        taken += r == 0;
        refused += r < 0;
    }
    assert_int_equal(r, -ENOSPC);
    assert_in_range(taken, 100, 400); // what a buffer holds
    assert_int_equal(spool_flush(rig.spool), -ENOSPC);
    spool_health(rig.spool, &health);
    assert_int_equal(health.error, -ENOSPC);
    assert_true(health.write_failures > 0);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.dropped[SPOOL_NO_SPACE].records, refused);
    assert_int_equal(c.dropped[SPOOL_NO_SPACE].bytes, refused * 1000);
    assert_int_equal(c.unwritten, taken);

    // What was written is there, what waits in memory comes when there is room.
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 100);
    make_room(&rig);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 101), taken);
    spool_health(rig.spool, &health);
    assert_int_equal(health.error, 0);
    rig_append(&rig, STREAM_AUDIT, 10, 1000);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 101 + taken), 10);
    end(&rig);
}

// Whoever is killed meanwhile has told of it all the same.
static void test_refused_are_counted_for_good(void **state)
{
    uint64_t *refused = mmap(NULL, sizeof(*refused), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct spool_counters c;
    struct rig rig;
    pid_t pid;

    (void)state;
    assert_true(refused != MAP_FAILED);
    begin(&rig);
    rig_close(&rig);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        rig_open(&rig);
        fill(&rig, 8192);
        for (int i = 0; i < 2000; i++)
            *refused += rig_try(&rig, STREAM_AUDIT, 1000) < 0;
        _exit(spool_flush(rig.spool) != -ENOSPC);
    }
    assert_int_equal(waitpid(pid, &(int){1}, 0), pid);
    rig_open(&rig);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_in_range(*refused, 1000, 2000);
    assert_int_equal(c.dropped[SPOOL_NO_SPACE].records, *refused);
    make_room(&rig);
    end(&rig);
    assert_int_equal(munmap(refused, sizeof(*refused)), 0);
}

// By itself, after a second, when nobody flushes.
static void test_tries_again(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    fill(&rig, 0);
    while (rig_try(&rig, STREAM_AUDIT, 1000) == 0)
        ;
    make_room(&rig);
    assert_int_equal(rig_try(&rig, STREAM_AUDIT, 1000), -ENOSPC);
    rig.clock_ms += 1001;
    assert_int_equal(rig_try(&rig, STREAM_AUDIT, 1000), 0);
    end(&rig);
}

// Nor when nothing is appended any more.
static void test_reader_tries_again(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    begin(&rig);
    fill(&rig, 0);
    assert_int_equal(rig_try(&rig, STREAM_AUDIT, 1000), 0);
    assert_int_equal(spool_flush(rig.spool), -ENOSPC);
    make_room(&rig);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1 << 20, &lease), 0);
    rig.clock_ms += 1001;
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1 << 20, &lease), 1);
    assert_int_equal(lease.n, 1);
    end(&rig);
}

static void test_security_takes_the_room_of_audit(void **state)
{
    struct spool_counters audit;
    struct rig rig;

    (void)state;
    begin(&rig);
    for (int i = 0; i < 4; i++)
        rig_append(&rig, STREAM_AUDIT, 60, 1000);
    fill(&rig, 0);
    rig_append(&rig, STREAM_SECURITY, 10, 1000);
    audit = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(audit.dropped[SPOOL_NO_SPACE].records, 60); // a segment, not all of them
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 10);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 61), 180);
    end(&rig);
}

static void test_full_from_the_beginning(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_close(&rig);
    assert_int_equal(unlink(unit_path(rig.dir, "state")), 0);
    fill(&rig, 0);
    rig_open(&rig);
    assert_int_equal(rig_try(&rig, STREAM_SECURITY, 1000), 0);
    assert_int_equal(spool_flush(rig.spool), -ENOSPC);
    make_room(&rig);
    assert_int_equal(spool_flush(rig.spool), 0);
    rig_again(&rig, BOOT_A);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 1);
    end(&rig);
}

// Ends in the middle of a full disk: what was promised is there afterwards.
static void test_restart_while_full(void **state)
{
    struct spool_counters c;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 40, 1000);
    fill(&rig, 4096);
    for (int i = 0; i < 100; i++)
        (void)rig_try(&rig, STREAM_AUDIT, 1000);
    assert_int_equal(spool_flush(rig.spool), -ENOSPC);
    rig_again(&rig, BOOT_A);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_in_range(c.waiting, 40, 45); // as much of the rest as there was room for
    assert_int_equal(c.accepted, c.waiting);
    rig.appended[STREAM_AUDIT] = c.waiting;
    make_room(&rig);
    rig_append(&rig, STREAM_AUDIT, 10, 1000);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), c.waiting + 10);
    end(&rig);
}

// A limit on the size of files is a full disk, too.
static void test_limit_of_file_size(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct rlimit before, limit;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){50000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rig_append(&rig, STREAM_SECURITY, 40, 1000);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_try(&rig, STREAM_SECURITY, 1000), 0);
    assert_int_equal(spool_flush(rig.spool), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 60);
    rig_end(&rig);
}

UNIT_MAIN(cmocka_unit_test(test_full_and_room_again),
          cmocka_unit_test(test_refused_are_counted_for_good), cmocka_unit_test(test_tries_again),
          cmocka_unit_test(test_reader_tries_again),
          cmocka_unit_test(test_security_takes_the_room_of_audit),
          cmocka_unit_test(test_full_from_the_beginning), cmocka_unit_test(test_restart_while_full),
          cmocka_unit_test(test_limit_of_file_size))
