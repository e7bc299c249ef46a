"""A mailbox of a million: memory, and how soon a remount lists it. Seconds, unless a row says megabytes."""

import shutil
import subprocess
import time

from .memory import MEGABYTE, measure_listing
from .mount import run
from .report import Row, at_most

MAILBOX = "Million"


def million(bench):
    count = bench.sizes.million
    cache = bench.work / "kept-cache-million"
    shutil.rmtree(cache, ignore_errors=True)
    _first_listing(bench, count, cache)
    _remounts(bench, count, cache)
    shutil.rmtree(cache)


def _first_listing(bench, count, cache):
    """Once: it takes long, and a million samples are in it."""
    per_message = Row(f"daemon memory per message, {count:,} listed", "the table's own count", unit="B",
                      ratio_makes_sense=False, target=at_most(250, "250 B"))
    whole = Row(f"daemon memory, {count:,} listed", "-", unit="MB", target=at_most(300, "300 MB"))
    with bench.mount(cache=cache) as mount:
        measure_listing(mount, MAILBOX, count, per_message)
        whole.imapfs.append(mount.resident_bytes() / MEGABYTE)
    bench.add(per_message)
    bench.add(whole)


def _remounts(bench, count, cache):
    """The index is on disk and in the kernel's page cache. ls -f prints while it reads, in pieces of 4 KiB."""
    first = Row(f"remount of {count:,}: ls -f, the first lines", "-")
    last = Row(f"remount of {count:,}: ls -f, the last line", "-")
    listing = Row(f"remount of {count:,}: ls -l", "-")
    for _ in range(bench.runs):
        with bench.mount(cache=cache) as mount:
            soonest, end = _stream(mount.mountpoint)
            first.imapfs.append(soonest)
            last.imapfs.append(end)
        with bench.mount(cache=cache) as mount:
            listing.imapfs.append(run(f"ls -l {MAILBOX} > /dev/null", mount.mountpoint))
    for row in (first, last, listing):
        bench.add(row)


def _stream(directory):
    begin = time.perf_counter()
    process = subprocess.Popen(["ls", "-f", MAILBOX], cwd=directory, stdout=subprocess.PIPE)
    process.stdout.read(1)
    soonest = time.perf_counter() - begin
    while process.stdout.read(1 << 20):
        pass
    if process.wait() != 0:
        raise RuntimeError(f"ls -f {MAILBOX} ended with status {process.returncode}")
    return soonest, time.perf_counter() - begin
