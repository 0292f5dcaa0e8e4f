#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A kernel that refuses the programs with quick decisions: others are loaded, which decide alike, and everybody who asks
# is told. What refuses is a library before the agent's own, since the verifiers of these kernels do not. Runs inside a
# VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

refusing=(env "LD_PRELOAD=$(command -v sg-refuse.preload)" SG_REFUSE=lsm_file_open SG_REFUSE_WORDS='R2 is not what it should be')
reason='the kernel refused the programs that have them: lsm_file_open: R2 is not what it should be'
verifier_log=/run/safeguard/verifier.log

# What the JSON of a command says of them: "True None" or "False REASON".
quick_of() { # command…
    "$@" --json | python3 -c '
import json, sys
whole = json.load(sys.stdin)
if "capabilities" in whole:
    q = next(c for c in whole["capabilities"] if c["id"] == "quick-decisions")
    print(q["ok"], q["detail"])
else:
    q = whole["quick_decisions"]
    print(q["on"], q.get("reason"))'
}
says() { # pattern, command…
    local pattern=$1
    shift
    "$@" >/tmp/said 2>&1
    cat /tmp/said
    grep -qE "$pattern" /tmp/said
}

vault_policy any

check "doctor says that they can be had" says '^True ' quick_of safeguard doctor
check "refused: doctor says so" says "^False $reason; .*four times" quick_of "${refusing[@]}" safeguard doctor
check "... in words" says 'no +quick-decisions +the kernel refused' "${refusing[@]}" safeguard doctor
check "... which is no reason to fail" "${refusing[@]}" safeguard doctor

check "refused: the agent starts with others" start_agent "${refusing[@]}" safeguard-agent
check "... which deny" denied /srv/vault/a
check "... its log says so" grep -q "quick decisions are limited: $reason" "$run_log"
check "... and what it costs, and where everything is" grep -q "four times as much; .*$verifier_log" "$run_log"
check "... the kernel's words are there" grep -q 'R2 is not what it should be' "$verifier_log"
check "... there is an event" await 20 '"notice":"kernel"' "$events"
check "... status says so" says "decisions +quick ones are limited: $reason" safeguard status
check "... and what to do" says "send $verifier_log to the makers" safeguard status
check "... which is no reason to fail" safeguard status
check "... and in its JSON" says "^False $reason" quick_of safeguard status
check "... it is said once" bash -c 'safeguard policy reload >/dev/null && [[ $(grep -c "quick decisions are limited" '"$run_log"') == 1 ]]'

kill -9 "$agent"
wait "$agent" 2>/dev/null
check "the next agent goes on with these programs" start_agent
check "... and says so" says '^False the kernel refused an earlier agent' quick_of safeguard status
check "... denied" denied /srv/vault/a
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null

check "not refused: the agent starts" start_agent
check "... with quick decisions" says 'decisions +quick ones are on' safeguard status
check "... in its JSON, too" says '^True None' quick_of safeguard status
check "... and says nothing of it" bash -c '! grep -q "quick decisions" '"$run_log"
kill -9 "$agent"
wait "$agent" 2>/dev/null
check "the next agent finds them on" start_agent
check "... in its status" says 'decisions +quick ones are on' safeguard status
check "... denied" denied /srv/vault/a
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
