# SPDX-License-Identifier: Apache-2.0
"""A host that lies: keys and certificates of every kind, enrolment, and frames of records with any byte in them.

Frames are as src/transport/frame.h says. XXH3 and zstd are those that the server itself is linked with.
"""

import ctypes
import json
import os
import struct
import subprocess
import time
import uuid

from rig import ask

FRAME_TYPE = ("Content-Type", "application/x-safeguard-frame")
JSON_TYPE = ("Content-Type", "application/json")

_xx = ctypes.CDLL("libxxhash.so.0")
_xx.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_xx.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_compressBound.restype = _zstd.ZSTD_compress.restype = ctypes.c_size_t
_zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
_zstd.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]


def xxh3(data, seed=0):
    return _xx.XXH3_64bits_withSeed(data, len(data), seed)


def pack(data, level=1):
    room = ctypes.create_string_buffer(_zstd.ZSTD_compressBound(len(data)))
    n = _zstd.ZSTD_compress(room, len(room), data, len(data), level)
    return room.raw[:n]


# Frames -------------------------------------------------------------------------------------------


def block(lines, packed=None, records=None, raw=None, zero=0):
    text = b"".join(line + b"\n" for line in lines)
    packed = pack(text) if packed is None else packed
    return struct.pack("<IIII", len(lines) if records is None else records, len(text) if raw is None else raw,
                       len(packed), zero) + packed


def in_blocks(lines):
    """As many lines together as a block takes."""
    parts, size = [[]], 0
    for line in lines:
        if parts[-1] and size + len(line) + 1 > 131072:
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += len(line) + 1
    return parts


def frame(stream, first, lines=(), blocks=None, magic=b"SGB1", version=1, kind=0, records=None, n_blocks=None,
          raw=None, body=None, check=None, zero=0, zero_too=0):
    """A whole frame; every number that is not given is the right one."""
    if blocks is None:
        blocks = [block(part) for part in in_blocks(lines)]
    rest = b"".join(blocks)
    head = struct.pack("<4sBBH16sQIIII", magic, version, kind, zero, stream, first,
                       len(lines) if records is None else records, len(blocks) if n_blocks is None else n_blocks,
                       sum(len(line) + 1 for line in lines) if raw is None else raw, len(rest) if body is None else body)
    if check is None:
        check = xxh3(rest, xxh3(head))
    return head + struct.pack("<QQ", check, zero_too) + rest


def record(n=0, **over):
    """A line of the form that agents send. `over`: members of it, replaced."""
    r = {
        "class_uid": 1001, "activity_id": 14, "severity_id": 4, "time": int(time.time() * 1000), "action_id": 2,
        "disposition_id": 2, "actor": {"user": {"name": "ann"}, "process": {
            "pid": 1000 + n, "uid": f"b:{1000 + n}:1", "name": "cat", "cmd_line": "cat /etc/shadow",
            "file": {"path": "/usr/bin/cat", "name": "cat"}}},
        "file": {"path": "/etc/shadow", "name": "shadow"}, "message": "cat was refused", "unmapped": {"rule": "shadow"},
    }
    r.update(over)
    return json.dumps(r, ensure_ascii=False).encode("utf-8", "surrogatepass")


# Keys and certificates ------------------------------------------------------------------------------


def openssl(*words, text=None):
    return subprocess.run(["openssl", *map(str, words)], input=text, check=True, capture_output=True).stdout


def make_key(path, kind=("ec", "ec_paramgen_curve:P-256")):
    if not path.exists():
        openssl("genpkey", "-algorithm", kind[0], *(("-pkeyopt", kind[1]) if len(kind) > 1 else ()), "-out", path)
    return path


def make_request(key, subject="/CN=host", extensions=(), config=None):
    words = ["req", "-new", "-key", key, "-subj", subject]
    for e in extensions:
        words += ["-addext", e]
    return openssl(*words).decode()


def make_certificate(place, name, key, ca, agent_id=None, usage="clientAuth", days=10, serial=None, extra=(), subject=None):
    """Signed by any CA (certificate, key) for any purpose; negative `days`: it is over. Returns (certificate, key)."""
    place.mkdir(exist_ok=True)
    request, out, ext = place / f"{name}.csr", place / f"{name}.pem", place / f"{name}.ext"
    request.write_text(make_request(key, subject or f"/CN={agent_id or name}"))
    lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "subjectKeyIdentifier=hash",
             "authorityKeyIdentifier=keyid"]
    lines += [f"extendedKeyUsage={usage}"] if usage else []
    lines += [f"subjectAltName=URI:urn:safeguard:agent:{agent_id}"] if agent_id else []
    ext.write_text("\n".join([*lines, *extra]) + "\n")
    words = ["x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-extfile", ext, "-out", out, "-days", abs(days)]
    words += ["-set_serial", serial] if serial else ["-CAcreateserial", "-CAserial", place / f"{name}.srl"]
    if days < 0:
        # Over since yesterday: openssl x509 counts from now, so that its clock is moved instead.
        words = ["ca", "-batch", "-notext", "-config", _ca_config(place, ca), "-in", request, "-out", out, "-extfile", ext,
                 "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
    openssl(*words)
    return out, key


def _ca_config(place, ca):
    (place / "index").write_text("")
    (place / "serial").write_text("4242\n")
    config = place / "ca.cnf"
    config.write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={place}/index\nserial={place}/serial\nnew_certs_dir={place}\n"
                      f"certificate={ca[0]}\nprivate_key={ca[1]}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    return config


def make_ca(place, name, subject):
    """A CA that is not the server's, whatever it calls itself."""
    place.mkdir(exist_ok=True)
    key, cert = make_key(place / f"{name}.key"), place / f"{name}-ca.pem"
    openssl("req", "-x509", "-new", "-key", key, "-subj", subject, "-days", 100, "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", cert)
    return cert, key


# Hosts ----------------------------------------------------------------------------------------------


def facts(name, **over):
    return {"name": name, "machine_id": uuid.uuid5(uuid.NAMESPACE_DNS, name).hex, "boot_id": str(uuid.uuid4()), "os": "Linux",
            "kernel": "6.1.0", "arch": "x86_64", **over}


def enrol(rig, token, request, host=None, **over):
    body = {"token": token, "csr": request, "host": host or facts("somebody"), "version": "1", **over}
    return ask(rig, "POST", "/agent/v1/enrol", [JSON_TYPE], json.dumps(body, ensure_ascii=False).encode())


class Host:
    """A host that was enrolled in earnest. Its certificate and session are what the attacks begin with."""

    def __init__(self, rig, name, **over):
        self.rig, self.name = rig, name
        self.place = rig.place / "hosts"
        self.place.mkdir(exist_ok=True)
        stem = uuid.uuid4().hex
        self.key = make_key(self.place / f"{stem}.key")
        self.facts = facts(name, **over)
        self.stream, self.next, self.session = os.urandom(16), 1, None
        answer = enrol(rig, rig.token(), make_request(self.key), self.facts)
        if answer.status != 200:
            raise RuntimeError(f"{name!r} cannot enrol: {answer} {answer.body!r}")
        self.id = answer.json["agent_id"]
        cert = self.place / f"{stem}.pem"
        cert.write_text(answer.json["certificate"])
        self.certificate = (cert, self.key)

    def post(self, path, body, headers=(), certificate=None, wire=None):
        own = [] if self.session is None else [("Safeguard-Session", self.session)]
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
            headers = [*headers, JSON_TYPE]
        return ask(self.rig, "POST", path, [*own, *headers], body, certificate or self.certificate, wire)

    def hello_body(self, **over):
        f = self.facts
        return {"boot_id": f["boot_id"], "machine_id": f["machine_id"], "host": f, "version": "1",
                "time_ms": int(time.time() * 1000), "streams": [], **over}

    def hello(self, certificate=None, **over):
        self.session = None
        answer = self.post("/agent/v1/hello", self.hello_body(**over), certificate=certificate)
        if answer.status == 200:
            self.session = answer.json["session"]
        return answer

    def send_frame(self, data, **more):
        return self.post("/agent/v1/records", data, [FRAME_TYPE], **more)

    def send(self, lines, **more):
        """Records in earnest, with the numbers that follow."""
        answer = self.send_frame(frame(self.stream, self.next, lines, **more))
        if answer.status == 200:
            self.next += len(lines)
        return answer

    def send_state(self, table, rows, **over):
        checksum = 0
        for key, value in rows.items():
            checksum ^= xxh3(value.encode("utf-8", "surrogatepass"), xxh3(key.encode("utf-8", "surrogatepass")))
        return self.post("/agent/v1/state", {"table": table, "base": None, "full": True, "checksum": f"{checksum:016x}",
                                             "rows": [{"key": k, "value": v} for k, v in rows.items()], **over})

    def poll(self, wire=None, **over):
        q = {"session": self.session or "", "bundle": "", "after": "", **over}
        target = "/agent/v1/poll?" + "&".join(f"{k}={v}" for k, v in q.items())
        return ask(self.rig, "GET", target, certificate=self.certificate, wire=wire)
