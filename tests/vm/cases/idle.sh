#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the agent does when there is nothing to do: less than 0.1 % of a processor. In a VM that counts instructions,
# where a nanosecond is one. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"

mkdir -p /srv/vault "$policies"
cp "$cases/vault.yaml" "$policies/10-vault.yaml"
check "the agent starts" start_agent safeguard-agent --output-path /run/events

# By the scheduler's own account of all its threads.
spent() { cat /proc/"$agent"/task/*/schedstat | awk '{ n += $1 } END { print n }'; }
sleep 20 # what follows a start
before=$(spent)
sleep 60
idle=$(($(spent) - before))
check "it idles: $((idle / 1000)) us of 60 s" test "$idle" -lt $((60 * 1000 * 1000))
echo "# $(awk '$1 == "VmHWM:" || $1 == "VmRSS:" { printf "%s %d kB ", $1, $2 }' "/proc/$agent/status")"
if [[ -n ${IDLE_TRACE:-} ]]; then
    timeout 30 strace -f -c -p "$agent" 2>&1 | head -n 25 | sed 's/^/# /'
    awk '/^[0-9a-f]+-/ { name = $6 } $1 == "Rss:" { rss[name] += $2 } END { for (n in rss) if (rss[n] > 300) print "# rss", rss[n], n }' "/proc/$agent/smaps"
fi
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2
