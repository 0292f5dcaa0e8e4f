#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a rule about capabilities costs who uses another one, beside a program that does nothing. Runs inside a VM whose clock
# counts instructions (tools/vm run --icount --share build/tests/bench/capable.bpf.o). Prints numbers, and TAP.
set -u
n=20000

policy() { # rule
    printf 'safeguard: 1\nname: cost\nmode: enforce\ncontrol:\n  - {%s}\n' "$1" >/tmp/cost.yaml
}
none=$(sg-control cost $n)
null=$(sg-bench-load /opt/safeguard/share/capable.bpf.o sg-control cost $n)
policy 'capability: sys_time, do: deny'
unrelated=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-control cost $n)
policy 'capability: setpcap, by: {user: 4242}, do: deny'
spoken=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-control cost $n)
policy 'capability: setpcap, by: {exe: /usr/bin/true}, do: deny'
program=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-control cost $n)
policy 'ptrace: any, do: deny'
other=$(sg-protect -p /tmp/cost.yaml -o /dev/null sg-control cost $n)
echo "# a use of a capability: $none; added: by a null program $((null - none)), by a rule about another one $((unrelated - none)), by one about this one and another user $((spoken - none)), … and another program $((program - none)), by a rule about another kind $((other - none))"
if ((unrelated - none < 4 * (null - none + 100))); then echo "ok cost"; else echo "not ok cost"; fi
