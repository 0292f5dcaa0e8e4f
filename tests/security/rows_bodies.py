# SPDX-License-Identifier: Apache-2.0
"""What is inside: heads that can be read in two ways, JSON of every shape, frames with wrong numbers, bombs."""

import json
import os
import socket
import struct
import threading
import time

from link import JSON_TYPE, Host, block, frame, pack, record, xxh3
from rig import BROKEN, Answer, Row, Wire, ask, head_of, raw

MIB = 1 << 20


# Heads ----------------------------------------------------------------------------------------------


def head(*lines, first="POST /api/v1/login HTTP/1.1", body=b"{}", host=True):
    """Bytes as they stand here; a Host unless the attack is about that."""
    def send(r):
        own = [f"Host: 127.0.0.1:{r.server.port}".encode()] if host else []
        sent = [x if isinstance(x, bytes) else x.encode("latin-1") for x in (first, *lines)]
        return raw(r, b"\r\n".join([sent[0], *own, *sent[1:]]) + b"\r\n\r\n" + body)
    return send


def get(*lines, first="GET /healthz HTTP/1.1", **more):
    return head(*lines, first=first, body=b"", **more)


def chunked(body):
    return head("Content-Type: application/json", "Transfer-Encoding: chunked", body=body)


SMUGGLED = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def hidden_request(*lines, body=b""):
    """What follows must not be answered as a request of its own: the connection ends after the refusal."""
    def send(r):
        try:
            with Wire(r.server.port) as w:
                w.send(head_of(r, "POST", "/api/v1/login", [("Content-Type", "application/json"), *lines]) + body + SMUGGLED)
                first = w.answer()
                try:
                    second = w.answer()
                except BROKEN:
                    return first
                return Answer(200, body=second.body, why=f"a second answer: {second.status}")
        except BROKEN as e:
            return Answer(why=str(e))
    return send


HEADS = [
    # name, what is sent, what must come back, what must be true afterwards
    Row("two lengths", hidden_request(("Content-Length", "0"), ("Content-Length", "54")), "400 invalid"),
    Row("the same length twice", head("Content-Length: 2", "Content-Length: 2"), "400 invalid"),
    Row("a list of lengths", hidden_request(("Content-Length", "0, 54")), "400"),
    Row("a length and chunks", hidden_request(("Content-Length", "5"), ("Transfer-Encoding", "chunked"), body=b"0\r\n\r\n"), "400 invalid"),
    Row("chunks and a length", hidden_request(("Transfer-Encoding", "chunked"), ("Content-Length", "5"), body=b"0\r\n\r\n"), "400 invalid"),
    Row("two codings", hidden_request(("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity"), body=b"0\r\n\r\n"), "400 invalid"),
    Row("a list of codings", hidden_request(("Transfer-Encoding", "identity, chunked"), body=b"0\r\n\r\n"), "400 invalid"),
    Row("a coding that is almost chunked", hidden_request(("Transfer-Encoding", "xchunked"), body=b"0\r\n\r\n"), "400 invalid"),
    Row("chunks in HTTP/1.0", head("Transfer-Encoding: chunked", first="POST /api/v1/login HTTP/1.0", body=b"0\r\n\r\n"), "400 invalid"),
    Row("a blank before the colon", hidden_request(("Content-Length ", "0")), "400 invalid"),
    Row("a length that is negative", head("Content-Length: -1"), "400"),
    Row("a length with a sign", head("Content-Length: +2"), "400"),
    Row("a length in hexadecimal", head("Content-Length: 0x2"), "400"),
    Row("a length beyond 64 bits", head("Content-Length: 18446744073709551618"), "400 | 413"),
    Row("a length of nothing", head("Content-Length:"), "400"),
    Row("a chunk of negative size", chunked(b"-1\r\n{}\r\n0\r\n\r\n"), "400"),
    Row("a chunk of size 0x2", chunked(b"0x2\r\n{}\r\n0\r\n\r\n"), "400"),
    Row("a chunk beyond 64 bits", chunked(b"10000000000000002\r\n{}\r\n0\r\n\r\n"), "400 | 413"),
    Row("a chunk that goes on after its end", chunked(b"2\r\n{}GET / HTTP/1.1\r\n0\r\n\r\n"), "400"),
    Row("a chunk with an extension of 100 KB", chunked(b"2;" + b"x" * 100000 + b"\r\n{}\r\n0\r\n\r\n"), "413 | 431 | 500 | closed"),
    Row("trailers that are headers of ours", head("Content-Type: application/json", "Transfer-Encoding: chunked", body=
        b"2\r\n{}\r\n0\r\nX-CSRF-Token: x\r\nContent-Length: 10\r\n\r\n"), "400 invalid"),
    Row("two hosts", get("Host: evil.example"), "400 invalid"),
    Row("no host", get(host=False), "400"),
    Row("no host, HTTP/1.0", get(first="GET /healthz HTTP/1.0", host=False), "400 invalid"),
    Row("somebody else's host", get("Host: evil.example", host=False), "421 host"),
    Row("a host that begins as an address", get("Host: 127.0.0.1.evil.example", host=False), "421 host"),
    Row("a host with somebody before it", get("Host: evil.example@127.0.0.1", host=False), "421 host"),
    Row("a host of nothing", get("Host: ", host=False), "400"),
    Row("a whole address of somebody else", get(first="GET https://evil.example/healthz HTTP/1.1"), "400 invalid"),
    Row("another host in front of ours", get("X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"), "200",
        lambda r: b"evil.example" not in ask(r, "GET", "/", [("X-Forwarded-Host", "evil.example")]).body),
    Row("a bare CR in a value", get("X-A: b\rX-B: c"), "400 invalid"),
    Row("a name with a NUL", get("X\0A: b"), "400"),
    Row("a value with a control character", get("X-A: \x1b[31m"), "400 invalid"),
    Row("a name with a byte that is no letter", get("X\xc3\xa4: b"), "400"),
    Row("a line without a colon", get("no colon here"), "400"),
    Row("a header before the first", get(" X: y", host=False), "400"),
    Row("two Authorization headers", get("Authorization: Bearer a", "Authorization: Bearer b", first="GET /api/v1/session HTTP/1.1"), "400 invalid"),
    Row("two Cookie headers", get("Cookie: __Host-safeguard=a", "Cookie: __Host-safeguard=b", first="GET /api/v1/session HTTP/1.1"), "400 invalid"),
    Row("a header of 100 KB", get("X-A: " + "a" * 100000), "431"),
    Row("5,000 headers", get(*["X-A: a"] * 5000), "431"),
    Row("a first line of 50 KB", get(first="GET /" + "a" * 50000 + " HTTP/1.1"), "414"),
    Row("a path of 5 KB", get(first="GET /" + "a" * 5000 + " HTTP/1.1"), "414 too-long"),
    Row("33 parameters", get(first="GET /api/v1/hosts?" + "&".join("q=a" for _ in range(33)) + " HTTP/1.1"), "414 too-long"),
    Row("a method of 5 KB", get(first="A" * 5000 + " / HTTP/1.1"), "405 method | 400 | 431"),
    Row("HTTP/0.9", get(first="GET /healthz", host=False), "400"),
    Row("HTTP/2.0", get(first="GET /healthz HTTP/2.0"), "505"),
    Row("HTTP/2 by its preface", lambda r: raw(r, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64)), "400 | 505"),
    Row("an upgrade to h2c", get("Connection: Upgrade", "Upgrade: h2c"), "200"),
    Row("bytes that are nothing", lambda r: raw(r, bytes(range(256)) * 4), "400"),
    Row("leave to send 1 TB is not given", head("Content-Type: application/json", "Content-Length: 1099511627776",
                                                "Expect: 100-continue", body=b""), "413 too-large"),
]


# Bodies of people -----------------------------------------------------------------------------------


def login(body, kind="application/json"):
    def send(r):
        return ask(r, "POST", "/api/v1/login", [("Content-Type", kind)] if kind else [], body)
    return send


def more_than_declared(r):
    """The rest must not be taken for a request."""
    try:
        with Wire(r.server.port) as w:
            w.send(head_of(r, "POST", "/api/v1/login", [("Content-Type", "application/json"), ("Content-Length", "2")]) + b"{}" +
                   b"X" * 3000 + b"\r\n\r\n")
            first = w.answer()
            return first if w.answer().status == 400 else Answer(200)
    except EOFError:
        return first


def endless_chunks(r):
    """No length is said, and it never ends."""
    sent = 0
    try:
        with Wire(r.server.port, timeout=20) as w:
            w.send(head_of(r, "POST", "/api/v1/login", [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]))
            try:
                while sent < 200 * MIB:
                    w.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
                    sent += 65536
            except OSError:
                pass
            r.endless = sent
            return w.answer()
    except BROKEN as e:
        r.endless = sent
        return Answer(why=str(e))


def twin_members(r):
    """Which of two passwords counts must not depend on who reads it: the last, or none, and never somebody else."""
    return login(b'{"user":"u-admin","password":"wrong","user":"nobody","password":"wrong"}')(r)


def session_with(name):
    def send(r):
        return r.admin.ask("POST", "/api/v1/users", {"name": name, "roles": ["viewer"], "password": "long enough for it"})
    return send


def users_are(r):
    names = {u["name"] for u in r.admin.get("/api/v1/users").json["items"]}
    wanted = {f"u-{role}" for role in ("viewer", "operator", "admin", "auditor")}
    return names >= wanted and all(n.isprintable() and n == n.strip() for n in names) or f"{names}"


U = b'{"user":%s,"password":"x"}'
BODIES = [
    Row("no JSON", login(b"user=u-admin&password=x"), "400 invalid"),
    Row("nothing", login(b""), "400 invalid"),
    Row("blanks", login(b" " * 1000), "400 invalid"),
    Row("null", login(b"null"), "400 invalid"),
    Row("an array", login(b'["u-admin","x"]'), "400 invalid"),
    Row("a text", login(b'"u-admin"'), "400 invalid"),
    Row("two objects", login(b"{}{}"), "400 invalid"),
    Row("cut off", login(b'{"user":"u-admin","passw'), "400 invalid"),
    Row("arrays 60,000 deep", login(b"[" * 60000), "400 invalid"),
    Row("objects 17 deep", login(b'{"user":' * 17 + b"1" + b"}" * 17), "400 invalid"),
    Row("30,000 empty arrays", login(b'{"user":[' + b"[]," * 20000 + b"[]]}"), "400 invalid"),
    Row("a number of 60,000 digits", login(U % (b"9" * 60000)), "400 invalid"),
    Row("1e999999", login(U % b"1e999999"), "400 invalid"),
    Row("NaN", login(U % b"NaN"), "400 invalid"),
    Row("-Infinity", login(U % b"-Infinity"), "400 invalid"),
    Row("a member twice", twin_members, "401 login | 400 invalid"),
    Row("a member that there is none", login(b'{"user":"a","password":"b","roles":["admin"]}'), "400 invalid"),
    Row("__proto__", login(b'{"user":"a","password":"b","__proto__":{"roles":["admin"]}}'), "400 invalid"),
    Row("a comment", login(b'{"user":"a",/* */"password":"b"}'), "400 invalid"),
    Row("single quotes", login(b"{'user':'a','password':'b'}"), "400 invalid"),
    Row("a NUL between", login(b'{"user":"a",\0"password":"b"}'), "400 invalid"),
    Row("a NUL in a text, as it is", login(U % b'"u-admin\0x"'), "400 invalid"),
    Row("a NUL in a text, escaped", session_with("u-admin\0x"), "400 invalid", users_are),
    Row("a NUL in a name that is free", session_with("zoe\0x"), "400 invalid", users_are),
    Row("a newline in a name", session_with("zoe\nadmin"), "400 invalid", users_are),
    Row("bytes that are not UTF-8", login(U % b'"\xff\xfe"'), "400 invalid"),
    Row("a slash in two bytes", login(U % b'"\xc0\xaf"'), "400 invalid"),
    Row("a surrogate in UTF-8", login(U % b'"\xed\xa0\x80"'), "400 invalid"),
    Row("a lone surrogate, escaped", login(U % b'"\\ud800"'), "400 invalid | 401 login"),
    Row("an escape that there is none", login(U % b'"\\x41"'), "400 invalid"),
    Row("a byte order mark", login(b'\xef\xbb\xbf{"user":"a","password":"b"}'), "400 invalid"),
    Row("a control character in a text", login(U % b'"a\x01b"'), "400 invalid | 401 login"),
    Row("a name of 65 bytes", login(U % (b'"' + b"a" * 65 + b'"')), "400 invalid | 401 login"),
    Row("a password of 60 KB", login(b'{"user":"u-admin","password":"' + b"x" * 60000 + b'"}'), "400 invalid | 401 login"),
    Row("a byte more than 64 KiB, declared", login(b" " * (64 * 1024 + 1)), "413 too-large"),
    Row("chunks without end", endless_chunks, "413 too-large | closed", lambda r: r.endless < 40 * MIB or f"{r.endless} bytes were taken"),
    Row("more than was declared", more_than_declared, "400 invalid"),
    Row("a form", login(b"user=a&password=b", "application/x-www-form-urlencoded"), "415 unsupported"),
    Row("a form with parts", login(b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"), "415 unsupported"),
    Row("plain text (no question asked by a browser)", login(b'{"user":"a","password":"b"}', "text/plain"), "415 unsupported"),
    Row("no type", login(b'{"user":"a","password":"b"}', None), "415 unsupported"),
    Row("a type that begins well", login(b'{"user":"a","password":"b"}', "application/jsonx"), "415 unsupported"),
    Row("packed with gzip", lambda r: ask(r, "POST", "/api/v1/login", [JSON_TYPE, ("Content-Encoding", "gzip")],
                                          b"\x1f\x8b\x08\0\0\0\0\0\0\3"), "400 invalid | 415 unsupported"),
    Row("a body where none belongs", lambda r: r.viewer.ask("GET", "/api/v1/hosts", {"a": 1}), "400 invalid"),
]


# Messages of hosts ------------------------------------------------------------------------------------


def message(path, body):
    def send(r):
        if r.host.session is None:
            r.host.hello()
        return r.host.post(path, body if isinstance(body, bytes) else body(r))
    return send


def hello_with(**over):
    def send(r):
        body = {**r.host.hello_body(), **over}
        if isinstance(over.get("host"), dict):
            body["host"] = {**r.host.facts, **over["host"]}
        return r.host.post("/agent/v1/hello", body)
    return send


def streams(n):
    return [{"class": "security", "id": os.urandom(16).hex(), "first": 1, "next": 1, "acked": 0} for _ in range(n)]


def tables(r):
    """State tables without end."""
    r.other.hello()
    for i in range(200):
        answer = r.other.send_state(f"table_{i}", {"a": '"x"'})
        if answer.status != 200:
            r.tables = i
            return answer
    return answer


def rows_without_end(r):
    """One table that grows without end, by messages of 250 KB."""
    r.other.hello()
    value = json.dumps("x" * 30000)
    checksum, base = 0, None
    for i in range(200):
        rows = {f"k{i}-{k}": value for k in range(8)}
        for k, v in rows.items():
            checksum ^= xxh3(v.encode(), xxh3(k.encode()))
        answer = r.other.post("/agent/v1/state", {"table": "big", "base": base, "full": base is None, "checksum": f"{checksum:016x}",
                                                  "rows": [{"key": k, "value": v} for k, v in rows.items()]})
        if answer.status != 200:
            return answer
        base = f"{checksum:016x}"
    return answer


def commands_untouched(r):
    return r.viewer.get(f"/api/v1/hosts/{r.host.id}/commands").json["items"] == [] or "a command came of nothing"


MESSAGES = [
    Row("hello: no JSON", message("/agent/v1/hello", b"\0" * 100), "400 bad-request"),
    Row("hello: 33 KB", message("/agent/v1/hello", b" " * (33 << 10)), "400 bad-request | 413 too-large"),
    Row("hello: arrays 30,000 deep", message("/agent/v1/hello", b"[" * 30000), "400 bad-request"),
    Row("hello: 30,000 values", message("/agent/v1/hello", b'{"a":[' + b"1," * 14000 + b"1]}"), "400 bad-request"),
    Row("hello: no boot id", hello_with(boot_id=""), "400"),
    Row("hello: a number for a text", hello_with(version=1), "400 bad-request"),
    Row("hello: a name of 20 KB", hello_with(host={"name": "x" * 20000}), "400 bad-request"),
    Row("hello: a name with a NUL", hello_with(host={"name": "a\0b"}), "400 bad-request"),
    Row("hello: 17 streams", hello_with(streams=streams(17)), "400 bad-request"),
    Row("hello: a stream of zeros", hello_with(streams=[{**streams(1)[0], "id": "0" * 32}]), "400 bad-request"),
    Row("hello: a stream that is SQL", hello_with(streams=[{**streams(1)[0], "id": "' OR 1=1 --"}]), "400 bad-request"),
    Row("hello: numbers beyond 63 bits", hello_with(streams=[{**streams(1)[0], "next": 1 << 63}]), "400 bad-request"),
    Row("hello: a negative number", hello_with(streams=[{**streams(1)[0], "acked": -1}]), "400 bad-request"),
    Row("hello: a time of the far future", hello_with(time_ms=(1 << 63) - 1), "200 | 400 bad-request"),
    Row("hello: of another machine (the host is refused from then on, and people are told)", lambda r: _cloned(r), "409 cloned"),
    Row("state: a path for a table", message("/agent/v1/state", b'{"table":"../../etc","base":null,"rows":[],"checksum":"0000000000000000","full":true}'), "400 bad-request"),
    Row("state: a checksum that does not fit", message("/agent/v1/state", b'{"table":"health","base":null,"rows":[{"key":"a","value":"1"}],"checksum":"0000000000000000","full":true}'), "409 resync | 400"),
    Row("state: a value that is no JSON", lambda r: r.host.send_state("health", {"a": "{not json"}), "400"),
    Row("state: a key with a newline", lambda r: r.host.send_state("health", {"a\nb": "1"}), "400"),
    Row("state: 33 tables of one host", tables, "413 too-large", lambda r: r.tables <= 32 or f"{r.tables} tables"),
    Row("state: a table without end", rows_without_end, "413 too-large"),
    Row("result: of a command that there is none", message("/agent/v1/result", b'{"command":"99999","status":"done","result":null,"error":null}'), "404 not-found", commands_untouched),
    Row("result: an id that is SQL", message("/agent/v1/result", b'{"command":"1;DROP TABLE commands","status":"done","result":null,"error":null}'), "400 bad-request | 404 not-found"),
    Row("result: to a question that nobody asked", message("/agent/v1/result", b'{"command":"q0-1","status":"done","result":{"processes":[]},"error":null}'), "200", commands_untouched),
    Row("result: to a question that is SQL", message("/agent/v1/result", b'{"command":"q\'; --","status":"done","result":null,"error":null}'), "400 bad-request"),
    Row("result: a status that there is none", message("/agent/v1/result", b'{"command":"1","status":"root","result":null,"error":null}'), "400 bad-request"),
    Row("renew: nothing", message("/agent/v1/renew", b"{}"), "400 bad-request"),
    Row("poll: a parameter that is SQL", lambda r: r.host.poll(session="%27%20OR%201=1--"), "409 session"),
    Row("poll: a session of 65 bytes", lambda r: r.host.poll(session="x" * 65), "400 invalid"),
]


def _cloned(r):
    h = Host(r, "cloned")
    h.hello()
    h.facts["machine_id"] = "f" * 32
    return h.hello()


# Frames -------------------------------------------------------------------------------------------------

LINE = record(1)
HUGE = 1 << 30


def counts(r):
    return r.admin.get("/api/v1/server").json["store"]["records"]


def bad(build):
    """A frame that must be refused whole: nothing of it is stored."""
    def send(r):
        if r.host.hello().status != 200:
            raise RuntimeError("the host is refused")
        r.records_before = counts(r)
        return r.host.send_frame(build(os.urandom(16)))
    return send


def nothing_stored(r):
    now = counts(r)
    return now == r.records_before or f"{now - r.records_before} records were stored"


def refused(name, build, expect="400 frame"):
    return Row(f"frame: {name}", bad(build), expect, nothing_stored)


def zstd_head(content, window_log=None, dictionary=None, single=False):
    """A header of a zstd frame (RFC 8878), by hand, with one raw block that says to be the last."""
    flags = 0xc0 | (0x20 if single else 0) | (3 if dictionary else 0)
    out = struct.pack("<IB", 0xfd2fb528, flags)
    if not single:
        out += bytes([((window_log or 17) - 10) << 3])
    if dictionary:
        out += struct.pack("<I", dictionary)
    return out + struct.pack("<Q", content)


def zstd_raw(data, **more):
    return zstd_head(len(data), **more) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


_bomb = []


def bomb():
    """1 GiB of newlines in a few KiB: RLE blocks of 128 KiB, as RFC 8878 has them."""
    if not _bomb:
        blocks = HUGE // 131072
        rle = b"".join(struct.pack("<I", 131072 << 3 | 2 | (i == blocks - 1))[:3] + b"\n" for i in range(blocks))
        _bomb.append(zstd_head(HUGE) + rle)
    return _bomb[0]


def small_bomb(n):
    """n newlines in 17 bytes or so: as many as a block may have."""
    return pack(b"\n" * n)


def with_block(**more):
    return lambda s: frame(s, 1, [LINE], [block([LINE], **more)])


def with_packed(packed, raw=None):
    text = len(LINE) + 1 if raw is None else raw
    return lambda s: frame(s, 1, [LINE], [block([LINE], packed=packed, raw=text)], raw=text)


FRAMES = [
    refused("nothing", lambda s: b""),
    refused("zeros", lambda s: bytes(100)),
    refused("another magic", lambda s: frame(s, 1, [LINE], magic=b"SGB2")),
    refused("another version", lambda s: frame(s, 1, [LINE], version=2)),
    refused("a checksum that does not fit", lambda s: frame(s, 1, [LINE], check=0)),
    refused("a class that there is none", lambda s: frame(s, 1, [LINE], kind=2)),
    refused("something where nothing is", lambda s: frame(s, 1, [LINE], zero=1)),
    refused("something where nothing is, at the end", lambda s: frame(s, 1, [LINE], zero_too=1)),
    refused("the stream of zeros", lambda s: frame(bytes(16), 1, [LINE])),
    refused("number 0", lambda s: frame(s, 0, [LINE])),
    refused("a number of 2^63", lambda s: frame(s, 1 << 63, [LINE])),
    refused("a number of 2^64 - 1", lambda s: frame(s, (1 << 64) - 1, [LINE])),
    refused("numbers that run over", lambda s: frame(s, (1 << 63) - 1, [LINE, LINE])),
    refused("no records", lambda s: frame(s, 1, [LINE], records=0)),
    refused("more records than lines", lambda s: frame(s, 1, [LINE], records=2)),
    refused("4,294,967,295 records", lambda s: frame(s, 1, [LINE], records=0xffffffff), "400 frame | 413 too-large"),
    refused("no blocks", lambda s: frame(s, 1, [LINE], n_blocks=0)),
    refused("more blocks than there are", lambda s: frame(s, 1, [LINE, LINE], n_blocks=2)),
    refused("4,294,967,295 blocks", lambda s: frame(s, 1, [LINE], n_blocks=0xffffffff)),
    refused("a text of 4 GiB", lambda s: frame(s, 1, [LINE], raw=0xffffffff), "400 frame | 413 too-large"),
    refused("a body longer than it is", lambda s: frame(s, 1, [LINE], body=1 << 20)),
    refused("cut off", lambda s: frame(s, 1, [LINE])[:-1]),
    refused("cut off in its head", lambda s: frame(s, 1, [LINE])[:63]),
    refused("something behind it", lambda s: frame(s, 1, [LINE]) + b"x"),
    refused("two frames", lambda s: 2 * frame(s, 1, [LINE])),
    refused("a block with no records", with_block(records=0)),
    refused("a block with more records", with_block(records=2)),
    refused("a block with another size", with_block(raw=10)),
    refused("a block with something where nothing is", with_block(zero=1)),
    refused("a block that is not packed", with_packed(LINE + b"\n")),
    refused("a block that is cut off", with_packed(pack(LINE + b"\n")[:-3])),
    refused("a block with something behind it", with_packed(pack(LINE + b"\n") + b"xx")),
    refused("two texts in a block", with_packed(2 * pack(LINE + b"\n"))),
    refused("a frame to be skipped", with_packed(struct.pack("<II", 0x184d2a50, 8) + bytes(8))),
    refused("a text that needs a dictionary", with_packed(zstd_raw(LINE + b"\n", dictionary=7))),
    refused("a window of 1 TiB", with_packed(zstd_raw(LINE + b"\n", window_log=40))),
    refused("a text packed twice", with_packed(pack(pack(LINE + b"\n")))),
    refused("a line without an end", lambda s: frame(s, 1, [LINE], [block([], pack(LINE), 1, len(LINE))], raw=len(LINE))),
    refused("a line of 300 KB", lambda s: frame(s, 1, [b"x" * 300000]), "413 too-large | 400 frame"),
    refused("1 GiB of newlines that says so", with_packed(bomb(), HUGE), "413 too-large | 400 frame"),
    refused("1 GiB of newlines that says to be small", with_packed(bomb())),
    refused("8,192 blocks of 128 KiB", lambda s: frame(s, 1, [], [block([], small_bomb(131072), 1, 131072)] * 8192, records=8192,
                                                       raw=0x40000000), "413 too-large | 400 frame"),
    refused("128 blocks of newlines with the wrong number of records", lambda s: frame(
        s, 1, [], [block([], small_bomb(131072), 64, 131072)] * 128, records=8192, raw=128 * 131072)),
    refused("4 MiB of noise", lambda s: os.urandom(4 * MIB)),
    # Its text is small and said to be: no window is made for it. What counts is that it costs nothing.
    Row("frame: a window of 2 GiB", bad(with_packed(zstd_raw(LINE + b"\n", window_log=31))), "200", lambda r: memory_is_bounded(r, 32)),
    Row("frame: a byte more than 4 MiB", lambda r: r.host.send_frame(bytes(4 * MIB + 1)), "413 too-large"),
    Row("frame: as JSON", lambda r: r.host.post("/agent/v1/records", {"a": 1}), "400 frame"),
]


def again_with_others(r):
    """Numbers that were stored, with other content: what was stored stays."""
    h = r.host
    h.hello()
    s = os.urandom(16)
    h.send_frame(frame(s, 1, [record(1, message="the first of them")]))
    return h.send_frame(frame(s, 1, [record(1, message="the second of them")]))


def first_stays(r):
    n = [len(r.viewer.get("/api/v1/events", q=f"{w} of them").json["items"]) for w in ("first", "second")]
    return n == [1, 0] or f"first and second: {n}"


def far_future(r):
    """Near the last number that there is; afterwards another stream of the host goes on as before."""
    r.host.hello()
    return r.host.send_frame(frame(os.urandom(16), (1 << 63) - 9, [record(1, message="far away")]))


def goes_on(r):
    answer = r.host.send([record(5)])
    return answer.status == 200 and answer.json["stored"] == 1 or f"{answer} {answer.body}"


def streams_without_end(r):
    """A stream for each frame: what is remembered of them is bounded."""
    h = r.other
    h.hello()
    with Wire(r.server.port, h.certificate) as w:
        for _ in range(3000):
            answer = h.send_frame(frame(os.urandom(16), 1, [LINE]), wire=w)
            if answer.status != 200:
                break
    return answer


def many_bombs(r):
    """The largest frames that are allowed, from twenty connections at once: 16 MiB each, 1.6 GiB together."""
    lines = [b'{"a":"' + b"x" * 1990 + b'"}'] * 64
    one = frame(os.urandom(16), 1, [], [block(lines)] * 128, records=8192, raw=128 * sum(len(line) + 1 for line in lines))
    r.host.hello()
    said = []

    def send():
        said.extend(r.host.send_frame(one) for _ in range(5))
    threads = [threading.Thread(target=send) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return next((a for a in said if a.status not in (200, 503)), Answer(200))


def memory_is_bounded(r, mib):
    grown = (r.server.memory() - r.memory_before) // 1024
    print(f"# the server has {grown} MiB more than before", flush=True)
    return grown <= mib or f"{grown} MiB more than before"


AFTER = [
    Row("numbers again, with other records", again_with_others, "200", first_stays),
    Row("the last number that there is", bad(lambda s: frame(s, (1 << 63) - 1, [LINE])), "400 frame", goes_on),
    Row("almost the last number", far_future, "200", goes_on),
    Row("3,000 streams of one host", streams_without_end, "200", lambda r: memory_is_bounded(r, 64)),
    # What malloc keeps of what the bounds of bodies and queue allow.
    Row("a hundred times 16 MiB in a few KiB", many_bombs, "200", lambda r: memory_is_bounded(r, 150)),
]


def connections(r):
    """More than one address may have: those beyond are ended, those before go on, and afterwards all is as it was."""
    held, ended = [], 0
    try:
        with Wire(r.server.port) as w:
            for _ in range(400):
                try:
                    held.append(socket.create_connection(("127.0.0.1", r.server.port), timeout=5))
                except OSError:
                    ended += 1
            time.sleep(0.3)
            for s in held:
                s.setblocking(False)
                try:
                    ended += s.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    ended += 1
            r.ended = ended
            return ask(r, "GET", "/healthz", wire=w)
    finally:
        for s in held:
            s.close()


def served_again(r):
    if r.ended < 100:
        return f"only {r.ended} of 400 connections were ended"
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if ask(r, "GET", "/healthz").status == 200:
            return True
        time.sleep(0.05)
    return "nobody is served any more"


CROWD = [Row("400 connections of one address that may have 300", connections, "200", served_again)]


def run(r, results):
    r.memory_before = r.server.memory()
    results.rows("heads that can be read in two ways", HEADS, r)
    results.rows("bodies of people", BODIES, r)
    results.rows("messages of hosts", MESSAGES, r)
    results.rows("frames", FRAMES, r)
    results.rows("what was taken", AFTER, r)
    results.rows("many connections", CROWD, r)
