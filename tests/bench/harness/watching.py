"""Clocks for news: when a watcher on the mount hears of a file, and when a plain IMAP client in IDLE hears of it."""

import ctypes
import os
import select
import struct
import threading
import time

from .connection import Connection

IN_CREATE = 0x100
EVENT = struct.Struct("iIII")


class DirectoryWatch:
    """inotify on one directory, CREATE only."""

    def __init__(self, path):
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_CLOEXEC)
        if self._descriptor < 0 or library.inotify_add_watch(self._descriptor, os.fsencode(path), IN_CREATE) < 0:
            raise OSError(ctypes.get_errno(), f"inotify on {path}")

    def next_name(self, seconds):
        """(name, time) of the next CREATE; None after `seconds`."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return None
        moment = time.perf_counter()
        data = os.read(self._descriptor, 65536)
        length = EVENT.unpack_from(data)[3]
        return data[EVENT.size : EVENT.size + length].rstrip(b"\0").decode(errors="surrogateescape"), moment

    def close(self):
        os.close(self._descriptor)


class IdleClient:
    """Another IMAP client in IDLE, on a thread of its own: notes when each EXISTS comes."""

    def __init__(self, server, mailbox):
        self._connection = Connection(server)
        self._connection.run(f'SELECT "{mailbox}"')
        self._tag = self._connection.begin("IDLE\r\n")
        while not self._connection.read_line().startswith(b"+"):
            pass
        self._heard = threading.Condition()
        self._moments = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            line = self._connection.read_line()
            if line.startswith(self._tag):
                return
            if line.rstrip().endswith(b" EXISTS"):
                with self._heard:
                    self._moments.append(time.perf_counter())
                    self._heard.notify()

    def moment(self, index, seconds):
        """When the EXISTS with this index (from 0) came; None if it has not after `seconds`."""
        with self._heard:
            self._heard.wait_for(lambda: len(self._moments) > index, seconds)
            return self._moments[index] if len(self._moments) > index else None

    def close(self):
        self._connection.send(b"DONE\r\n")
        self._thread.join(10)
        self._connection.close()
