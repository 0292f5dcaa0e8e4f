#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where programs can be preempted and fail open (no BPF LSM, a preemptible kernel), the agent says so, does not claim to
# enforce, and records. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

vault_policy read

safeguard-agent >"$run_log" 2>&1
status=$?
check "without being told to, the agent does not run" test "$status" = 78
check "... it says why" grep -q 'cannot be trusted to deny' "$run_log"
check "... and the cure" grep -q 'lsm=' "$run_log"
check "doctor says the same, and fails" bash -c '! safeguard doctor >/tmp/doctor; grep -q "lsm=" /tmp/doctor'
check "so does a check of policies, with the cure" bash -c 'safeguard policy check "$1" >/tmp/checked; grep -A 1 "rules only record" /tmp/checked | grep -q "preempt=voluntary"' - "$policies"
check "nothing is left" bash -c '! bpftool prog show | grep -q "name \(fmod\|lsm\)_"'

check "told to, it runs" start_agent safeguard-agent --degraded=yes
check "... and says that it is degraded" grep -q degraded "$run_log"
safeguard status >/tmp/status
status=$?
safeguard status --json >/tmp/status.json
check "status fails" test "$status" != 0
check "... it does not claim to enforce" bash -c '! head -n 1 /tmp/status | grep -q enforcing && head -n 1 /tmp/status | grep -q "cannot be relied on"'
check "... nor does the JSON" python3 -c '
import json
s = json.load(open("/tmp/status.json"))
assert s["enforcing"] is False, s["enforcing"]
assert s["attach"] == "fmod_ret", s["attach"]
states = {h["state"] for h in s["hooks"]}
assert "proved" not in states and "recording" in states, states'
check "... and names the cure" grep -q 'lsm=' /tmp/status
cat /tmp/status >&2

# One process alone is refused; that six at once are is what nobody promises. All are recorded.
check "an access is recorded" bash -c 'cat /srv/vault/a; exit 0'
check "... as an event" await 20 '/srv/vault/a' "$events"
check "... with what became of it" python3 -c '
import json
events = [json.loads(line) for line in open("/var/log/safeguard/events.ndjson")]
e = [e for e in events if e.get("file", {}).get("path") == "/srv/vault/a"][0]
assert e["unmapped"]["verdict"] == "deny" and e["unmapped"]["mode"] == "enforce", e'
check "many processes at once" bash -c '
for p in 1 2 3 4 5 6; do (for i in $(seq 200); do read -r x </srv/vault/a; done 2>/dev/null) & done; wait'
check "the agent is still there" safeguard policy show
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
check "the host is as it was" cat /srv/vault/a
