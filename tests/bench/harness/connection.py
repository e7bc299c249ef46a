"""A bare IMAP connection for filling mailboxes and playing the other client. It trusts the sandbox."""

import re
import socket
import ssl


class Connection:
    def __init__(self, server):
        context = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("localhost", server.port), timeout=120)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._input = self._socket.makefile("rb")
        self._commands = 0
        self._input.readline()  # the greeting
        self.run(f'LOGIN "{server.user}" "{server.password}"')

    def send(self, data):
        self._socket.sendall(data)

    def read_line(self):
        line = self._input.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        return line

    def begin(self, command):
        """Sends all but the last CRLF of a command; returns its tag."""
        self._commands += 1
        tag = b"b%d" % self._commands
        self.send(tag + b" " + command.encode())
        return tag

    def end(self, tag):
        """Reads to the tagged answer and returns everything; no literal is expected."""
        lines = []
        while True:
            lines.append(self.read_line())
            if lines[-1].startswith(tag + b" "):
                break
        if not lines[-1].startswith(tag + b" OK"):
            raise RuntimeError(f"the server refused: {lines[-1]!r}")
        return lines

    def run(self, command):
        tag = self.begin(command + "\r\n")
        return self.end(tag)

    def fetch_bodies(self, mailbox):
        """The octets of every message of a mailbox, in the server's order."""
        self.run(f'EXAMINE "{mailbox}"')
        tag = self.begin("UID FETCH 1:* (BODY.PEEK[])\r\n")
        bodies = []
        while not (line := self.read_line()).startswith(tag + b" "):
            if literal := re.search(rb"\{(\d+)\}\r\n$", line):
                bodies.append(self._input.read(int(literal[1])))
        if not line.startswith(tag + b" OK"):
            raise RuntimeError(f"the server refused: {line!r}")
        return bodies

    def append_many(self, mailbox, messages):
        """One MULTIAPPEND (RFC 3502) with non-synchronising literals; `messages` gives (date, octets)."""
        tag = self.begin(f'APPEND "{mailbox}"')
        pieces = []
        for date, octets in messages:
            pieces += [b' () "%s" {%d+}\r\n' % (date.encode(), len(octets)), octets]
        pieces.append(b"\r\n")
        self.send(b"".join(pieces))
        return self.end(tag)

    def close(self):
        self._input.close()
        self._socket.close()
