#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every way to a protected file through the agent: each denied, and each with one correct event, which names the
# program, too. With what was opened before the policy was in force. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
root=/srv/host
run_log=/tmp/agent.log
events=/var/log/safeguard/events.ndjson

mkdir -p "$root" /etc/safeguard/policies
modprobe -a overlay loop || printf 'not ok the modules overlay and loop\n'
sg-attack setup "$root" || exit 1
cat >/tmp/start <<'SH'
cp "$1/vault.yaml" /etc/safeguard/policies/10-vault.yaml
safeguard-agent </dev/null >/tmp/agent.log 2>&1 &
echo $! >/tmp/agent.pid
timeout 400 grep -q -m 1 'every use of them is checked' <(tail -n +1 -F /tmp/agent.log 2>/dev/null)
SH
sg-attack hold --json "$root" -- bash /tmp/start "$cases" >/tmp/ways 2>/tmp/ways.err
sg-attack run --json "$root" >>/tmp/ways 2>>/tmp/ways.err
cat /tmp/ways.err "$run_log" >&2
safeguard status --json >/tmp/status.json
# It ends when everything is written.
safeguard stop >/dev/null
timeout 60 tail --pid="$(cat /tmp/agent.pid)" -f /dev/null || printf 'not ok the agent ends\n'
python3 "$cases/records.py" --events /tmp/ways "$events" "$cases/attack.gaps"
python3 - /tmp/status.json <<'PY'
import json, sys
losses = json.load(open(sys.argv[1])).get("losses", {})
n = sum(v for v in losses.values() if isinstance(v, int)) if isinstance(losses, dict) else -1
print(f"# losses {losses}")
PY
if [[ -d /out ]]; then cp /tmp/ways "$events" /tmp/status.json "$run_log" /out; fi
