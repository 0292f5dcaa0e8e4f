# SPDX-License-Identifier: Apache-2.0
"""Where: paths out of the directory of the UI and of the API, methods, and what every answer says to a browser."""

import urllib.parse

from rig import BROKEN, Row, Wire, ask, head_of, raw

CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}

# Ways to write ".." and "/" that somebody between here and a file may take for them.
WAYS = ("../outside.txt", "../../../../etc/passwd", "assets/../../outside.txt", "%2e%2e/outside.txt", "%2e%2e%2foutside.txt",
        "..%2foutside.txt", ".%2e/outside.txt", "..%5coutside.txt", "..\\outside.txt", "%252e%252e%252foutside.txt", "%c0%ae%c0%ae/outside.txt",
        "%c0%ae%c0%ae%c0%afoutside.txt", "..%c0%afoutside.txt", "%e0%80%ae%e0%80%ae/outside.txt", "..%00/outside.txt", "....//outside.txt",
        "..;/outside.txt", "./outside.txt", "%2e/outside.txt", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "assets//app-12345678.js",
        "up/outside.txt", "link.txt", ".hidden", "%2ehidden", "index.html%00.js", "index.html/", "index.html/..", "~root", "C:\\boot.ini",
        "file:///etc/passwd", "%uff0e%uff0e/outside.txt", "\uff0e\uff0e/outside.txt")


def answer_to(r, target):
    return raw(r, head_of(r, "GET", target.encode().decode("latin-1")))


def out_of(prefix, found=("404 not-found", "400 invalid")):
    """All ways at once: the first answer that is none of these, or the last."""
    def send(r):
        for way in WAYS:
            a = answer_to(r, prefix + way)
            leaked = any(w in a.body for w in (b"outside", b"hidden", b"root:"))
            # The UI has addresses of its own: what looks like one gets its first page, and nothing else.
            page = a.status == 200 and "api" not in prefix and a.body == (r.place / "ui/index.html").read_bytes()
            if leaked or not (str(a) in found or page or way.endswith(".js")):
                a.why = way
                a.status = 200 if leaked else a.status
                return a
        return a
    return send


def every_method(r):
    """Methods that nobody knows, at a page, a file, a route and an address of nothing."""
    for target in ("/", "/assets/app-12345678.js", "/api/v1/hosts", "/agent/v1/hello", "/nothing.txt", "/api/nothing"):
        for method in ("TRACE", "TRACK", "OPTIONS", "PROPFIND", "CONNECT", "DEBUG", "get", "HACK", "POST\tX"):
            a = ask(r, method, target)
            if a.status not in (400, 404, 405, 401) or a.header("Allow") and "TRACE" in a.header("Allow"):
                a.why = f"{method} {target}"
                return a
            if b"HACK" in a.body or b"PROPFIND" in a.body:
                a.status, a.why = 200, "the method is said back"
                return a
    return a


def every_head(r):
    """HEAD is GET without its body: as many bytes are said, none come, and what follows is the next answer."""
    for target in ("/", "/assets/app-12345678.js", "/healthz", "/api/v1/openapi.json", "/api/v1/hosts", "/nothing.txt",
                   "/api/v1/events/export", "/api/v1/events/stream"):
        headers = r.viewer.headers("GET")
        get = ask(r, "GET", target, headers) if "stream" not in target else None
        try:
            with Wire(r.server.port, timeout=5) as w:
                w.send(head_of(r, "HEAD", target, headers))
                a = w.answer(head_only=True)
                if get and (a.status != get.status or not a.header("Transfer-Encoding") and
                            a.header("Content-Length") != get.header("Content-Length")):
                    a.why = f"{target}: {a} is not {get}"
                    return a
                if a.header("Transfer-Encoding") or "stream" in target:
                    continue  # of no length: the connection is not used again
                w.send(head_of(r, "GET", "/healthz"))
                follows = w.answer()
                if follows.body != b'{"ok":true}':
                    follows.why = f"after HEAD {target}"
                    return follows
        except BROKEN as e:
            follows = raw(r, b"")
            follows.why = f"HEAD {target}: {e}"
            return follows
    return follows


def said(target, person=None, method="GET", no_store=True, headers=()):
    """An answer of one kind; what it says to a browser is looked at afterwards."""
    def send(r):
        who = getattr(r, person) if person else None
        own = [*(who.headers(method) if who else ()), *headers]
        try:
            with Wire(r.server.port) as w:
                w.send(head_of(r, method, target, own))
                r.answer = w.answer(head_only="stream" in target or "export" in target)
        except BROKEN as e:
            r.answer = raw(r, b"")
            r.answer.why = str(e)
        r.no_store = no_store
        return r.answer
    return send


def says(r):
    wrong = [f"{n}: {r.answer.header(n)}" for n, v in HEADERS.items() if r.answer.header(n) != v]
    wrong += [f"{n} is said" for n, _ in r.answer.headers if n.lower().startswith("access-control-") or n.lower() in ("server", "x-powered-by")]
    if r.no_store and r.answer.header("Cache-Control") != "no-store":
        wrong.append(f"Cache-Control: {r.answer.header('Cache-Control')}")
    twice = {n for n, _ in r.answer.headers if len(r.answer.all(n)) > 1}
    wrong += [f"{n} comes twice" for n in twice]
    if r.answer.body and not r.answer.header("Content-Type"):
        wrong.append("no Content-Type")
    return not wrong or "\n".join(wrong)


CROSS = (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST"))
PATHS = [
    # name, what is sent, what must come back, what must be true afterwards
    Row(f"{len(WAYS)} ways out of the UI's directory", out_of("/"), "404 not-found | 400 invalid | 200",
        lambda r: b"outside" not in answer_to(r, "/link.txt").body),
    Row("  ... from a directory in it", out_of("/assets/"), "404 not-found | 400 invalid | 200"),
    Row("  ... at the API", out_of("/api/v1/", ("404 not-found", "400 invalid", "401 unauthorized")), "404 not-found | 400 invalid"),
    Row("  ... at policies for hosts", lambda r: ask(r, "GET", "/agent/v1/bundle/..%2f..%2fetc%2fpasswd", certificate=r.host.certificate),
        "404 not-found | 400"),
    Row("  ... as the name of a policy", lambda r: r.operator.ask("POST", "/api/v1/policies", {"name": "../../etc/cron.d/x.yaml", "text": "safeguard: 1\n"}),
        "400 invalid"),
    Row("  ... as the name of a policy that is asked for", lambda r: r.viewer.get("/api/v1/policies/..%2f..%2fserver.key"), "404 not-found | 400 invalid"),
    Row("a link in the directory is not followed", lambda r: answer_to(r, "/link.txt"), "404 not-found"),
    Row("a directory behind a link is not there", lambda r: answer_to(r, "/up/outside.txt"), "404 not-found"),
    Row("hidden files are not there", lambda r: answer_to(r, "/.hidden"), "404 not-found"),
    Row("13 parts", lambda r: answer_to(r, "/a" * 13), "400 invalid | 414 too-long"),
    Row("an encoded slash is part of a name", lambda r: r.viewer.get("/api/v1%2fhosts"), "404 not-found"),
    Row("a NUL", lambda r: answer_to(r, "/index.html%00"), "400 invalid"),
    Row("CR and LF, encoded", lambda r: answer_to(r, "/%0d%0aSet-Cookie:%20a=b"), "400 invalid", lambda r: True),
    Row("an escape that is none", lambda r: answer_to(r, "/%zz"), "400 invalid"),
    Row("bytes that are not UTF-8", lambda r: answer_to(r, "/%ff"), "400 invalid"),
    Row("methods that nobody knows", every_method, "400 | 404 | 405"),
    Row("HEAD", every_head, "200"),
]

ANSWERS = [
    Row("a page", said("/", no_store=False), "200", says),
    Row("an address of the UI", said("/hosts", no_store=False), "200", says),
    Row("a file", said("/assets/app-12345678.js", no_store=False), "200", says),
    Row("JSON", said("/api/v1/hosts", "viewer"), "200", says),
    Row("JSON for everybody", said("/healthz"), "200", says),
    Row("nothing (204)", lambda r: _nothing(r), "204", says),
    Row("who is not known", said("/api/v1/hosts"), "401 unauthorized", says),
    Row("who may not", said("/api/v1/users", "viewer"), "403 forbidden", says),
    Row("what is not there", said("/api/v1/nothing"), "404 not-found", says),
    Row("a file that is not there", said("/nothing.js"), "404 not-found", says),
    Row("another method", said("/api/v1/hosts", method="PUT"), "405 method", says),
    Row("what is not well-formed", said("/%zz"), "400 invalid", says),
    Row("another host", said("/", headers=(("Host", "evil.example"),)), "421 host", says),
    Row("headers in two ways", said("/", headers=(("Cookie", "a"), ("Cookie", "b"))), "400 invalid", says),
    Row("an agent's refusal", said("/agent/v1/poll"), "401 certificate", says),
    Row("an export", said("/api/v1/events/export", "viewer"), "200", says),
    Row("a live view", said("/api/v1/events/stream", "viewer"), "200", says),
    Row("a question of another site's page", said("/api/v1/hosts", "viewer", headers=CROSS), "200", says),
    Row("a preflight of another site's page", said("/api/v1/hosts", method="OPTIONS", headers=CROSS), "405 method", says),
    Row("a form is not taken from elsewhere", lambda r: ask(r, "POST", "/api/v1/login", [("Origin", "https://evil.example"),
        ("Content-Type", "application/json")], b'{"user":"a","password":"b"}'), "403 origin"),
]


def _nothing(r):
    made = r.viewer.must("POST", "/api/v1/tokens", {"name": "short"})
    r.server.secret("a token for nothing", made["text"])
    r.answer, r.no_store = r.viewer.ask("DELETE", f"/api/v1/tokens/{urllib.parse.quote(made['token']['id'])}"), True
    return r.answer


def run(r, results):
    results.rows("paths and methods", PATHS, r)
    results.rows("what every kind of answer says to a browser", ANSWERS, r)
