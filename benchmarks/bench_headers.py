"""What a header section costs: extract_pra(), header_fields(), and check_message() on top of it.

The sections are some of those of `python -m benchmarks.headers`. What they give is asserted before
anything is timed; for check_message() all answers are known.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from benchmarks.headers.drivers.ours import CLIENT, HELO, Everywhere
from benchmarks.headers.sections import Section, generate

SHORT = Section(
    b"Received: from mail.example.net (mail.example.net [192.0.2.25])\r\n"
    b"\tby mx.example.org with ESMTPS; Tue, 1 Sep 2026 10:00:00 +0000\r\n"
    b"From: Ada Archer <ada@example.net>\r\nTo: bo@example.org\r\nSubject: minutes\r\n"
    b"Date: Tue, 1 Sep 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n",
    "short",
    "from",
    "ada@example.net",
)


@pytest.fixture(scope="module")
def sections() -> dict[str, Section]:
    """One of each size or kind: the middle one by length, but for the short and the long."""
    made = sorted(generate(400), key=lambda section: len(section.octets))
    chosen = {"short": SHORT, "long": made[-1], "middle": made[len(made) // 2]}
    for kind in ("personal", "list", "resent", "resent by another"):
        of_kind = [section for section in made if section.kind == kind]
        chosen[kind] = of_kind[len(of_kind) // 2]
    return chosen


@pytest.mark.benchmark(group="extract_pra: one section")
@pytest.mark.parametrize(
    "name", ["short", "middle", "long", "personal", "list", "resent", "resent by another"]
)
def test_extract_pra(benchmark: BenchmarkFixture, sections: dict[str, Section], name: str) -> None:
    section = sections[name]
    benchmark.extra_info["octets"] = len(section.octets)
    pra = benchmark(sf.extract_pra, section.octets)
    assert (pra.header, pra.mailbox) == (section.field, section.mailbox)


@pytest.mark.benchmark(group="header_fields: one section")
@pytest.mark.parametrize("name", ["short", "middle", "long"])
def test_header_fields(
    benchmark: BenchmarkFixture, sections: dict[str, Section], name: str
) -> None:
    octets = sections[name].octets
    fields = benchmark(sf.header_fields, octets)
    # The fields are the section without gaps, up to its empty line.
    assert [start for _, _, start, _ in fields[1:]] == [end for _, _, _, end in fields[:-1]]
    assert octets[fields[-1][3] :].strip() == b""


@pytest.mark.benchmark(group="check_message: HELO, MAIL FROM and PRA, answers known")
@pytest.mark.parametrize("name", ["short", "middle", "long", "resent"])
def test_check_message(
    benchmark: BenchmarkFixture, sections: dict[str, Section], name: str
) -> None:
    check = sf.Engine(resolver=Everywhere()).check_message
    section = sections[name]
    stranger = check("198.51.100.7", HELO, "bounces@example.net", section.octets)
    assert stranger.pra is not None
    assert stranger.pra.result is sf.Result.FAIL
    verdict = benchmark(check, CLIENT, HELO, "bounces@example.net", section.octets)
    for one in (verdict.helo, verdict.mail_from, verdict.pra):
        assert one.result is sf.Result.PASS
    assert verdict.pra.pra.mailbox == section.mailbox
