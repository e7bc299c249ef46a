"""Reading every body of a mailbox that was read before, beside the same files on the local disk. Seconds."""

import shutil

from .local import PAGES, compare, drop_caches, file_system, may_drop_caches
from .mount import run
from .reading_cold import GREP, TAR
from .report import Row, ratio_at_most

TOOLS = (("tar c", TAR), ("grep -r", GREP))


def from_page_cache(bench):
    """Both sides from the kernel's memory, on a mount that can be written to and on one that cannot."""
    root = bench.local("Bodies")
    for kind, options, limit in (("read-write", (), 2.0), ("-o ro", ("-o", "ro"), 1.3)):
        rows = [(Row(f"warm {tool} of {bench.sizes.bodies:,} bodies, {kind}", f"{file_system(root)}, warm",
                     target=ratio_at_most(limit)), command) for tool, command in TOOLS]
        with bench.mount(*options) as mount:
            compare(mount.path("Bodies"), root / "Bodies")  # this reads both sides for the first time
            mount.settle()
            for _, command in rows:
                run(command, mount.mountpoint)
                run(command, root)
            for _ in range(bench.runs):
                for row, command in rows:
                    row.imapfs.append(run(command, mount.mountpoint))
                    row.beside.append(run(command, root))
            compare(mount.path("Bodies"), root / "Bodies")
        for row, _ in rows:
            bench.add(row)


def from_disk_cache(bench):
    """Bodies in the cache on disk; the kernel's pages are dropped before each run of either side."""
    root = bench.local("Bodies")
    dropped = "pages dropped" if may_drop_caches() else "pages not dropped: not permitted"
    row = Row(f"tar c of {bench.sizes.bodies:,} bodies from the disk cache", f"{file_system(root)}, {dropped}",
              target=ratio_at_most(1.5))
    cache = bench.work / "kept-cache"
    shutil.rmtree(cache, ignore_errors=True)
    with bench.mount(cache=cache) as mount:
        compare(mount.path("Bodies"), root / "Bodies")
        mount.settle()
        before = mount.counter("bodies_fetched")
        for _ in range(bench.runs):
            drop_caches(PAGES)
            row.imapfs.append(run(TAR, mount.mountpoint))
            drop_caches(PAGES)
            row.beside.append(run(TAR, root))
        compare(mount.path("Bodies"), root / "Bodies")
        if fetched := mount.counter("bodies_fetched") - before:
            raise RuntimeError(f"{fetched} bodies were fetched again although they are in the cache")
    shutil.rmtree(cache)
    bench.add(row)
