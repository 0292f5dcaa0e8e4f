// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <unistd.h>

#define HOST_PATIENCE_MS 30000
#define DEBUG_EXIT_PORT  0xf4
#define DEBUG_EXIT_DONE  0x40 // QEMU then exits with 2 * 0x40 + 1, which is no status of its own

_Noreturn void end_guest(void)
{
    // A write to the port returns before the host has it, and QEMU drops what is on the way when it
    // ends. The host ends the guest when it has the last frame; switching off is for when it is gone.
    struct pollfd host = {.fd = CHANNEL_FD, .events = POLLIN};

    sync();
    (void)poll(&host, 1, HOST_PATIENCE_MS);
    if (ioperm(DEBUG_EXIT_PORT, 4, 1) == 0)
        outl(DEBUG_EXIT_DONE, DEBUG_EXIT_PORT);
    // Lockdown refuses the port: power off instead.
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}

_Noreturn void fail(const char *format, ...)
{
    char text[512];
    int error = errno;
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);

    char line[640];
    int n = snprintf(line, sizeof(line), "init of the VM: %s: %s\n", text,
                     error ? strerror(error) : "no further reason");
    (void)!write(STDERR_FILENO, line, (size_t)n);
    channel_send(FRAME_FAILED, line, (size_t)n);
    end_guest();
}

int main(void)
{
    struct options options = {0};
    int status;

    early_mounts();
    load_modules("/sg/modules");
    channel_open("/dev/vport0p1");
    read_options(&options);
    enter_root(&options);
    prepare_system(&options);
    if (options.systemd)
        hand_over_to_systemd();
    run_command(&options, &status);
    if (options.collect)
        send_archive("/out");

    uint32_t wire = (uint32_t)status;
    channel_send(FRAME_EXIT, &wire, sizeof(wire));
    end_guest();
}
