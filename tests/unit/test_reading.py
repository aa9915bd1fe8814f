"""Reading Received-SPF and Authentication-Results of others: what is taken, and what is refused."""

from __future__ import annotations

import time

import pytest

import senderid_fast as sf
from senderid_fast.receiver.reading import (
    Property,
    read_authentication_results,
    read_received_spf,
)

RFC_7208_EXAMPLES = [
    b"""pass (mybox.example.org: domain of
    myname@example.com designates 192.0.2.1 as permitted sender)
       receiver=mybox.example.org; client-ip=192.0.2.1;
       envelope-from="myname@example.com"; helo=foo.example.com;""",
    b"""fail (mybox.example.org: domain of
                     myname@example.com does not designate
                     192.0.2.1 as permitted sender)
                     identity=mailfrom; client-ip=192.0.2.1;
                     envelope-from="myname@example.com";""",
    b"""pass (mybox.example.org: domain of
    myname@example.com designates 192.0.2.1 as permitted sender)
       receiver=mybox.example.org; client-ip=192.0.2.1;
       mechanism=ip4:192.0.2.1; envelope-from="myname@example.com";
       helo=foo.example.com;""",
]


@pytest.mark.parametrize("body", RFC_7208_EXAMPLES)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_examples_of_rfc_7208(body: bytes, line_end: bytes) -> None:
    found = read_received_spf(body.replace(b"\n", line_end) + line_end)
    assert found.value("client-ip") == "192.0.2.1"
    assert found.value("envelope-from") == "myname@example.com"
    assert (found.comment or "").startswith("mybox.example.org: domain of")
    assert found.value("mechanism") in (None, "ip4:192.0.2.1")


@pytest.mark.parametrize("quoted", ["ip4:192.0.2.1", '"ip4:192.0.2.1"'])
def test_values_with_and_without_quotes(quoted: str) -> None:
    found = read_received_spf(f"pass mechanism={quoted}; client-ip=2001:db8::1")
    assert found.pairs == (("mechanism", "ip4:192.0.2.1"), ("client-ip", "2001:db8::1"))


@pytest.mark.parametrize("word", ["Pass", "SoftFail", "None", "TempError", "NEUTRAL", "permerror"])
def test_capitals_of_rfc_4408(word: str) -> None:
    found = read_received_spf(f" {word} (x) x-Software=y")
    assert found.result == word.lower()
    assert found.value("x-software") == "y"


def test_what_is_tolerated_in_received_spf() -> None:
    found = read_received_spf(
        "(first) Pass(mx: it (really) does \\) so)(again) Client-IP = 192.0.2.1 (c) ;;"
        ' X-Ware="a \\"b\\" ; c=d"; envelope-from=<a@b.example>; helo=; mailbox="a b"@c;'
    )
    assert found.result is sf.Result.PASS
    assert found.comment == "mx: it (really) does ) so"
    assert found.pairs == (
        ("client-ip", "192.0.2.1"),
        ("x-ware", 'a "b" ; c=d'),
        ("envelope-from", "<a@b.example>"),
        ("helo", ""),
        ("mailbox", '"a b"@c'),
    )
    assert read_received_spf("none").pairs == ()
    assert read_received_spf("none").comment is None
    assert read_received_spf("none;").pairs == ()
    assert read_received_spf("none\r\n").pairs == ()  # the line end of the field itself
    assert read_received_spf("pass a=\xe9").value("a") == "\xe9"
    assert read_received_spf(b"pass a=\xff").value("a") == "\udcff"


def test_a_key_that_says_two_things_says_nothing() -> None:
    found = read_received_spf("pass helo=a; helo=b; receiver=c; receiver=c")
    assert found.value("helo") is None
    assert found.value("Receiver") == "c"
    assert found.pairs[:2] == (("helo", "a"), ("helo", "b"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "(pass)",
        '"pass"',
        "passive",
        "pass-ing",
        "pass=1",
        'pass"x"',
        "unknown (x)",
        "pass (x",
        "pass (x\\)",
        "pass (x)) a=b",
        "pass a",
        "pass =b",
        'pass a="b',
        'pass a="b\\"',
        "pass a=b c=d",
        "pass a=b (c) d",
        "pass a=b)",
        "pass\nX: y",
        "pass a=b\r\nX: y",
        "pass\r a=b",
        "pass a=\x00",
        "pass a=\x0b",
        "pass a=\x7f",
        "pass a=b\n\n",
    ],
)
def test_malformed_received_spf(body: str) -> None:
    for form in (body, body.encode()):
        with pytest.raises(sf.InputError) as raised:
            read_received_spf(form)
        assert raised.value.field == "body"


# Authentication-Results


def test_all_parts_of_authentication_results() -> None:
    found = read_authentication_results(
        b' (who) "mx.example.net" (id) 1 (v) ; (a) SPF (b) / (c) 1 (d) = (e) PASS (f)\r\n'
        b'\treason (g) = "said; spf=fail" (h) smtp (i) . (j) mailfrom (k) = (l) a@b.example (m)\r\n'
        b' header.from="x \\" y"; dkim-adsp=none;dkim=pass header.i=@b.example header.b="a/b=="'
        b" header.b=a/b==;\r\n"
    )
    assert (found.authserv_id, found.version) == ("mx.example.net", 1)
    spf, adsp, dkim = found.results
    assert spf[:4] == ("spf", 1, "pass", "said; spf=fail")
    assert spf.properties == (
        Property("smtp", "mailfrom", "a@b.example"),
        Property("header", "from", 'x " y'),
    )
    assert spf.value("smtp", "mailfrom") == "a@b.example"
    assert adsp == ("dkim-adsp", 1, "none", None, ())
    assert dkim.value("header", "b") == "a/b=="
    assert found.of("spf") == (spf,)


def test_only_whole_words_are_results() -> None:
    found = read_authentication_results(
        'mx.example.net; spf=passive; spf=softfail; spf/999=pass; dkim=none reason="spf=pass"; '
        "dkim=fail (spf=pass; spf=pass); xspf=pass; spf-x=pass; x=y z.spf=pass"
    )
    assert [info.result for info in found.of("spf")] == ["passive", "softfail"]
    assert not [info for info in found.of("spf") if info.result == "pass"]
    assert found.results[2][:3] == ("spf", 999, "pass")
    assert found.results[3].reason == "spf=pass"


def test_hardfail_is_fail() -> None:
    found = read_authentication_results("a; spf=hardfail; sender-id=HardFail; dkim=hardfail")
    assert [info.result for info in found.results] == ["fail", "fail", "hardfail"]


def test_unknown_property_types_are_kept() -> None:
    found = read_authentication_results(
        "a; spf=pass dns.sec=yes policy.x.y=z action=none reason=1 reason=2 header.from="
    )
    assert found.results[0].reason == "1"
    assert found.results[0].properties == (
        ("dns", "sec", "yes"),
        ("policy", "x.y", "z"),
        ("", "action", "none"),
        ("", "reason", "2"),
        ("header", "from", ""),
    )


def test_a_property_that_says_two_things_says_nothing() -> None:
    info = read_authentication_results("a; spf=pass smtp.helo=a smtp.helo=b").results[0]
    assert info.value("smtp", "helo") is None
    assert info.value("smtp", "mailfrom") is None


@pytest.mark.parametrize(
    "body", ["mx; none", "mx;none;", "mx", "mx 1;", " mx (x) 1 ; (y) NONE (z)"]
)
def test_no_results(body: str) -> None:
    assert read_authentication_results(body).results == ()


def test_of_an_unknown_version_nothing_is_read() -> None:
    found = read_authentication_results("mx 2; spf=pass; {")
    assert (found.authserv_id, found.version, found.results) == ("mx", 2, ())


def test_an_identifier_may_be_missing() -> None:
    found = read_authentication_results(
        " spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=b.example; dkim=none header.d=none;"
        "dmarc=none action=none header.from=;"
    )
    assert found.authserv_id == ""
    assert [info.method for info in found.results] == ["spf", "dkim", "dmarc"]
    # Quotes say that it is an identifier, whatever is in it.
    assert read_authentication_results('"spf=pass"; none').authserv_id == "spf=pass"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "; spf=pass",
        '""; spf=pass',
        "(mx)",
        "mx example; spf=pass",
        "mx spf=pass",
        "mx 1 2; spf=pass",
        "mx 1234567890; spf=pass",
        "mx \xb2; spf=pass",
        "mx; spf",
        "mx; spf/=pass",
        "mx; spf/x=pass",
        "mx; spf/\xb2=pass",
        "mx; spf/12345678901=pass",
        "mx; spf=",
        'mx; spf="pass"',
        "mx; spf=pass,fail",
        "mx; spf=pass=x",
        "mx; spf=pass.",
        "mx; spf=pass smtp.mailfrom",
        "mx; spf=pass smtp.=a",
        "mx; spf=pass .mailfrom=a",
        "mx; spf=pass word",
        'mx; spf=pass a.b="c',
        "mx; spf=pass a.b=c)",
        "mx; spf=pass (a",
        "mx; none; spf=pass",
        "mx; spf=pass; none",
        "=?utf-8?q?mx?=; spf=pass",
        "mx; spf=pass\r\nBcc: a",
        "mx; spf=pass\x00",
        "mx\xa0; spf=pa\xdfs",
    ],
)
def test_malformed_authentication_results(body: str) -> None:
    for form in (body, body.encode()):
        with pytest.raises(sf.InputError) as raised:
            read_authentication_results(form)
        assert raised.value.field == "body"


@pytest.mark.parametrize("read", [read_received_spf, read_authentication_results])
def test_bounds(read: object) -> None:
    assert callable(read)
    longest = "none" + " " * 65_532
    read(longest)
    for body in (longest + " ", longest.encode() + b" "):
        with pytest.raises(sf.InputError, match="65536"):
            read(body)
    with pytest.raises(sf.InputError):
        read(None)
    started = time.process_time()
    for unit in (
        "(",
        ")",
        '"',
        "\\",
        "a=",
        ";",
        "(a",
        '"a',
        "\\(",
        "a ",
        "a.",
        "\r\n ",
        "=?",
        "()",
    ):
        for head in ("pass ", "mx; spf=pass a.b=", "pass (", 'pass a="', ""):
            body = (head + unit * 65_536)[:65_536]
            try:
                read(body)
            except sf.InputError:
                continue
    # 70 bodies of 64 KiB. What costs the square of its length would need minutes for one of them.
    assert time.process_time() - started < 20
