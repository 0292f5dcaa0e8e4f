// SPDX-License-Identifier: Apache-2.0
//
// A terminal's other screen, for commands that draw anew what changes: as it was before, however they end. Keys come by themselves
// there, without being shown. Elsewhere nothing is done but to wait.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/strbuf.h"

#define INTERVAL_MIN_MS 100u
#define INTERVAL_MAX_MS 3600000u
#define INTERVAL_TEXT   "a time from 100ms to 3600s"

struct screen {
    bool on;
    int signals; // those that end us; -1: none are waited for
    struct termios before;
};

// *s is what screen_enter() fills, whether there is a terminal or not.
void screen_enter(struct screen *s);
void screen_leave(void *screen);

// Waits for so long, or for a key. 0: the time is over; 1: a key, in *ret_key; -1: it is to end.
int screen_wait(const struct screen *s, uint32_t ms, char *ret_key);

// Where the picture begins, and how large it may be (0: not known).
void screen_begin(const struct screen *s, struct strbuf *sb, unsigned *ret_lines,
                  unsigned *ret_width);

// "500ms", "2s", "2". 0 or -EINVAL.
int interval_parse(const char *text, uint32_t *ret_ms);
