#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The agent is killed, restarted, replaced by one of another build and back, while processes try what is denied
# all the time: not one access passes. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"

root=/srv/host
mkdir -p "$root" "$policies"
sg-attack setup "$root" || exit 1
cp "$cases/vault.yaml" "$policies/10-vault.yaml"
echo held >/srv/held
cat >"$policies/20-held.yaml" <<'YAML'
safeguard: 1
name: held
mode: enforce
files:
  - {path: /srv/held, access: read, do: deny}
YAML

# Open since before the policy: reads until it is refused, and from then on says when it is not.
cat >/tmp/holder.py <<'PY'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
print("open", flush=True)
refused = reads = 0
while not os.path.exists("/tmp/holder.end"):
    try:
        os.pread(fd, 1, 0)
        if refused:
            print("passed after", refused, "refusals", flush=True)
    except PermissionError:
        refused += 1
        if refused == 1:
            print("refused", flush=True)
    time.sleep(0.005)
print("tried", refused, flush=True)
PY
rm -f /tmp/holder.end
python3 /tmp/holder.py /srv/held >/tmp/holder.out 2>&1 &
holder=$!
await 60 '^open' /tmp/holder.out

check "the agent starts" start_agent safeguard-agent
check "a read of what was open before is refused" await 60 '^refused' /tmp/holder.out

# Each prints a line of JSON a round, and ends with 1 when anything passed. Two, so that there is no moment
# in which nobody tries.
rm -f /tmp/race.end /tmp/race.*.bad
storm() { # number
    while [[ ! -e /tmp/race.end ]]; do
        sg-attack race "$root" 3 1 >>"/tmp/race.$1" 2>&1 || echo "round failed" >>"/tmp/race.$1.bad"
    done
}
storm 1 &
one=$!
storm 2 &
two=$!

kill_agent() {
    kill -9 "$agent"
    wait "$agent" 2>/dev/null
    ! safeguard status >/dev/null 2>&1
}
# The self-test of all hooks follows the policy.
proved() {
    for ((i = 0; i < 60; i++)); do
        safeguard status >/tmp/status
        grep -q '^  proved' /tmp/status && ! grep -qE '^  (failed|attached) .*(files opened|new regular)' /tmp/status && return 0
        sleep 1
    done
    cat /tmp/status
    return 1
}
for round in 1 2; do
    check "killed ($round)" kill_agent
    check "a new agent takes over ($round)" start_agent safeguard-agent
    check "it has taken over ($round)" bash -c 'safeguard status --json | grep -q "\"taken_over\": *true"'
done
check "killed before the upgrade" kill_agent
check "an agent whose maps are others takes over" start_agent sg-agent-other
check "every hook of it is proved" proved
check "killed again" kill_agent
check "another of these takes over" start_agent sg-agent-other
check "killed before the way back" kill_agent
check "the first build takes over again" start_agent safeguard-agent

touch /tmp/race.end
wait "$one" "$two"
touch /tmp/holder.end
wait "$holder"
tail -n 1 /tmp/holder.out | sed 's/^/# the descriptor: /'
check "no read of what was open before passed" bash -c '! grep passed /tmp/holder.out && grep -qE "tried [0-9]{3}" /tmp/holder.out'
check "there was no round in which anything passed" bash -c '! grep -h -v "\"passed\":0,\"failed\":0,.*\"move_failures\":0}" /tmp/race.1 /tmp/race.2 && ! cat /tmp/race.*.bad'
attempts=$(cat /tmp/race.1 /tmp/race.2 | grep -o '"attempts":[0-9]*' | awk -F: '{ n += $2 } END { print n + 0 }')
check "there was enough to see ($attempts forbidden opens)" test "$attempts" -gt 2000
check "no set of programs is left over" bash -c '! ls /sys/fs/bpf/safeguard/next 2>/dev/null'
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
check "the host is as it was" cat "$root/vault/secret"
cat "$run_log" >&2
