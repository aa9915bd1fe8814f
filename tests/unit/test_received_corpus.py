"""Received fields of real messages: none raises, most have an address, and it is the right one."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections import Counter
from functools import cache

from support.shared import gzip_lines, shared_file

from senderid_fast.receiver.received import FieldReason, parse_received
from senderid_fast.receiver.relays import RelayReason, TrustedRelays

HEADERS = shared_file("corpus/headers.jsonl.gz")

Fields = list[tuple[str, bytes]]

# The oracle: the common shapes of the from clause, each as one pattern over the unfolded field.
# What fits none of them is not compared.
_IP = r"(?:IPv6:)?(?P<ip>[0-9A-Fa-f:.]+)(?:%\w+)?"
ORACLE = [
    re.compile(rf"from [^ ()]+ \((?:[^ ()\[\]@]* )?\[{_IP}\](?: \(may be forged\))?\)"),  # most
    re.compile(rf"from [^ ()]+ \((?:IDENT:)?[^ ()\[\]]*@(?:[^ ()\[\]]* )?\[{_IP}\]\)"),  # Sendmail
    re.compile(rf"from [^ ()]+ \(\[{_IP}\](?::\d+)?(?: (?:helo|ident)=[^ ()]+)+\)"),  # Exim
    re.compile(rf"from \[{_IP}\] \((?:port=\d+ )?helo=[^ ()]+(?: ident=[^ ()]+)?\)"),  # Exim
    re.compile(
        rf"from [^ ()]+ \((?:HELO|EHLO|LHLO) [^ ()]+\) \((?:[^ ()]*@)?\[?{_IP}\]?\)"
    ),  # qmail
    re.compile(rf"from [^ ()]+ ?\({_IP}\) by "),  # Exchange, smap
    re.compile(rf"from [^ ()]+ \[{_IP}\] by [^ ()]+ with (?:IMAP|POP3) \(fetchmail-"),
]


@cache
def sections() -> list[Fields]:
    """The header fields of each message, split as RFC 5322 2.2 has it."""
    found = []
    for line in gzip_lines(HEADERS):
        raw = base64.b64decode(json.loads(line)["raw"]).replace(b"\r\n", b"\n")
        fields = []
        for text in re.split(rb"\n(?![ \t])", raw):
            name, colon, body = text.partition(b":")
            if colon:
                fields.append((name.decode("latin-1"), body))
        found.append(fields)
    return found


def bodies() -> list[bytes]:
    return [
        body for fields in sections() for name, body in fields if name.strip().lower() == "received"
    ]


def oracle(body: bytes) -> str | None:
    text = re.sub(r"\s+", " ", body.decode("utf-8", "replace")).strip()
    for pattern in ORACLE:
        if found := pattern.match(text):
            try:
                address = ipaddress.ip_address(found["ip"])
            except ValueError:
                return None
            mapped = getattr(address, "ipv4_mapped", None)
            return str(mapped or address)
    return None


def test_most_fields_have_an_address() -> None:
    reasons = Counter(parse_received(body).reason for body in bodies())
    total = sum(reasons.values())
    with_from = total - reasons[FieldReason.NO_FROM] - reasons[FieldReason.HANDOVER]
    told = f"of {total} fields: {dict(reasons)}"
    assert total >= 17_000, told
    assert reasons[FieldReason.ADDRESS] / total > 0.81, told
    # What has a from clause and came over a network.
    assert reasons[FieldReason.ADDRESS] / (with_from - reasons[FieldReason.LOCAL]) > 0.95, told
    assert reasons[FieldReason.AMBIGUOUS] / total < 0.002, told
    assert not reasons[FieldReason.TOO_LONG], told


def test_the_address_is_that_of_the_oracle() -> None:
    compared, confirmed, found = 0, 0, 0
    wrong = []
    for body in bodies():
        received, expected = parse_received(body), oracle(body)
        found += received.ip is not None
        if expected is None or received.reason is FieldReason.LOCAL:
            continue
        compared += 1
        if received.ip == expected:
            confirmed += 1
        elif received.reason is not FieldReason.AMBIGUOUS:
            wrong.append((expected, received, body))
    assert not wrong, wrong[:3]
    assert compared - confirmed <= 10  # fields with two by clauses: no address, where there is one
    assert confirmed / found > 0.97, (confirmed, found)


def test_every_section_has_a_client_or_a_reason() -> None:
    """Walks each message as one from a file, with the networks of a receiver on the list."""
    relays = TrustedRelays(["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
    reasons: Counter[RelayReason] = Counter()
    for fields in sections():
        client = relays.client_of(None, fields)
        reasons[client.reason] += 1
        assert client.detail.isascii()
        assert (client.ip is not None) == (client.reason is RelayReason.FIELD)
        if client.ip is not None:
            assert not relays.trusts(client.ip)
            assert client.index is not None
    assert reasons.total() >= 4_500
    assert reasons[RelayReason.FIELD] / reasons.total() > 0.54, reasons
