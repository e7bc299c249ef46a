"""Listings: the first one beside the wire; after a remount and warm beside the same tree on the local disk. Seconds."""

import shutil

from .connection import Connection
from .local import EVERYTHING, drop_caches, file_system, may_drop_caches
from .mount import run
from .report import Row, ratio_at_most

NAMES = "ls -f Large > /dev/null"
LISTING = "ls -l Large > /dev/null"
SEARCH = "find Large -size +100k > /dev/null"
SCAN = """python3 -S -c 'import os
for entry in os.scandir("Large"): entry.stat()'"""
ROUND_TRIPS = (0, 0.050)


def first_listing(bench, round_trips=ROUND_TRIPS):
    """A fresh mount, an empty cache, beside the FETCH of the same items over the same link."""
    for round_trip in round_trips:
        for tool, command in (("ls -f", NAMES), ("ls -l", LISTING)):
            name = f"first {tool} of {bench.sizes.listed:,}, {round_trip * 1000:.0f} ms, {bench.connection_kind()}"
            row = Row(name, "wire_count", target=ratio_at_most(1.25))
            bench.beside_the_wire(row, "Large", bench.listing_items, command, round_trip, bench.runs)


def remount(bench):
    """ls -l from the index on disk, beside ls -l of the local tree, both with nothing in the kernel's memory. The
    server is asked once before, so that its own files are in memory again."""
    root = bench.local("Large")
    cache = bench.work / "kept-cache"
    shutil.rmtree(cache, ignore_errors=True)
    with bench.mount(cache=cache) as mount:
        run(LISTING, mount.mountpoint)
    for round_trip in ROUND_TRIPS:
        with bench.link(round_trip) as link:
            _remounted_row(bench, link, round_trip, cache, root)
    shutil.rmtree(cache)


def _remounted_row(bench, link, round_trip, cache, root):
    cold = "cold" if may_drop_caches() else "caches not dropped: not permitted"
    row = Row(f"remount: ls -l of {bench.sizes.listed:,}, {round_trip * 1000:.0f} ms", f"{file_system(root)}, {cold}",
              target=ratio_at_most(1.0, round_trip))
    commands, mounts = [], []
    for _ in range(bench.runs):
        drop_caches(EVERYTHING)
        warm_server(bench.server, "Large")
        with bench.mount(cache=cache, server=link) as mount:
            before = mount.counter("imap_commands")
            row.imapfs.append(run(LISTING, mount.mountpoint))
            commands.append(mount.counter("imap_commands") - before)
            mounts.append(mount.mount_seconds)
        drop_caches(EVERYTHING)
        row.beside.append(run(LISTING, root))
    row.notes.update({"imap_commands_of_the_listing": commands, "seconds_until_the_mount_answers": mounts})
    bench.add(row)


def warm_server(server, mailbox):
    connection = Connection(server)
    try:
        connection.run(f'EXAMINE "{mailbox}"')
    finally:
        connection.close()


def warm(bench):
    """What the kernel and the daemon answer from memory, beside the local tree, also from memory."""
    root = bench.local("Large")
    tools = (("ls -l", LISTING), ("find -size", SEARCH), ("scandir+stat", SCAN))
    rows = [(Row(f"warm {tool} of {bench.sizes.listed:,}", f"{file_system(root)}, warm", target=ratio_at_most(1.5)), command)
            for tool, command in tools]
    with bench.mount() as mount:
        for _, command in rows:
            run(command, mount.mountpoint)
            run(command, root)
        mount.settle()
        for _ in range(bench.runs):
            for row, command in rows:
                row.imapfs.append(run(command, mount.mountpoint))
                row.beside.append(run(command, root))
    for row, _ in rows:
        bench.add(row)
