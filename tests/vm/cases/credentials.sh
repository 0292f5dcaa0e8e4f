#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Credentials that no system call gave: a kernel module makes processes of alice root in several ways, and each is found at the
# access that would use it, and killed before in enforce mode; what system calls, programs and the kernel itself do is none.
# Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
tools=/opt/safeguard/share/module

vault_policy read
echo "the secret" >/srv/secret
chmod 640 /srv/secret
mkdir -p /srv/root
touch /srv/root/file
check "the module" python3 "$tools/loader.py" "$tools/tamper.ko"
chmod 666 /sys/module/tamper/parameters/do || exit 1

# Programs of Debian that change credentials, and the kernel's own.
honest() {
    local here
    here=$(dirname "$0")
    bash "$here/credentials_honest.sh" >/tmp/honest 2>&1
}

# Root's, of alice's group, without capabilities: nothing but ids keeps alice from it.
setpriv --regid 1000 --clear-groups --bounding-set -all --inh-caps -all sleep 100000 &
target=$!

as_alice() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }

victim() { # way, act
    as_alice sg-victim "$1" "$2" "$target" >/tmp/said 2>/tmp/said.err
    status=$?
    echo "$1 $2 $status" >>/tmp/ways
}

# What there is to be found: way, act.
ways=(
    "ids open" "ids exec" "ids kill" "ids socket" "ids capset" "ids chown" "ids fork" "ids unlink" "ids rename"
    "ids trace" "euid exec" "euid setuid" "gid open" "effective open" "effective setuid" "effective chown" "effective kill"
    "ambient exec" "user_ns open" "user_ns exec" "replace open" "replace exec" "replace setgid"
    "replace kill" "commit open" "commit exec"
    "ids mkdir" "ids rmdir" "ids mknod" "ids symlink" "ids setxattr" "ids removexattr" "ids acl" "ids no_acl" "ids connect"
    "ids send" "ids ipc" "ids key" "ids prlimit" "ids scheduler" "ids nice" "ids ioprio"
)
# Here the kernel itself stops (BUG_ON in commit_creds), unless the process is stopped before.
deadly=("subjective exec" "subjective setgid")

each_way() { # mode
    : >/tmp/ways
    local tried=("${ways[@]}")
    [[ $1 == enforce ]] && tried+=("${deadly[@]}")
    for pair in "${tried[@]}"; do
        rm -rf /srv/root/new
        mkdir -p /srv/root/dir
        touch /srv/root/file
        # shellcheck disable=SC2086
        victim $pair
        [[ $1 == enforce ]] || continue
        check "$pair: killed" test "$status" = 137
        check "... before it used it" bash -c '! grep -q "the secret" /tmp/said && [[ -d /srv/root/dir && -f /srv/root/file && ! -e /srv/root/new && ! -L /srv/root/new ]]'
    done
}

phase() { # mode
    local no_finding

    rm -f "$events"
    credentials=$1
    check "an agent that is to $1" start_agent
    check "the ways of the module do nothing by themselves" bash -c '
        sg-victim nothing open | grep -q "the secret" && ! setpriv --reuid 1000 --regid 1000 --clear-groups sg-victim nothing open'
    check "every legitimate change" sg-legitimate
    check "programs that change credentials" honest
    sed 's/^/# /' /tmp/honest
    check "all records are written" await_quiet wc -l "$events"
    no_finding=$(grep -m 1 '"class_uid":2004' "$events")
    check "none of that is a finding" test -z "$no_finding"
    each_way "$1"
    check "all records are written" await_quiet wc -l "$events"
    python3 "$cases/credentials.py" "$events" "$1" /tmp/ways
    check "nothing was in doubt" test "$(status_number losses credentials_doubt)" = 0
    check "status says how many were found" test "$(status_number records findings)" -ge "${#ways[@]}"
    check "status says that they are looked at" bash -c "safeguard status | grep -q '^ *credentials '"
}

# An argument: only that mode.
for mode in ${1:-record enforce}; do
    if [[ -n ${agent:-} ]]; then
        check "it ends, and the next one takes over" safeguard stop
        wait "$agent" 2>/dev/null
    fi
    phase "$mode"
done
check "it ends, and nothing stays" safeguard stop --detach
wait "$agent" 2>/dev/null
kill $target
check "no program is left" bash -c '! bpftool prog show | grep -q "name \(fmod\|lsm\|tp\)_cred"'
