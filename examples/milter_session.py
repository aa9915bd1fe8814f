"""What ``senderid-fast milter`` tells a mail server, without a mail server.

Starts the service as a process of its own, beside a DNS server that answers from example.zone, and
hands it three messages over a unix socket, as Postfix and Sendmail do. Prints what it says.
"""

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path
from struct import pack, unpack

import dns.message
import dns.name
import dns.rcode
import dns.zone

HERE = Path(__file__).parent
CONFIGURATION = """
[milter]
listen = "unix:{folder}/milter.sock"

[receiver]
authserv_id = "receiver.example"

[policy]
mailfrom.fail = "reject"

[dns]
servers = "127.0.0.1:{port}"

[log]
level = "error"
"""


# A message, and the session that it came in: client, HELO name, MAIL FROM.
SESSIONS = (
    ("honest.eml", "192.0.2.10", "mail.plain.example", "alice@plain.example"),
    ("spoofed.eml", "203.0.113.66", "mta.blast.example", "bounce-4711@blast.example"),
    ("forwarded.eml", "198.51.100.193", "out.forwarder.example", "grace@strict.example"),
)


def serve_zone(server: socket.socket) -> None:
    """Be a DNS server for the zone, until the program ends."""
    zone = dns.zone.from_file(
        str(HERE / "example.zone"), origin=dns.name.root, relativize=False, check_origin=False
    )
    while True:
        octets, client = server.recvfrom(4_096)
        query = dns.message.from_wire(octets)
        reply = dns.message.make_response(query, recursion_available=True)
        (asked,) = query.question
        if zone.get_node(asked.name) is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif found := zone.get_rrset(asked.name, asked.rdtype):
            reply.answer.append(found)
        server.sendto(reply.to_wire(), client)


class Session:
    """A session of a mail server, which waits for the answer to every command."""

    def __init__(self, milter: socket.socket, client: str, helo: str) -> None:
        self._stream = milter.makefile("rwb")
        # The version, all changes that are possible, and no command that may go without an answer.
        self._ask("O", pack(">III", 6, 0x1FF, 0))
        self._ask("C", f"[{client}]\0".encode() + pack(">cH", b"4", 40_000), client)
        self._ask("H", b"", helo)

    def quit(self) -> None:
        """Tell the milter that this was all."""
        self._tell("Q")
        self._stream.close()

    def message(self, mail_from: str, octets: bytes) -> Iterator[str]:
        """What is to be done with a message, in words."""
        self._ask("M", b"", f"<{mail_from}>")
        code, data = self._ask("R", b"", "<mallory@receiver.example>")
        if code == "y":
            yield f"at RCPT: {in_lines(data)}"
            return
        for name, value in BytesHeaderParser().parsebytes(octets).items():
            self._ask("L", b"", name, value)
        code, data = self._ask("E")
        while code in "im":
            name, value, _ = data[4:].decode().split("\0")
            number = int.from_bytes(data[:4], "big")
            yield f"insert {name}: {value}" if code == "i" else f"remove {name}, number {number}"
            code, data = self._hear()
        yield {"a": "accept", "c": "accept"}.get(code) or in_lines(data)

    def _ask(self, code: str, octets: bytes = b"", *texts: str) -> tuple[str, bytes]:
        self._tell(code, octets + b"".join(text.encode() + b"\0" for text in texts))
        return self._hear()

    def _tell(self, code: str, octets: bytes = b"") -> None:
        self._stream.write(pack(">I", 1 + len(octets)) + code.encode() + octets)
        self._stream.flush()

    def _hear(self) -> tuple[str, bytes]:
        code = "p"
        while code == "p":  # it asks for more time
            (length,) = unpack(">I", self._stream.read(4))
            code, octets = chr(self._stream.read(1)[0]), self._stream.read(length - 1)
        return code, octets


def in_lines(reply: bytes) -> str:
    """A reply for the client of the mail server."""
    return reply.rstrip(b"\0").decode().replace("\r\n", "\n")


def connected(path: Path) -> socket.socket:
    """A connection to the service, as soon as it serves."""
    for _ in range(600):
        milter = socket.socket(socket.AF_UNIX)
        try:
            milter.connect(str(path))
        except OSError:
            milter.close()
            time.sleep(0.1)
        else:
            return milter
    sys.exit("the service does not start")


def hand_over(path: Path, name: str, client: str, helo: str, mail_from: str) -> None:
    """One session, and what came of its message."""
    print(f"--- {name}")
    with connected(path) as milter:
        session = Session(milter, client, helo)
        print(*session.message(mail_from, (HERE / "messages" / name).read_bytes()), sep="\n")
        session.quit()


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    threading.Thread(target=serve_zone, args=(server,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "senderid-fast.toml"
        path.write_text(CONFIGURATION.format(folder=folder, port=server.getsockname()[1]))
        command = [sys.executable, "-m", "senderid_fast", "milter", "--config", str(path)]
        with subprocess.Popen(command) as service:
            try:
                for each in SESSIONS:
                    hand_over(path.with_name("milter.sock"), *each)
            finally:
                service.terminate()


main()
