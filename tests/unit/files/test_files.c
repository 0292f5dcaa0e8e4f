// SPDX-License-Identifier: Apache-2.0
//
// Hashes of programs of real processes: the file that was executed, or none.
#include "tests/unit/child.h"

#include <openssl/evp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "files/files.h"

static char program[4096];

static void exec_program(const struct unit_hold *h)
{
    if (dup2(h->gate, STDIN_FILENO) < 0)
        _exit(1);
    (void)execl(program, program, "-", (char *)NULL);
    _exit(1);
}

// cat, with something behind its end, so that every copy has a hash of its own.
static void make_program(const char *path, const char *tail)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len;

    assert_int_equal(read_file_bounded(AT_FDCWD, "/bin/cat", 16 << 20, &bytes, &len), 0);
    bytes = realloc(bytes, len + strlen(tail) + 1);
    memcpy(bytes + len, tail, strlen(tail));
    assert_int_equal(write_file_atomic(AT_FDCWD, path, bytes, len + strlen(tail), 0755), 0);
}

static struct files_ask ask_about(const char *path, pid_t pid)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (struct files_ask){
        .ref = {.tgid = (uint32_t)pid},
        .ino = st.st_ino,
        .dev = major(st.st_dev) << 20 | minor(st.st_dev),
        .exec_ns = now_ns(CLOCK_REALTIME) + NS_PER_SEC,
        .path = path,
    };
}

static void sha256sum(const char *path, char hex[65])
{
    _cleanup_free_ char *bytes = NULL;
    unsigned char digest[32];
    size_t len;

    assert_int_equal(read_file_bounded(AT_FDCWD, path, 16 << 20, &bytes, &len), 0);
    assert_int_equal(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void assert_hash(const struct files_fact *a, const char *hex)
{
    char text[65];

    assert_int_equal(a->hash, FILE_HASH_KNOWN);
    for (size_t i = 0; i < FILE_SHA256_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", a->sha256[i]);
    assert_string_equal(text, hex);
}

struct fixture {
    struct files *files;
    char *dir;
    char hex[65];
};

// Long enough that whatever changes a file from now on changes its times.
static void settle(void)
{
    (void)poll(NULL, 0, 30);
}

static bool always(int fd)
{
    (void)fd;
    return true;
}

static struct fixture *fixture_in(char *dir, struct files_options o)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = dir;
    (void)snprintf(program, sizeof(program), "%s/program", f->dir);
    make_program(program, "one");
    sha256sum(program, f->hex);
    o.dpkg = f->dir; // without anything in it, until a test puts something there
    assert_int_equal(files_new(&o, &f->files), 0);
    settle();
    return f;
}

static int setup(void **state)
{
    // Wherever temporary files are.
    *state = fixture_in(unit_mkdtemp(), (struct files_options){.max_bytes = 1 << 20,
                                                               .max_cached = 4,
                                                               .tells = always});
    return 0;
}

// On a real tmpfs.
static int setup_tmpfs(void **state)
{
    char *dir = strdup("/dev/shm/safeguard-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    *state = fixture_in(dir, (struct files_options){.max_bytes = 1 << 20, .max_cached = 4});
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)files_free(f->files);
    unit_rmdir(f->dir);
    free(f);
    return 0;
}

static struct files_counters counters(struct fixture *f)
{
    struct files_counters c;

    files_counters(f->files, &c);
    return c;
}

static struct files_fact answer_to(struct fixture *f, const struct files_ask *ask)
{
    struct files_answer a;

    files_ask(f->files, ask, NULL, NULL, &a);
    return a.program;
}

static void test_process(void **state)
{
    struct fixture *f = *state;
    struct unit_child c = unit_child_start(exec_program, NULL);
    struct files_ask ask = ask_about(program, c.pid);
    struct files_fact a;

    assert_true(files_cost(f->files, &ask) > 1000);
    a = answer_to(f, &ask);
    assert_hash(&a, f->hex);
    assert_int_equal(counters(f).hashed, 1);
    assert_int_equal(files_cost(f->files, &ask), 0);
    a = answer_to(f, &ask);
    assert_hash(&a, f->hex);
    assert_int_equal(counters(f).hashed, 1);
    assert_int_equal(counters(f).cached, 1);
    // Its name may be gone, and be another file's.
    assert_int_equal(unlink(program), 0);
    settle(); // so that its times are not too new to be kept
    make_program(program, "two");
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    a = answer_to(f, &ask);
    assert_hash(&a, f->hex);
    unit_child_end(&c);
    // Once the process is gone nothing leads there any more; the new file is not what was executed.
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_OTHER);
    assert_int_equal(counters(f).missing[FILE_HASH_OTHER], 1);
}

static void test_another_program(void **state)
{
    struct fixture *f = *state;
    struct unit_child c = unit_child_start(exec_program, NULL);
    struct files_ask ask = ask_about(program, c.pid);

    // The process has executed something else since: what it was has to be found by its path.
    ask.ino++;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_OTHER);
    ask.path = NULL;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_OTHER);
    ask = ask_about("/bin/cat", c.pid);
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    unit_child_end(&c);
}

static void test_by_path(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask = ask_about(program, 0x7fffffff);
    struct files_fact a = answer_to(f, &ask);
    struct stat st;

    assert_hash(&a, f->hex);
    // Changed after the exec, or so shortly before that nobody can tell.
    assert_int_equal(stat(program, &st), 0);
    ask.exec_ns = (uint64_t)st.st_ctim.tv_sec * NS_PER_SEC + (uint64_t)st.st_ctim.tv_nsec + 1000000;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_OTHER);
    ask.exec_ns += 100000000;
    a = answer_to(f, &ask);
    assert_hash(&a, f->hex);
    assert_int_equal(unlink(program), 0);
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_GONE);
    // What is no file, and a link in its place.
    assert_int_equal(symlink("/bin/cat", program), 0);
    assert_int_not_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    ask = ask_about(f->dir, 0x7fffffff);
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_UNREADABLE);
    // What was refused: the process's own program is not meant.
    ask = ask_about("/bin/cat", getpid());
    ask.refused = true;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
}

static void test_changes(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask = ask_about(program, 0x7fffffff);
    struct files_fact a = answer_to(f, &ask);
    int fd = open(program, O_WRONLY | O_APPEND | O_CLOEXEC);
    char hex[65];

    assert_hash(&a, f->hex);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(close(fd), 0);
    settle();
    sha256sum(program, hex);
    ask.exec_ns = now_ns(CLOCK_REALTIME) + NS_PER_SEC;
    a = answer_to(f, &ask);
    assert_hash(&a, hex);
    assert_int_equal(counters(f).hashed, 2);
}

// Written to through a mapping that was read through before, which leaves no trace on a tmpfs.
static void test_mapped(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;
    struct unit_child c;
    struct files_ask ask;
    struct files_fact a;
    char hex[65], *map;
    int fd;

    assert_int_equal(stat(program, &before), 0);
    for (int round = 0; round < 3; round++) {
        c = unit_child_start(exec_program, NULL);
        ask = ask_about(program, c.pid);
        a = answer_to(f, &ask);
        sha256sum(program, hex);
        assert_hash(&a, hex);
        unit_child_end(&c);
        // By the path it cannot be shown to be what was executed.
        assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_OTHER);

        fd = open(program, O_RDWR | O_CLOEXEC);
        map = mmap(NULL, (size_t)before.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(close(fd), 0);
        assert_int_equal(((volatile char *)map)[before.st_size - 1], round ? 'a' + round - 1 : 'e');
        map[before.st_size - 1] = (char)('a' + round);
        assert_int_equal(munmap(map, (size_t)before.st_size), 0);
        assert_int_equal(stat(program, &after), 0);
        assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(after.st_ctim));
    }
    assert_int_equal(counters(f).hashed, 3);
    assert_int_equal(counters(f).again, 3);
    assert_int_equal(counters(f).cached, 0);
}

// What is read again and again is bounded, and what that leaves out is counted.
static void test_again_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct unit_child c = unit_child_start(exec_program, NULL);
    struct files_ask ask = ask_about(program, c.pid);
    const struct files_options o = {.dpkg = f->dir, .again_bytes = 1000};
    int known = 0, busy = 0;

    (void)files_free(f->files);
    assert_int_equal(files_new(&o, &f->files), 0);
    for (int i = 0; i < 10; i++) {
        enum file_hash hash = answer_to(f, &ask).hash;

        known += hash == FILE_HASH_KNOWN;
        busy += hash == FILE_HASH_BUSY;
    }
    assert_int_equal(known, 1);
    assert_int_equal(busy, 9);
    assert_int_equal(counters(f).missing[FILE_HASH_BUSY], 9);
    unit_child_end(&c);
}

// A change in the moment of its hash might leave the times as they were.
static void test_young(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask;

    make_program(program, "young");
    ask = ask_about(program, 0x7fffffff);
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    assert_true(files_cost(f->files, &ask) > 0);
    settle();
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    assert_int_equal(files_cost(f->files, &ask), 0);
    assert_int_equal(counters(f).again, 1);
}

// A process that executes a file, lets go of it, has it written to and executes it anew has not executed twice the same.
static void test_executed_anew(void **state)
{
    struct fixture *f = *state;
    struct files_ask first = ask_about(program, 0);
    struct unit_child c;

    first.exec_ns = now_ns(CLOCK_REALTIME);
    settle();
    int fd = open(program, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(close(fd), 0);
    c = unit_child_start(exec_program, NULL);
    first.ref.tgid = (uint32_t)c.pid;
    assert_int_equal(answer_to(f, &first).hash, FILE_HASH_OTHER);
    first.exec_ns = 0; // what runs now
    assert_int_equal(answer_to(f, &first).hash, FILE_HASH_KNOWN);
    unit_child_end(&c);
    assert_int_equal(answer_to(f, &first).hash, FILE_HASH_OTHER);
}

// Nothing kept its writers away: nothing is kept of it.
static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask = ask_about(program, 0x7fffffff);

    ask.refused = true;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    assert_true(files_cost(f->files, &ask) > 0);
    ask.refused = false;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
    assert_int_equal(files_cost(f->files, &ask), 0);
}

// The example of FIPS 180-2.
static void test_known_answer(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask;
    struct files_fact a;

    assert_int_equal(write_file_atomic(AT_FDCWD, program, "abc", 3, 0755), 0);
    ask = ask_about(program, 0x7fffffff);
    a = answer_to(f, &ask);
    assert_hash(&a, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(write_file_atomic(AT_FDCWD, program, "", 0, 0755), 0);
    ask = ask_about(program, 0x7fffffff);
    a = answer_to(f, &ask);
    assert_hash(&a, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static bool yes(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_large_and_stopped(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask = ask_about(program, 0x7fffffff);
    struct files_answer a;

    files_ask(f->files, &ask, yes, NULL, &a);
    assert_int_equal(a.program.hash, FILE_HASH_LATE);
    assert_int_equal(a.script.hash, FILE_HASH_NONE);
    assert_int_equal(truncate(program, (1 << 20) + 1), 0);
    ask.exec_ns = now_ns(CLOCK_REALTIME) + NS_PER_SEC;
    assert_int_equal(files_cost(f->files, &ask), 0);
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_LARGE);
    assert_int_equal(truncate(program, 1 << 20), 0);
    ask.exec_ns = now_ns(CLOCK_REALTIME) + NS_PER_SEC;
    assert_int_equal(answer_to(f, &ask).hash, FILE_HASH_KNOWN);
}

// Room for four: of those that were asked for last the hash is known.
static void test_cache(void **state)
{
    struct fixture *f = *state;
    struct files_ask asks[6];
    char paths[6][600];

    for (int i = 0; i < 6; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/p%d", f->dir, i);
        make_program(paths[i], paths[i]);
        asks[i] = ask_about(paths[i], 0x7fffffff);
    }
    settle();
    for (int i = 0; i < 6; i++) {
        assert_int_equal(answer_to(f, &asks[i]).hash, FILE_HASH_KNOWN);
        assert_int_equal(answer_to(f, &asks[0]).hash, FILE_HASH_KNOWN);
    }
    assert_int_equal(counters(f).hashed, 6);
    assert_int_equal(files_cost(f->files, &asks[0]), 0);
    assert_true(files_cost(f->files, &asks[1]) > 0);
    assert_true(files_cost(f->files, &asks[2]) > 0);
    for (int i = 3; i < 6; i++)
        assert_int_equal(files_cost(f->files, &asks[i]), 0);
    for (int round = 0; round < 100; round++)
        (void)answer_to(f, &asks[round * 7 % 6]);
    assert_int_equal(answer_to(f, &asks[5]).hash, FILE_HASH_KNOWN);
}

static void test_package(void **state)
{
    struct fixture *f = *state;
    struct files_ask ask = ask_about(program, 0x7fffffff);
    char list[4200];

    assert_string_equal(answer_to(f, &ask).package, "");
    (void)snprintf(list, sizeof(list), "/x\n%s\n", program);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(f->dir, "info"), 0755), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(f->dir, "info/prog.list"), list,
                                       strlen(list), 0644),
                     0);
    (void)snprintf(list, sizeof(list), "Package: prog\nVersion: 1:2-3\nArchitecture: all\n");
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(f->dir, "status"), list, strlen(list),
                                       0644),
                     0);
    assert_string_equal(answer_to(f, &ask).package, "");
    files_refresh(f->files);
    files_refresh(f->files);
    assert_string_equal(answer_to(f, &ask).package, "prog");
    assert_string_equal(answer_to(f, &ask).version, "1:2-3");
    assert_int_equal(counters(f).package_builds, 1);
    assert_int_equal(counters(f).packages, 1);
    // Another version was installed.
    (void)snprintf(list, sizeof(list), "Package: prog\nVersion: 2\nArchitecture: all\n");
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(f->dir, "status"), list, strlen(list),
                                       0644),
                     0);
    files_refresh(f->files);
    assert_string_equal(answer_to(f, &ask).version, "2");
    assert_int_equal(counters(f).package_builds, 2);
}

// What lies at the path of a script, when it is what was executed.
static void test_script(void **state)
{
    struct fixture *f = *state;
    struct unit_child c = unit_child_start(exec_program, NULL);
    struct files_ask ask = ask_about(program, c.pid);
    char script[4096], hex[65];
    struct files_answer a;
    struct stat st;

    (void)snprintf(script, sizeof(script), "%s/script", f->dir);
    assert_int_equal(write_file_atomic(AT_FDCWD, script, "#!/bin/cat\n", 11, 0755), 0);
    sha256sum(script, hex);
    settle();
    assert_int_equal(stat(script, &st), 0);
    ask.script = script;
    ask.script_ino = st.st_ino;
    ask.script_dev = major(st.st_dev) << 20 | minor(st.st_dev);
    ask.exec_ns = now_ns(CLOCK_REALTIME) + NS_PER_SEC;
    assert_true(files_cost(f->files, &ask) > 11);
    files_ask(f->files, &ask, NULL, NULL, &a);
    assert_hash(&a.program, f->hex);
    assert_hash(&a.script, hex);
    assert_int_equal(files_cost(f->files, &ask), 0);
    // Another file of that name, and one that was written to after the exec.
    ask.script_ino++;
    files_ask(f->files, &ask, NULL, NULL, &a);
    assert_hash(&a.program, f->hex);
    assert_int_equal(a.script.hash, FILE_HASH_OTHER);
    ask.script_ino--;
    ask.exec_ns = now_ns(CLOCK_REALTIME) - NS_PER_SEC;
    files_ask(f->files, &ask, NULL, NULL, &a);
    assert_int_equal(a.script.hash, FILE_HASH_OTHER);
    assert_int_equal(unlink(script), 0);
    files_ask(f->files, &ask, NULL, NULL, &a);
    assert_int_equal(a.script.hash, FILE_HASH_GONE);
    unit_child_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_MAIN(TEST(test_process), TEST(test_another_program), TEST(test_by_path), TEST(test_changes),
          TEST(test_large_and_stopped), TEST(test_cache), TEST(test_package), TEST(test_script),
          TEST(test_known_answer), TEST(test_young), TEST(test_executed_anew), TEST(test_refused),
          cmocka_unit_test_setup_teardown(test_mapped, setup_tmpfs, teardown),
          cmocka_unit_test_setup_teardown(test_again_is_bounded, setup_tmpfs, teardown))
