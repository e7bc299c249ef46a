"""cp of many messages within the mount, beside a plain client's UID COPY of the same set. Seconds."""

import collections
import hashlib
import time

from . import mail
from .connection import Connection
from .local import ComparisonFailed
from .mount import run
from .report import Row, ratio_at_most

SOURCE, TARGET = "Copies", "Copied"
ROUND_TRIPS = (0, 0.050)


def copying(bench):
    for round_trip in ROUND_TRIPS:
        row = Row(f"cp of {bench.sizes.copied:,} within the mount, {round_trip * 1000:.0f} ms", "UID COPY of a plain client",
                  target=ratio_at_most(3.0))
        with bench.link(round_trip) as link:
            for _ in range(bench.runs):
                row.beside.append(_plain_copy(bench, link))
                row.imapfs.append(_copy_by_mount(bench, link, row))
        bench.add(row)


def _plain_copy(bench, link):
    bench.server.recreate(TARGET)
    connection = Connection(link)
    try:
        connection.run(f'SELECT "{SOURCE}"')
        begin = time.perf_counter()
        connection.run(f'UID COPY 1:* "{TARGET}"')
        return time.perf_counter() - begin
    finally:
        connection.close()


def _copy_by_mount(bench, link, row):
    """Until everything has reached the server; how long cp itself took is in the notes."""
    bench.server.recreate(TARGET)
    with bench.mount("--timeout=600", server=link) as mount:
        run(f"ls -l {SOURCE} {TARGET} > /dev/null", mount.mountpoint)
        mount.settle()
        before = mount.status()["counters"]
        begin = time.perf_counter()
        tool = run(f"cp {SOURCE}/* {TARGET}/", mount.mountpoint)
        run(f"sync {TARGET}", mount.mountpoint)
        seconds = time.perf_counter() - begin
        used = {name: value - before[name] for name, value in mount.status()["counters"].items()}
    _expect_no_body(bench, used)
    _expect_the_same_octets(bench)
    row.notes.setdefault("seconds_until_the_tool_ended", []).append(tool)
    row.notes.setdefault("imap_commands", []).append(used["imap_commands"])
    return seconds


def _expect_no_body(bench, used):
    """Neither fetched nor sent: the bodies are 4 KiB and more each, commands are less."""
    if used["bodies_fetched"] or used["body_bytes_fetched"] or used["imap_bytes_out"] >= 1024 * bench.sizes.copied:
        raise RuntimeError(f"bodies went over the wire for a copy on the server: {used}")


def _expect_the_same_octets(bench):
    connection = Connection(bench.server)
    try:
        found = collections.Counter(_digest(body) for body in connection.fetch_bodies(TARGET))
    finally:
        connection.close()
    expected = collections.Counter(_digest(mail.large_message(number)) for number in range(bench.sizes.copied))
    if found != expected:
        raise ComparisonFailed(f"{(expected - found).total()} messages are not in {TARGET}, {(found - expected).total()} should not be")


def _digest(octets):
    return hashlib.sha256(octets).digest()
