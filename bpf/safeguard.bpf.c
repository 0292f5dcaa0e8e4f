// SPDX-License-Identifier: GPL-2.0-only
/* The kernel side as one object: every program is in it, the sensor loads those that the policy and the kernel call for. */
#include "control_kernel.bpf.h"
#include "control_memory.bpf.h"
#include "control_mount.bpf.h"
#include "control_process.bpf.h"
#include "control_signal.bpf.h"
#include "control_socket.bpf.h"
#include "control_socket_in.bpf.h"
#include "cred.bpf.h"
#include "exec.bpf.h"
#include "file_inherit.bpf.h"
#include "file_io.bpf.h"
#include "file_map.bpf.h"
#include "file_meta.bpf.h"
#include "file_name.bpf.h"
#include "file_open.bpf.h"
#include "guard.bpf.h"
#include "guard_cgroup.bpf.h"
#include "mount.bpf.h"
#include "process.bpf.h"

char _license[] SEC("license") = "GPL";
