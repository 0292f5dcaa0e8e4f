#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who talks to whom, as the kernel side tells it, is what programs really did: between a client and a server behind a router, each in
# a network of its own. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/networks.lib
. "$(dirname "$0")/networks.lib"
said=/tmp/flows.json facts=/tmp/facts.json
server=10.0.2.2

ask() { # what the client does, and says of it
    in_ns client python3 "$cases/flows.py" "$@" >>$facts || echo "not ok client.$*"
}

reader() { # options…
    sg-flow "$@" >$said 2>/tmp/flows.err &
    reads=$!
    check "reader.attached" await_ready || cat /tmp/flows.err
}
await_ready() { timeout 60 bash -c "until grep -q ready $said; do kill -0 $reads || exit; sleep 0.1; done"; }
ends_reader() {
    kill -TERM "$reads"
    wait "$reads" || echo "not ok reader.its end: $(cat /tmp/flows.err)"
}
await_said() { # seconds, pattern, so many lines with it; what is missing then, the judge says
    timeout "$1" bash -c "until ((\$(grep -c '$2' $said) >= $3)); do sleep 0.1; done"
}
last_port() { python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readlines()[-1]).get("port", 0))' $facts; }
judge() { python3 "$cases/flows.py" judge "$1" $said $facts; }

begin_server() {
    in_ns server python3 "$cases/flows.py" server >/tmp/server &
    timeout 60 bash -c 'until grep -q ready /tmp/server; do sleep 0.1; done' || echo "not ok server"
    read -r _ serves </tmp/server
    echo "{\"name\": \"server\", \"pid\": $serves}" >$facts
}

connections() {
    reader -i 3000 -t 500
    begin_server
    ask tcp v4 $server
    ask tcp v6 fd00:2::2
    ask tcp mapped ::ffff:$server
    ask tcp by_server $server first=server
    ask tcp user $server uid=1000
    ask tcp reset_by_client $server first=client reset=1
    ask tcp reset_by_server $server first=server reset=1
    ask fails refused $server 7999
    ask fails refused6 fd00:2::2 7999
    ask fails unreachable 10.9.0.1 80
    ask fails no_route 192.0.2.1 80
    ask fails timed_out 10.8.0.1 80
    ask fails cancelled 10.8.0.2 80
    in_ns server python3 "$cases/flows.py" listen 7100 >>$facts
    in_ns server python3 "$cases/flows.py" listen6 7101 >>$facts
    if in_ns router tc qdisc add dev to_server root netem delay 200ms; then
        ask tcp delay $server size=1000
        # Segment by segment: of a few trains of them it may happen that none is lost.
        in_ns client ip link set eth0 gso_max_segs 1
        in_ns router tc qdisc replace dev to_server root netem loss 10%
        ask tcp loss $server size=400000
        in_ns client ip link set eth0 gso_max_segs 65535
        in_ns router tc qdisc del dev to_server root
    else
        echo "not ok network.netem"
    fi
    # Both ends of the last connection have told of its end.
    await_said 20 "\"type\":\"close\".*\"\(local\|remote\)_port\":$(last_port)," 2
    ends_reader
    judge connections
    kill "$serves"
}

datagrams() {
    reader -i 3000 -t 500
    begin_server
    ask udp many $server
    ask udp many6 fd00:2::2
    ask udp mapped ::ffff:$server
    ask udp connected $server connect=1
    ask udp connected6 fd00:2::2 connect=1
    ask udp connected_mapped ::ffff:$server connect=1
    ask segments segmented $server
    ask corked corked $server
    ask closed closed $server 79
    ask closed6 closed6 fd00:2::2 79
    in_ns client ping -c 3 -i 0.2 $server >/tmp/ping || echo "not ok client.ping"
    in_ns client ping -6 -c 2 -i 0.2 fd00:2::2 >/tmp/ping6 || echo "not ok client.ping6"
    # All of them are over: closed, or at rest.
    timeout 30 bash -c "until [[ \$(grep -c '\"type\":\"begin\"' $said) -eq \$(grep -c '\"type\":\"end\"' $said) ]]; do sleep 0.1; done"
    ends_reader
    judge datagrams
    kill "$serves"
}

storm() {
    reader
    begin_server
    ask storm one $server 2000
    await_said 60 '"type":"close"' 4000
    ends_reader
    judge storm
    kill "$serves"
    # Nobody reads: what finds no room is counted, and rows whose end was lost go.
    reader -q
    begin_server # another one: of who waits in accept(2) already the kernel says nothing
    kill -USR2 "$reads"
    ask storm unread $server 3400
    kill -USR2 "$reads"
    # At the next look those go whose ends were lost.
    timeout 60 bash -c "until kill -USR1 $reads && sleep 0.2 && tail -n 1 $said | grep -q '\"live\":1\\?[0-9]}'; do :; done"
    ends_reader
    judge unread
    kill "$serves"
}

# More flows than there is room for in the kernel.
evicted() {
    reader -i 600000 -t 5000
    begin_server
    ask spread spread $server 18000
    await_said 60 '"type":"begin"' 18000
    ends_reader
    judge evicted
    kill "$serves"
}

networks || echo "not ok networks"
for part in ${1:-connections datagrams storm evicted}; do $part; done
wait
check "gone with its reader" timeout 20 bash -c 'while bpftool -j prog show | grep -q "\"name\":\"flow_"; do sleep 0.1; done'
