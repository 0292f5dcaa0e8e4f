# SPDX-License-Identifier: Apache-2.0
"""People: whoever makes a browser ask, guesses, takes what is another's, or wants more than his role."""

import re
import sqlite3
import time

from rig import PASSWORD, Answer, Person, Row, Wire, ask, head_of, query

NEW = "another horse battery"


# CSRF -----------------------------------------------------------------------------------------------


def forged(headers=(), csrf=None, method="POST", target="/api/v1/policies/check", body=None):
    """A request as a page elsewhere could have a browser send it: with the cookie, and not with what only our page knows."""
    def send(r):
        own = [("Cookie", r.operator.cookie), *headers]
        token = csrf(r) if callable(csrf) else csrf
        if token is not None:
            own.append(("X-CSRF-Token", token))
        return ask(r, method, target, own, {"name": "a.yaml", "text": "safeguard: 1\n"} if body is None else body)
    return send


def good(r):
    return r.operator.csrf


CSRF = [
    # name, what is sent, what must come back, what must be true afterwards
    Row("with the right token", forged(csrf=good), "200"),
    Row("no token", forged(), "403 csrf"),
    Row("an empty token", forged(csrf=""), "403 csrf"),
    Row("a wrong token", forged(csrf="A" * 43), "403 csrf"),
    Row("the beginning of the right one", forged(csrf=lambda r: r.operator.csrf[:-1]), "403 csrf"),
    Row("the token of another session", forged(csrf=lambda r: r.viewer.csrf), "403 csrf"),
    Row("the token of another session of the same person", forged(csrf=lambda r: Person(r, "u-operator").csrf), "403 csrf"),
    Row("the cookie in place of the token", forged(csrf=lambda r: r.operator.cookie.split("=", 1)[1]), "403 csrf"),
    Row("the token in the address", forged(target="/api/v1/policies/check?csrf=x"), "403 csrf"),
    Row("from another site", forged([("Origin", "https://evil.example")], good), "403 origin"),
    Row("from nowhere", forged([("Origin", "null")], good), "403 origin"),
    Row("from the same name without TLS", forged([("Origin", "http://127.0.0.1")], good), "403 origin"),
    Row("from another port", forged([("Origin", "https://127.0.0.1:1")], good), "403 origin"),
    Row("from a name that begins as ours", lambda r: forged([("Origin", r.server.url + ".evil.example")], good)(r), "403 origin"),
    Row("from our own page", lambda r: forged([("Origin", r.server.url)], good)(r), "200"),
    Row("as the browser says: cross-site", forged([("Sec-Fetch-Site", "cross-site")], good), "403 origin"),
    Row("as the browser says: same-site", forged([("Sec-Fetch-Site", "same-site")], good), "403 origin"),
    Row("as a form", forged([("Content-Type", "application/x-www-form-urlencoded")], good, body=b"name=a"), "415 unsupported"),
    Row("as a form, without the token", forged([("Content-Type", "text/plain")], body=b'{"name":"a"}'), "403 csrf"),
    Row("a method that says to be another", forged([("X-HTTP-Method-Override", "DELETE")], method="GET", target="/api/v1/policies", body=b""), "200"),
    Row("GET where POST belongs", forged(method="GET", target="/api/v1/logout", body=b""), "405 method", lambda r: r.operator.get("/api/v1/session").status == 200),
    Row("logging somebody in from another site", lambda r: ask(r, "POST", "/api/v1/login", [("Origin", "https://evil.example")],
        {"user": "u-viewer", "password": PASSWORD}), "403 origin"),
    Row("a session as a parameter", lambda r: ask(r, "GET", query("/api/v1/hosts", **{"__Host-safeguard": r.viewer.cookie.split("=", 1)[1]})), "401 unauthorized"),
]


# Sessions -------------------------------------------------------------------------------------------


def cookie_flags(r):
    r.flagged = ask(r, "POST", "/api/v1/login", (), {"user": "u-viewer", "password": PASSWORD})
    r.server.secret("the session of the flags", r.flagged.header("Set-Cookie").split(";")[0].split("=", 1)[1])
    return r.flagged


def flags_are_right(r):
    cookies = r.flagged.all("Set-Cookie")
    name, *flags = [p.strip() for p in cookies[0].split(";")]
    ok = len(cookies) == 1 and name.startswith("__Host-") and set(flags) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    value = name.split("=", 1)[1]
    return ok and len(value) >= 43 and value.encode() not in r.flagged.body or f"{cookies}"


def fixed(r):
    """A session that somebody put into the browser before its owner logs in, behind a cookie whose name ends like ours."""
    theirs = Person(r, "u-viewer")
    r.before = theirs
    answer = ask(r, "POST", "/api/v1/login", [("Cookie", f"X{theirs.cookie}x; {theirs.cookie}")], {"user": "u-operator", "password": PASSWORD})
    r.after = answer.header("Set-Cookie").split(";")[0]
    r.server.secret("the session after", r.after.split("=", 1)[1])
    return answer


def invented(r):
    r.before = Person(r)
    r.before.cookie = "__Host-safeguard=" + "A" * 43
    answer = ask(r, "POST", "/api/v1/login", [("Cookie", r.before.cookie)], {"user": "u-operator", "password": PASSWORD})
    r.after = answer.header("Set-Cookie").split(";")[0]
    r.server.secret("the session after an invented one", r.after.split("=", 1)[1])
    return answer


def is_new(r):
    if r.after == r.before.cookie:
        return "the session kept its name"
    old = r.before.get("/api/v1/session")
    return old.status == 401 or f"the session from before: {old}"


def new_user(r, name="zoe", role="viewer"):
    r.admin.must("POST", "/api/v1/users", {"name": name, "roles": [role], "password": PASSWORD})
    return Person(r, name)


def changes_password(r):
    """Two sessions of one person; one of them changes the password."""
    r.zoe, r.elsewhere = new_user(r), None
    r.elsewhere = Person(r, "zoe")
    r.old_cookie = r.zoe.cookie
    r.server.secret("the new password", NEW)
    answer = r.zoe.ask("POST", "/api/v1/session/password", {"old": PASSWORD, "new": NEW})
    if answer.status == 200:
        r.zoe.taken(answer)
    return answer


def others_end(r):
    old = Person(r)
    old.cookie = r.old_cookie
    got = {"his own, under its old name": old.get("/api/v1/session").status, "another": r.elsewhere.get("/api/v1/session").status,
           "his own": r.zoe.get("/api/v1/session").status}
    return list(got.values()) == [401, 401, 200] or f"{got}"


def log_out(r):
    return r.zoe.ask("POST", "/api/v1/logout")


def is_out(r):
    return r.zoe.get("/api/v1/session").status == 401


def with_cookie(value):
    return lambda r: ask(r, "GET", "/api/v1/session", [("Cookie", value(r) if callable(value) else value)])


def looks_on(r, person):
    """A live view, begun while he may."""
    w = Wire(r.server.port, timeout=20)
    w.send(head_of(r, "GET", "/api/v1/events/stream", person.headers("GET")))
    if w.head()[0] != 200:
        raise RuntimeError("no live view")
    return w


def ends_soon(w):
    """The end of the answer, within the seconds after which it is looked at again whom it is for."""
    end = time.monotonic() + 9
    w.s.settimeout(0.3)
    while time.monotonic() < end:
        if w.buffer.endswith(b"0\r\n\r\n"):
            return Answer()
        try:
            if not w._more():
                return Answer()
        except TimeoutError:
            pass
    return Answer(200, why="it goes on")


def live_views(r):
    """Each begun before what should end it."""
    out, off, less = new_user(r, "out"), new_user(r, "off"), new_user(r, "less", "operator")
    views = [looks_on(r, p) for p in (out, off, less, r.viewer)]
    token = off.must("POST", "/api/v1/tokens", {"name": "view"})
    r.server.secret("the token of a view", token["text"])
    by_it = Person(r)
    by_it.token = token["text"]
    views.append(looks_on(r, by_it))
    out.must("POST", "/api/v1/logout")
    r.admin.must("PATCH", "/api/v1/users/off", {"enabled": False})
    r.admin.must("PATCH", "/api/v1/users/less", {"roles": ["admin"]})
    r.views = views
    return ends_soon(views[0])


def ends_next(n):
    return lambda r: ends_soon(r.views[n])


def goes_on(r):
    w = r.views[3]
    w.s.settimeout(0.5)
    try:
        return Answer(200) if w._more() and not w.buffer.endswith(b"0\r\n\r\n") else Answer()
    except TimeoutError:
        return Answer(200)


def disabled(r):
    r.dan = new_user(r, "dan", "operator")
    token = r.dan.must("POST", "/api/v1/tokens", {"name": "script"})
    r.server.secret("the token of dan", token["text"])
    r.script = Person(r)
    r.script.token = token["text"]
    if r.script.get("/api/v1/hosts").status != 200:
        raise RuntimeError("a good token is refused")
    r.admin.must("PATCH", "/api/v1/users/dan", {"enabled": False})
    return r.dan.get("/api/v1/session")


def less_roles(r):
    """Roles are looked up when they are used, not when the session began."""
    r.admin.must("PATCH", "/api/v1/users/dan", {"enabled": True})
    dan = Person(r, "dan")
    r.admin.must("PATCH", "/api/v1/users/dan", {"roles": ["viewer"]})
    r.token_answer = r.script.ask("POST", "/api/v1/policies", {"name": "50-x.yaml", "text": "safeguard: 1\n"})
    return dan.ask("POST", "/api/v1/policies", {"name": "50-x.yaml", "text": "safeguard: 1\n"})


def too_old(r):
    with sqlite3.connect(r.server.data / "server.db", timeout=10) as db:
        db.execute("UPDATE sessions SET used_ms = 1, created_ms = 1 WHERE user = 'dan'")
    db.close()
    return r.dan.get("/api/v1/session")


SESSIONS = [
    Row("the cookie's flags", cookie_flags, "200", flags_are_right),
    Row("a session of somebody else from before the log-in", fixed, "200", is_new),
    Row("a session that was invented before the log-in", invented, "200", is_new),
    Row("a changed password ends all other sessions", changes_password, "200", others_end),
    Row("  ... and takes the old one", lambda r: r.zoe.ask("POST", "/api/v1/session/password", {"old": "wrong horse battery", "new": NEW}), "403 password"),
    Row("  ... which logs in no more", lambda r: ask(r, "POST", "/api/v1/login", (), {"user": "zoe", "password": PASSWORD}), "401 login"),
    Row("log-out", log_out, "204", is_out),
    Row("no cookie", lambda r: ask(r, "GET", "/api/v1/session"), "401 unauthorized"),
    Row("two cookies of one name", with_cookie(lambda r: f"{r.viewer.cookie}; __Host-safeguard=x"), "401 unauthorized"),
    Row("the cookie under another name", with_cookie(lambda r: r.viewer.cookie.replace("__Host-", "")), "401 unauthorized"),
    Row("a cookie that is SQL", with_cookie("__Host-safeguard=' OR '1'='1"), "401 unauthorized"),
    Row("a cookie of 10 KB", with_cookie("__Host-safeguard=" + "A" * 10000), "401 unauthorized"),
    Row("a cookie of another letter", with_cookie(lambda r: r.viewer.cookie[:-1] + ("A" if r.viewer.cookie[-1] != "A" else "B")), "401 unauthorized"),
    Row("who is disabled", disabled, "401 unauthorized"),
    Row("  ... by his token", lambda r: r.script.get("/api/v1/hosts"), "401 unauthorized"),
    Row("who has less roles by now", less_roles, "403 forbidden"),
    Row("  ... by his token", lambda r: r.token_answer, "401 unauthorized | 403 forbidden"),
    Row("a live view ends with log-out", live_views, "closed"),
    Row("  ... with whom it is for", ends_next(1), "closed"),
    Row("  ... with his roles", ends_next(2), "closed", lambda r: r.admin.ask("DELETE", "/api/v1/users/less").status == 204),
    Row("  ... with its token", ends_next(4), "closed"),
    Row("  ... and not with anything else", goes_on, "200"),
    Row("a session that was not used for too long", too_old, "401 unauthorized"),
]


# What is another's ------------------------------------------------------------------------------------


def token_of(r, person, name, **more):
    made = person.must("POST", "/api/v1/tokens", {"name": name, **more})
    r.server.secret(f"the token {name}", made["text"])
    return made


def by_token(r, text):
    p = Person(r)
    p.token = text
    return p


def token_of_other(r):
    r.made = token_of(r, r.operator, "of-operator")
    return r.viewer.ask("DELETE", f"/api/v1/tokens/{r.made['token']['id']}")


def works_yet(r):
    return by_token(r, r.made["text"]).get("/api/v1/session").status == 200


def not_listed(r):
    listed = [t["name"] for t in r.viewer.get("/api/v1/tokens").json["items"]]
    return "of-operator" not in listed or f"the viewer sees {listed}"


OTHERS = [
    Row("the token of another is not ended", token_of_other, "404 not-found", works_yet),
    Row("  ... nor seen", lambda r: r.viewer.get("/api/v1/tokens"), "200", not_listed),
    Row("a token makes no tokens", lambda r: by_token(r, r.made["text"]).ask("POST", "/api/v1/tokens", {"name": "more"}), "403 forbidden"),
    Row("a token changes no password", lambda r: by_token(r, r.made["text"]).ask("POST", "/api/v1/session/password", {"old": PASSWORD, "new": NEW}), "403 forbidden"),
    Row("a token with more roles than its owner", lambda r: r.viewer.ask("POST", "/api/v1/tokens", {"name": "up", "roles": ["admin"]}), "403 forbidden | 400 invalid"),
    Row("a token for ever", lambda r: r.viewer.ask("POST", "/api/v1/tokens", {"name": "ever", "expires_in": 1 << 62}), "400 invalid"),
    Row("a token as a cookie", lambda r: ask(r, "GET", "/api/v1/session", [("Cookie", f"__Host-safeguard={r.made['text']}")]), "401 unauthorized"),
    Row("a session as a token", lambda r: by_token(r, r.viewer.cookie.split("=", 1)[1]).get("/api/v1/session"), "401 unauthorized"),
    Row("a token with another way to show it", lambda r: ask(r, "GET", "/api/v1/session", [("Authorization", f"Basic {r.made['text']}")]), "401 unauthorized"),
    Row("a token and a cookie of two people: the token counts", lambda r: ask(r, "GET", "/api/v1/users", [("Authorization", f"Bearer {r.made['text']}"),
        ("Cookie", r.admin.cookie)]), "403 forbidden"),
    Row("an admin's power over himself: the last one stays", lambda r: r.admin.ask("DELETE", "/api/v1/users/u-admin"), "409 conflict"),
    Row("  ... enabled", lambda r: r.admin.ask("PATCH", "/api/v1/users/u-admin", {"enabled": False}), "409 conflict"),
    Row("  ... and admin", lambda r: r.admin.ask("PATCH", "/api/v1/users/u-admin", {"roles": ["viewer"]}), "409 conflict"),
    Row("an admin who wants to be operator, too", lambda r: r.admin.ask("PATCH", "/api/v1/users/u-admin", {"roles": ["admin", "operator"]}), "403 forbidden"),
    Row("a user of an admin's making with all roles", lambda r: r.admin.ask("POST", "/api/v1/users", {"name": "all", "roles": ["admin", "auditor"],
        "password": PASSWORD}), "403 forbidden"),
    Row("a name that differs in case only", lambda r: r.admin.ask("POST", "/api/v1/users", {"name": "U-Admin", "roles": ["viewer"], "password": PASSWORD}), "400 invalid"),
    Row("a password that is the name", lambda r: r.admin.ask("POST", "/api/v1/users", {"name": "long-enough-name", "roles": ["viewer"],
        "password": "long-enough-name"}), "400 invalid"),
    Row("a short password", lambda r: r.admin.ask("POST", "/api/v1/users", {"name": "shorty", "roles": ["viewer"], "password": "short"}), "400 invalid"),
    Row("the trail is changed by nobody", lambda r: r.auditor.ask("DELETE", "/api/v1/audit"), "405 method"),
    Row("a webhook to a file", lambda r: r.admin.ask("POST", "/api/v1/channels", {"name": "f", "kind": "webhook", "target": "file:///etc/passwd"}), "400 invalid"),
    Row("a webhook to gopher", lambda r: r.admin.ask("POST", "/api/v1/channels", {"name": "g", "kind": "webhook", "target": "gopher://127.0.0.1:25/x"}), "400 invalid"),
    Row("mail with a header in its address", lambda r: r.admin.ask("POST", "/api/v1/channels", {"name": "h", "kind": "email",
        "target": "a@b.example\r\nBcc: c@d.example"}), "400 invalid"),
    Row("mail with an option in its address", lambda r: r.admin.ask("POST", "/api/v1/channels", {"name": "i", "kind": "email",
        "target": "<a@b.example> SIZE=1"}), "400 invalid"),
]


# Guessing -------------------------------------------------------------------------------------------
#
# Each address has 5 free tries, and each name; then the wait doubles from a second on. All of this test comes from one address,
# so what an address has to wait is taken away (as a good log-in does) where the wait of a name is looked at.


def guess(r, user, password="wrong horse battery"):
    return ask(r, "POST", "/api/v1/login", (), {"user": user, "password": password})


def forget(r, what):
    with sqlite3.connect(r.server.data / "server.db", timeout=10) as db:
        db.execute("DELETE FROM throttle WHERE key LIKE ?", (what,))
    db.close()


def after_guesses(user, also=()):
    def send(r):
        forget(r, "%")
        for _ in range(8):
            forget(r, "addr:%")
            r.guessed = guess(r, user)
            if r.guessed.status == 429:
                return r.guessed
        return r.guessed
    return send


def told_to_wait(r):
    seconds = int(r.guessed.header("Retry-After") or 0)
    return 1 <= seconds <= 900 or f"Retry-After: {seconds}"


def right_one_waits_too(r):
    """Otherwise the wait would say which guess was right."""
    forget(r, "addr:%")
    return guess(r, "u-viewer", PASSWORD)


def then_lets_in(r):
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        forget(r, "addr:%")
        a = guess(r, "u-viewer", PASSWORD)
        if a.status == 200:
            r.server.secret("the session after the wait", a.header("Set-Cookie").split(";")[0].split("=", 1)[1])
            return a
        time.sleep(0.3)
    return a


def by_address(r):
    """One guess for each of many names."""
    forget(r, "%")
    for i in range(8):
        r.guessed = guess(r, f"somebody-{i}")
        if r.guessed.status == 429:
            return r.guessed
    return r.guessed


def codes(r):
    forget(r, "%")
    for i in range(8):
        r.guessed = ask(r, "POST", "/api/v1/login/once", (), {"code": f"{i:032d}"})
        if r.guessed.status == 429:
            return r.guessed
    return r.guessed


def others_are_let_in(r):
    """Whoever is logged in notices nothing; whoever has a code from the server's own machine comes in past the wait of his name."""
    if r.admin.get("/api/v1/session").status != 200:
        return "a session ended"
    forget(r, "addr:%")
    code = re.search(r"https:\S+", r.server.command("user", "code", "u-viewer"))[0]
    code = re.search(r"[0-9a-f]{16,}", code)[0]
    r.server.secret("a code", code)
    a = ask(r, "POST", "/api/v1/login/once", (), {"code": code})
    if a.status != 200:
        return f"a code: {a} {a.body}"
    r.server.secret("the session of the code", a.header("Set-Cookie").split(";")[0].split("=", 1)[1])
    again = ask(r, "POST", "/api/v1/login/once", (), {"code": code})
    return again.status == 401 or f"the code once more: {again}"


def same_words(r):
    """What is said, and how long it takes, tells nobody whether there is such a user."""
    times = {}
    answers = {}
    # In turns, and the shortest of each: what else the machine does lengthens some of them.
    for _ in range(8):
        for user in ("u-viewer", "nobody-here", "u-disabled"):
            forget(r, "%")
            start = time.monotonic()
            a = guess(r, user)
            times.setdefault(user, []).append(time.monotonic() - start)
            answers[user] = re.sub(rb'"request":"[^"]*"', b"", a.body), a.status, [n for n, _ in a.headers]
    r.times, r.answers = {user: min(took) for user, took in times.items()}, answers
    return Answer(answers["u-viewer"][1], body=a.body)


def tell_nothing(r):
    if len({str(v) for v in r.answers.values()}) != 1:
        return f"{r.answers}"
    fast, slow = min(r.times.values()), max(r.times.values())
    print(f"# {({user: round(took, 3) for user, took in r.times.items()})}", flush=True)
    # Without the hash of a password that nobody has it would be one to sixty.
    return slow < 3 * fast or f"{r.times}"


def prepare_disabled(r):
    r.admin.must("POST", "/api/v1/users", {"name": "u-disabled", "roles": ["viewer"], "password": PASSWORD})
    r.admin.must("PATCH", "/api/v1/users/u-disabled", {"enabled": False})
    return guess(r, "u-disabled", PASSWORD)


GUESSES = [
    Row("the right password of somebody who is disabled", prepare_disabled, "401 login"),
    Row("a user that there is, one that there is not, and one who is disabled", same_words, "401 login", tell_nothing),
    Row("many guesses for one name", after_guesses("u-viewer"), "429 throttled", told_to_wait),
    Row("  ... and then the right one", right_one_waits_too, "429 throttled"),
    Row("  ... which is let in when the time is over", then_lets_in, "200"),
    Row("many guesses for a name that there is not", after_guesses("nobody-here"), "429 throttled", told_to_wait),
    Row("many guesses for names that are SQL", after_guesses("' OR 1=1 --"), "429 throttled", told_to_wait),
    Row("one guess for each of many names", by_address, "429 throttled", told_to_wait),
    Row("guesses for codes", codes, "429 throttled", told_to_wait),
    Row("guesses for one name, and who it is about", after_guesses("u-viewer"), "429 throttled", others_are_let_in),
    Row("afterwards", lambda r: (forget(r, "%"), guess(r, "u-viewer"))[1], "401 login"),
]


def run(r, results):
    results.rows("requests that somebody else had a browser make", CSRF, r)
    results.rows("sessions", SESSIONS, r)
    results.rows("what is another's", OTHERS, r)
    results.rows("guessing", GUESSES, r)
    forget(r, "%")
