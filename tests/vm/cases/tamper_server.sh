#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The same from the server's side: what has happened to an agent that was cut off, stopped, frozen or ended, or whose programs were
# switched off, stands on a real server within 10 s: tests/vm/cases/tamper_server.py. The server runs in a network of its own, so that
# what is done to the network of the host is done to the agent's way and not to the one that asks. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
modprobe -a veth nf_tables nft_ct 2>/dev/null
modprobe -a tcp_diag inet_diag 2>/dev/null
vault_policy any
mkdir -p /etc/safeguard /srv/server/run /sys/fs/cgroup/tamper.slice/safeguard-agent.service
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id

ip netns add away
ip link add to-server type veth peer name to-host netns away
ip address add 192.0.2.1/24 dev to-server
ip link set to-server up
ip -n away address add 192.0.2.2/24 dev to-host
ip -n away link set to-host up
ip -n away link set lo up

server=(--data-dir /srv/server --run-dir /srv/server/run)
ip netns exec away safeguard-server "${server[@]}" --address 192.0.2.2 --port 8443 --url https://192.0.2.2:8443 --names 192.0.2.2 \
    >/tmp/server.log 2>&1 &
server_pid=$!
check "the server starts" await 300 'ready at' /tmp/server.log
check "a user of it" bash -c "echo correct horse battery | safeguard-server ${server[*]} user add ann --role viewer --role operator"
check "a token" bash -c "safeguard-server ${server[*]} token create >/tmp/token"
fingerprint=$(safeguard-server "${server[@]}" ca show | sed -n 's/^fingerprint *//p')
export XDG_CONFIG_HOME=/root/config
check "the user logs in" bash -c "echo correct horse battery | ip netns exec away safeguard login https://192.0.2.2:8443 --user ann --password-stdin --fingerprint $fingerprint"
check "the host is enrolled" bash -c "safeguard-agent enrol --token - </tmp/token"

in_cgroup() {
    echo 0 >/sys/fs/cgroup/tamper.slice/safeguard-agent.service/cgroup.procs
    exec setsid safeguard-agent "$@"
}
start_here() { # what tamper_server.py does again
    : >"$run_log"
    (in_cgroup --defence=yes --credentials=off) >"$run_log" 2>&1 &
    await 600 'ready after' "$run_log"
}
check "the agent starts" start_here
check "the module" python3 /opt/safeguard/share/module/loader.py /opt/safeguard/share/module/tamper.ko
python3 "$cases/tamper_server.py" "$server_pid" "$run_log" || echo "not ok all of it was tried"
{
    tail -n 20 "$run_log"
    tail -n 20 /tmp/server.log
} >&2
