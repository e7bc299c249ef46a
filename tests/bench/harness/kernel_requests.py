"""Requests of the kernel per file, beside the theoretical minimum. Counted in the daemon's trace, which has a line for every
request that is answered (FORGET is not answered and not counted).

Each tool runs three times on one mount: "cold", where nothing was looked at, with an empty cache; "second", when a READ
of the first time may have made the kernel forget a file's attributes; "warm", the third. How the minimum is derived:

* Listing: one READDIRPLUS brings as many entries as fit into glibc's buffer (the directory's st_blksize, at least 32 KiB and
  at most 1 MiB), each of 152 octets and the name, rounded up to 8; one more says that nothing follows. Attributes come with it, so `ls -l` and
  `find -size` need nothing per file. Around it LOOKUP of the directory, OPENDIR and RELEASEDIR: three. Warm, the kernel has
  the listing itself (FOPEN_CACHE_DIR): only OPENDIR and RELEASEDIR.
* Reading: OPEN and RELEASE per file on a mount that can be written to. READ is needed where the body is not yet here when
  the file is opened: one for each file that is small enough for one READ of 128 KiB. A body that is here is pushed into
  the page cache by OPEN, so no READ. FLUSH is spared by FOPEN_NOFLUSH, GETATTR by long timeouts.
* With -o ro neither OPEN nor RELEASE is needed (both answered once with ENOSYS): one READ cold, nothing warm.
* A second `rsync -a` of what has not changed compares size and time: a listing.
"""

import collections
import os
import re
import shutil

from .local import compare, scratch
from .mount import run
from .reading_cold import GREP, TAR
from .report import Row

STATES = ("cold", "second", "warm")
SMALLEST_BUFFER, LARGEST_BUFFER, ENTRY_OCTETS = 32 << 10, 1 << 20, 152
LISTERS = (("ls -f", "ls -f Bodies > /dev/null"), ("ls -l", "ls -l Bodies > /dev/null"),
           ("find -size", "find Bodies -size +1M > /dev/null"))
ANSWERED = re.compile(r" fuse: (\w+) (.*) answered after \d+ us")


def requests_per_file(bench):
    root = bench.local("Bodies")
    names = os.listdir(root / "Bodies")
    copy = scratch(bench.work)
    try:
        for tool, command in LISTERS:
            _rows(bench, tool, command, (), _Minimum(names, 0, 0))
        for kind, options in (("", ()), (", -o ro", ("-o", "ro"))):
            opened = 0 if options else 2
            reading = _Minimum(names, opened + 1, opened)
            _rows(bench, "grep -r" + kind, GREP, options, reading, lambda mount: compare(mount.path("Bodies"), root / "Bodies"))
            _rows(bench, "tar c" + kind, TAR, options, reading)
            shutil.rmtree(copy / "Bodies", ignore_errors=True)
            _rows(bench, "rsync -a" + kind, f"rsync -a Bodies {copy}/", options, _Minimum(names, opened + 1, 0),
                  lambda mount: compare(copy / "Bodies", root / "Bodies"))
    finally:
        shutil.rmtree(copy)


class _Minimum:
    """Of one tool; the requests per file are beside those that a listing takes."""

    def __init__(self, names, per_file_cold, per_file_warm):
        self._count, self._cold, self._warm = len(names), per_file_cold, per_file_warm
        self._octets = sum(-(-(ENTRY_OCTETS + len(os.fsencode(name))) // 8) * 8 for name in names)

    def of(self, state, block_size):
        if state != "cold":
            return self._warm + 2 / self._count
        buffer = max(SMALLEST_BUFFER, min(block_size, LARGEST_BUFFER))
        return self._cold + (3 + 1 - (-self._octets // buffer)) / self._count


def _rows(bench, tool, command, options, minimum, check=None):
    with bench.mount("--trace=fuse", *options) as mount:
        block_size = os.stat(mount.mountpoint).st_blksize
        for state in STATES:
            _mark(mount, f"before-{state}")
            run(command, mount.mountpoint)
            mount.settle()  # RELEASE is sent later than close(2) returns
            _mark(mount, f"after-{state}")
        if check is not None:
            check(mount)
    log = mount.log()
    for state in STATES:
        counted = _between(log, f"before-{state}", f"after-{state}")
        row = Row(f"requests per file: {tool}, {state}", "theoretical minimum", unit="")
        row.imapfs = [counted.total() / bench.sizes.bodies]
        row.beside = [minimum.of(state, block_size)]
        row.notes["requests"] = dict(counted.most_common())
        bench.add(row)


def _mark(mount, name):
    """A lookup of a name that is not there leaves its line in the trace."""
    os.path.exists(mount.path(f".imapfs/{name}"))


def _between(log, begin, end):
    """How often each operation is answered between two marks."""
    requests = [(found[1], found[2]) for found in map(ANSWERED.search, log.splitlines()) if found]
    marks = [position for position, (_, path) in enumerate(requests) if path.endswith((f"/{begin}", f"/{end}"))]
    if len(marks) != 2:
        raise RuntimeError(f"{len(marks)} of the two lines for '{begin}' and '{end}' are in the daemon's trace")
    between = requests[marks[0] + 1 : marks[1]]
    return collections.Counter(operation for operation, path in between if not path.lstrip("/").startswith(".imapfs"))
