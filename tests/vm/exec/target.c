// SPDX-License-Identifier: Apache-2.0
//
// What is executed: shows that it ran.
#include "exec.h"

int main(void)
{
    return RAN;
}
