// SPDX-License-Identifier: Apache-2.0
//
// What is executed: shows that it ran, or ends as its arguments say after a while: "exit N", "signal N".
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

int main(int argc, char **argv)
{
    if (argc == 3 && (strcmp(argv[1], "exit") == 0 || strcmp(argv[1], "signal") == 0)) {
        (void)poll(NULL, 0, LIVES_MS);
        if (argv[1][0] == 'e')
            return (int)strtol(argv[2], NULL, 10);
        (void)raise((int)strtol(argv[2], NULL, 10));
    }
    return RAN;
}
