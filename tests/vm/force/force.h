// SPDX-License-Identifier: Apache-2.0
//
// Policies in force without the agent, for programs that ask in a VM whether the kernel side is right: a
// failure there is not one of the agent's. Owns a sensor, this host's mounts as compiler and decoder want
// them, and room for one decoded record. Used by tests/vm only. Messages go to standard error.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"
#include "policy/compile.h"
#include "sensor/decode.h"
#include "sensor/sensor.h"

// What a program ends with that could not put its policy in force.
#define EXIT_NOT_IN_FORCE 99

struct force {
    struct sensor *sensor;
    struct policy_mounts *mounts;
    struct decode_mount *decode;
    size_t n_decode;
    struct event *event;
    size_t
        n_idle; // file systems that there are not, and that no rule speaks of: force_set() adds them
};

// 0 or a negative errno, said.
int force_open(struct force *f, const struct sensor_options *options);

// Compiles the rules of one text, or of files. 0 or a negative errno, said; the caller frees the image.
int force_compile(struct force *f, const char *name, const char *text, struct policy_image **ret);
int force_compile_files(struct force *f, const char *const *files, size_t n_files,
                        struct policy_image **ret);

// The operations of all rules of an image.
uint32_t force_ops(const struct policy_image *image);

// Puts an image in force with the hooks for `ops`. 0 or a negative errno, said.
int force_set(struct force *f, const struct policy_image *image, uint32_t ops);

// Fills the table of roots, by so many file systems more than there are that rules speak of. True: they did not fit.
bool force_fill(struct force *f, const struct policy_image *image, size_t n);

// Files below `tree` that have several names, with the states that an image gives to those: on loan until
// the next call. Looked for before the policy denies the look. 0 or a negative errno.
int force_find_linked(struct force *f, const struct policy_image *image, const char *tree,
                      struct sensor_object *ret, size_t max, size_t *ret_n);

// A record of the kernel as an event, in f->event. 0, -EOPNOTSUPP, -EBADMSG.
int force_decode(struct force *f, const void *data, size_t len);

// Detaches everything. 0 or a negative errno, said.
int force_close(struct force *f);
