// SPDX-License-Identifier: Apache-2.0
#include "process/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "model/secrets.h"

// PF_KTHREAD of include/linux/sched.h, in the field "flags" of /proc/PID/stat.
#define TASK_IS_KTHREAD 0x00200000u

// Files of a process that is gone: ENOENT when they are opened, ESRCH when they are read.
static int gone(int error)
{
    return error == ENOENT || error == ESRCH ? -ESRCH : -error;
}

// Up to `size` bytes from the start of a file; no NUL is added.
static int read_start(int dir, const char *name, char *buf, size_t size, uint32_t *ret_len)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    size_t len = 0;

    if (fd < 0)
        return gone(errno);
    while (len < size) {
        ssize_t n = read(fd, buf + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gone(errno);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = (uint32_t)len;
    return 0;
}

static int open_process(int proc_fd, uint32_t pid)
{
    char name[16];
    int fd;

    (void)snprintf(name, sizeof(name), "%u", pid);
    fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? gone(errno) : fd;
}

// A number and what follows it.
static const char *take_number(const char *s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (*s < '0' || *s > '9')
        return NULL;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
            return NULL;
    }
    *ret_value = value;
    return s;
}

// The fields of stat by their numbers in proc(5), after the name, which is in parentheses and can
// hold any byte, parentheses too: its end is the last ')'.
enum { STAT_STATE = 3, STAT_PPID = 4, STAT_FLAGS = 9, STAT_START = 22 };

struct stat_line {
    struct bytes comm;               // in the text
    uint64_t fields[STAT_START + 1]; // those that are numbers above
};

static int parse_stat(const char *text, struct stat_line *ret)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')'), *at;

    if (!open || !close || close < open)
        return -EBADMSG;
    ret->comm = (struct bytes){open + 1, (uint32_t)(close - open - 1)};
    at = close + 1;
    for (int field = STAT_STATE; field <= STAT_START; field++) {
        if (*at++ != ' ')
            return -EBADMSG;
        if (field == STAT_PPID || field == STAT_FLAGS || field == STAT_START) {
            at = take_number(at, &ret->fields[field]);
            if (!at)
                return -EBADMSG;
        } else {
            at += strcspn(at, " ");
        }
    }
    if (__builtin_mul_overflow(ret->fields[STAT_START], PROCESS_TICK_NS, &ret->fields[STAT_START]))
        return -EBADMSG;
    return 0;
}

#define STAT_SIZE 1024 // the first 22 fields fit

static int read_stat(int dir, char text[STAT_SIZE], struct stat_line *ret)
{
    uint32_t len = 0;
    int r;

    r = read_start(dir, "stat", text, STAT_SIZE - 1, &len);
    if (r < 0)
        return r;
    text[len] = '\0';
    return strlen(text) == len ? parse_stat(text, ret) : -EBADMSG;
}

// "\tReal\tEffective\t..." after "Uid:" or "Gid:". The only line that shows bytes of others is the
// name, in which newlines are escaped.
static int parse_ids(const char *text, const char *key, uint32_t *ret_real, uint32_t *ret_effective)
{
    const char *at = strstr(text, key);
    uint64_t real, effective;

    if (!at)
        return -EBADMSG;
    at = take_number(at + strlen(key), &real);
    if (!at || *at++ != '\t')
        return -EBADMSG;
    at = take_number(at, &effective);
    if (!at)
        return -EBADMSG;
    *ret_real = (uint32_t)real;
    *ret_effective = (uint32_t)effective;
    return 0;
}

static int read_ids(int dir, struct procfs_process *p)
{
    char text[1024]; // the lines with the ids are among the first ten
    uint32_t len;
    int r;

    r = read_start(dir, "status", text, sizeof(text) - 1, &len);
    if (r < 0)
        return r;
    text[len] = '\0';
    r = parse_ids(text, "\nUid:\t", &p->uid, &p->euid);
    return r < 0 ? r : parse_ids(text, "\nGid:\t", &p->gid, &p->egid);
}

// loginuid and sessionid: absent in kernels without audit.
static uint32_t read_audit_id(int dir, const char *name)
{
    char text[16];
    uint32_t len, id;

    if (read_start(dir, name, text, sizeof(text) - 1, &len) < 0)
        return ID_NONE;
    text[len] = '\0';
    return parse_u32(text, &id) < 0 ? ID_NONE : id;
}

static void read_cmdline(int dir, bool mask, struct procfs_process *p)
{
    char text[PROCFS_CMDLINE_MAX + 1];
    uint32_t len;

    if (read_start(dir, "cmdline", text, sizeof(text), &len) < 0)
        return;
    p->cmdline_cut = len > PROCFS_CMDLINE_MAX;
    len = MIN(len, PROCFS_CMDLINE_MAX);
    if (mask)
        len = secrets_mask_args(text, len);
    while (len > 0 && text[len - 1] == '\0')
        len--;
    for (uint32_t i = 0; i < len; i++)
        p->cmdline[i] = text[i] ? text[i] : ' ';
    p->cmdline_len = len;
}

static void read_exe(int dir, struct procfs_process *p)
{
    static const char deleted[] = " (deleted)";
    ssize_t n = readlinkat(dir, "exe", p->exe, sizeof(p->exe));
    size_t len = n > 0 ? (size_t)n : 0;
    struct statx st;

    if (len == 0 || len >= sizeof(p->exe))
        return;
    // Nobody is asked over a network, who may not answer.
    if (statx(dir, "exe", AT_STATX_DONT_SYNC, STATX_INO | STATX_NLINK, &st) < 0)
        st.stx_mask = 0;
    if (st.stx_mask & STATX_INO) {
        p->exe_ino = st.stx_ino;
        p->exe_dev = st.stx_dev_major << 20 | st.stx_dev_minor;
    }
    // The words are added by the kernel, but could also be the file's name: its link count tells.
    if (len > sizeof(deleted) &&
        memcmp(p->exe + len - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1) == 0 &&
        st.stx_mask & STATX_NLINK && st.stx_nlink == 0) {
        len -= sizeof(deleted) - 1;
        p->exe_deleted = true;
    }
    p->exe_len = (uint32_t)len;
}

// What stands in the line that begins with `key`, up to its end; empty when there is none.
static struct bytes line_after(const char *text, size_t len, const char *key)
{
    const char *end = text + len;
    size_t n = strlen(key);

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;

        if ((size_t)(stop - text) > n && memcmp(text, key, n) == 0)
            return (struct bytes){text + n, (uint32_t)(stop - text - (ptrdiff_t)n)};
        text = stop + 1;
    }
    return (struct bytes){};
}

// The unified hierarchy; systemd's own where there is none or where it is not used.
static void read_cgroup(int dir, struct procfs_process *p)
{
    char text[2 * PROCFS_TEXT_MAX];
    struct bytes path, older;
    uint32_t len;

    if (read_start(dir, "cgroup", text, sizeof(text), &len) < 0)
        return;
    path = line_after(text, len, "0::");
    if (path.len <= 1) {
        const char *systemd = memmem(text, len, ":name=systemd:", 14);

        older = systemd ? line_after(systemd, (size_t)(text + len - systemd), ":name=systemd:")
                        : (struct bytes){};
        if (older.len > path.len)
            path = older;
    }
    if (path.len == 0 || path.len > sizeof(p->cgroup))
        return;
    memcpy(p->cgroup, path.s, path.len);
    p->cgroup_len = path.len;
}

// "mnt:[4026531841]"
static uint32_t read_namespace(int dir, const char *link)
{
    char text[64];
    ssize_t n = readlinkat(dir, link, text, sizeof(text) - 1);
    const char *open;
    uint64_t value;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    open = strchr(text, '[');
    return open && take_number(open + 1, &value) ? (uint32_t)value : 0;
}

int procfs_read(int proc_fd, uint32_t pid, bool mask, struct procfs_process *ret)
{
    _cleanup_close_ int dir = open_process(proc_fd, pid);
    struct stat_line stat = {};
    char text[STAT_SIZE];
    int r;

    memset(ret, 0, offsetof(struct procfs_process, exe));
    if (dir < 0)
        return dir;
    ret->ref.tgid = pid;
    r = read_stat(dir, text, &stat);
    if (r < 0)
        return r;
    ret->ref.start_ns = stat.fields[STAT_START];
    ret->ppid = (uint32_t)stat.fields[STAT_PPID];
    ret->kthread = stat.fields[STAT_FLAGS] & TASK_IS_KTHREAD;
    // Workers of the kernel show longer names here than anywhere else.
    ret->comm_len = (uint8_t)MIN(stat.comm.len, (uint32_t)sizeof(ret->comm) - 1);
    memcpy(ret->comm, stat.comm.s, ret->comm_len);
    r = read_ids(dir, ret);
    if (r < 0)
        return r;
    ret->login_uid = read_audit_id(dir, "loginuid");
    ret->session_id = read_audit_id(dir, "sessionid");
    ret->pid_ns = read_namespace(dir, "ns/pid");
    ret->mnt_ns = read_namespace(dir, "ns/mnt");
    if (!ret->kthread) {
        read_exe(dir, ret);
        read_cmdline(dir, mask, ret);
    }
    read_cgroup(dir, ret);
    return 0;
}

int procfs_cmdline(int proc_fd, const struct process_ref *ref, bool mask,
                   struct procfs_process *ret)
{
    _cleanup_close_ int dir = open_process(proc_fd, ref->tgid);
    struct stat_line stat = {};
    char text[STAT_SIZE];
    int r;

    if (dir < 0)
        return dir;
    r = read_stat(dir, text, &stat);
    if (r < 0)
        return r;
    if (stat.fields[STAT_START] / PROCESS_TICK_NS != process_ref_ticks(ref))
        return -ESRCH;
    ret->cmdline_len = 0;
    ret->cmdline_cut = false;
    read_cmdline(dir, mask, ret);
    return 0;
}

int procfs_exe(int proc_fd, uint32_t pid, struct procfs_process *ret)
{
    _cleanup_close_ int dir = open_process(proc_fd, pid);

    if (dir < 0)
        return dir;
    ret->exe_len = ret->exe_dev = 0;
    ret->exe_ino = 0;
    ret->exe_deleted = false;
    read_exe(dir, ret);
    return 0;
}

int procfs_start(int proc_fd, uint32_t pid, uint64_t *ret_start_ns)
{
    _cleanup_close_ int dir = open_process(proc_fd, pid);
    struct stat_line stat = {};
    char text[STAT_SIZE];
    int r;

    if (dir < 0)
        return dir;
    r = read_stat(dir, text, &stat);
    if (r < 0)
        return r;
    *ret_start_ns = stat.fields[STAT_START];
    return 0;
}

uint32_t procfs_namespace(int proc_fd, uint32_t pid, const char *link)
{
    _cleanup_close_ int dir = open_process(proc_fd, pid);

    return dir < 0 ? 0 : read_namespace(dir, link);
}
