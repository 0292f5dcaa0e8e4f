#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Each ring is filled while nobody reads it: what is lost is counted, told in the status and as a record of its own;
# what is denied stays denied, and denials are not crowded out by audits. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"

mkdir -p /srv/denied /srv/audited "$policies"
cat >"$policies/10-rings.yaml" <<'YAML'
safeguard: 1
name: rings
mode: enforce
files:
  - {path: "/srv/denied/*", access: read, do: deny}
  - {path: "/srv/audited/*", access: read, do: audit}
YAML
n_denied=900 n_audited=1500 n_runs=200
python3 - "$n_denied" <<'PY'
import sys
for i in range(int(sys.argv[1])):
    open(f"/srv/denied/{i}", "w").close()
open("/srv/audited/one", "w").close()
PY
check "the agent starts" start_agent safeguard-agent --ring-size 64K --process-records yes

# Opens each protected file of a range once, prints how many were refused.
try_denied() { # from, to
    python3 - "$1" "$2" <<'PY'
import sys
n = 0
for i in range(int(sys.argv[1]), int(sys.argv[2])):
    try:
        open(f"/srv/denied/{i}").close()
    except PermissionError as e:
        n += e.errno == 1
print(n)
PY
}
open_audited() { # how often
    python3 -c 'import os, sys
for i in range(int(sys.argv[1])): os.close(os.open("/srv/audited/one", os.O_RDONLY))' "$1"
}
delivered() { # path in the record: how many accesses
    cat "$events"* | python3 -c 'import json, sys
n = 0
for line in sys.stdin:
    if sys.argv[1] not in line: continue
    r = json.loads(line)
    if r["class_uid"] == 1001 and r.get("file", {}).get("path", "").startswith(sys.argv[1]): n += r.get("count", 1)
print(n)' "$1"
}
told() { # key: the sum of what records of losses said
    cat "$events"* | python3 -c 'import json, sys
print(sum(json.loads(l)["unmapped"].get(sys.argv[1], 0) for l in sys.stdin if "\"notice\":\"loss\"" in l))' "$1"
}
# Records come within moments; what is lost is told once in ten seconds.
adds_up() { # of how many, path, key
    local lost got said i
    for ((i = 0; i < 60; i++)); do
        lost=$(status_number losses "$3")
        got=$(delivered "$2")
        said=$(told "$3")
        ((got + lost == $1 && lost > 0 && said == lost)) && return 0
        sleep 1
    done
    echo "of $1: $got delivered, $lost lost, $said told"
    return 1
}
is_told() { # key
    local i
    for ((i = 0; i < 60; i++)); do
        (($(told "$1") == $(status_number losses "$1"))) && return 0
        sleep 1
    done
    return 1
}

# 1. Audits fill their ring; denials come after it is full.
kill -STOP "$agent"
open_audited "$n_audited"
few=$(try_denied 0 100)
kill -CONT "$agent"
check "denied while the audit ring is full" test "$few" -eq 100
check "lost audits add up" adds_up "$n_audited" /srv/audited/ audits_lost
check "no denial was crowded out" test "$(status_number losses denials_lost)" -eq 0
check "all of these denials are delivered" test "$(delivered /srv/denied/)" -eq 100

# 2. The other two.
kill -STOP "$agent"
many=$(try_denied 100 "$n_denied")
for ((i = 0; i < n_runs; i++)); do /bin/true; done
kill -CONT "$agent"
check "denied while the ring of denials is full" test "$many" -eq $((n_denied - 100))
check "lost denials add up" adds_up "$n_denied" /srv/denied/ denials_lost
check "lost records of processes are counted" test "$(status_number losses processes_lost)" -gt 0
check "and told" is_told processes_lost
check "people see it" bash -c 'safeguard status | grep -E "^ *lost.*denials lost: [0-9].*audits lost: [0-9].*processes lost: [0-9]"'
check "events show it" bash -c 'safeguard events --color never | grep -q "records of denials were lost"'
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2
