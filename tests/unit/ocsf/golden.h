// SPDX-License-Identifier: Apache-2.0
//
// For tests: a record is compared with tests/golden/ocsf/<name>.json. SAFEGUARD_GOLDEN=write writes the file instead; read
// the difference before it is kept.
#pragma once

#include "tests/unit/ocsf/sink.h"

#include "base/fd.h"

static inline void compare_golden(const char *name, const struct strbuf *line)
{
    _cleanup_free_ char *expected = NULL;
    char path[512];
    size_t len;

    (void)snprintf(path, sizeof(path), "%s/tests/golden/ocsf/%s.json", SOURCE_ROOT, name);
    if (getenv("SAFEGUARD_GOLDEN") && streq(getenv("SAFEGUARD_GOLDEN"), "write")) {
        _cleanup_(sb_done) struct strbuf text = {};

        sb_add(&text, line->s, line->len);
        sb_putc(&text, '\n');
        assert_int_equal(write_file_atomic(AT_FDCWD, path, text.s, text.len, 0644), 0);
    }
    if (read_file_bounded(AT_FDCWD, path, 1 << 20, &expected, &len) < 0)
        fail_msg("%s is not there", path);
    if (len != line->len + 1 || memcmp(expected, line->s, line->len) != 0)
        fail_msg("%s\n is: %s\n was: %s", name, line->s, expected);
}
