# SPDX-License-Identifier: Apache-2.0
"""What clients and servers do inside their networks, for packets.py.

packets_peer.py WHAT …   prints what came of it as JSON
"""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

UDP_PORTS = (5300, 5301, 5302, 5303, 5304)
TCP_PORTS = (8080, 7000, 80)


def offload(name, on):
    """Checksums and segmentation by the card, as ethtool -K has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        # ETHTOOL_SRXCSUM, STXCSUM, SSG, STSO, SGSO, SGRO: what is off in front comes last when it goes on.
        for command in (0x15, 0x17, 0x19, 0x1F, 0x24, 0x2C):
            value = struct.pack("II", command, on)
            buf = ctypes.create_string_buffer(value)
            ifr = struct.pack("16sP", name.encode(), ctypes.addressof(buf))
            with contextlib.suppress(OSError):
                fcntl.ioctl(s, 0x8946, ifr)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answer_tcp(conn, peer):
    digest, n = hashlib.sha256(), 0
    with conn:
        hold = conn.recv(1)
        if hold == b"h":  # a connection that stays: every byte comes back
            while data := conn.recv(100):
                conn.sendall(data)
            return
        while data := conn.recv(65536):
            digest.update(data)
            n += len(data)
        conn.sendall(json.dumps({"peer": peer[0].removeprefix("::ffff:"), "port": peer[1], "n": n,
                                 "sha": digest.hexdigest()}).encode())


def serve_tcp(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
        s.listen(512)
        while True:
            threading.Thread(target=answer_tcp, args=s.accept(), daemon=True).start()


def serve_udp(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 8 << 20)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        s.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        s.bind(("::", port))
        while True:
            data, control, _, peer = s.recvmsg(65536, 200)
            tos = next((c[2][0] for c in control if c[1] in (1, 13, socket.IPV6_TCLASS)), -1)
            said = json.dumps({"peer": peer[0].removeprefix("::ffff:"), "port": peer[1], "tos": tos, "n": len(data),
                               "token": data[:20].decode("latin1"), "sha": hashlib.sha256(data).hexdigest()}).encode()
            s.sendto(said.ljust(len(data)), peer)


def do_serve():
    for port in TCP_PORTS:
        threading.Thread(target=serve_tcp, args=(port,), daemon=True).start()
    for port in UDP_PORTS:
        threading.Thread(target=serve_udp, args=(port,), daemon=True).start()
    print("ready", flush=True)
    signal.pause()


def do_tcp(address, port, n):
    data = os.urandom(int(n))
    with socket.socket(family_of(address), socket.SOCK_STREAM) as s:
        s.settimeout(6)
        try:
            s.connect((address, int(port)))
            to = s.getpeername()[0]
            s.sendall(b"x" + data)
            s.shutdown(socket.SHUT_WR)
            said = b""
            while more := s.recv(65536):
                said += more
            result = json.loads(said)
            result["whole"] = result["sha"] == hashlib.sha256(data).hexdigest()
            result["to"] = to
        except OSError as e:
            result = {"error": e.errno or str(e)}
    return result


def do_udp(address, port, n=20, wait=1.0, source=0):
    data = os.urandom(int(n))
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.settimeout(float(wait))
        s.bind(("", int(source)))
        s.connect((address, int(port)))
        try:
            s.send(data)
            said = s.recv(65536)
            result = json.loads(said)
            result["whole"] = result["sha"] == hashlib.sha256(data).hexdigest() and len(said) >= len(data)
        except socket.timeout:
            result = {"error": "timeout"}
        except OSError as e:
            result = {"error": e.errno}
    return result


def do_mtu(address, port, n):
    """What a packet that may not be cut is told of the way."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        six = family_of(address) == socket.AF_INET6
        s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 23 if six else 10, 2)
        s.connect((address, int(port)))
        for _ in range(3):
            with contextlib.suppress(OSError):
                s.send(bytes(int(n)))
            time.sleep(0.1)
        mtu = s.getsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 24 if six else 14)
    return {"mtu": mtu}


def do_many(address, port, n):
    """Flows at the same time, each with a token of its own that has to come back to it."""
    n = int(n)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100, n + 100))
    socks = {}
    poll = select.epoll()
    for i in range(n):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        s.connect((address, int(port)))
        socks[s.fileno()] = (s, f"token-{i}".ljust(20))
        poll.register(s, select.EPOLLIN)
    ports, wrong = set(), 0
    todo = dict(socks)
    for _ in range(6):  # a queue that is full loses some
        batch = list(todo.values())
        for start in range(0, len(batch), 50):
            for s, token in batch[start:start + 50]:
                with contextlib.suppress(OSError):
                    s.send(token.encode().ljust(260))
            while ready := poll.poll(0.3):
                for fd, _ in ready:
                    try:
                        said = json.loads(socks[fd][0].recv(4096))
                    except (OSError, ValueError):
                        continue
                    if fd in todo:
                        del todo[fd]
                        ports.add(said["port"])
                        wrong += said["token"] != socks[fd][1]
                if len(ready) < 50 and start + 50 < len(batch):
                    break
        if not todo:
            break
    return {"missing": len(todo), "wrong": wrong, "ports": len(ports), "least": min(ports, default=0), "most": max(ports, default=0)}


def do_hold(address, port):
    """A connection that stays: a byte there and back for each line that comes in."""
    with socket.socket(family_of(address), socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect((address, int(port)))
        s.sendall(b"h")
        print("ready", flush=True)
        for _ in sys.stdin:
            try:
                s.sendall(b"a")
                print("back" if s.recv(1) == b"a" else "closed", flush=True)
            except OSError as e:
                print("error", e, flush=True)


def do_flood(address, port, seconds, pause=0.002):
    """Sends all the time, and says how many came back."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.connect((address, int(port)))
        s.setblocking(False)
        sent = back = 0
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                s.send(b"flood".ljust(200))
                sent += 1
            with contextlib.suppress(OSError):
                while s.recv(4096):
                    back += 1
            time.sleep(float(pause))
        s.settimeout(1)
        with contextlib.suppress(OSError):
            while back < sent and s.recv(4096):
                back += 1
    return {"sent": sent, "back": back}


def do_sniff(name, seconds):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind((name, 0))
        s.settimeout(0.1)
        print("ready", flush=True)
        end, seen = time.monotonic() + float(seconds), 0
        while time.monotonic() < end:
            with contextlib.suppress(socket.timeout):
                frame = s.recv(4096)
                seen += frame[12:14] == b"\x08\0" and frame[23] == 17 and frame[36:38] == struct.pack("!H", 5303)
    return {"seen": seen}


def do_ping(address):
    done = subprocess.run(["ping", "-c", "3", "-i", "0.2", "-W", "2", address], capture_output=True, text=True)
    return {"fine": done.returncode == 0}


def do_traceroute(address):
    """Who says that the hops of a packet are used up, and what is heard when they are not."""
    said = []
    six = family_of(address) == socket.AF_INET6
    for hops in (1, 2):
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, socket.IPV6_UNICAST_HOPS if six else 2, hops)
            s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 25 if six else 11, 1)  # RECVERR
            s.settimeout(2)
            s.connect((address, 33434))
            with contextlib.suppress(OSError):
                s.send(b"trace")
            poll = select.poll()
            poll.register(s, select.POLLERR)
            poll.poll(2000)
            try:
                control = s.recvmsg(100, 200, 0x2000)[1]  # MSG_ERRQUEUE
                data = control[0][2]
                offender = data[16:]
                said.append(socket.inet_ntop(socket.AF_INET6, offender[8:24]) if six else socket.inet_ntoa(offender[4:8]))
            except (OSError, IndexError) as e:
                said.append(str(e))
    return {"said": said}


def bpf_call(command, attr):
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(attr.ljust(128, b"\0"))
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    fd = libc.syscall(number, command, buf, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return fd


def detach(pin):
    """Takes a pinned link off, by its descriptor: programs for that do not know links that are newer than they."""
    path = ctypes.create_string_buffer(pin.encode())
    link = bpf_call(7, struct.pack("QII", ctypes.addressof(path), 0, 0))
    bpf_call(34, struct.pack("I", link))
    os.close(link)


def do_xdp(name):
    """Somebody else's XDP program, which lets everything pass, for as long as this runs."""
    code = struct.pack("<BBhi", 0xB7, 0, 0, 2) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    insns, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    prog = bpf_call(5, struct.pack("IIQQ", 6, 2, ctypes.addressof(insns), ctypes.addressof(licence)))
    link = bpf_call(28, struct.pack("IIII", prog, socket.if_nametoindex(name), 37, 2))
    print("ready", flush=True)
    sys.stdin.read()
    os.close(link)


def main():
    if sys.argv[1] == "offload":
        offload(sys.argv[2], int(sys.argv[3]))
        return
    result = globals()[f"do_{sys.argv[1]}"](*sys.argv[2:])
    if result is not None:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
