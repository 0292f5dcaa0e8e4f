#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The section `network`: every way of tests/vm/network to reach another end, or to be reached, gives the right errno and the right
# record, and its neighbours pass. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")

if [[ ${1:-} == run ]]; then
    sg-network run ${2:+"$2"} >/tmp/ran
    exit
fi
cd /tmp || exit
ip link set lo up
for net in 10.9.1.0/24 10.9.2.0/24 10.9.3.0/24 10.9.5.0/24; do ip addr add "$net" dev lo; done
for net in fd09:1::2/64 fd09:2::2/64; do ip addr add "$net" dev lo nodad; done
ip -6 route add local fd09:2::/64 dev lo
sysctl -qw net.ipv4.ping_group_range='0 0' net.ipv4.tcp_fastopen=3
modprobe -q -a sctp mptcp vsock_loopback vmw_vsock_virtio_transport 2>/dev/null
sysctl -qw net.mptcp.enabled=1 2>/dev/null
sg-network with sg-protect -p "$cases/network.yaml" -o /tmp/records bash "$0" run "${1:-}" 2>/tmp/protect.err ||
    { tail -n 20 /tmp/protect.err; echo "not ok policy in force"; exit 1; }
sg-network list >/tmp/ways
python3 "$cases/network.py" /tmp/ways /tmp/ran /tmp/records
