// SPDX-License-Identifier: Apache-2.0
//
// The suite of tests/store on this backend.
#include "tests/store/suite.h"

const char *const suite_scheme = "null";

UNIT_MAIN(STORE_TESTS(STORE_TEST_ROW))
