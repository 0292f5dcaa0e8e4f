// SPDX-License-Identifier: Apache-2.0
//
// Who shares devices out by the weights of groups. Without one of them the weights are written, and nobody goes by them. Called by
// src/agent and src/cli.
#pragma once

#define IO_SERVED_NOBODY "nothing"

// "bfq": a device has this scheduler; "iocost": it is enabled for one (io.cost.qos); IO_SERVED_NOBODY. root: of control groups,
// NULL: /sys/fs/cgroup; block: NULL: /sys/block.
const char *io_weight_served(const char *root, const char *block);
