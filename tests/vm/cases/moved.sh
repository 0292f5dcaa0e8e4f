#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A descriptor that was open before its file was moved, or linked, to a protected name: refused from when the agent has
# seen the move. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

# Opens FILE for reading and writing, says so, then uses it until it is refused: prints after how many milliseconds. When it is
# told to end it has not been refused.
cat >/tmp/holder.py <<'PY'
import os, signal, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
began = None
while True:
    try:
        os.pread(fd, 1, 0)
        if os.path.exists(sys.argv[2]) and began is None:
            began = time.monotonic()
    except PermissionError:
        print("refused after", int(1000 * (time.monotonic() - (began or time.monotonic()))), "ms", flush=True)
        break
    time.sleep(0.01)
try:
    os.pwrite(fd, b"x", 0)
    print("written", flush=True)
except PermissionError:
    print("write refused", flush=True)
signal.pause()
PY
hold() { # file, protected name
    : >/tmp/holder.out
    python3 /tmp/holder.py "$1" "$2" >/tmp/holder.out 2>&1 &
    holder=$!
    await 60 '^open' /tmp/holder.out
}

mkdir -p /srv/io /srv/vault/many /srv/out/dir /srv/bin "$policies"
cp /usr/bin/mv /srv/bin/mv-exempt
cp /usr/bin/ln /srv/bin/ln-exempt
cp /usr/bin/true /srv/bin/started
for f in a b c dir/d; do echo "$f" >/srv/out/$f; done
cat >"$policies/10-vault.yaml" <<'YAML'
safeguard: 1
name: vault
mode: enforce
subjects:
  exempt: {exe: [/srv/bin/mv-exempt, /srv/bin/ln-exempt]}
files:
  - {path: /srv/bin/started, access: read, do: deny}
  - {path: "/srv/vault/**", access: any, not_by: exempt, do: deny}
  - {path: "/srv/io/**", access: io, do: audit}
YAML

check "the agent starts" start_agent
check "nothing is attached to reads" bash -c '! bpftool prog show | grep -qE "name (lsm|fmod)_file_permi"'

# access: io, as the agent shows it.
hook_is() { # hook, state
    safeguard status --json | python3 -c '
import json, sys
state = next(h["state"] for h in json.load(sys.stdin)["hooks"] if h["id"] == sys.argv[1])
print(state)
sys.exit(state != sys.argv[2])' "$@"
}
check "the hook of closes proved itself" hook_is file_close proved
check "so did that of opens" hook_is file_opened proved
head -c 1000 /dev/zero >/srv/io/f
check "a close is an event" await 60 '"bytes_written":1000' "$events"
check "events shows it" bash -c 'safeguard events --color never | grep -q "/srv/io/f (0 bytes read, 1000 written, open for "'

hold /srv/out/a /srv/vault/a
check "moved in" /srv/bin/mv-exempt /srv/out/a /srv/vault/a
check "a read is refused" await 60 '^refused' /tmp/holder.out
check "so is a write" await 10 '^write refused' /tmp/holder.out
echo "# $(grep refused /tmp/holder.out | head -n 1)"
check "the descriptor is listed" bash -c 'for i in $(seq 60); do safeguard status --json | grep -q "/srv/vault/a" && exit 0; sleep 1; done; exit 1'
kill $holder
wait $holder 2>/dev/null
check "reads are free again when it is closed" bash -c 'for i in $(seq 60); do bpftool prog show | grep -qE "name (lsm|fmod)_file_permi" || exit 0; sleep 1; done; exit 1'

hold /srv/out/b /srv/vault/b
check "linked in" /srv/bin/ln-exempt /srv/out/b /srv/vault/b
check "by its other name, a read is refused" await 60 '^refused' /tmp/holder.out
sleep 7 # longer than the time after which the agent looks again
check "and stays so" bash -c 'bpftool prog show | grep -qE "name (lsm|fmod)_file_permi"'
check "a program that nobody may read still starts" /srv/bin/started
refused "... and cannot be read" cat /srv/bin/started
# All that can prove themselves do, at a policy: also the hook on reads, while it is attached.
check "a self-test" safeguard policy reload
unproved() {
    safeguard status --json | python3 -c '
import json, sys
print(*("%s: %s" % (h["id"], h["reason"]) for h in json.load(sys.stdin)["hooks"] if h["state"] in ("attached", "untestable")), sep="\n")'
}
check "every hook that can refuse or record has proved itself: $(unproved | tr '\n' ' ')" bash -c '[[ $1 == "sb_kern_mount: "* && $1 != *$'\''\n'\''* ]]' - "$(unproved)"
check "so the one on reads" hook_is file_permission proved
check "the one on another root" hook_is sb_pivotroot proved
check "the one on 32-bit calls" hook_is file_ioctl_compat proved
kill $holder
wait $holder 2>/dev/null

hold /srv/out/dir/d /srv/vault/dir/d
check "a directory is moved in" /srv/bin/mv-exempt /srv/out/dir /srv/vault/dir
check "a read of what is in it is refused" await 60 '^refused' /tmp/holder.out
kill $holder
wait $holder 2>/dev/null

# Files with several names: what one of them becomes worth counts by the others, too.
mkdir /srv/out/dir2
for f in e dir2/f; do echo "$f" >/srv/out/$f; done
ln /srv/out/e /srv/out/e-other
ln /srv/out/dir2/f /srv/out/f-other
check "two names, both are read" cat /srv/out/e /srv/out/e-other /srv/out/f-other
check "one of them is moved in" /srv/bin/mv-exempt /srv/out/e /srv/vault/e
check "at once refused by the other" bash -c '! cat /srv/out/e-other'
check "a directory with one of them is moved in" /srv/bin/mv-exempt /srv/out/dir2 /srv/vault/dir2
check "by the name outside of it refused when the agent has looked" timeout 60 bash -c 'while cat /srv/out/f-other; do sleep 0.1; done; [[ -e /srv/out/f-other ]]'

hold /srv/out/c /srv/out/c2
check "moved elsewhere" mv /srv/out/c /srv/out/c2
sleep 2
check "nothing is refused there" bash -c '! grep -q refused /tmp/holder.out'
kill $holder
wait $holder 2>/dev/null

# More moves than are remembered one by one, all at once.
checked() { bpftool prog show | grep -qE "name (lsm|fmod)_file_permi"; }
unchecked() { for ((i = 0; i < 90; i++)); do checked || return 0; sleep 1; done; return 1; }
check "reads are free" unchecked
entered() { for ((i = 0; i < 60; i++)); do (($(status_number old_descriptors entered) >= $1)) && return 0; sleep 1; done; return 1; }
mkdir /srv/out/many
(cd /srv/out/many && seq 600 | xargs touch)
kill -STOP "$agent"
check "600 files are moved in" bash -c '/srv/bin/mv-exempt /srv/out/many/* /srv/vault/many/'
kill -CONT "$agent"
check "all were seen" entered 600
check "reads are free again when nobody has any of them open" unchecked
check "stop" safeguard stop --detach
wait "$agent" 2>/dev/null
cat "$run_log" >&2

# Open since before the policy, by a name that no rule is about.
echo old >/srv/vault/old
ln /srv/vault/old /srv/out/old-other
hold /srv/out/old-other /srv/vault/old
check "the agent starts again, with small rings" start_agent safeguard-agent --ring-size 256K
check "a read by the other name is refused" await 60 '^refused' /tmp/holder.out
kill $holder
wait $holder 2>/dev/null
check "reads are free when it is closed" unchecked

# The agent is not told of a move: the ring of processes is full. It is told that there was something.
mkdir -p /srv/out/lost
for f in l lost/m; do echo "$f" >/srv/out/$f; done
ln /srv/out/lost/m /srv/out/m-other
hold /srv/out/l /srv/vault/l
check "a name of what is in the directory is read" cat /srv/out/m-other
kill -STOP "$agent"
for ((i = 0; i < 2000; i++)); do (:); done
check "a file is moved in, unseen" /srv/bin/mv-exempt /srv/out/l /srv/vault/l
check "so is a directory" /srv/bin/mv-exempt /srv/out/lost /srv/vault/lost
kill -CONT "$agent"
check "a read of the file is refused" await 60 '^refused' /tmp/holder.out
check "what is in the directory is refused by its other name" timeout 60 bash -c 'while cat /srv/out/m-other; do sleep 0.1; done; [[ -e /srv/out/m-other ]]'
check "records were lost" bash -c 'safeguard status --json | grep -q "\"processes_lost\": *[1-9]"'
check "status says why reads are checked" bash -c 'safeguard status --json | grep -q "\"checked_because\": *\"[^\"]"'
safeguard status >&2
kill $holder
wait $holder 2>/dev/null
check "reads are free in the end" unchecked
check "stop and detach" safeguard stop --detach
cat "$run_log" >&2
