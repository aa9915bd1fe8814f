"""SystemResolver without a network: its options, and what it reads in messages.

How it fares with servers is in tests/integration.
"""

from __future__ import annotations

import copy
import pickle
import random
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from senderid_fast.errors import InputError
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import AsyncResolver, Resolver, SystemResolver
from senderid_fast.resolver.lookup import Attempt, Lookup
from senderid_fast.resolver.messages import Chain, Failure, make_query, read_reply, text_to_name
from senderid_fast.resolver.servers import Server, parse_servers, system_servers

TXT = RRType.TXT
SERVER = Server("192.0.2.53", 53)


# ---- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.1", Server("192.0.2.1", 5353), "192.0.2.1:5353"),
        ("192.0.2.1:53", Server("192.0.2.1", 53), "192.0.2.1:53"),
        ("2001:db8::1", Server("2001:db8::1", 5353), "[2001:db8::1]:5353"),
        ("[2001:db8::1]", Server("2001:db8::1", 5353), "[2001:db8::1]:5353"),
        ("[2001:db8::1]:53", Server("2001:db8::1", 53), "[2001:db8::1]:53"),
        ("fe80::1%lo", Server("fe80::1%lo", 5353), "[fe80::1%lo]:5353"),
    ],
)
def test_servers(text: str, server: Server, shown: str) -> None:
    assert parse_servers([text], 5353) == (server,)
    assert str(server) == shown


@pytest.mark.parametrize(
    "nameservers",
    [
        [],
        "192.0.2.1",
        b"192.0.2.1",
        5,
        [""],
        ["dns.example"],
        ["192.0.2.1:"],
        ["192.0.2.1:0"],
        ["192.0.2.1:65536"],
        ["192.0.2.1:\u0665"],
        ["192.0.2.1:5 3"],
        ["[2001:db8::1"],
        ["[2001:db8::1]53"],
        ["[2001:db8::1]:"],
        ["[192.0.2.1]:53"],
        ["192.0.2.256"],
        [None],
        [("192.0.2.1", 53)],
    ],
)
def test_wrong_servers(nameservers: Any) -> None:
    with pytest.raises(InputError) as caught:
        SystemResolver(nameservers)
    assert caught.value.field == "nameservers"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("port", value) for value in (0, 65536, "53", True, None)),
        *(("tries", value) for value in (0, 101, 1.0, True)),
        *(("edns_payload", value) for value in (-1, 511, 65536, "1232")),
        *(
            ("try_seconds", value)
            for value in (0, -1, float("nan"), float("inf"), 10**400, "2", True)
        ),
        *(("config_file", value) for value in ("", None, 3)),
    ],
)
def test_wrong_options(field: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        SystemResolver(["192.0.2.1"], **{field: value})
    assert caught.value.field == field


def test_equality_hash_and_pickle() -> None:
    resolver = SystemResolver(["192.0.2.1", "[2001:db8::1]:54"], try_seconds=1, tries=2)
    for same in (
        SystemResolver(("192.0.2.1:53", "[2001:db8::1]:54"), try_seconds=1.0, tries=2),
        pickle.loads(pickle.dumps(resolver)),
        copy.copy(resolver),
    ):
        assert same == resolver
        assert hash(same) == hash(resolver)
        assert repr(same) == "<SystemResolver 192.0.2.1:53, [2001:db8::1]:54>"
    for other in (
        SystemResolver(["192.0.2.1"], try_seconds=1, tries=2),
        SystemResolver(["192.0.2.1", "[2001:db8::1]:54"], try_seconds=1, tries=3),
        SystemResolver(),
        "192.0.2.1",
    ):
        assert other != resolver
    assert pickle.loads(pickle.dumps(SystemResolver())) == SystemResolver()
    assert isinstance(resolver, Resolver)
    assert isinstance(resolver, AsyncResolver)


def test_configuration_is_read_late(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    resolver = SystemResolver(config_file=str(conf))
    assert repr(resolver) == f"<SystemResolver {conf}>"
    answer = resolver.resolve(Question("x.example", TXT), 1)
    assert answer.status is Status.ERROR
    assert str(conf) in answer.detail


def test_configuration(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("; c\nnameserver 192.0.2.1\nsearch example\nnameserver 2001:db8::1\nbad\n")
    assert system_servers(str(conf), 54) == (Server("192.0.2.1", 54), Server("2001:db8::1", 54))
    for wrong in ("", "nameserver\n", "nameserver dns.example\n"):
        conf.write_text(wrong)
        with pytest.raises(OSError, match=r"resolv\.conf"):
            system_servers(str(conf), 53)


# ---- messages ---------------------------------------------------------------------------------


def reply_to(name: str, *answer: str, rcode: str = "NOERROR", authority: str = "") -> Any:
    query = dns.message.make_query(text_to_name(name), "TXT", use_edns=0)
    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((reply.answer, answer), (reply.authority, [authority])):
        for line in filter(None, lines):
            section.append(dns.rrset.from_text(*line.split(" ", 4)))  # type: ignore[arg-type]
    return dns.message.from_wire(reply.to_wire())


def read(name: str, *answer: str, **options: str) -> Answer | Failure | None:
    return read_reply(reply_to(name, *answer, **options), Chain(text_to_name(name)), TXT)


def test_ttl_is_the_smallest_of_the_chain() -> None:
    alias, target = "a.example. {} IN CNAME b.example.", 'b.example. {} IN TXT "x"'
    for first, second in ((5, 9), (9, 5), (5, 5)):
        answer = read("a.example", alias.format(first), target.format(second))
        assert answer == Answer(Status.OK, (b"x",), 5)


@pytest.mark.parametrize(
    ("ttl", "minimum", "expected"), [(60, 30, 30), (30, 60, 30), (2**31, 60, 0), (60, 2**31, 0)]
)
@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_ttl_of_negative_answers(ttl: int, minimum: int, expected: int, rcode: str) -> None:
    soa = f"example. {ttl} IN SOA ns. host. 1 2 3 4 {minimum}"
    status = Status.NODATA if rcode == "NOERROR" else Status.NXDOMAIN
    assert read("a.example", rcode=rcode, authority=soa) == Answer(status, ttl=expected)


def test_ttl_of_negative_answer_behind_an_alias() -> None:
    soa = "other. 60 IN SOA ns. host. 1 2 3 4 60"
    alias = "a.example. 7 IN CNAME b.other."
    assert read("a.example", alias, authority=soa) == Answer(Status.NODATA, ttl=7)
    answer = read("a.example", alias, rcode="NXDOMAIN", authority=soa)
    assert answer == Answer(Status.NXDOMAIN, ttl=7)


def test_soa_of_another_zone_says_nothing() -> None:
    soa = "example. 60 IN SOA ns. host. 1 2 3 4 60"
    assert read("a.other", authority=soa) == Answer(Status.NODATA, ttl=0)
    # The alias leads out of the zone: its target is still to be asked for.
    chain = Chain(text_to_name("a.example"))
    reply = reply_to("a.example", "a.example. 7 IN CNAME b.other.", authority=soa)
    assert read_reply(reply, chain, TXT) is None
    assert chain.name == text_to_name("b.other")


def test_records_of_other_names_are_not_used() -> None:
    answer = read("a.example", 'b.example. 9 IN TXT "v=spf1 +all"', 'example. 9 IN TXT "x"')
    assert answer == Answer(Status.NODATA)


def test_case_of_names() -> None:
    answer = read("a.example", "A.Example. 9 IN CNAME B.example.", 'b.EXAMPLE. 9 IN TXT "x"')
    assert answer == Answer(Status.OK, (b"x",), 9)


@pytest.mark.parametrize(
    ("rcode", "status"),
    [
        ("SERVFAIL", Status.SERVFAIL),
        ("REFUSED", Status.REFUSED),
        ("FORMERR", Status.ERROR),
        ("NOTIMP", Status.ERROR),
        ("YXDOMAIN", Status.ERROR),
        ("BADVERS", Status.ERROR),
        ("3000", Status.ERROR),
    ],
)
def test_rcodes(rcode: str, status: Status) -> None:
    """RFC 7208 4.4, 5: all but 0 and 3 are errors, whatever else is in the message."""
    outcome = read("a.example", 'a.example. 9 IN TXT "x"', rcode=rcode)
    assert isinstance(outcome, Failure)
    assert outcome.status is status
    assert rcode in outcome.text


# ---- which server, and when -------------------------------------------------------------------


def new_attempt(tcp: bool = False) -> Attempt:
    return Attempt(SERVER, make_query(text_to_name("a.example"), TXT, 1232), 1232, tcp, 5.0)


def good_octets(attempt: Attempt) -> bytes:
    query = dns.message.from_wire(attempt.octets[2:] if attempt.tcp else attempt.octets)
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text("a.example.", 9, "IN", "TXT", '"x"'))
    octets: bytes = reply.to_wire(prepend_length=attempt.tcp)
    return octets


def test_stream_in_pieces() -> None:
    attempt = new_attempt(tcp=True)
    octets = good_octets(attempt)
    for octet in octets[:-1]:
        attempt.take(bytes([octet]))
        assert not attempt.done
    attempt.take(octets[-1:] + b"next message")
    assert attempt.reply is not None


def test_forged_datagrams_do_not_end_the_wait() -> None:
    """RFC 5452 9.1: only the id of the query makes a datagram its answer."""
    attempt = new_attempt()
    octets = good_octets(attempt)
    forged = bytes([octets[0] ^ 1]) + octets[1:]
    query_itself = attempt.octets
    for datagram in (b"", octets[:11], forged, query_itself):
        attempt.take(datagram)
        assert not attempt.done
    attempt.take(octets)
    assert attempt.reply is not None


def test_any_octets_end_in_a_definite_state() -> None:
    """Mutations of a good reply: never an exception, and a failure has a sentence."""
    rng = random.Random(7208)
    outcomes = set()
    for _ in range(2000):
        attempt = new_attempt()
        octets = bytearray(good_octets(attempt))
        for _ in range(rng.randint(1, 4)):
            octets[rng.randrange(2, len(octets))] = rng.randrange(256)
        del octets[rng.choice([len(octets), rng.randrange(12, len(octets))]) :]
        attempt.take(bytes(octets))
        lookup = Lookup(
            Question("a.example", TXT), (SERVER,), timeout=5, try_seconds=5, tries=1, payload=1232
        )
        if attempt.done:
            lookup.take(attempt)
        if attempt.failure is not None:
            assert attempt.failure.status is Status.MALFORMED
            assert attempt.failure.text
        if lookup.answer is not None:
            outcomes.add(lookup.answer.status)
    assert Status.OK in outcomes
    assert Status.NODATA in outcomes


def test_each_query_has_another_id() -> None:
    ids = {new_attempt().octets[:2] for _ in range(64)}
    assert len(ids) > 48
