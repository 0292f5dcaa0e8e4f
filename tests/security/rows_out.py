# SPDX-License-Identifier: Apache-2.0
"""Where text of hosts leaves the server by other ways than its API: webhooks, mail, syslog, terminals, logs. And what must
never leave it: at the end, every secret that any of the tables used is looked for in all that was written and may be read."""

import base64
import json
import os
import re
import socket
import subprocess
import threading
import time

from link import Host, record
from rig import CLI, PASSWORD, Answer, Row
from rows_text import CONTROLS, TEXTS, host_of_text, strict


# Messages -------------------------------------------------------------------------------------------


class Catcher:
    """A webhook, a mail server and a syslog server of this machine, which keep what they are told, byte by byte."""

    def __init__(self):
        self.hooks, self.mails, self.datagrams = [], [], []
        self.http, self.smtp = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        for serve in (self._http, self._smtp, self._udp):
            threading.Thread(target=serve, daemon=True).start()

    def _http(self):
        while True:
            s, _ = self.http.accept()
            with s:
                s.settimeout(10)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += s.recv(65536)
                head, body = data.split(b"\r\n\r\n", 1)
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                while len(body) < length:
                    body += s.recv(65536)
                self.hooks.append((head, body))
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def _smtp(self):
        while True:
            s, _ = self.smtp.accept()
            with s, s.makefile("rwb") as f:
                said, mail, in_data = [], b"", False

                def answer(text):
                    f.write(text)
                    f.flush()
                answer(b"220 x\r\n")
                for line in f:
                    if in_data:
                        if line == b".\r\n":
                            in_data = False
                            self.mails.append((said, mail))
                            answer(b"250 ok\r\n")
                        mail += line
                        continue
                    said.append(line)
                    word = line[:4].upper()
                    if word == b"DATA":
                        in_data, mail = True, b""
                        answer(b"354 go on\r\n")
                    elif word == b"QUIT":
                        answer(b"221 bye\r\n")
                        break
                    else:
                        answer(b"250 ok\r\n")

    def _udp(self):
        while True:
            self.datagrams.append(self.udp.recv(65536))


def channels(r):
    r.catcher = c = Catcher()
    smtp = f"smtp://127.0.0.1:{c.smtp.getsockname()[1]}"
    r.admin.must("PATCH", "/api/v1/settings", {"set": {"smtp.url": smtp, "notify.per_minute": 600}})
    r.server.secret("the webhook's secret", "a secret of the webhook 7f3a")
    for kind, target in (("webhook", f"http://127.0.0.1:{c.http.getsockname()[1]}/hook"), ("email", "a@example.org"),
                         ("syslog", f"udp://127.0.0.1:{c.udp.getsockname()[1]}")):
        r.admin.must("POST", "/api/v1/channels", {"name": kind, "kind": kind, "target": target, "severity": 1, "secret":
                                                  r.server.secrets["the webhook's secret"] if kind == "webhook" else ""})
    h = Host(r, "alerts\r\nBcc: x@example.org")
    h.hello()
    r.alert_host = h.id
    lines = []
    for k, text in enumerate(TEXTS.values()):
        lines.append(record(k, message=text, unmapped={"rule": text, "policy": text}, file={"path": "/" + text},
                            actor={"user": {"name": text}, "process": {"pid": k, "name": text, "file": {"path": "/" + text}}}))
    r.alerts = len({line for line in lines})
    return h.send(lines)


def wait_for(r, got):
    end = time.monotonic() + 25
    while len(got) < r.alerts and time.monotonic() < end:
        time.sleep(0.1)
    return len(got) >= r.alerts


def webhooks(r):
    if not wait_for(r, r.catcher.hooks):
        return f"{len(r.catcher.hooks)} of {r.alerts} came"
    for head, body in list(r.catcher.hooks):
        one = strict(body)
        names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        if not set(names) <= {b"host", b"user-agent", b"accept", b"content-type", b"safeguard-delivery", b"safeguard-signature", b"content-length"}:
            return f"{head!r}"
        if CONTROLS.search(json.dumps(one, ensure_ascii=False).encode().replace(b"\xe2\x80", b"").replace(b"\xe2\x81", b"").replace(b"\xef\xbb\xbf", b"")):
            return f"{body!r}"
    return True


HEADER = re.compile(rb"(Date|From|To|Subject|Message-ID|Auto-Submitted|MIME-Version|Content-Type|Content-Transfer-Encoding): [\x20-\x7e]*")


def mails(r):
    if not wait_for(r, r.catcher.mails):
        return f"{len(r.catcher.mails)} of {r.alerts} came"
    for said, mail in list(r.catcher.mails):
        rcpt = [line for line in said if line.upper().startswith(b"RCPT")]
        if [line.strip() for line in rcpt] != [b"RCPT TO:<a@example.org>"]:
            return f"{said}"
        head, body = mail.split(b"\r\n\r\n", 1)
        head = head.replace(b"\r\n ", b" ")
        names = [line.split(b":")[0] for line in head.split(b"\r\n")]
        if len(set(names)) != len(names) or not all(HEADER.fullmatch(line) for line in head.split(b"\r\n")):
            return f"{head!r}"
        if not re.fullmatch(rb"([A-Za-z0-9+/=]{1,76}\r\n)*", body):
            return f"{body!r}"
        if CONTROLS.search(base64.b64decode(body)):
            return f"{base64.b64decode(body)!r}"
    return True


def datagrams(r):
    if not wait_for(r, r.catcher.datagrams):
        return f"{len(r.catcher.datagrams)} of {r.alerts} came"
    form = re.compile(rb'<\d+>1 \S+ \S+ safeguard \d+ alert \[safeguard@32473( [A-Za-z]+="([^"\\\]]|\\["\\\]])*")*\] \xef\xbb\xbf.*', re.DOTALL)
    for d in list(r.catcher.datagrams):
        if not form.fullmatch(d) or CONTROLS.search(d.replace(b"\xef\xbb\xbf", b"", 1)) or b"\n" in d:
            return f"{d!r}"
    return True


def alerts_listed(r):
    items = strict(r.viewer.get("/api/v1/alerts", host=r.alert_host, limit=500).body)["items"]
    for i in items:
        strict(r.viewer.get(f"/api/v1/alerts/{i['id']}").body)
        for key in ("title", "rule", "program", "path", "user"):
            if i[key] and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in i[key]):
                return f"{key}: {i[key]!r}"
    return len(items) >= len(TEXTS) - 2 or f"{len(items)} alerts"


def exception(r):
    """The change of a policy that an alert proposes: text of hosts becomes text of YAML, not more of it."""
    text = "safeguard: 1\nname: t\nmode: enforce\nfiles:\n  - {path: /etc/shadow, access: read, do: deny, id: shadow}\n"
    r.operator.ask("POST", "/api/v1/policies", {"name": "60-shadow.yaml", "text": text})
    for i in strict(r.viewer.get("/api/v1/alerts", limit=500).body)["items"]:
        a = r.operator.ask("POST", f"/api/v1/alerts/{i['id']}/exception", {"reason": "x\n  - {path: /**, do: allow}", "scope": "program"})
        if a.status not in (200, 400, 404, 409):
            return a
        if a.status == 200:
            proposal = strict(a.body)
            check = r.viewer.must("POST", "/api/v1/policies/check", {"name": proposal["policy"], "text": proposal["text"]})
            if check["errors"] or re.search(r"(?m)^\s*- \{path: /\*\*, do: allow\}", proposal["text"]):
                return Answer(0, why=proposal["text"])
    return r.viewer.get("/api/v1/alerts")


MESSAGES = [
    Row("alerts of all texts, with a webhook, mail and syslog", channels, "200", alerts_listed),
    Row("  ... webhooks are one object, with headers of ours alone", lambda r: Answer(200), "200", webhooks),
    Row("  ... mail has no header and no line of theirs", lambda r: Answer(200), "200", mails),
    Row("  ... syslog has one line each, with its parameters closed", lambda r: Answer(200), "200", datagrams),
    Row("exceptions for them", exception, "200"),
]


# What is typed ----------------------------------------------------------------------------------------


def cli(r, *words, **more):
    env = {**os.environ, "XDG_CONFIG_HOME": str(r.place / "config"), "TERM": "xterm-256color"}
    return subprocess.run([CLI, *words], capture_output=True, env=env, **more)


def typed(*words):
    """A command, and that nothing of what it prints drives a terminal."""
    def send(r):
        if not (r.place / "config").exists():
            first = r.server.command("ca", "show").split("\n")[0].split()[-1]
            done = cli(r, "login", r.server.url, "--user", "u-viewer", "--password-stdin", "--fingerprint", first, input=(PASSWORD + "\n").encode())
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            kept = json.loads((r.place / "config/safeguard/servers.json").read_text())
            r.server.secret("the token of the command line", kept["servers"][kept["last"]]["token"])
        done = cli(r, *[w.format(host=host_of_text(r).id, url=r.server.url) for w in words])
        r.printed = done.stdout + done.stderr
        return Answer(200 if done.returncode in (0, 1) and len(r.printed) > 100 else 0, why=f"{done.returncode} {done.stderr[:300]}")
    return send


def tame(r):
    found = CONTROLS.search(r.printed)
    return not found or f"{r.printed[max(0, found.start() - 60):found.end() + 60]!r}"


def tame_json(r):
    for line in r.printed.splitlines():
        strict(line)
    return not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", r.printed) or "a control character"


TYPED = [
    Row("safeguard hosts", typed("hosts"), "200", tame),
    Row("safeguard hosts, one of them", typed("hosts", "{host}"), "200 | closed", tame),
    Row("safeguard events", typed("events", "--server", "{url}", "--limit", "1000"), "200", tame),
    Row("safeguard events --json", typed("events", "--server", "{url}", "--json", "--limit", "1000"), "200", tame_json),
    Row("safeguard alerts", typed("alerts"), "200", tame),
]


# What is written ------------------------------------------------------------------------------------------


def log(r):
    return Answer(200 if r.server.log.stat().st_size > 1000 else 0)


def log_is_tame(r):
    found = CONTROLS.search(r.server.log.read_bytes())
    text = r.server.log.read_bytes()
    if found:
        return f"{text[max(0, found.start() - 80):found.end() + 80]!r}"
    odd = [line for line in text.decode().splitlines() if not line.startswith("safeguard-server: ")]
    return not odd or f"{odd[:5]}"


def no_secret(r):
    """Each password, token, session and secret of this test, in every file of the server, in its log, and in what anybody may read."""
    wanted = dict(r.server.secrets)
    for name, text in list(wanted.items()):
        if text.startswith("sg1."):
            body = text[4:]
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            wanted[f"{name}, its secret"] = raw[32:48]
            wanted[f"{name}, its secret in hexadecimal"] = raw[32:48].hex()
    files = [p for p in [*r.server.data.rglob("*"), r.server.log] if p.is_file()]
    bad = []
    for p in files:
        data = p.read_bytes()
        for name, text in wanted.items():
            if (text if isinstance(text, bytes) else text.encode()) in data:
                bad.append(f"{name} is in {p.relative_to(r.place)}")
    said = r.auditor.get("/api/v1/audit/export").body + r.admin.get("/api/v1/settings").body + r.admin.get("/api/v1/channels").body
    bad += [f"{name} is in the trail, settings or channels" for name, text in wanted.items() if (text if isinstance(text, bytes) else text.encode()) in said]
    print(f"# {len(wanted)} secrets, {len(files)} files", flush=True)
    return not bad and len(wanted) > 10 or "\n".join(bad[:20]) or f"only {len(wanted)} secrets"


def private(r):
    """What the server keeps is for its user alone."""
    bad = [str(p) for p in [r.server.data, *r.server.data.rglob("*")] if p.stat().st_mode & 0o077]
    return not bad or f"{bad}"


WRITTEN = [
    Row("the server's log has whole lines, and nothing that drives a terminal", log, "200", log_is_tame),
    Row("no secret is in any file, log, trail or setting", log, "200", no_secret),
    Row("what is kept is for the server alone", log, "200", private),
]


def run(r, results):
    results.rows("messages", MESSAGES, r)
    results.rows("what people type", TYPED, r)
    results.rows("what is written", WRITTEN, r)
