// SPDX-License-Identifier: Apache-2.0
#include "api/framing.h"

#include <stdbool.h>
#include <string.h>

#include "base/macro.h"

// What is looked for by name, and by its first place only.
static const char *const once[] = {
    "Content-Length", "Transfer-Encoding", "Host",   "Authorization",     "Cookie",
    "Content-Type",   "X-CSRF-Token",      "Origin", "Safeguard-Session", "Sec-Fetch-Site",
};
#define LENGTH 0
#define CODING 1

static bool is_token(const char *s, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(others, c))))
            return false;
    }
    return len > 0;
}

static bool has_control(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return true;
    return false;
}

static bool is_word(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(s, word, len) == 0;
}

static const char *problem_of(struct framing *f, const char *name, size_t name_len,
                              const char *value, size_t value_len)
{
    if (!is_token(name, name_len))
        return "the name of a header is not well-formed";
    if (has_control(value, value_len))
        return "a header has a control character";
    for (unsigned i = 0; i < ARRAY_SIZE(once); i++) {
        if (!is_word(name, name_len, once[i]))
            continue;
        if (f->seen & 1u << i)
            return "a header that may come once comes twice";
        f->seen |= 1u << i;
    }
    if (is_word(name, name_len, once[CODING]) && !is_word(value, value_len, "chunked"))
        return "the only Transfer-Encoding that is known is chunked";
    return NULL;
}

void framing_add(struct framing *f, const char *name, size_t name_len, const char *value,
                 size_t value_len)
{
    const char *problem = problem_of(f, name, name_len, value, value_len);

    if (!f->problem)
        f->problem = problem;
}

const char *framing_end(const struct framing *f, const char *version)
{
    if (f->problem)
        return f->problem;
    if (!(f->seen & 1u << CODING))
        return NULL;
    if (f->seen & 1u << LENGTH)
        return "the body has both a length and a Transfer-Encoding";
    return streq(version, "HTTP/1.0") ? "HTTP/1.0 has no Transfer-Encoding" : NULL;
}
