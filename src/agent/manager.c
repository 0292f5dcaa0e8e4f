// SPDX-License-Identifier: Apache-2.0
//
// The service manager, asked whether the host is going down: then the agent ends when it is told to, locked or not.
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/macro.h"

// systemd's own socket, for root: there is no bus any more when a host goes down.
#define PRIVATE_SOCKET "unix:path=/run/systemd/private"
#define PATIENCE_USEC  ((uint64_t)2 * 1000 * 1000)

bool manager_is_stopping(void)
{
    _cleanup_free_ char *state = NULL;
    sd_bus *bus = NULL;
    bool stopping;
    int r;

    // Another pid 1 has no such thing as services that are stopped one by one.
    if (access("/run/systemd/private", F_OK) < 0)
        return false;
    r = sd_bus_new(&bus);
    r = r < 0 ? r : sd_bus_set_address(bus, PRIVATE_SOCKET);
    r = r < 0 ? r : sd_bus_start(bus);
    r = r < 0 ? r : sd_bus_set_method_call_timeout(bus, PATIENCE_USEC);
    r = r < 0 ? r
              : sd_bus_get_property_string(bus, NULL, "/org/freedesktop/systemd1",
                                           "org.freedesktop.systemd1.Manager", "SystemState", NULL,
                                           &state);
    (void)sd_bus_close_unref(bus);
    if (r < 0)
        (void)log_warning_code(r,
                               "the service manager does not say whether the host goes down: %m");
    stopping = r >= 0 && streq(state, "stopping");
    return stopping;
}
