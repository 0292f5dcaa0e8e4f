#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Addresses are known by the names that they were answered for before programs have the answer; who asked is recorded; and what is
# forged, or of another name, is not learnt. With dnsmasq and unbound as servers, and one that lies. Runs inside a VM with --root names.
# Prints TAP.
set -u
cases=$(dirname "$0")
log=/tmp/dns.log

await_port() { # address
    timeout 20 bash -c "until [[ -n \$(ss -Hlun src '$1' sport = 53) ]]; do sleep 0.1; done" || echo "not ok nobody listens at $1"
}
servers() {
    local pids=() forty=() n
    for n in {1..40}; do forty+=("--host-record=lots.example,198.51.100.$n"); done
    dnsmasq --no-daemon --user=root --no-resolv --no-hosts --bind-interfaces --no-dhcp-interface=lo --local-ttl=120 --edns-packet-max=4096 \
        --listen-address=127.0.0.53 --listen-address=::1 --local=/example/ --address=/many.example/192.0.2.99 --address=/connect.example/127.9.0.1 \
        --host-record=one.example,192.0.2.1,2001:db8::1 --host-record=origin.example,192.0.2.10,2001:db8::10 \
        --cname=www.example,origin.example --host-record=alice.example,192.0.2.3 --host-record=edns.example,192.0.2.4 \
        --host-record=tcp.example,192.0.2.5 --host-record=tcp6.example,2001:db8::5 --host-record=six.example,2001:db8::6 \
        --host-record=first.example,192.0.2.7 --host-record=second.example,192.0.2.7 --host-record=mixed.example,192.0.2.8 \
        --address=/first-kept.example/192.0.2.77 --address=/alone-kept.example/192.0.2.77 \
        --address=/second-kept.example/192.0.2.77 --address=/third-kept.example/192.0.2.77 --host-record=far.example,192.0.2.9 --host-record=split.example,192.0.2.11 "${forty[@]}" >"$log.dnsmasq" 2>&1 &
    pids+=($!)
    cat >/tmp/unbound.conf <<'CONF'
server:
    interface: 127.0.0.54
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "/tmp"
    pidfile: "/tmp/unbound.pid"
    use-syslog: no
    module-config: "iterator"
    do-not-query-localhost: no
    use-caps-for-id: yes
forward-zone:
    name: "."
    forward-addr: 127.0.0.53
CONF
    unbound -d -c /tmp/unbound.conf >"$log.unbound" 2>&1 &
    UNBOUND=$!
    pids+=("$UNBOUND")
    python3 "$cases/dns.py" serve 127.0.0.55 >"$log.liar" 2>&1 &
    pids+=($!)
    export UNBOUND
    for n in 127.0.0.53 '[::1]' 127.0.0.54 127.0.0.55; do await_port "$n"; done
    "$@"
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null || true
}
watched() { # options of sg-dns, --, arguments of dns.py
    local options=()
    while [[ $1 != -- ]]; do options+=("$1") && shift; done
    shift
    sg-dns "${options[@]}" -o /tmp/records python3 "$cases/dns.py" /tmp/records "$@" || echo "not ok it ended with $?"
}
programs() { bpftool -j prog show | grep -o '"name":"dns_[ei][ngress]*"' | sort | uniq -c | tr -s ' \n' ' '; }
is() { # name, what is, what has to be
    if [[ $2 == "$3" ]]; then echo "ok $1"; else echo "not ok $1: $2"; fi
}
# Programs, names and records outlive who loaded them; who comes next takes them over, whatever of it is there.
kept() {
    local python=(python3 "$cases/dns_kept.py") always n both=' 1 "name":"dns_egress" 1 "name":"dns_ingress" '
    sg-dns -d
    sg-dns -k -o /tmp/kept.1 "${python[@]}" ask first-kept.example 192.0.2.77
    is "kept.programs go on" "$(programs)" "$both"
    "${python[@]}" ask alone-kept.example 192.0.2.77
    sg-dns -k -o /tmp/kept.2 "${python[@]}" ask second-kept.example 192.0.2.77
    "${python[@]}" records /tmp/kept.1 /tmp/kept.2
    rm -f /tmp/enough
    "${python[@]}" always /tmp/enough &
    always=$!
    for n in {1..8}; do sg-dns -k true || echo "not ok kept.taken over, $n"; done
    touch /tmp/enough
    wait $always
    is "kept.nothing twice in the kernel" "$(programs)" "$both"
    # What is pinned is another build's: of other sizes, or half gone.
    rm /sys/fs/bpf/sg_dns/maps/dns_records /sys/fs/bpf/sg_dns/maps/dns_asked /sys/fs/bpf/sg_dns/links/dns_egress
    bpftool map create /sys/fs/bpf/sg_dns/maps/dns_asked type hash key 4 value 4 entries 1 name other
    sg-dns -k -o /tmp/kept.3 "${python[@]}" ask third-kept.example 192.0.2.77
    is "kept.with what was half gone" "$(grep -c third-kept.example /tmp/kept.3)$(programs)" "2$both"
    sg-dns -k sleep 100 &
    n=$!
    timeout 20 bash -c 'until sg-dns -d 2>&1 | grep -q "in use"; do sleep 0.1; done'
    is "kept.one process has it" $? 0
    kill $n "$(pgrep -P $n)"
    wait $n
    sg-dns -d
    is "kept.nothing is pinned" "$(ls /sys/fs/bpf)" ""
    # The kernel takes its time with what nobody has any more.
    timeout 20 bash -c 'while bpftool -j prog show | grep -q "\"name\":\"dns_"; do sleep 0.1; done'
    is "kept.gone" $? 0
}
believes() { # address
    timeout 20 bash -c "until bpftool -j map dump pinned /sys/fs/bpf/sg_dns/maps/dns_servers | grep -q '$1'; do sleep 0.1; done"
}
# Those of resolv.conf, as it is now. The server that lies asks nobody else.
resolv() {
    sg-dns -s -o /tmp/resolv bash -c "
        python3 $cases/dns_kept.py ask stub.many.example 192.0.2.99
        python3 $cases/dns_kept.py ask !good-early.example 192.0.2.200 127.0.0.55
        echo 'nameserver 127.0.0.55' >/etc/resolv.new && mv /etc/resolv.new /etc/resolv.conf
        $(declare -f believes)
        believes '\"0x7f\",\"0x00\",\"0x00\",\"0x37\"' || echo 'not ok resolv.the new server'
        python3 $cases/dns_kept.py ask good-late.example 192.0.2.200 127.0.0.55
        python3 $cases/dns_kept.py ask !former.many.example 192.0.2.99"
    echo 'nameserver 127.0.0.53' >/etc/resolv.conf
}
all() {
    kept
    resolv
    watched -r "$(dirname "$cases")/names_reader.bpf.o" --
    watched -b 127.0.0.53 -b ::1 -- only
}

echo 'nameserver 127.0.0.53' >/etc/resolv.conf
servers all
