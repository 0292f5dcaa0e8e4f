// SPDX-License-Identifier: Apache-2.0
#include "registry/settings.h"

#include <stdio.h>

#include "base/strutil.h"
#include "registry/internal.h"

// A default of TEXT and one of a number stand in the same column of settings.def.
#define TEXT_OF(type, fallback) TEXT_OF_##type(fallback)
#define TEXT_OF_BOOL(x)         NULL
#define TEXT_OF_COUNT(x)        NULL
#define TEXT_OF_BYTES(x)        NULL
#define TEXT_OF_MS(x)           NULL
#define TEXT_OF_TEXT(x)         (x)
#define VALUE_OF(type, x)       VALUE_OF_##type(x)
#define VALUE_OF_BOOL(x)        (x)
#define VALUE_OF_COUNT(x)       (x)
#define VALUE_OF_BYTES(x)       (x)
#define VALUE_OF_MS(x)          (x)
#define VALUE_OF_TEXT(x)        0

static const struct registry_setting rows[SETTING_N] = {
#define SETTING(id_, name_, type_, fallback_, min_, max_, help_) \
    [SETTING_##id_] = {                                          \
        .id = SETTING_##id_,                                     \
        .name = (name_),                                         \
        .help = (help_),                                         \
        .type = SETTING_##type_,                                 \
        .value = VALUE_OF(type_, fallback_),                     \
        .fallback = VALUE_OF(type_, fallback_),                  \
        .min = (min_),                                           \
        .max = (max_),                                           \
        .text = TEXT_OF(type_, fallback_),                       \
        .fallback_text = TEXT_OF(type_, fallback_),              \
    },
#include "registry/settings.def"
};

enum setting registry_setting_find(const char *name)
{
    for (unsigned i = 0; i < SETTING_N; i++)
        if (streq(rows[i].name, name))
            return (enum setting)i;
    return SETTING_N;
}

const char *setting_type_name(enum setting_type type)
{
    static const char *const names[] = {"bool", "count", "bytes", "ms", "text"};

    STATIC_ASSERT(ARRAY_SIZE(names) == SETTING_TEXT + 1, "a type has no name");
    return names[type];
}

static const char *what_is_expected(enum setting_type type)
{
    static const char *const texts[] = {
        [SETTING_BOOL] = "on or off",
        [SETTING_COUNT] = "a number",
        [SETTING_BYTES] = "a size such as 500M or 50G",
        [SETTING_MS] = "a duration such as 30s, 15m, 12h or 90d, or a number of milliseconds",
        [SETTING_TEXT] = "one line of text",
    };

    return texts[type];
}

static int parse_number(const struct registry_setting *row, const char *value, uint64_t *ret)
{
    bool on = false;
    int r;

    switch (row->type) {
    case SETTING_BOOL:
        r = parse_bool(value, &on);
        if (r == 0)
            *ret = on;
        return r;
    case SETTING_BYTES: return parse_size(value, ret);
    case SETTING_MS: return parse_u64(value, ret) == 0 ? 0 : parse_duration_ms(value, ret);
    default: return parse_u64(value, ret);
    }
}

static int check_value(const struct registry_setting *row, const char *value, uint64_t *ret,
                       struct error *err)
{
    size_t len = strlen(value);
    int r;

    *ret = 0;
    if (row->type == SETTING_TEXT) {
        if (len < row->min || len > row->max)
            return error_set(err, -ERANGE, "%s has to be %llu to %llu bytes long", row->name,
                             (unsigned long long)row->min, (unsigned long long)row->max);
        return check_text(err, row->name, value, row->max, false);
    }
    r = parse_number(row, value, ret);
    if (r < 0) {
        (void)error_set(err, -EINVAL, "%s cannot be '%.64s'", row->name, value);
        error_expected(err, "%s", what_is_expected(row->type));
        return -EINVAL;
    }
    if (*ret >= row->min && *ret <= row->max)
        return 0;
    return error_set(err, -ERANGE, "%s has to be between %llu and %llu%s", row->name,
                     (unsigned long long)row->min, (unsigned long long)row->max,
                     row->type == SETTING_MS      ? " ms"
                     : row->type == SETTING_BYTES ? " bytes"
                                                  : "");
}

int settings_keep(struct registry *rg, enum setting id, const char *text, uint64_t value)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return -ENOMEM;
    (void)pthread_mutex_lock(&rg->settings_lock);
    free(rg->settings_text[id]);
    rg->settings_text[id] = copy;
    rg->settings[id] = text ? value : rows[id].fallback;
    (void)pthread_mutex_unlock(&rg->settings_lock);
    return 0;
}

int settings_load(struct registry *rg, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t value;
    int r = db_query(rg->writer, "SELECT name, value FROM settings", &st, err);

    for (unsigned i = 0; i < SETTING_N; i++)
        rg->settings[i] = rows[i].fallback;
    while (r >= 0 && (r = db_step(st, err)) > 0) {
        enum setting id = registry_setting_find(strempty(db_col_str(st, 0)));

        // One that this version does not know, or takes for too large, is as if it had not been set.
        if (id == SETTING_N ||
            check_value(&rows[id], strempty(db_col_str(st, 1)), &value, NULL) < 0)
            continue;
        r = settings_keep(rg, id, strempty(db_col_str(st, 1)), value);
    }
    return r;
}

void settings_free(struct registry *rg)
{
    for (unsigned i = 0; i < SETTING_N; i++)
        free(rg->settings_text[i]);
}

uint64_t registry_setting_u64(struct registry *rg, enum setting id)
{
    uint64_t value;

    (void)pthread_mutex_lock(&rg->settings_lock);
    value = rg->settings[id];
    (void)pthread_mutex_unlock(&rg->settings_lock);
    return value;
}

char *registry_setting_text(struct registry *rg, enum setting id)
{
    char *text;

    (void)pthread_mutex_lock(&rg->settings_lock);
    text = strdup(rg->settings_text[id] ? rg->settings_text[id] : strempty(rows[id].text));
    (void)pthread_mutex_unlock(&rg->settings_lock);
    return text;
}

int registry_setting_list(struct registry *rg, registry_setting_fn fn, void *ctx, struct error *err)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        _cleanup_free_ char *text = registry_setting_text(rg, (enum setting)i);
        struct registry_setting s = rows[i];
        int r;

        if (!text)
            return error_set(err, -ENOMEM, "out of memory");
        (void)pthread_mutex_lock(&rg->settings_lock);
        s.value = rg->settings[i];
        s.changed = rg->settings_text[i] != NULL;
        (void)pthread_mutex_unlock(&rg->settings_lock);
        s.text = s.type == SETTING_TEXT ? text : NULL;
        r = fn(ctx, &s);
        if (r != 0)
            return r;
    }
    return 0;
}

int settings_put(struct change *c, enum setting id, const char *value, struct error *err)
{
    _cleanup_free_ char *before = registry_setting_text(c->rg, id);
    uint64_t number = 0;
    int r = value ? check_value(&rows[id], value, &number, err) : 0;

    if (r < 0)
        return r;
    if (value)
        r = db_do(
            c->db, err,
            "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            "ss", rows[id].name, value);
    else
        r = db_do(c->db, err, "DELETE FROM settings WHERE name = ?1", "s", rows[id].name);
    if (r == 0)
        r = change_audit(c, err, "setting.set", rows[id].name, "ss", "from", before, "to", value);
    change_tell(c, REGISTRY_SETTINGS, NULL);
    c->settings[id] = (struct setting_change){true, value, number};
    return r;
}

int registry_setting_set_many(struct registry *rg, const struct actor *actor,
                              const struct registry_setting_value *values, size_t n,
                              struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        enum setting id = registry_setting_find(values[i].name);

        r = id == SETTING_N ? not_found(err, "setting", values[i].name)
                            : settings_put(&c, id, values[i].value, err);
    }
    return r < 0 ? r : change_commit(&c, err);
}

int registry_setting_set(struct registry *rg, const struct actor *actor, const char *name,
                         const char *value, struct error *err)
{
    return registry_setting_set_many(rg, actor, &(struct registry_setting_value){name, value}, 1,
                                     err);
}
