#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The section `network` under an agent: each of its hooks proves itself, what is refused leaves the host as a record of OCSF, and the
# agent itself is exempt. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

ip link set lo up
for net in 10.9.1.2/24 10.9.2.2/24; do ip addr add "$net" dev lo; done
ip addr add fd09:2::2/64 dev lo nodad
mkdir -p "$policies"
modprobe -q -a tcp_diag inet_diag
# What would keep the agent from working if it held for it.
cat >"$policies/20-everything.yaml" <<'YAML'
safeguard: 1
name: everything
mode: enforce
network:
  - {access: [bind, listen], by: {exe: /usr/sbin/safeguard-agent}, do: deny}
YAML
start_agent "${@:-safeguard-agent}" --cut-connections=yes || { cat "$run_log"; echo "not ok agent"; exit 1; }
# Two connections from before the policy that denies one of them.
cat >/tmp/before.py <<'PY'
import socket, sys
waits = socket.create_server(("0.0.0.0", 7077))
denied, allowed = (socket.create_connection((host, 7077)) for host in ("10.9.2.2", "10.9.1.2"))
ends = [waits.accept()[0] for _ in range(2)]
print("ready", flush=True)
input()
allowed.sendall(b"x")
print("allowed: %s" % ends[1].recv(1), flush=True)
PY
mkfifo /tmp/before.in
python3 /tmp/before.py </tmp/before.in >/tmp/before 2>&1 &
exec 7>/tmp/before.in
await 30 ready /tmp/before || echo "not ok connections"
check "... stand" bash -c '[[ -n $(ss -Htn state established dst 10.9.2.2 dport = 7077) ]]'
cp "$cases/network.yaml" "$policies/10-network.yaml"
check "the policy comes into force" safeguard policy reload
check "a connection that it denies is ended" timeout 40 bash -c 'until [[ -z $(ss -Htn state established dst 10.9.2.2 dport = 7077) ]]; do sleep 0.2; done'
echo >&7
check "one that it does not deny goes on" await 20 "allowed: b.x" /tmp/before
safeguard status --json >/tmp/status.json
python3 - <<'PY'
import json
hooks = json.load(open("/tmp/status.json"))["hooks"]
ours = [h for h in hooks if h["id"].startswith("socket_") or h["id"] == "inet_conn_request"]
for h in ours:
    prepares = h["state"] == "untestable" and "it refuses nothing" in h.get("reason", "")
    absent = h["state"] in ("off", "unavailable") and h["id"] in ("socket_create", "socket_write")
    good = h["state"] == "proved" or prepares or absent
    print("ok" if good else "not ok", "hook %s is %s: %s" % (h["id"], h["state"], h.get("reason", "")))
print("ok" if len(ours) > 8 else "not ok", "hooks of sockets: %d" % len(ours))
failing = json.load(open("/tmp/status.json"))["self_test"]["failing"]
print("ok" if failing == 0 else "not ok", "hooks that are said to fail: %d" % failing)
PY
client='import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_STREAM)
try: s.connect((sys.argv[1], int(sys.argv[2])))
except OSError as e: sys.exit(str(e))'
refused "connect" python3 -c "$client" 10.9.2.2 7000
refused "connect of IPv6" python3 -c "$client" fd09:2::2 7000
python3 -c "$client" 10.9.1.2 7001 2>&1 | grep -q "Connection refused" && echo "ok another errno" || echo "not ok another errno"
refused "bind" python3 -c 'import socket; socket.socket().bind(("0.0.0.0", 7010))'
python3 -c 'import socket; s = socket.socket(); s.bind(("0.0.0.0", 7020)); s.listen()' 2>&1 | grep -q "Permission denied" &&
    echo "ok listen" || echo "not ok listen"
check "the agent goes on" safeguard policy reload
if await 20 "was not allowed to connect to 10\.9\.2\.2:7000 \(tcp\)" "$events"; then
    echo "ok record of a connection"
else
    tail -n 3 "$events"
    echo "not ok record of a connection"
fi
await 20 "was not allowed to listen at 0\.0\.0\.0:7020 \(tcp\)" "$events" >/dev/null
python3 - "$events" <<'PY'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
mine = [r for r in records if r["class_uid"] == 4001]
def of(kind): return [r for r in mine if r["unmapped"].get("control") == kind]
def check(name, good, what):
    print("ok %s" % name if good else "not ok %s: %s" % (name, json.dumps(what)))
connect, listen, bind = of("connect"), of("listen"), of("bind")
four = [r for r in connect if r.get("dst_endpoint", {}).get("ip") == "10.9.2.2"]
six = [r for r in connect if r.get("dst_endpoint", {}).get("ip") == "fd09:2::2"]
check("class of a connection", four and four[0]["activity_id"] == 1 and four[0]["disposition_id"] == 2, connect[:1])
check("its other end", four and four[0]["dst_endpoint"] == {"ip": "10.9.2.2", "port": 7000, "zone": "private"}, four[:1])
check("its other end of IPv6", six and six[0]["dst_endpoint"]["port"] == 7000 and six[0]["dst_endpoint"]["zone"] == "private", six[:1])
check("its direction and protocol", four and four[0]["connection_info"]["direction_id"] == 2 and four[0]["connection_info"]["protocol_num"] == 6, four[:1])
check("who it was", four and four[0]["actor"]["process"]["name"].startswith("python3"), four[:1])
check("its rule", four and four[0]["unmapped"].get("rule_line") == 10, four[:1])
check("class of a socket that waits", listen and listen[0]["activity_id"] == 7 and listen[0]["dst_endpoint"]["port"] == 7020, listen[:1])
check("class of an address of its own", bind and bind[0]["activity_id"] == 99 and bind[0]["dst_endpoint"]["port"] == 7010, bind[:1])
own = [r for r in mine if r["unmapped"].get("rule_file", "").startswith("(")]
check("no record of the self-test", not own, own[:1])
PY
kill -TERM $agent
