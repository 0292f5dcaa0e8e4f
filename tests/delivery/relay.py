# SPDX-License-Identifier: Apache-2.0
"""A link between hosts and their server that any machine can have: a relay on the loopback that cuts connections and slows them."""

import asyncio
import threading

PIECE = 16384
USUAL = 0.03  # seconds for a piece: something is always on its way when it is cut
SLOW = 0.2


class Relay:
    """Listens at a free port of the loopback, in a thread of its own. What a link has for its callers is said in netem.py, too."""

    name = "relay"
    ways = ("both", "replies")
    server_address = address = "127.0.0.1"

    def __init__(self):
        self.to = self.port = 0
        self.delay = USUAL
        self.way = None
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._accept, self.address, 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _accept(self, reader, writer):
        if self.way == "both":
            writer.transport.abort()
            return
        try:
            back, forth = await asyncio.open_connection(self.address, self.to)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, forth}
        await asyncio.gather(self._pass(reader, forth, False), self._pass(back, writer, True))
        self.writers -= {writer, forth}

    async def _pass(self, reader, writer, answers):
        try:
            while data := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self.way == "replies":
                    continue
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    def _set_way(self, way):
        # What has lost a part of an answer is of no use any more, either.
        abort = way == "both" or self.way == "replies"
        self.way = way
        for writer in list(self.writers) if abort else ():
            writer.transport.abort()

    def serve(self, port):
        """Where the server is."""
        self.to = port

    def enter_host(self):
        """In a process of a host, before its program begins."""

    def cut(self, way):
        """Until mend(): both, every connection is broken and none is taken; replies, no byte of the server arrives."""
        self.loop.call_soon_threadsafe(self._set_way, way)

    def mend(self):
        self.loop.call_soon_threadsafe(self._set_way, None)

    def set_slow(self, slow):
        self.delay = SLOW if slow else USUAL
