// SPDX-License-Identifier: Apache-2.0
#include "agent/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "control/message.h"

#define MANIFEST_MAX ((size_t)256 << 10)

void bundle_dir_done(struct bundle_dir *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free((char *)b->files[i].name);
        free((char *)b->files[i].text);
    }
    free(b->files);
    *b = (struct bundle_dir){};
}

static int remove_entry(void *ctx _unused_, int dir, const struct dirent *entry)
{
    return unlinkat(dir, entry->d_name, 0) < 0 ? negative_errno() : 0;
}

int bundle_dir_remove(const char *dir)
{
    int r = opendir_foreach(AT_FDCWD, dir, remove_entry, NULL);

    if (r == -ENOENT)
        return 0;
    if (r == -ENOTDIR)
        return unlink(dir) < 0 ? negative_errno() : 0;
    if (r < 0)
        return r;
    return rmdir(dir) < 0 ? negative_errno() : 0;
}

static int write_manifest(int dir, const char *id, const struct bundle_file *files, size_t n)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "id", id);
    jw_kv_array(&jw, "files");
    for (size_t i = 0; i < n; i++) {
        jw_begin_object(&jw);
        jw_kv_str(&jw, "name", files[i].name);
        jw_kv_str(&jw, "mode", bundle_mode_name(files[i].mode));
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    sb_putc(&sb, '\n');
    return r < 0 ? r : write_file_atomic(dir, BUNDLE_MANIFEST, sb.s, sb.len, 0600);
}

static int check_id(const char *id, const struct bundle_file *files, size_t n)
{
    char is[BUNDLE_ID_TEXT];
    int r = bundle_id(files, n, is);

    return r < 0 ? r : streq(is, id) ? 0 : -EINVAL;
}

int bundle_dir_write(const char *dir, const char *id, const struct bundle_file *files, size_t n,
                     struct error *err)
{
    _cleanup_close_ int fd = -1;
    int r = check_id(id, files, n);

    if (r < 0)
        return error_set(err, r, "what the server sent is not what it said it would send");
    r = bundle_dir_remove(dir);
    if (r == 0)
        r = mkdir_p(AT_FDCWD, dir, 0700);
    if (r == 0) {
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 ? negative_errno() : 0;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = write_file_atomic(fd, files[i].name, files[i].text, files[i].len, 0600);
    // Last: without it there is no bundle.
    if (r == 0)
        r = write_manifest(fd, id, files, n);
    if (r < 0) {
        (void)bundle_dir_remove(dir);
        (void)error_set(err, r, "the policies of the server cannot be kept: %m");
        error_where(err, dir, 0, 0);
        error_cure(err, "make room, or set state_dir to where there is some");
    }
    return r;
}

static int add_file(struct bundle_dir *b, int dir, struct json_object *item)
{
    const char *name = json_get_str(item, "name", "");
    struct bundle_file *file = &b->files[b->n];
    char *text = NULL;
    int r;

    if (bundle_name_check(name) < 0 ||
        bundle_mode_find(json_get_str(item, "mode", ""), &file->mode) < 0)
        return -EBADMSG;
    r = read_file_bounded(dir, name, BUNDLE_TEXT_MAX, &text, &file->len);
    if (r < 0)
        return r;
    file->text = text;
    file->name = xstrndup(name, BUNDLE_NAME_MAX);
    b->n++;
    return file->name ? 0 : -ENOMEM;
}

static int read_manifest(int dir, const char *text, struct bundle_dir *b)
{
    struct json_object *root = json_tokener_parse(text), *files = json_get(root, "files");
    size_t n = json_object_is_type(files, json_type_array) ? json_object_array_length(files) : 0;
    int r = files && n <= BUNDLE_FILES_MAX ? 0 : -EBADMSG;

    (void)snprintf(b->id, sizeof(b->id), "%s", json_get_str(root, "id", ""));
    if (r == 0) {
        b->files = new0(struct bundle_file, n);
        r = b->files ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_file(b, dir, json_object_array_get_idx(files, i));
    json_object_put(root);
    return r;
}

int bundle_dir_read(const char *dir, struct bundle_dir *ret, struct error *err)
{
    _cleanup_(bundle_dir_done) struct bundle_dir b = {};
    _cleanup_free_ char *text = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        *ret = (struct bundle_dir){};
        return 0;
    }
    r = fd < 0 ? negative_errno()
               : read_file_bounded(fd, BUNDLE_MANIFEST, MANIFEST_MAX, &text, NULL);
    if (r == 0)
        r = read_manifest(fd, text, &b);
    if (r == 0 && check_id(b.id, b.files, b.n) < 0)
        r = -EBADMSG;
    if (r < 0) {
        r = r == -ENOMEM ? r : -EBADMSG;
        (void)error_set(err, r, "these are not the policies that the server sent");
        error_where(err, dir, 0, 0);
        error_cure(
            err,
            "remove the directory: the server sends them again; policies of this host alone belong "
            "into policy_dir");
        return r;
    }
    *ret = b;
    b = (struct bundle_dir){};
    return 0;
}

int bundle_dir_replace(const char *from, const char *to, struct error *err)
{
    int r = 0;

    if (!from) {
        r = bundle_dir_remove(to);
    } else if (access(from, F_OK) < 0) {
        r = negative_errno();
    } else if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) {
        (void)bundle_dir_remove(from); // what was there before
    } else if (errno == ENOENT || errno == EINVAL || errno == ENOSYS) {
        // Nothing is there yet, or this file system cannot exchange: then a moment without any has to do.
        (void)bundle_dir_remove(to);
        r = rename(from, to) < 0 ? negative_errno() : 0;
    } else {
        r = negative_errno();
    }
    if (r == 0)
        r = fsync_parent(AT_FDCWD, to);
    if (r < 0) {
        (void)error_set(err, r, "the policies of the server cannot be kept: %m");
        error_where(err, to, 0, 0);
    }
    return r;
}
