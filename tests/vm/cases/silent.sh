#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One hook does not refuse any more, by what no program of ours can see: a module of the kernel takes its answer away. Within 10 s that
# is known, whichever hook it is; and again when it refuses. Runs inside a VM whose clock counts instructions. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
tools=/opt/safeguard/share/module
deaf=/sys/module/tamper/parameters/deaf

mkdir -p "$policies"
cp "$cases/vault.yaml" "$policies/10-vault.yaml"
cp "$cases/control.yaml" "$policies/20-control.yaml"
check "the module" python3 "$tools/loader.py" "$tools/tamper.ko"
defence=yes
check "the agent starts" start_agent

# Milliseconds until the log has another line like it.
lines() { grep -cE -- "$1" "$run_log"; }
until_more() { # how many there were, pattern
    local begin
    begin=$(date +%s%3N)
    timeout 60 bash -c 'until (($(grep -cE -- "$2" "$3") > $1)); do sleep 0.2; done' - "$1" "$2" "$run_log" || return
    took=$(($(date +%s%3N) - begin))
}

within() { # what, milliseconds at most, how many lines there were, pattern
    took=-1
    until_more "$3" "$4"
    check "$1: $took ms" test "$took" -ge 0 -a "$took" -le "$2"
}

# The function of the kernel that asks the hook, and the hook. The first rows of the table, its middle, and its last.
while read -r function hook; do
    failed="hook $hook .*its self-test failed" proved="hook $hook .*proved itself again"
    failures=$(lines "$failed") proofs=$(lines "$proved")
    if ! echo "$function" >$deaf 2>/tmp/deaf.err; then
        echo "not ok $hook: $(tr '\n' ' ' </tmp/deaf.err)"
        continue
    fi
    within "$hook is silent: it is told" 10000 "$failures" "$failed"
    check "... status fails and says so" bash -c '! safeguard status --json >/tmp/status.json; grep -q "\"failing\": 1" /tmp/status.json'
    echo none >$deaf
    within "... and that it refuses again" 10000 "$proofs" "$proved"
done <<'ROWS'
security_file_open file_open
security_inode_rename inode_rename
security_inode_create inode_create
security_task_kill task_kill
security_ptrace_access_check ptrace_access_check
security_socket_create socket_create
security_perf_event_open perf_event_open
security_bprm_creds_from_file bprm_creds_from_file
ROWS
check "status is right again" safeguard status
cat "$run_log" >&2
