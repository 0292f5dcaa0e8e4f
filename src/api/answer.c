// SPDX-License-Identifier: Apache-2.0
//
// What an answer is made of, and errors as JSON.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/macro.h"

static const struct failure {
    int code;
    unsigned status;
    const char *word;
} failures[] = {
#define FAILURE(errno_, status, word) {errno_, status, word},
#include "api/errors.def"
};

static struct failure failure_of(int r)
{
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
        if (failures[i].code == -r)
            return failures[i];
    return (struct failure){-r, 500, "internal"};
}

static void set_code(struct answer *a, const char *code)
{
    (void)snprintf(a->code, sizeof(a->code), "%s", code);
}

void answer_done(struct answer *a)
{
    sb_done(&a->body);
    for (size_t i = 0; i < a->n_headers; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    if (a->events)
        events_abandon(a->events);
    if (a->stream)
        stream_abandon(a->stream);
    (void)files_unref(a->files);
    *a = (struct answer){};
}

static void write_body(struct answer *a, const struct error *err, const char *request_id)
{
    struct jw jw;

    sb_reset(&a->body);
    jw_init(&jw, &a->body);
    jw_begin_object(&jw);
    jw_kv_object(&jw, "error");
    jw_kv_str(&jw, "code", a->code);
    jw_kv_str(&jw, "what", err && err->what[0] ? err->what : "it did not work");
    if (err && err->expected[0])
        jw_kv_str(&jw, "expected", err->expected);
    if (err && err->cure[0])
        jw_kv_str(&jw, "cure", err->cure);
    jw_kv_str(&jw, "request", request_id);
    jw_end_object(&jw);
    jw_end_object(&jw);
    (void)jw_finish(&jw);
}

void answer_error(struct answer *a, int r, const struct error *err, const char *request_id)
{
    const struct failure f = failure_of(r);
    struct error shown = {};

    if (a->status < 400)
        a->status = f.status;
    if (!a->code[0])
        set_code(a, f.word);
    a->content_type = "application/json";
    if ((a->status == 429 || a->status == 503) && a->retry_after_s == 0)
        a->retry_after_s = 2;
    // What went wrong inside is for the log; whoever asks gets its number.
    if (a->status == 500) {
        (void)error_set(&shown, r, "the server could not do it");
        error_cure(&shown, "look for the number of this request in the server's log");
        err = &shown;
    }
    if (!error_is_set(err)) {
        (void)error_set(&shown, r, "%m");
        err = &shown;
    }
    write_body(a, err, request_id);
}

void api_status(struct api_request *rq, unsigned status)
{
    rq->answer.status = status;
}

int api_fail(struct api_request *rq, int r, unsigned status, const char *code)
{
    rq->answer.status = status;
    set_code(&rq->answer, code);
    return r;
}

void request_refuse(struct api_request *rq, int r, const struct error *err)
{
    rq->failed = true;
    answer_error(&rq->answer, r, err, rq->id);
    if (rq->answer.status >= 500 && rq->answer.status != 501 && error_is_set(err) && !rq->error)
        rq->error = memdup(err, sizeof(*err));
}

void request_refuse_as(struct api_request *rq, unsigned status, const char *code, const char *fmt,
                       ...)
{
    struct error err = {};
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)error_set(&err, -EINVAL, "%s", text);
    (void)api_fail(rq, 0, status, code);
    request_refuse(rq, -EINVAL, &err);
}

static bool header_valid(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

int api_set_header(struct api_request *rq, const char *name, const char *value)
{
    struct answer *a = &rq->answer;
    _cleanup_free_ char *n = NULL, *v = NULL;

    if (!header_valid(name) || !header_valid(value))
        return -EINVAL;
    if (a->n_headers == EXTRA_HEADERS_MAX)
        return -E2BIG;
    n = xstrndup(name, strlen(name));
    v = xstrndup(value, strlen(value));
    if (!n || !v)
        return -ENOMEM;
    a->headers[a->n_headers].name = TAKE_PTR(n);
    a->headers[a->n_headers++].value = TAKE_PTR(v);
    return 0;
}

int api_set_session(struct api_request *rq, const char *value)
{
    char text[256];
    int n;

    n = snprintf(text, sizeof(text), "%s=%s; Path=/; Secure; HttpOnly; SameSite=Strict%s",
                 API_SESSION_COOKIE, strempty(value), value ? "" : "; Max-Age=0");
    if (n < 0 || (size_t)n >= sizeof(text) || (value && strpbrk(value, ";, \t\"")))
        return -EINVAL;
    return api_set_header(rq, "Set-Cookie", text);
}
