#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the agent does when there is nothing to do, with the processes of its self-tests: less than 0.1 % of a processor, and what its own
# defence adds to that: the looks that it takes once a second and the canary of its programs. In a VM that counts instructions, where a
# nanosecond is one. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"
round=7 # seconds between two self-tests
group=/sys/fs/cgroup/idle
tests=8
span=60

mkdir -p /srv/vault "$policies"
cp "$cases/vault.yaml" "$policies/10-vault.yaml"
# IDLE_ALL: nearly all hooks that there are, in each self-test.
[[ -z ${IDLE_ALL:-} ]] || cp "$cases/control.yaml" "$policies/20-control.yaml"
mkdir $group

# Without a process, of which the agent would have to know: nanoseconds of its control group, and to wait.
spent() { # → ns
    local us
    read -r _ us <$group/cpu.stat # usage_usec comes first
    ns=$((us * 1000))
}
exec {nothing}<> <(:)
pause() { read -rt "$1" -u "$nothing"; }
start() { # options…
    echo $$ >$group/cgroup.procs
    start_agent safeguard-agent --output-path /run/events "$@"
    echo $$ >/sys/fs/cgroup/cgroup.procs
    await 60 'ready after' "$run_log"
}
ticks() { awk '{ print $14, $15 }' "/proc/$agent/stat"; }
# A self-test is more than what is done between two of them: counted is from one to another, or one more or less would be the difference.
await_test() {
    local before

    pause 6 # behind the last one, and behind whatever else takes long
    for ((i = 0; i < 100; i++)); do
        spent && before=$ns
        pause 0.3
        spent && ((ns - before > 700000)) && return
    done
}
measure() { # → idle, of that span
    local before user system user_after system_after began ms

    sleep 20 # what follows a start
    await_test
    read -r user system < <(ticks)
    await_test
    spent && before=$ns began=${EPOCHREALTIME/./}
    for ((n = 0; n < tests; n++)); do await_test; done
    spent && ms=$(((${EPOCHREALTIME/./} - began) / 1000))
    idle=$(((ns - before) * span * 1000 / ms))
    read -r user_after system_after < <(ticks)
    echo "# defence $defence: $((idle * round / span)) instructions in $round s; in $ms ms $((user_after - user)) ticks of user time, $((system_after - system)) of system time"
}

defence=no
check "the agent starts" start
measure
without=$idle
check "it idles: $((idle / 1000)) us of $span s" test "$idle" -lt $((span * 1000 * 1000))
echo "# $(awk '$1 == "VmHWM:" || $1 == "VmRSS:" { printf "%s %d kB ", $1, $2 }' "/proc/$agent/status")"
if [[ -n ${IDLE_TRACE:-} ]]; then
    timeout 30 strace -f -c -p "$agent" 2>&1 | head -n 25 | sed 's/^/# /'
    awk '/^[0-9a-f]+-/ { name = $6 } $1 == "Rss:" { rss[name] += $2 } END { for (n in rss) if (rss[n] > 300) print "# rss", rss[n], n }' "/proc/$agent/smaps"
fi
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2

defence=yes
check "an agent that defends itself starts" start
safeguard unlock --new-secret >/tmp/secret # as every host has one
measure
check "it idles: $((idle / 1000)) us of $span s" test "$idle" -lt $((span * 1000 * 1000))
more=$((idle > without ? idle - without : 0))
echo "# the defence adds $((more * round / span)) instructions in $round s, $((idle * 100 / without)) % of what it is without"
check "its defence adds less than 0.01 % of a processor: $((more / 1000)) us of $span s" test "$more" -lt $((span * 100 * 1000))
unlock_defence
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2

# What looks at the network has nothing to do, either, while nobody talks: a look at its tables every five seconds.
defence=no
check "an agent that looks at the network starts" start --flows=on --dns=on
measure
echo "# looking at the network adds $(((idle - without) * round / span)) instructions in $round s"
echo "# $(awk '$1 == "VmHWM:" || $1 == "VmRSS:" { printf "%s %d kB ", $1, $2 }' "/proc/$agent/status")"
more=$((idle > without ? idle - without : 0))
check "looking at the network adds less than 0.01 % of a processor: $((more / 1000)) us of $span s" test "$more" -lt $((span * 100 * 1000))
check "stop and detach" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2
