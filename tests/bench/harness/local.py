"""The same files on the local disk: what reading the mount is compared with, in octets and in seconds."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

from . import mail

DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")
PAGES, EVERYTHING = "1", "3"  # proc(5): pages; pages, dentries and inodes


class ComparisonFailed(RuntimeError):
    """What was read is not what the server was given."""


def compare(left, right):
    """Byte for byte, names included; files or directories."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(["diff", "-rq", str(left), str(right)], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise ComparisonFailed(f"{left} and {right} differ: {(done.stdout + done.stderr)[:400]}")


def file_system(path):
    """The type of the file system that holds a path, for the table: "ext4", …"""
    command = ["findmnt", "--noheadings", "--output=FSTYPE", "--target", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def may_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def drop_caches(which):
    """Both sides begin without what the kernel has in memory, where the kernel lets us; programs are loaded again."""
    if not may_drop_caches():
        return
    os.sync()
    DROP_CACHES.write_text(which)
    subprocess.run("ls /; tar --version; cat /dev/null", shell=True, check=True, stdout=subprocess.DEVNULL)


def scratch(work):
    """A new directory for what tools write, in memory if possible: the disk's speed is not what is measured."""
    shared = pathlib.Path("/dev/shm")
    directory = (shared if os.access(shared, os.W_OK) else pathlib.Path(work)) / f"imapfs-bench-{os.getpid()}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


class LocalTrees:
    """One directory per mailbox: octets from the generator of the mail, not from the mount; names from the mount.
    They are made once and kept for the next run with the same names."""

    MAKERS = {"Large": mail.small_message, "Bodies": mail.large_message}

    def __init__(self, root, sizes):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._makers = {**self.MAKERS, "Huge": lambda number: mail.huge_message(number, sizes.huge_octets)}

    def provide(self, mailbox, names):
        marker = self.root / f".made-{mailbox}.json"
        wanted = {"names": hashlib.sha256("\n".join(sorted(names)).encode(errors="surrogateescape")).hexdigest(),
                  "generator": mail.generator_digest()}
        if marker.exists() and json.loads(marker.read_text()) == wanted:
            return
        marker.unlink(missing_ok=True)
        shutil.rmtree(self.root / mailbox, ignore_errors=True)
        (self.root / mailbox).mkdir()
        for name in names:
            self._make(mailbox, name)
        marker.write_text(json.dumps(wanted))

    def _make(self, mailbox, name):
        number = int(re.search(r"\.(\d+)\.eml$", name)[1]) - 1  # by the UID: the mailbox was filled in order
        path = self.root / mailbox / name
        path.write_bytes(self._makers[mailbox](number))
        moment = mail.arrival(number)
        os.utime(path, (moment, moment))
