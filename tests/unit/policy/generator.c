// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy/generator.h"

#include "tests/unit/unit.h"

void ref_add(char *text, const char *more)
{
    size_t len = strlen(text);

    assert_true(snprintf(text + len, REF_TEXT - len, "%s", more) < (int)(REF_TEXT - len));
}

void ref_pattern(struct ref_random *r, char *text)
{
    static const char *const pieces[] = {"a", "b", "c",   "*",     "?", "[ab]", "[!a]", "ab",
                                         "a", "b", "\\*", "[a-b]", ".", "[]c]", "\\a",  "x"};
    uint32_t components = 1 + ref_below(r, 4);

    *text = '\0';
    for (uint32_t i = 0; i < components; i++) {
        uint32_t n = 1 + ref_below(r, 3);
        bool star = false;

        ref_add(text, "/");
        if (ref_below(r, 4) == 0) {
            ref_add(text, "**");
            continue;
        }
        for (uint32_t k = 0; k < n; k++) {
            const char *piece = pieces[ref_below(r, sizeof(pieces) / sizeof(*pieces))];

            // "**" is no piece of a name, "." alone is no name.
            if (*piece == '*' && star)
                piece = "a";
            if (*piece == '.' && n == 1)
                piece = "b";
            star = *piece == '*';
            ref_add(text, piece);
        }
        if (strcmp(text + strlen(text) - 2, "..") == 0 ||
            strcmp(text + strlen(text) - 2, "/.") == 0)
            ref_add(text, "a");
    }
}

void ref_path(struct ref_random *r, char *text)
{
    static const char *const pieces[] = {"a", "b", "c", "*", ".", "x", "]", "d"};
    uint32_t components = ref_below(r, 6);

    *text = '\0';
    for (uint32_t i = 0; i < components; i++) {
        uint32_t n = 1 + ref_below(r, 3);

        ref_add(text, "/");
        for (uint32_t k = 0; k < n; k++)
            ref_add(text, pieces[ref_below(r, sizeof(pieces) / sizeof(*pieces))]);
    }
    if (components == 0)
        ref_add(text, "/");
}

void ref_path_from(struct ref_random *r, const char *pattern, char *text)
{
    *text = '\0';
    for (const char *p = pattern; *p; p++) {
        char c[2] = {*p, '\0'};

        if (strncmp(p, "**", 2) == 0) {
            static const char *const deep[] = {"a", "a/b", "b/ab/c", "x"};

            ref_add(text, deep[ref_below(r, 4)]);
            p++;
        } else if (*p == '*') {
            ref_add(text, (const char *const[]){"", "a", "ba", "cab"}[ref_below(r, 4)]);
        } else if (*p == '[') {
            p = strchr(p + 2, ']');
            ref_add(text, (const char *const[]){"a", "b", "c"}[ref_below(r, 3)]);
        } else if (*p == '\\') {
            c[0] = *++p;
            ref_add(text, c);
        } else {
            c[0] = *p == '?' ? (char)('a' + ref_below(r, 3)) : *p;
            ref_add(text, c);
        }
    }
    // An empty name is in no path.
    if (strstr(text, "//") || (strlen(text) > 1 && text[strlen(text) - 1] == '/'))
        ref_path(r, text);
}
