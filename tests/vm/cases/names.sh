#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Rules by domain names: what a name was answered for may be connected to before its address is used for the first time, and nothing
# else; first rule, denied addresses, ports, the ends of TTLs. `agent`: under an agent, and without it while what it left goes on. With
# dnsmasq. Runs inside a VM with --root names. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

if [[ ${1:-} == run ]]; then
    sg-dns -t -b 127.0.0.53 python3 "$cases/names.py" run /tmp/ran "${2:-}"
    exit
fi
cd /tmp || exit
ip link set lo up
ip addr add 10.8.0.0/16 dev lo
ip -6 route add local fd08::/16 dev lo
echo 'nameserver 127.0.0.53' >/etc/resolv.conf
hosts=()
for host in api.example,10.8.1.1,fd08:1::1 a.wild.example,10.8.1.20,fd08:1::20 b.a.wild.example,10.8.1.21 wild.example,10.8.1.22 \
    notwild.example,10.8.1.23 elsewhere.example,10.8.1.24 evil.example,10.8.1.3 rebind.example,10.8.4.1,fd08:4::1 \
    audit.example,10.8.1.5 first.example,10.8.1.6 second.example,10.8.1.6 unruled.example,10.8.1.8 other.example,10.8.1.9 \
    watched.example,10.8.1.10 lasting.wild.example,10.8.1.30 late.wild.example,10.8.1.31; do
    hosts+=("--host-record=$host")
done
dnsmasq --no-daemon --user=root --no-resolv --no-hosts --bind-interfaces --listen-address=127.0.0.53 --local=/example/ --local-ttl=1 \
    --cname=www.wild.example,elsewhere.example "${hosts[@]}" >/tmp/dnsmasq.log 2>&1 &
dns=$!
timeout 20 bash -c 'until [[ -n $(ss -Hlun src 127.0.0.53 sport = 53) ]]; do sleep 0.1; done' || { cat /tmp/dnsmasq.log; echo "not ok dnsmasq"; }
under_agent() {
    mkdir -p "$policies"
    cp "$cases/names.yaml" "$policies/10-names.yaml"
    check "the agent starts" start_agent
    check "... and learns names for its rules" bash -c 'safeguard status --json | python3 -c "import json, sys; sys.exit(0 if json.load(sys.stdin)[\"network\"][\"dns\"] else 1)"'
    python3 "$cases/names.py" run /tmp/ran
    python3 "$cases/names.py" judge /tmp/ran
    check "its record has the name" await 20 'not allowed to connect to 10\.8\.1\.3:7000 \(tcp\), evil\.example' "$events"
    check "... where OCSF has it" bash -c 'grep -q "\"dst_endpoint\":{\"ip\":\"10.8.1.3\",\"port\":7000,\"hostname\":\"evil.example\"" "$1"' - "$events"
    check "another server is not believed" python3 "$cases/names.py" liar
    kill -9 "$agent"
    wait "$agent" 2>/dev/null
    check "names are learnt without an agent" python3 "$cases/names.py" one late.wild.example 10.8.1.31 7000 0
    check "... and rules by them hold" python3 "$cases/names.py" one other.example 10.8.1.9 7000 1
    check "another agent starts" start_agent
    check "... and has what was learnt" python3 "$cases/names.py" one "" 10.8.1.31 7000 0
    rm "$policies/10-names.yaml"
    check "rules without names" safeguard policy reload
    check "... leave nothing that learns" bash -c '! test -e /sys/fs/bpf/safeguard/names'
}
if [[ ${1:-} == agent ]]; then
    under_agent
    kill "$dns"
    exit
fi
sg-protect -p "$cases/names.yaml" -o /tmp/records bash "$0" run "${1:-}" 2>/tmp/protect.err ||
    { tail -n 20 /tmp/protect.err; echo "not ok policy in force"; }
kill "$dns"
python3 "$cases/names.py" judge /tmp/ran /tmp/records
