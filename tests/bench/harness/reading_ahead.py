"""tar of a whole mailbox on a fresh mount, over links of several round trips, beside what the wire allows and beside mbsync."""

import imaplib
import pathlib
import re
import shutil
import ssl
import subprocess
import time

from .mount import run
from .report import Row, ratio_at_most
from .slow_link import SlowLink

ROUND_TRIPS = (0, 0.020, 0.050)
MAILBOX = "Bodies"


class ReadingAhead:
    def __init__(self, bench):
        self.bench = bench
        self.copy = pathlib.Path(bench.work) / "tar-copy"
        # A cache for each tar and a Maildir for each pull, all kept to the end: without a journal, ext4 takes long to create files for
        # half a minute after many were removed (it passes over each inode that was freed lately), and that is not what is measured here.
        self.caches = pathlib.Path(bench.work) / "tar-caches"

    def measure(self):
        shutil.rmtree(self.caches, ignore_errors=True)
        self.caches.mkdir()
        self.bench.wire(MAILBOX, self.bench.body_items)  # the server's own caches: in memory for all
        for round_trip in ROUND_TRIPS:
            with SlowLink(self.bench.server, round_trip) as link:
                self._rows(link if round_trip else self.bench.server, round_trip)
        self._compare()
        shutil.rmtree(self.caches)

    def _rows(self, server, round_trip):
        count = self.bench.sizes.bodies
        name = f"first tar of {count:,} over {round_trip * 1000:.0f} ms"
        beside_wire = Row(name, "wire_count, one FETCH", target=ratio_at_most(1.3))
        beside_mbsync = Row(name, "mbsync pull", target=ratio_at_most(0.25))
        for _ in range(self.bench.runs):
            beside_wire.beside.append(self._wire(server))
            seconds, notes = self._tar(server)
            beside_wire.imapfs.append(seconds)
            beside_mbsync.imapfs.append(seconds)
            for note, value in notes.items():
                beside_wire.notes.setdefault(note, []).append(value)
            beside_mbsync.beside.append(self._mbsync(server))
        self.bench.add(beside_wire)
        self.bench.add(beside_mbsync)

    def _wire(self, server):
        own = self.bench.server
        try:
            self.bench.server = server
            return self.bench.wire(MAILBOX, self.bench.body_items)[0]
        finally:
            self.bench.server = own

    def _tar(self, server):
        """Seconds of tar with the listing included, and what it made the daemon do."""
        with self.bench.mount(server=server, cache=self._new_cache()) as mount:
            before = mount.status()["counters"]
            seconds = run(f"tar cf - {MAILBOX} | cat > /dev/null", mount.mountpoint)
            after = mount.status()["counters"]
        names = ("imap_commands", "bodies_fetched", "bodies_fetched_ahead", "body_sets_fetched")
        return seconds, {name: after[name] - before[name] for name in names}

    def _new_cache(self):
        return self.caches / str(len(list(self.caches.iterdir())))

    def _mbsync(self, server):
        """Seconds of a first pull of the same mailbox into an empty Maildir."""
        maildir = self._new_cache()
        maildir.mkdir()
        configuration = maildir / "mbsyncrc"
        configuration.write_text(
            f"IMAPAccount bench\nHost localhost\nPort {server.port}\nUser {server.user}\n"
            f'PassCmd "cat {server.password_file}"\nSSLType IMAPS\nCertificateFile {server.ca_file}\n\n'
            f"IMAPStore far\nAccount bench\n\n"
            f"MaildirStore near\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n"
            f"Channel bench\nFar :far:{MAILBOX}\nNear :near:{MAILBOX}\nSync Pull\nCreate Near\nSyncState *\n")
        begin = time.perf_counter()
        subprocess.run(["mbsync", "-c", str(configuration), "-q", "bench"], check=True)
        return time.perf_counter() - begin

    def _compare(self):
        """What tar gives is compared with what the server gives to a plain client, byte for byte."""
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir()
        with self.bench.mount(cache=self._new_cache()) as mount:
            run(f"tar cf - {MAILBOX} | tar xf - -C {self.copy}", mount.mountpoint)
        files = {int(path.stem.rsplit(".", 1)[1]): path for path in (self.copy / MAILBOX).iterdir()}
        wrong = [uid for uid, octets in self._bodies() if uid not in files or files.pop(uid).read_bytes() != octets]
        if wrong or files:
            raise RuntimeError(f"of the tar, {len(wrong)} messages differ or are missing and {len(files)} are too many")
        shutil.rmtree(self.copy)

    def _bodies(self):
        """(UID, octets) of every message, from a client that shares nothing with imapfs."""
        server = self.bench.server
        context = ssl.create_default_context(cafile=server.ca_file)
        with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context) as client:
            client.login(server.user, server.password)
            messages = int(client.select(MAILBOX, readonly=True)[1][0])
            for first in range(1, messages + 1, 500):
                _, rows = client.fetch(f"{first}:{min(first + 499, messages)}", "(UID BODY.PEEK[])")
                for row in rows:
                    if isinstance(row, tuple):
                        yield int(re.search(rb"UID (\d+)", row[0])[1]), row[1]
