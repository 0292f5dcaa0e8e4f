// SPDX-License-Identifier: Apache-2.0
//
// What writer and reader of columns share.
#pragma once

#define COLS_VERSION    1
#define COLS_KIND_SIZE  10
#define COLS_COUNT_SIZE 10
