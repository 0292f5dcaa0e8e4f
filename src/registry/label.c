// SPDX-License-Identifier: Apache-2.0
#include "registry/label.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "registry/internal.h"

#define LABELS_JSON_MAX (LABELS_MAX * (2 * LABEL_PART_MAX + 16))

void labels_done(struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].key);
        free(l->items[i].value);
    }
    free(l->items);
    *l = (struct labels){};
}

// Where the key is, or belongs.
static size_t position(const struct labels *l, const char *key)
{
    size_t low = 0, high = l->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(l->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *labels_get(const struct labels *l, const char *key)
{
    size_t i = position(l, key);

    return i < l->n && streq(l->items[i].key, key) ? l->items[i].value : NULL;
}

bool label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._-/", c));
}

static int check_part(struct error *err, const char *what, const char *s, size_t len, size_t min)
{
    size_t good = 0;

    while (good < len && label_char(s[good]))
        good++;
    if (good == len && len >= min && len <= LABEL_PART_MAX)
        return 0;
    if (good < len)
        (void)error_set(err, -EINVAL,
                        "%s has a character that does not belong there, at its byte %zu", what,
                        good + 1);
    else
        (void)error_set(err, -EINVAL, "%s is %zu bytes long", what, len);
    error_expected(err, "%zu to %d letters, digits and any of . _ - /", min, LABEL_PART_MAX);
    return -EINVAL;
}

static int put(struct labels *l, const char *key, size_t key_len, const char *value,
               size_t value_len, struct error *err)
{
    _cleanup_free_ char *k = NULL, *v = NULL;
    struct label *items;
    size_t i;
    int r = check_part(err, "a label's key", key, key_len, 1);

    if (r == 0)
        r = check_part(err, "a label's value", value, value_len, 0);
    if (r < 0)
        return r;
    k = xstrndup(key, key_len);
    v = xstrndup(value, value_len);
    if (!k || !v)
        return error_set(err, -ENOMEM, "out of memory");
    i = position(l, k);
    if (i < l->n && streq(l->items[i].key, k)) {
        free(l->items[i].value);
        l->items[i].value = TAKE_PTR(v);
        return 0;
    }
    if (l->n == LABELS_MAX)
        return error_set(err, -EINVAL, "a host has at most %d labels", LABELS_MAX);
    items = reallocarray(l->items, l->n + 1, sizeof(*items));
    if (!items)
        return error_set(err, -ENOMEM, "out of memory");
    memmove(items + i + 1, items + i, (l->n - i) * sizeof(*items));
    items[i] = (struct label){TAKE_PTR(k), TAKE_PTR(v)};
    l->items = items;
    l->n++;
    return 0;
}

int labels_set(struct labels *l, const char *pair, struct error *err)
{
    const char *equals = strchr(pair, '=');

    if (!equals)
        return error_set(err, -EINVAL, "a label is written key=value");
    return put(l, pair, (size_t)(equals - pair), equals + 1, strlen(equals + 1), err);
}

int labels_from_json(const char *json, struct labels *ret, struct error *err)
{
    _cleanup_(labels_done) struct labels l = {};
    struct json_object *o;
    int r = check_json(err, "labels", json, LABELS_JSON_MAX, true);

    if (r < 0)
        return r;
    o = json_tokener_parse(json);
    if (!o)
        return error_set(err, -ENOMEM, "out of memory");
    json_object_object_foreach(o, key, value)
    {
        if (!json_object_is_type(value, json_type_string)) {
            r = error_set(err, -EINVAL, "the value of the label '%.63s' is no text", key);
            break;
        }
        r = put(&l, key, strlen(key), json_object_get_string(value),
                (size_t)json_object_get_string_len(value), err);
        if (r < 0)
            break;
    }
    json_object_put(o);
    if (r < 0)
        return r;
    *ret = l;
    l = (struct labels){};
    return 0;
}

int labels_to_json(const struct labels *l, char **ret_json)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    for (size_t i = 0; i < l->n; i++)
        jw_kv_str(&jw, l->items[i].key, l->items[i].value);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    return r < 0 ? r : sb_finish(&sb, ret_json);
}
