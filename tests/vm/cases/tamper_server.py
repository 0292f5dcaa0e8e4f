# SPDX-License-Identifier: Apache-2.0
"""What a server and its pages know of an agent that somebody got hold of, and how soon: TAP. Arguments: the pid of the server, the
agent's log.

Of each attempt the time is taken from the moment that it was done until the answer of the server's API, which its pages show, has the
condition; by the clock of the guest. Attempts that the defence would refuse are done in a window that was opened by right: what is
shown is what somebody would see who found a way that is not known here."""
import contextlib
import ctypes
import errno
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

WITHIN = 10
BACK_WITHIN = 180
SERVER = "192.0.2.2"
FTRACE = "/proc/sys/kernel/ftrace_enabled"
DEAF = "/sys/module/tamper/parameters/deaf"
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def run(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **more).stdout


class Server:
    """Asked from its own side of the network, by a process that stays there."""

    def __init__(self):
        kept = json.load(open("/root/config/safeguard/servers.json"))
        entry = kept["servers"][kept["last"]]
        self.token, self.context = entry["token"], ssl.create_default_context(cadata=entry["ca"])

    def ask(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://{SERVER}:8443/api/v1/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, context=self.context, timeout=20) as answer:
            return json.load(answer)

    def host(self):
        return self.ask("hosts")["items"][0]

    def command(self, name, **args):
        """The state of the command once the host has answered; its status where the server refuses it."""
        path = f"hosts/{self.host()['id']}/commands"
        try:
            made = self.ask(path, {"name": name, "args": args})
        except urllib.error.HTTPError as e:
            return e.code
        await_true(WITHIN, lambda: self.state(path, made["id"]) != "waiting")
        return self.state(path, made["id"])

    def state(self, path, number):
        return next(c["status"] for c in self.ask(path)["items"] if c["id"] == number)

    def conditions(self):
        return {c["name"] for c in self.host()["conditions"]}

    def alerts(self, word):
        return [a for a in self.ask("alerts?limit=100")["items"] if word in json.dumps(a)]

    def records(self, word):
        return [r for r in self.ask("events?limit=200")["items"] if word in json.dumps(r)]


def go_to_the_server():
    with open("/run/netns/away") as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Host:
    """Where the agent runs: commands for its network are given in the network of pid 1."""

    def __init__(self, log):
        self.log = log
        self.secret = json.loads(run("safeguard", "unlock", "--new-secret", "--json"))["secret"]
        self.pid = self.find()

    def find(self):
        out = subprocess.run(["pgrep", "-x", "safeguard-agent"], capture_output=True, text=True, check=False).stdout.split()
        return int(out[0]) if out else 0

    def net(self, *argv):
        return run("nsenter", "--net=/proc/1/ns/net", *argv)

    def unlock(self):
        run("safeguard", "unlock", "--secret-stdin", "--for", "20m", input=self.secret + "\n")

    def lock(self):
        run("safeguard", "lock")

    def start(self):
        group = "/sys/fs/cgroup/tamper.slice/safeguard-agent.service/cgroup.procs"
        with open(self.log, "w") as out:
            subprocess.Popen(["nsenter", "--net=/proc/1/ns/net", "bash", "-c",
                              f"echo 0 >{group}; exec setsid safeguard-agent --defence=yes --credentials=off"], stdout=out, stderr=out)
        await_true(600, lambda: "ready after" in open(self.log).read())
        self.pid = self.find()


def await_true(seconds, what):
    """How long it took; None: it did not come in time."""
    start = time.monotonic()
    while (took := time.monotonic() - start) <= seconds:
        if what():
            return took
        time.sleep(0.1)
    return None


def say(good, name, why=""):
    print(f"ok {name}" if good else f"not ok {name}: {why}", flush=True)


def told(server, name, do, condition, undo):
    """Does it, and waits until the server says so; then undoes it, and waits until that is over."""
    do()
    took = await_true(WITHIN, lambda: condition in server.conditions())
    say(took is not None, f"{name}: the server has it as {condition}", f"not within {WITHIN} s: {server.conditions()}")
    if took is not None:
        print(f"# {name}: {condition} after {took:.1f} s")
        alert = await_true(WITHIN - took, lambda: server.alerts(condition))
        say(alert is not None, f"{name}: and there is an alert within {WITHIN} s", "there is none")
    undo()
    say(await_true(BACK_WITHIN, lambda: condition not in server.conditions()) is not None, f"{name}: it is over when it is over",
        f"{server.conditions()}")


def cuts(server, host):
    told(server, "link down", lambda: host.net("ip", "link", "set", "to-server", "down"), "unheard",
         lambda: host.net("ip", "link", "set", "to-server", "up"))
    told(server, "packets dropped", lambda: host.net(
        "nft", f"add table inet cut; add chain inet cut out {{ type filter hook output priority 0; }}; add rule inet cut out ip daddr {SERVER} drop"),
         "unheard", lambda: host.net("nft", "delete table inet cut"))
    told(server, "route into nothing", lambda: host.net("ip", "route", "add", "blackhole", f"{SERVER}/32"), "unheard",
         lambda: host.net("ip", "route", "del", "blackhole", f"{SERVER}/32"))


def sockets(server, host):
    """Connections that are ended from outside: it comes back, and what it sees arrives."""
    ended = 0
    for _ in range(3):
        ended += host.net("ss", "-H", "-K", "dst", SERVER).count(SERVER)
        time.sleep(1)
    say(ended > 0, "sockets closed: they were", "none was ended")
    with contextlib.suppress(OSError):
        open("/srv/vault/a").close()
    say(await_true(WITHIN, lambda: server.records("/srv/vault/a")) is not None, "sockets closed: a denial after that arrives")
    seen = set()
    await_true(WITHIN, lambda: seen.update(server.conditions()))
    say("unheard" not in seen, "sockets closed: the server goes on hearing of it", f"{seen}")


def held(server, host):
    group = "/sys/fs/cgroup/tamper.slice/safeguard-agent.service/cgroup.freeze"

    def freeze(word):
        with open(group, "w") as f:
            f.write(word)
    told(server, "stopped", lambda: os.kill(host.pid, signal.SIGSTOP), "unheard", lambda: os.kill(host.pid, signal.SIGCONT))
    say(await_true(WITHIN, lambda: server.records("the agent did not run for")) is not None, "stopped: it says for how long")
    told(server, "frozen", lambda: freeze("1"), "unheard", lambda: freeze("0"))


def killed(server, host):
    def undo():
        try:
            open("/srv/vault/a").close()
            say(False, "killed: the kernel goes on enforcing", "a file was let through")
        except PermissionError:
            say(True, "killed: the kernel goes on enforcing")
        host.start()
    told(server, "killed", lambda: os.kill(host.pid, signal.SIGKILL), "unheard", undo)


def switched_off(server, host):
    """kernel.ftrace_enabled = 0, by the host's procfs, and again and again; it takes all programs off where the kernel allows it."""
    def switch():
        with open(FTRACE, "w") as f:
            f.write("0")
    try:
        switch()
    except OSError as e:
        if e.errno != errno.EBUSY:
            raise
        print("ok programs switched off # SKIP this kernel does not let ftrace be switched off while programs use it")
        return
    told(server, "programs switched off", lambda: None, "unprotected", lambda: None)
    say(bool(server.records("ftrace_enabled was set to 0")), "programs switched off: the server has the record", "it has none")
    say(open(FTRACE).read().strip() == "1", "programs switched off: they are on again", "they are not")

    # Somebody who insists.
    children = []

    def insist():
        child = os.fork()
        if child == 0:
            while True:
                with contextlib.suppress(OSError):
                    switch()
                time.sleep(0.05)
        children.append(child)

    def stop():
        while children:
            os.kill(children[0], signal.SIGKILL)
            os.waitpid(children.pop(0), 0)
    try:
        told(server, "programs held off", insist, "unprotected", stop)
    finally:
        stop()


def silent(server, host):
    """A hook whose answer a module of the kernel takes away: no program of ours is switched off or detached."""
    def deaf(function):
        with open(DEAF, "w") as f:
            f.write(function)
    told(server, "one hook silent", lambda: deaf("security_file_open"), "unprotected", lambda: deaf("none"))


def refused(server, host):
    """What the defence refuses is at the server: as a record, and as an alert of its rule."""
    with contextlib.suppress(PermissionError):
        os.kill(host.pid, signal.SIGKILL)
    took = await_true(WITHIN, lambda: any("send the signal kill to" in json.dumps(a) for a in server.alerts("safeguard's own defence")))
    say(took is not None, "a signal that was refused: an alert of safeguard's own defence", f"{server.alerts('')}")
    say(bool(server.records("send the signal kill to")), "a signal that was refused: and the record", "there is none")


def stops(host):
    """Whether root may stop the agent; then it goes on at once."""
    try:
        os.kill(host.pid, signal.SIGSTOP)
    except PermissionError:
        return False
    os.kill(host.pid, signal.SIGCONT)
    return True


def opened_by_the_server(server, host):
    """A window that an operator opens for a time, with a reason, and closes."""
    say(server.command("unlock", for_ms=600000) == 400, "a window by the server: not without a reason")
    say(not stops(host), "a window by the server: before it, the agent cannot be stopped")
    state = server.command("unlock", for_ms=600000, reason="a new disk")
    say(state == "done", "a window by the server: it is opened", f"{state}")
    say(stops(host), "a window by the server: the agent can be stopped")
    say(await_true(WITHIN, lambda: server.records("a new disk")) is not None, "a window by the server: the record says why")
    say(server.command("lock") == "done" and not stops(host), "a window by the server: closed, it cannot")
    say(server.command("unlock", for_ms=2000, reason="for a moment") == "done" and stops(host), "a window by the server: a short one")
    say(await_true(WITHIN, lambda: not stops(host)) is not None, "a window by the server: it ends by itself")


def main():
    host = Host(sys.argv[2])
    go_to_the_server()
    server = Server()
    say(await_true(BACK_WITHIN, lambda: server.host()["state"] == "ok") is not None, "the host is well", f"{server.host()}")
    refused(server, host)
    cuts(server, host)
    sockets(server, host)
    silent(server, host)
    opened_by_the_server(server, host)
    host.unlock()
    say(await_true(WITHIN, lambda: server.records("the defence is down")) is not None, "the server is told that the defence is down")
    held(server, host)
    switched_off(server, host)
    killed(server, host)
    host.lock()
    os.kill(int(sys.argv[1]), signal.SIGTERM)


main()
