"""A relay that adds a round trip to every connection and counts octets. It only sees bytes, so TLS passes through it."""

import asyncio
import threading


class SlowLink:
    """In a thread of its own, for a `with` block; stands in for the server it leads to.

    `received`: octets from the server, on all connections so far.
    """

    def __init__(self, server, round_trip):
        self.received = 0
        self._server, self._delay = server, round_trip / 2
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow-link", daemon=True)

    def __getattr__(self, name):
        return getattr(self._server, name)  # user, password_file, …

    def __enter__(self):
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._connected, "127.0.0.1", 0), self._loop)
        self._listener = listening.result()
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        await asyncio.gather(self._carry(reader, other_writer), self._carry(other_reader, writer, from_server=True))

    async def _carry(self, reader, writer, from_server=False):
        pieces = asyncio.Queue()
        sender = asyncio.create_task(self._send(pieces, writer))
        try:
            while data := await reader.read(1 << 16):
                self.received += len(data) if from_server else 0
                pieces.put_nowait((self._loop.time() + self._delay, data))
        except ConnectionError:
            pass
        pieces.put_nowait(None)
        await sender

    async def _send(self, pieces, writer):
        try:
            while piece := await pieces.get():
                due, data = piece
                await asyncio.sleep(due - self._loop.time())
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
