#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A file system that is mounted at a protected place while other policies are built is under them from the moment that they are in
# force: not one open passes. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

# Opens the file again and again, from before it is there until it is told to end; prints how often it was let through and refused.
cat >/tmp/opener.py <<'PY'
import os, signal, sys
passed = refused = 0
going = True
def end(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, end)
print("tries", flush=True)
while going:
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY))
        passed += 1
    except PermissionError:
        refused += 1
    except FileNotFoundError:
        pass
print("passed %d refused %d" % (passed, refused), flush=True)
PY

mkdir -p /srv/m /srv/bin "$policies"
cp "$(command -v mount)" /srv/bin/mount-exempt
modprobe loop
truncate -s 16M /root/m.img && mkfs.ext4 -q /root/m.img && mount -o loop /root/m.img /srv/m && echo secret >/srv/m/secret && umount /srv/m
device=$(losetup --find --show /root/m.img)
cat >"$policies/10-vault.yaml" <<'YAML'
safeguard: 1
name: vault
mode: enforce
subjects:
  exempt: {exe: /srv/bin/mount-exempt}
files:
  - {path: "/srv/m/**", access: any, not_by: exempt, do: deny}
YAML
check "the agent starts" start_agent safeguard-agent --log-level debug

# What takes a while to build.
{
    printf 'safeguard: 1\nname: many\nmode: enforce\nfiles:\n'
    for ((i = 0; i < 6000; i++)); do printf '  - {path: /opt/place%d/*.key, access: write, do: deny}\n' "$i"; done
} >/tmp/20-many.yaml
before=$(status_number policy changes)
python3 /tmp/opener.py /srv/m/secret >/tmp/opener.out 2>&1 &
opener=$!
check "opens are tried" await 60 '^tries' /tmp/opener.out
mv /tmp/20-many.yaml "$policies"
safeguard policy reload >/tmp/reload.out 2>&1 &
reload=$!
check "the policies are being built" await 60 'building the policies' "$run_log"
check "mounted" /srv/bin/mount-exempt "$device" /srv/m
check "they were not in force yet" test "$(status_number policy changes)" = "$before"
wait $reload
check "now they are" test "$(status_number policy changes)" -gt "$before"
check "refused" denied /srv/m/secret
kill $opener
wait $opener
read -r _ passed _ refused <<<"$(tail -n 1 /tmp/opener.out)"
check "opens were refused meanwhile: $refused" test "$refused" -gt 0
check "none was let through: $passed" test "$passed" -eq 0
check "stop" safeguard stop --detach
cat "$run_log" >&2
