# SPDX-License-Identifier: Apache-2.0
"""Text from hosts: in every field that they fill in, everything that somebody might take for a command, a tag or a line of his own."""

import json
import re
import threading
import time
import uuid

from answers import Answers
from link import Host, record
from rig import Answer, Row, Wire, ask, head_of, query

TEXTS = {
    "SQL": "'); DROP TABLE hosts; --",
    "SQL that is always true": "x' OR '1'='1",
    "the query language of the index": 'NEAR("a" "b") AND * OR NOT col:x ^y {z} -w',
    "an open quote": 'a"b\'c`d',
    "wildcards": "%_*?[a-z]\\%",
    "HTML": "<script>window.__hit=1</script><img src=x onerror=window.__hit=1>",
    "HTML of an attribute": "\"><svg/onload=window.__hit=1>'",
    "an address of JavaScript": "javascript:window.__hit=1//",
    "escapes of a terminal": "\x1b[2J\x1b[31m\x1b]0;title\x07\x9b31m",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six",
    "a header": "x\r\nBcc: all@example.org\r\nSet-Cookie: a=b\r\n\r\nbody",
    "an event of a live view": "x\n\nevent: record\ndata: {\"forged\":true}\n\n",
    "order of letters": "evil\u202egpj.exe\u2066\u2069\u200f",
    "nothing to be seen": "a\u200b\u00ad\ufeff\U000e0041b",
    "a formula": "=cmd|' /C calc'!A0",
    "formats": "%s%n%x {0} ${jndi:ldap://x/a} $(id) `id` {{7*7}}",
    "a path": "../../../../etc/passwd\\..\\..",
    "JSON": '{"a":[1,"b"]}","c":"',
    "long": "L" * 3000,
    "without a blank, in other letters": "\u4e2d\u6587\U0001f600\u0301" * 200,
}
# Bytes that have no place in a line of a log, a terminal, or a header.
CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf")

# Where hosts put text: a name, and a record with the text in that place.
FIELDS = {
    "path": lambda t: {"file": {"path": "/" + t, "name": t}},
    "program": lambda t: {"actor": {"process": {"pid": 7, "uid": "b:7:1", "name": t, "file": {"path": "/" + t, "name": t}}}},
    "arguments": lambda t: {"actor": {"process": {"pid": 7, "uid": "b:7:1", "name": "p", "cmd_line": t, "file": {"path": "/p"}}}},
    "working directory": lambda t: {"actor": {"process": {"pid": 7, "name": "p", "working_directory": t, "file": {"path": "/p"}}}},
    "user": lambda t: {"actor": {"user": {"name": t, "uid": t}, "session": {"uid": t}, "process": {"pid": 7, "file": {"path": "/p"}}}},
    "parent": lambda t: {"actor": {"process": {"pid": 7, "uid": "b:7:1", "file": {"path": "/p"}, "parent_process": {
        "pid": 6, "uid": t, "name": t, "cmd_line": t, "file": {"path": t}}, "ancestry": [{"uid": t, "path": t}]}}},
    "container": lambda t: {"actor": {"process": {"pid": 7, "file": {"path": "/p"}, "container": {"uid": t, "name": t}}}},
    "launch": lambda t: {"class_uid": 1007, "activity_id": 1, "action_id": 3, "disposition_id": 17, "severity_id": 1, "launch_type_id": 3, "process": {
        "pid": 7, "uid": "b:7:2", "name": t, "cmd_line": t, "working_directory": t, "file": {"path": "/" + t, "hashes": [{"algorithm_id": 3, "value": t}],
        "product": {"name": t, "version": t}}, "user": {"name": t}, "container": {"uid": t}, "session": {"uid": t, "terminal": t},
        "environment_variables": [{"name": t, "value": t}], "parent_process": {"pid": 6, "uid": t, "name": t}},
        "unmapped": {"script": t, "arguments": [t], "launch": [t], "namespaces": {t: 1}, "descriptors": [{"fd": 0, "kind": t, "path": t}]}},
    "message": lambda t: {"message": t},
    "rule": lambda t: {"unmapped": {"rule": t, "rule_file": t, "rule_line": 1, "hook": t}, "policy": {"name": t}},
    "device": lambda t: {"device": {"hostname": t, "uid": t, "os": {"name": t}}},
    "a member's name": lambda t: {"unmapped": {t: t}},
    "metadata": lambda t: {"metadata": {"uid": t, "version": t, "product": {"name": t}}, "time_dt": t},
}
LINES = [
    b"not json", b"", b"null", b'["array"]', b'{"message":"cut', b'{"a":"\xff\xfe"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"nul \0"}',
    b'{"message":"\x1b[31m raw"}', b'{"message":"a\rb"}', b'{"message":"a\tb"}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1.}',
    b'{"a":1,}', b"{'a':1}", b"[" * 5000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b'{"class_uid":1001,"class_uid":1007}',
    b'{"time":1e300,"class_uid":-5,"severity_id":99999999999999999999}', b'{"time":-1}', b'{"message":"\\ud800"}', b'{"class_uid":"x","time":{}}',
]


def tamed(text):
    """As names of hosts are kept: nothing in them that ends a line or drives a terminal."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", text)


def strict(data):
    """As a browser reads it: UTF-8, no NaN."""
    def refuse(word):
        raise ValueError(word)
    return json.loads(data.decode("utf-8"), parse_constant=refuse)


# Records --------------------------------------------------------------------------------------------


def host_of_text(r):
    if not hasattr(r, "text_host"):
        r.text_host = Host(r, "text")
        r.text_host.hello()
    return r.text_host


def live_view(r):
    """Begun before anything is sent; ended by who reads it."""
    r.live = Wire(r.server.port, timeout=20)
    r.live.send(head_of(r, "GET", query("/api/v1/events/stream", host=host_of_text(r).id, full="true"), r.viewer.headers("GET")))
    status, headers = r.live.head()
    return Answer(status, headers)


def sends_all(r):
    """Every text in every field: one record each."""
    h = host_of_text(r)
    r.sent = {}
    for number, (field, make) in enumerate(FIELDS.items()):
        lines = []
        for k, text in enumerate(TEXTS.values()):
            over = make(text)
            over.setdefault("unmapped", {}).setdefault("rule", f"r{number}")
            mark = f"mark{number}x{k}"
            over["unmapped"]["mark"] = mark
            line = record(number * 100 + k, **over)
            r.sent[mark] = json.loads(line)
            lines.append(line)
        answer = h.send(lines)
        if answer.status != 200:
            return answer
    return answer


def all_items(r, **q):
    out, cursor = [], None
    while True:
        page = r.viewer.get("/api/v1/events", limit=500, **q, **({"cursor": cursor} if cursor else {}))
        body = strict(page.body)
        out += body["items"]
        cursor = body["next"]
        if not cursor:
            return out


def given_back(r):
    items = all_items(r, host=r.text_host.id)
    if len(items) != len(r.sent):
        return f"{len(items)} of {len(r.sent)} records are listed"
    seen = set()
    with Wire(r.server.port) as w:
        for i in items:
            one = strict(ask(r, "GET", f"/api/v1/events/{i['id']}", r.viewer.headers("GET"), wire=w).body)
            mark = one["record"]["unmapped"]["mark"]
            if one["record"] != r.sent[mark]:
                return f"{mark} was changed: {one['record']}"
            if i["path"] not in (None, r.sent[mark]["file"]["path"]):
                return f"{mark}: the path is {i['path']!r}"
            seen.add(mark)
    return seen == set(r.sent) or "some are missing"


def export(r):
    r.exported = r.viewer.get("/api/v1/events/export", host=r.text_host.id)
    return r.exported


def exported_well(r):
    lines = r.exported.body.split(b"\n")
    if lines.pop() != b"":
        return "the last line has no end"
    got = {}
    for line in lines:
        if CONTROLS.search(re.sub(rb"\xe2\x80.|\xe2\x81.|\xc2.|\xef\xbb\xbf", b"", line)):
            return f"a control character in {line[:200]!r}"
        one = strict(line)
        got[one["unmapped"]["mark"]] = one
    return got == r.sent or f"{len(got)} of {len(r.sent)}"


def live_view_is_whole(r):
    """Events are of three kinds, each with data that is JSON; nothing that a host said is an event of its own."""
    text, end = b"", time.monotonic() + 20
    wanted = len(r.sent)
    records = []
    while len(records) < wanted and time.monotonic() < end:
        while b"\r\n" not in r.live.buffer:
            if not r.live._more():
                return "it ended"
        n = int(r.live._until(b"\r\n"), 16)
        text += r.live._exactly(n)
        r.live._exactly(2)
        *whole, text = text.split(b"\n\n")
        for event in whole:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if line and not line.startswith(b":"))
            if not set(fields) <= {b"id", b"event", b"data", b"retry"} or fields.get(b"event", b"record") not in (b"record", b"lost", b"ping"):
                return f"{event[:300]!r}"
            if fields.get(b"event") == b"record":
                records.append(strict(fields[b"data"]))
            elif fields.get(b"event") == b"lost":
                wanted -= strict(fields[b"data"]).get("lost", 1)
    r.live.close()
    forged = [x for x in records if "forged" in x]
    return len(records) >= wanted and not forged or f"{len(records)} of {wanted} came, {forged}"


def finds(parameter, of):
    """Each text by itself, in its field: found, and nothing else."""
    def send(r):
        for k, text in enumerate(TEXTS.values()):
            wanted = of(text)
            if len(wanted.encode()) > 256 or any(ord(c) < 32 or ord(c) == 127 for c in wanted) or wanted.endswith("*"):
                continue  # longer than may be asked for, or not to be asked for in an address
            a = r.viewer.get("/api/v1/events", host=r.text_host.id, **{parameter: wanted}, limit=1000)
            if a.status != 200:
                a.why = repr(wanted)
                return a
            for i in strict(a.body)["items"]:
                if i[parameter] != wanted:
                    return Answer(0, why=f"{wanted!r} found {i}")
            r.found = len(strict(a.body)["items"])
            if r.found == 0:
                return Answer(0, why=f"{wanted!r} is not found")
        return a
    return send


def launches(r):
    """What was executed: each text is in its place, as it was; an entity that is a text finds its own."""
    target, got, cursor = f"/api/v1/hosts/{r.text_host.id}/processes", [], None
    while True:
        a = r.viewer.get(target, limit=7, **({"cursor": cursor} if cursor else {}))
        if a.status != 200:
            return a
        page = strict(a.body)
        got += page["items"]
        cursor = page["next"]
        if not cursor:
            break
    texts = {i["cmd_line"] for i in got}
    if len(got) != len(TEXTS) or texts != set(TEXTS.values()):
        return Answer(0, why=f"{len(got)} launches, {texts ^ set(TEXTS.values())}")
    for i in got:
        t = i["cmd_line"]
        if not all(i[key] == t for key in ("name", "working_directory", "script", "user", "container", "session", "terminal")) or i["parent"]["uid"] != t:
            return Answer(0, why=f"{i}")
        if len(t.encode()) > 64 or any(ord(c) < 32 or ord(c) == 127 for c in t):
            continue
        for key in ("user", "container", "session", "parent"):
            a = r.viewer.get(target, **{key: t})
            if a.status != 200 or [x["cmd_line"] for x in strict(a.body)["items"]] != [t]:
                return Answer(0, why=f"{key}={t!r}: {a}")
    for part in ("", "/tree"):
        a = r.viewer.get(f"{target}/b:7:2{part}")
        strict(a.body)
        if a.status != 200:
            return a
    return r.viewer.get(f"{target}/running")


def any_words(r):
    """Whatever is looked for: an answer, never an error of the index."""
    for text in [*TEXTS.values(), '"', "'", "*", "a*", "AND", "NOT", "NEAR", "a NEAR b", "-", "--", "(", ")", "a:b", "^", '""', '"a', "\\", "%", ";DROP TABLE x"]:
        for target in ("/api/v1/events", "/api/v1/events/timeline", "/api/v1/hosts", "/api/v1/alerts", f"/api/v1/hosts/{r.text_host.id}/processes"):
            a = r.viewer.get(target, q=text[:80])
            said_why = any(ord(c) < 32 or ord(c) == 127 for c in text[:80]) or text[:80].count('"') % 2
            if a.status != 200 and not (said_why and a.status == 400):
                a.why = f"{target} {text!r}"
                return a
            strict(a.body)
    return r.viewer.get("/api/v1/hosts")


def tables_are_there(r):
    for person, target in ((r.viewer, "/api/v1/hosts"), (r.viewer, "/api/v1/events"), (r.viewer, "/api/v1/alerts"), (r.admin, "/api/v1/users")):
        if not strict(person.get(target).body)["items"]:
            return f"nothing is left at {target}"
    return True


def charts(r):
    for by in ("rule", "program", "user", "path", "host"):
        a = r.viewer.get("/api/v1/top", by=by, limit=100)
        if a.status != 200:
            return a
        strict(a.body)
    a = r.viewer.get("/api/v1/rollup", by="program", limit=50)
    strict(a.body)
    return a


def odd_lines(r):
    r.odd = Host(r, "odd")
    r.odd.hello()
    for line in LINES:
        a = r.odd.send([line])
        if a.status != 200:
            a.why = repr(line[:60])
            return a
    return a


def odd_lines_are_shown(r):
    """Each is there, and is JSON to everybody, whatever it was."""
    items = all_items(r, host=r.odd.id)
    for i in items:
        strict(r.viewer.get(f"/api/v1/events/{i['id']}").body)
    lines = r.viewer.get("/api/v1/events/export", host=r.odd.id).body.split(b"\n")[:-1]
    for line in lines:
        strict(line)
    return len(items) == len(lines) == len(LINES) or f"{len(items)} listed, {len(lines)} exported, {len(LINES)} sent"


RECORDS = [
    # name, what is sent, what must come back, what must be true afterwards
    Row("a live view is open", live_view, "200"),
    Row(f"{len(TEXTS)} texts in {len(FIELDS)} fields of records are stored", sends_all, "200", given_back),
    Row("what was executed has each of them in its place", launches, "200"),
    Row("  ... shown live", lambda r: Answer(200), "200", live_view_is_whole),
    Row("  ... exported, a line each", export, "200", exported_well),
    Row("  ... found by their path", finds("path", lambda t: "/" + t), "200"),
    Row("  ... found by their user", finds("user", lambda t: t), "200"),
    Row("  ... found by their rule", finds("rule", lambda t: t), "200"),
    Row("  ... found by their program", finds("program", lambda t: "/" + t), "200"),
    Row("  ... counted in charts", charts, "200"),
    Row("words that are no words are looked for", any_words, "200", tables_are_there),
    Row(f"{len(LINES)} lines that are no records are kept and shown", odd_lines, "200", odd_lines_are_shown),
]


# Hosts ----------------------------------------------------------------------------------------------


def hosts_of_text(r):
    """All that a host says of itself."""
    r.named = {}
    for text in TEXTS.values():
        said = text.encode()[:250].decode(errors="ignore")
        h = Host(r, said, machine_id=uuid.uuid4().hex, os=said, kernel=said, arch=said[:60])
        a = h.hello(version=said[:60])
        if a.status != 200:
            return a
        h.send([record(1)])
        r.named[h.id] = text
    return a


def hosts_are_clean(r):
    """Without control characters, cut at a character, and otherwise as they said."""
    listed = {h["id"]: h for h in strict(r.viewer.get("/api/v1/hosts", limit=1000).body)["items"]}
    for host, text in r.named.items():
        for key in ("name", "os", "kernel"):
            said = listed[host][key]
            if not tamed(text).startswith(said) or len(said) < min(len(text), 15) or tamed(said) != said:
                return f"{key} {said!r} for {text!r}"
        detail = strict(r.viewer.get(f"/api/v1/hosts/{host}").body)
        if detail["host"]["name"] != listed[host]["name"]:
            return f"{detail['host']['name']!r}"
    return True


def labels(r):
    """By people: as they said, or refused."""
    host = next(iter(r.named))
    refused = 0
    for text in TEXTS.values():
        a = r.operator.ask("PATCH", f"/api/v1/hosts/{host}", {"labels": {"note": text[:60]}})
        refused += a.status == 400
        if a.status not in (200, 400):
            return a
        if a.status == 200 and strict(a.body)["host"]["labels"]["note"] != text[:60]:
            return Answer(0, why=f"{text!r} became {a.json['host']['labels']}")
        b = r.viewer.get("/api/v1/hosts", label=f"note={text[:60]}")
        if b.status not in (200, 400):
            return b
    return r.viewer.get(f"/api/v1/hosts/{host}")


def state_of_text(r):
    h = host_of_text(r)
    rows = {tamed(text)[:60]: json.dumps(text) for text in TEXTS.values()}
    r.rows = rows
    return h.send_state("notes", rows)


def state_is_given_back(r):
    got = strict(r.viewer.get(f"/api/v1/hosts/{r.text_host.id}/state/notes").body)["rows"]
    got = {row["key"]: row["value"] for row in got}
    return got == {k: json.loads(v) for k, v in r.rows.items()} or f"{got}"


def bad_state(r):
    """What json-c takes for JSON and browsers do not."""
    for value in ("NaN", "-Infinity", "1.", '"a\tb"', '"\x01"'):
        a = r.text_host.send_state("odd", {"k": value})
        if a.status == 200:
            return a
    return a


def answers_of(said):
    """What a host answers who looks at it, with `said` wherever a text belongs: for each of them."""
    process = [{"pid": k, "uid": t, "parent": t, "below": t, "comm": t, "program": t, "command": t, "user": t, "login": t, "session": t, "container": t,
                "package": t, "started_ms": 1, "deleted": True} for k, t in enumerate(said)]
    use = [{"pid": k, "process_uid": t, "name": t, "exe": t, "command": t, "user": t, "container": t, "cgroup": t, "cpu_permille": 5} for k, t in enumerate(said)]
    rule = [{"file": t, "line": 1, "values": {"cpus": t, "class": t, "io_class": t}, "groups": [t], "own_group": t} for t in said]
    why = {"what": said[0], "cure": said[-1]}
    who = [{"pid": k, "process_uid": t, "program": t, "user": t, "container": t} for k, t in enumerate(said)]
    flow = [{**w, "type": t, "reason": t, "local": t, "local_port": 1, "remote": t, "remote_port": 2, "name": t, "peer_program": t, "error": t, "protocol": 6}
            for w, t in zip(who, said)]
    network = {"live": flow[:1], "closed": flow[1:], "flows": True, "dns": True, "flows_error": why, "dns_error": why,
               "questions": [{**w, "name": t, "type": t, "server": t, "rcode": t, "answers": [{"address": t}]} for w, t in zip(who, said)],
               "drops": [{"reason": t, "place": t, "source": t, "destination": t, "protocol": 6, "packets": 1} for t in said],
               "edges": [{"program": t, "peer_program": t, "name": t, "peer": t, "port": 1, "protocol": 6, "flows": 1} for t in said]}
    lists = {"flows": ("live", "closed"), "dns": ("questions",), "drops": ("drops",), "map": ("edges",)}
    states = ("flows", "dns", "flows_error", "dns_error")
    return {"network": lambda args: {"network": {k: network[k] for k in states + lists[(args or {}).get("what", "flows")]}},
            "processes": lambda _: {"processes": process},
            "scheduling": lambda _: {"top": {"rows": use, "scheduling_error": why}, "scheduling": {"error": why}, "rules": rule},
            "defence": lambda _: {"defence": {"state": said[0], "unlocked_by": said[0], "missing": said[0]}, "self_test": {"error": why}}}


def looked_at(r, h, known, what):
    """Somebody looks, and the host answers him."""
    got = []
    looker = threading.Thread(target=lambda: got.append(r.viewer.get(f"/api/v1/hosts/{h.id}/live/{what}")))
    looker.start()
    answers = Answers(h, known)
    while looker.is_alive() and not answers.asked:
        answers.once()
    looker.join()
    return got[0]


def live_of_text(r):
    h = host_of_text(r)
    r.live = {}
    for what in ("processes", "scheduling", "defence", "network", "network?what=dns", "network?what=drops", "network?what=map"):
        # A machine that has much else to do may take longer than the server waits: then that is what it says.
        for _ in range(5):
            a = looked_at(r, h, answers_of(list(TEXTS.values())), what)
            if a.status != 200:
                return a
            r.live[what] = strict(a.body)
            if r.live[what]["live"]["state"] == "answered":
                break
    return a


def answers_are_given_back(r):
    said = list(TEXTS.values())
    for key in ("uid", "parent", "name", "program", "cmd_line", "user", "login_user", "session", "container", "package"):
        if [n[key] for n in r.live["processes"]["nodes"]] != said:
            return f"processes: {key}"
    for question, rows, keys in (("network", "flows", ("process", "program", "user", "container", "type", "ended", "local", "remote", "name", "peer_program", "error")),
                                 ("network?what=dns", "questions", ("process", "program", "name", "type", "server", "rcode")),
                                 ("network?what=drops", "drops", ("reason", "place", "source", "destination")),
                                 ("network?what=map", "edges", ("program", "peer_program", "name", "peer"))):
        for key in keys:
            if [n[key] for n in r.live[question][rows]] != said:
                return f"{question}: {key}"
    for key in ("uid", "name", "program", "cmd_line", "user", "container", "cgroup"):
        if [n[key] for n in r.live["scheduling"]["use"]["rows"]] != said:
            return f"scheduling: {key}"
    for key in ("file", "cpus", "class", "io_class", "own_group"):
        if [n[key] for n in r.live["scheduling"]["rules"]] != said:
            return f"rules: {key}"
    d = r.live["defence"]["defence"]
    # A state that there is none is none.
    return (d["state"], d["by"], d["missing"], d["self_test"]["cure"]) == ("unknown", said[0], said[0], said[-1]) or f"{d}"


def odd_answers(r):
    """Of types that nobody expects: a host of its own for each, since an answer serves all who ask for a second."""
    for n, odd in enumerate((5, None, [], "x", {"processes": 5, "next": -1}, {"processes": [5, {"pid": 1e300, "uid": [], "started_ms": 1 << 60}]},
                             {"top": {"rows": {}, "host": 5, "interval_ns": "x"}, "rules": 7, "scheduling": []},
                             {"top": {"rows": [{"sched": {"delay": 5, "off_permille": []}}], "host": {"delays": [{}, -1, 1 << 63]}}}, {"defence": {"state": 5, "unlocked_until_ms": 1 << 62}})):
        h = Host(r, f"odd-answers-{n}")
        h.hello()
        for what in ("processes", "scheduling", "defence"):
            a = looked_at(r, h, {what: lambda _, odd=odd: odd}, what)
            if a.status != 200:
                a.why = f"{what}: {odd}"
                return a
            strict(a.body)
    return a


def results(r):
    h = host_of_text(r)
    r.results = {}
    for text in TEXTS.values():
        made = r.operator.must("POST", f"/api/v1/hosts/{h.id}/commands", {"name": "status"})
        a = h.post("/agent/v1/result", {"command": made["id"], "status": "failed", "result": {text[:40]: text}, "error": {"what": text[:900], "cure": text[:400]}})
        if a.status not in (200, 400):
            return a
        r.results[made["id"]] = text if a.status == 200 else None
    return a


def results_are_given_back(r):
    items = strict(r.viewer.get(f"/api/v1/hosts/{r.text_host.id}/commands", limit=200).body)["items"]
    for c in items:
        text = r.results.get(c["id"])
        if text and c["result"] != {text[:40]: text}:
            return f"{c['result']!r} for {text!r}"
    return sum(t is not None for t in r.results.values()) >= 15 or f"{r.results}"


def people(r):
    """Texts of people: names are names, the rest is as they said."""
    for text in TEXTS.values():
        for target, body in (("/api/v1/users", {"name": text[:60], "roles": ["viewer"], "password": "long enough for it"}),
                             ("/api/v1/channels", {"name": text[:60], "kind": "webhook", "target": "https://127.0.0.1:9/x"}),
                             ("/api/v1/enrolment-tokens", {"comment": text[:200], "labels": {"a": text[:50]}})):
            a = r.admin.ask("POST", target, body)
            if a.status not in (201, 400):
                a.why = f"{target} {text!r}"
                return a
            if a.status == 201 and "token" in target:
                r.server.secret("a token of text", a.json["text"])
        a = r.operator.ask("POST", "/api/v1/policies", {"name": f"{text[:60]}.yaml", "text": text, "comment": text[:500]})
        if a.status not in (201, 400, 409):
            return a
        a = r.viewer.ask("POST", "/api/v1/policies/check", {"name": "x.yaml", "text": text})
        if a.status != 200:
            a.why = repr(text)
            return a
        strict(a.body)
    return a


def lists_are_readable(r):
    for person, target in ((r.admin, "/api/v1/users"), (r.admin, "/api/v1/channels"), (r.admin, "/api/v1/enrolment-tokens"), (r.viewer, "/api/v1/policies"),
                           (r.auditor, "/api/v1/audit?limit=1000"), (r.admin, "/api/v1/settings")):
        strict(person.get(target).body)
    for c in strict(r.admin.get("/api/v1/channels").body)["items"]:
        if c["name"] != "kept":
            r.admin.must("DELETE", f"/api/v1/channels/{c['id']}")
    trail = r.auditor.get("/api/v1/audit/export").body.split(b"\n")[:-1]
    for line in trail:
        strict(line)
        if CONTROLS.search(re.sub(rb"\xe2\x80.|\xe2\x81.|\xc2.|\xef\xbb\xbf", b"", line)):
            return f"{line[:200]!r}"
    return len(trail) > 50 or f"{len(trail)} lines"


HOSTS = [
    Row("what hosts say of themselves", hosts_of_text, "200", hosts_are_clean),
    Row("labels", labels, "200"),
    Row("rows of state", state_of_text, "200", state_is_given_back),
    Row("rows of state that no browser could read", bad_state, "400"),
    Row("what hosts answer who looks at them", live_of_text, "200", answers_are_given_back),
    Row("answers of other types", odd_answers, "200"),
    Row("what came of commands", results, "200 | 400", results_are_given_back),
    Row("what people say", people, "200", lists_are_readable),
]


def run(r, results):
    results.rows("records", RECORDS, r)
    results.rows("hosts and people", HOSTS, r)
