# SPDX-License-Identifier: Apache-2.0
"""Every route of the server's own document against every role, by session, by API token, by nobody and by a host's certificate.

Who may is what the document says of each route ("For operator."). So that a mistake in that column is seen as well, the routes that
matter most are written down here by hand. tests/unit/server/test_routes.c has the same by route, in the process.
"""

import re

from rig import BROKEN, ROLES, Answer, Person, Row, Wire, ask

# As the document says it, unless it names roles.
WHO = {"anybody": {"nobody", *ROLES}, "whoever is signed in": set(ROLES)}

# By hand. A route that is missing here is held against the document alone.
MATTERS = {
    ("POST", "/api/v1/users"): "admin", ("PATCH", "/api/v1/users/{name}"): "admin", ("DELETE", "/api/v1/users/{name}"): "admin",
    ("GET", "/api/v1/users"): "admin auditor", ("GET", "/api/v1/audit"): "auditor", ("GET", "/api/v1/audit/export"): "auditor",
    ("POST", "/api/v1/policies"): "operator", ("PUT", "/api/v1/policies/{name}"): "operator",
    ("DELETE", "/api/v1/policies/{name}"): "operator", ("POST", "/api/v1/policies/{name}/rollouts"): "operator",
    ("POST", "/api/v1/rollouts/{id}/rollback"): "operator", ("POST", "/api/v1/hosts/{id}/commands"): "operator",
    ("POST", "/api/v1/hosts/{id}/revoke"): "admin", ("DELETE", "/api/v1/hosts/{id}"): "admin",
    ("POST", "/api/v1/strangers/{id}/adopt"): "admin", ("POST", "/api/v1/enrolment-tokens"): "admin",
    ("PATCH", "/api/v1/settings"): "admin", ("POST", "/api/v1/channels"): "admin", ("POST", "/api/v1/channels/{id}/test"): "admin",
    ("GET", "/api/v1/events"): "viewer operator auditor", ("GET", "/api/v1/events/export"): "viewer operator auditor",
    ("GET", "/api/v1/events/stream"): "viewer operator auditor", ("PATCH", "/api/v1/alerts/{id}"): "operator",
    ("GET", "/api/v1/channels"): "admin auditor", ("GET", "/api/v1/settings"): "admin auditor",
    ("GET", "/api/v1/enrolment-tokens"): "admin auditor", ("GET", "/api/v1/strangers"): "admin auditor",
    ("GET", "/api/v1/hosts"): "viewer operator admin auditor", ("POST", "/api/v1/tokens"): "viewer operator admin auditor",
}


def tokens(r):
    made = {}
    for role in ROLES:
        text = r.people[role].must("POST", "/api/v1/tokens", {"name": f"all-{role}"})["text"]
        r.server.secret(f"the token of {role}", text)
        made[role] = Person(r)
        made[role].token = text
    return made


def is_refused(a):
    """For who he is, not for what he sends."""
    return (a.status, a.code) in ((401, "unauthorized"), (403, "forbidden"), (401, "certificate"))


def try_route(method, path, who):
    """With a body that cannot be right, so that nothing is changed."""
    target = re.sub(r"\{[^}]*\}", "none", path)
    body = {"no": "such"} if method != "GET" else None
    if path.endswith("/logout"):
        return None  # it is what it says: tried in rows_people.py
    headers = who.headers(method)
    if path.endswith("/stream") or path.endswith("/export"):
        return ask(who.rig, "HEAD", target, headers)
    # On one connection for each, which a refusal may have ended.
    for _ in range(2):
        try:
            if who.wire is None:
                who.wire = Wire(who.rig.server.port)
            return ask(who.rig, method, target, headers, body, wire=who.wire)
        except BROKEN:
            who.wire = None
    return Answer(why="it is not answered")


def everybody(r, path_item):
    """Who was let in, by (how, role)."""
    path, method, _ = path_item
    let_in = set()
    asked = [("session", role, r.people[role]) for role in ROLES] + [("token", role, r.role_tokens[role]) for role in ROLES]
    for how, role, who in [("no", "nobody", r.nobody), *asked]:
        a = try_route(method, path, who)
        if a is None:
            return None
        if a.status == 0 or a.status >= 500:
            raise RuntimeError(f"{how} {role}: {a} {a.why}")
        refused = a.status in (401, 403) if path.endswith(("/stream", "/export")) else is_refused(a)
        if not refused:
            let_in.add((how, role))
    return let_in


def expected(operation, may):
    by_token = any("token" in s for s in operation["security"]) or not operation["security"]
    out = {("session", role) for role in may & set(ROLES)}
    out |= {("token", role) for role in may & set(ROLES)} if by_token else set()
    return out | ({("no", "nobody")} if "nobody" in may else set())


def attempt(item):
    path, method, operation = item

    def send(r):
        said = re.match(r"For ([^.]*)\.", operation["description"])[1]
        r.expected = expected(operation, WHO.get(said) or set(said.split(", ")))
        r.by_hand = MATTERS.get((method, path))
        r.let_in = everybody(r, item)
        return Answer(200)

    def after(r):
        if r.let_in is None:
            return True
        if r.let_in != r.expected:
            return f"let in against the document: {sorted(r.let_in - r.expected)}, kept out: {sorted(r.expected - r.let_in)}"
        roles = {role for how, role in r.let_in if how == "session"}
        return r.by_hand is None or roles == set(r.by_hand.split()) or f"{sorted(roles)} are let in; by hand: {r.by_hand}"
    return Row(f"{method} {path}", send, "200", after)


def host_at(method, path):
    """A host's certificate is nobody's session."""
    return Row(f"{method} {path} with a host's certificate", lambda r: ask(r, method, re.sub(r"\{[^}]*\}", "none", path),
               certificate=r.host.certificate, body=None if method == "GET" else {}), "401 unauthorized | 400 | 415 | 404")


def run(r, results):
    document = ask(r, "GET", "/api/v1/openapi.json").json
    r.role_tokens, r.nobody = tokens(r), Person(r)
    for who in (*r.people.values(), *r.role_tokens.values(), r.nobody):
        who.wire = None
    items = [(path, method.upper(), op) for path, methods in document["paths"].items() for method, op in methods.items()]
    results.rows("every route, every role, by session, by token and by nobody", [attempt(i) for i in items], r)
    known = {(m, p) for p, m, _ in items}
    results.check("every route that matters is there", set(MATTERS) <= known, f"{set(MATTERS) - known}")
    results.check("the document has all of them", len(items) >= 65, f"{len(items)}")
    gate = [i for i in items if i[2]["security"]]
    results.rows("a host's certificate at the routes of people", [host_at(m, p) for p, m, _ in gate], r)
