#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who ran what: 'safeguard ps' over the agent's table, records of execs with hash and package, and policies learnt from them, under
# which a package is upgraded. Runs inside a VM with the packages of Debian, and shared: the database of dpkg and ldconfig, which
# dpkg wants to find, of who made it. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
PATH=/usr/sbin:/usr/bin
not() { ! "$@"; }
cp -a /opt/safeguard/share/install/. /
rm -rf "${policies:?}" && mkdir -p "$policies" /run/t /var/lib/dpkg/info
# The guest's packages were unpacked, not installed: the database is that of who made it.
cp /opt/safeguard/share/dpkg/status /var/lib/dpkg/status
cp /opt/safeguard/share/dpkg/coreutils.list /var/lib/dpkg/info/

cp /opt/safeguard/share/ldconfig /usr/sbin/ldconfig
mkdir -p /var/lib/dpkg/triggers

# A package with a program, a script and scripts of its own, which execute what it brings. Versions after the first bring one more.
make_package() { # version, what its program is a copy of
    local tree=/run/t/package-$1
    mkdir -p "$tree/DEBIAN" "$tree/usr/bin"
    printf '%s\n' 'Package: sg-upgrade' "Version: $1" 'Architecture: all' 'Maintainer: nobody <nobody@example.org>' \
        'Description: is upgraded' >"$tree/DEBIAN/control"
    cp "$2" "$tree/usr/bin/sg-program"
    printf '#!/bin/sh\necho "version %s"\n' "$1" >"$tree/usr/bin/sg-script"
    [[ $1 == 1 ]] || cp /usr/bin/echo "$tree/usr/bin/sg-new"
    printf '#!/bin/sh\nset -e\n/usr/bin/sg-program before\n' >"$tree/DEBIAN/prerm"
    printf '#!/bin/sh\nset -e\nfor program in /usr/bin/sg-*; do $program after >>/run/t/after-%s; done\n' "$1" >"$tree/DEBIAN/postinst"
    chmod 755 "$tree"/usr/bin/* "$tree"/DEBIAN/p*
    dpkg-deb -Zgzip --root-owner-group --build "$tree" "/run/t/sg-upgrade-$1.deb"
}
for version in 1 2 3 4 5; do
    make_package "$version" "$( ((version == 1)) && echo /usr/bin/true || echo /usr/bin/echo)" >/run/t/made 2>&1 ||
        { cat /run/t/made >&2 && echo "not ok packages are made"; }
done
check "a package is installed before there is an agent" dpkg -i /run/t/sg-upgrade-1.deb

# Python about what ps says: `rows` by pid, and uid(pid).
ps_says() { # name, expression
    safeguard ps --json >/run/t/ps.json
    if python3 - "$2" >/tmp/check.out 2>&1 <<'PY'; then echo "ok $1"; else echo "not ok $1: $(tail -n 1 /tmp/check.out)"; fi
import json, sys
rows = {p["pid"]: p for p in map(json.loads, open("/run/t/ps.json"))}
def pid(name):
    return int(open("/run/t/" + name).read())
def uid(number):
    return rows[number]["uid"]
sys.exit(not eval(sys.argv[1]))
PY
}
has_hashes() { safeguard ps --json "$1" | python3 -c 'import json, sys; rows = list(map(json.loads, sys.stdin)); sys.exit(not rows or any("sha256" not in r for r in rows))'; }
await_hashes() { for ((i = 0; i < 60; i++)); do has_hashes "$1" && return 0; sleep 1; done; return 1; }

# Older than the agent: a chain, and an orphan.
bash -c 'echo $$ >/run/t/top; bash -c "echo \$\$ >/run/t/middle; sleep 10001 & echo \$! >/run/t/leaf; wait"; true' &
bash -c '(sleep 10002 & echo $! >/run/t/adopted)'
for name in leaf adopted; do until [[ -s /run/t/$name ]]; do sleep 0.1; done; done
check "the agent starts" start_agent safeguard-agent --process-records=yes

ps_says "a process that is older stands below its parent" 'rows[pid("leaf")]["below"] == rows[pid("leaf")]["parent"] == uid(pid("middle"))'
ps_says "and that below its own" 'rows[pid("middle")]["below"] == uid(pid("top"))'
ps_says "an orphan that is older stands below who took it over" 'rows[pid("adopted")]["below"] == uid(1)'
check "the tree has lines" bash -c "safeguard ps --tree $(</run/t/top) | grep -q '└─ sleep 10001'"
check "ids, users and programs can be asked for" bash -c "safeguard ps --ids --user root sleep | grep -qE '[0-9a-f-]{36}:$(</run/t/leaf):[0-9]+ .*sleep 10001'"
check "what matches nothing says so" bash -c 'safeguard ps nobody-is-called-so; [[ $? == 1 ]]'

# While it runs: who forked an orphan stays who forked it.
bash -c '(sleep 10003 & echo $! >/run/t/orphan; echo $BASHPID >/run/t/forker); true'
until [[ -s /run/t/forker ]]; do sleep 0.1; done
ps_says "an orphan's parent is who forked it" 'rows[pid("orphan")]["parent"].split(":")[1] == str(pid("forker")) and pid("forker") not in rows'
ps_says "where it stands is not below process 1 only because that took it over" "rows[pid('orphan')]['below'] == rows[$$]['uid']"

# What a policy is learnt from later, of subjects as well: by a program, a user and in a cgroup.
/usr/bin/sg-program
/usr/bin/sg-script
mkdir /sys/fs/cgroup/learnt
in_group() { bash -c 'echo $$ >/sys/fs/cgroup/learnt/cgroup.procs && "$@"' - "$@"; }
by_exe() { sh -c '"$@"; exit $?' - "$@"; }
by_user() { runuser -u alice -- "$@"; }
for by in by_exe by_user in_group; do
    "$by" /usr/bin/sg-program
    "$by" /usr/bin/sg-script >/dev/null
done

# What the programs are.
check "hashes come by themselves" await_hashes sleep
sum=$(sha256sum /usr/bin/sleep | cut -d ' ' -f 1)
ps_says "the hash is the program's" "{r['sha256'] for r in rows.values() if r.get('program') == '/usr/bin/sleep'} == {'$sum'}"
version=$(sed -n '/^Package: coreutils$/,/^$/s/^Version: //p' /var/lib/dpkg/status)
ps_says "and the package" "{(r['package'], r['package_version']) for r in rows.values() if r.get('program') == '/usr/bin/sleep'} == {('coreutils', '$version')}"
ps_says "kernel threads have neither" 'all("sha256" not in r and "package" not in r for r in rows.values() if r.get("kernel_thread"))'
cp /usr/bin/sleep /run/t/copy
/run/t/copy 10004 &
rm /run/t/copy
ps_says "a program without a name is deleted, and of no package" 'any(r.get("deleted") and "package" not in r for r in rows.values() if r.get("command") == "/run/t/copy 10004")'
check "it can be asked for" bash -c "safeguard ps --deleted --package none | grep -q 'copy 10004 (deleted)'"

# Scripts: their own hash, unless another file was put in the place of the one that was executed.
printf '#!/bin/sh\nexit 0\n' >/srv/script
chmod +x /srv/script
cp /srv/script /srv/other
sleep 0.1 # the clock of the file system's times lags
/srv/script kept
for ((i = 0; i < 20; i++)); do /srv/script replaced; cp --remove-destination /srv/other /srv/script; done
sleep 0.1
/srv/script last

# Numbers come round: each process is another one.
sysctl -q kernel.pid_max=400
for ((i = 0; i < 400; i++)); do /usr/bin/true --password=hunter2 "$i"; done
sysctl -q kernel.pid_max=32768
await 120 '"/usr/bin/true --password=[*]+ 399"' "$events" || echo "not ok the last exec is recorded"
cp "$events" /tmp/events.json
python3 - "$sum" <<'PY'
import json, subprocess, sys
def check(name, good):
    print("ok" if good else "not ok", name)
lines = [json.loads(line) for line in open("/tmp/events.json")]
execs = [r for r in lines if r["class_uid"] == 1007 and r.get("launch_type_id") == 3]
true = [r for r in execs if r["process"].get("cmd_line", "").startswith("/usr/bin/true ")]
uids = {r["process"]["uid"] for r in true}
pids = {r["process"]["pid"] for r in true}
print("# %d execs of true, %d processes, %d numbers" % (len(true), len(uids), len(pids)))
check("every exec has a record", len(true) == 400)
check("every process has an id of its own", len(uids) == 400)
check("numbers came round", len(pids) < 390)
sums = {}
def sum_of(path):
    if path not in sums:
        sums[path] = subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split(" ")[0]
    return sums[path]
hashed = [r for r in execs if r["process"]["file"].get("hashes")]
wrong = [r["process"]["file"] for r in hashed if not r["process"]["file"]["path"].startswith("/run/t")
         and r["process"]["file"]["hashes"][0]["value"] != sum_of(r["process"]["file"]["path"])]
print("# %d of %d execs have a hash" % (len(hashed), len(execs)))
check("no hash is another file's: %s" % wrong[:2], not wrong)
check("most have one", len(hashed) > len(execs) / 2)
missing = {}
for r in execs:
    if not r["process"]["file"].get("hashes"):
        reason = r["unmapped"].get("hash_missing", "unsaid")
        missing[reason] = missing.get(reason, 0) + 1
print("# without: %s" % missing)
check("where there is none it is said why", "unsaid" not in missing)
check("packages stand in records", any(r["process"]["file"].get("product", {}).get("name") == "coreutils" for r in true))
scripts = {}
for r in execs:
    if r["unmapped"].get("script") == "/srv/script":
        # A record that waited long enough has neither of the script nor of its interpreter what was asked.
        facts = r["unmapped"].get("script_file") or {"hash_missing": r["unmapped"].get("hash_missing", "unsaid")}
        scripts.setdefault(r["process"]["cmd_line"].split()[-1], []).append(facts)
own = [{"algorithm_id": 3, "value": sum_of("/srv/script")}]
check("a script has its hash: %s" % scripts, scripts["kept"][0].get("hashes") == scripts["last"][0].get("hashes") == own)
# What lies there has the same bytes and is another file: nobody can say that it was what ran.
check("one that was replaced at once has none that is another file's", len(scripts["replaced"]) == 20 and
      all(s.get("hashes") == own or s.get("hash_missing") in ("gone", "other", "changed", "late") for s in scripts["replaced"]) and
      any("hash_missing" in s for s in scripts["replaced"]))
order = [r["time"] for r in execs]
late = sum(1 for a, b in zip(order, order[1:]) if b < a)
print("# %d of %d execs stand behind a later one" % (late, len(execs)))
text = open("/tmp/events.json").read()
check("no password is written down", "hunter2" not in text)
PY
grep -v '"class_uid":0,' /tmp/events.json >/tmp/records.json
check "the records are of the schema" python3 /opt/safeguard/share/validate.py /usr/share/safeguard/safeguard-ocsf.schema.json /tmp/records.json

# From what was seen to a policy. What check() says of a failure is to be seen, too.
echo | tail -n 1 | tr -d '\n'
check "a policy is learnt" bash -c 'safeguard policy learn >/tmp/learnt.yaml'
check "which is one" safeguard policy check /tmp/learnt.yaml
check "it allows what was executed" bash -c "safeguard policy explain --policy /tmp/learnt.yaml --access exec /usr/bin/true | grep -q 'exec    allow'"
check "and nothing else" bash -c "safeguard policy explain --policy /tmp/learnt.yaml --access exec /srv/evil | grep -q 'exec    deny'"
sed 's/^mode: monitor/mode: enforce/' /tmp/learnt.yaml >"$policies/50-learnt.yaml"
cp /usr/bin/true /srv/evil
check "in force" safeguard policy reload
check "what was seen runs on" /usr/bin/true
check "what was not is refused" bash -c '! /srv/evil 2>/tmp/evil.err && grep -q "not permitted" /tmp/evil.err'

# A package is upgraded by a package manager of which there is no record.
check "no package manager was seen" not grep -qE '^ +- ".*/(dpkg|dpkg-deb)"' /tmp/learnt.yaml
check "the program is the old one" test -z "$(/usr/bin/sg-program upgraded)"
check "its package is upgraded" dpkg -i /run/t/sg-upgrade-2.deb
check "what its scripts execute runs: what is replaced, and what is new" test "$(</run/t/after-2)" == $'after\nafter\nversion 2'
check "the program runs on, and is the new one" test "$(/usr/bin/sg-program upgraded)" == upgraded
check "a script does" test "$(/usr/bin/sg-script)" == "version 2"
refused "what the upgrade brought that nobody had executed" /usr/bin/sg-new
refused "a program outside, afterwards, too" /srv/evil
refused "to write over the program" python3 -c 'open("/usr/bin/sg-program", "r+b").write(b"evil")'
refused "to move another one over it" python3 -c 'import os; os.rename("/srv/evil", "/usr/bin/sg-program")'
refused "to remove it" python3 -c 'import os; os.unlink("/usr/bin/sg-program")'

# Of a subject: it may execute what it did, and everybody else what he likes. Its package is upgraded, too.
rm "$policies/50-learnt.yaml"
check "no policy" safeguard policy reload
learn_for() { # how to be the subject, version of the package, options of policy learn…
    local by=$1 version=$2 name="${3#--}"
    shift 2
    check "$name: a policy is learnt" bash -c 'safeguard policy learn --name "$1" --from /tmp/events.json "${@:2}" >/tmp/learnt.yaml' - "of $name" "$@"
    check "$name: with its name" grep -qx "name: \"of $name\"" /tmp/learnt.yaml
    sed 's/^mode: monitor/mode: enforce/' /tmp/learnt.yaml >"$policies/50-learnt.yaml"
    check "$name: in force" safeguard policy reload
    check "$name: what it executed runs on" "$by" /usr/bin/sg-program
    refused "$name: what it did not" "$by" /srv/evil
    check "$name: which others execute" /srv/evil
    check "$name: the package is upgraded" dpkg -i "/run/t/sg-upgrade-$version.deb"
    check "$name: what it executed runs on, upgraded" test "$("$by" /usr/bin/sg-script)" == "version $version"
    refused "$name: what it did not, afterwards, too" "$by" /srv/evil
    rm "$policies/50-learnt.yaml"
    check "$name: no policy any more" safeguard policy reload
    check "$name: all runs again" "$by" /srv/evil
}
learn_for by_exe 3 --exe /usr/bin/dash
learn_for by_user 4 --user alice
learn_for in_group 5 --cgroup /learnt
check "records can come from standard input" bash -c 'safeguard policy learn --from - </tmp/events.json | cmp - <(safeguard policy learn --from /tmp/events.json)'
check "JSON has the policy, too" bash -c 'safeguard policy learn --json --from /tmp/events.json |
    python3 -c "import json, sys; print(json.load(sys.stdin)[\"policy\"], end=\"\")" | cmp - <(safeguard policy learn --from /tmp/events.json)'
check "of whom there is no record nothing is learnt" bash -c 'safeguard policy learn --from /tmp/events.json --user bob; [[ $? == 1 ]]'

echo "# $(safeguard status --json | python3 -c 'import json, sys; s = json.load(sys.stdin); print(s["programs"], s["resources"])')"
echo "# $(grep -E 'VmRSS|RssAnon|RssFile|RssShmem' "/proc/$agent/status" | tr -s '\t\n' ' ')"
safeguard stop --detach >/tmp/stop 2>&1 || cat /tmp/stop
