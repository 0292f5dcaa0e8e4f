#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What cannot be done is said, ends with a status, and leaves the host as it was: no place left on a hook, places
# for pins that are none, no BTF, no memory, programs switched off. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
bpffs=/sys/fs/bpf

# Ends by itself, with a status that is none of success, and with a message.
refuses() { # pattern of the message, arguments of the agent
    local pattern=$1 status
    shift
    timeout 600 safeguard-agent --defence=no "$@" >"$run_log" 2>&1
    status=$?
    echo "status $status"
    tail -n 5 "$run_log"
    ((status != 0 && status != 124 && status < 128)) && grep -qE "$pattern" "$run_log"
}

# Everything in the kernel that is loaded, by kind and number.
objects() {
    bpftool prog show | awk -F: '/^[0-9]+:/ { print "prog", $1, $2 }'
    bpftool map show | awk -F: '/^[0-9]+:/ { print "map", $1, $2 }'
    bpftool link show | awk -F: '/^[0-9]+:/ { print "link", $1 }'
    find "$bpffs" -mindepth 1 | sed 's/^/pin /'
}
objects >/tmp/before 2>/dev/null
# The kernel takes programs away after their last user has gone: that is waited for.
as_before() {
    for _ in $(seq 100); do
        objects >/tmp/after
        # bpftool's own iterator program comes and goes.
        diff <(grep -v pid_iter /tmp/before | grep -v 'pid_iter\|iter ') <(grep -v 'pid_iter\|iter ' /tmp/after) >/tmp/difference && return 0
        sleep 0.1
    done
    cat /tmp/difference
    return 1
}

# The roots that no mount table has, the self-test's: device and state of each.
own_roots() {
    bpftool -j map dump pinned "$bpffs/safeguard/maps/sg_roots" | python3 -c '
import json, sys
def words(hex):
    data = bytes(int(byte, 16) for byte in hex)
    return [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]
mounted = {tuple(map(int, line.split()[2].split(":"))) for line in open("/proc/self/mountinfo")}
for row in sorted(json.load(sys.stdin), key=str):
    (policy, dev), (state, *_) = words(row["key"]), words(row["value"])
    if state and (dev >> 20, dev & 0xfffff) not in mounted:
        print(f"{dev}:{state}", end=" ")'
}

fill() { # hook, places to leave
    coproc FILL { sg-fill "$@"; }
    read -r places <&"${FILL[0]}"
    echo "# $places places of $1 are taken"
}
unfill() {
    eval "exec ${FILL[1]}>&-"
    wait "$FILL_PID" 2>/dev/null
}

vault_policy read
cat >/tmp/more.yaml <<'YAML'
safeguard: 1
name: more
mode: enforce
files:
  - {path: "/srv/more/**", access: delete, do: deny}
YAML

# --- no place left on a hook
fill inode_link 0
check "no place left on a hook: the agent runs, and protects nothing" start_agent
check "... it says which" grep -qE 'program lsm_inode_link cannot be attached' "$run_log"
check "... and what to do" grep -q 'to do' "$run_log"
cat "$run_log" >&2
check "... status fails" bash -c '! safeguard status >/tmp/status'
check "... says the same, and does not claim to enforce" bash -c '! head -n 1 /tmp/status | grep -qE "enforcing$" && grep -q "inode_link cannot be attached" /tmp/status'
cat /tmp/status >&2
check "... there is an event" await 20 'inode_link cannot be attached' "$events"
check "... and the file is read as before" cat /srv/vault/a
check "... it ends" safeguard stop --detach
wait "$agent" 2>/dev/null
unfill
check "... and nothing of it is left" as_before

# --- a policy in force is not disturbed by what cannot be done
umount "$bpffs" || echo "not ok the bpf file system can be taken away"
check "without a bpf file system: the agent mounts one" start_agent
check "... denied" denied /srv/vault/a
safeguard-agent --defence=no >/tmp/second.log 2>&1
status=$?
check "a second agent ends" test "$status" != 0
check "... says why" grep -q 'in use\|other agent' /tmp/second.log
check "... and leaves the first one alone" safeguard status
own=$(own_roots)
check "the self-test has places of its own" test -n "$own"
fill inode_unlink 0
cp /tmp/more.yaml "$policies/20-more.yaml"
check "a policy that needs a full hook is refused" bash -c '! safeguard policy reload >/tmp/reload 2>&1'
cat /tmp/reload >&2
check "... and the hook is named" grep -q inode_unlink /tmp/reload
check "... and the old policy stays in force" denied /srv/vault/a
# The mount table is looked at again under the policy in force, and not under what was refused.
mkdir -p /mnt/later
mount -t tmpfs later /mnt/later
check "... what is mounted then becomes known" await_quiet bpftool map dump pinned "$bpffs/safeguard/maps/sg_roots"
check "... and the self-test's own places are what they were: $own" test "$(own_roots)" = "$own"
umount /mnt/later
check "... and status says so" timeout 120 bash -c 'until grep -q inode_unlink /tmp/status; do safeguard status >/tmp/status 2>&1; done; true'
cat /tmp/status >&2
rm "$policies/20-more.yaml"
check "the old files are taken again" safeguard policy reload
unfill

# --- a policy comes into force, but not everything that goes with it can be done
cp /tmp/more.yaml "$policies/20-more.yaml"
check "a policy that needs another hook" safeguard policy reload
pin=$(find "$bpffs/safeguard/links" -name '*inode_unlink')
mount --bind /dev/null "$pin"
rm "$policies/20-more.yaml"
check "one that does not need it, but its pin cannot be removed: in force" safeguard policy reload
check "... its rules are those" test "$(status_number policy rules)" = 1
check "... denied" denied /srv/vault/a
safeguard status >/tmp/status
check "... status says what could not be done" grep -q 'could not be completed' /tmp/status
cat /tmp/status >&2
check "... and there is an event" await 20 'could not be completed' "$events"
umount "$pin"
check "once more, without the obstacle" safeguard policy reload
check "... the pin is gone" test ! -e "$pin"
check "... and status is right" safeguard status
kill -9 "$agent"
wait "$agent" 2>/dev/null
check "kill -9: denied" denied /srv/vault/a
fill inode_link 0
check "no place left: the next agent goes on with the programs of the one before" start_agent
check "... denied" denied /srv/vault/a
check "... and status is right" safeguard status
unfill

# --- somebody switches all programs off
echo 0 >/proc/sys/kernel/ftrace_enabled 2>/dev/null
if cat /srv/vault/a >/dev/null 2>&1; then
    check "programs switched off: the log says so" await 120 'ftrace_enabled' "$run_log"
    check "... status fails and says so" bash -c '! safeguard status >/tmp/status; grep -q ftrace_enabled /tmp/status'
    check "... and does not say enforcing" bash -c '! head -n 1 /tmp/status | grep -qE "enforcing$"'
    head -n 1 /tmp/status >&2
    check "... and so does the JSON" bash -c '! safeguard status --json >/tmp/status.json; python3 -c "
import json; s = json.load(open(\"/tmp/status.json\")); assert s[\"enforcing\"] is not True, s[\"enforcing\"]"'
    check "... and there is an event" await 30 'ftrace_enabled|self-test|self_test' "$events"
    echo 1 >/proc/sys/kernel/ftrace_enabled
    check "switched on again: denied" denied /srv/vault/a
    check "... status is right again" await 120 'proved itself again' "$run_log"
    check "... and in status" safeguard status
else
    echo "ok programs switched off # SKIP: this kernel does not let them be (EBUSY)"
fi
if echo 0 >/proc/sys/kernel/ftrace_enabled 2>/dev/null; then
    check "not detached while they are off: the kernel would lose ftrace" bash -c '! safeguard stop --detach >/tmp/stop 2>&1; grep -q ftrace_enabled=1 /tmp/stop'
    echo 1 >/proc/sys/kernel/ftrace_enabled
fi
check "detached" safeguard stop --detach
wait "$agent" 2>/dev/null
check "... and nothing is left" as_before

# --- programs switched off before
if echo 0 >/proc/sys/kernel/ftrace_enabled 2>/dev/null; then
    check "switched off before the start: the agent says so" refuses 'ftrace_enabled=1'
    check "... and so does doctor" bash -c '! safeguard doctor >/tmp/doctor; grep -q ftrace_enabled=1 /tmp/doctor'
    echo 1 >/proc/sys/kernel/ftrace_enabled
    check "... and nothing is left" as_before
fi

# --- places for pins
mkdir -p /tmp/pins
check "pins in an ordinary directory: refused" refuses '/tmp/pins.*bpf' --pin-dir=/tmp/pins
check "... and nothing is left" as_before
check "... not even a file" bash -c '! ls -A /tmp/pins | grep -q .'
# --- no BTF, no memory
mount --bind /dev/null /sys/kernel/btf/vmlinux
check "without BTF: the agent says so" refuses 'BTF|btf'
check "... and so does doctor" bash -c 'safeguard doctor >/tmp/doctor; [[ $? != 0 ]] && grep -qi btf /tmp/doctor'
umount /sys/kernel/btf/vmlinux
check "... and nothing is left" as_before
# Where it ends differs with the limit; at each the agent says that it is memory, for what, and what to do.
starved() { # KiB of address space
    local status
    (ulimit -v "$1" && exec timeout 300 safeguard-agent --defence=no) >"$run_log" 2>&1
    status=$?
    echo "status $status"
    tail -n 3 "$run_log"
    ((status != 0 && status != 124 && status < 128)) && tr '\n' ' ' <"$run_log" | grep -qE "error: .*(cannot|refused).*to do: more memory" &&
        ! grep -qE "No such process|makers of safeguard" "$run_log"
}
for limit in 30000 45000 60000; do
    check "too little memory ($limit KiB): the agent says so" starved "$limit"
done
check "... and nothing is left" as_before

# --- the way back, with obstacles: places of the agent's that others have put something on or into, and denials at the last
# moment, of which the kernel has only counted most.
canary=/run/safeguard/canary
mkdir -p $canary/umount $canary/other
mount -t tmpfs one $canary/umount && mount -t tmpfs two $canary/umount
watches=$(cat /proc/sys/fs/inotify/max_user_watches)
echo 0 >/proc/sys/fs/inotify/max_user_watches
check "programs can still be attached" start_agent
check "... denied" denied /srv/vault/a
safeguard status >/tmp/status
check "... status says that changes of the policies are not noticed" grep -q 'policies are not noticed' /tmp/status
echo "$watches" >/proc/sys/fs/inotify/max_user_watches
check "... they are after another try" safeguard policy reload
check "... and so says status" safeguard status
python3 -c '
n = 0
while True:
    try:
        open("/srv/vault/a").close()
        break
    except PermissionError:
        n += 1
print(n)' >/tmp/denials &
tries=$!
check "... many denials" await 20 python3 "$events"
check "... detached: stop fails" bash -c '! safeguard stop --detach >/tmp/stop 2>&1'
check "... and says what is left" grep -q 'nothing is enforced any more.*canary' /tmp/stop
cat /tmp/stop >&2
check "... the agent ends all the same" timeout 60 tail --pid="$agent" -f /dev/null
wait "$tries"
check "... and everything can be read" cat /srv/vault/a
recorded=$(python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
print(sum(r.get("count", 1) for r in rows if "python3" in r.get("actor", {}).get("process", {}).get("name", "")))' "$events")
check "... every denial was recorded ($recorded of $(cat /tmp/denials))" test "$recorded" = "$(cat /tmp/denials)"
check "... no mount is left" bash -c "! grep $canary /proc/mounts"
rm -rf $canary
check "... and nothing else" as_before
check "the kernel has nothing to say of it" bash -c '! dmesg | grep -E "WARNING:|BUG:|Oops"'
