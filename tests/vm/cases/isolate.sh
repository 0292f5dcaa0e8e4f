#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A host is cut off from everything but its server and what was named: what ran and what begins, in both directions, whatever becomes of
# agent, server and names meanwhile; and it ends by the same command and by itself. With a real server. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
modprobe -q -a veth tcp_diag inet_diag pktgen
vault_policy any
mkdir -p /etc/safeguard /srv/server/run
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
echo isolated-one >/proc/sys/kernel/hostname

# All run on this kernel, those that are away too, and its rules hold for them: who asks the server does so by its own loopback.
# Away: the server (.2), somebody (.3) and a friend (.4). In: what the host forwards for.
ip link set lo up
ip netns add away
ip link add to-away type veth peer name to-host netns away
ip address add 192.0.2.1/24 dev to-away
ip address add fd02::1/64 dev to-away nodad
ip link set to-away up
ip -n away link set lo up
for n in 2 3 4; do
    ip -n away address add "192.0.2.$n/24" dev to-host
    ip -n away address add "fd02::$n/64" dev to-host nodad
done
ip -n away link set to-host up
echo '192.0.2.2 safeguard.test' >>/etc/hosts
ip netns add guest
ip link add to-guest type veth peer name eth0 netns guest
ip address add 198.51.100.1/24 dev to-guest
ip link set to-guest up
ip -n guest address add 198.51.100.2/24 dev eth0
ip -n guest link set eth0 up
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0

away() { ip netns exec away "$@"; }
cat >/tmp/echo.py <<'PY'
import selectors, socket, sys
chooser = selectors.DefaultSelector()
for at in sys.argv[1:]:
    host, port = at.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
        if kind == socket.SOCK_STREAM: s.listen()
        chooser.register(s, selectors.EVENT_READ, kind == socket.SOCK_STREAM)
print("ready", flush=True)
while True:
    for key, _ in chooser.select():
        s = key.fileobj
        if key.data is True: chooser.register(s.accept()[0], selectors.EVENT_READ, "stream")
        elif key.data == "stream":
            try: data = s.recv(100)
            except OSError: data = b""
            try: s.sendall(data)
            except OSError: data = b""
            if not data: chooser.unregister(s), s.close()
        else:
            try: s.sendto(*s.recvfrom(100))
            except OSError: pass
PY
cat >/tmp/talk.py <<'PY'
import socket, sys
how, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM)
s.settimeout(3)
try:
    if len(sys.argv) > 4: s.bind((sys.argv[4], 0))
    s.connect((host, port))
    s.send(b"hello")
    sys.exit(0 if s.recv(5) == b"hello" else "another answer")
except OSError as e:
    sys.exit(str(e))
PY
# One that was there before: says a line when it is told to, and what came of it.
cat >/tmp/lasting.py <<'PY'
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
for line in sys.stdin:
    try:
        s.sendall(b"hello")
        print("went" if s.recv(5) == b"hello" else "ended", flush=True)
    except OSError as e:
        print("failed: %s" % e, flush=True)
PY
away python3 /tmp/echo.py 192.0.2.3:7000 192.0.2.4:7000 192.0.2.4:7001 fd02::3:7000 fd02::4:7000 >/tmp/echo.away 2>&1 &
python3 /tmp/echo.py 0.0.0.0:7100 >/tmp/echo.here 2>&1 &
await 60 ready /tmp/echo.away && await 60 ready /tmp/echo.here || echo "not ok peers"

server=(--data-dir /srv/server --run-dir /srv/server/run)
start_server() {
    : >/tmp/server.log
    ip netns exec away safeguard-server "${server[@]}" --address 0.0.0.0 --port 8443 --url https://safeguard.test:8443 --names safeguard.test,127.0.0.1 \
        >>/tmp/server.log 2>&1 &
    server_pid=$!
    await 300 'ready at' /tmp/server.log
}
check "the server starts" start_server
check "a user of it" bash -c "echo correct horse battery | safeguard-server ${server[*]} user add ann --role viewer --role operator"
check "a token" bash -c "safeguard-server ${server[*]} token create >/tmp/token"
fingerprint=$(safeguard-server "${server[@]}" ca show | sed -n 's/^fingerprint *//p')
export XDG_CONFIG_HOME=/root/config
check "the user logs in" bash -c "echo correct horse battery | ip netns exec away safeguard login https://127.0.0.1:8443 --user ann --password-stdin --fingerprint $fingerprint"
check "the host is enrolled, by the server's name" bash -c "safeguard-agent enrol --token - </tmp/token"
check "the agent starts" start_agent "$@"
online() { timeout 120 bash -c 'until safeguard status | grep -q "server .*online"; do sleep 0.5; done'; }
check "... and is online" online
host() { away safeguard hosts "$@"; }
until_hosts() { timeout 60 bash -c "until ip netns exec away safeguard hosts --json | grep -q $1; do sleep 0.5; done"; }
check "the server knows it" until_hosts isolated-one

talk() { python3 /tmp/talk.py "$@"; }
comes() { away python3 /tmp/talk.py "$@"; }
cut() { # name, command…: not only fails, but in time
    local name=$1
    shift
    if "$@" >/tmp/check.out 2>&1; then echo "not ok $name: let through"; else echo "ok $name"; fi
}
check "before: somebody is reached" talk tcp 192.0.2.3 7000
check "before: somebody is reached, IPv6" talk tcp fd02::3 7000
check "before: the host is reached" comes tcp 192.0.2.1 7100
coproc LASTING { python3 /tmp/lasting.py 192.0.2.3 7000; }
lasting() { echo >&"${LASTING[1]}" && read -r -t 20 answer <&"${LASTING[0]}" && [[ $answer == "$1"* ]]; }
# What is forwarded is no process's, as that of a virtual machine: a thread of the kernel makes datagrams for the guest. Somebody away
# has no socket for them, and counts them.
cat >/tmp/pktgen.sh <<'SH'
echo rem_device_all >/proc/net/pktgen/kpktgend_0
echo "add_device eth0" >/proc/net/pktgen/kpktgend_0
for line in "count 5" "delay 1000" "pkt_size 64" "src_min 198.51.100.2" "src_max 198.51.100.2" "dst_min $1" "dst_max $1" \
    "dst_mac $2" "udp_src_min 7000" "udp_src_max 7000" "udp_dst_min $3" "udp_dst_max $3"; do echo "$line" >/proc/net/pktgen/eth0; done
echo start >/proc/net/pktgen/pgctrl
SH
no_ports() { away awk '/^Udp: [0-9]/ { print $3 }' /proc/net/snmp; }
arrives() { # address, port
    local before
    before=$(no_ports)
    ip netns exec guest bash /tmp/pktgen.sh "$1" "$(cat /sys/class/net/to-guest/address)" "$2" || return 2
    for ((i = 0; i < 30; i++)); do
        (($(no_ports) >= before + 5)) && return 0
        sleep 0.1
    done
    return 1
}
check "before: what others send is passed on" arrives 192.0.2.3 9
check "before: a connection that lasts" lasting went
mkfifo /tmp/friend.in
python3 /tmp/lasting.py 192.0.2.4 7000 </tmp/friend.in >/tmp/friend.out &
exec 7>/tmp/friend.in
check "before: one to the friend" timeout 20 bash -c 'until [[ -n $(ss -Htn dst 192.0.2.4 dport = 7000) ]]; do sleep 0.1; done'

isolated() { safeguard status --json | python3 -c 'import json, sys; i = json.load(sys.stdin)["isolation"]; sys.exit(0 if i["on"] and i["in_force"] else str(i))'; }
check "it is isolated from the server" away safeguard isolate isolated-one --allow 192.0.2.4:7000 --allow 192.0.2.4:9 --allow '[fd02::4]:7000' --for 1h --reason "it talks too much"
check "... and says so" isolated
refused "somebody is not reached" talk tcp 192.0.2.3 7000
refused "nor by IPv6" talk tcp fd02::3 7000
refused "nor by datagrams" talk udp 192.0.2.3 7000
refused "nor by ICMP" ping -c 1 -W 2 192.0.2.3
check "the friend is" talk tcp 192.0.2.4 7000
check "the friend is, IPv6" talk tcp fd02::4 7000
check "the friend is, by datagrams" talk udp 192.0.2.4 7000
refused "but not at another port" talk tcp 192.0.2.4 7001
check "the connection that was there is ended, before it is used" timeout 30 bash -c 'until [[ -z $(ss -Htn dst 192.0.2.3) ]]; do sleep 0.2; done'
check "... and told" await 20 "connections from before the policy were ended" "$events"
check "... and its process sees that" lasting failed
echo >&7
check "that to the friend goes on" await 20 went /tmp/friend.out
cut "nobody comes in" comes tcp 192.0.2.1 7100 192.0.2.3
cut "nobody comes in by datagrams" comes udp 192.0.2.1 7100 192.0.2.3
cut "nothing is passed on" arrives 192.0.2.3 9
check "... but to the friend" arrives 192.0.2.4 9
check "the loopback works" talk tcp 127.0.0.1 7100
check "so does the host's own address" talk tcp 192.0.2.1 7100
check "... by datagrams, too" talk udp 192.0.2.1 7100
check "the link goes on" online
# What was refused is known at the server although nothing else gets there.
check "the server hears of what was refused" timeout 60 bash -c 'until ip netns exec away safeguard events --server https://127.0.0.1:8443 --since 10m --json 2>&1 | tee /tmp/events.out | grep -q "192.0.2.3"; do sleep 1; done'

# The name leads elsewhere, or nowhere, while nobody looks names up.
sed -i '/safeguard.test/d' /etc/hosts
kill "$server_pid"
wait "$server_pid"
check "the server is restarted" start_server
check "... and found without its name" online

kill -9 "$agent"
wait "$agent" 2>/dev/null
refused "without an agent it is isolated" talk tcp 192.0.2.3 7000
cut "... and passes nothing on" arrives 192.0.2.3 9
check "... and reaches its friend" talk tcp 192.0.2.4 7000
check "another agent starts" start_agent "$@"
check "... and goes on with it" isolated
refused "... so that nobody is reached" talk tcp 192.0.2.3 7000
check "... but the server, by its address" online
check "its end is an hour from its begin" python3 - <<'PY'
import json, subprocess
i = json.loads(subprocess.check_output(["safeguard", "status", "--json"]))["isolation"]
assert 3000_000 < i["until_ms"] - i["since_ms"] <= 3601_000, i
assert i["allow"] == ["192.0.2.4:7000", "192.0.2.4:9", "[fd02::4]:7000"] and i["reason"] == "it talks too much", i
PY
echo '192.0.2.2 safeguard.test' >>/etc/hosts
check "the same command takes it back" away safeguard isolate isolated-one --end
check "somebody is reached again" talk tcp 192.0.2.3 7000
check "what others send is passed on again" arrives 192.0.2.3 9
check "the host is reached again" comes tcp 192.0.2.1 7100
check "nothing is kept" test ! -e /var/lib/safeguard/isolation.json
cut "twice is an error" away safeguard isolate isolated-one --end

check "the host isolates itself" safeguard isolate --for 40s
refused "... for that time" talk tcp 192.0.2.3 7000
check "... and ends it by itself" timeout 120 bash -c 'until python3 /tmp/talk.py tcp 192.0.2.3 7000; do sleep 0.5; done'
check "... and tells" await 20 "not isolated any more: its time has come" "$events"
refusal='not an address'
refused "names are no exceptions" safeguard isolate --allow friend.example
refusal='1 second to 30 days'
refused "nor is it for ever" safeguard isolate --for 31d
check "which leaves it as it was" talk tcp 192.0.2.3 7000
{
    tail -n 20 "$run_log"
    tail -n 5 /tmp/server.log
} >&2
