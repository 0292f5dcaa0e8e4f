#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What it costs a datagram and a connection that flows are told of, beside programs that do nothing: at the same places, and at the
# packets of all control groups. Runs inside a VM whose clock counts instructions (tools/vm run --icount, with null_flow.bpf.o and
# null_packet.bpf.o of build/tests/bench). Prints numbers, and TAP.
set -u
share=/opt/safeguard/share

with_flows() { # "read", or "unread": the reader does nothing meanwhile; command…
    local how=$1 reads
    shift
    sg-flow -q -t 100000 >/tmp/flows &
    reads=$!
    until grep -q ready /tmp/flows; do sleep 0.1; done
    [[ $how == unread ]] && kill -USR2 $reads && sleep 0.2
    "$@"
    kill $reads
    wait $reads
}

ip link set lo up
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
for row in "udp 20000" "udp6 20000" "tcp 1000"; do
    read -ra what <<<"$row"
    none=$(sg-flow-cost "${what[@]}")
    null=$(sg-bench-load $share/null_flow.bpf.o sg-flow-cost "${what[@]}")
    packet=$(sg-bench-load $share/null_packet.bpf.o sg-flow-cost "${what[@]}")
    flows=$(with_flows unread sg-flow-cost "${what[@]}")
    read=$(with_flows read sg-flow-cost "${what[@]}")
    echo "# ${what[0]}: $none; added: by null programs at its places $((null - none)), by null programs at packets $((packet - none)), by flows $((flows - none)), with the reader's own work $((read - none))"
    if ((flows > none && flows - none < none / 3)); then echo "ok cost.${what[0]}"; else echo "not ok cost.${what[0]}"; fi
done
