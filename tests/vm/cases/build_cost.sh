#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a build costs more: the source of lua is compiled by make -j, without anything, with programs that do nothing on every place
# that safeguard attaches to, and with the agent and the policies that it comes with. Once more, with the kernel's own tracing:
# every program that the build executes has a record. Runs inside a VM with compilers whose clock counts instructions (tools/vm run
# --root build --icount --share SOURCE:lua --share policies --share build/tests/bench/null.bpf.o). Prints numbers, and TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
# shellcheck source=tests/vm/cases/lives.lib
. "$(dirname "$0")/lives.lib"
share=/opt/safeguard/share

# Nanoseconds, which are instructions here: of all processes of the build by their own account, and on the clock.
build() {
    rm -rf /run/tree && cp -r "$share/lua" /run/tree || exit 1
    python3 - <<'PY'
import os, resource, subprocess, time
begin = time.monotonic_ns()
done = subprocess.run(["make", "-s", "-C", "/run/tree/src", "-j4", "posix"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
end = time.monotonic_ns()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    raise SystemExit(f"the build failed: {done.stderr[-500:]}")
print(int((used.ru_utime + used.ru_stime) * 1e9), end - begin)
PY
}
if [[ ${1:-} == build ]]; then
    build
    exit
fi
percent() { awk -v a="$1" -v b="$2" -v of="$3" 'BEGIN { printf "%.2f %%", (a - b) * 100 / of }'; }

build >/dev/null # what is read from disk for the first time
read -r none none_clock <<<"$(build)"
read -r null null_clock <<<"$(sg-bench-load "$share/null.bpf.o" bash "$0" build)"
check "builds were measured" test "${none:-0}" -gt 0 -a "${null:-0}" -gt 0
mkdir -p "$policies"
cp "$share"/policies/*.yaml "$policies"
export credentials=record defence=yes # as it is installed
check "the agent starts" start_agent safeguard-agent --process-records=yes --output-path /run/events
sleep 20 # what follows a start
read -r ours ours_clock <<<"$(build)"
check "with the agent, too" test "${ours:-0}" -gt 0
echo "# a build: $((none / 1000000)) million instructions; added: by null programs $(percent "$null" "$none" "$none"), by safeguard $(percent "$ours" "$none" "$none")"
echo "# with what the agent does meanwhile: $((none_clock / 1000000)) million; null $(percent "$null_clock" "$none_clock" "$none_clock"), safeguard $(percent "$ours_clock" "$none_clock" "$none_clock")"
check "at most 1 % more than null programs: $(percent "$ours" "$null" "$none")" test $(((ours - null) * 100)) -le "$none"

# Every object file was made by a compiler that was executed, and what was executed has a record.
before=$(lives_lost) skipped=$(status_number losses lives_skipped)
check "the kernel traces" lives_begin
check "one more build" build
check "the kernel traced all" lives_end /tmp/lives
check "everything is written" lives_written /run/events
objects=$(find /run/tree/src -name '*.o' | wc -l)
compilers=$(grep -c 'sched_process_exec: filename=[^ ]*/cc1 ' /tmp/lives)
check "$objects objects, $compilers compilers" test "$objects" -gt 30 -a "$compilers" -ge "$objects"
lives_compare "the build" /tmp/lives $$ $(($(lives_lost) - before)) $(($(status_number losses lives_skipped) - skipped)) /run/events*
unlock_defence
safeguard stop --detach >/dev/null
wait "$agent" 2>/dev/null
