"""The measurements. What stands beside a figure is measured in turns with it, so that a slow moment meets both."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from . import mail
from .connection import Connection
from .mount import Mount, run
from .report import Row
from .watching import DirectoryWatch, IdleClient

READ_BY_CAT = "find Bodies -type f -print0 | xargs -0 cat > /dev/null"
READ_BY_TAR = "tar cf - Bodies | cat > /dev/null"
LISTING = "ls -l Large > /dev/null"
NAMES = "ls -f Large > /dev/null"
SEARCH = "find Large -size +100k > /dev/null"
NEWS_TIMEOUT = 30


class Bench:
    def __init__(self, build, work, server, sizes, runs):
        self.build, self.work, self.server, self.sizes, self.runs = build, work, server, sizes, runs
        self.rows = []
        self.probe()

    def mount(self, *options, cache=None, server=None):
        """`server`: something that leads to the server, in place of it."""
        return Mount(self.work, self.build / "src" / "imapfs", server or self.server, options, cache)

    def add(self, row):
        self.rows.append(row)
        print(row.line(), flush=True)

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

    def wire(self, mailbox, items):
        """Seconds and octets of one FETCH of everything in a mailbox for a client that only counts."""
        command = [
            str(self.build / "tests" / "bench" / "wire_count"), "--host=localhost", f"--port={self.server.port}",
            f"--user={self.server.user}", f"--password-file={self.server.password_file}",
            f"--ca-file={self.server.ca_file}", f"--mailbox={mailbox}", f"--items={items}",
        ]
        if "DEFLATE" in self.connection:
            command.append("--compress")
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["runs"][0]
        return answer["seconds"], answer["bytes"]

    # -- 1 and 2: nothing cached --

    def first_use(self, name, mailbox, items, command):
        """A command on a fresh mount without a cache, beside the wire."""
        self.wire(mailbox, items)  # the server's own caches: in memory for both
        row = Row(f"{name}, {self.connection_kind()}", "wire_count")
        for _ in range(self.runs):
            seconds, octets = self.wire(mailbox, items)
            row.beside.append(seconds)
            with self.mount() as mount:
                row.imapfs.append(run(command, mount.mountpoint))
        row.notes["octets"] = octets
        self.add(row)

    def connection_kind(self):
        return "TLS+DEFLATE" if "DEFLATE" in self.connection else "TLS"

    def first_listing(self):
        count = self.sizes.listed
        self.first_use(f"first ls -f of {count:,}", "Large", self.listing_items, NAMES)
        self.first_use(f"first ls -l of {count:,}", "Large", self.listing_items, LISTING)

    def first_reading(self):
        count = self.sizes.bodies
        self.first_use(f"first cat of {count:,} bodies", "Bodies", self.body_items, READ_BY_CAT)
        self.first_use(f"first tar of {count:,} bodies", "Bodies", self.body_items, READ_BY_TAR)

    # -- 3 and 4: cached --

    def remount(self):
        """The same directory after a remount: the index on disk and one round trip."""
        cache = self.work / "kept-cache"
        shutil.rmtree(cache, ignore_errors=True)
        with self.mount(cache=cache) as mount:
            run(LISTING, mount.mountpoint)
        row = Row(f"remount: ls -l of {self.sizes.listed:,} from the index", "mount until it answers")
        commands = []
        for _ in range(self.runs):
            with self.mount(cache=cache) as mount:
                before = mount.counter("imap_commands")
                row.imapfs.append(run(LISTING, mount.mountpoint))
                row.beside.append(mount.mount_seconds)
                commands.append(mount.counter("imap_commands") - before)
        row.ratio_makes_sense = False
        row.notes["imap_commands_of_the_listing"] = commands
        self.add(row)
        shutil.rmtree(cache)

    def warm(self):
        """What the kernel and the daemon answer from memory, beside the same tree on tmpfs."""
        rows = [(Row(f"warm ls -l of {self.sizes.listed:,}", "tmpfs"), LISTING),
                (Row(f"warm find -size of {self.sizes.listed:,}", "tmpfs"), SEARCH)]
        with self.mount() as mount, Copy(mount.mountpoint, "Large", self.work) as copy:
            for command in (LISTING, SEARCH):
                run(command, mount.mountpoint)
                run(command, copy.directory)
            for _ in range(self.runs):
                for row, command in rows:
                    row.imapfs.append(run(command, mount.mountpoint))
                    row.beside.append(run(command, copy.directory))
        for row, _ in rows:
            row.beside_name = copy.kind
            self.add(row)

    def warm_reading(self):
        """Bodies from the cache on disk and the kernel's pages, beside the same octets on tmpfs."""
        row = Row(f"second cat of {self.sizes.bodies:,} bodies", "tmpfs")
        with self.mount() as mount, Copy(mount.mountpoint, "Bodies", self.work, content=True) as copy:
            run(READ_BY_CAT, copy.directory)
            for _ in range(self.runs):
                row.imapfs.append(run(READ_BY_CAT, mount.mountpoint))
                row.beside.append(run(READ_BY_CAT, copy.directory))
        row.beside_name = copy.kind
        self.add(row)

    # -- 5: news --

    def news(self):
        """From another client's APPEND to inotify's CREATE and a stat that succeeds, and the daemon's share of it."""
        self.server.empty_inbox()
        with self.mount("--trace=fuse") as mount:
            os.listdir(mount.path("INBOX"))
            watch = DirectoryWatch(mount.path("INBOX"))
            other = IdleClient(self.server, "INBOX")
            try:
                visible, heard = self._deliver(mount, watch, other)
            finally:
                other.close()
                watch.close()
        log = mount.log()
        row = Row(f"APPEND answered -> CREATE, stat ({self.sizes.deliveries} deliveries)", "EXISTS at an IDLE client")
        row.imapfs, row.beside, row.tail = visible, heard, True
        self.add(row)
        for word, meaning in (("added", "kernel told"), ("announced", "inotify raised")):
            share = Row(f"daemon: server's line -> {meaning}", "-")
            lines = re.findall(rf"\b{word} .* (\d+) us after the server's line", log)
            share.imapfs = [int(microseconds) / 1e6 for microseconds in lines]
            share.tail = True
            self.add(share)

    def _deliver(self, mount, watch, other):
        visible, heard = [], []
        client = Connection(self.server)
        for number in range(self.sizes.deliveries):
            message = mail.small_message(number)
            client.append_many("INBOX", [(mail.internal_date(number), message)])
            answered = time.perf_counter()
            event = watch.next_name(NEWS_TIMEOUT)
            if event is None:
                raise RuntimeError(f"delivery {number} did not show in {NEWS_TIMEOUT} s")
            name, _ = event
            if os.stat(mount.path(f"INBOX/{name}")).st_size != len(message):
                raise RuntimeError(f"{name} has another size")
            visible.append(time.perf_counter() - answered)
            moment = other.moment(number, NEWS_TIMEOUT)
            if moment is not None:
                heard.append(moment - answered)
        client.close()
        return visible, heard

    # -- 6: memory --

    def memory(self, mailbox, count):
        """What the daemon's resident memory grows by when it has listed a mailbox, per message."""
        row = Row(f"daemon memory per message, {count:,} listed", "the table's own count")
        row.unit, row.ratio_makes_sense = "B", False
        peaks, times = [], []
        for _ in range(self.runs if count <= self.sizes.listed else 1):
            with self.mount() as mount:
                before = mount.resident_bytes()
                times.append(run(f"ls -f {mailbox} > /dev/null", mount.mountpoint))
                peaks.append((mount.resident_bytes() - before) / count)
                mount.settle()
                row.imapfs.append((mount.resident_bytes() - before) / count)
                table = next(box for box in mount.status()["mailboxes"] if box["path"] == mailbox)
                row.beside.append(table["memory"] / count)
        row.notes.update({"right_after_the_listing": peaks, "seconds_of_ls_f": times})
        self.add(row)


class Copy:
    """The same names and sizes on tmpfs (else on the work folder's disk): sparse files, or the octets too."""

    def __init__(self, mountpoint, folder, work, content=False):
        shared = pathlib.Path("/dev/shm")
        memory = shared.is_dir() and os.access(shared, os.W_OK)
        self.kind = "tmpfs" if memory else "disk"
        self.directory = (shared if memory else work) / f"imapfs-bench-{os.getpid()}"
        self._from, self._folder, self._content = pathlib.Path(mountpoint), folder, content

    def __enter__(self):
        target = self.directory / self._folder
        target.mkdir(parents=True)
        with os.scandir(self._from / self._folder) as entries:
            for entry in entries:
                if self._content:
                    shutil.copyfile(entry.path, target / entry.name)
                    continue
                with open(target / entry.name, "wb") as file:
                    file.truncate(entry.stat().st_size)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)
