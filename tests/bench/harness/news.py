"""News: another client's delivery until a watcher of the mount sees it. Seconds."""

import os
import re
import time

from . import mail
from .connection import Connection
from .report import Row, at_most
from .watching import DirectoryWatch, IdleClient

NEWS_TIMEOUT = 30


def news(bench):
    """From another client's APPEND to inotify's CREATE and a stat that succeeds, and the daemon's share of it."""
    bench.server.empty_inbox()
    with bench.mount("--trace=fuse") as mount:
        os.listdir(mount.path("INBOX"))
        watch = DirectoryWatch(mount.path("INBOX"))
        other = IdleClient(bench.server, "INBOX")
        try:
            visible, heard = _deliver(bench, mount, watch, other)
        finally:
            other.close()
            watch.close()
    row = Row(f"APPEND answered -> CREATE, stat ({bench.sizes.deliveries} deliveries)", "EXISTS at an IDLE client")
    row.imapfs, row.beside, row.tail = visible, heard, True
    bench.add(row)
    _daemons_share(bench, mount.log())


def _daemons_share(bench, log):
    """By the daemon's own clock, because the server tells its clients at different moments."""
    for word, meaning in (("added", "kernel told"), ("announced", "inotify raised")):
        lines = re.findall(rf"\b{word} .* (\d+) us after the server's line", log)
        if len(lines) < bench.sizes.deliveries:
            raise RuntimeError(f"the daemon's trace says '{word}' {len(lines)} times for {bench.sizes.deliveries} deliveries")
        row = Row(f"daemon: server's line -> {meaning}", "-", tail=True, target=at_most(0.020, "20 ms"))
        row.imapfs = [int(microseconds) / 1e6 for microseconds in lines]
        bench.add(row)


def _deliver(bench, mount, watch, other):
    visible, heard = [], []
    client = Connection(bench.server)
    for number in range(bench.sizes.deliveries):
        message = mail.small_message(number)
        client.append_many("INBOX", [(mail.internal_date(number), message)])
        answered = time.perf_counter()
        event = watch.next_name(NEWS_TIMEOUT)
        if event is None:
            raise RuntimeError(f"delivery {number} did not show in {NEWS_TIMEOUT} s")
        name, _ = event
        if os.stat(mount.path(f"INBOX/{name}")).st_size != len(message):
            raise RuntimeError(f"{name} has another size")
        visible.append(time.perf_counter() - answered)
        moment = other.moment(number, NEWS_TIMEOUT)
        if moment is not None:
            heard.append(moment - answered)
    client.close()
    return visible, heard
