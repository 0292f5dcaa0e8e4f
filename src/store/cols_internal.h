// SPDX-License-Identifier: Apache-2.0
//
// What writer and reader of columns share.
#pragma once

#define COLS_VERSION    2
#define COLS_UNMARKED   1 // the version before marks
#define COLS_KIND_SIZE  10
#define COLS_COUNT_SIZE 10
#define COLS_WIDTH(n)   ((n) > 256 ? 2u : 1u) // of a number below n, for marks and their sets
