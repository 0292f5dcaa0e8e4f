#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 100,000 audited opens and creates as fast as two processors go: every one is delivered or in our own count of
# losses, also when the agent is starved; it stays below 40 MB meanwhile, and its self-tests, whose own records wait
# behind all the others or are lost among them, tell of no hook that fails. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"
total=${BURST:-100000}

mkdir -p /srv/burst "$policies"
sg-attack burst /srv/burst 2 1 >/dev/null # what has to be there before
rm -f /srv/burst/new.*
cat >"$policies/10-burst.yaml" <<'YAML'
safeguard: 1
name: burst
mode: enforce
files:
  - {path: "/srv/burst/*", access: [read, create], do: audit}
  - {path: "/srv/other/*", access: io, do: audit}
YAML
check "the agent starts" start_agent safeguard-agent --self-test 1s
echo "# $(awk '$1 == "VmHWM:" { print $2 }' "/proc/$agent/status") kB at its most while it loaded its programs"
echo 5 >"/proc/$agent/clear_refs"
rounds=$(status_number self_test rounds)
check "the burst" bash -c "sg-attack burst /srv/burst $total 2 >/tmp/burst"
check "everything is written" await_quiet status_number output records

# What was delivered and what was counted as lost, of both kinds and by now.
count() {
    n_opened=$(cat "$events"* | grep -F '"path":"/srv/burst/existing.' | grep -cvF '"activity_id":1,')
    n_created=$(cat "$events"* | grep -F '"path":"/srv/burst/new.' | grep -cF '"activity_id":1,')
    lost=$(status_number losses audits_lost)
    dropped=$(status_number losses records_dropped)
    echo "# $n_opened opens and $n_created creates delivered, $lost lost in the ring, $dropped dropped by the output"
}
echo "# $(cat /tmp/burst)"
count
check "every record is delivered or counted ($((n_opened + n_created)) + $lost + $dropped)" \
    test $((n_opened + n_created + lost + dropped)) -eq "$total"
check "all are delivered" test $((n_opened + n_created)) -eq "$total"
rounds=$(($(status_number self_test rounds) - rounds))
check "no hook is said to fail ($rounds self-tests)" bash -c '(($1 > 5)) && ! grep -E "self-test (failed|cannot)" "$2"' - "$rounds" "$run_log"
peak=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$agent/status")
check "the agent stayed below 40 MB ($peak kB at its most)" test "$peak" -lt 40000

# An agent that gets no processor while others want one: what it has no room for is lost, and counted.
chrt --all-tasks --idle --pid 0 "$agent"
rm -f /srv/burst/new.*
rounds=$(status_number self_test rounds)
check "the burst, with an agent that is starved" bash -c "sg-attack burst /srv/burst $total 2 >/tmp/burst"
chrt --all-tasks --other --pid 0 "$agent"
check "everything is written again" await_quiet status_number output records
count
check "records were lost" test "$lost" -gt 0
rounds=$(($(status_number self_test rounds) - rounds))
# Among these may be what the agent says of losses itself, and records of self-tests.
more=$((n_opened + n_created + lost + dropped - 2 * total))
check "every record is delivered or counted, too ($more more, $rounds self-tests)" test $more -ge 0 -a $more -le $((2 * rounds))
check "no hook is said to fail meanwhile" bash -c '! grep -E "self-test (failed|cannot)" "$1"' - "$run_log"

check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2
