// SPDX-License-Identifier: Apache-2.0
//
// The parts of sensor_probe(), apart so that tests can run them on files of their own. Each adds its
// capabilities to the probe; probe_conclude() comes last.
#pragma once

#include "sensor/sensor.h"

struct btf;

// Adds a row. The caller writes detail and cure of what it returns; never NULL (a full table reuses the
// last row, which a test excludes).
struct sensor_capability *probe_add(struct sensor_probe *p, const char *id, bool ok, bool required);

// The row, or NULL.
const struct sensor_capability *probe_get(const struct sensor_probe *p, const char *id);

// What files say: release and machine must be set. `root` stands in front of every path, "" for the
// running system; `version` is that of uname(2).
void probe_files(struct sensor_probe *p, const char *root, const char *version);

// What the kernel's BTF says; NULL when it cannot be read, for this reason (negative errno).
void probe_btf(struct sensor_probe *p, const struct btf *btf, int error);

// What the kernel says when it is asked for a map of each kind.
void probe_maps(struct sensor_probe *p);

// What the kernel says when it is asked to do what the sensor will ask of it: programs of each kind attached for a
// moment, all maps, bpffs, the host's namespace. Needs privileges: without them it adds nothing.
// `btf` may be NULL.
void probe_try(struct sensor_probe *p, const struct btf *btf);

// How hooks will be attached, and what that is worth.
void probe_conclude(struct sensor_probe *p);
