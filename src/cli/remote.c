// SPDX-License-Identifier: Apache-2.0
#include "cli/remote.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "cli/profile.h"
#include "control/message.h"

#define CA_MAX ((size_t)1 << 20)

struct remote {
    CURL *curl;
    struct profile profile; // token NULL: nobody is logged in
    struct curl_slist *headers;
    char *csrf;
    struct strbuf answer; // or the beginning of a line
    bool too_long;
    char curl_error[CURL_ERROR_SIZE];

    remote_line_fn line_fn; // NULL: the answer is wanted whole
    void *line_ctx;
    int line_result;
};

struct remote *remote_free(struct remote *r)
{
    if (!r)
        return NULL;
    curl_easy_cleanup(r->curl);
    curl_slist_free_all(r->headers);
    profile_done(&r->profile);
    sb_done(&r->answer);
    free(r->csrf);
    free(r);
    return NULL;
}

// Hands over what is a whole line; the rest waits.
static bool take_lines(struct remote *r)
{
    const char *s = sb_str(&r->answer), *end = s + r->answer.len, *newline;
    size_t rest;

    while (!r->line_result && (newline = memchr(s, '\n', (size_t)(end - s)))) {
        size_t len = (size_t)(newline - s);

        r->line_result = r->line_fn(r->line_ctx, s, len && s[len - 1] == '\r' ? len - 1 : len);
        s = newline + 1;
    }
    rest = (size_t)(end - s);
    memmove(r->answer.s, s, rest);
    sb_truncate(&r->answer, rest);
    return !r->line_result && rest <= REMOTE_LINE_MAX;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
    struct remote *r = ctx;
    long status = 0;

    sb_add(&r->answer, data, size * n);
    if (r->answer.failed)
        return 0;
    // What a refusal says is one answer, whatever was asked for.
    (void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    if (r->line_fn && status == 200)
        return take_lines(r) ? size * n : 0;
    r->too_long = r->answer.len > REMOTE_ANSWER_MAX;
    return r->too_long ? 0 : size * n;
}

static int set_up(struct remote *r)
{
    struct curl_blob ca = {r->profile.ca, strlen(r->profile.ca), CURL_BLOB_COPY};
    CURLcode c = CURLE_OK;

    r->curl = curl_easy_init();
    if (!r->curl)
        return -ENOMEM;
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "https");
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    // The one authority that is known for this server, and no other.
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_CAINFO_BLOB, &ca);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_CAPATH, NULL);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_data);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->curl_error);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "safeguard/" SAFEGUARD_VERSION);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    return c ? -ENOMEM : 0;
}

int remote_new_bare(const char *url, const char *ca_pem, struct remote **ret_remote,
                    struct error *err)
{
    _cleanup_(remote_freep) struct remote *r = new0(struct remote, 1);

    if (!r)
        return error_set(err, -ENOMEM, "%m");
    r->profile.url = strdup(url);
    r->profile.ca = strdup(ca_pem);
    if (!r->profile.url || !r->profile.ca || set_up(r) < 0)
        return error_set(err, -ENOMEM, "%m");
    *ret_remote = TAKE_PTR(r);
    return 0;
}

static int no_server(struct error *err)
{
    (void)error_set(err, -EDESTADDRREQ, "which server?");
    error_cure(err, "name it with --server URL, or log in to it: safeguard login URL");
    return -EDESTADDRREQ;
}

static int no_token(const char *url, struct error *err)
{
    (void)error_set(err, -ENOKEY, "nobody is logged in to %s here", url);
    error_cure(err, "safeguard login %s; or set SAFEGUARD_TOKEN and SAFEGUARD_CA", url);
    return -ENOKEY;
}

// For programs that run other programs: all of it in the environment, nothing on the disk.
static int from_environment(struct profile *p, struct error *err)
{
    const char *token = getenv("SAFEGUARD_TOKEN"), *ca = getenv("SAFEGUARD_CA");
    int r;

    if (!str_isempty(token)) {
        free(p->token);
        p->token = strdup(token);
        if (!p->token)
            return error_set(err, -ENOMEM, "%m");
    }
    if (!str_isempty(ca)) {
        free(p->ca);
        p->ca = NULL;
        r = read_file_bounded(AT_FDCWD, ca, CA_MAX, &p->ca, NULL);
        if (r < 0)
            return error_set(err, r, "the certificate authority (SAFEGUARD_CA) %s: %m", ca);
    }
    return 0;
}

int remote_new(const struct cli *cli, struct remote **ret_remote, struct error *err)
{
    const char *named = cli->server ? cli->server : getenv("SAFEGUARD_SERVER");
    _cleanup_(remote_freep) struct remote *r = new0(struct remote, 1);
    _cleanup_free_ char *url = NULL;
    int code;

    if (!r)
        return error_set(err, -ENOMEM, "%m");
    if (!str_isempty(named)) {
        code = server_url_parse(named, &url, err);
        if (code < 0)
            return code;
    }
    code = profile_load(url, &r->profile, err);
    if (code < 0 && code != -ENOENT)
        return code;
    error_reset(err);
    if (code < 0 && !url)
        return no_server(err);
    if (code < 0)
        r->profile.url = TAKE_PTR(url);
    code = from_environment(&r->profile, err);
    if (code < 0)
        return code;
    if (!r->profile.token || !r->profile.ca)
        return no_token(r->profile.url, err);
    code = set_up(r);
    if (code < 0)
        return error_set(err, code, "%m");
    *ret_remote = TAKE_PTR(r);
    return 0;
}

const char *remote_url(const struct remote *r)
{
    return r->profile.url;
}

int remote_keep_cookies(struct remote *r)
{
    return curl_easy_setopt(r->curl, CURLOPT_COOKIEFILE, "") ? -ENOMEM : 0;
}

int remote_set_csrf(struct remote *r, const char *csrf)
{
    free(r->csrf);
    r->csrf = strdup(csrf);
    return r->csrf ? 0 : -ENOMEM;
}

static int add_header(struct remote *r, const char *name, const char *prefix, const char *value)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct curl_slist *list;

    sb_printf(&sb, "%s: %s%s", name, prefix, value);
    list = sb.failed ? NULL : curl_slist_append(r->headers, sb_str(&sb));
    explicit_bzero(sb.s, sb.len);
    if (!list)
        return -ENOMEM;
    r->headers = list;
    return 0;
}

static int prepare(struct remote *r, const char *method, const char *path,
                   const struct strbuf *body)
{
    _cleanup_(sb_done) struct strbuf url = {};
    CURLcode c = CURLE_OK;
    int code = 0;

    sb_printf(&url, "%s" REMOTE_API "%s", r->profile.url, path);
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    if (r->profile.token)
        code = add_header(r, "Authorization", "Bearer ", r->profile.token);
    if (code == 0 && r->csrf)
        code = add_header(r, "X-CSRF-Token", "", r->csrf);
    if (code == 0 && body)
        code = add_header(r, "Content-Type", "", "application/json");
    if (code < 0 || url.failed)
        return -ENOMEM;
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_URL, sb_str(&url));
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
    if (body) {
        c = c ? c : curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        c = c ? c : curl_easy_setopt(r->curl, CURLOPT_COPYPOSTFIELDS, sb_str(body));
    }
    c = c ? c : curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
    c = c ? c
          : curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS,
                             r->line_fn ? 0L : (long)REMOTE_TIMEOUT_MS);
    sb_reset(&r->answer);
    r->too_long = false;
    r->line_result = 0;
    r->curl_error[0] = '\0';
    return c ? -ENOMEM : 0;
}

// It did not answer, or not as who it should be.
static int no_answer(struct remote *r, CURLcode c, struct error *err)
{
    static const struct {
        CURLcode c;
        int code;
        const char *what, *cure;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, -ECONNREFUSED, "there is no such host", "check the address"},
        {CURLE_COULDNT_CONNECT, -ECONNREFUSED, "nobody answers there",
         "check the address, and that safeguard-server runs there"},
        {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "it did not answer in time", "try again"},
        {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED,
         "it is not the server that was logged in to: its certificate is by another authority, or for another name",
         "if the server was set up anew: safeguard login URL; else somebody is in between"},
        {CURLE_SSL_CONNECT_ERROR, -ECONNRESET, "no encrypted connection came about",
         "check that the port is the server's"},
        {CURLE_GOT_NOTHING, -ECONNRESET, "it ended the connection", "try again"},
        {CURLE_RECV_ERROR, -ECONNRESET, "the connection broke", "try again"},
        {CURLE_SEND_ERROR, -ECONNRESET, "the connection broke", "try again"},
        {CURLE_PARTIAL_FILE, -ECONNRESET, "the connection broke", "try again"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].c != c)
            continue;
        (void)error_set(err, rows[i].code, "%s: %s", r->profile.url, rows[i].what);
        if (r->curl_error[0])
            error_expected(err, "%s", r->curl_error);
        error_cure(err, "%s", rows[i].cure);
        return rows[i].code;
    }
    return error_set(err, -EIO, "%s: %s", r->profile.url,
                     r->curl_error[0] ? r->curl_error : curl_easy_strerror(c));
}

static int code_of(long status)
{
    static const struct {
        long status;
        int code;
    } rows[] = {{400, -EINVAL}, {401, -EACCES}, {403, -EPERM},  {404, -ENOENT}, {409, -EBUSY},
                {413, -E2BIG},  {422, -EINVAL}, {429, -EAGAIN}, {503, -EAGAIN}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].status == status)
            return rows[i].code;
    return -EIO;
}

static int refused(struct remote *r, long status, struct error *err)
{
    struct json_object *root = control_json_parse(sb_str(&r->answer), r->answer.len);
    struct json_object *e = json_get(root, "error");
    const char *expected = json_get_str(e, "expected", ""), *cure = json_get_str(e, "cure", "");
    int code = code_of(status);

    (void)error_set(err, code, "%s", json_get_str(e, "what", ""));
    if (!err || !err->what[0])
        (void)error_set(err, code, "%s answers with status %ld", r->profile.url, status);
    if (*expected)
        error_expected(err, "%s", expected);
    if (*cure)
        error_cure(err, "%s", cure);
    else if (status == 401)
        error_cure(err, "safeguard login %s", r->profile.url);
    json_object_put(root);
    return code;
}

static int perform(struct remote *r, struct error *err)
{
    CURLcode c = curl_easy_perform(r->curl);
    long status = 0;

    if (r->answer.failed)
        return error_set(err, -ENOMEM, "%m");
    if (r->too_long)
        return error_set(err, -E2BIG, "the answer is longer than %zu MiB", REMOTE_ANSWER_MAX >> 20);
    if (r->line_result)
        return r->line_result;
    if (c == CURLE_WRITE_ERROR)
        return error_set(err, -EMSGSIZE, "a line of the answer is longer than %zu bytes",
                         REMOTE_LINE_MAX);
    if (c)
        return no_answer(r, c, err);
    (void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300 ? 0 : refused(r, status, err);
}

int remote_call(struct remote *r, const char *method, const char *path, const struct strbuf *body,
                struct json_object **ret_answer, struct error *err)
{
    struct json_tokener *tokener;
    struct json_object *answer = NULL;
    int code;

    code = prepare(r, method, path, body);
    if (code < 0)
        return error_set(err, code, "%m");
    code = perform(r, err);
    if (code < 0)
        return code;
    if (r->answer.len > 0) {
        tokener = json_tokener_new_ex(64);
        if (!tokener)
            return error_set(err, -ENOMEM, "%m");
        answer = json_tokener_parse_ex(tokener, r->answer.s, (int)r->answer.len + 1);
        json_tokener_free(tokener);
        if (!answer) {
            (void)error_set(err, -EBADMSG, "%s answers something that is no JSON", r->profile.url);
            error_cure(err, "check that the address is that of a safeguard server");
            return -EBADMSG;
        }
    }
    if (ret_answer)
        *ret_answer = answer;
    else
        json_object_put(answer);
    return 0;
}

int remote_lines(struct remote *r, const char *path, remote_line_fn fn, void *ctx,
                 struct error *err)
{
    int code;

    r->line_fn = fn;
    r->line_ctx = ctx;
    code = prepare(r, "GET", path, NULL);
    code = code < 0 ? error_set(err, code, "%m") : perform(r, err);
    // A last line without its end.
    if (code == 0 && r->answer.len > 0)
        code = fn(ctx, sb_str(&r->answer), r->answer.len);
    r->line_fn = NULL;
    return code;
}

static void encode(struct strbuf *url, const char *s)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c))
            sb_putc(url, *s);
        else
            sb_printf(url, "%%%02X", c);
    }
}

void url_param(struct strbuf *url, const char *key, const char *value)
{
    if (str_isempty(value))
        return;
    sb_printf(url, "%c%s=", strchr(sb_str(url), '?') ? '&' : '?', key);
    encode(url, value);
}

void url_param_u64(struct strbuf *url, const char *key, uint64_t value)
{
    char digits[32];

    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    url_param(url, key, digits);
}

void url_piece(struct strbuf *url, const char *piece)
{
    sb_putc(url, '/');
    encode(url, piece);
}

int cli_remote(struct cli *cli, struct remote **ret_remote)
{
    struct error err = {};

    return remote_new(cli, ret_remote, &err) < 0 ? cli_fail(&err) : 0;
}

int cli_call(struct cli *cli _unused_, struct remote *r, const char *method, const char *path,
             const struct strbuf *body, struct json_object **ret_answer)
{
    struct error err = {};
    int code;

    if (body && body->failed)
        code = error_set(&err, -ENOMEM, "%m");
    else
        code = remote_call(r, method, path, body, ret_answer, &err);
    return code < 0 ? cli_fail(&err) : 0;
}

int cli_list(struct cli *cli, struct remote *r, const char *path, size_t max,
             struct json_object **ret_items)
{
    struct json_object *all = json_object_new_array();
    _cleanup_free_ char *next = NULL;
    int status = all ? 0 : CLI_FAILED;

    while (status == 0) {
        _cleanup_(sb_done) struct strbuf url = {};
        struct json_object *page = NULL, *items;

        sb_puts(&url, path);
        url_param(&url, "cursor", next);
        status = cli_call(cli, r, "GET", sb_str(&url), NULL, &page);
        if (status != 0)
            break;
        items = json_get(page, "items");
        for (size_t i = 0;
             i < json_object_array_length(items) && json_object_array_length(all) < max; i++)
            (void)json_object_array_add(all, json_object_get(json_object_array_get_idx(items, i)));
        free(next);
        next = strdup(json_get_str(page, "next", ""));
        json_object_put(page);
        if (str_isempty(next) || json_object_array_length(all) >= max)
            break;
    }
    if (status != 0) {
        json_object_put(all);
        return status;
    }
    *ret_items = all;
    return 0;
}

int cli_show_list(struct cli *cli, const char *path, size_t max,
                  void (*render)(struct json_object *items, bool color, struct strbuf *sb))
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *items = NULL;
    int status;

    status = cli_remote(cli, &r);
    status = status ? status : cli_list(cli, r, path, max, &items);
    if (status != 0)
        return status;
    if (cli->json)
        cli_pretty(items, &sb);
    else
        render(items, cli->color, &sb);
    json_object_put(items);
    return cli_print(&sb, CLI_OK);
}

int cli_change(struct cli *cli, const char *method, const char *path, const struct strbuf *body,
               const char *said)
{
    _cleanup_(remote_freep) struct remote *r = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *answer = NULL;
    int status;

    status = cli_remote(cli, &r);
    status = status ? status : cli_call(cli, r, method, path, body, &answer);
    if (status != 0)
        return status;
    if (!cli->json)
        sb_puts(&sb, said);
    else if (answer)
        cli_pretty(answer, &sb);
    json_object_put(answer);
    return cli_print(&sb, CLI_OK);
}
