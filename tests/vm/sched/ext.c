// SPDX-License-Identifier: Apache-2.0
//
// Puts the scheduler for sched_ext in charge, without an agent: says "in charge", then waits until it is killed.
#include <stdio.h>
#include <unistd.h>

#include "schedule/ext.h"

int main(void)
{
    _cleanup_(ext_closep) struct ext *e = NULL;
    struct error err = {};

    if (ext_open(&e, &err) < 0) {
        error_print(&err, stderr);
        return 1;
    }
    (void)printf("in charge\n");
    (void)fflush(stdout);
    (void)pause();
    return 0;
}
