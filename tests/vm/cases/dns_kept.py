#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes on without the process that put it to work: names are learnt, and records wait. Called by dns.sh.

  dns_kept.py ask NAME ADDRESS [SERVER]   asks, of a server that resolv.conf need not have; NAME has to be in the table, or with "!NAME" must not
  dns_kept.py always FILE                 asks until FILE is there: each name has to be in the table when its call returns
  dns_kept.py records FIRST SECOND        of two readers, one behind the other
"""

import os
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns_wire import Names, check, question, records  # noqa: E402


def ask(name, server="127.0.0.53"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(10)
        own.sendto(question(name), (server, 53))
        return own.recv(4096)


def asked(label, address, *server):
    wanted, name = not label.startswith("!"), label.lstrip("!")
    ask(name, *server)
    known = Names().entries(address)
    check(f"kept.{name} is {'' if wanted else 'not '}learnt", (name in known) == wanted, known)


def always(stop):
    n, missing = 0, []
    while not os.path.exists(stop) or n < 200:
        name = f"k{n}.many.example"
        ask(name)
        if name not in Names().entries("192.0.2.99"):
            missing.append(n)
        n += 1
    check("kept.each name while programs are replaced", not missing, (missing, n))


def judge(first, second):
    def names(path):
        return [(r["name"], r["type"]) for r in records(path, lambda r: "type" in r)]

    before, after = names(first), names(second)
    check("kept.the first reader has its own", before.count(("first-kept.example", 2)) == 1 and ("alone-kept.example", 2) not in before, before)
    check("kept.what came while nobody read", after.count(("alone-kept.example", 1)) == 1 == after.count(("alone-kept.example", 2)), after)
    check("kept.nothing twice", ("first-kept.example", 2) not in after and after.count(("second-kept.example", 2)) == 1, after)


if sys.argv[1] == "ask":
    asked(*sys.argv[2:])
elif sys.argv[1] == "always":
    always(sys.argv[2])
else:
    judge(*sys.argv[2:])
