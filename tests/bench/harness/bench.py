"""What the measurements share: mounts, the limit of the wire, the same files on the local disk, and the rows."""

import contextlib
import json
import os
import pathlib
import re
import subprocess

from .local import LocalTrees
from .mount import Mount, run
from .slow_link import SlowLink


class Bench:
    def __init__(self, build, work, server, sizes, runs):
        self.build, self.work, self.server, self.sizes, self.runs = build, pathlib.Path(work), server, sizes, runs
        self.rows = []
        self._trees = LocalTrees(self.work / "local", sizes)
        self._provided = set()
        self.probe()

    def mount(self, *options, cache=None, server=None):
        """`server`: something that leads to the server, in place of it."""
        return Mount(self.work, self.build / "src" / "imapfs", server or self.server, options, cache)

    @contextlib.contextmanager
    def link(self, round_trip):
        """The way to the server with this round trip, in seconds: a relay, or nothing at all for 0."""
        if round_trip == 0:
            yield self.server
            return
        with SlowLink(self.server, round_trip) as link:
            yield link

    def add(self, row):
        self.rows.append(row)
        print(row.line(), flush=True)

    def local(self, mailbox):
        """Brings the files of a mailbox, under the names of the mount, to the local disk; returns the directory that
        stands for the mountpoint. The first call mounts by itself, so not to be called while something is mounted."""
        if mailbox not in self._provided:
            with self.mount() as mount:
                names = os.listdir(mount.path(mailbox))
            self._trees.provide(mailbox, names)
            self._provided.add(mailbox)
        return self._trees.root

    def probe(self):
        """Asks the daemon itself what it fetches, over which kind of connection, so that wire_count does the same."""
        with self.mount("--trace=imap") as mount:
            first = os.listdir(mount.path("Bodies"))[0]
            pathlib.Path(mount.path(f"Bodies/{first}")).read_bytes()
            self.connection = mount.status()["connections"][0]["connection"]
        # The log is complete when the daemon has ended.
        commands = re.findall(r"> \S+ UID FETCH \S+ \((.*)\)\s*$", mount.log(), re.M)
        self.listing_items = self._items(commands, "RFC822.SIZE")
        self.body_items = self._items(commands, "BODY.PEEK[]")

    @staticmethod
    def _items(commands, word):
        found = [command for command in commands if word in command]
        if not found:
            raise RuntimeError(f"no UID FETCH with {word} in the daemon's trace")
        return found[0]

    def connection_kind(self):
        return "TLS+DEFLATE" if "DEFLATE" in self.connection else "TLS"

    def wire(self, mailbox, items, server=None):
        """Seconds and octets of one FETCH of everything in a mailbox for a client that only counts."""
        way = server or self.server
        command = [
            str(self.build / "tests" / "bench" / "wire_count"), "--host=localhost", f"--port={way.port}",
            f"--user={way.user}", f"--password-file={way.password_file}",
            f"--ca-file={way.ca_file}", f"--mailbox={mailbox}", f"--items={items}",
        ]
        if "DEFLATE" in self.connection:
            command.append("--compress")
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["runs"][0]
        return answer["seconds"], answer["bytes"]

    def beside_the_wire(self, row, mailbox, items, command, round_trip, runs, check=None):
        """Fills a row: seconds of a command on a fresh mount with an empty cache, beside one FETCH of the same items
        over the same link by a client that only counts. `check` gets the mount after each run, untimed."""
        self.wire(mailbox, items)  # the server's own caches: in memory for both
        with self.link(round_trip) as link:
            for _ in range(runs):
                seconds, octets = self.wire(mailbox, items, link)
                row.beside.append(seconds)
                with self.mount(server=link) as mount:
                    row.imapfs.append(run(command, mount.mountpoint))
                    if check is not None:
                        check(mount)
        row.notes["octets"] = octets
        self.add(row)
