// SPDX-License-Identifier: Apache-2.0
//
// What the steps of sensor-check share: its state, how a result is said, what tries to get through.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "sensor/sensor.h"

#define PIN_DIR "/sys/fs/bpf/safeguard"
#define CANARY  "/run/safeguard/canary"
#define DIR_    "/tmp/sensor-check"
#define SECRET  "/tmp/sensor-check-secret"

#define RULE_SECRET 1 // index of the rule that denies it

struct ctx {
    struct sensor *sensor;
    enum sensor_attach force;
    void *image;
    size_t image_len;
    struct sensor_root roots[256];
    size_t n_roots;
    int passed, failed;
    uint64_t records, denied_secret, flushed;
    struct sg_record last_secret;
    char last_path[256];
};

// Says "ok" or "not ok" and counts it. Returns ok.
bool check(struct ctx *c, bool ok, const char *fmt, ...) _printf_(3, 4);

// The same of a result; prints the error.
bool check_error(struct ctx *c, int r, const struct error *err, const char *what);

// Start states of every mount of the whole of a file system, by the image's own automaton.
void read_roots(struct ctx *c);

// Reads until the secret's denials are `n`, or for three seconds; with `flush` merged ones, too.
uint64_t read_until(struct ctx *c, uint64_t n, bool flush);

// For sensor_consume().
int on_record(void *userdata, const void *data, size_t len);

bool can_read(const char *path);

// A process that opens the secret as fast as it can, until it is killed.
struct hammer {
    pid_t pid;
    struct {
        volatile uint64_t tries, successes;
    } * shared;
};

void hammer_start(struct hammer *h);
void hammer_stop(struct ctx *c, struct hammer *h, const char *what);

// Programs that are attached on this machine.
size_t count_links(void);

// Waits until they are `n` again: the kernel takes a link off some time after its last pin is gone.
bool await_links(size_t n);

size_t count_entries(const char *path);

// Takes all places of the hook on opens. Returns how many programs it took; fds[] keep them attached.
size_t fill_hook(enum sensor_attach attach, int *fds, size_t max);
