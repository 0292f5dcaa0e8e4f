// SPDX-License-Identifier: Apache-2.0
#include "cli/profile.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/jsonget.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "control/message.h"
#include "transport/token.h"

#define PROFILES_MAX ((size_t)1 << 20) // bytes of the file

void profile_done(struct profile *p)
{
    free(p->url);
    // A token should not stay in memory that is used again.
    if (p->token)
        explicit_bzero(p->token, strlen(p->token));
    free(p->token);
    free(p->token_id);
    free(p->ca);
    free(p->user);
    *p = (struct profile){};
}

static int profile_path(char **ret_path, struct error *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    _cleanup_(sb_done) struct strbuf sb = {};
    int r;

    if (config && *config == '/')
        sb_printf(&sb, "%s/safeguard/servers.json", config);
    else if (home && *home == '/')
        sb_printf(&sb, "%s/.config/safeguard/servers.json", home);
    else {
        (void)error_set(err, -ENOENT, "there is no home directory to keep log-ins in");
        error_cure(err, "set HOME, or name server, token and authority by SAFEGUARD_SERVER, "
                        "SAFEGUARD_TOKEN and SAFEGUARD_CA");
        return -ENOENT;
    }
    r = sb_finish(&sb, ret_path);
    return r < 0 ? error_set(err, r, "%m") : 0;
}

// An empty object where nothing was kept yet.
static int read_all(const char *path, struct json_object **ret_root, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct json_object *root;
    struct stat st;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, PROFILES_MAX, &text, &len);
    if (r == -ENOENT) {
        *ret_root = json_object_new_object();
        return *ret_root ? 0 : error_set(err, -ENOMEM, "%m");
    }
    if (r < 0)
        return error_set(err, r, "%s: %m", path);
    if (stat(path, &st) == 0 && (st.st_mode & 077)) {
        (void)error_set(err, -EPERM, "%s holds tokens, and others may read it", path);
        error_cure(err, "chmod 600 %s, and log in anew if somebody may have read it", path);
        return -EPERM;
    }
    root = control_json_parse(text, len);
    if (!json_object_is_type(root, json_type_object)) {
        json_object_put(root);
        (void)error_set(err, -EBADMSG, "%s is not what 'safeguard login' writes", path);
        error_cure(err, "remove it and log in anew");
        return -EBADMSG;
    }
    *ret_root = root;
    return 0;
}

static int write_all_of(const char *path, struct json_object *root, struct error *err)
{
    const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY);
    char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));
    int r = text && dir ? 0 : -ENOMEM;

    r = r < 0 ? r : mkdir_p(AT_FDCWD, dir, 0700);
    r = r < 0 ? r : write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600);
    return r < 0 ? error_set(err, r, "%s cannot be written: %m", path) : 0;
}

static char *copy_of(struct json_object *o, const char *key)
{
    const char *s = json_get_str(o, key, NULL);

    return s ? strdup(s) : NULL;
}

int profile_load(const char *url, struct profile *ret_profile, struct error *err)
{
    _cleanup_free_ char *path = NULL;
    struct json_object *root = NULL, *one;
    struct profile p = {};
    int r;

    r = profile_path(&path, err);
    r = r < 0 ? r : read_all(path, &root, err);
    if (r < 0)
        return r;
    if (!url)
        url = json_get_str(root, "last", NULL);
    one = url ? json_get(json_get(root, "servers"), url) : NULL;
    if (one) {
        p.url = strdup(url);
        p.token = copy_of(one, "token");
        p.token_id = copy_of(one, "token_id");
        p.ca = copy_of(one, "ca");
        p.user = copy_of(one, "user");
    }
    json_object_put(root);
    if (!one)
        return -ENOENT;
    if (!p.url || !p.token || !p.ca) {
        profile_done(&p);
        (void)error_set(err, -EBADMSG, "%s is not what 'safeguard login' writes", path);
        error_cure(err, "remove it and log in anew");
        return -EBADMSG;
    }
    *ret_profile = p;
    return 0;
}

static int put(struct json_object *o, const char *key, const char *value)
{
    struct json_object *s;

    if (!value)
        return 0;
    s = json_object_new_string(value);
    if (s && json_object_object_add(o, key, s) == 0)
        return 0;
    json_object_put(s);
    return -ENOMEM;
}

static struct json_object *object_at(struct json_object *root, const char *key)
{
    struct json_object *o = json_get(root, key);

    if (json_object_is_type(o, json_type_object))
        return o;
    o = json_object_new_object();
    if (o && json_object_object_add(root, key, o) == 0)
        return o;
    json_object_put(o);
    return NULL;
}

int profile_save(const struct profile *p, struct error *err)
{
    struct json_object *root = NULL, *servers, *one;
    _cleanup_free_ char *path = NULL;
    int r;

    r = profile_path(&path, err);
    r = r < 0 ? r : read_all(path, &root, err);
    if (r < 0)
        return r;
    servers = object_at(root, "servers");
    if (servers)
        json_object_object_del(servers, p->url);
    one = servers ? object_at(servers, p->url) : NULL;
    r = one ? 0 : -ENOMEM;
    r = r < 0 ? r : put(one, "user", p->user);
    r = r < 0 ? r : put(one, "token", p->token);
    r = r < 0 ? r : put(one, "token_id", p->token_id);
    r = r < 0 ? r : put(one, "ca", p->ca);
    r = r < 0 ? r : put(root, "last", p->url);
    r = r < 0 ? error_set(err, r, "%m") : write_all_of(path, root, err);
    json_object_put(root);
    return r;
}

int profile_remove(const char *url, struct error *err)
{
    struct json_object *root = NULL, *servers;
    _cleanup_free_ char *path = NULL;
    int r;

    r = profile_path(&path, err);
    r = r < 0 ? r : read_all(path, &root, err);
    if (r < 0)
        return r;
    servers = json_get(root, "servers");
    if (!json_get(servers, url)) {
        json_object_put(root);
        return -ENOENT;
    }
    json_object_object_del(servers, url);
    if (streq(json_get_str(root, "last", ""), url))
        json_object_object_del(root, "last");
    r = write_all_of(path, root, err);
    json_object_put(root);
    return r;
}

int server_url_parse(const char *text, char **ret_url, struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char url[TOKEN_URL_MAX + 1];
    int r;

    // People leave out what goes without saying.
    sb_printf(&sb, "%s%s", strstr(text, "://") ? "" : "https://", text);
    if (sb.failed)
        return error_set(err, -ENOMEM, "%m");
    r = server_url_normalise(sb_str(&sb), url, err);
    if (r < 0)
        return r;
    if (str_endswith(url, ":0"))
        return error_set(err, -EINVAL, "'%s' has a port at which nobody can listen", text);
    *ret_url = strdup(url);
    return *ret_url ? 0 : error_set(err, -ENOMEM, "%m");
}
