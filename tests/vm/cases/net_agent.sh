#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who talks to whom, from the kernel to the agent's records and `safeguard net`: a client with curl, ssh, iperf3 and dig, a server with
# nginx, sshd, iperf3 and dnsmasq, each in a network of its own. What programs did, by their own word, is what records say: bytes to
# the byte, who, by which name. With "short" as its argument without what takes long. Runs inside a VM with --root network. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/networks.lib
. "$(dirname "$0")/networks.lib"
part=${1:-all}
facts=/tmp/facts.json
www=/srv/www

say() { echo "$1" >>$facts; }
ask() { # name of the fact, namespace, command…: what it says about itself behind its pid
    local name=$1
    shift
    in_ns "$1" bash -c 'echo $$ >/tmp/pid; exec "$@"' - "${@:2}" >/tmp/said 2>/tmp/said.err
    echo $? >/tmp/status
    say "{\"name\": \"$name\", \"pid\": $(</tmp/pid), \"status\": $(</tmp/status), \"said\": $(python3 -c 'import json, sys; print(json.dumps(open("/tmp/said").read()))')}"
}
fetch() { # name, options and URL…
    ask "$1" client curl -s -o /dev/null --max-time 20 \
        -w '%{local_port} %{remote_ip} %{remote_port} %{size_request} %{size_header} %{size_download} %{http_code}' "${@:2}"
}
await_port() { # namespace, what ss says of it
    timeout 30 bash -c "until ip netns exec $1 ss -Hlntu | grep -q '$2'; do sleep 0.1; done" || echo "not ok nobody listens at $2"
}
serve() { # name, command…
    in_ns server "${@:2}" >"/tmp/$1.log" 2>&1 &
    say "{\"name\": \"$1\", \"pid\": $!}"
}

servers() {
    mkdir -p $www /etc/netns/client /var/lib/nginx /var/log/nginx /run/sshd
    head -c 1234567 /dev/urandom >$www/file
    echo 'nameserver 10.0.2.2' | tee /etc/resolv.conf >/etc/netns/client/resolv.conf
    id sshd >/dev/null 2>&1 || useradd -r -g nogroup -d /run/sshd -s /usr/sbin/nologin sshd
    ssh-keygen -qA
    ssh-keygen -qt ed25519 -N '' -f /root/.ssh/id_ed25519 </dev/null || { mkdir -m 700 /root/.ssh && ssh-keygen -qt ed25519 -N '' -f /root/.ssh/id_ed25519; }
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
    printf 'daemon off; user www-data; events {}\nhttp { access_log off; server { listen 80; listen [::]:80; root %s; } }\n' $www >/tmp/nginx.conf
    serve nginx nginx -c /tmp/nginx.conf
    serve sshd /usr/sbin/sshd -D -f /dev/null -o UsePAM=no -o PermitRootLogin=yes -o StrictModes=no
    serve iperf iperf3 -s
    serve dnsmasq dnsmasq --no-daemon --user=root --no-resolv --no-hosts --listen-address=10.0.2.2 --listen-address=fd00:2::2 \
        --bind-interfaces --local=/test/ --host-record=www.test,10.0.2.2,fd00:2::2 --local-ttl=300 --address=/many.test/10.0.2.2
    await_port server ':80 ' && await_port server ':22 ' && await_port server ':5201 ' && await_port server ':53 '
    tail -n 3 /tmp/{nginx,sshd,iperf,dnsmasq}.log >&2
}

web() {
    fetch web4 -4 http://www.test/file
    fetch web6 -6 http://www.test/file
    fetch nowhere http://nowhere.test/
    fetch refused -4 http://www.test:81/
    ask unreachable client python3 "$cases/net_agent.py" connect 10.9.0.1
}
# Programs that connect as soon as they were executed, by somebody who goes on doing so.
quick() {
    cp /bin/bash /tmp/quick
    in_ns client bash -c 'for n in {1..100}; do /tmp/quick --norc -c ": </dev/tcp/10.0.2.2/80"; done'
}
shells() {
    ask ssh client ssh -o StrictHostKeyChecking=no -o BatchMode=yes root@www.test head -c 100000 /dev/zero
}
streams() {
    ask iperf_udp client iperf3 -4 -c www.test -u -n 300000 -l 1000 -b 8M -J
    ask iperf_tcp client iperf3 -6 -c www.test -n 2M -J
    ask ping client ping -4 -c 3 -i 0.2 www.test
}
names() {
    ask dig_tcp client dig +tcp +tries=1 +noedns www.test A
    ask dig_nobody client dig +tries=1 +timeout=1 @10.0.2.99 silent.test
}
scan() {
    ask scan client python3 "$cases/net_agent.py" scan 10.0.2.2
    ask many client python3 "$cases/net_agent.py" many
}
loopback() {
    python3 -m http.server --bind 127.0.0.1 8000 --directory $www >/tmp/local.log 2>&1 &
    local server=$!
    timeout 30 bash -c 'until ss -Hlnt | grep -q ":8000 "; do sleep 0.1; done'
    curl -s -o /dev/null http://127.0.0.1:8000/file || echo "not ok loopback"
    # Both ends have told of it.
    timeout 20 bash -c 'until safeguard net map --json | grep -q "\"peer_program\": .*/curl"; do sleep 0.2; done' || echo "not ok loopback.the map"
    kill $server
    wait $server 2>/dev/null
    safeguard net map --json >/tmp/map.json
}
looks() {
    in_ns server python3 -m http.server 8100 --directory $www >/tmp/heard.log 2>&1 &
    local heard=$!
    await_port server ':8100 '
    in_ns client ssh -o StrictHostKeyChecking=no -o BatchMode=yes root@www.test 'echo there; sleep 100' >/tmp/live &
    local live=$!
    await 30 there /tmp/live || echo "not ok looks.a connection that goes on"
    safeguard net flows --json --limit 1000 >/tmp/flows.json
    safeguard net flows >/tmp/flows.txt
    safeguard net dns --json >/tmp/dns.json
    safeguard net drops --json >/tmp/drops.json
    safeguard net forwarded --json >/tmp/forwarded.json
    check "looks.a table for people" grep -qE 'python3.* tcp +0\.0\.0\.0:8100 .*listens' /tmp/flows.txt
    check "looks.filters" bash -c "safeguard net --process 'python3*' --peer 0.0.0.0 --live | grep -q 8100 && ! safeguard net --process nothing --live | grep -q 8100"
    kill $live $heard
    wait $live $heard 2>/dev/null
}
off() { # without either setting nothing is attached, and who looks is told why
    check "off.nothing is attached" bash -c '! bpftool -j prog show | grep -qE "\"name\":\"(flow|dns)_"'
    check "off.it is said" bash -c 'safeguard net 2>&1 | grep -q "setting .flows. is off"'
    cost off
}
cost() { # name: memory, and time of a processor while nothing happens
    local before after
    read -r _ before < <(awk '$1 == "VmRSS:" { print $1, $2 }' "/proc/$agent/status")
    after=$(awk '{ print $14 + $15 }' "/proc/$agent/stat")
    echo "# $1: $before kB resident, $after ticks of a processor so far"
}

networks || echo "not ok networks"
servers
if [[ $part == all ]]; then
    start_agent safeguard-agent || { cat "$run_log"; echo "not ok agent"; exit 1; }
    off
    safeguard stop && wait "$agent"
fi
start_agent safeguard-agent --flows=on --dns=on || { cat "$run_log"; echo "not ok agent"; exit 1; }
say "{\"name\": \"agent\", \"pid\": $agent}"
web
quick
shells
names
if [[ $part == all ]]; then
    streams
    loopback
    looks
    scan
    cost on
fi
# The question that nobody answers is told after ten seconds.
await 40 'silent\.test.*had no answer' "$events" >/dev/null || echo "not ok names.without an answer"
safeguard status --json >/tmp/status.json
safeguard stop && wait "$agent"
check "gone with the agent" timeout 20 bash -c 'while bpftool -j prog show | grep -qE "\"name\":\"(flow|dns)_"; do sleep 0.1; done'
python3 "$cases/net_agent.py" judge "$part" "$events" $facts
safeguard-ocsf-schema >/tmp/schema.json
# The agent's own records (notices) are of other classes.
grep -E '"class_uid":(4001|4003),' "$events" >/tmp/records.json
check "the records are of the schema" python3 /opt/safeguard/share/validate.py /tmp/schema.json /tmp/records.json
for pid in $(jobs -p); do kill "$pid"; done
wait 2>/dev/null
