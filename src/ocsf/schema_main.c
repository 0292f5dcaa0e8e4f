// SPDX-License-Identifier: Apache-2.0
//
// safeguard-ocsf-schema: prints the JSON schema of the records that leave this host.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ocsf/ocsf.h"

int main(void)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = ocsf_schema(&sb);

    if (r < 0) {
        (void)fprintf(stderr, "safeguard-ocsf-schema: %s\n", strerror(-r));
        return EXIT_FAILURE;
    }
    return puts(sb.s) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
