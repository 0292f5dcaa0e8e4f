#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What rules about sockets cost: one, a hundred and a thousand of them, beside programs that do nothing at the same hooks, and beside
# nftables with as many rules. Runs inside a VM whose clock counts instructions (tools/vm run --icount --share
# build/tests/bench/null_socket.bpf.o). Prints numbers, and TAP.
set -u
host=10.9.1.2 port=7000 n=3000

ip link set lo up
ip addr add 10.9.1.2/24 dev lo
ip addr add fd09:1::2/64 dev lo nodad
# Ends of connections are not to pile up.
sysctl -qw net.ipv4.tcp_max_tw_buckets=0

policy() { # number of rules
    local i
    printf 'safeguard: 1\nname: cost\nmode: enforce\nnetwork:\n'
    for ((i = 1; i <= $1; i++)); do
        printf '  - {access: [connect, send], to: "10.%d.%d.0/24:%d-%d", do: deny}\n' $((100 + i / 250)) $((i % 250)) $((1000 + i)) $((9000 + 7 * i))
    done
}
table() { # number of rules
    local i
    printf 'table inet cost {\n chain out {\n  type filter hook output priority 0;\n'
    for ((i = 1; i <= $1; i++)); do
        printf '  ip daddr 10.%d.%d.0/24 th dport %d-%d drop\n' $((100 + i / 250)) $((i % 250)) $((1000 + i)) $((9000 + 7 * i))
    done
    printf ' }\n}\n'
}
measure() { # what, address
    sg-network cost "$1" "$2" "$port" "$n"
}
ruled() { # rules, what, address
    policy "$1" >/tmp/cost.yaml
    sg-protect -p /tmp/cost.yaml -o /dev/null sg-network cost "$2" "$3" "$port" "$n"
}
filtered() { # rules, what, address
    table "$1" >/tmp/cost.nft
    nft -f /tmp/cost.nft || echo 0
    sg-network cost "$2" "$3" "$port" "$n"
    nft delete table inet cost
}
nulls() { # what, address
    sg-bench-load /opt/safeguard/share/null_socket.bpf.o sg-network cost "$1" "$2" "$port" "$n"
}
verdict() { # name, condition
    if (($2)); then echo "ok $1"; else echo "not ok $1"; fi
}

measure tcp $host >/dev/null # warms up
for what in udp-connect udp-send tcp-send tcp; do
    none=$(measure $what $host)
    null=$(nulls $what $host)
    one=$(ruled 1 $what $host)
    hundred=$(ruled 100 $what $host)
    thousand=$(ruled 1000 $what $host)
    echo "# $what: $none; added: by programs that do nothing $((null - none)), by 1 rule $((one - none)), by 100 $((hundred - none)), by 1,000 $((thousand - none))"
    verdict "$what: a thousand rules cost what one does" "(thousand - none) * 10 <= (one - none) * 12 + 300"
    [[ $what == udp-connect ]] && verdict "connect with a thousand rules is at most 1.2 times that with one" "thousand * 10 <= one * 12"
    if [[ $what != udp-connect ]]; then
        nft1=$(filtered 1 $what $host)
        nft1000=$(filtered 1000 $what $host)
        echo "# $what: nftables adds with 1 rule $((nft1 - none)), with 1,000 $((nft1000 - none))"
        verdict "$what: less than nftables with a thousand rules" "thousand < nft1000"
    fi
done
none=$(measure udp-connect fd09:1::2)
thousand=$(ruled 1000 udp-connect fd09:1::2)
echo "# udp-connect of IPv6: $none; added by 1,000 rules $((thousand - none))"
# A rule about something else leaves no program at these hooks.
printf 'safeguard: 1\nname: cost\nmode: enforce\nnetwork:\n  - {access: bind, port: 1, do: deny}\n' >/tmp/cost.yaml
other=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-network cost udp-connect $host $port $n)
none=$(measure udp-connect $host)
echo "# udp-connect with a rule about bind alone: added $((other - none))"
verdict "no rule on a hook, no program on it" "other - none < 60"
