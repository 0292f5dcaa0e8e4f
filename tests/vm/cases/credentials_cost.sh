#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What it costs to watch credentials, beside programs that do nothing in the same places. Runs inside a VM whose clock counts
# instructions (tools/vm run --icount --share build/tests/bench/null_cred.bpf.o). Prints numbers, and TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
operations=(open:/etc/hostname stat:/etc/hostname create:/run/cost "exec:$(command -v sg-bench-work)")

# The medians of the operations, in their order.
measured() { "$@" sg-bench-work -c "${operations[@]}" | awk '{ print $3 }' | tr '\n' ' '; }
with_agent() { # credentials
    credentials=$1 start_agent safeguard-agent >&2 || { echo "not ok an agent with credentials: $1"; exit 1; }
    sleep 20 # what follows a start
    measured
    safeguard stop --detach >/dev/null
    wait "$agent" 2>/dev/null
}
mkdir -p "$policies"
read -ra none <<<"$(measured)"
read -ra null <<<"$(measured sg-bench-load /opt/safeguard/share/null_cred.bpf.o)"
read -ra off <<<"$(with_agent off)"
read -ra record <<<"$(with_agent record)"
for i in "${!operations[@]}"; do
    name=${operations[i]%%:*}
    echo "# $name: ${none[i]}; added: by null programs $((null[i] - none[i])), by an agent without $((off[i] - none[i])), with credentials: record $((record[i] - none[i]))"
done
# Two programs at one hook cost more than one: the agent has another one at this hook, for rules about files.
check "an open costs at most 140 instructions more than without" test $((record[0] - off[0])) -le 140
check "it costs something" test $((record[0] - none[0])) -gt 0
