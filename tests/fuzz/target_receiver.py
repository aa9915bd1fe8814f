"""Target: any octets through what a receiver reads of a header, and what it writes into one.

The first octet of an input chooses what the rest is: a Received field, a SUBMITTER value, a
Received-SPF or Authentication-Results field, a header section whose forged fields are looked for,
what a stranger said, to be written and read back, or texts to be written as plain Python does.
"""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes

from support import plainfields as plain
from support.outcomes import Address, Said

import senderid_fast as sf
from senderid_fast.milter.codec import insert_fields, insert_header
from senderid_fast.receiver import (
    Field,
    TrustedRelays,
    authentication_results,
    forged_fields,
    parse_received,
    parse_submitter,
    read_authentication_results,
    read_received_spf,
    received_spf,
    xtext_decode,
    xtext_encode,
)

__all__ = ["receiver"]

ENGINE = sf.Engine(sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]}))
RELAYS = TrustedRelays(["192.0.2.0/24"], depth=50)
MX = "mx.receiver.example"


def _received(data: bytes) -> None:
    read = parse_received(data)
    if read.ip is not None:
        assert sf.parse_record(f"v=spf1 ip{6 if ':' in read.ip else 4}:{read.ip}")
    fields = [("Received", line) for line in data.split(b"\n\n")]
    client = RELAYS.client_of("192.0.2.9", fields)
    assert client.ip is None or not RELAYS.trusts(client.ip)
    assert client.detail.isprintable()


def _submitter(data: bytes) -> None:
    text = data.decode("latin-1")
    assert xtext_decode(xtext_encode(data)) == data
    try:
        submitter = parse_submitter(text)
    except (sf.SenderIDError, ValueError):
        return
    assert parse_submitter(xtext_encode(str(submitter.mailbox))) == submitter


def _received_spf(data: bytes) -> None:
    try:
        found = read_received_spf(data)
    except sf.InputError:
        return
    assert isinstance(found.result, sf.Result)


def _authentication_results(data: bytes) -> None:
    try:
        found = read_authentication_results(data)
    except sf.InputError:
        return
    for info in found.results:
        assert info.method


def _forged(data: bytes) -> None:
    fields = [(name, body) for name, body, _, _ in sf.header_fields(data)]
    found = forged_fields(fields, MX)
    assert found == sorted(set(found), reverse=True)
    assert all(0 <= index < len(fields) for index in found)


def _written(data: bytes) -> None:
    helo, _, mail_from = data.partition(b"\n")
    verdict = ENGINE.check_mail_from("192.0.2.1", mail_from, helo)
    spf = received_spf(verdict, ip="192.0.2.1", helo=helo, mail_from=mail_from, receiver=MX)
    results = authentication_results(MX, verdict, local_parts=True, reasons=True)
    for field in (spf, results):
        octets = field.text().encode("ascii")
        message = message_from_bytes(octets + b"Subject: x\r\n\r\n")
        assert message.keys() == [field.name, "Subject"], "one field, and no more"
    assert read_received_spf(spf.body).result is verdict.result
    assert read_authentication_results(results.body).of("spf")[0].result == verdict.result


IDENTITIES = (("host", sf.Scope.SPF), ("helo", sf.Scope.SPF), ("mailfrom", sf.Scope.MFROM))
RESULTS, REASONS = tuple(sf.Result), (sf.Reason.MATCHED, sf.Reason.DNS_ERROR)


def _as_plainly(data: bytes) -> None:
    # Two octets choose; what stands between line ends is the texts.
    first, second, rest = *data[:2].ljust(2, b"\0"), data[2:]
    eai, local_parts, reasons = bool(first & 1), bool(first & 2), bool(first & 4)
    helo, mail_from, detail, *_ = *rest.split(b"\n", 2), b"", b"", b""
    texts = [each.decode("utf-8", "surrogateescape") for each in (helo, mail_from, detail)]
    said = Said(RESULTS[second % len(RESULTS)], REASONS[first >> 3 & 1], domain=texts[0])
    said.sender, said.mechanism, said.detail = texts[1], texts[2], texts[2]
    if first & 16:
        said.identity, said.scope, said.pra = "pra", sf.Scope.PRA, Address("Sender", texts[1])
    else:
        said.identity, said.scope = IDENTITIES[second % 3]
    spf = {"ip": "2001:db8::1", "helo": helo, "mail_from": mail_from, "receiver": MX, "eai": eai}
    body = received_spf(said, **spf).body  # type: ignore[arg-type]
    assert body == plain.received_spf(said, **spf)  # type: ignore[arg-type]
    fields = [Field("Received-SPF", body), Field("X", texts[2].encode("utf-8", "replace").decode())]
    if said.identity != "host":
        how = {"local_parts": local_parts, "reasons": reasons, "eai": eai}
        several = [said] * (1 + second // 32)
        results = authentication_results(MX, *several, **how)  # type: ignore[arg-type]
        assert results.body == plain.authentication_results(MX, *several, **how)
        fields.append(results)
    assert insert_fields(fields) == b"".join(
        insert_header(0, name.encode(), plain.fold(name, body, "\n").encode())
        for name, body in reversed(fields)
    )


KINDS: tuple[Callable[[bytes], None], ...] = (
    _received,
    _submitter,
    _received_spf,
    _authentication_results,
    _forged,
    _written,
    _as_plainly,
)


def receiver(data: bytes) -> None:
    """No reader raises anything but its error; what is written is one field and is read back."""
    if data:
        KINDS[data[0] % len(KINDS)](data[1:])
