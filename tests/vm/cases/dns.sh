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
        --host-record=far.example,192.0.2.9 --host-record=split.example,192.0.2.11 "${forty[@]}" >"$log.dnsmasq" 2>&1 &
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
    rm -f /sys/fs/bpf/sg_names /sys/fs/bpf/dns_counters
    sg-dns "${options[@]}" -o /tmp/records python3 "$cases/dns.py" /tmp/records "$@" || echo "not ok it ended with $?"
}
all() {
    watched -r "$(dirname "$cases")/names_reader.bpf.o" --
    watched -b 127.0.0.53 -b ::1 -- only
}

echo 'nameserver 127.0.0.53' >/etc/resolv.conf
servers all
