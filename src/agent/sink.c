// SPDX-License-Identifier: Apache-2.0
#include "agent/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "control/message.h"
#include "spool/spool.h"

#define FILE_MODE 0640
#define DIR_MODE  0750
// What one write gets, up to an offset in the file that is a multiple of it: a page of the file that two writes
// fill is looked for twice. Not more, because 6.12 looks at all that is left of a write for each page of a file in
// memory.
#define WRITE_MAX ((size_t)64 << 10)

struct sink {
    struct sink_options options;
    char *path;
    int fd;
    uint64_t size; // of the file
    bool within;   // the last byte written is not the end of a line
    struct sink_counters counters;
};

struct sink *sink_free(struct sink *s)
{
    if (!s)
        return NULL;
    if (s->options.kind == CONFIG_OUTPUT_FILE)
        (void)safe_close(s->fd);
    free(s->path);
    free(s);
    return NULL;
}

int sink_new(const struct sink_options *options, struct sink **ret_sink)
{
    _cleanup_(sink_freep) struct sink *s = new0(struct sink, 1);

    if (!s)
        return -ENOMEM;
    s->options = *options;
    s->fd = options->kind == CONFIG_OUTPUT_STDOUT && !options->spool ? STDOUT_FILENO : -1;
    s->path = xstrndup(options->path ? options->path : "", 4096);
    if (!s->path)
        return -ENOMEM;
    *ret_sink = TAKE_PTR(s);
    return 0;
}

static int make_parent(const char *path)
{
    _cleanup_free_ char *copy = xstrndup(path, strlen(path));

    return copy ? mkdir_p(AT_FDCWD, dirname(copy), DIR_MODE) : -ENOMEM;
}

// A run that was ended in the middle of a line leaves one without an end: the next record gets a line
// of its own all the same.
static int end_torn_line(int fd, uint64_t *size)
{
    char last = '\n';

    if (*size == 0)
        return 0;
    if (pread(fd, &last, 1, (off_t)*size - 1) < 0)
        return negative_errno();
    if (last == '\n')
        return 0;
    if (write(fd, "\n", 1) != 1)
        return negative_errno();
    *size += 1;
    return 0;
}

static int open_file(struct sink *s)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r;

    // O_NONBLOCK: a pipe without a reader at this place must not hold us up; files do not care.
    fd = open(s->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
              FILE_MODE);
    if (fd < 0 && errno == ENOENT && make_parent(s->path) == 0)
        fd = open(s->path,
                  O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                  FILE_MODE);
    if (fd < 0)
        return negative_errno();
    if (fstat(fd, &st) < 0)
        return negative_errno();
    if (!S_ISREG(st.st_mode))
        return -EBADF;
    s->size = (uint64_t)st.st_size;
    r = s->within ? 0 : end_torn_line(fd, &s->size);
    if (r < 0)
        return r;
    s->fd = TAKE_FD(fd);
    return 0;
}

void sink_reopen(struct sink *s)
{
    if (s->options.kind != CONFIG_OUTPUT_FILE || s->fd < 0)
        return;
    s->fd = safe_close(s->fd);
    s->counters.reopened++;
}

// Somebody removed or renamed the file: records would go where nobody finds them.
static void follow_path(struct sink *s)
{
    struct stat open_st, path_st;

    if (s->fd < 0 || s->within)
        return;
    if (fstat(s->fd, &open_st) == 0 && lstat(s->path, &path_st) == 0 &&
        open_st.st_ino == path_st.st_ino && open_st.st_dev == path_st.st_dev) {
        s->size = (uint64_t)open_st.st_size; // truncated by somebody
        return;
    }
    sink_reopen(s);
}

// events.ndjson.2 becomes .3 and so on, the file itself .1.
static int rotate(struct sink *s)
{
    for (uint32_t i = s->options.rotate_keep; i > 0; i--) {
        _cleanup_(sb_done) struct strbuf from = {}, to = {};

        sb_puts(&from, s->path);
        if (i > 1)
            sb_printf(&from, ".%u", i - 1);
        sb_printf(&to, "%s.%u", s->path, i);
        if (from.failed || to.failed)
            return -ENOMEM;
        if (rename(sb_str(&from), sb_str(&to)) < 0 && errno != ENOENT)
            return negative_errno();
    }
    if (s->options.rotate_keep == 0 && unlink(s->path) < 0 && errno != ENOENT)
        return negative_errno();
    return 0;
}

static void maybe_rotate(struct sink *s)
{
    if (s->fd < 0 || s->within || s->options.rotate_size == 0 || s->size < s->options.rotate_size)
        return;
    if (rotate(s) < 0) {
        s->counters.rotate_failures++;
        return;
    }
    s->fd = safe_close(s->fd);
    s->counters.rotations++;
}

static int write_some(struct sink *s, const char *buf, size_t len, size_t *ret_written)
{
    while (len > 0) {
        ssize_t n = write(s->fd, buf, MIN(len, WRITE_MAX - s->size % WRITE_MAX));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return negative_errno();
        s->within = buf[n - 1] != '\n';
        s->size += (uint64_t)n;
        s->counters.bytes += (uint64_t)n;
        *ret_written += (size_t)n;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(struct sink *s, const char *buf, size_t len, size_t *ret_written)
{
    int r;

    follow_path(s);
    maybe_rotate(s);
    if (s->fd < 0) {
        r = open_file(s);
        if (r < 0)
            return r;
    }
    return write_some(s, buf, len, ret_written);
}

// The journal's priorities from the severities of OCSF: 1 informational ... 6 fatal.
static int priority_of(uint64_t severity)
{
    static const int priorities[] = {LOG_INFO, LOG_INFO, LOG_NOTICE, LOG_WARNING,
                                     LOG_ERR,  LOG_CRIT, LOG_CRIT};

    return severity < ARRAY_SIZE(priorities) ? priorities[severity] : LOG_INFO;
}

static int send_line(const char *line, size_t len)
{
    struct json_object *o = control_json_parse(line, len);
    _cleanup_(sb_done) struct strbuf message = {}, priority = {}, record = {};
    struct iovec iov[4];
    static char identifier[] = "SYSLOG_IDENTIFIER=safeguard";

    sb_printf(&message, "MESSAGE=%s", json_get_str(o, "message", "record"));
    sb_printf(&priority, "PRIORITY=%d", priority_of(json_get_u64(o, "severity_id", 1)));
    json_object_put(o);
    sb_puts(&record, "SAFEGUARD_OCSF=");
    sb_add(&record, line, len);
    if (message.failed || priority.failed || record.failed)
        return -ENOMEM;
    iov[0] = (struct iovec){message.s, message.len};
    iov[1] = (struct iovec){priority.s, priority.len};
    iov[2] = (struct iovec){identifier, sizeof(identifier) - 1};
    iov[3] = (struct iovec){record.s, record.len};
    return sd_journal_sendv(iov, ARRAY_SIZE(iov));
}

static int write_journal(struct sink *s, const char *buf, size_t len, size_t *ret_written)
{
    while (len > 0) {
        const char *end = memchr(buf, '\n', len);
        size_t line = end ? (size_t)(end - buf) : len;
        int r = line ? send_line(buf, line) : 0;

        if (r < 0)
            return r;
        line += end ? 1 : 0;
        s->counters.bytes += line;
        *ret_written += line;
        buf += line;
        len -= line;
    }
    return 0;
}

// A full disk holds nobody up: the spool keeps what it can in memory, and counts what it cannot keep.
static int write_spool(struct sink *s, const char *buf, size_t len, size_t *ret_written)
{
    const char *end = buf + len, *newline;

    for (const char *p = buf; p < end; p = newline + 1) {
        newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline)
            return -EINVAL;
        (void)spool_append(s->options.spool,
                           *p == sink_class(STREAM_SECURITY) ? STREAM_SECURITY : STREAM_AUDIT,
                           p + 1, (size_t)(newline - p - 1));
    }
    s->counters.bytes += len;
    *ret_written = len;
    return spool_flush(s->options.spool);
}

int sink_write(struct sink *s, const char *buf, size_t len, size_t *ret_written)
{
    *ret_written = 0;
    if (s->options.spool)
        return write_spool(s, buf, len, ret_written);
    switch (s->options.kind) {
    case CONFIG_OUTPUT_FILE: return write_file(s, buf, len, ret_written);
    case CONFIG_OUTPUT_STDOUT: return write_some(s, buf, len, ret_written);
    case CONFIG_OUTPUT_JOURNAL: return write_journal(s, buf, len, ret_written);
    }
    return -EINVAL;
}

void sink_counters(const struct sink *s, struct sink_counters *ret)
{
    *ret = s->counters;
}
