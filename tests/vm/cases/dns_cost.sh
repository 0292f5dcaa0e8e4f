#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What datagrams cost that have nothing to do with names, beside programs that do nothing, and what a question and its answer do. Runs
# inside a VM whose clock counts instructions (tools/vm run --icount --share build/tests/vm/dns/null_skb.bpf.o). Prints numbers, and TAP.
set -u
n=5000

# The first ones warm up.
sg-udp plain 1000 >/dev/null
sg-udp names 1000 >/dev/null
none=$(sg-udp plain $n)
null=$(sg-dns -n /opt/safeguard/share/null_skb.bpf.o sg-udp plain $n)
ours=$(sg-dns sg-udp plain $n)
# Of whose records all have room in the ring, since nobody reads them.
asked_none=$(sg-udp names 1000)
asked_null=$(sg-dns -n /opt/safeguard/share/null_skb.bpf.o sg-udp names 1000)
asked=$(sg-dns sg-udp names 1000)
sg-dns -o /tmp/records sg-udp names 1000 >/dev/null
echo "# a datagram there and one back: $none; added: by programs that do nothing $((null - none)), by those that look for names $((ours - none))"
echo "# a question and its answer: $asked_none; added: by programs that do nothing $((asked_null - asked_none)), by those that look for names $((asked - asked_none))"
# Four programs run for a pair.
if ((ours - null < 4 * 60)); then echo "ok cost"; else echo "not ok cost"; fi
if (($(grep -c '"type":2' /tmp/records) >= 1000)); then echo "ok all are seen"; else echo "not ok all are seen"; fi
