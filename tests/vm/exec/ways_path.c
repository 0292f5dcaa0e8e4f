// SPDX-License-Identifier: Apache-2.0
//
// Files by their names, scripts, descriptors.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

void way_static(const struct run *r)
{
    go(r, r->target, NULL, NULL);
}

void way_dynamic(const struct run *r)
{
    go(r, in_area(r, "dynamic"), NULL, NULL);
}

void way_relative(const struct run *r)
{
    go(r, "./target", NULL, NULL);
}

void way_dirfd(const struct run *r)
{
    go_at(r, (int)MUST(r, open(r->area, O_PATH | O_CLOEXEC)), "target", 0, NULL);
}

void way_nofollow(const struct run *r)
{
    go_at(r, AT_FDCWD, r->target, AT_SYMLINK_NOFOLLOW, NULL);
}

static const char *link_to(const struct run *r, const char *to)
{
    const char *path = in_root(r, "free/sym-%M");

    (void)unlink(path);
    MUST(r, symlink(to, path));
    return path;
}

void way_symlink(const struct run *r)
{
    go(r, link_to(r, r->target), NULL, NULL);
}

void way_symlink_nofollow(const struct run *r)
{
    go_at(r, AT_FDCWD, link_to(r, r->target), AT_SYMLINK_NOFOLLOW, NULL);
}

void way_hard_link(const struct run *r)
{
    go(r, in_root(r, "links/hard-%M"), NULL, NULL);
}

void way_long_name(const struct run *r)
{
    char name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    copy(r, in_root(r, "bin/target"), in_area(r, name), 0755);
    go(r, in_area(r, name), ARGV("x"), NULL);
}

void way_deep(const struct run *r)
{
    for (int i = 0; i < 40; i++) {
        const char *name = i == 39 ? "deepest" : "a-directory-with-quite-a-long-name";

        make_dir(r, name);
        MUST(r, chdir(name));
    }
    copy(r, in_root(r, "bin/target"), "target", 0755);
    go(r, "./target", NULL, NULL);
}

void way_dotdot(const struct run *r)
{
    go(r, in_area(r, "sub/../target"), NULL, NULL);
}

void way_proc_root(const struct run *r)
{
    char path[600];

    snprintf(path, sizeof(path), "/proc/self/root%s", r->target);
    go(r, path, NULL, NULL);
}

void way_tmpfs(const struct run *r)
{
    go(r, in_area(r, "tmpfs/target"), NULL, NULL);
}

void way_moved(const struct run *r)
{
    copy(r, r->target, in_area(r, "moving"), 0755);
    MUST(r, rename(in_area(r, "moving"), in_area(r, "moved")));
    go(r, in_area(r, "moved"), ARGV("moved"), NULL);
}

void way_bad_name(const struct run *r)
{
    copy(r, in_root(r, "bin/target"), in_area(r, "n\nl\xff"), 0755);
    go(r, in_area(r, "n\nl\xff"), NULL, NULL);
}

void way_script(const struct run *r)
{
    go(r, script(r, in_area(r, "script"), in_root(r, "bin/target")), NULL, NULL);
}

void way_script_interpreter(const struct run *r)
{
    go(r, script(r, in_root(r, "free/script-%M"), r->target), NULL, NULL);
}

void way_script_env(const struct run *r)
{
    write_file(r, in_area(r, "script-env"), 0755, "#!/usr/bin/env sh\nexit 42\n");
    go(r, in_area(r, "script-env"), NULL, ARGV("PATH=/usr/bin:/bin"));
}

void way_script_argument(const struct run *r)
{
    char line[600];

    snprintf(line, sizeof(line), "%s one two", in_root(r, "bin/target"));
    go(r, script(r, in_area(r, "script-arg"), line), ARGV("a", "x"), NULL);
}

void way_nested(const struct run *r)
{
    const char *inner = script(r, in_root(r, "free/inner-%M"), in_root(r, "bin/target"));

    go(r, script(r, in_area(r, "outer"), inner), NULL, NULL);
}

void way_nested_inner(const struct run *r)
{
    const char *inner = script(r, in_area(r, "script"), in_root(r, "bin/target"));

    go(r, script(r, in_root(r, "free/outer-%M"), inner), NULL, NULL);
}

void way_script_fd(const struct run *r)
{
    const char *path = script(r, in_area(r, "script"), in_root(r, "bin/target"));

    go_at(r, (int)MUST(r, open(path, O_RDONLY)), "", AT_EMPTY_PATH, NULL);
}

void way_script_relative(const struct run *r)
{
    (void)script(r, in_area(r, "script"), in_root(r, "bin/target"));
    go(r, "script", NULL, NULL);
}

/* Executes a file of a format that is registered now, unless it was before the policy (NULL). */
static _Noreturn void go_format(const struct run *r, const char *path, const char *interpreter,
                                const char *flags)
{
    const char *extension = strrchr(path, '.') + 1;
    char registered[100];

    if (interpreter && register_format(extension, interpreter, flags) < 0)
        skip(r, "no binfmt_misc: %s", strerror(errno));
    snprintf(registered, sizeof(registered), "/proc/sys/fs/binfmt_misc/sg-%s", extension);
    if (access(registered, F_OK) < 0)
        skip(r, "no binfmt_misc: %s", registered);
    write_file(r, path, 0755, "anything");
    go(r, path, NULL, NULL);
}

void way_binfmt_misc(const struct run *r)
{
    go_format(r, in_area(r, "program.sgx"), in_root(r, "bin/target"), "");
}

void way_binfmt_fixed(const struct run *r)
{
    go_format(r, in_area(r, "program.sgf"), in_root(r, "bin/target"), "F");
}

void way_binfmt_credentials(const struct run *r)
{
    go_format(r, in_area(r, "program.sgc"), in_root(r, "bin/target"), "C");
}

void way_binfmt_interpreter(const struct run *r)
{
    go_format(r, in_root(r, "free/program.sgx-%M"), r->target, "");
}

void way_binfmt_interpreter_fixed(const struct run *r)
{
    go_format(r, in_root(r, "free/program.sgf-%M"), NULL, "F");
}

void way_binfmt_interpreter_open(const struct run *r)
{
    go_format(r, in_root(r, "free/program.sgo-%M"), r->target, "O");
}

void way_binfmt_interpreter_credentials(const struct run *r)
{
    go_format(r, in_root(r, "free/program.sgc-%M"), r->target, "C");
}

void way_enoexec(const struct run *r)
{
    write_file(r, in_area(r, "nothing"), 0755, "nothing that can be executed");
    go(r, in_area(r, "nothing"), NULL, NULL);
}

void way_shell_fallback(const struct run *r)
{
    char *const none[] = {NULL};

    write_file(r, in_area(r, "plain-text"), 0755, "exit 42\n");
    become(r);
    execve(in_area(r, "plain-text"), ARGV((char *)in_area(r, "plain-text")), none);
    if (errno != ENOEXEC)
        refused(r, errno);
    go(r, "/bin/sh", ARGV("sh", (char *)in_area(r, "plain-text")), NULL);
}

void way_fexecve(const struct run *r)
{
    go_at(r, (int)MUST(r, open(r->target, O_RDONLY)), "", AT_EMPTY_PATH, NULL);
}

void way_fexecve_cloexec(const struct run *r)
{
    go_at(r, (int)MUST(r, open(r->target, O_RDONLY | O_CLOEXEC)), "", AT_EMPTY_PATH, NULL);
}

void way_fexecve_path(const struct run *r)
{
    go_at(r, (int)MUST(r, open(r->target, O_PATH)), "", AT_EMPTY_PATH, NULL);
}

static void go_fd(const struct run *r, const char *dir, int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/%d", dir, fd);
    go(r, path, NULL, NULL);
}

void way_proc_fd(const struct run *r)
{
    go_fd(r, "/proc/self/fd", (int)MUST(r, open(r->target, O_RDONLY)));
}

void way_dev_fd(const struct run *r)
{
    if (access("/dev/fd", F_OK) < 0)
        skip(r, "no /dev/fd");
    go_fd(r, "/dev/fd", (int)MUST(r, open(r->target, O_RDONLY)));
}

void way_proc_exe(const struct run *r)
{
    go(r, "/proc/self/exe", ARGV("target"), NULL);
}

void way_memfd(const struct run *r)
{
    go_at(r, memfd_of(r, "way", 0, in_root(r, "bin/target")), "", AT_EMPTY_PATH, NULL);
}

void way_memfd_cloexec(const struct run *r)
{
    go_at(r, memfd_of(r, "way/x", MFD_CLOEXEC, in_root(r, "bin/target")), "", AT_EMPTY_PATH, NULL);
}

void way_memfd_proc(const struct run *r)
{
    go_fd(r, "/proc/self/fd", memfd_of(r, "way", 0, in_root(r, "bin/target")));
}

void way_memfd_sealed(const struct run *r)
{
    int fd = memfd_of(r, "way", MFD_ALLOW_SEALING, in_root(r, "bin/target"));

    MUST(r, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    go_at(r, fd, "", AT_EMPTY_PATH, NULL);
}

void way_memfd_script(const struct run *r)
{
    const char *path = script(r, in_root(r, "free/source"), in_root(r, "bin/target"));

    go_at(r, memfd_of(r, "way", 0, path), "", AT_EMPTY_PATH, NULL);
}

void way_memfd_interpreter(const struct run *r)
{
    char line[64];

    snprintf(line, sizeof(line), "/proc/self/fd/%d",
             memfd_of(r, "way", 0, in_root(r, "bin/target")));
    go(r, script(r, in_root(r, "free/script-memfd-%M"), line), NULL, NULL);
}

static void go_deleted(const struct run *r, const char *path)
{
    int fd = (int)MUST(r, open(path, O_RDONLY));

    MUST(r, unlink(path));
    go_at(r, fd, "", AT_EMPTY_PATH, NULL);
}

void way_deleted(const struct run *r)
{
    const char *path = in_root(r, "free/deleted-%M");

    copy(r, in_root(r, "bin/target"), path, 0755);
    go_deleted(r, path);
}

void way_deleted_script(const struct run *r)
{
    go_deleted(r, script(r, in_root(r, "free/deleted-script-%M"), in_root(r, "bin/target")));
}

void way_tmpfile(const struct run *r)
{
    int to = (int)MUST(r, open(in_root(r, "free"), O_TMPFILE | O_WRONLY, 0755)), fd;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
    copy(r, in_root(r, "bin/target"), path, 0755);
    fd = (int)MUST(r, open(path, O_RDONLY));
    MUST(r, close(to));
    go_at(r, fd, "", AT_EMPTY_PATH, NULL);
}

void way_unlinked_other(const struct run *r)
{
    const char *path = in_root(r, "free/two-a");
    int fd;

    copy(r, in_root(r, "bin/target"), path, 0755);
    MUST(r, link(path, in_root(r, "free/two-b")));
    fd = (int)MUST(r, open(path, O_RDONLY));
    MUST(r, unlink(path));
    go_at(r, fd, "", AT_EMPTY_PATH, NULL);
}
