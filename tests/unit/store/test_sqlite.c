// SPDX-License-Identifier: Apache-2.0
//
// The suite of tests/store on this backend.
#include "tests/store/suite.h"

const char *const suite_scheme = "sqlite";

UNIT_MAIN(STORE_TESTS(STORE_TEST_ROW) STORE_TESTS_KEEPS(STORE_TEST_ROW)
              STORE_TESTS_CHARTS(STORE_TEST_ROW))
