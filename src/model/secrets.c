// SPDX-License-Identifier: Apache-2.0
#include "model/secrets.h"

#include <string.h>

#include "base/macro.h"
#include "model/event.h"

#define NAME_MAX_LEN 64u // the end of a name that is looked at
#define STARS        3u

static const struct bytes words[] = {
#define SECRET(word) BYTES(word),
#include "model/secrets.def"
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

// Does what ends before `end` and begins not before `start` end like the name of a secret? *ret_begin: where the name begins.
static bool is_secret(const char *start, const char *end, const char **ret_begin)
{
    char plain[NAME_MAX_LEN];
    size_t n = sizeof(plain);
    const char *at = end;

    while (at > start && is_name_char(at[-1])) {
        at--;
        if (n > 0 && *at != '-' && *at != '_')
            plain[--n] = small(*at);
    }
    *ret_begin = at;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t len = words[i].len;

        if (sizeof(plain) - n >= len && memcmp(plain + sizeof(plain) - len, words[i].s, len) == 0)
            return true;
    }
    return false;
}

// One argument, rewritten behind what was kept of those before it: `out` never passes `at`.
struct rewrite {
    char *out;
    const char *start, *at, *end;
};

static void keep_to(struct rewrite *w, const char *to)
{
    size_t n = (size_t)(to - w->at);

    memmove(w->out, w->at, n);
    w->out += n;
    w->at = to;
}

static void mask_to(struct rewrite *w, const char *to)
{
    size_t n = MIN((size_t)(to - w->at), (size_t)STARS);

    memset(w->out, '*', n);
    w->out += n;
    w->at = to;
}

static const char *to_any(const char *at, const char *end, const char *stops)
{
    while (at < end && !memchr(stops, *at, strlen(stops)))
        at++;
    return at;
}

// Where the value ends that begins at `at` and whose name, with '-' in front or not, begins at `name`.
static const char *value_end(const struct rewrite *w, const char *name, char separator,
                             const char *at)
{
    if (separator == '=' && name == w->start)
        return w->end;
    if (separator == ':' && w->end - name >= 13 && small(name[0]) == 'a' && small(name[1]) == 'u')
        return to_any(at, w->end, "\"'\n"); // Authorization: Bearer x
    return to_any(at, w->end, " &;,\"'\n\t");
}

// At a '=' or ':'. Masks what follows when what is before is a secret's name.
static void mask_named(struct rewrite *w, const char *separator)
{
    const char *name_end = separator, *name, *value = separator + 1;
    char quote = 0;

    if (name_end > w->start && (name_end[-1] == '"' || name_end[-1] == '\''))
        name_end--;
    if (!is_secret(w->start, name_end, &name)) {
        keep_to(w, separator + 1);
        return;
    }
    while (*separator == ':' && value < w->end && *value == ' ')
        value++;
    if (value < w->end && (*value == '"' || *value == '\''))
        quote = *value++;
    keep_to(w, value);
    if (quote)
        mask_to(w, to_any(value, w->end, (const char[]){quote, '\0'}));
    else
        mask_to(w, value_end(w, name, *separator, value));
}

// "://user:secret@host": at the ':' of the scheme. The last '@' before the path ends what is secret.
static void mask_url(struct rewrite *w, const char *scheme_end)
{
    const char *at = scheme_end + 3, *end = to_any(at, w->end, "/?# \"'\n"), *secret, *host = NULL;

    for (const char *p = at; p < end; p++)
        host = *p == '@' ? p : host;
    secret = host ? memchr(at, ':', (size_t)(host - at)) : NULL;
    if (!secret) {
        keep_to(w, at);
        return;
    }
    keep_to(w, secret + 1);
    mask_to(w, host);
}

static void mask_one(struct rewrite *w)
{
    while (w->at < w->end) {
        const char *next = to_any(w->at, w->end, "=:");

        if (next == w->end)
            keep_to(w, next);
        else if (w->end - next >= 3 && memcmp(next, "://", 3) == 0)
            mask_url(w, next);
        else
            mask_named(w, next);
    }
}

// "--token", whose value is the next argument.
static bool asks_for_secret(const char *arg, const char *end)
{
    const char *name;

    return end - arg > 1 && arg[0] == '-' && is_secret(arg, end, &name) && name == arg;
}

static uint32_t mask_list(char *list, uint32_t len, bool env)
{
    struct rewrite w = {.out = list, .at = list};
    const char *stop = list + len;
    bool whole = false; // the next one is a value

    while (w.at < stop) {
        const char *nul = memchr(w.at, '\0', (size_t)(stop - w.at));
        bool asks;

        w.start = w.at;
        w.end = nul ? nul : stop;
        asks = !env && asks_for_secret(w.start, w.end);
        if (env && w.end - w.at > 3 && memcmp(w.at, "LD_", 3) == 0)
            keep_to(&w, w.end);
        else if (whole && !asks)
            mask_to(&w, w.end);
        else
            mask_one(&w);
        whole = asks;
        if (nul)
            keep_to(&w, nul + 1);
    }
    return (uint32_t)(w.out - list);
}

uint32_t secrets_mask_args(char *args, uint32_t len)
{
    return mask_list(args, len, false);
}

uint32_t secrets_mask_env(char *env, uint32_t len)
{
    return mask_list(env, len, true);
}

// The text lies in the event's own arena.
void secrets_mask_event(struct event *ev)
{
    ev->args.len = secrets_mask_args((char *)ev->args.s, ev->args.len);
    ev->launch.env.len = secrets_mask_env((char *)ev->launch.env.s, ev->launch.env.len);
}
