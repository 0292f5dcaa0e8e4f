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
# Rules by names: of an address that has none, and of one that was learnt by a name which all of them but for the port are about.
cat >/tmp/learn.py <<'PY'
import os, socket, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.66", 53))
def answer():
    query, who = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5
    server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4" + socket.inet_aton(sys.argv[1]), who)
threading.Thread(target=answer, daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\5host0\7example\0\0\1\0\1", ("127.0.0.66", 53))
s.recv(512)
os.execvp(sys.argv[2], sys.argv[2:])
PY
names() { # number of rules
    local i
    printf 'safeguard: 1\nname: cost\nmode: enforce\nnetwork:\n'
    for ((i = 0; i < $1; i++)); do printf '  - {to: "host%d.example:6999", do: deny}\n' $i; done
}
named() { # rules, the program that runs the measurement
    names "$1" >/tmp/cost.yaml
    shift
    sg-protect -p /tmp/cost.yaml -o /dev/null "$@" sg-network cost udp-connect $host $port $n
}
none=$(measure udp-connect $host)
one=$(named 1)
thousand=$(named 1000)
one_learnt=$(named 1 sg-dns -t -b 127.0.0.66 python3 /tmp/learn.py $host)
learnt=$(named 1000 sg-dns -t -b 127.0.0.66 python3 /tmp/learn.py $host)
echo "# udp-connect by names: added by 1 rule $((one - none)), by 1,000 $((thousand - none)); to an address with a name by 1 $((one_learnt - none)), by 1,000 $((learnt - none))"
verdict "a thousand names cost what one does" "learnt * 10 <= one_learnt * 12 && thousand * 10 <= one * 12"
# A rule about something else leaves no program at these hooks.
printf 'safeguard: 1\nname: cost\nmode: enforce\nnetwork:\n  - {access: bind, port: 1, do: deny}\n' >/tmp/cost.yaml
other=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-network cost udp-connect $host $port $n)
none=$(measure udp-connect $host)
echo "# udp-connect with a rule about bind alone: added $((other - none))"
verdict "no rule on a hook, no program on it" "other - none < 60"
