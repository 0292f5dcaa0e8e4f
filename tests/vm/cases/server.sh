#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An agent and a server: enrolment, records that arrive once whatever is killed, policies that come down and are put in force or
# refused, commands, and what all that takes. The server is sg-peer. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

peer=/srv/peer
port=8443
mkdir -p "$peer" /srv/plain
vault_policy any
echo plain >/srv/plain/a

start_peer() {
    rm -f "$peer/token"
    sg-peer "$peer" "$port" >"$peer/log" 2>&1 &
    server=$!
    timeout 60 bash -c "until [[ -e $peer/token ]]; do sleep 0.2; done"
}
# What the server has seen, once it is so.
seen() { rm -f "$peer/seen" && kill -USR1 "$server" && timeout 20 bash -c "until [[ -e $peer/seen ]]; do sleep 0.1; done"; }
until_seen() { # seconds, command…
    local end=$((SECONDS + $1))
    shift
    while ((SECONDS < end)); do
        seen && "$@" && return 0
        sleep 0.5
    done
    return 1
}
# Records that the server has, and that it has each once.
has_all() { # how many
    local n wrong _
    read -r n wrong _ <"$peer/seen"
    ((n >= $1 && wrong == 0))
}
row() { grep -q "^$1 .*$2" "$peer/rows"; } # key, pattern
number() { # keys of the status's server…
    safeguard status --json | python3 -c '
import json, sys
o = json.load(sys.stdin)["server"]
for key in sys.argv[1:]: o = o[key]
print(o)' "$@"
}
accepted() { echo $(($(number spool security accepted) + $(number spool audit accepted))); }
arrive() { until_seen 120 has_all "$(accepted)"; }
deny() { for ((i = 0; i < $1; i++)); do cat /srv/vault/a; done 2>/dev/null; return 0; }

check "without a server the agent starts" start_agent safeguard-agent
check "... and says nothing of one" bash -c '! safeguard status | grep -q "^  server"'
check "... and has no spool" test ! -e /var/lib/safeguard/spool
alone=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$agent/status")

check "the server starts" start_peer
check "a wrong token is refused" bash -c '! safeguard-agent enrol --token sg1.nonsense'
rm -f /etc/machine-id
check "a host without a machine id is told how to get one" bash -c 'safeguard-agent enrol --token - <"$1" 2>&1 | grep -q "machine-id-setup"' - "$peer/token"
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
check "the host is enrolled" bash -c "safeguard-agent enrol --token - <$peer/token"
[[ -e /var/lib/safeguard/identity.json ]] || exit 1 # all that follows would wait for it in vain
check "the identity is nobody else's to read" bash -c '[[ $(stat -c %a /var/lib/safeguard/identity.json) == 600 ]]'
check "the running agent finds it" timeout 120 bash -c 'until safeguard status | grep -q "server .*online"; do sleep 0.5; done'
deny 5
check "records arrive" arrive
check "rows arrive" until_seen 60 row file_open '"state":"proved"'
check "the policy is proved" until_seen 60 row policy '"proved_ms":[0-9]'

# Policies of the server.
printf 'safeguard: 1\nmode: enforce\nfiles:\n  - {path: "/srv/plain/**", access: read, do: deny}\n' >"$peer/policies/50-plain.yaml"
kill -HUP "$server"
check "a policy of the server comes into force" timeout 300 bash -c 'until ! cat /srv/plain/a; do sleep 0.5; done'
check "... and the server hears of it" until_seen 60 row policy '"bundle":.*"state":"in-force"'
check "the host's own still holds" denied /srv/vault/a
printf 'safeguard: 1\nmode: enforce\nfiles:\n  - {path: "/srv/plain/**", acess: read, do: deny}\n' >"$peer/policies/50-plain.yaml"
kill -HUP "$server"
check "a broken one is refused" until_seen 120 row policy '"bundle":.*"state":"refused"'
check "... with its reason" row policy '50-plain.yaml.*acess'
check "... and the one before stays" denied /srv/plain/a
mv "$peer/policies/50-plain.yaml" "$peer/policies/50-held.yaml"
printf 'safeguard: 1\nmode: enforce\nfiles:\n  - {path: "/srv/plain/**", access: read, do: deny}\n' >"$peer/policies/50-held.yaml"
kill -HUP "$server"
check "one that is held back does not block" timeout 300 bash -c 'until cat /srv/plain/a; do sleep 0.5; done'
check "... and would deny" await 60 'would.*srv/plain/a|srv/plain/a.*[Ww]ould' "$events"

echo self-test >"$peer/command"
kill -USR2 "$server"
check "a self-test that the server asks for" until_seen 60 grep -q '"status":"done"' "$peer/result"

# The server is gone, and the agent is killed meanwhile.
kill -9 "$server"
deny 50
check "the agent misses it" timeout 120 bash -c 'until safeguard status | grep -q "server .*retrying"; do sleep 0.5; done'
kill -9 "$agent"
wait "$agent" 2>/dev/null
deny 20
check "another agent starts without a server" start_agent safeguard-agent
check "the server's policy is in force all the same" bash -c 'safeguard status | grep -q server-policies/50-held.yaml'
deny 5
waiting=$(number spool security waiting)
check "records wait: $waiting" test "$waiting" -ge 3
cat >"$policies/20-watch.yaml" <<'YAML'
safeguard: 1
name: watch
mode: enforce
files:
  - {path: "/srv/watch/**", access: read, do: audit}
YAML
mkdir -p /srv/watch
check "much is audited" safeguard policy reload
python3 -c '
for i in range(8000):
    path = f"/srv/watch/{i % 500}"
    open(path, "a+").close()'
most=0
sample() { # the most that is resident while it is sent
    local now
    while [[ ! -e /tmp/sample.stop ]]; do
        now=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$agent/status")
        ((now > most)) && most=$now && echo "$most" >/tmp/most
        sleep 0.2
    done
}
check "the backlog is large" timeout 60 bash -c 'until (($(safeguard status --json | python3 -c "import json,sys; print(json.load(sys.stdin)[\"server\"][\"spool\"][\"audit\"][\"waiting\"])") > 4000)); do sleep 1; done'
sample &
sampler=$!
check "the server starts again" start_peer
check "all of them arrive, each once" arrive

# What it takes.
touch /tmp/sample.stop
wait "$sampler"
most=$(</tmp/most)
both=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$agent/status")
echo "# resident: $alone kB without a server, $both kB with one, $most kB while it sends a backlog"
check "with a server its libraries are loaded" grep -q libcurl "/proc/$agent/maps"
# The kernel maps a ring's memory twice in a row, so that no record is cut at its end; the second time it takes none.
twice=$(awk '/^[0-9a-f]+-/ { ring = /bpf-map/ } ring && $1 == "Rss:" { n += $2 } ring && $1 == "Pss:" { n -= $2 } END { print n }' "/proc/$agent/smaps")
echo "# of which $twice kB are counted twice"
check "less than 36 MB of memory, libcurl and what it brings included" test "$((both - twice))" -lt 36000
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
kill "$server"
cat "$run_log" >&2
