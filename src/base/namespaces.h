// SPDX-License-Identifier: Apache-2.0
//
// What of a process's namespaces counts for a policy, as the kernel side decides it (bpf/lib/contained.bpf.h). For those who
// ask about processes from outside; works in the first namespaces of the host, with the right to look at the process.
#pragma once

#include <stdbool.h>

// Is it in a container: in a pid namespace that root made on the host? False also when it cannot be told. `pid_dir` is a
// descriptor of /proc/PID.
bool process_contained(int pid_dir);

// Its capabilities are those of the host: it is in the first user namespace. True also when it cannot be told.
bool process_in_first_user_ns(int pid_dir);
