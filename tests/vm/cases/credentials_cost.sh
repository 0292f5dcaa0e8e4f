#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What it costs to watch credentials, beside programs that do nothing in the same places. Runs inside a VM whose clock counts
# instructions (tools/vm run --icount --share build/tests/bench/null_cred.bpf.o). Prints numbers, and TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
operations=(open:/srv/file stat:/srv/file create:/run/cost "exec:$(command -v sg-bench-work)")

# The medians of the operations, in their order.
measured() { "$@" sg-bench-work -c "${operations[@]}" | awk '{ print $3 }' | tr '\n' ' '; }
with_agent() { # credentials
    credentials=$1 start_agent safeguard-agent >&2 || { echo "not ok an agent with credentials: $1"; exit 1; }
    sleep 20 # what follows a start
    measured
    safeguard stop --detach >/dev/null
    wait "$agent" 2>/dev/null
}
say() { # where, numbers without credentials, with them
    local -n without=$2 with=$3
    for i in "${!operations[@]}"; do
        echo "# $1 ${operations[i]%%:*}: ${none[i]}; added: by null programs $((null[i] - none[i])), by an agent without credentials $((without[i] - none[i])), with them $((with[i] - none[i]))"
    done
}
mkdir -p "$policies"
echo text >/srv/file
read -ra none <<<"$(measured)"
read -ra null <<<"$(measured sg-bench-load /opt/safeguard/share/null_cred.bpf.o)"
read -ra off <<<"$(with_agent off)"
read -ra record <<<"$(with_agent record)"
say "no rules:" off record
# With a rule about files its program looks, too: one program less.
vault_policy read
read -ra rules_off <<<"$(with_agent off)"
read -ra rules_record <<<"$(with_agent record)"
say "rules about files:" rules_off rules_record
check "an open costs at most 120 instructions more than null programs: $((record[0] - off[0] - null[0] + none[0]))" \
    test $((record[0] - off[0] - null[0] + none[0])) -le 120
check "with rules about files at most 140 more than without: $((rules_record[0] - rules_off[0]))" \
    test $((rules_record[0] - rules_off[0])) -le 140
check "it costs something" test $((record[0] - off[0])) -gt 0
