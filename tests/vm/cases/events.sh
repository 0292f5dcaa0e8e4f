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
safeguard-agent --defence=no </dev/null >/tmp/agent.log 2>&1 &
echo $! >/tmp/agent.pid
timeout 400 grep -q -m 1 'every use of them is checked' <(tail -n +1 -F /tmp/agent.log 2>/dev/null)
SH
sg-attack hold --json "$root" -- bash /tmp/start "$cases" >/tmp/ways 2>/tmp/ways.err
held=$?
sg-attack run --json "$root" >>/tmp/ways 2>>/tmp/ways.err
run=$?
cat /tmp/ways.err "$run_log" >&2
# 1 is for ways that did not end as they should, which are named below: those that were not tried, too.
((held <= 1 && run <= 1)) || printf 'not ok the ways were tried (held: status %d, the others: %d): %s\n' \
    "$held" "$run" "$(grep -h -e stopped -e 'nothing was tried' /tmp/ways.err | tr '\n' ' ')"
safeguard status --json >/tmp/status.json
# It ends when everything is written.
safeguard stop >/dev/null || printf 'not ok the agent can be stopped\n'
timeout 60 tail --pid="$(cat /tmp/agent.pid)" -f /dev/null || printf 'not ok the agent ends\n'
sg-attack list --json >/tmp/list || printf 'not ok the list of ways\n'
python3 "$cases/records.py" --events --list /tmp/list --held --losses /tmp/status.json /tmp/ways "$events" "$cases/attack.gaps" ||
    printf 'not ok what was recorded was judged to its end (status %d)\n' $?
# Each line against the schema that the rows of src/ocsf generate. It does not speak of the agent's own records (class 0).
grep -v '"class_uid":0,' "$events" >/tmp/events.json
safeguard-ocsf-schema >/tmp/schema.json || printf 'not ok the schema\n'
python3 /opt/safeguard/share/validate.py /tmp/schema.json /tmp/events.json || printf 'not ok the events are of the schema\n'
if [[ -d /out ]]; then cp /tmp/ways "$events" /tmp/status.json "$run_log" /out; fi
