# SPDX-License-Identifier: Apache-2.0
#
# What became of the ways of sg-network: what each gave, and the records of its process. As a hook of type fmod_ret the same.
import ipaddress
import json
import os
import platform
import sys

ABSENT = 200


def release():
    major, minor = platform.release().split(".")[:2]
    return int(major) * 100 + int("".join(c for c in minor if c.isdigit()))


def address(text):
    ip = ipaddress.ip_address(text)
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    # What no address is led to.
    if ip.is_unspecified:
        return None
    return ip


def end_is(record, kind, host, port):
    own = kind in ("bind", "listen")
    if record["family"] not in ("inet", "inet6"):
        return port == 0 or record["family"] == "other"
    if own:
        return record["local_port"] == port and (address(host) is None or address(record["local"]) == address(host))
    if address(host) and address(record["remote"]) != address(host):
        return False
    return (record["local_port"] if kind in ("accept", "receive") else record["remote_port"]) == port


def judge(way, ran, records):
    name, host, port, since, error, kind, outcome = way
    pid, got = ran
    if got == ABSENT:
        return "absent"
    mine = [r for r in records if r["kind"] == "control" and r["pid"] == pid and r["control"] == kind]
    if got != error:
        return "gave %d (%s) instead of %d; records: %s" % (got, os.strerror(got) if got < 200 else "-", error, mine)
    if outcome == "":
        return "recorded: %s" % mine if mine else None
    fits = [r for r in mine if r["outcome"] == outcome and end_is(r, kind, host, port)]
    if not fits:
        return "no such record; there are: %s" % [r for r in records if r["pid"] == pid and r["kind"] == "control"]
    return None


ways = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
ran = {f[0]: (int(f[1]), int(f[2])) for f in (line.rstrip("\n").split("\t") for line in open(sys.argv[2]))}
records = [json.loads(line) for line in open(sys.argv[3])]
for way in ways:
    way[2], way[3], way[4] = int(way[2]), int(way[3]), int(way[4])
    if way[0] not in ran:
        if len(ran) == len(ways):
            print("not ok %s: it was not run" % way[0])
        continue
    if way[3] > release():
        print("ok %s # SKIP this kernel has no hook for it" % way[0])
        continue
    problem = judge(way, ran[way[0]], records)
    if problem == "absent":
        print("ok %s # SKIP this kernel does not have it" % way[0])
    else:
        print("ok %s" % way[0] if not problem else "not ok %s: %s" % (way[0], problem))
lost = [r for r in records if r["kind"] == "undecodable" or (r["kind"] == "counter" and r["counter"] in (1, 3))]
print("not ok nothing lost: %s" % lost if lost else "ok nothing lost")
