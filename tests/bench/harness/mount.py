"""A mounted imapfs in the foreground, so that it is this process's child and ends with it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

PATIENCE = 60
QUIET = 0.5


class Mount:
    def __init__(self, work, binary, server, options=(), cache=None):
        """`cache`: a directory that is kept; None: a fresh one that goes with the mount."""
        self.mountpoint = pathlib.Path(work) / "mail"
        self.log_file = pathlib.Path(work) / "imapfs.log"
        self._own_cache = cache is None
        self._cache = pathlib.Path(cache or pathlib.Path(work) / "cache")
        if self._own_cache:
            shutil.rmtree(self._cache, ignore_errors=True)
        # Nothing of the user's own journal, and nothing left of an earlier run.
        self._state = pathlib.Path(work) / "state"
        shutil.rmtree(self._state, ignore_errors=True)
        self.mountpoint.mkdir(exist_ok=True)
        for log in self._logs():
            log.unlink(missing_ok=True)
        self._command = [
            str(binary), f"imaps://{server.user}@localhost:{server.port}", str(self.mountpoint), "--foreground",
            f"--cache-dir={self._cache}", f"--state-dir={self._state}",
            f"--password-file={server.password_file}", f"--ca-file={server.ca_file}",
            "--log=file", f"--log-file={self.log_file}", "--cache-size=4G", *options,
        ]

    def __enter__(self):
        begin = time.perf_counter()
        self._process = subprocess.Popen(self._command, start_new_session=True)
        while not os.path.ismount(self.mountpoint):
            if self._process.poll() is not None:
                raise RuntimeError(f"imapfs ended with status {self._process.returncode}; its log is {self.log_file}")
            if time.perf_counter() - begin > PATIENCE:
                self.__exit__()
                raise RuntimeError(f"imapfs did not mount in {PATIENCE} s; its log is {self.log_file}")
            time.sleep(0.002)
        self.status()
        self.mount_seconds = time.perf_counter() - begin
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if os.path.ismount(self.mountpoint):
            subprocess.run(["fusermount3", "-uz", str(self.mountpoint)], check=False)
        if self._own_cache:
            shutil.rmtree(self._cache, ignore_errors=True)

    def path(self, name):
        return str(self.mountpoint / name)

    def status(self):
        return json.loads((self.mountpoint / ".imapfs" / "status").read_text())

    def counter(self, name):
        return self.status()["counters"][name]

    def settle(self):
        """Waits until the daemon has used no processor for a while: the index is on disk, nothing is in flight."""
        deadline = time.monotonic() + PATIENCE * 5
        before, since = self._processor_ticks(), time.monotonic()
        while time.monotonic() - since < QUIET:
            if time.monotonic() > deadline:
                raise RuntimeError("the daemon does not come to rest")
            time.sleep(QUIET / 5)
            ticks = self._processor_ticks()
            if ticks != before:
                before, since = ticks, time.monotonic()

    def _processor_ticks(self):
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])  # utime and stime, proc(5)

    def resident_bytes(self):
        return self._memory("VmRSS")

    def _memory(self, field):
        text = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1]) * 1024

    def reset_peak(self):
        """From here on peak_bytes() starts anew (proc(5), clear_refs)."""
        pathlib.Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def peak_bytes(self):
        return self._memory("VmHWM")

    def log(self):
        return "".join(log.read_text(errors="replace") for log in self._logs() if log.exists())

    def _logs(self):
        """The older one first: the daemon begins a new one at 16 MiB."""
        return self.log_file.with_suffix(".1.log"), self.log_file


def run(command, directory):
    """Seconds of a shell command, with its output thrown away by a pipe (tar skips reading when it sees /dev/null)."""
    begin = time.perf_counter()
    environment = {**os.environ, "LC_ALL": "C"}
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=directory, env=environment, stderr=subprocess.PIPE)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')[-400:]}")
    return seconds
