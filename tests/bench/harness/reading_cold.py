"""Reading every body of a mailbox with nothing cached, beside one FETCH of the same bodies. Seconds."""

import shutil

from .local import compare, scratch
from .report import Row, ratio_at_most

# Output goes through a pipe: tar and grep skip the work when they see /dev/null.
TAR = "tar cf - Bodies | cat > /dev/null"
CAT = "cat Bodies/* | cat > /dev/null"
GREP = "grep -r 'in no mail at all' Bodies | cat > /dev/null; test ${PIPESTATUS[0]} = 1"
ROUND_TRIPS = (0, 0.020, 0.050)
FEW = 3


def cold_reading(bench, tool, command, round_trip, runs, target=None, copy=None):
    """One row: a command that reads the mailbox "Bodies" on a fresh mount with an empty cache, its listing included.

    After each run every file of the mount is compared byte for byte with what the server was given: these are the
    pages that the command has read. `copy`: a directory that the command writes, which is compared instead.
    """
    root = bench.local("Bodies")
    name = f"cold {tool} of {bench.sizes.bodies:,} bodies, {round_trip * 1000:.0f} ms, {bench.connection_kind()}"
    row = Row(name, "wire_count", target=target or ratio_at_most(1.3))

    def check(mount):
        row.notes.setdefault("imap_commands", []).append(mount.counter("imap_commands"))
        compare(copy or mount.path("Bodies"), root / "Bodies")

    bench.beside_the_wire(row, "Bodies", bench.body_items, command, round_trip, runs, check)


def other_readers(bench, round_trips=ROUND_TRIPS):
    """cat *, grep -r, rsync -a; fewer runs than tar, which has a group of its own."""
    copy = scratch(bench.work)
    rsync = f"rm -rf {copy}/Bodies && rsync -a Bodies {copy}/"
    try:
        for round_trip in round_trips:
            runs = min(bench.runs, FEW)
            cold_reading(bench, "cat *", CAT, round_trip, runs)
            cold_reading(bench, "grep -r", GREP, round_trip, runs)
            cold_reading(bench, "rsync -a", rsync, round_trip, runs, copy=copy / "Bodies")
    finally:
        shutil.rmtree(copy)
