"""The packets of the milter protocol, versions 2 to 6: octets to commands, replies to octets.

What may live here: the form of packets. What they mean, and in which order they come, is known in
session.py. There is no RFC: the layouts are those of Sendmail's libmilter and of Postfix.

A packet, both ways: a length (32 bits, big-endian), a code of one octet, then data; the length
counts the code and the data. Below, "name NUL" is text that a NUL octet ends, and u32 and u16 are
numbers, big-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum, IntFlag
from functools import lru_cache
from struct import Struct, pack
from typing import NamedTuple

from senderid_fast._core.packets import HeaderFields, PacketReader, insert_fields, read_field
from senderid_fast.errors import SenderIDError

__all__ = [
    "ACCEPT",
    "CONNECTION_FAIL",
    "CONTINUE",
    "DISCARD",
    "PACKET_MOST",
    "PROGRESS",
    "REJECT",
    "SHUTDOWN",
    "SKIP",
    "TEMPFAIL",
    "VERSION",
    "Changes",
    "Command",
    "Connect",
    "HeaderFields",
    "MilterFault",
    "Offer",
    "Packets",
    "Protocol",
    "Stage",
    "add_header",
    "add_recipient",
    "change_header",
    "delete_recipient",
    "insert_fields",
    "insert_header",
    "negotiated",
    "quarantine",
    "read_connect",
    "read_header",
    "read_macros",
    "read_offer",
    "read_strings",
    "read_text",
    "reply_code",
]

VERSION = 6  # the highest that there is
# Of one packet. Sendmail sends 65,535 octets at most, or 1 MiB less one if a milter asks for that;
# Postfix any header field that it takes (header_size_limit, 102,400 octets).
PACKET_MOST = 1 << 20

_LENGTH = Struct(">I")
_THREE = Struct(">III")


class Command(IntEnum):
    """What an MTA says, by its code."""

    ABORT = ord("A")
    BODY = ord("B")
    CONNECT = ord("C")
    MACRO = ord("D")
    BODYEOB = ord("E")
    HELO = ord("H")
    QUIT_NC = ord("K")
    HEADER = ord("L")
    MAIL = ord("M")
    EOH = ord("N")
    OPTNEG = ord("O")
    QUIT = ord("Q")
    RCPT = ord("R")
    DATA = ord("T")
    UNKNOWN = ord("U")


class Changes(IntFlag):
    """Changes to a message that a milter may ask for, if the MTA offers them (SMFIF)."""

    ADD_HEADERS = 0x001
    CHANGE_BODY = 0x002
    ADD_RECIPIENTS = 0x004
    DELETE_RECIPIENTS = 0x008
    CHANGE_HEADERS = 0x010
    QUARANTINE = 0x020
    CHANGE_SENDER = 0x040
    ADD_RECIPIENTS_WITH_PARAMETERS = 0x080
    SET_MACROS = 0x100


class Protocol(IntFlag):
    """What of the protocol a milter can do without, if the MTA offers it (SMFIP).

    NO_x is a command that is not sent; QUIET_x one that gets no reply.
    """

    NO_CONNECT = 0x00000001
    NO_HELO = 0x00000002
    NO_MAIL = 0x00000004
    NO_RCPT = 0x00000008
    NO_BODY = 0x00000010
    NO_HEADER = 0x00000020
    NO_EOH = 0x00000040
    QUIET_HEADER = 0x00000080
    NO_UNKNOWN = 0x00000100
    NO_DATA = 0x00000200
    SKIP = 0x00000400  # the MTA knows the reply SKIP
    REJECTED_RCPT = 0x00000800  # recipients that the MTA itself refused are told, too
    QUIET_CONNECT = 0x00001000
    QUIET_HELO = 0x00002000
    QUIET_MAIL = 0x00004000
    QUIET_RCPT = 0x00008000
    QUIET_DATA = 0x00010000
    QUIET_UNKNOWN = 0x00020000
    QUIET_EOH = 0x00040000
    QUIET_BODY = 0x00080000
    LEADING_SPACE = 0x00100000  # values of header fields come, and go, with their leading space
    DATA_256K = 0x10000000  # packets of 256 KiB less one octet
    DATA_1M = 0x20000000


class Stage(IntEnum):
    """Where macros can be asked for (SMFIM)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    BODYEOB = 5
    EOH = 6


class MilterFault(SenderIDError, ValueError):
    """What came is not the milter protocol; the connection is of no more use.

    problem  what is wrong, one sentence
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@lru_cache(maxsize=16)  # the same for every connection
def _flags(codes: frozenset[int]) -> bytes:
    return bytes(code in codes for code in range(256))


class Packets(PacketReader):
    """Octets as they come, and the packets in them.

    most    octets that the length of a packet may say. Nothing is kept of one that says more
    macros  commands whose macros are wanted; those of others are passed over. Postfix sends some
            with every header field
    """

    __slots__ = ()

    def __init__(self, most: int = PACKET_MOST, macros: Iterable[int] = frozenset(Command)) -> None:
        def impossible(length: int) -> MilterFault:
            return MilterFault(f"a packet of {length} octets; from 1 to {most} are possible")

        super().__init__(most, _flags(frozenset(macros)), impossible)

    def whole(self) -> Iterator[tuple[int, bytes]]:
        """The code and the data of each packet that is all there. To stop between two is all right;
        nothing may be fed meanwhile.

        Raises MilterFault at one whose length is zero or too large; nothing is held then.
        """
        return self


# What an MTA says ---------------------------------------------------------------------------------


class Offer(NamedTuple):
    """What an MTA can do.

    changes   bits of Changes; others may be set
    protocol  bits of Protocol; others may be set
    """

    version: int
    changes: int
    protocol: int


class Connect(NamedTuple):
    """An SMTP client, as the MTA tells of it.

    name     its reverse name, or its address in brackets
    family   b"4", b"6", b"L" (a local socket) or b"U" (unknown)
    address  as text; b"" if the family is unknown
    """

    name: bytes
    family: bytes
    port: int
    address: bytes


# HELO:     name NUL
# MAIL:     reverse-path NUL *( parameter NUL )
# RCPT:     forward-path NUL *( parameter NUL )
# UNKNOWN:  line NUL
def read_strings(command: str, data: bytes) -> list[bytes]:
    """Texts, each ended by NUL; at least one. Raises MilterFault."""
    if not data or data[-1]:
        raise MilterFault(f"{command}: a text without the NUL that ends it")
    return data[:-1].split(b"\0")


def read_text(command: str, data: bytes) -> bytes:
    """One text, ended by NUL. Raises MilterFault."""
    texts = read_strings(command, data)
    if len(texts) > 1:
        raise MilterFault(f"{command}: {len(texts)} texts, where one is expected")
    return texts[0]


# OPTNEG:   u32 version, u32 changes, u32 protocol
def read_offer(data: bytes) -> Offer:
    """Raises MilterFault, also for a version without a protocol to speak (below 2)."""
    if len(data) < _THREE.size:
        raise MilterFault(f"OPTNEG: {len(data)} octets, where at least {_THREE.size} are expected")
    version, changes, protocol = _THREE.unpack_from(data)
    if version < 2:
        raise MilterFault(f"OPTNEG: version {version} of the protocol; 2 to {VERSION} are known")
    return Offer(version, changes, protocol)


# CONNECT:  name NUL, family (1 octet); but for the family "U": u16 port, address NUL
def read_connect(data: bytes) -> Connect:
    """Raises MilterFault."""
    name, ended, rest = data.partition(b"\0")
    if not ended or not rest:
        raise MilterFault("CONNECT: no name, or no family after it")
    family = rest[:1]
    if family == b"U":
        return Connect(name, family, 0, b"")
    if family not in (b"4", b"6", b"L"):
        raise MilterFault(f"CONNECT: no family has the letter {family!r}")
    if len(rest) < 4:
        raise MilterFault("CONNECT: no port, or no address after it")
    return Connect(name, family, rest[1] << 8 | rest[2], read_text("CONNECT", rest[3:]))


# MACRO:    code of the command that they belong to (1 octet), *( name NUL value NUL )
def read_macros(data: bytes) -> dict[bytes, bytes]:
    """Macros by name, without the braces of long names. Raises MilterFault."""
    if len(data) < 2:
        return {}
    texts = read_strings("MACRO", data[1:])
    if len(texts) % 2:
        raise MilterFault("MACRO: a name without a value")
    if len(texts) == 2 and texts[0][:1] != b"{":  # the queue id alone: nearly always
        return {texts[0]: texts[1]}
    names = [name[1:-1] if name[:1] == b"{" else name for name in texts[::2]]
    return dict(zip(names, texts[1::2], strict=True))


# HEADER:   name NUL value NUL
def read_header(data: bytes) -> tuple[str, bytes]:
    """The name in Latin-1, and the value. Raises MilterFault."""
    field = read_field(data)
    if field is None:
        raise MilterFault("HEADER: not two texts, each with a NUL that ends it")
    return field


# ABORT, BODYEOB (the rest of the body), BODY (a part of it), DATA, EOH, QUIT, QUIT_NC: their data,
# if there is any, is of no use here.


# What a milter says -------------------------------------------------------------------------------


def _packet(code: bytes, data: bytes = b"") -> bytes:
    return b"%b%b%b" % (_LENGTH.pack(1 + len(data)), code, data)


def _text(octets: bytes) -> bytes:
    """Text ended by NUL; what comes after a NUL in it, the MTA would not see anyway."""
    return octets.partition(b"\0")[0] + b"\0"


# Without data:
CONTINUE = _packet(b"c")
ACCEPT = _packet(b"a")
REJECT = _packet(b"r")
TEMPFAIL = _packet(b"t")
DISCARD = _packet(b"d")
SKIP = _packet(b"s")  # no more commands of this kind in this message (version 6)
PROGRESS = _packet(b"p")  # "wait on": the MTA's timer begins anew
SHUTDOWN = _packet(b"4")  # reply 421 to the client and part with it
CONNECTION_FAIL = _packet(b"f")


# OPTNEG:      u32 version, u32 changes, u32 protocol, *( u32 stage, list of macros NUL )
def negotiated(
    version: int, changes: int, protocol: int, macros: Iterable[tuple[int, bytes]] = ()
) -> bytes:
    """What a milter chose of an offer. Lists of macros only with Changes.SET_MACROS."""
    lists = b"".join(pack(">I", stage) + _text(names) for stage, names in macros)
    return _packet(b"O", _THREE.pack(version, changes, protocol) + lists)


# REPLYCODE:   "ddd d.d.d text" NUL; several lines as in SMTP, with CRLF between them
def reply_code(reply: bytes) -> bytes:
    """An SMTP reply (4xx or 5xx) in the form of the wire, with an enhanced code in each line.

    Sendmail takes it for a format of printf(): "%" is doubled, which Postfix undoes.
    """
    return _packet(b"y", _text(reply.removesuffix(b"\r\n").replace(b"%", b"%%")))


# QUARANTINE:  reason NUL
def quarantine(reason: bytes) -> bytes:
    """The message is kept back in the MTA's queue. An answer has to follow."""
    return _packet(b"q", _text(reason))


# ADDHEADER:   name NUL value NUL
def add_header(name: bytes, value: bytes) -> bytes:
    """A field below the others. Lines of a folded value are parted by LF."""
    return _packet(b"h", _text(name) + _text(value))


# INSHEADER:   u32 index, name NUL value NUL
def insert_header(index: int, name: bytes, value: bytes) -> bytes:
    """A field at a place of the header section; 0 is the top, above the MTA's own Received."""
    return _packet(b"i", pack(">I", index) + _text(name) + _text(value))


# CHGHEADER:   u32 index, name NUL value NUL
def change_header(index: int, name: bytes, value: bytes) -> bytes:
    """Another value for a field; none removes it. The index counts fields of that name, from 1."""
    return _packet(b"m", pack(">I", index) + _text(name) + _text(value))


# ADDRCPT:     forward-path NUL
def add_recipient(path: bytes) -> bytes:
    """A recipient, with its angle brackets."""
    return _packet(b"+", _text(path))


# DELRCPT:     forward-path NUL
def delete_recipient(path: bytes) -> bytes:
    """A recipient to be taken away, as RCPT had it."""
    return _packet(b"-", _text(path))
