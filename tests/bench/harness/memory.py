"""What the daemon's resident memory grows by. Octets."""

import os

from .local import compare
from .mount import run
from .report import Row, at_most

MEGABYTE = 1_000_000


def per_message(bench):
    """Growth by listing, per message, when the daemon has come to rest, beside what the table itself counts."""
    row = Row(f"daemon memory per message, {bench.sizes.listed:,} listed", "the table's own count", unit="B",
              ratio_makes_sense=False, target=at_most(250, "250 B"))
    for _ in range(bench.runs):
        with bench.mount() as mount:
            measure_listing(mount, "Large", bench.sizes.listed, row)
    bench.add(row)


def measure_listing(mount, mailbox, count, row):
    """One sample of the growth per message, and notes on how it came about."""
    before = mount.resident_bytes()
    row.notes.setdefault("seconds_of_ls_f", []).append(run(f"ls -f {mailbox} > /dev/null", mount.mountpoint))
    row.notes.setdefault("right_after_the_listing", []).append((mount.resident_bytes() - before) / count)
    mount.settle()
    row.imapfs.append((mount.resident_bytes() - before) / count)
    table = next(box for box in mount.status()["mailboxes"] if box["path"] == mailbox)
    row.beside.append(table["memory"] / count)


def large_message(bench):
    """The most that resident memory grows by while one large message is read from one end to the other (and compared)."""
    root = bench.local("Huge")
    row = Row(f"peak growth while a mail of {bench.sizes.huge_octets / MEGABYTE:.0f} MB is read", "-", unit="MB",
              target=at_most(8, "8 MB"))
    for _ in range(bench.runs):
        with bench.mount() as mount:
            os.listdir(mount.path("Huge"))
            mount.settle()
            before = mount.resident_bytes()
            mount.reset_peak()
            compare(mount.path("Huge"), root / "Huge")
            row.imapfs.append((mount.peak_bytes() - before) / MEGABYTE)
    bench.add(row)
