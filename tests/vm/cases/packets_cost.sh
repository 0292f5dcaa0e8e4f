#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What rules about packets cost: one frame through each program, with 1, 100 and 1,000 rules, beside programs that do nothing; and a
# datagram over the loopback device with 1,000 rules of ours and of nftables. Runs inside a VM whose clock counts instructions. Prints
# numbers, and TAP.
set -u
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
ip link set lo up

rules() { # how many: all but the last two are of others
    echo -e "safeguard: 1\nmode: enforce\npackets:"
    for ((i = 0; i < $1 - 2; i++)); do
        echo "  - {interface: lo, direction: in, protocol: udp, from: 172.16.$((i / 250)).$((i % 250)), port: $((10000 + i)), do: drop}"
    done
    echo "  - {interface: lo, direction: in, protocol: udp, to: '10.0.0.2:53', do: drop}"
    (($1 > 1)) || return
    echo "  - {interface: lo, direction: in, protocol: tcp, to: '10.0.0.2:80', do: {rewrite: {to: '10.0.0.9:8080'}}}"
}

passes=()
for count in 1 100 1000; do
    declare -A n=()
    rules $count >/tmp/rules.yaml
    while read -r what number; do n[$what]=$number; done < <(sg-packet-cost /tmp/rules.yaml)
    xdp=${n[xdp_null]} tc=${n[tc_null]} dropped=${n[xdp_drop]} early=${n[xdp_pass]} passed=${n[tc_pass]} rewritten=${n[tc_rewrite]}
    echo "# $count rules, added to a null program: XDP: dropped $((dropped - xdp)), passed $((early - xdp)); tc: passed $((passed - tc)), rewritten (if there is such a rule) $((rewritten - tc))"
    if ((dropped > xdp && early > xdp && passed > tc && rewritten > tc)); then echo "ok cost.$count"; else echo "not ok cost.$count"; fi
    passes[count]=$((early - xdp))
done
# The same for all rules but for the words of bits that are looked at, and the depth of the tries.
if ((passes[1000] < 2 * passes[100])); then echo "ok cost.constant"; else echo "not ok cost.constant"; fi

none=$(sg-flow-cost udp 20000)
sg-packets /sys/fs/bpf/sg-cost /tmp/rules.yaml /tmp/status >/tmp/packets &
until grep -q ready /tmp/packets; do sleep 0.1; done
ours=$(sg-flow-cost udp 20000)
kill $!
wait $!
sg-packets /sys/fs/bpf/sg-cost clear
{
    echo "add table inet t"
    echo "add chain inet t c { type filter hook input priority 0; }"
    for ((i = 0; i < 998; i++)); do
        echo "add rule inet t c ip saddr 172.16.$((i / 250)).$((i % 250)) udp dport $((10000 + i)) drop"
    done
} >/tmp/rules.nft
modprobe -q nf_tables
nft -f /tmp/rules.nft
theirs=$(sg-flow-cost udp 20000)
nft delete table inet t
echo "# a datagram over the loopback device: $none; added by 1,000 rules: $((ours - none)) by safeguard (XDP, tc in, tc out), $((theirs - none)) by nftables (input)"
if ((ours > none && theirs - none > ours - none)); then echo "ok cost.beside_nftables"; else echo "not ok cost.beside_nftables"; fi
