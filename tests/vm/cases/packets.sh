#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Packets are dropped, limited, changed and sent on as rules say: frames through the programs, and real networks around this host.
# Runs inside a VM, with the parts that are named, or all. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
modprobe -q veth
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
ip link set lo up
sg-packet-table
[[ $# -gt 0 ]] || set -- drop rewrite source others neighbours root takeover agent
python3 "$cases/packets.py" "$@" || echo "not ok packets.py"
