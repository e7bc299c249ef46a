"""Many changes at once over a slow link, beside one client that sends the one command."""

import time

from .connection import Connection
from .mount import run
from .report import Row, ratio_at_most
from .slow_link import SlowLink

ROUND_TRIP = 0.050
SOURCE, TARGET = "Changes", "Changed"


class Changing:
    """rm and mv of whole mailboxes. What they did is undone by the client beside, whose time is measured doing so."""

    def __init__(self, bench):
        self.bench = bench

    def measure(self):
        with SlowLink(self.bench.server, ROUND_TRIP) as link:
            self._link = link
            for count, runs, options in (
                (self.bench.sizes.changed, self.bench.runs, ()),
                (self.bench.sizes.changed_in_step, 1, ("-o", "sync")),
            ):
                self._fill(count)
                self._row("rm", f"rm {SOURCE}/*", self._unflag, count, runs, options)
                self._row("mv", f"mv {SOURCE}/* {TARGET}/", self._move_back, count, runs, options)

    def _fill(self, count):
        for mailbox in (SOURCE, TARGET):
            self.bench.server.recreate(mailbox)
        connection = Connection(self.bench.server)
        try:
            self.bench.server.append_messages(connection, SOURCE, count)
        finally:
            connection.close()

    def _row(self, tool, command, undo, count, runs, options):
        kind = "-o sync" if options else "write-behind"
        row = Row(f"{tool} of {count:,}, {ROUND_TRIP * 1000:.0f} ms, {kind}", "one command of a plain client",
                  target=None if options else ratio_at_most(3.0))
        answered, commands = [], []
        for _ in range(runs):
            with self.bench.mount("--on-delete=flag", "--timeout=600", *options, server=self._link) as mount:
                run(f"ls -f {SOURCE} {TARGET} > /dev/null", mount.mountpoint)
                before = mount.counter("imap_commands")
                begin = time.perf_counter()
                answered.append(run(command, mount.mountpoint))
                run(f"sync {SOURCE} {TARGET}", mount.mountpoint)
                row.imapfs.append(time.perf_counter() - begin)
                commands.append(mount.counter("imap_commands") - before)
            row.beside.append(undo(count))
        row.notes.update({"seconds_until_the_tool_ended": answered, "imap_commands": commands})
        self.bench.add(row)

    def _unflag(self, count):
        return self._timed(SOURCE, "UID STORE 1:* -FLAGS.SILENT (\\Deleted)", SOURCE, count)

    def _move_back(self, count):
        return self._timed(TARGET, f'UID MOVE 1:* "{SOURCE}"', SOURCE, count)

    def _timed(self, mailbox, command, check, count):
        connection = Connection(self._link)
        try:
            connection.run(f'SELECT "{mailbox}"')
            begin = time.perf_counter()
            connection.run(command)
            seconds = time.perf_counter() - begin
            connection.run(f'SELECT "{check}"')
            found = connection.run("SEARCH UNDELETED")
        finally:
            connection.close()
        numbers = next(line for line in found if line.startswith(b"* SEARCH")).split()[2:]
        if len(numbers) != count:
            raise RuntimeError(f"{len(numbers)} of {count} messages are in {check} after {command}")
        return seconds
