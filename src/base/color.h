// SPDX-License-Identifier: Apache-2.0
//
// Colours for terminals: only where they help. auto: stream is a terminal, NO_COLOR is unset or
// empty (no-color.org) and TERM is neither unset nor "dumb".
//
//     bool on = color_enabled(mode, stdout);
//     printf("%sdenied%s\n", color_seq(on, COLOR_RED), color_seq(on, COLOR_RESET));
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum color_mode {
    COLOR_AUTO,
    COLOR_ALWAYS,
    COLOR_NEVER,
};

enum color {
    COLOR_RESET,
    COLOR_BOLD,
    COLOR_DIM,
    COLOR_RED,
    COLOR_GREEN,
    COLOR_YELLOW,
    COLOR_BLUE,
    COLOR_MAGENTA,
    COLOR_CYAN,
    N_COLORS,
};

int color_mode_parse(const char *s, enum color_mode *ret_mode); // auto, always, never; else -EINVAL
bool color_enabled(enum color_mode mode, FILE *f);
const char *color_seq(bool on, enum color color); // "" when off
