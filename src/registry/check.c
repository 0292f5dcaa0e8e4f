// SPDX-License-Identifier: Apache-2.0
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/json_valid.h"
#include "base/strutil.h"
#include "base/utf8.h"
#include "registry/internal.h"

#define JSON_DEPTH_MAX 16

static bool is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x2028 || cp == 0x2029;
}

int check_text(struct error *err, const char *what, const char *s, size_t max, bool lines)
{
    size_t len = s ? strlen(s) : 0;
    uint32_t cp;

    if (len > max)
        return error_set(err, -EINVAL, "%s is %zu bytes long, and may have %zu", what, len, max);
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_decode(s + i, len - i, &cp);
        if (n == 0)
            return error_set(err, -EINVAL, "%s is not UTF-8 at its byte %zu", what, i + 1);
        if (is_control(cp) && !(lines && (cp == '\n' || cp == '\t')))
            return error_set(err, -EINVAL, "%s has a control character at its byte %zu", what,
                             i + 1);
    }
    return 0;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

int check_name(struct error *err, const char *what, const char *s, size_t max)
{
    size_t len = s ? strlen(s) : 0, good = 0;

    while (good < len && is_name(s[good]))
        good++;
    if (len > 0 && len <= max && good == len && s[0] != '-' && s[0] != '.')
        return 0;
    if (len == 0)
        (void)error_set(err, -EINVAL, "%s is missing", what);
    else if (len > max)
        (void)error_set(err, -EINVAL, "%s is %zu bytes long", what, len);
    else
        (void)error_set(err, -EINVAL,
                        "%s has a character that does not belong there, at its byte %zu", what,
                        good < len ? good + 1 : 1);
    error_expected(
        err, "1 to %zu letters, digits and any of . _ -, and none of the last two or a dot first",
        max);
    return -EINVAL;
}

int check_hex(struct error *err, const char *what, const char *s, size_t digits)
{
    size_t n = s ? strspn(s, "0123456789abcdef") : 0;

    if (s && n > 0 && s[n] == '\0' && (digits ? n == digits : n < REGISTRY_ID_MAX))
        return 0;
    if (digits)
        return error_set(err, -EINVAL, "%s has to be %zu hexadecimal digits in lower case", what,
                         digits);
    return error_set(err, -EINVAL, "%s has to be hexadecimal digits in lower case", what);
}

int check_host(struct error *err, const char *id)
{
    size_t i = 0;

    for (; id && id[i] && i < HOST_ID_SIZE - 1; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? id[i] != '-'
                                                    : !strchr("0123456789abcdef", id[i]))
            break;
    if (id && i == HOST_ID_SIZE - 1 && !id[i])
        return 0;
    return error_set(err, -EINVAL, "the id of a host is a UUID in lower case");
}

int check_json(struct error *err, const char *what, const char *json, size_t max, bool object)
{
    size_t len = json ? strlen(json) : 0;
    struct json_tokener *tokener;
    struct json_object *o;
    bool good;

    if (len == 0 || len > max)
        return error_set(err, -EINVAL, "%s has to be JSON of 1 to %zu bytes", what, max);
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (!tokener)
        return error_set(err, -ENOMEM, "%s: out of memory", what);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    // With its NUL: a bare number ends only there.
    o = json_tokener_parse_ex(tokener, json, (int)len + 1);
    good = json_tokener_get_error(tokener) == json_tokener_success &&
           json_tokener_get_parse_end(tokener) >= len && json_valid(json, len, JSON_DEPTH_MAX) &&
           (!object || json_object_is_type(o, json_type_object));
    json_object_put(o);
    json_tokener_free(tokener);
    return good ? 0
                : error_set(err, -EINVAL, "%s has to be %s", what,
                            object ? "a JSON object" : "JSON");
}

const char *fact_clean(struct fact *f, const char *s, size_t max)
{
    size_t len = s ? strlen(s) : 0, used = 0;
    uint32_t cp;

    max = MIN(max, (size_t)HOST_FACT_MAX);
    for (size_t i = 0, n; i < len && used < max; i += n) {
        n = utf8_decode(s + i, len - i, &cp);
        if (n == 0 || is_control(cp)) {
            f->s[used++] = '?';
            n = MAX(n, (size_t)1);
            continue;
        }
        if (used + n > max)
            break;
        memcpy(f->s + used, s + i, n);
        used += n;
    }
    f->s[used] = '\0';
    return f->s;
}

unsigned page_limit(const struct registry_page *page)
{
    return !page || page->limit == 0 ? 100 : MIN(page->limit, (unsigned)REGISTRY_PAGE_MAX);
}

const char *page_cursor(const struct registry_page *page)
{
    return page && !str_isempty(page->cursor) ? page->cursor : NULL;
}

int page_number(const struct registry_page *page, uint64_t *ret, struct error *err)
{
    const char *cursor = page_cursor(page);

    *ret = 0;
    if (cursor && (parse_u64(cursor, ret) < 0 || *ret > INT64_MAX))
        return error_set(err, -EINVAL, "this cursor is none of this list");
    return 0;
}

void next_number(struct registry_next *ret, uint64_t last)
{
    if (!ret)
        return;
    ret->cursor[0] = '\0';
    if (last > 0)
        (void)snprintf(ret->cursor, sizeof(ret->cursor), "%llu", (unsigned long long)last);
}

static int like(const char *before, const char *text, size_t len, const char *after, char **ret)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_puts(&sb, before);
    for (size_t i = 0; i < len; i++) {
        if (strchr("%_\\", text[i]))
            sb_putc(&sb, '\\');
        sb_putc(&sb, text[i]);
    }
    sb_puts(&sb, after);
    return sb_finish(&sb, ret);
}

int like_part(const char *text, char **ret)
{
    return like("%", text, strlen(text), "%", ret);
}

int like_prefix(const char *text, char **ret)
{
    size_t len = strlen(text);
    bool prefix = len > 0 && text[len - 1] == '*';

    return like("", text, len - prefix, prefix ? "%" : "", ret);
}

int not_found(struct error *err, const char *what, const char *id)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    utf8_escape(&sb, id, MIN(strlen(id), (size_t)128));
    return error_set(err, -ENOENT, "there is no %s '%s'", what, sb_str(&sb));
}
