#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon and the command line, end to end: denial and its event, what the event says, a storm, policies that change,
# kill -9, take-over, detach.
# Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

mkdir -p /srv/vault/sub /srv/watch /srv/out "$policies"
echo secret >/srv/vault/a
echo second >/srv/vault/sub/b
ln /srv/vault/sub/b /srv/out/link
echo watched >/srv/watch/w
cat >"$policies/10-vault.yaml" <<'YAML'
safeguard: 1
name: vault
mode: enforce
files:
  - {path: "/srv/vault/**", access: any, not_by: {exe: /usr/bin/tar}, do: deny}
  - {path: "/srv/watch/**", access: read, do: audit}
YAML
printf 'safeguard: 1\nmode: enforce\nrecord: {env: [SG_TOKEN, SG_COLOUR]}\n' >"$policies/05-record.yaml"

check "the policy is right" safeguard policy check "$policies"
check "the agent starts" start_agent safeguard-agent --log-level debug
check "status" safeguard status
# Under a policy that refuses all, the agent lets those be read that it has itself, and this one (src/agent/own.c).
libraries() { LD_TRACE_LOADED_OBJECTS=1 "$(command -v "$1")" | awk '{ print $1 }' | grep -v libseccomp | sort; }
check "the command line is linked with nothing more than the agent" bash -c '[[ -z $(comm -23 <(echo "$1") <(echo "$2")) ]]' - "$(libraries safeguard)" "$(libraries safeguard-agent)"
check "without a server nothing of the link is loaded" bash -c "! grep -E 'libcurl|libssl|libldap' /proc/$agent/maps"
safeguard status --json >/tmp/status.json
check "the hook of opens proved itself" grep -qE '"file_open"' /tmp/status.json
check "no hook failed its test" bash -c '! safeguard status | grep -q "^  failed"'
check "a protected file is denied" denied /srv/vault/a
check "so is its other name" denied /srv/out/link
check "an exempt program reads it" tar -cf /dev/null /srv/vault/a
check "an unrelated file is read" cat /srv/watch/w
check "the denial is an event" await 20 '/srv/vault/a' "$events"
check "every event is JSON" python3 -c '
import json
n = sum(1 for line in open("/var/log/safeguard/events.ndjson") if json.loads(line)["class_uid"])
assert n >= 2, n'
check "events shows it" bash -c 'safeguard events --color never | grep -q "DENIED.*cat.*/srv/vault/a.*10-vault.yaml:5"'
cp /usr/bin/bash /usr/sbin/sshd
python3 "$cases/agent_events.py" who /srv/vault/a || echo "not ok who it was (status $?)"
python3 "$cases/agent_events.py" storm /srv/vault/a 1000 || echo "not ok a storm (status $?)"
# The schema that the rows of src/ocsf generate: it does not speak of the agent's own records (class 0).
check "every event is of the schema" bash -c 'grep -v "\"class_uid\":0," /var/log/safeguard/events.ndjson >/tmp/events.json &&
    safeguard-ocsf-schema >/tmp/schema.json && python3 /opt/safeguard/share/validate.py /tmp/schema.json /tmp/events.json'
check "explain says the rule" bash -c 'safeguard policy explain --agent /srv/vault/a | grep -q 10-vault.yaml:5'

cp "$policies/10-vault.yaml" /tmp/good.yaml
echo '  - {path: /srv/out/x, access: write, do: dny}' >>"$policies/10-vault.yaml"
check "a bad file is refused" bash -c '! safeguard policy reload'
check "the old policy stays" denied /srv/vault/a
cp /tmp/good.yaml "$policies/10-vault.yaml"
check "a good one is taken" safeguard policy reload

# Nobody asks for it: the directory is watched.
echo free >/srv/out/later
printf 'safeguard: 1\nmode: enforce\nfiles:\n  - {path: /srv/out/later, access: read, do: deny}\n' >"$policies/20-later.yaml"
check "a file that comes is noticed" await 120 'policy [0-9]+ is in force: 3 rules' "$run_log"
check "... and in force" denied /srv/out/later
rm "$policies/20-later.yaml"
check "so is that it goes" timeout 120 bash -c 'until cat /srv/out/later; do sleep 0.2; done'
# Nothing has changed: only the signal can be why.
kill -HUP "$agent"
check "SIGHUP reads the policies again" await 120 'building the policies: SIGHUP' "$run_log"
check "still the same" denied /srv/vault/a

# Some hundred times a second, from before the agent is gone until after the next one has come.
hammer() {
    exec 5<> <(:)
    while [[ ! -e /tmp/hammer.stop ]]; do
        if { read -r _ </srv/vault/a; } 2>/dev/null; then echo through; else echo denied; fi
        read -rt 0.005 -u 5 || true
    done >/tmp/hammer
}
hammer &
hammer=$!
kill -9 "$agent"
wait "$agent" 2>/dev/null
check "denied without an agent" denied /srv/vault/a
check "status says that there is none" bash -c '! safeguard status'
check "a new agent takes over" start_agent
check "still denied" denied /srv/vault/sub/b
touch /tmp/hammer.stop
wait $hammer
check "of $(grep -c denied /tmp/hammer) reads in the meantime not one got through" \
    bash -c '(($(grep -c denied /tmp/hammer) > 100)) && ! grep through /tmp/hammer'
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
check "the host is as it was" cat /srv/vault/a
echo 'process_records: yes' >>/etc/safeguard/agent.yaml
check "it comes back, and tells of processes" start_agent
check "denied as before" denied /srv/vault/a
rounds() { safeguard status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["self_test"]["rounds"])'; }
export -f rounds
before=$(rounds)
check "two self-tests more" timeout 120 bash -c "until ((\$(rounds) >= $before + 2)); do sleep 0.5; done"
python3 "$cases/agent_events.py" lives "$agent" || echo "not ok whose life is told (status $?)"
check "stop and detach again" safeguard stop --detach
wait "$agent" 2>/dev/null
check "no two records of all these runs have the same uid" python3 -c '
import collections, json
n = collections.Counter(json.loads(line)["metadata"]["uid"] for line in open("/var/log/safeguard/events.ndjson"))
twice = [uid for uid, times in n.items() if times > 1]
assert len(n) > 10 and not twice, (len(n), twice[:9])'
check "no pins are left" bash -c '! ls /sys/fs/bpf/safeguard 2>/dev/null | grep -q .'
cat "$run_log" >&2
