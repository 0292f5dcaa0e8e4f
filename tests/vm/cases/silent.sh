#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One hook does not refuse any more, by what no program of ours can see: a module of the kernel takes its answer away. Within 10 s that
# is known, whichever hook it is; and again when it refuses. With the argument "defence" no policy speaks of anything but files: what is
# silent then is safeguard's own defence. Runs inside a VM whose clock counts instructions. Prints TAP.
set -u
what=${1:-hooks}
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
tools=/opt/safeguard/share/module
deaf=/sys/module/tamper/parameters/deaf

mkdir -p "$policies"
cp "$cases/vault.yaml" "$policies/10-vault.yaml"
[[ $what == defence ]] || cp "$cases/control.yaml" "$policies/20-control.yaml"
check "the module" python3 "$tools/loader.py" "$tools/tamper.ko"
defence=yes
check "the agent starts" start_agent

# Milliseconds until the log has another line like it.
lines() { grep -cE -- "$1" "$run_log"; }
until_more() { # how many there were, pattern
    local begin
    begin=$(date +%s%3N)
    timeout 20 bash -c 'until (($(grep -cE -- "$2" "$3") > $1)); do sleep 0.2; done' - "$1" "$2" "$run_log" || return
    took=$(($(date +%s%3N) - begin))
}

within() { # what, milliseconds at most, how many lines there were, pattern
    took=-1
    until_more "$3" "$4"
    check "$1: $took ms" test "$took" -ge 0 -a "$took" -le "$2"
}

# The function of the kernel that asks the hook, and the hook. Of those that policies speak of the first rows of the table, its middle, and
# its last; all of the defence's own that such a function asks.
rows() {
    if [[ $what == defence ]]; then
        cat <<'ROWS'
security_ptrace_access_check guard_ptrace
security_task_kill guard_task_kill
security_file_send_sigiotask guard_sigio
security_task_setnice guard_setnice
security_task_setioprio guard_setioprio
security_task_setscheduler guard_setscheduler
security_task_movememory guard_movememory
security_task_setrlimit guard_setrlimit
security_bpf guard_bpf
security_bpf_map guard_bpf_map
security_bpf_prog guard_bpf_prog
__cgroup_bpf_run_filter_sysctl guard_sysctl
ROWS
    else
        cat <<'ROWS'
security_file_open file_open
security_inode_rename inode_rename
security_inode_create inode_create
security_task_kill task_kill
security_ptrace_access_check ptrace_access_check
security_socket_create socket_create
security_perf_event_open perf_event_open
security_bprm_creds_from_file bprm_creds_from_file
ROWS
    fi
}

while read -r function hook; do
    failed="hook $hook .*its self-test failed" proved="hook $hook .*proved itself again"
    failures=$(lines "$failed") proofs=$(lines "$proved")
    if ! echo "$function" >$deaf 2>/tmp/deaf.err; then
        echo "not ok $hook: $(tr '\n' ' ' </tmp/deaf.err)"
        continue
    fi
    within "$hook is silent: it is told" 10000 "$failures" "$failed"
    check "... status fails and says so" bash -c '! safeguard status --json >/tmp/status.json; grep -q "\"failing\": [1-9]" /tmp/status.json'
    echo none >$deaf
    within "... and that it refuses again" 10000 "$proofs" "$proved"
done < <(rows)
check "status is right again" safeguard status

# What the self-test asks is no attempt; and in the window of an unlock, in which it would be let through, it is not asked.
state() { # hook
    safeguard status --json | python3 -c 'import json, sys; print([h["state"] for h in json.load(sys.stdin)["hooks"] if h["id"] == sys.argv[1]][0])' "$1"
}
reaches() { # hook, state
    timeout 20 bash -c "until [[ \$(state $1) == $2 ]]; do sleep 0.2; done"
}
if [[ $what == defence ]]; then
    export -f state
    check "no attempt was counted" test "$(status_number defence attempts) $(status_number defence refused)" = "0 0"
    check "no record of one" bash -c "! grep -q safeguard.s.own.defence $events"
    unlock_defence
    failures=$(lines "its self-test failed")
    echo security_ptrace_access_check >$deaf
    check "... then it is not asked" reaches guard_ptrace untestable
    check "... and nothing is said to fail" test "$(lines "its self-test failed") $(status_number self_test failing)" = "$failures 0"
    echo none >$deaf
    check "it is locked" safeguard lock
    check "... and proves itself again" reaches guard_ptrace proved
fi
cat "$run_log" >&2
