#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The section `control` under an agent: each of its hooks proves itself, what is refused leaves the host as a record of OCSF, and the
# agent itself is exempt. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"

mkdir -p "$policies"
cp "$cases/control.yaml" "$policies/10-control.yaml"
# With rules about files that ask for programs all tests are made that there are.
cp "$cases/vault.yaml" "$policies/15-vault.yaml"
# What would keep the agent from working if it held for it.
cat >"$policies/20-agent.yaml" <<'YAML'
safeguard: 1
name: everything
mode: enforce
control:
  - {bpf: any, do: deny}
  - {capability: [bpf, perfmon], do: deny}
  - {mount: any, do: deny}
YAML
start_agent "$@" || { cat "$run_log"; echo "not ok agent"; exit 1; }
safeguard status --json >/tmp/status.json
python3 - <<'PY'
import json
hooks = json.load(open("/tmp/status.json"))["hooks"]
attached = [h for h in hooks if h["state"] != "off" and h["state"] != "unavailable"]
for h in attached:
    good = h["state"] == "proved" or (h["state"] == "untestable" and "not proved: it refuses nothing" in h.get("reason", ""))
    if not good and h["state"] == "attached" and "could not be made ready" in h.get("reason", ""):
        print("ok hook %s # SKIP %s" % (h["id"], h["reason"]))
    else:
        print("ok" if good else "not ok", "hook %s is %s: %s" % (h["id"], h["state"], h.get("reason", "")))
failing = json.load(open("/tmp/status.json"))["self_test"]["failing"]
print("ok" if failing == 0 else "not ok", "hooks that are said to fail: %d" % failing)
print("ok" if len(attached) > 50 else "not ok", "hooks attached: %d" % len(attached))
for h in hooks:
    if h["state"] == "unavailable":
        print("# unavailable: %s: %s" % (h["id"], h.get("reason", "")))
PY
sleep 1000 &
other=$!
refused "signal" kill -USR1 $other
refused "trace" python3 -c "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, $other, 0, 0) < 0: sys.exit(os.strerror(ctypes.get_errno()))"
refused "bpf" bpftool prog list
check "the agent goes on" safeguard policy reload
kill $other
if await 20 "was not allowed to trace sleep \(pid $other\)" "$events"; then
    echo "ok record of a trace"
else
    tail -n 3 "$events"
    echo "not ok record of a trace"
fi
python3 - "$events" $other <<'PY'
import json, sys
records = [json.loads(line) for line in open(sys.argv[1])]
mine = [r for r in records if r.get("unmapped", {}).get("control")]
trace = [r for r in mine if r["unmapped"]["control"] == "ptrace" and r["unmapped"].get("argument") == "attach"]
signal = [r for r in mine if r["unmapped"]["control"] == "signal" and r["process"]["pid"] == int(sys.argv[2])]
bpf = [r for r in mine if r["unmapped"]["control"] == "bpf"]
def check(name, good, what):
    print("ok %s" % name if good else "not ok %s: %s" % (name, what))
check("class of a trace", trace and trace[0]["class_uid"] == 1007 and trace[0]["activity_id"] == 4 and trace[0]["process"]["name"] == "sleep", trace[:1])
check("class of a signal", signal and signal[0]["disposition_id"] == 2 and signal[0]["unmapped"]["argument"] == "usr1", signal[:1])
check("class of bpf", bpf and bpf[0]["class_uid"] == 1003 and bpf[0]["kernel"]["name"] == "bpf", bpf[:1])
check("rule of a record", trace and trace[0]["unmapped"].get("rule_line") == 19, trace[:1])
own = [r for r in mine if r["unmapped"].get("rule_file", "").startswith("(")]
check("no record of the self-test", not own, own[:1])
PY
kill -TERM $agent
