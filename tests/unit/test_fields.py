"""Received-SPF and Authentication-Results as we write them: what they say, and in which form."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from typing import Any

import pytest
from support.outcomes import IP, Address, Said, mail_from_verdict, verdict_of

import senderid_fast as sf
from senderid_fast.receiver.fields import Field, authentication_results, received_spf
from senderid_fast.receiver.reading import (
    ReceivedSPF,
    read_authentication_results,
    read_received_spf,
)

MX = "mx.example.net"


def spf_field(verdict: Any, **changes: Any) -> Field:
    session: dict[str, Any] = {
        "ip": IP,
        "helo": "mta.example.org",
        "mail_from": "user@example.com",
        "receiver": MX,
    }
    return received_spf(verdict, **session | changes)


def read_back(verdict: Any, **changes: Any) -> ReceivedSPF:
    return read_received_spf(spf_field(verdict, **changes).folded())


def test_received_spf_of_a_pass() -> None:
    assert str(spf_field(verdict_of("v=spf1 ip4:192.0.2.0/24 -all"))) == (
        "Received-SPF: pass (mx.example.net: domain of user@example.com designates 192.0.2.1 as"
        ' permitted sender) receiver=mx.example.net; client-ip=192.0.2.1; envelope-from="user@exam'
        'ple.com"; helo=mta.example.org; identity=mailfrom; mechanism="ip4:192.0.2.0/24"'
    )


@pytest.mark.parametrize(
    ("record", "result", "words"),
    [
        ("v=spf1 +all", "pass", "designates 192.0.2.1 as permitted sender"),
        ("v=spf1 -all", "fail", "does not designate 192.0.2.1 as permitted sender"),
        ("v=spf1 ~all", "softfail", "without being sure"),
        ("v=spf1 ?all", "neutral", "neither permitted nor denied"),
        (None, "none", "example.com has no SPF record"),
        ("v=spf1 a:broken.example", "temperror", "DNS error for broken.example A"),
        ("v=spf1 nonsense", "permerror", "syntax error"),
    ],
)
def test_every_result_is_said_in_the_comment(record: str | None, result: str, words: str) -> None:
    found = read_back(verdict_of(record, broken=["SERVFAIL"]))
    assert found.result == result
    assert found.comment is not None
    assert found.comment.startswith("mx.example.net: ")
    assert words in found.comment


def test_the_problem_is_said_of_errors_only() -> None:
    voids = " ".join(f"a:no{number}.example" for number in range(4))
    found = read_back(verdict_of(f"v=spf1 {voids} -all"))
    assert found.result == "permerror"
    assert "limit of 2" in (found.value("problem") or "")
    assert "limit of 2" in (found.comment or "")
    for record in ("v=spf1 +all", "v=spf1 -all", "v=spf1 ?all", None):
        assert read_back(verdict_of(record)).value("problem") is None


def test_the_mechanism() -> None:
    assert read_back(verdict_of("v=spf1 a -all")).value("mechanism") == "-all"
    assert read_back(verdict_of("v=spf1 a")).value("mechanism") == "default"
    # No record was evaluated to its end.
    assert read_back(verdict_of(None)).value("mechanism") is None
    assert read_back(verdict_of("v=spf1 nonsense")).value("mechanism") is None


@pytest.mark.parametrize(
    ("ip", "written"),
    [
        ("192.0.2.1", "client-ip=192.0.2.1;"),
        ("2001:DB8:0::1", 'client-ip="2001:db8::1";'),
        ("::ffff:192.0.2.1", "client-ip=192.0.2.1;"),
        ("fe80::1%eth0", 'client-ip="fe80::1";'),
        (ip_address("2001:db8::1"), 'client-ip="2001:db8::1";'),
        (b"\xc0\x00\x02\x01", "client-ip=192.0.2.1;"),
    ],
)
def test_client_ip(ip: Any, written: str) -> None:
    assert written in spf_field(Said(), ip=ip).body


@pytest.mark.parametrize("ip", ["", "192.0.2", "host; x=y", b"abc", "::1\n"])
def test_a_client_ip_that_is_none(ip: Any) -> None:
    with pytest.raises(sf.InputError) as raised:
        spf_field(Said(), ip=ip)
    assert raised.value.field == "ip"


def test_the_reverse_path() -> None:
    assert read_back(Said(), mail_from="<a@b.example>").value("envelope-from") == "a@b.example"
    assert read_back(Said(), mail_from=b"<a@b.example>").value("envelope-from") == "a@b.example"
    for null in ("", "<>", b"", b"<>"):
        assert 'envelope-from="";' in spf_field(Said(), mail_from=null).body
    assert "envelope-from" not in spf_field(Said(), mail_from=None).body
    assert "helo" not in spf_field(Said(), helo=None).body


def test_the_identity() -> None:
    zone = {"mta.example.org": [{"TXT": "v=spf1 +all"}]}
    with sf.Engine(sf.ZoneResolver(zone)) as engine:
        helo = read_back(engine.check_helo(IP, "mta.example.org"))
        host = read_back(engine.check_host(IP, "mta.example.org", "user@mta.example.org"))
    assert helo.value("identity") == "helo"
    assert "domain of mta.example.org designates" in (helo.comment or "")
    # A plain check_host() does not know what its domain is of.
    assert host.value("identity") is None
    pra = Said(identity="pra", scope=sf.Scope.PRA, pra=Address("sender", "list@lists.example"))
    assert read_back(pra).value("identity") == "pra"
    assert read_back(pra).value("pra") == "list@lists.example"
    assert "domain of list@lists.example designates" in (read_back(pra).comment or "")


def test_a_fail_that_no_record_gave_is_not_said_to_be_one() -> None:
    said = Said(
        result=sf.Result.FAIL,
        reason=sf.Reason.NO_DOMAIN,
        scope=sf.Scope.PRA,
        identity="pra",
        detail="example.com does not exist",
        mechanism=None,
    )
    found = read_back(said)
    assert found.comment == "mx.example.net: example.com does not exist"
    assert found.value("mechanism") is None


@pytest.mark.parametrize(
    "name", ["", "mx\r\nBcc: a@b.example", "mx.\xe9.example", "x" * 256, "a\x00"]
)
def test_own_names_are_refused_rather_than_changed(name: str) -> None:
    with pytest.raises(sf.InputError) as raised:
        spf_field(Said(), receiver=name)
    assert raised.value.field == "receiver"
    with pytest.raises(sf.InputError) as raised:
        authentication_results(name)
    assert raised.value.field == "authserv_id"


# What senders put in, and what must come of it.


@pytest.mark.parametrize("helo", ["x; identity=helo", "x y=z", 'x" identity="helo', "x\\", "(x"])
def test_a_helo_name_adds_no_key(helo: str) -> None:
    found = read_back(Said(), helo=helo)
    keys = [key for key, _ in found.pairs]
    assert keys == ["receiver", "client-ip", "envelope-from", "helo", "identity", "mechanism"]
    assert found.value("helo") == helo
    assert found.value("identity") == "mailfrom"


def test_parentheses_do_not_end_the_comment() -> None:
    sender = "a) client-ip=203.0.113.9; (b\\) (@example.com"
    found = read_back(Said(sender=sender), mail_from=sender)
    assert found.value("client-ip") == IP
    assert found.value("envelope-from") == sender
    assert f"domain of {sender} designates" in (found.comment or "")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\r\nBcc: b", r"a\x0d\x0aBcc: b"),
        ("a\0b\x1b[2J\x7f", r"a\x00b\x1b[2J\x7f"),
        (b"\xff\xfe.example", r"\xff\xfe.example"),
        ("m\xfcller.example", r"m\xc3\xbcller.example"),
        ("a\x85b\u2028c\u202ed", r"a\xc2\x85b\xe2\x80\xa8c\xe2\x80\xaed"),
        ("\ud800", r"\xed\xa0\x80"),
        ("\t", r"\x09"),
    ],
)
def test_what_is_not_printed_ascii_is_escaped(given: str | bytes, shown: str) -> None:
    field = spf_field(Said(), helo=given)
    assert field.body.isascii()
    assert field.body.isprintable()
    assert read_received_spf(field.body).value("helo") == shown


def test_internationalised_messages_hold_printed_text_of_every_script() -> None:
    said = Said(sender="\u7528\u6237@\u4f8b\u5b50.example", domain="\u4f8b\u5b50.example")
    field = spf_field(said, mail_from=said.sender, helo="a\u202eb\xa0\x85", eai=True)
    found = read_received_spf(field.body)
    assert found.value("envelope-from") == said.sender
    assert found.value("helo") == r"a\xe2\x80\xaeb\xc2\xa0\xc2\x85"
    results = authentication_results(MX, said, local_parts=True, eai=True)
    assert results.body == f"mx.example.net; spf=pass smtp.mailfrom={said.sender}"
    assert spf_field(said, receiver="m\xfc.example", eai=True).body.count("m\xfc.example") == 2


@pytest.mark.parametrize("text", ["=?utf-8?q?=22=3B_identity=3Dhelo?=", "?utf-8?q?=22?=", "?=?="])
def test_no_encoded_word_comes_about(text: str) -> None:
    from email import message_from_string, policy

    said = Said(sender=f"{text}@example.com", domain=text)
    for field in (
        spf_field(said, helo=text, mail_from=text),
        authentication_results(MX, said, local_parts=True),
        authentication_results(MX, Said(sender=text), local_parts=True),
    ):
        message = message_from_string(f"{field.text()}\r\n", policy=policy.default)
        assert str(message[field.name]) == field.body
    assert read_back(said, helo=text).value("helo") == text


def test_long_values_are_cut_and_marked() -> None:
    said = dataclasses.replace(
        Said(), result=sf.Result.PERMERROR, reason=sf.Reason.SYNTAX_ERROR, detail="x" * 900
    )
    field = spf_field(said, helo="h" * 5000, mail_from="\x00" * 5000 + "@example.com")
    assert len(str(field)) <= 998
    assert max(map(len, field.text().split("\r\n"))) <= 998
    found = read_received_spf(field.folded())
    for key in ("helo", "envelope-from", "problem"):
        value = found.value(key) or ""
        assert value.endswith("...")
        assert 20 <= len(value) <= 320
    assert (found.value("helo") or "").strip("h") == "..."


def test_names_of_legal_length_are_whole() -> None:
    domain = ".".join(["d" * 60] * 3) + ".example"
    sender = f"{'l' * 64}@{domain}"
    found = read_back(Said(sender=sender, domain=domain), helo=domain, mail_from=sender)
    assert found.value("helo") == domain
    assert found.value("envelope-from") == sender


def test_lines_are_folded_at_spaces_only() -> None:
    for field in (
        spf_field(verdict_of("v=spf1 ip4:192.0.2.0/24 -all")),
        spf_field(Said(), helo="a  b   c" * 20),
        authentication_results(MX, Said(), Said(identity="helo"), with_helo=True, reasons=True),
    ):
        lines = field.text().split("\r\n")
        assert lines.pop() == ""
        assert len(lines) > 1
        assert all(line.strip() and line[1] != " " for line in lines)
        assert all(line.startswith(" ") for line in lines[1:])
        assert "".join(lines) == str(field)
        assert all(len(line) <= 78 for line in lines if "a  b" not in line)
        assert field.folded("\n") == field.folded().replace("\r\n", "\n")
        assert "\n" not in field.body


# Authentication-Results


def results(*verdicts: Any, **options: Any) -> str:
    return authentication_results(MX, *verdicts, **options).body


def test_authentication_results_of_a_session() -> None:
    mail_from = verdict_of("v=spf1 +all")
    with sf.Engine(sf.ZoneResolver({})) as engine:
        helo = engine.check_helo(IP, "mta.example.org")
    assert results() == "mx.example.net; none"
    assert results(mail_from) == "mx.example.net; spf=pass smtp.mailfrom=example.com"
    # One result of SPF by default; with both, that of MAIL FROM comes first.
    assert results(helo, mail_from) == results(mail_from)
    assert results(helo) == "mx.example.net; spf=none smtp.helo=mta.example.org"
    assert results(helo, mail_from, with_helo=True) == (
        "mx.example.net; spf=pass smtp.mailfrom=example.com; spf=none smtp.helo=mta.example.org"
    )
    assert results(mail_from, version=1).startswith("mx.example.net 1; spf=")
    assert results(mail_from, local_parts=True).endswith(" smtp.mailfrom=user@example.com")
    assert results(mail_from, reasons=True) == (
        'mx.example.net; spf=pass reason="\\"+all\\" of example.com matches"'
        " smtp.mailfrom=example.com"
    )


def test_a_pass_for_the_helo_name_is_not_one_for_mail_from() -> None:
    zone = {
        "attacker.example": [{"TXT": "v=spf1 +all"}],
        "example.com": [{"TXT": "v=spf1 -all"}],
    }
    with sf.Engine(sf.ZoneResolver(zone)) as engine:
        helo = engine.check_helo(IP, "attacker.example")
        mail_from = engine.check_mail_from(IP, "user@example.com", "attacker.example")
    found = read_authentication_results(results(helo, mail_from, with_helo=True))
    assert [(info.result, info.properties) for info in found.of("spf")] == [
        ("fail", (("smtp", "mailfrom", "example.com"),)),
        ("pass", (("smtp", "helo", "attacker.example"),)),
    ]


def test_the_null_reverse_path_is_postmaster_at_the_helo_name() -> None:
    zone = {"mta.example.org": [{"TXT": "v=spf1 +all"}]}
    verdict = mail_from_verdict(zone, "<>", "mta.example.org")
    assert results(verdict) == "mx.example.net; spf=pass smtp.mailfrom=mta.example.org"
    assert results(verdict, local_parts=True).endswith("=postmaster@mta.example.org")


def test_sender_id() -> None:
    pra = Said(identity="pra", scope=sf.Scope.PRA, pra=Address("Resent-From", "a@b.example"))
    assert results(pra) == "mx.example.net; sender-id=pass header.resent-from=b.example"
    assert results(pra, local_parts=True).endswith(" header.resent-from=a@b.example")
    # A record of scope mfrom may be no SPF record, so its result is none of SPF.
    mfrom = Said(scope=sf.Scope.MFROM)
    assert results(mfrom) == "mx.example.net; sender-id=pass smtp.mailfrom=example.com"
    absent = Said(result=sf.Result.NONE, reason=sf.Reason.NO_PRA, identity="pra", scope=pra.scope)
    assert results(pra, Said(), absent) == (
        "mx.example.net; spf=pass smtp.mailfrom=example.com; "
        "sender-id=pass header.resent-from=b.example; sender-id=none"
    )
    pra.pra = Address("reply-to", "a@b.example")
    with pytest.raises(sf.InputError):
        results(pra)


@pytest.mark.parametrize(
    ("sender", "written"),
    [
        ("a.b+c@example.com", "a.b+c@example.com"),
        ("a;b@example.com", '"a;b"@example.com'),
        ('"a b"@example.com', '"a b"@example.com'),
        ('"a\\"; spf=pass"@example.com', '"a\\"; spf=pass"@example.com'),
        ('"ab"@example.com', "ab@example.com"),
        ("a@b@example.com", '"a@b"@example.com'),
        ("a.@example.com", '"a."@example.com'),
        ("user@b\xfccher.example", "user@xn--bcher-kva.example"),
        ("b\xfccher.example", "xn--bcher-kva.example"),
        ("\xe9@b\xfccher.example", '"\\\\xc3\\\\xa9"@xn--bcher-kva.example'),
        ("user@\u2028.example", '"user@\\\\xe2\\\\x80\\\\xa8.example"'),
        ("user@exa mple", '"user@exa mple"'),
        ("user@[192.0.2.1]", '"user@[192.0.2.1]"'),
        ("x; spf=pass smtp.mailfrom=y", '"x; spf=pass smtp.mailfrom=y"'),
        ("a\r\n@example.com", '"a\\\\x0d\\\\x0a"@example.com'),
    ],
)
def test_a_mailbox_is_one_value(sender: str, written: str) -> None:
    body = results(Said(sender=sender), local_parts=True)
    assert body == f"mx.example.net; spf=pass smtp.mailfrom={written}"
    found = read_authentication_results(body)
    assert len(found.results) == 1
    assert len(found.results[0].properties) == 1


def test_what_no_field_can_say_is_refused() -> None:
    with pytest.raises(sf.InputError):
        results(Said(identity="host"))
    for version in (0, -1, 1000):
        with pytest.raises(sf.InputError):
            results(Said(), version=version)


def test_an_identifier_that_is_no_token_is_quoted() -> None:
    body = authentication_results("mx.example.net/2", Said()).body
    assert body.startswith('"mx.example.net/2"; ')
    assert read_authentication_results(body).authserv_id == "mx.example.net/2"


def test_a_value_that_is_empty_is_left_out() -> None:
    assert results(Said(domain="")) == "mx.example.net; spf=pass"
