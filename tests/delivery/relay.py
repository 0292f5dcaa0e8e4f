# SPDX-License-Identifier: Apache-2.0
"""A relay between hosts and their server, whose link can be cut and slowed."""

import asyncio
import threading

PIECE = 16384


class Relay:
    """Listens at a free port of the loopback, in a thread of its own."""

    def __init__(self, to):
        self.to = to
        self.port = 0
        self.delay = 0.0
        self.cut = False
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _accept(self, reader, writer):
        if self.cut:
            writer.transport.abort()
            return
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, forth}
        await asyncio.gather(self._pass(reader, forth), self._pass(back, writer))
        self.writers -= {writer, forth}

    async def _pass(self, reader, writer):
        try:
            while data := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    def set_cut(self, cut):
        """Cuts all connections, and refuses new ones, until it is mended."""
        def act():
            self.cut = cut
            for writer in list(self.writers) if cut else ():
                writer.transport.abort()
        self.loop.call_soon_threadsafe(act)

    def set_delay(self, seconds):
        """Each 16 KiB take so long."""
        self.delay = seconds
