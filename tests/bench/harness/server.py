"""The private Dovecot and its mailboxes. They are filled once and kept for the next run with the same sizes."""

import json
import pathlib
import subprocess
import time

from . import mail
from .connection import Connection

BATCH_OCTETS = 4 << 20
BATCH_MESSAGES = 2000


class Server:
    def __init__(self, source, directory):
        self._script = str(source / "contrib" / "dovecot-sandbox")
        self.directory = pathlib.Path(directory)

    def start(self):
        self._sandbox("start", "--format=mdbox")
        settings = dict(line.split("=", 1) for line in (self.directory / "sandbox.env").read_text().splitlines())
        self.port = int(settings["IMAPS_PORT"])
        self.user = settings["IMAP_USER"]
        self.password_file = settings["PASSWORD_FILE"]
        self.password = pathlib.Path(self.password_file).read_text().strip()
        self.ca_file = settings["CA_FILE"]

    def stop(self):
        self._sandbox("stop")

    def offer_compression(self):
        """COMPRESS=DEFLATE from now on; the sandbox by itself does not offer it. start() takes it back."""
        with open(self.directory / "dovecot.conf", "a", encoding="utf-8") as configuration:
            configuration.write("protocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}\n")
        self._sandbox("doveadm", "reload")
        deadline = time.monotonic() + 20
        while not self._offers(b"COMPRESS=DEFLATE"):
            if time.monotonic() > deadline:
                raise RuntimeError("this Dovecot has no imap_zlib plugin")
            time.sleep(0.1)

    def _offers(self, word):
        try:
            return any(word in line for line in self.ask("CAPABILITY"))
        except (ConnectionError, RuntimeError):
            return False  # it is being reloaded

    def ask(self, command):
        connection = Connection(self)
        try:
            return connection.run(command)
        finally:
            connection.close()

    def fill(self, mailbox, count, make_message):
        """`count` messages in `mailbox`, from an earlier run if they are all there."""
        marker = self.directory / f"filled-{mailbox}.json"
        wanted = {"messages": count, "generator": mail.generator_digest()}
        if marker.exists() and json.loads(marker.read_text()) == wanted:
            return
        marker.unlink(missing_ok=True)
        print(f"filling {mailbox} with {count} messages", flush=True)
        begin = time.monotonic()
        connection = Connection(self)
        try:
            self._recreate(connection, mailbox)
            self._append_all(connection, mailbox, count, make_message)
        finally:
            connection.close()
        marker.write_text(json.dumps(wanted))
        print(f"filled {mailbox} in {time.monotonic() - begin:.0f} s", flush=True)

    def empty_inbox(self):
        connection = Connection(self)
        try:
            connection.run("SELECT INBOX")
            connection.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            connection.run("EXPUNGE")
        except RuntimeError:
            pass  # nothing to store to in an empty mailbox
        finally:
            connection.close()

    def recreate(self, mailbox):
        """An empty mailbox of that name, whatever was there."""
        connection = Connection(self)
        try:
            self._recreate(connection, mailbox)
        finally:
            connection.close()

    @staticmethod
    def _recreate(connection, mailbox):
        try:
            connection.run(f'DELETE "{mailbox}"')
        except RuntimeError:
            pass  # it was not there
        connection.run(f'CREATE "{mailbox}"')

    def append_messages(self, connection, mailbox, count):
        self._append_all(connection, mailbox, count, mail.small_message)

    @staticmethod
    def _append_all(connection, mailbox, count, make_message):
        batch, octets = [], 0
        for number in range(count):
            message = make_message(number)
            batch.append((mail.internal_date(number), message))
            octets += len(message)
            if octets >= BATCH_OCTETS or len(batch) >= BATCH_MESSAGES:
                connection.append_many(mailbox, batch)
                batch, octets = [], 0
        if batch:
            connection.append_many(mailbox, batch)

    def _sandbox(self, action, *arguments):
        subprocess.run([self._script, action, str(self.directory), *arguments], check=True, stdout=subprocess.DEVNULL)
