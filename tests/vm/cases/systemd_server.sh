#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The server as a service, installed as 'make install' does: its user, its sandbox seen from inside, commands of root, a host of
# this machine that reports to it, reload, restart, kill, watchdog, journal, stop. Runs inside a VM whose init is systemd. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
PATH=/usr/sbin:/usr/bin
export HOME=/root
unit=safeguard-server.service
probe=safeguard-probe.service
user=safeguard-server
data=/var/lib/safeguard-server
not() { ! "$@"; }
property() { systemctl show -P "$1" "$unit"; }
is() { [[ $1 == "$2" ]] || { echo "'$1' instead of '$2'"; return 1; }; }
mode_is() { is "$(stat -c '%a %U:%G' "$1")" "$2"; }
status_of() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(property MainPID)/status"; }
nothing_of_root() { [[ -z $(find "$data" ! -user "$user") ]] || { find "$data" ! -user "$user"; return 1; }; }
now() { date +%s.%N; }
await_journal() { # seconds, since, pattern
    timeout "$1" grep -qE -m 1 -- "$3" <(journalctl -u "$unit" -f -n all --since "@$2" 2>/dev/null)
}
ready_since() { await_journal 300 "$1" 'ready at' && systemctl -q is-active "$unit"; }

cp -a /opt/safeguard/share/install/. /
rm -f "$policies"/*
vault_policy any
echo 'defence: no' >>/etc/safeguard/agent.yaml
mkdir -p "/etc/systemd/system/$unit.d" /etc/systemd/system/safeguard-agent.service.d
# An emulated processor is slow; the watchdog is to be seen at work sooner.
printf '[Service]\nWatchdogSec=20\n' >"/etc/systemd/system/$unit.d/vm.conf"
printf '[Service]\nTimeoutStartSec=900\nWatchdogSec=0\n' >/etc/systemd/system/safeguard-agent.service.d/vm.conf

check "sysusers makes the user" systemd-sysusers
check "  ... who cannot log in" is "$(grep "^$user:" /etc/passwd | cut -d : -f 6-)" "$data:/usr/sbin/nologin"
check "tmpfiles makes the directories" systemd-tmpfiles --create /usr/lib/tmpfiles.d/safeguard-server.conf
check "  ... for data, which are nobody else's" mode_is "$data" "700 $user:$user"
check "the unit has no mistakes" bash -c "systemd-analyze verify /usr/lib/systemd/system/$unit 2>&1 | tee /dev/stderr | { ! grep -q safeguard; }"
systemctl daemon-reload
systemd-analyze security --no-pager "$unit" >/tmp/security 2>&1
score=$(grep -oE 'Overall exposure level for .*: [0-9.]+' /tmp/security | grep -oE '[0-9.]+$')
check "systemd-analyze security says ${score:-nothing}, at most 1.6" awk -v s="${score:-10}" 'BEGIN { exit s > 1.6 }'

check "root makes a user before the first start" bash -c 'echo correct horse battery | safeguard-server user add ann --role viewer --role auditor'
check "  ... and leaves nothing behind that the server could not open" nothing_of_root
start=$(now)
check "it starts, and says when it is ready" systemctl start "$unit"
check "  ... not before it is" ready_since "$start"

# What the process is.
check "it is nobody but its user" is "$(status_of Uid) $(status_of Gid)" "$(id -u "$user") $(id -g "$user")"
check "  ... who cannot look into its memory" is "$(stat -c %U "/proc/$(property MainPID)/mem")" root
check "it has no capability" is "$(for set in CapInh CapPrm CapEff CapBnd CapAmb; do status_of "$set"; done | sort -u)" 0000000000000000
check "it gets no new privileges" is "$(status_of NoNewPrivs)" 1
check "its system calls are filtered" is "$(status_of Seccomp)" 2
check "the run directory is closed to others" mode_is /run/safeguard-server "750 $user:$user"
check "everything that it keeps is its own" nothing_of_root
check "  ... and nobody else's to read" is "$(find "$data" -perm /077)" ''

# The same sandbox with another program in it says what can be done there.
cp "$cases/sandbox.py" /srv/sandbox.py
sed -E -e "s|^ExecStart=.*|ExecStart=/usr/bin/python3 /srv/sandbox.py|" -e 's/^Type=.*/Type=oneshot/' \
    -e '/^(WatchdogSec|Restart|RestartSec|RestartPreventExitStatus|ExecReload|NotifyAccess|RuntimeDirectory.*)=/d' \
    "/usr/lib/systemd/system/$unit" >"/etc/systemd/system/$probe"
touch /tmp/seen /root/seen
systemctl daemon-reload
check "a probe runs in its place" systemctl start "$probe"
journalctl -u "$probe" -o cat --no-pager | grep -E '^(ok|not ok) ' || echo "not ok the probe says something"
rm -f /srv/sandbox.py "/etc/systemd/system/$probe"

# Commands.
check "root makes a token" bash -c "safeguard-server token create >/tmp/token"
check "somebody else gets none" not su alice -s /bin/bash -c "safeguard-server token create"
fingerprint=$(safeguard-server ca show | sed -n 's/^fingerprint *//p')
check "a user logs in" bash -c "echo correct horse battery | safeguard login https://127.0.0.1:8443 --user ann --password-stdin --fingerprint $fingerprint"

# A host, once it has what it is told apart from others by.
mount --bind /dev/null /etc/machine-id
check "a host without a machine id is told so" bash -c "! safeguard-agent enrol --token - </tmp/token 2>/tmp/enrol.err && grep -q systemd-machine-id-setup /tmp/enrol.err"
umount /etc/machine-id
check "the agent of this machine enrols" bash -c "safeguard-agent enrol --token - </tmp/token"
check "it starts" systemctl start safeguard-agent.service
check "it is online" timeout 120 bash -c 'until safeguard status | grep -q "server .*online"; do sleep 0.5; done'
check "a file is denied" denied /srv/vault/a
has_denial() { safeguard events --server https://127.0.0.1:8443 --denied --limit 5 | grep -q /srv/vault/a; }
check "  ... and the server has the record" timeout 120 bash -c "$(declare -f has_denial); until has_denial; do sleep 1; done"
check "the host is there" bash -c 'safeguard hosts --server https://127.0.0.1:8443 | grep ok'

# Signals, and what is kept over them.
pid=$(property MainPID)
check "reload" systemctl reload "$unit"
check "  ... is no restart" is "$(property MainPID) $(property ActiveState)" "$pid active"
start=$(now)
check "restart" systemctl restart "$unit"
check "  ... ends when it is ready" ready_since "$start"
check "  ... and nothing is lost: the session, the record" has_denial
pid=$(property MainPID) start=$(now)
kill -9 "$pid"
check "another one follows one that was killed" ready_since "$start"
check "  ... which is not the same" not is "$(property MainPID)" "$pid"
check "  ... and has the record" has_denial
check "  ... which systemd counts" is "$(property NRestarts)" 1
start=$(now)
kill -STOP "$(property MainPID)"
check "the watchdog notices one that hangs" await_journal 120 "$start" 'Watchdog timeout'
check "  ... and another one becomes ready" ready_since "$start"
check "the agent finds it" timeout 120 bash -c 'until safeguard status | grep -q "server .*online"; do sleep 0.5; done'
check "the journal has its words, with their weight" bash -c "journalctl -u $unit -p 6..6 -o json --no-pager | grep -q 'ready at'"

# Its end.
check "stop" systemctl stop "$unit"
check "  ... is one" is "$(property ActiveState) $(property Result) $(property ExecMainStatus)" "inactive success 0"
check "  ... without what had to be killed" bash -c "! journalctl -u $unit --no-pager | tail -n 5 | grep -qE 'Killing|timed out'"
check "the run directory goes with it" test ! -e /run/safeguard-server
check "root makes a token while it is away" safeguard-server token create
check "  ... and takes nothing over" nothing_of_root
check "it starts again" systemctl start "$unit"
check "  ... with all that it had" has_denial
systemctl stop "$unit"

# What the head of the unit says about other settings.
install -d -o "$user" -g "$user" -m 700 /srv/data
cp /etc/safeguard/server.yaml /tmp/server.yaml
sed -i '/^port:/d' /etc/safeguard/server.yaml
printf '%s\n' 'port: 443' 'data_dir: /srv/data' >>/etc/safeguard/server.yaml
cat >"/etc/systemd/system/$unit.d/other.conf" <<'CONF'
[Service]
ReadWritePaths=/srv/data
PrivateUsers=no
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
CONF
systemctl daemon-reload
check "it starts with another port and another place" systemctl start "$unit"
check "  ... which it uses" bash -c "curl -sk https://127.0.0.1:443/healthz && test -s /srv/data/server.db"
systemctl stop "$unit"
rm "/etc/systemd/system/$unit.d/other.conf"
cp /tmp/server.yaml /etc/safeguard/server.yaml
systemctl daemon-reload

echo 'portt: 1' >>/etc/safeguard/server.yaml
check "wrong settings: it does not start" not systemctl start "$unit"
check "  ... and is not tried again" is "$(property ActiveState) $(property ExecMainStatus)" "failed 78"
check "  ... and says why" bash -c "journalctl -u $unit --no-pager | grep -q portt"
safeguard stop --detach >/dev/null
{
    cat /tmp/security
    journalctl -u "$unit" -u "$probe" --no-pager
    ls -laR "$data"
} >&2
