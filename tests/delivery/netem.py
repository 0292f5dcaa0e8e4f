# SPDX-License-Identifier: Apache-2.0
"""A link between hosts and their server as networks are: two network namespaces, a pair of veth devices between them, and tc's
netem on both, which delays, loses and reorders packets.

The process that makes it is in the server's namespace from then on, and hosts are started in the other one. Neither has a name:
they are gone when the last process in them is, however that ended.
"""

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
USUAL = "delay 4ms 2ms loss 0.1% limit 4000"
SLOW = "delay 60ms 25ms 25% loss 1.5% duplicate 1% reorder 5% 50% rate 20mbit limit 4000"
LOST = "loss 100%"


class Unable(Exception):
    """This kernel or this user cannot make such a link."""


class Netem:
    name = "netem"
    ways = ("down", "replies", "loss", "requests")
    server_address = "0.0.0.0"  # the loopback is for who looks after the server
    address = "10.213.0.1"

    def __init__(self):
        if os.geteuid() != 0:
            raise Unable("network namespaces take root")
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.port = 0
        self.usual = USUAL
        self.way = None
        before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.host = self._new_namespace()
            self._run("ip link set lo up")
            self.server = self._new_namespace()
            self._connect()
        except Unable:
            self._enter(before)
            raise
        finally:
            os.close(before)

    def _new_namespace(self):
        if self.libc.unshare(CLONE_NEWNET) != 0:
            raise Unable(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _enter(self, namespace):
        if self.libc.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def _connect(self):
        self._run("ip link set lo up")
        self._run("ip link add server0 type veth peer name host0")
        self._run(f"ip link set host0 netns /proc/self/fd/{self.host}", pass_fds=(self.host,))
        self._run(f"ip address add {self.address}/24 dev server0")
        self._run("ip link set server0 up")
        self._on_host("ip address add 10.213.0.2/24 dev host0")
        self._on_host("ip link set host0 up")
        self._shape(self.usual, self.usual)

    @staticmethod
    def _run(command, **options):
        try:
            subprocess.run(command.split(), check=True, capture_output=True, text=True, **options)
        except OSError as e:
            raise Unable(f"{command}: {e.strerror}") from e
        except subprocess.CalledProcessError as e:
            raise Unable(f"{command}: {e.stderr.strip()}") from e

    def _on_host(self, command):
        self._run(command, preexec_fn=self.enter_host)

    def _shape(self, requests, answers):
        """What happens to packets that leave the host, and to those that leave the server."""
        self._on_host(f"tc qdisc replace dev host0 root netem {requests}")
        self._run(f"tc qdisc replace dev server0 root netem {answers}")

    def serve(self, port):
        self.port = port

    def enter_host(self):
        self._enter(self.host)

    def cut(self, way):
        """Until mend(): down, the device is; loss, every packet is lost; requests, replies: those of one direction."""
        self.way = way
        if way == "down":
            self._run("ip link set server0 down")
        else:
            self._shape(self.usual if way == "replies" else LOST, self.usual if way == "requests" else LOST)

    def mend(self):
        if self.way == "down":
            self._run("ip link set server0 up")
        self.way = None
        self._shape(self.usual, self.usual)

    def set_slow(self, slow):
        self.usual = SLOW if slow else USUAL
        self._shape(self.usual, self.usual)
