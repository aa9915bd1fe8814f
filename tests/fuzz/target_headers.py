"""Target: any octets as a header section, through header_fields, extract_pra and check_pra.

An input is a header section. One that begins with "*" is a field that is repeated, for sections of
tens of thousands of fields.
"""

from __future__ import annotations

import pickle

import senderid_fast as sf

__all__ = ["headers"]

REPEATED_MOST = 200_000  # octets
ENGINE = sf.Engine(sf.ZoneResolver({"a.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]}))


def headers(data: bytes) -> None:
    """Fields that lie one after the other in the section; a PRA whose parts fit together, or NoPra;
    and a verdict that says the same."""
    section = data
    if data[:1] == b"*":
        section = data[1:] * min(REPEATED_MOST // max(len(data), 1), 20_000)
    fields = sf.header_fields(section)
    _check_fields(fields, section)
    verdict = ENGINE.check_pra("192.0.2.1", section, "mail.a.example")
    assert verdict.identity == "pra"
    verdict.as_dict()
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    pra = _extract(section)
    if isinstance(pra, sf.NoPra):
        assert verdict.reason is sf.Reason.NO_PRA
        assert verdict.pra_failure == pra.reason
        assert verdict.pra is None
        assert (pra.header is None) == (pra.header_index is None)
        if pra.header_index is not None:
            assert fields[pra.header_index][0].lower() == pra.header
        return
    _check_pra(pra, fields)
    assert verdict.pra == pra
    assert verdict.domain == pra.domain
    # RFC 4407 2: a trace field above everything changes nothing.
    if fields[0][2] == 0:
        above = sf.extract_pra(b"Received: by a.example\r\n" + section)
        assert (above.mailbox, above.header) == (pra.mailbox, pra.header)
        assert above.header_index == pra.header_index + 1


def _extract(section: bytes) -> sf.Pra | sf.NoPra:
    try:
        return sf.extract_pra(section)
    except sf.NoPra as failure:
        return failure


def _check_fields(fields: list[tuple[str, bytes, int, int]], section: bytes) -> None:
    end = None
    for name, body, start, stop in fields:
        assert end is None or start == end, "fields follow each other"
        end = stop
        assert name
        text = section[start:stop]
        assert text.startswith(name.encode("latin-1"))
        assert text.rstrip(b"\r\n").endswith(body.rstrip(b"\r\n"))
        for line in body.split(b"\n")[1:]:
            assert line[:1] in (b" ", b"\t"), "a line of its own is no part of a body"


def _check_pra(pra: sf.Pra, fields: list[tuple[str, bytes, int, int]]) -> None:
    assert fields[pra.header_index][0].lower() == pra.header
    local, at, domain = pra.mailbox.rpartition("@")
    assert at
    assert local
    assert domain
    assert pra.domain == pra.domain.lower()
    assert pra.domain.isascii()
    assert 0 < len(pra.domain) <= 253
    if domain.isascii():
        assert pra.domain == domain.lower()
    assert all(letter >= " " or letter == "\t" for letter in pra.mailbox)
    if '"' not in local:
        assert pra.local_part == local
    assert pickle.loads(pickle.dumps(pra)) == pra
    repr(pra)
