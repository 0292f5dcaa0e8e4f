#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/run on a machine whose kernel can carry it: this guest is the "host". Monitor mode, records as they come, and
# nothing left after the end, Ctrl-C and the end of the agent. Runs inside a VM. Prints TAP.
#
# With "no" as the argument: a kernel that cannot be trusted to deny, where tools/run has to say so and take the VM.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
tree=/opt/safeguard/share/tree
out=/tmp/run.out

has() { grep -qE -- "$1" "$out"; }
lacks() { ! grep -E -- "$1" "$out"; }

nothing_left() {
    local left

    left=$(ls -d /run/safeguard-demo* /tmp/safeguard-demo* /sys/fs/bpf/safeguard-demo* 2>/dev/null
        pgrep -l safeguard
        bpftool -j prog show | grep -oE '"name":"(lsm|fmod|tp)_[a-z]*"')
    grep safeguard-demo /proc/self/mounts && left+=mount
    [[ -z $left ]] || { echo "left: $left"; return 1; }
}

# In a process group of its own that Ctrl-C can reach: what bash starts in the background ignores it.
start_run() { # scene
    : >"$out"
    env --default-signal=INT setsid "$tree/tools/run" "$1" >"$out" 2>&1 &
    runner=$!
}
ctrl_c() {
    kill -INT -- "-$runner"
    wait "$runner"
    status=$?
}

mkdir -p "$tree/build/src/cli" "$tree/build/src/agent" "$tree/build/src/server"
cp /opt/safeguard/bin/safeguard "$tree/build/src/cli/"
cp /opt/safeguard/bin/safeguard-agent "$tree/build/src/agent/"
cp /opt/safeguard/bin/safeguard-server "$tree/build/src/server/"
# As an installed system has it.
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id

if [[ ${1:-} == no ]]; then
    "$tree/tools/run" >"$out" 2>&1
    check "a kernel that cannot be trusted to deny is not used" has '^In a VM: this kernel records, but cannot be trusted'
    WHERE=host "$tree/tools/run" >"$out" 2>&1
    check "asked for, the agent says why it does not start" has 'cannot be trusted to deny as it runs now'
    check "nothing is left" nothing_left
    exit
fi

check "the scene plays" timeout 500 bash -c "'$tree/tools/run' >'$out' 2>&1"
check "it says where and how" has '^On this machine: .*monitor mode'
check "what would be denied is shown as it happens" has 'WOULD DENY .*cat.*/vault/secret'
check "nothing is blocked" has '^the secret$'
check "nothing is refused" lacks 'Operation not permitted'
check "the bind mount in a namespace of its own is seen" bash -c "grep -A 20 'mount namespace of its own' '$out' | grep -q 'WOULD DENY.*cat.*dash.*vault/secret'"
check "the state is shown at the end" has 'monitoring, nothing is blocked'
check "nothing is left" nothing_left
cp "$out" /tmp/scene.out

start_run none
check "without a scene it waits" await 500 'until Ctrl-C' "$out"
vault=$(ls -d /tmp/safeguard-demo-*/vault)
cat "$vault/secret" >/dev/null
check "what a person does is shown" await 60 "WOULD DENY .*cat.*$vault/secret" "$out"
ctrl_c
check "Ctrl-C ends it with 130" [ "$status" = 130 ]
check "nothing is left after Ctrl-C" nothing_left

# At a terminal there is a shell beside what is shown.
cat >/tmp/terminal.py <<'PY'
import os, pty, re, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "none"])
seen = ""
def expect(pattern, after=0):
    global seen
    while not re.search(pattern, seen[after:]):
        if not select.select([fd], [], [], 600)[0]:
            sys.exit("no " + pattern + " in: " + seen[-2000:])
        seen += os.read(fd, 65536).decode(errors="replace")
expect(r"\[safeguard\] \S+ # ")
at = len(seen)
os.write(fd, b"cat vault/secret\n")
expect("the secret", at)
expect("WOULD DENY .*cat.*/vault/secret", at)
os.write(fd, b"\x03")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
check "at a terminal: a shell, what is done in it is shown, and Ctrl-C ends it" python3 /tmp/terminal.py "$tree/tools/run"
check "nothing is left after the shell" nothing_left

start_run scene
check "the scene begins" await 500 'by its name' "$out"
ctrl_c
check "Ctrl-C ends the scene" [ "$status" = 130 ]
check "nothing is left after Ctrl-C in the scene" nothing_left

start_run none
check "it starts once more" await 500 'Starting the agent' "$out"
ctrl_c
check "Ctrl-C ends it while it starts" [ "$status" = 130 ]
check "nothing is left after Ctrl-C in the start" nothing_left

start_run none
check "it waits again" await 500 'until Ctrl-C' "$out"
kill -9 "$(pgrep -x safeguard-agent)"
ctrl_c
check "nothing is left when the agent was killed" nothing_left

setpriv --reuid 1000 --regid 1000 --clear-groups "$tree/tools/run" >"$out" 2>&1
check "not root: it says so" has '^In a VM: only root .* this is alice'
cat /tmp/scene.out >&2
