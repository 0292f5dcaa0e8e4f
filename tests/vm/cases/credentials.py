#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the findings of a file of events against what was done: credentials.py EVENTS record|enforce WAYS

WAYS has a line "way act status" for each process that was tampered with, in their order. Prints TAP.
"""

import json
import re
import sys

REPLACED, IDS, CAPS, USER_NS = ("credential_replaced", "credential_ids", "credential_caps",
                                "credential_user_ns")
KINDS = {"ids": IDS, "euid": IDS, "gid": IDS, "effective": CAPS, "ambient": CAPS,
         "user_ns": USER_NS, "replace": REPLACED, "subjective": REPLACED, "commit": REPLACED}


def check(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name}: {why}")


def find_differences(event):
    before, after = (event["unmapped"][f"credentials_{w}"] for w in ("before", "after"))
    return {key for key in before if before[key] != after[key]}


def check_one(event, way, act, mode):
    name = f"{way} {act}"
    kind = event["finding_info"]["types"][0]
    check(f"{name}: {KINDS[way]}", kind == KINDS[way], f"{kind}, {event['message']}")
    good = event["severity_id"] == 5 and event["type_uid"] == 200401 and event["is_alert"]
    check(f"{name}: critical", good, event)
    killed = event["disposition_id"] == 2 and event["message"].endswith(", and was killed")
    check(f"{name}: {'killed' if mode == 'enforce' else 'recorded'}",
          killed == (mode == "enforce"), event["message"])
    program = event["actor"]["process"].get("file", {}).get("name")
    check(f"{name}: who", program == "sg-victim", event["actor"])
    if way != "subjective":
        check(f"{name}: what changed", find_differences(event), event["unmapped"])


def main():
    path, mode, ways_path = sys.argv[1:]
    with open(path, encoding="utf-8") as lines:
        text = lines.read()
    check("no address of the kernel is in a record", not re.search(r"ffff[89a-f][0-9a-f]{11}", text))
    events = [json.loads(line) for line in text.splitlines()]
    found = [e for e in events if e.get("class_uid") == 2004]
    with open(ways_path, encoding="utf-8") as lines:
        ways = [line.split() for line in lines]
    # Each is said once: by the access that was next, whatever followed.
    check("one finding for each", len(found) == len(ways), f"{len(found)} for {len(ways)}: "
          + "; ".join(e["message"] for e in found))
    for event, (way, act, _) in zip(found, ways):
        check_one(event, way, act, mode)


main()
