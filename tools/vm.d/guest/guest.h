// SPDX-License-Identifier: Apache-2.0
// The init of the VM bench: the first and only program that tools/vm puts into a guest.
// It loads the drivers named by the host, mounts the root image, runs one command and sends its
// output and status to the host as frames over one virtio-serial port. It is linked statically
// and never used outside of a VM.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the host asks for, read from /sg/options in the initramfs, one "name=value" a line.
struct options {
    bool tty;         // the command gets a terminal; otherwise pipes and an empty input
    bool network;     // the host forwards ports to us
    bool memory_root; // copy the root image to a RAM disk first (see tools/vm.d/README.md)
    bool collect;     // send what the command leaves in /out
    bool systemd;     // systemd becomes the init; the command follows multi-user.target
    unsigned rows;
    unsigned columns;
    char **command;     // NULL-terminated
    char **environment; // NULL-terminated
};

// Frames: one byte type, four bytes length (little endian), that many bytes.
enum frame {
    FRAME_STARTED = 's', // to the host: the command is about to run
    FRAME_OUTPUT = 'o',  // to the host: standard output, or the terminal's
    FRAME_ERROR = 'e',   // to the host: standard error
    FRAME_ARCHIVE = 't', // to the host: a piece of a tar of /out
    FRAME_FAILED = 'f',  // to the host: init could not do its work; the text says why
    FRAME_EXIT = 'x',    // to the host: wait status of the command, four bytes; the last frame
    FRAME_INPUT = 'i',   // from the host: what the person typed
    FRAME_WINDOW = 'w',  // from the host: rows and columns, two bytes each
};

// setup.c: everything up to the command. Each of them ends the guest by fail() on failure.
void early_mounts(void);
void load_modules(const char *list);
void read_options(struct options *ret);
void enter_root(const struct options *o);
void prepare_system(const struct options *o);
void await_device(const char *path);

// systemd.c: makes process 1 systemd and returns in a child of it, once multi-user.target is reached.
void hand_over_to_systemd(void);

// The port to the host, once it is open. One number known to all of init, so that there is no
// state to pass to fail(); sending before that is a no-op.
#define CHANNEL_FD 9

// relay.c: the port to the host, the command and its output.
void channel_open(const char *device);
void channel_send(enum frame type, const void *data, size_t n);
void run_command(const struct options *o, int *ret_status);
void send_archive(const char *directory);

// init.c
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void end_guest(void);
