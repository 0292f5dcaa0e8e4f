# SPDX-License-Identifier: Apache-2.0
"""Who may speak: TLS, certificates, enrolment, and what one host can do to another."""

import base64
import hashlib
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import uuid
import warnings

from link import Host, enrol, facts, frame, make_ca, make_certificate, make_key, make_request, openssl, record
from rig import BROKEN, BUILD, Answer, Row, Wire, ask, free_port, head_of, plain_context, query, raw

AGENT_ROUTES = (("POST", "/agent/v1/hello"), ("POST", "/agent/v1/records"), ("POST", "/agent/v1/state"),
                ("POST", "/agent/v1/result"), ("POST", "/agent/v1/renew"), ("GET", "/agent/v1/poll?session=x"),
                ("GET", "/agent/v1/bundle/x"))
ALL = "@SECLEVEL=0"


# What is sent -------------------------------------------------------------------------------------


def speaks(version=None, ciphers="ALL:COMPLEMENTOFALL"):
    """A client that knows only this version and these ciphers."""
    def send(r):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they are old is the point
            if version:
                context.minimum_version = context.maximum_version = version
            try:
                context.set_ciphers(f"{ciphers}:{ALL}")
            except ssl.SSLError:
                return Answer(why="this machine does not have it either")
        return raw(r, head_of(r, "GET", "/healthz"), context=context)
    return send


def s_client(r, *words, text=b""):
    p = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{r.server.port}", *words], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        p.stdin.write(text)
        p.stdin.flush()
        deadline = time.monotonic() + 10
        while p.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return p.poll() is not None
    finally:
        p.kill()
        p.wait()


def renegotiates(r):
    # "R" alone on a line asks for it; a server that went on would leave the program running.
    return Answer() if s_client(r, "-tls1_2", text=b"R\n") else Answer(200)


def plain_http(r):
    """What it asks for, and whom, is not looked at."""
    with socket.create_connection(("127.0.0.1", r.server.port), timeout=10) as s:
        s.sendall(head_of(r, "GET", "/evil", [("Host", "evil.example")]))
        data = s.recv(4096)
        try:
            while part := s.recv(4096):
                data += part
        except OSError:
            pass  # it did not read on
    if not data.startswith(b"HTTP/1.1 400 "):
        return Answer(200 if data else 0, body=data)
    return Answer(400 if b"evil" not in data and b"Location" not in data else 200, body=data)


def early_data(r):
    """A ticket that allows data before the handshake would let requests be played again."""
    out = openssl("s_client", "-connect", f"127.0.0.1:{r.server.port}", text=b"")
    return Answer(200, body=out) if b"Early data was accepted" in out else Answer()


def everywhere(certificate):
    """The same certificate at each route for agents: the worst of the answers."""
    def send(r):
        pair = certificate(r)
        answers = [ask(r, m, t, [("Content-Type", "application/json")], None if m == "GET" else b"{}", pair)
                   for m, t in AGENT_ROUTES]
        return next((a for a in answers if str(a) != str(answers[0])), answers[0])
    return send


def make(name, ca=None, agent=True, **more):
    """A certificate that nobody gave: `ca` as (certificate, key), the server's own when there is none."""
    def build(r):
        place = r.place / "forged"
        place.mkdir(exist_ok=True)
        key = make_key(place / f"{name}.key")
        signer = ca(r) if ca else r.ca_key
        return make_certificate(place, name, key, signer, r.host.id if agent else None, **more)
    return build


def foreign_ca(subject="/CN=safeguard CA"):
    return lambda r: make_ca(r.place / "foreign", "ca", subject)


def self_signed(r):
    place = r.place / "forged"
    place.mkdir(exist_ok=True)
    key, cert = make_key(place / "self.key"), place / "self.pem"
    openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={r.host.id}", "-days", 10, "-addext",
            f"subjectAltName=URI:urn:safeguard:agent:{r.host.id}", "-addext", "extendedKeyUsage=clientAuth", "-out", cert)
    return cert, key


def same_serial(r):
    """All that the real one says, but for who signed it."""
    text = openssl("x509", "-in", r.host.certificate[0], "-noout", "-serial").decode().strip().split("=")[1]
    return make("twin", foreign_ca(), serial=f"0x{text}")(r)


def servers_own(r):
    return (r.server.data / "ca/server.pem",) * 2


def signed_by_host(r):
    """A host that takes itself for a CA."""
    key = make_key(r.place / "forged/child.key")
    cert, key = make_certificate(r.place / "forged", "child", key, r.host.certificate, r.host.id)
    chain = r.place / "forged/child-chain.pem"
    chain.write_text(cert.read_text() + r.host.certificate[0].read_text())
    return chain, key


def other_key(r):
    """A host's certificate with another key put into it; all else is what the CA signed."""
    place = r.place / "forged"
    place.mkdir(exist_ok=True)
    key, cert = make_key(place / "put-in.key"), place / "put-in.pem"
    point = [openssl("pkey", "-in", k, "-pubout", "-outform", "DER")[-65:] for k in (r.host.key, key)]
    der = openssl("x509", "-in", r.host.certificate[0], "-outform", "DER").replace(*point)
    cert.write_text(ssl.DER_cert_to_PEM_cert(der))
    return cert, key


# One host and another --------------------------------------------------------------------------------


def both(r):
    for h in (r.host, r.other):
        if h.session is None and h.hello().status != 200:
            raise RuntimeError("a good host is refused")
    return r.host, r.other


def with_session_of_other(path, body=b"{}"):
    def send(r):
        a, b = both(r)
        mine, a.session = a.session, b.session
        answer = a.poll() if path.endswith("poll") else a.post(path, body)
        a.session = mine
        return answer
    return send


def into_stream_of_other(r):
    a, b = both(r)
    b.send([record(1), record(2)])
    forged = [record(8, message="forged")] * 200
    return a.send_frame(frame(b.stream, 1, forged))


def stream_of_other_untouched(r):
    acked = r.other.hello(streams=[{"class": "security", "id": r.other.stream.hex(), "first": 1, "next": 3, "acked": 2}]).json
    if acked["streams"][0]["acked"] != 2:
        return f"the other's stream stands at {acked}"
    found = r.viewer.get("/api/v1/events", host=r.other.id, q="forged").json["items"]
    return not found or f"records of one host are under another's name: {found}"


def as_device_of_other(r):
    a, b = both(r)
    return a.send([record(9, message="disguised", device={"hostname": b.name, "uid": b.id, "name": b.name})])


def under_its_own_name(r):
    found = r.viewer.get("/api/v1/events", q="disguised").json["items"]
    return [i["host_name"] for i in found] == [r.host.name] or f"{found}"


def bundle_of_other(r):
    a, b = both(r)
    r.operator.must("POST", "/api/v1/policies", {"name": "50-other.yaml", "selector": "for=other", "text":
                                                 "safeguard: 1\nname: t\nmode: monitor\nfiles:\n  - {path: /srv/x, access: read, do: audit}\n"})
    r.operator.must("PATCH", f"/api/v1/hosts/{b.id}", {"labels": {"for": "other"}})
    r.operator.must("POST", "/api/v1/policies/50-other.yaml/rollouts", {"version": 1, "stages": [{"share": 100, "mode": "policy"}]})
    wanted = b.poll().json["bundle"]
    if ask(r, "GET", f"/agent/v1/bundle/{wanted}", certificate=b.certificate).status != 200:
        raise RuntimeError("its own bundle is refused")
    return ask(r, "GET", f"/agent/v1/bundle/{wanted}", certificate=a.certificate)


def result_of_other(r):
    a, b = both(r)
    made = r.operator.must("POST", f"/api/v1/hosts/{b.id}/commands", {"name": "status"})
    r.command_id = made["id"]
    return a.post("/agent/v1/result", {"command": made["id"], "status": "done", "result": "forged", "error": None})


def command_untouched(r):
    items = r.viewer.get(f"/api/v1/hosts/{r.other.id}/commands").json["items"]
    mine = next(c for c in items if c["id"] == r.command_id)
    return (mine["status"] == "waiting" or mine["status"] == "sent") and mine["result"] is None or f"{mine}"


# Taken away -----------------------------------------------------------------------------------------


def parked_then_revoked(r):
    """A poll that waits, and the connection under it, when an admin takes the identity away."""
    r.gone = Host(r, "gone")
    r.gone.hello()
    r.gone.wire = Wire(r.server.port, r.gone.certificate)
    said = []
    thread = threading.Thread(target=lambda: said.append(r.gone.poll(wire=r.gone.wire)))
    thread.start()
    end = time.monotonic() + 10
    while r.admin.get("/api/v1/server").json["http"]["parked"] == 0 and time.monotonic() < end:
        time.sleep(0.02)
    r.admin.must("POST", f"/api/v1/hosts/{r.gone.id}/revoke")
    thread.join(5)  # the poll itself would have waited for 50 s
    return said[0] if said else Answer(why="it is parked yet")


def on_open_connection(r):
    return r.gone.post("/agent/v1/hello", r.gone.hello_body(), wire=r.gone.wire)


def removed(act):
    def send(r):
        h = Host(r, "removed")
        h.hello()
        h.send([record(1)])
        r.admin.must("DELETE", f"/api/v1/hosts/{h.id}")
        return act(h)
    return send


def adopts(r):
    return r.admin.ask("POST", f"/api/v1/strangers/{r.gone.id}/adopt", {})


def stranger(r):
    """A good certificate for a host that there never was: whoever has the CA's key, or an older copy of the database."""
    r.strange = str(uuid.uuid4())
    place = r.place / "forged"
    pair = make_certificate(place, "strange", make_key(place / "strange.key"), r.ca_key, r.strange)
    r.strange_pair = pair
    return r.host.hello(certificate=pair)


def only_told(r):
    r.host.hello()
    known = [h["id"] for h in r.viewer.get("/api/v1/hosts").json["items"]]
    told = [h["id"] for h in r.admin.get("/api/v1/strangers").json["items"]]
    return (r.strange not in known and r.strange in told) or f"hosts {known} strangers {told}"


# Again ----------------------------------------------------------------------------------------------
#
# A host that enrols anew with a certificate that it had, and a signature of its key, stays the same host. Whoever proves it
# otherwise is a new one: a token is good for that, and not for being somebody.


def proof_of(r, key, request):
    """As src/transport/proof.h says."""
    text = r.place / "forged/proof"
    text.write_text("safeguard: this host enrols again\n" + request)
    return base64.b64encode(openssl("dgst", "-sha256", "-sign", key, text)).decode()


def as_former(pair, own=None, other_request=False):
    """`pair`: the certificate that is shown, and the key that signs; `own`: who then says the machine id of whom."""
    def send(r):
        (r.place / "forged").mkdir(exist_ok=True)
        cert, key = pair(r)
        request = make_request(make_key(r.place / "forged/again.key"))
        signed = make_request(make_key(r.place / "forged/again-2.key")) if other_request else request
        victim = own(r) if own else r.host
        answer = enrol(r, r.token(), request, victim.facts, former=cert.read_text(), proof=proof_of(r, key, signed))
        r.became = answer.json["agent_id"] if answer.status == 200 else None
        r.victim = victim
        return answer
    return send


def somebody_new(r):
    if r.became in (r.host.id, r.other.id, r.victim.id):
        return f"it became {r.became}"
    # Whom it wanted to be has noticed nothing.
    return r.victim is not r.host or r.host.hello().status == 200 or "the host is refused now"


def again(r):
    return getattr(r, "again", None) or setattr(r, "again", Host(r, "again")) or r.again


AGAIN = [
    Row("with its own certificate and key it stays the same", as_former(lambda r: again(r).certificate, again), "200",
        lambda r: r.became == r.again.id or f"it became {r.became}"),
    Row("  ... and the old certificate is no use any more", lambda r: r.again.hello(), "403 revoked"),
    Row("with another's certificate and its own key", as_former(lambda r: (r.host.certificate[0], r.other.key)), "200", somebody_new),
    Row("with another's certificate, and a key put into it", as_former(lambda r: other_key(r)), "200", somebody_new),
    Row("with another's names, by another CA", as_former(make("again-foreign", foreign_ca())), "200", somebody_new),
    Row("with another's names, by another CA, expired", as_former(make("again-old", foreign_ca(), days=-1)), "200", somebody_new),
    Row("with another's names, by itself", as_former(self_signed), "200", somebody_new),
    Row("with the server's certificate", as_former(servers_own), "200", somebody_new),
    Row("with a signature of another request", as_former(lambda r: r.host.certificate, other_request=True), "200", somebody_new),
    Row("with a certificate that was revoked", as_former(lambda r: r.gone.certificate, lambda r: r.gone), "200", somebody_new),
    Row("with its own, from another machine", as_former(lambda r: r.other.certificate), "200", somebody_new),
]


# Enrolment ------------------------------------------------------------------------------------------


def with_token(change, **over):
    def send(r):
        key = make_key(r.place / "forged/enrol.key")
        return enrol(r, change(r), make_request(key), **over)
    return send


def used_up(r):
    text = r.token()
    enrol(r, text, make_request(r.host.key), facts("first"))
    return text


def over(r):
    text = r.token()
    with sqlite3.connect(r.server.data / "server.db", timeout=10) as db:
        db.execute("UPDATE enrol_tokens SET expires_ms = 1 WHERE created_ms = (SELECT max(created_ms) FROM enrol_tokens)")
    db.close()
    return text


def taken_back(r):
    made = r.admin.must("POST", "/api/v1/enrolment-tokens", {})
    r.server.secret("the token taken back", made["text"])
    r.admin.must("DELETE", f"/api/v1/enrolment-tokens/{made['token']['id']}")
    return made["text"]


def token_bytes(text):
    body = text[4:]
    return bytearray(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def token_text(data):
    """With the check (src/transport/token.h) that whoever forges one would make."""
    rest = bytes(data[:48]) + bytes(data[52:])
    data[48:52] = hashlib.sha256(b"safeguard enrolment token check\0" + rest).digest()[:4]
    return "sg1." + base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")


def one_bit(r):
    data = token_bytes(r.token())
    data[40] ^= 1
    return token_text(data)


def guesses(r):
    """Many at once: none is let in, none is kept, and the last is answered as fast as the first."""
    before = (r.server.data / "server.db-wal").stat().st_size + (r.server.data / "server.db").stat().st_size
    request = make_request(r.host.key)
    with Wire(r.server.port) as w:
        for _ in range(300):
            text = token_text(bytearray(os.urandom(52) + r.server.url.encode()))
            answer = ask(r, "POST", "/agent/v1/enrol", [("Content-Type", "application/json")],
                         json.dumps({"token": text, "csr": request, "host": facts("guess"), "version": "1"}).encode(), wire=w)
            if answer.status != 403:
                return answer
    r.grown = (r.server.data / "server.db-wal").stat().st_size + (r.server.data / "server.db").stat().st_size - before
    return answer


def old_token_again(r):
    """Whoever has a token that is used up tries it without end: the trail, which grows for ever, is not his."""
    text, request = used_up(r), make_request(r.host.key)
    before = r.auditor.get("/api/v1/audit/export").body.count(b'"host.enrol-refused"')
    for _ in range(40):
        answer = enrol(r, text, request, facts("again"))
    r.trail = r.auditor.get("/api/v1/audit/export").body.count(b'"host.enrol-refused"') - before
    return answer


def renewals(r):
    """Certificates without end."""
    h = Host(r, "renewing")
    h.hello()
    for _ in range(80):
        answer = h.post("/agent/v1/renew", {"csr": make_request(h.key)})
        if answer.status != 200:
            return answer
    return answer


def race(r):
    """One token for one host, and eight that use it in the same moment."""
    text, request, said = r.token(), make_request(r.host.key), []
    gate = threading.Barrier(8)

    def one():
        gate.wait()
        said.append(enrol(r, text, request, facts("racer")))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    r.let_in = sum(a.status == 200 for a in said)
    return next(a for a in said if a.status != 200)


def request_of(build, subject="/CN=host"):
    """A request as `build` makes it, with a token that stays good for one in earnest."""
    def send(r):
        place = r.place / "forged"
        place.mkdir(exist_ok=True)
        r.good_token = r.token()
        return enrol(r, r.good_token, build(r, place))
    return send


def token_is_good_yet(r):
    answer = enrol(r, r.good_token, make_request(r.host.key), facts("after a bad one"))
    return answer.status == 200 or f"the token went with the refused request: {answer}"


def of_kind(name, *kind):
    return request_of(lambda r, place: make_request(make_key(place / f"{name}.key", kind)))


def forged_signature(r, place):
    pem = make_request(make_key(place / "sig.key"))
    der = bytearray(base64.b64decode("".join(pem.split("\n")[1:-2])))
    der[-1] ^= 1
    return "-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(bytes(der)).decode() + "-----END CERTIFICATE REQUEST-----\n"


def wants_more(r):
    """Everything that a request can ask for."""
    place = r.place / "forged"
    place.mkdir(exist_ok=True)
    request = make_request(make_key(place / "more.key"), f"/CN={r.other.id}/O=admins", (
        f"subjectAltName=URI:urn:safeguard:agent:{r.other.id},DNS:localhost,IP:127.0.0.1", "basicConstraints=critical,CA:TRUE",
        "keyUsage=keyCertSign,cRLSign,digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"))
    answer = enrol(r, r.token(), request, facts("wants more"))
    r.given = answer.json if answer.status == 200 else {}
    return answer


def got_no_more(r):
    text = openssl("x509", "-noout", "-text", text=r.given["certificate"].encode()).decode()
    bad = [w for w in (r.other.id, "admins", "CA:TRUE", "DNS:", "IP Address", "TLS Web Server", "Certificate Sign") if w in text]
    return not bad and f"urn:safeguard:agent:{r.given['agent_id']}" in text or f"the certificate says {bad}\n{text}"


def impostor(r):
    """Another server at the token's address: the agent must find out before it sends the token."""
    place = r.place / "impostor"
    place.mkdir(exist_ok=True)
    ca = make_ca(place, "ca", "/CN=safeguard CA")
    key = make_key(place / "server.key")
    cert, _ = make_certificate(place, "server", key, ca, usage="serverAuth", extra=("subjectAltName=IP:127.0.0.1",))
    chain = place / "chain.pem"
    chain.write_text(cert.read_text() + ca[0].read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    caught, port = [], free_port()
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(20)

    def serve():
        try:
            while True:
                s, _ = listener.accept()
                s.settimeout(5)
                try:
                    with context.wrap_socket(s, server_side=True) as tls:
                        caught.append(tls.recv(65536))
                except OSError:
                    pass
        except OSError:
            pass
    threading.Thread(target=serve, daemon=True).start()
    (place / "agent.yaml").write_text("")
    done = subprocess.run([BUILD / "src/agent/safeguard-agent", "enrol", "--token", r.token(), "--server", f"https://127.0.0.1:{port}",
                           "--state-dir", place / "state", "--config", place / "agent.yaml"], capture_output=True, text=True, timeout=30)
    listener.close()
    r.impostor = (b"".join(caught), place, done.stderr)
    return Answer(200 if done.returncode == 0 else 0, why=done.stderr)


def nothing_was_told(r):
    caught, place, said = r.impostor
    if caught:
        return f"the impostor was told {caught[:200]!r}"
    if (place / "state/identity.json").exists():
        return "an identity was written"
    return "CA" in said or f"it said {said!r}"


V = ssl.TLSVersion
TLS = [
    # name, what is sent, what must come back, what must be true afterwards
    Row("TLS 1.3 is spoken", speaks(V.TLSv1_3), "200"),
    Row("TLS 1.2 is spoken", speaks(V.TLSv1_2), "200"),
    Row("TLS 1.1 is refused", speaks(V.TLSv1_1), "closed"),
    Row("TLS 1.0 is refused", speaks(V.TLSv1), "closed"),
    Row("CBC is refused", speaks(V.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:AES128-SHA"), "closed"),
    Row("a key without forward secrecy is refused", speaks(V.TLSv1_2, "AES256-GCM-SHA384:AES128-GCM-SHA256"), "closed"),
    Row("no cipher at all is refused", speaks(V.TLSv1_2, "eNULL"), "closed"),
    Row("no certificate of the server (aNULL) is refused", speaks(V.TLSv1_2, "aNULL"), "closed"),
    Row("3DES and RC4 are refused", speaks(V.TLSv1_2, "3DES:RC4"), "closed"),
    Row("renegotiation ends the connection", renegotiates, "closed"),
    Row("data before the handshake is not taken", early_data, "closed"),
    Row("HTTP without TLS is told that it is none", plain_http, "400"),
]

CERTIFICATES = [
    Row("no certificate", everywhere(lambda r: None), "401 certificate"),
    Row("a self-signed one with a host's name", everywhere(self_signed), "401 certificate"),
    Row("of another CA of the same name", everywhere(make("foreign", foreign_ca())), "401 certificate"),
    Row("of another CA, with serial and names of a real one", everywhere(same_serial), "401 certificate"),
    Row("of this CA, and over", everywhere(make("old", days=-1)), "401 expired"),
    Row("of this CA, for servers", everywhere(make("srv", usage="serverAuth")), "401 certificate"),
    Row("of this CA, for no purpose", everywhere(make("any", usage=None)), "401 certificate"),
    Row("of this CA, for nobody", everywhere(make("nobody", agent=False)), "401 certificate"),
    Row("of this CA, for two hosts", everywhere(make("two", extra=("subjectAltName=URI:urn:safeguard:agent:"
        "00000000-0000-4000-8000-000000000001,URI:urn:safeguard:agent:00000000-0000-4000-8000-000000000002",), agent=False)),
        "401 certificate"),
    Row("of this CA, with a name that is no UUID", everywhere(make("word", extra=(
        "subjectAltName=URI:urn:safeguard:agent:../../etc",), agent=False)), "401 certificate"),
    Row("the server's own", everywhere(servers_own), "401 certificate"),
    Row("signed by a host", everywhere(signed_by_host), "401 certificate"),
    Row("a host's, with another key put into it", everywhere(other_key), "401 certificate"),
]

HOSTS = [
    Row("a host with another's session: records", with_session_of_other("/agent/v1/records"), "409 session"),
    Row("a host with another's session: state", with_session_of_other("/agent/v1/state"), "409 session"),
    Row("a host with another's session: result", with_session_of_other("/agent/v1/result"), "409 session"),
    Row("a host with another's session: poll", with_session_of_other("/agent/v1/poll"), "409 session"),
    Row("records into another's stream", into_stream_of_other, "200", stream_of_other_untouched),
    Row("records that name another device", as_device_of_other, "200", under_its_own_name),
    Row("policies of another", bundle_of_other, "404 not-found"),
    Row("the result of another's command", result_of_other, "404 not-found", command_untouched),
    Row("revoked: a parked poll ends at once", parked_then_revoked, "403 revoked"),
    Row("revoked: the open connection is no use", on_open_connection, "403 revoked"),
    Row("revoked: hello on a new connection", lambda r: r.gone.hello(), "403 revoked"),
    Row("revoked: renewal", lambda r: r.gone.post("/agent/v1/renew", {"csr": make_request(r.gone.key)}), "403 revoked"),
    Row("revoked: bundles", lambda r: ask(r, "GET", "/agent/v1/bundle/x", certificate=r.gone.certificate), "403 revoked"),
    Row("revoked: nobody makes it a host again by accident", adopts, "404 | 403 | 409"),
    Row("removed: records", removed(lambda h: h.send([record(2)])), "403 revoked | 403 retired | 409 session"),
    Row("removed: hello", removed(lambda h: h.hello()), "403 revoked | 403 retired"),
    Row("removed: renewal", removed(lambda h: h.post("/agent/v1/renew", {"csr": make_request(h.key)})), "403"),
    Row("a host that there never was is only told", stranger, "403 unknown", only_told),
    Row("  ... and has no session", lambda r: r.host.post("/agent/v1/records", b"x", certificate=r.strange_pair), "403 revoked | 409 session"),
    Row("  ... and renews nothing", lambda r: r.host.post("/agent/v1/renew", {"csr": make_request(r.host.key)},
                                                         certificate=r.strange_pair), "403 unknown"),
]

ENROLMENT = [
    Row("no token", with_token(lambda r: ""), "403 token | 400 bad-request"),
    Row("a token that is none", with_token(lambda r: "sg1.' OR 1=1 --"), "403 token"),
    Row("used up", with_token(used_up), "403 token"),
    Row("over", with_token(over), "403 token"),
    Row("taken back", with_token(taken_back), "403 token"),
    Row("one bit of its secret is another", with_token(one_bit), "403 token"),
    Row("300 guesses leave nothing", guesses, "403 token", lambda r: r.grown < 1 << 18 or f"{r.grown} bytes are kept of them"),
    Row("a used-up token forty times is one line of the trail", old_token_again, "403 token", lambda r: r.trail == 1 or f"{r.trail} lines"),
    Row("certificates without end", renewals, "429"),
    Row("eight hosts at once with a token for one", race, "403 token", lambda r: r.let_in == 1 or f"{r.let_in} came in"),
    Row("a request that asks for more gets a certificate for a host, and no more", wants_more, "200", got_no_more),
    Row("a request with an RSA key", of_kind("rsa", "rsa", "rsa_keygen_bits:2048"), "400 bad-request", token_is_good_yet),
    Row("a request with a key of P-384", of_kind("p384", "ec", "ec_paramgen_curve:P-384"), "400 bad-request", token_is_good_yet),
    Row("a request with an Ed25519 key", of_kind("ed", "ed25519"), "400 bad-request", token_is_good_yet),
    Row("a request with a forged signature", request_of(forged_signature), "400 bad-request", token_is_good_yet),
    Row("a certificate in place of a request", request_of(lambda r, p: r.server.ca_pem), "400 bad-request", token_is_good_yet),
    Row("two requests", request_of(lambda r, p: 2 * make_request(r.host.key)), "400 bad-request", token_is_good_yet),
    Row("a request that is none", request_of(lambda r, p: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                                                          "-----END CERTIFICATE REQUEST-----\n"), "400 bad-request"),
    Row("an agent tells its token to no other server", impostor, "closed", nothing_was_told),
]


def run(r, results):
    results.rows("TLS", TLS, r)
    results.rows("certificates at every route for agents", CERTIFICATES, r)
    results.rows("hosts", HOSTS, r)
    results.rows("enrolment", ENROLMENT, r)
    results.rows("enrolment of a host that was there before", AGAIN, r)
