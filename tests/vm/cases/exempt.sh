#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The agent under policies that refuse everything to everybody: it keeps working, starts again, and root can end it.
# Then under one that refuses a tree: it still finds the other names of what lies there. Runs inside a VM. Prints TAP.
#
# While everything is refused only what this shell has built in works, and safeguard's own programs. So the script is
# read to its end before (the braces), waits by reading from a pipe, and keeps no file open.
# shellcheck disable=SC2317 # functions are called through check
set -u
{
policies=/etc/safeguard/policies
events=/var/log/safeguard/events.ndjson

say() { # status, name, detail
    if [[ $1 == 0 ]]; then echo "ok $2"; else echo "not ok $2: ${3:-}"; fi
}
check() { # name, command…
    local name=$1 out status

    shift
    out=$("$@" 2>&1)
    status=$?
    say "$status" "$name" "${out:0:300}"
}
not() { ! "$@"; }

# Starts the agent as a child whose messages come through a pipe.
start_agent() {
    local line

    coproc AGENT { exec safeguard-agent --defence=no 2>&1; }
    agent=$AGENT_PID
    while read -r -t 400 -u "${AGENT[0]}" line; do
        messages+=$line$'\n'
        [[ $line == *"ready after"* ]] && return 0
    done
    return 1
}
messages=

# Built in: no program is started.
can_read() { { read -r _ <"$1"; } 2>&-; }
can_write() { { echo >&"$1"; } 2>&-; }
until_refused() { for ((i = 0; i < 20000; i++)); do can_write "$1" || return 0; done; return 1; }
denials() {
    local status

    status=$(safeguard status --json) || return 1
    [[ $status =~ \"denied\":\ *([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}
# Records of denials come through ring and merging to the counter: asks again until it has risen, each time with a
# denial more.
rises() { # from
    local n i

    for ((i = 0; i < 200; i++)); do
        can_read /etc/hostname
        n=$(denials) || return 1
        ((n > $1)) && return 0
    done
    echo "still $n"
    return 1
}

mkdir -p "$policies" /srv/vault/sub /srv/out
echo secret >/srv/vault/sub/b
ln /srv/vault/sub/b /srv/out/link
cp "$(command -v safeguard-agent)" /usr/sbin/
cp "$(command -v safeguard)" /usr/bin/
PATH=/usr/sbin:/usr/bin
hash -r

# All hooks are attached from the start: loading them may take longer than a reload waits.
cat >"$policies/10-everything.yaml" <<'YAML'
safeguard: 1
mode: enforce
files:
  - {path: "/srv/nothing/**", access: any, do: deny}
YAML
start_agent
say $? "the agent starts" "$messages"
# What reads and writes for this machine outside of it goes on.
cat >"$policies/10-everything.yaml" <<'YAML'
safeguard: 1
name: everything
mode: enforce
files:
  - {path: "/dev/vport*", access: any, do: allow}
  - {path: "/**", access: any, do: deny}
YAML
exec 7<>/dev/ptmx 8<>/srv/out/held 9<>/dev/null
warned=$(safeguard policy check "$policies" 2>&1)
check "policy check warns that nobody could log in" grep -q 'locks out.*nobody could log in' <<<"$warned"
echo "$warned" >&2
exec </dev/null
check "the policy is taken" safeguard policy reload
check "nothing can be read" not can_read /etc/hostname
check "no program starts" not cat /etc/hostname
# The agent looks for descriptors from before when a policy is in force, without holding up who reloads.
check "what was open before is refused, too" until_refused 8
check "but for a terminal" can_write 7
check "and what holds nothing" can_write 9
exec 8>&- # no program starts with it
check "status answers" safeguard status
check "so it does to who sits at a terminal" safeguard status <&7
before=$(denials)
check "the agent counts denials" rises "${before:-0}"
check "the policy is read again" safeguard policy reload
kill -9 "$agent"
wait "$agent"
check "nothing can be read without an agent" not can_read /etc/hostname
start_agent
say $? "the agent starts again" "$messages"
check "nothing can be read after that" not can_read /etc/hostname
status=$(safeguard status)
[[ $status == *enforcing* ]]
say $? "the new agent enforces" "$status"
before=$(denials)
check "the new agent counts denials" rises "${before:-0}"
[[ $(safeguard status --json) != *'"state": "failed"'* ]]
say $? "every hook proves itself to it" "$(safeguard status)"
check "another process is not exempt" not can_read /var/lib/safeguard/accepted-policies.json
check "root ends it" safeguard stop --detach
wait "$agent"
check "the host is as it was" cat /etc/hostname
check "its records went to its file" grep -q '/etc/hostname' "$events"

# Killed under the policy, and ended without an agent.
start_agent
say $? "it starts once more" "$messages"
kill -9 "$agent"
wait "$agent"
check "refused without an agent" not can_read /etc/hostname
check "root ends it without an agent" safeguard stop --detach
check "the host is as it was again" cat /etc/hostname

# A tree whose reading is refused, and a file in it that has another name elsewhere.
cat >"$policies/10-everything.yaml" <<'YAML'
safeguard: 1
name: vault
mode: enforce
files:
  - {path: [/srv/vault, "/srv/vault/**"], access: any, do: deny}
YAML
start_agent
say $? "the agent starts with a vault" "$messages"
check "the other name is refused" not can_read /srv/out/link
kill -9 "$agent"
wait "$agent"
rm -rf /var/lib/safeguard
start_agent
say $? "it starts under the policy, without what it knew" "$messages"
check "the directory is refused to others" not ls /srv/vault
check "the other name is still refused" not can_read /srv/out/link
check "the vault is opened again" safeguard stop --detach
check "and can be read" cat /srv/out/link
echo "$messages" >&2
exit
}
