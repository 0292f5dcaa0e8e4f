// SPDX-License-Identifier: Apache-2.0
//
// Mail, through the server of the settings smtp.*. The target is one address, or several with commas.
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "base/utf8.h"
#include "server/notify.h"

#define ADDRESSES_MAX 20
#define SUBJECT_MAX   200 // bytes

static bool is_address(const char *s)
{
    const char *at = strchr(s, '@');

    // What could be more than an address in a command or a header.
    return at && at > s && at[1] && !strchr(at + 1, '@') && !strpbrk(s, "<>\"\\,;:()[]") &&
           strlen(s) <= 254;
}

static int check(const char *target, struct error *err)
{
    _cleanup_(strv_freep) char **addresses = NULL;
    size_t n = 0;
    bool good;

    if (strv_split(target, ",", &addresses) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    n = strv_len(addresses);
    good = n > 0 && n <= ADDRESSES_MAX;
    STRV_FOREACH (a, addresses)
        good = good && is_address(*a);
    if (good)
        return 0;
    (void)error_set(err, -EINVAL, "'%.200s' is no address of mail", target);
    error_expected(err, "name@example.org, or up to %d of them with commas", ADDRESSES_MAX);
    return -EINVAL;
}

static void put_base64(struct strbuf *sb, const char *s, size_t len, size_t width)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s;
    size_t column = 0;

    for (; len > 0; p += 3, len -= MIN(len, (size_t)3), column += 4) {
        unsigned v = (unsigned)p[0] << 16 | (len > 1 ? (unsigned)p[1] << 8 : 0) |
                     (len > 2 ? p[2] : 0);

        if (width && column == width) {
            sb_puts(sb, "\r\n");
            column = 0;
        }
        sb_putc(sb, digits[v >> 18 & 63]);
        sb_putc(sb, digits[v >> 12 & 63]);
        sb_putc(sb, len > 1 ? digits[v >> 6 & 63] : '=');
        sb_putc(sb, len > 2 ? digits[v & 63] : '=');
    }
}

// RFC 2047: words of at most 45 bytes, each of whole characters.
static void put_subject(struct strbuf *sb, const char *subject)
{
    size_t len = MIN(strlen(subject), (size_t)SUBJECT_MAX);

    sb_puts(sb, "Subject:");
    for (size_t at = 0; at < len;) {
        size_t word = 0;

        while (at + word < len) {
            size_t n = utf8_decode(subject + at + word, strlen(subject + at + word), NULL);

            n = MAX(n, (size_t)1);
            if (word + n > 45 || at + word + n > len)
                break;
            word += n;
        }
        if (word == 0)
            break;
        sb_puts(sb, at ? "\r\n =?UTF-8?B?" : " =?UTF-8?B?");
        put_base64(sb, subject + at, word, 0);
        sb_puts(sb, "?=");
        at += word;
    }
    sb_puts(sb, "\r\n");
}

static void put_date(struct strbuf *sb, uint64_t time_ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
                             *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&t, &tm))
        return;
    sb_printf(sb, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
              months[tm.tm_mon], 1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void sender(const struct notification *n, char *ret, size_t size)
{
    char host[256] = "localhost";

    (void)gethostname(host, sizeof(host) - 1);
    if (*n->smtp_from && is_address(n->smtp_from))
        (void)snprintf(ret, size, "%s", n->smtp_from);
    else
        (void)snprintf(ret, size, "safeguard@%s", host);
}

static void put_mail(struct strbuf *sb, const struct notification *n, const char *from)
{
    put_date(sb, n->time_ms);
    sb_printf(sb, "From: safeguard <%s>\r\nTo: ", from);
    // One a line, so that none gets too long.
    for (const char *p = n->target; *p; p++) {
        sb_putc(sb, *p);
        if (*p == ',')
            sb_puts(sb, "\r\n ");
    }
    sb_puts(sb, "\r\n");
    put_subject(sb, n->subject);
    sb_printf(sb, "Message-ID: <%llu.%llu.%s>\r\n", (unsigned long long)n->id,
              (unsigned long long)n->time_ms, from);
    sb_puts(sb,
            "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    put_base64(sb, n->text, strlen(n->text), 76);
    sb_puts(sb, "\r\n");
}

struct reading {
    const struct strbuf *mail;
    size_t at;
};

static size_t read_mail(char *to, size_t size, size_t n, void *ctx)
{
    struct reading *r = ctx;
    size_t len = MIN(size * n, r->mail->len - r->at);

    memcpy(to, r->mail->s + r->at, len);
    r->at += len;
    return len;
}

static struct curl_slist *recipients(const char *target)
{
    _cleanup_(strv_freep) char **addresses = NULL;
    struct curl_slist *list = NULL;

    if (strv_split(target, ",", &addresses) < 0)
        return NULL;
    STRV_FOREACH (a, addresses)
        list = curl_slist_append(list, *a);
    return list;
}

static int perform(CURL *curl, const struct notification *n, const char *from,
                   struct curl_slist *to, bool *ret_for_ever, struct error *err)
{
    _cleanup_(sb_done) struct strbuf mail = {};
    struct reading reading = {&mail, 0};
    CURLcode code;
    long status = 0;

    put_mail(&mail, n, from);
    if (mail.failed)
        return error_set(err, -ENOMEM, "out of memory");
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_mail);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, &reading);
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           (long)(*n->smtp_user ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (*n->smtp_user) {
        (void)curl_easy_setopt(curl, CURLOPT_USERNAME, n->smtp_user);
        (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, n->secret);
    }
    code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        return 0;
    // 5xx of SMTP: this message will not be taken, whenever it comes.
    *ret_for_ever = status >= 500 && status < 600;
    return error_set(err, -EREMOTEIO, "the mail server %.100s did not take the message: %s (%ld)",
                     n->smtp_url, curl_easy_strerror(code), status);
}

static int send_email(const struct notification *n, bool *ret_for_ever, struct error *err)
{
    struct curl_slist *to = recipients(n->target);
    CURL *curl = notify_curl(n->smtp_url, "smtp,smtps");
    char from[300];
    int r;

    sender(n, from, sizeof(from));
    r = curl && to ? perform(curl, n, from, to, ret_for_ever, err)
                   : error_set(err, -ENOMEM, "out of memory");
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
    return r;
}

const struct notify_kind notify_email = {check, send_email};
