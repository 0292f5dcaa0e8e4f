// SPDX-License-Identifier: Apache-2.0
#include "transport/wire.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

#define DEPTH_MAX 16

static const struct {
    const char *word;
    unsigned status;
} codes[WIRE_CODE_COUNT] = {
#define WIRE_CODE(id, word, status, help) [WIRE_##id] = {word, status},
#include "transport/codes.def"
};

const char *wire_code_word(enum wire_code code)
{
    return (unsigned)code < WIRE_CODE_COUNT ? codes[code].word : NULL;
}

enum wire_code wire_code_find(const char *word)
{
    for (unsigned i = 1; i < WIRE_CODE_COUNT; i++)
        if (streq_ptr(codes[i].word, word))
            return (enum wire_code)i;
    return WIRE_CODE_NONE;
}

unsigned wire_code_status(enum wire_code code)
{
    return wire_code_word(code) ? codes[code].status : 500;
}

static void kv_text(struct jw *jw, const char *key, const char *text)
{
    if (*text)
        jw_kv_str(jw, key, text);
}

int wire_error_write(struct strbuf *out, enum wire_code code, const struct error *err)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_object(&jw, "error");
    jw_kv_str(&jw, "code", code ? wire_code_word(code) : "internal");
    jw_kv_str(&jw, "what", err->what);
    kv_text(&jw, "expected", err->expected);
    kv_text(&jw, "cure", err->cure);
    jw_end_object(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

enum wire_code wire_error_read(const char *text, size_t len, int errno_code, struct error *err)
{
    const char *code = NULL, *what = NULL, *expected = NULL, *cure = NULL;
    struct json_object *root = NULL, *error = NULL;
    enum wire_code found = WIRE_CODE_NONE;

    if (wire_parse(text, len, WIRE_ANSWER_MAX, 64, "error", &root, NULL) < 0)
        return WIRE_CODE_NONE;
    if (wire_get_object(root, "error", &error, NULL) == 0 &&
        wire_get_str_opt(error, "code", WIRE_ID_MAX, &code, NULL) == 0 &&
        wire_get_str_opt(error, "what", 1023, &what, NULL) == 0 &&
        wire_get_str_opt(error, "expected", 511, &expected, NULL) == 0 &&
        wire_get_str_opt(error, "cure", 511, &cure, NULL) == 0 && what) {
        found = wire_code_find(code);
        (void)error_set(err, errno_code, "%s", what);
        if (expected)
            error_expected(err, "%s", expected);
        if (cure)
            error_cure(err, "%s", cure);
    }
    json_object_put(root);
    return found;
}

// How many values a text can hold at most, by what comes before a value. Strings are stepped over.
static size_t count_values(const char *text, size_t len)
{
    bool in_string = false;
    size_t n = 1;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '[' || text[i] == '{' || text[i] == ',') {
            n++;
        }
    }
    return n;
}

int wire_parse(const char *text, size_t len, size_t max_len, size_t max_values, const char *what,
               struct json_object **ret_root, struct error *err)
{
    struct json_object *o = NULL;
    struct json_tokener *tokener;
    bool whole;

    if (len > max_len)
        return error_set(err, -EMSGSIZE, "the message '%s' has %zu bytes; %zu are allowed", what,
                         len, max_len);
    if (len == 0 || len > INT32_MAX)
        return error_set(err, -EBADMSG, "the message '%s' is empty", what);
    if (count_values(text, len) > max_values)
        return error_set(err, -EMSGSIZE, "the message '%s' has more than %zu values", what,
                         max_values);
    tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener)
        return error_set(err, -ENOMEM, "no memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(tokener, text, (int)len);
    whole = json_tokener_get_error(tokener) == json_tokener_success &&
            json_tokener_get_parse_end(tokener) == len && json_object_is_type(o, json_type_object);
    json_tokener_free(tokener);
    if (!whole) {
        json_object_put(o);
        (void)error_set(err, -EBADMSG, "the message '%s' cannot be read", what);
        error_expected(err, "one JSON object");
        return -EBADMSG;
    }
    *ret_root = o;
    return 0;
}

static int bad_member(struct error *err, const char *key, const char *expected)
{
    (void)error_set(err, -EBADMSG, "'%s' is missing or not of the form", key);
    error_expected(err, "%s", expected);
    return -EBADMSG;
}

int wire_get_str_opt(struct json_object *o, const char *key, size_t max, const char **ret_text,
                     struct error *err)
{
    struct json_object *value = NULL;
    const char *text;
    size_t len;

    if (!json_object_object_get_ex(o, key, &value) || !value) {
        *ret_text = NULL;
        return 0;
    }
    if (!json_object_is_type(value, json_type_string))
        return bad_member(err, key, "a text");
    text = json_object_get_string(value);
    len = (size_t)json_object_get_string_len(value);
    if (len > max || memchr(text, '\0', len)) {
        (void)error_set(err, -EBADMSG, "'%s' is too long or has a NUL in it", key);
        error_expected(err, "a text of at most %zu bytes", max);
        return -EBADMSG;
    }
    *ret_text = text;
    return 0;
}

int wire_get_str(struct json_object *o, const char *key, size_t max, const char **ret_text,
                 struct error *err)
{
    const char *text;
    int r;

    r = wire_get_str_opt(o, key, max, &text, err);
    if (r < 0)
        return r;
    if (!text)
        return bad_member(err, key, "a text");
    *ret_text = text;
    return 0;
}

int wire_get_u64(struct json_object *o, const char *key, uint64_t max, uint64_t *ret_value,
                 struct error *err)
{
    struct json_object *value = NULL;
    uint64_t n;

    if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_int) ||
        json_object_get_int64(value) < 0)
        return bad_member(err, key, "a number that is not negative");
    n = json_object_get_uint64(value);
    if (n > max) {
        (void)error_set(err, -EBADMSG, "'%s' is too large", key);
        error_expected(err, "at most %llu", (unsigned long long)max);
        return -EBADMSG;
    }
    *ret_value = n;
    return 0;
}

int wire_get_bool(struct json_object *o, const char *key, bool *ret_value, struct error *err)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(o, key, &value) ||
        !json_object_is_type(value, json_type_boolean))
        return bad_member(err, key, "true or false");
    *ret_value = json_object_get_boolean(value);
    return 0;
}

int wire_get_object(struct json_object *o, const char *key, struct json_object **ret_value,
                    struct error *err)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_object))
        return bad_member(err, key, "an object");
    *ret_value = value;
    return 0;
}

int wire_get_array(struct json_object *o, const char *key, size_t max,
                   struct json_object **ret_value, size_t *ret_n, struct error *err)
{
    struct json_object *value = NULL;
    size_t n;

    if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_array))
        return bad_member(err, key, "an array");
    n = json_object_array_length(value);
    if (n > max) {
        (void)error_set(err, -EBADMSG, "'%s' has %zu members", key, n);
        error_expected(err, "at most %zu", max);
        return -EBADMSG;
    }
    *ret_value = value;
    *ret_n = n;
    return 0;
}

bool wire_uuid_valid(const char *text)
{
    if (!text || strnlen(text, WIRE_UUID_TEXT) != WIRE_UUID_TEXT - 1)
        return false;
    for (size_t i = 0; i < WIRE_UUID_TEXT - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return true;
}

bool wire_id_valid(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strnlen(strempty(text), WIRE_ID_MAX + 1);

    return len > 0 && len <= WIRE_ID_MAX && strspn(text, allowed) == len;
}
