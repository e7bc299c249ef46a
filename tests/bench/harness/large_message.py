"""The beginning of a large message over a slow link: how many round trips (seconds beside one FETCH of as much), and how
many octets came from the server for it."""

import os
import subprocess
import time

from .connection import Connection
from .local import ComparisonFailed
from .report import Row, Target, at_most

ROUND_TRIP = 0.050
BEGINNING = 4096
KILOBYTE = 1000


def beginning(bench):
    root = bench.local("Huge")
    name = os.listdir(root / "Huge")[0]
    expected = (root / "Huge" / name).read_bytes()[:BEGINNING]
    with bench.link(ROUND_TRIP) as link:
        _rows(bench, link, "first octet", name, _first_octet, expected[:1])
        _rows(bench, link, f"head -c {BEGINNING}", name, _head, expected)


def _rows(bench, link, work, name, read, expected):
    what = f"{work} of a mail of {bench.sizes.huge_octets / 1e6:.0f} MB, {ROUND_TRIP * 1000:.0f} ms"
    # A second round trip would make it two and more.
    one_round_trip = Target("1 round trip", lambda row: row.median("imapfs") < 2 * ROUND_TRIP)
    seconds = Row(what, f"FETCH of {BEGINNING} octets", target=one_round_trip)
    octets = Row("… octets from the server for it", "-", unit="kB", target=at_most(1000, "1 MB"))
    for _ in range(bench.runs):
        seconds.beside.append(_fetch_beginning(link))
        with bench.mount(server=link) as mount:
            os.listdir(mount.path("Huge"))
            mount.settle()
            before, begin = link.received, time.perf_counter()
            found = read(mount.path(f"Huge/{name}"))
            seconds.imapfs.append(time.perf_counter() - begin)
            if found != expected:
                raise ComparisonFailed(f"{name} begins with {found[:60]!r}, not with {expected[:60]!r}")
            mount.settle()  # what it fetches ahead counts too
            octets.imapfs.append((link.received - before) / KILOBYTE)
    seconds.notes["round_trips"] = [sample / ROUND_TRIP for sample in seconds.imapfs]
    bench.add(seconds)
    bench.add(octets)


def _first_octet(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def _head(path):
    return subprocess.run(["head", "-c", str(BEGINNING), path], check=True, capture_output=True).stdout


def _fetch_beginning(link):
    connection = Connection(link)
    try:
        connection.run('EXAMINE "Huge"')
        begin = time.perf_counter()
        connection.run(f"UID FETCH 1 (BODY.PEEK[]<0.{BEGINNING}>)")
        return time.perf_counter() - begin
    finally:
        connection.close()
