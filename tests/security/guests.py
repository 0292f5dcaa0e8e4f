#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts that lie, for who looks at them: with each text of rows_text.py a host whose every word is that text, and two that
send values of other types than anybody expects. Called by tests/browser.

    guests.py PORT DIR

The first line of the input is a token that is good for all of them. Prints what was made as JSON: {"hosts": {ID: TEXT}, "odd": [ID]}.
Until its input ends they answer who looks at them, in the same words.
"""

import json
import pathlib
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from answers import Answers  # noqa: E402
from link import Host, record  # noqa: E402
from rows_text import TEXTS, answers_of, tamed  # noqa: E402

MORE = {
    "SVG": "<svg><script>window.__hit=1</script><a xlink:href=javascript:window.__hit=1><text y=9>x</text></a></svg>",
    "an iframe": "<iframe srcdoc='<script>parent.__hit=1</script>'></iframe><base href=//evil.example>",
    "a template": "{{constructor.constructor('window.__hit=1')()}} ${window.__hit=1} <%= 1 %>",
    "a data address": "data:text/html,<script>window.__hit=1</script>",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60,
    "no blank": "W" * 255,
}
# Where a text belongs, what is no text; where a number belongs, one that no date has.
WRONG = (5, -1, 1e300, 9007199254740993, True, None, [], {}, [["x"]], {"a": {"b": []}}, "x")


class Rig:
    class server:
        @staticmethod
        def secret(_name, text):
            return text

    def __init__(self, port, place, token):
        self.server.port, self.place, self._token = port, pathlib.Path(place), token

    def token(self):
        return self._token


def health(t):
    return {
        "agent": json.dumps({"version": t, "started": t}),
        "policy": json.dumps({"name": t, "error": {"what": t, "cure": t}, "found": [{"message": t, "file": t, "severity": t}]}),
        "problems": json.dumps([{"what": t, "cure": t}, {"what": t}]),
        "losses": json.dumps({t: 5}),
        "isolation": json.dumps({"on": True, "in_force": True, "since_ms": 1 << 60, "until_ms": 1 << 44, "by": t, "reason": t, "allow": [t, 5, None, {"a": t}]}),
        "defence": json.dumps({"state": t, "unlocked_until_ms": 1 << 60, "unlocked_by": t, "attempts": 5, "self_test_ms": 1 << 62}),
        "resources": json.dumps({"cpu_permille": 5, "resident_bytes": 1, "clock_ms": 99999999, t: t}),
        tamed(t)[:60]: json.dumps({"help": t, "state": t, "attach": t, "proved_ms": 1, "reason": t, "cure": t}),
        "file_open": json.dumps({"help": t, "state": "failed", "attach": "lsm", "proved_ms": None, "reason": t, "cure": t}),
    }


def lines_of(k, t):
    process = {"pid": k, "uid": f"u{k}", "name": t, "cmd_line": t, "working_directory": t, "file": {"path": "/" + t, "name": t},
               "user": {"name": t, "uid": t}, "container": {"uid": t, "runtime": t, "orchestrator": t, "name": t},
               "parent_process": {"pid": 1, "uid": t, "name": t, "cmd_line": t, "file": {"path": "/" + t}},
               "ancestry": [{"uid": t, "path": t}, {"uid": "b", "path": t}]}
    unmapped = {"rule": t, "rule_file": "/etc/safeguard/policies/" + t + ".yaml", "rule_line": 3, "hook": t, "mode": t, "cgroup": t, t[:40]: t}
    base = {"message": t, "actor": {"user": {"name": t, "uid": t}, "session": {"uid": t, "issuer": t, "is_remote": True}, "process": process},
            "file": {"path": "/" + t, "name": t, "owner": {"name": t}}, "unmapped": unmapped, "policy": {"name": t}, "device": {"hostname": t}}
    life = {**base, "class_uid": 1007, "activity_id": 1, "action_id": 3, "disposition_id": 17, "severity_id": 1, "process": process}
    launch = {**process, "session": {"uid": t, "issuer": t, "terminal": t}, "file": {
        "path": "/" + t, "name": t, "hashes": [{"algorithm_id": 3, "value": t}], "product": {"name": t, "version": t}},
        "environment_variables": [{"name": t, "value": t}, {"name": "LD_PRELOAD", "value": t}]}
    how = {**unmapped, "script": t, "script_file": {"hashes": [{"algorithm_id": 3, "value": t}], "product": {"name": t, "version": t}, "hash_missing": t}, "arguments": [t, t, ""], "arguments_cut": True, "argument_count": 9, "environment_cut": True, "launch": [t, "memory"],
           "descriptors": [{"fd": 0, "kind": t, "path": t, "family": t, "local_endpoint": {"ip": t, "port": 1}}, {"fd": 1, "kind": "tty", "terminal": t}],
           "capabilities": [t], "capabilities_permitted": [t], "namespaces": {t[:40]: 1}, "hash_missing": t}
    return [record(k, **base), record(k, **life),
            record(k, **{**life, "launch_type_id": 3, "actor": {**base["actor"], "process": launch}, "process": launch, "unmapped": how}),
            record(k, **{**life, "launch_type_id": 3, "process": {**launch, "uid": t[:200], "parent_process": {"uid": f"u{k}", "name": t}}, "unmapped": how})]


def wrong_lines():
    """A good record with one value of it replaced by a wrong one, for each value and each wrong one."""
    good = json.loads(lines_of(1, "x")[2])
    good.update({"start_time": 1, "end_time": 2, "count": 3, "file_result": {"path": "/y"}})
    places = []

    def walk(value, path):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append([*path, key])
            if isinstance(value[key], (dict, list)):
                walk(value[key], [*path, key])
    walk(good, [])
    for n, wrong in enumerate(WRONG):
        one = json.loads(json.dumps(good))
        # All of a kind at once: the innermost places only, or the outermost.
        for path in places:
            at = one
            for key in path[:-1]:
                at = at[key]
            if not isinstance(at[path[-1]], (dict, list)) and path != ["class_uid"] and path != ["time"]:
                at[path[-1]] = wrong
        yield json.dumps(one).encode()
    for key in good:
        for wrong in WRONG[::4]:
            yield json.dumps({**good, key: wrong}).encode()
    for key in good["actor"]["process"]:
        for wrong in WRONG[1::4]:
            yield json.dumps({**good, "actor": {**good["actor"], "process": {**good["actor"]["process"], key: wrong}}}).encode()


def odd_answer(what, wrong):
    """All its members there, and none as it should be."""
    good = answers_of(["x"])[what](None)

    def spoil(value):
        if isinstance(value, list):
            return [spoil(v) for v in value] + [wrong]
        return {k: spoil(v) for k, v in value.items()} if isinstance(value, dict) else wrong
    return spoil(good)


def main():
    rig = Rig(int(sys.argv[1]), sys.argv[2], sys.stdin.readline().strip())
    made = {"hosts": {}, "odd": []}
    answering = []
    for k, text in enumerate([*TEXTS.values(), *MORE.values()]):
        said = text.encode()[:250].decode(errors="ignore")
        h = Host(rig, said, machine_id=uuid.uuid4().hex, os=said, kernel=said, arch=said[:60])
        for answer in (h.hello(version=said[:60]), h.send_state("health", health(text[:600])), h.send(lines_of(k, text))):
            if answer.status != 200:
                raise RuntimeError(f"{text[:40]!r}: {answer} {answer.body}")
        made["hosts"][h.id] = text
        answering.append(Answers(h, answers_of([text])))
    for n, wrong in enumerate((5, "x", [], {"what": {}}, None, 1e300)):
        h = Host(rig, f"odd-{n}", machine_id=uuid.uuid4().hex)
        rows = {key: json.dumps(wrong) for key in health("x")}
        if n % 2:
            rows = {key: json.dumps({k: wrong for k in ("what", "cure", "state", "proved_ms", "reason", "attach", "clock_ms", "cpu_permille",
                                                        "error", "bundle", "x")}) for key in rows}
            rows["problems"] = json.dumps([wrong, {"what": wrong, "cure": wrong}])
        for answer in (h.hello(), h.send_state("health", rows)):
            if answer.status != 200:
                raise RuntimeError(f"{wrong}: {answer} {answer.body}")
        made["odd"].append(h.id)
        wrongs = {what: lambda _, wrong=wrong, what=what: odd_answer(what, wrong) for what in ("processes", "scheduling", "defence", "network")}
        answering.append(Answers(h, wrongs))
    odd = Host(rig, "odd-records", machine_id=uuid.uuid4().hex)
    odd.hello()
    lines = list(wrong_lines())
    for at in range(0, len(lines), 50):
        answer = odd.send(lines[at:at + 50])
        if answer.status != 200:
            raise RuntimeError(f"{answer} {answer.body}")
    made["odd"].append(odd.id)
    for a in answering:
        a.start()
    print(json.dumps(made), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
