#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The agent as a service, installed as 'make install' does: ready, reload, watchdog, crash, rotation, journal, stop.
# Runs inside a VM whose init is systemd. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
PATH=/usr/sbin:/usr/bin
unit=safeguard-agent.service
settings=/etc/safeguard/agent.yaml
not() { ! "$@"; }
property() { systemctl show -P "$1" "$unit"; }
is() { [[ $1 == "$2" ]] || { echo "'$1' instead of '$2'"; return 1; }; }
mode_is() { is "$(stat -c '%a %U:%G' "$1")" "$2"; }

# Waits for a message of the unit, from a moment on.
now() { date +%s.%N; }
await_journal() { # seconds, since, pattern
    timeout "$1" grep -qE -m 1 -- "$3" <(journalctl -u "$unit" -f -n all --since "@$2" 2>/dev/null)
}

cp -a /opt/safeguard/share/install/. /
rm -f "$policies"/*
mkdir -p /srv/vault /srv/watch "/etc/systemd/system/$unit.d"
echo secret >/srv/vault/a
echo watched >/srv/watch/w
echo free >/srv/free
cat >"$policies/10-vault.yaml" <<'YAML'
safeguard: 1
mode: enforce
files:
  - {path: "/srv/vault/**", access: any, do: deny}
  - {path: "/srv/watch/**", access: read, do: audit}
YAML
sed -i 's/^rotate_size: .*/rotate_size: 64K/' "$settings"
# What is done to it here it would defend itself against; that is at the end.
echo 'defence: no' >>"$settings"
# With all that the unit has to allow for it.
printf 'flows: on\ndns: on\n' >>"$settings"
# An emulated processor takes longer to load the programs; the watchdog is to be seen at work sooner.
printf '[Unit]\nRefuseManualStop=no\n[Service]\nTimeoutStartSec=900\nWatchdogSec=30\n' >"/etc/systemd/system/$unit.d/vm.conf"
systemctl daemon-reload

check "the unit has no mistakes" bash -c "systemd-analyze verify /usr/lib/systemd/system/$unit 2>&1 | tee /dev/stderr | { ! grep -q safeguard; }"
check "its temporary files have none" systemd-tmpfiles --create /usr/lib/tmpfiles.d/safeguard.conf
systemd-analyze security --no-pager "$unit" >/tmp/security 2>&1
score=$(grep -oE 'Overall exposure level for .*: [0-9.]+' /tmp/security | grep -oE '[0-9.]+$')
# 0.1 of it is CAP_NET_ADMIN, without which nobody attaches programs to packets of control groups.
check "systemd-analyze security says ${score:-nothing}, at most 5.6" awk -v s="${score:-10}" 'BEGIN { exit s > 5.6 }'

start=$(now)
check "it starts, and says when it is ready" systemctl start "$unit"
check "it is active" systemctl -q is-active "$unit"
check "ready came after the policy was in force" await_journal 5 "$start" 'ready after'
check "status" safeguard status
check "every hook proved itself" bash -c 'safeguard status --json >/tmp/status.json; grep -q "\"proved\"" /tmp/status.json && ! grep -qE "\"state\": ?\"failed\"" /tmp/status.json'
check "a protected file is denied" denied /srv/vault/a
check "the denial is recorded" await 60 '/srv/vault/a' "$events"
check "it sees the host's mounts" is "$(readlink "/proc/$(property MainPID)/ns/mnt")" "$(readlink /proc/1/ns/mnt)"
check "it has no capability to load modules" bash -c "! capsh --decode=\$(awk '/CapBnd/ {print \$2}' /proc/$(property MainPID)/status) | grep -q sys_module"
check "it runs without new privileges" grep -q 'NoNewPrivs:.*1' "/proc/$(property MainPID)/status"
check "it looks at flows and names" bash -c "safeguard status --json | python3 -c 'import json, sys; n = json.load(sys.stdin)[\"network\"]; sys.exit(0 if n[\"flows\"] and n[\"dns\"] and not n.get(\"not_seen\") else str(n))'"
check "what goes on is known, with places in the kernel" bash -c "safeguard net flows --json && safeguard net drops --json"
check "the kernel would kill it last" is "$(cat "/proc/$(property MainPID)/oom_score_adj")" -900
check "the log directory's mode" mode_is /var/log/safeguard '750 root:root'
check "the log's mode" mode_is "$events" '640 root:root'
check "the state directory's mode" mode_is /var/lib/safeguard '700 root:root'
check "the kept policy's mode" mode_is /var/lib/safeguard/accepted-policies.json '600 root:root'
check "the run directory's mode" mode_is /run/safeguard '750 root:root'
check "the pins' mode" mode_is /sys/fs/bpf/safeguard '700 root:root'
check "the socket is root's" mode_is /run/safeguard/control.sock '600 root:root'

sed -i '/vault/a\  - {path: /srv/free, access: read, do: deny}' "$policies/10-vault.yaml"
check "reload takes a new rule" systemctl reload "$unit"
check "which is in force then" denied /srv/free
cp "$policies/10-vault.yaml" /tmp/good.yaml
echo '  - {path: /srv/x, access: write, do: dny}' >>"$policies/10-vault.yaml"
check "reload fails for a policy with a mistake" not systemctl reload "$unit"
check "it runs on" systemctl -q is-active "$unit"
check "the policy before is in force" denied /srv/vault/a
start=$(now)
sed '/srv.free/d' /tmp/good.yaml >"$policies/10-vault.yaml"
systemctl kill -s HUP "$unit"
check "SIGHUP reads the policies" await_journal 120 "$start" 'policy [0-9]+ is in force: 2 rules'
check "the rule is gone" cat /srv/free

# The manager takes the controllers away again that it did not ask for, and with them the values of the rule's group.
cp "$(PATH=$PATH:/opt/safeguard/bin command -v sg-load)" /srv/half
cat >"$policies/20-schedule.yaml" <<'YAML'
safeguard: 1
mode: enforce
processes:
  - {by: {exe: /srv/half}, schedule: {quota: 50%}}
YAML
quota_holds() { # seconds
    timeout "$1" bash -c "until grep -q '^50000 ' \"/sys/fs/cgroup\$(cut -d: -f3 /proc/$half/cgroup)/cpu.max\"; do sleep 0.5; done"
}
check "reload takes a rule that schedules" systemctl reload "$unit"
systemd-run -q --unit=half --collect /srv/half hog 900
half=$(systemctl show -P MainPID half)
check "a service's program has its quota" quota_holds 10
failures=$(status_number scheduling failed)
systemctl daemon-reload
check "daemon-reload takes it away" bash -c "for i in {1..10}; do ! grep -q cpu /sys/fs/cgroup/system.slice/half.service/cgroup.subtree_control && exit; sleep 0.1; done; exit 1"
check "it is back at the next look" quota_holds 30
check "without a failure" is "$(status_number scheduling failed)" "$failures"
ran() { cut -d' ' -f1 "/proc/$half/schedstat"; }
before=$(ran)
sleep 8
check "half a processor is what it uses then" awk -v used=$(($(ran) - before)) 'BEGIN { exit !(used < 0.6 * 8e9) }'
systemctl stop half
rm "$policies/20-schedule.yaml"
check "reload, without it" systemctl reload "$unit"

# Somebody tries all the time: no attempt may succeed until the end of the enforcement.
bash -c 'while :; do cat /srv/vault/a && echo passed; done' >/tmp/passed 2>/dev/null &
hammer=$!
pid=$(property MainPID) start=$(now)
kill -STOP "$pid"
check "the watchdog notices an agent that hangs" await_journal 300 "$start" 'Watchdog timeout'
check "and another one becomes ready" await_journal 600 "$start" 'ready after'
check "which is not the same" not is "$(property MainPID)" "$pid"
check "systemd counted a restart" is "$(property NRestarts)" 1
pid=$(property MainPID) start=$(now)
kill -SEGV "$pid"
check "another one follows a crash" await_journal 600 "$start" 'ready after'
check "systemd counted that, too" is "$(property NRestarts)" 2
check "meanwhile nothing got through" not grep -q . /tmp/passed

start=$(now)
mv "$events" /var/log/safeguard/moved
cat /srv/vault/a 2>/dev/null
check "a log that was renamed begins anew" await 60 '/srv/vault/a' "$events"
check "with the same mode" mode_is "$events" '640 root:root'
for _ in {1..60}; do cat /srv/watch/w >/dev/null; done
check "a log that is large is rotated" await 60 '/srv/' "$events.1"
check "with the same mode, too" mode_is "$events.1" '640 root:root'

start=$(now)
sed -i 's/^output: .*/output: journal/' "$settings"
check "restart" systemctl restart "$unit"
check "nothing got through then" not grep -q . /tmp/passed
cat /srv/vault/a 2>/dev/null
timeout 60 grep -m 1 'srv/vault/a' <(journalctl -f -n all --since "@$start" -t safeguard -o json) >/tmp/journal.json
check "a record is in the journal, with its fields" python3 -c '
import json
entry = json.loads(open("/tmp/journal.json").readline())
record = json.loads(entry["SAFEGUARD_OCSF"])
assert record["class_uid"] == 1001 and record["action"] == "Denied", record
assert entry["PRIORITY"] in "345" and entry["MESSAGE"] == record["message"], entry
assert entry["_SYSTEMD_UNIT"] == "safeguard-agent.service", entry'
check "journalctl finds it by its identifier" bash -c "journalctl -t safeguard -p warning --no-pager | grep -q vault"

check "stop" systemctl stop "$unit"
check "it is inactive" is "$(property ActiveState) $(property Result)" "inactive success"
check "what is loaded stays in force" denied /srv/vault/a
check "the run directory stays" test -d /run/safeguard
check "start takes over" systemctl start "$unit"
kill "$hammer"
wait "$hammer" 2>/dev/null
check "nothing got through at all" not grep -q . /tmp/passed
start=$(now)
check "detach" safeguard stop --detach
check "the unit ends well" await_journal 60 "$start" 'Deactivated successfully'
check "and is not started again" is "$(property ActiveState) $(property Result)" "inactive success"
check "the host is as it was" cat /srv/vault/a

# The same as it is shipped: it defends itself.
sed -i 's/^defence: no/defence: yes/' "$settings"
printf '[Service]\nTimeoutStartSec=900\nTimeoutStopSec=5\nRestartSec=6\n' >"/etc/systemd/system/$unit.d/vm.conf"
systemctl daemon-reload
check "with its defence it starts" systemctl start "$unit"
pid=$(property MainPID)
safeguard unlock --new-secret | head -n 1 >/tmp/secret
refuses() { local name=$1; shift; check "$name is refused" not "$@"; check "... and it runs" bash -c "grep -qE '^State:.[SR]' /proc/$pid/status && safeguard status >/dev/null"; }
refuses "systemctl stop" systemctl stop "$unit"
refuses "systemctl restart" systemctl restart "$unit"
refuses "systemctl kill -s KILL" systemctl kill -s KILL "$unit"
refuses "systemctl mask" systemctl mask "$unit"
refuses "systemctl edit" bash -c "echo x >/etc/systemd/system/$unit.d/mine.conf"
refuses "systemctl disable" bash -c "systemctl enable $unit 2>/dev/null; rm /etc/systemd/system/multi-user.target.wants/$unit"
systemctl freeze "$unit" 2>/dev/null
check "systemctl freeze does not freeze it" safeguard status
check "systemctl reload still works" systemctl reload "$unit"
systemctl daemon-reload
check "... and daemon-reload leaves it alone" safeguard status
systemctl kill -s TERM "$unit"
check "SIGTERM of the manager does not end it" safeguard status
check "safeguard stop is refused" not safeguard stop
# The next one is started when the window has ended, and its directories are made anew for it.
start=$(now)
safeguard unlock --secret-stdin --for 3s </tmp/secret >/dev/null
kill -KILL "$pid"
check "another one follows, with the defence up" await_journal 900 "$start" 'ready after'
check "it can be reloaded, too" systemctl reload "$unit"
check "the secret opens a window" bash -c "safeguard unlock --secret-stdin --for 10m </tmp/secret"
check "in which it may be ended" safeguard stop --detach
check "the unit is inactive then" bash -c "for i in {1..50}; do [[ \$(systemctl show -P ActiveState $unit) == inactive ]] && exit 0; sleep 0.2; done; exit 1"
echo '  - {path: /srv/x, access: write, do: dny}' >>"$settings"
check "wrong settings: it does not start" not systemctl start "$unit"
check "and is not tried again" is "$(property ActiveState) $(property ExecMainStatus)" "failed 78"
{
    cat /tmp/security
    journalctl -u "$unit" --no-pager
    ls -laR /var/log/safeguard
} >&2
