"""The second backup of a mount on which nothing has changed, beside the same of the local tree. Seconds."""

import dataclasses
import shlex
import shutil

from .local import compare, file_system, scratch
from .mount import run
from .report import Row, ratio_at_most


@dataclasses.dataclass
class Tool:
    """Shell commands; {store} is the tool's own directory, {number} counts the backups, {target} takes what is restored.
    They run in the directory that holds "Bodies"."""

    name: str
    prepare: str
    back_up: str
    restore: str


BORG = "BORG_BASE_DIR={store}/base borg"
RESTIC = "RESTIC_PASSWORD=secret restic --quiet --cache-dir={store}/cache --repo={store}/repository"
TOOLS = (
    Tool("rsync -a", "true", "rsync -a Bodies {store}/", "cp -r {store}/Bodies {target}/"),
    Tool("borg create", BORG + " init --encryption=none {store}/repository",
         BORG + " create {store}/repository::backup-{number} Bodies",
         "cd {target} && " + BORG + " extract {store}/repository::backup-{number}"),
    # The path is a part of what restic looks for, so the restored tree has it too.
    Tool("restic backup", RESTIC + " init", RESTIC + " backup Bodies", RESTIC + " restore latest --target={target}"),
)


class Store:
    """A tool's repository for one side."""

    def __init__(self, tool, directory):
        self._tool, self._directory, self._count = tool, directory, 0
        (directory / "store").mkdir(parents=True)
        self._run(tool.prepare, directory)

    def back_up(self, source):
        self._count += 1
        return self._run(self._tool.back_up, source)

    def restore(self):
        """A directory that holds "Bodies" somewhere below; the caller knows that nothing else is there."""
        target = self._directory / "restored"
        target.mkdir()
        self._run(self._tool.restore, self._directory)
        return next(path for path in target.rglob("Bodies") if path.is_dir())

    def _run(self, command, directory):
        words = {"store": self._directory / "store", "target": self._directory / "restored", "number": self._count}
        return run(command.format(**{key: shlex.quote(str(value)) for key, value in words.items()}), directory)


def backups(bench):
    root = bench.local("Bodies")
    for tool in TOOLS:
        directory = scratch(bench.work)
        try:
            _row(bench, tool, root, Store(tool, directory / "imapfs"), Store(tool, directory / "local"))
        finally:
            shutil.rmtree(directory)


def _row(bench, tool, root, ours, local):
    """The first backup of the mount reads everything; then it is mounted anew, and no backup may fetch a body again."""
    row = Row(f"second {tool.name} of {bench.sizes.bodies:,} bodies", file_system(root), target=ratio_at_most(1.5))
    cache = bench.work / "kept-cache"
    shutil.rmtree(cache, ignore_errors=True)
    with bench.mount(cache=cache) as mount:
        ours.back_up(mount.mountpoint)
    local.back_up(root)
    with bench.mount(cache=cache) as mount:
        row.notes["seconds_after_remount"] = [ours.back_up(mount.mountpoint)]
        local.back_up(root)
        before = mount.counter("fuse_requests")
        for _ in range(bench.runs):
            row.imapfs.append(ours.back_up(mount.mountpoint))
            row.beside.append(local.back_up(root))
        counters = mount.status()["counters"]
        row.notes["requests_per_file"] = (counters["fuse_requests"] - before) / bench.runs / bench.sizes.bodies
        row.notes["bodies_fetched"] = counters["bodies_fetched"]
        row.notes["bodies_opened_from_the_cache"] = counters["body_cache_hits"]
        if counters["bodies_fetched"]:
            raise RuntimeError(f"{tool.name} has fetched bodies of an unchanged mount again: {counters}")
    compare(ours.restore(), root / "Bodies")
    shutil.rmtree(cache)
    bench.add(row)
