"""One Received field: the formats of servers, and fields that are forged, folded or broken."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senderid_fast._core.cidr import parse_address
from senderid_fast.receiver.received import MAX_BODY, FieldReason, Received, parse_received

D = "; Mon, 1 Jan 2024 00:00:00 +0000"
V4, V6 = "192.0.2.1", "2001:db8::1"
MX = "by mx.example.com"


def read(text: str) -> Received:
    return parse_received(text.encode("utf-8"))


# The text of a field, the address, the HELO name. 203.0.113.9 is what the client merely says.
FORMATS = {
    "rfc5321": (f"from x.example (rdns.example [{V4}]) {MX} with ESMTP id 1{D}", V4, "x.example"),
    "rfc5321-literal": (f"from [203.0.113.9] ([{V4}]) {MX} with ESMTP{D}", V4, "[203.0.113.9]"),
    "postfix": (
        f"from x.example (rdns.example [{V4}])\r\n\t(using TLSv1.3 with cipher X (256/256 bits))"
        f'\r\n\t(Client CN "[203.0.113.9]", Issuer "y" (not verified))\r\n\t{MX} (Postfix) with'
        f" ESMTPS id 4F\r\n\tfor <a@example.com>{D} (UTC)",
        V4,
        "x.example",
    ),
    "postfix-unknown": (f"from x (unknown [{V4}]) {MX} (Postfix) with ESMTP id 4F{D}", V4, "x"),
    "postfix-ipv6": (f"from x (rdns [IPv6:{V6}]) {MX} (Postfix) with ESMTP id 4F{D}", V6, "x"),
    "postfix-literal": (
        f"from [203.0.113.9] (unknown [{V4}]) (Authenticated sender: a) {MX} (Postfix){D}",
        V4,
        "[203.0.113.9]",
    ),
    "postfix-old-helo": (
        f"from A PC (unknown [{V4}]) {MX} (Postfix) with SMTP id 4F{D}",
        V4,
        "A PC",
    ),
    "sendmail": (f"from x.example (rdns [{V4}]) {MX} (8.18.1/8.18.1) with ESMTP id q{D}", V4, None),
    "sendmail-forged": (
        f"from x (rdns [{V4}] (may\r\n\tbe forged)) {MX} (8.9.3/8.9.3) with ESMTP id q{D}",
        V4,
        "x",
    ),
    "sendmail-ident": (
        f"from x (IDENT:root@rdns [{V4}]) {MX} (8.11.6) with ESMTP id q{D}",
        V4,
        "x",
    ),
    "sendmail-ident-only": (f"from x (root@[{V4}]) {MX} (8.11.6) with ESMTP id q{D}", V4, "x"),
    "exim": (
        f"from rdns.example ([{V4}] helo=x.example)\n\t{MX} with esmtps (TLS1.3) (Exim 4.96)"
        f"\n\t(envelope-from <a@b.example>)\n\tid 1a-0001\n\tfor c@example.com{D}",
        V4,
        "x.example",
    ),
    "exim-helo-literal": (
        f"from rdns ([{V4}]:5678 helo=[203.0.113.9] ident=y) {MX} with esmtp (Exim 4.96) id 1{D}",
        V4,
        "[203.0.113.9]",
    ),
    "exim-ident-blank": (
        f"from rdns ([{V4}] helo=x ident=y [203.0.113.9]) {MX} with esmtp (Exim 4.96) id 1{D}",
        V4,
        "x",
    ),
    "exim-same-name": (f"from rdns ([{V4}]) {MX} with esmtp (Exim 4.96) id 1{D}", V4, "rdns"),
    "exim-no-name": (f"from [{V4}] (helo=x) {MX} with esmtp (Exim 4.96) id 1{D}", V4, "x"),
    "exim-port": (f"from [{V4}] (port=4711 helo=x) {MX} with esmtp (Exim 4.96) id 1{D}", V4, "x"),
    "exim-port-outside": (f"from [{V4}]:47 (helo=x) {MX} with smtp (Exim 4.96) id 1{D}", V4, "x"),
    "exim-ipv6": (f"from [{V6}] (helo=x) {MX} with esmtp (Exim 4.96) id 1{D}", V6, "x"),
    "exim-no-helo": (f"from [{V4}] {MX} with smtp (Exim 4.96) id 1{D}", V4, None),
    "exim-3": (f"from rdns [{V4}] {MX} with esmtp (Exim 3.12 #1) id 1{D}", V4, "rdns"),
    "exchange": (
        f"from A.example ({V4}) by B.example (198.51.100.2) with Microsoft SMTP Server"
        f" (version=TLS1_2, cipher=X) id 15.20.1.1{D}",
        V4,
        "A.example",
    ),
    "exchange-ipv6": (f"from A ({V6}) by B (2001:db8::2) with Microsoft SMTP Server{D}", V6, "A"),
    "exchange-brackets": (f"from A ([{V6}]) by B ([2001:db8::2]) with SMTP{D}", V6, "A"),
    "exchange-zone": (f"from A ([fe80::1%9]) by B ([fe80::2%9]) with SMTP{D}", "fe80::1", "A"),
    "exchange-5.5": (f"from x ({V4} [{V4}]) {MX} with SMTP (Microsoft Exchange){D}", V4, "x"),
    "iis": (f"from x ([{V4}]) {MX} with Microsoft SMTPSVC(6.0.3790.1830){D}", V4, "x"),
    "iis-rdns": (f"from x ([{V4}] RDNS failed) {MX} with Microsoft SMTPSVC(6.0){D}", V4, "x"),
    "gmail": (
        f"from x.example (rdns.example. [{V4}]) by mx.google.com with ESMTPS id a-9\r\n        for"
        f" <a@example.com>\r\n        (version=TLS1_3 cipher=X bits=256/256){D} (PST)",
        V4,
        "x.example",
    ),
    "gmail-ipv6": (f"from x (rdns. [{V6}]) by mx.google.com with ESMTPS id a{D}", V6, "x"),
    "qmail": (f"from unknown (HELO x.example) ({V4}) {MX} with SMTP{D}", V4, "x.example"),
    "qmail-ident": (f"from rdns (HELO x) (user@{V4}) {MX} with SMTP{D}", V4, "x"),
    "qmail-login": (f"from rdns (HELO x) (user@{V4} with login) {MX} with SMTP{D}", V4, "x"),
    "qmail-same-name": (f"from rdns ({V4}) {MX} with SMTP{D}", V4, "rdns"),
    "qmail-helo-address": (f"from unknown (HELO 203.0.113.9) ({V4}) {MX} with SMTP{D}", V4, None),
    "qmail-ldap": (f"from x (@[{V4}]) (envelope-sender <a@b>) {MX} (qmail-ldap-1.03){D}", V4, "x"),
    "courier": (
        f"from x (rdns [::ffff:{V4}]) (AUTH: LOGIN a, TLS: TLSv1.2) {MX} with ESMTPS id 0{D}",
        V4,
        "x",
    ),
    "communigate": (
        f"from [{V4}] (account a@b HELO x) {MX} (CommuniGate Pro SMTP 5.0) with ESMTP id 1{D}",
        V4,
        "x",
    ),
    "communigate-verified": (f"from x ([{V4}] verified) {MX} (CommuniGate Pro SMTP 5){D}", V4, "x"),
    "domino": (f"from x ([{V4}]) {MX} (Lotus Domino Release 5.0.8) with ESMTP id 2:3{D}", V4, "x"),
    "mdaemon": (f"from x (x [{V4}]) {MX} (MDaemon.PRO.v6.8.5.R) with ESMTP id 1{D}", V4, "x"),
    "imail": (f"from x.example [{V4}] {MX} (SMTPD32-8.05) id A1{D}", V4, "x.example"),
    "zimbra": (f"from x (LHLO y.example) ({V4}) {MX} with LMTP{D}", V4, "y.example"),
    "amavis": (
        f"from localhost ([127.0.0.1]) {MX} (amavisd-new, port 10024){D}",
        "127.0.0.1",
        None,
    ),
    "groupwise": (f"from x ([{V4}]) {MX} with Novell_GroupWise{D}", V4, "x"),
    "dovecot": (f"from x ([{V4}]) {MX} with LMTP id a (envelope-from <a@b>) for <c@d>{D}", V4, "x"),
    "zmailer": (
        f'from rdns ([{V4}]:38321 "EHLO x" rhost-flags-OK) {MX} with ESMTP id S{D}',
        V4,
        "x",
    ),
    "xmail": (
        f"from x ({V4}:4711) {MX} with [XMail 1.21 ESMTP Server] id <S> for <a@b>{D}",
        V4,
        "x",
    ),
    "smap": (f"from x({V4}) {MX} via smap (V2.1) id xma001233{D}", V4, "x"),
    "eims": (
        f"from [203.0.113.9] ({V4}) {MX} with ESMTP (Eudora Internet Mail Server){D}",
        V4,
        None,
    ),
    "symantec": (f"from x ( [{V4}]) {MX} (Symantec Messaging Gateway) with SMTP id C{D}", V4, "x"),
    "mailmarshal": (f"from x (Not Verified[{V4}]) {MX} (using TLS: TLSv1.2, X) id <B>{D}", V4, "x"),
    "mercury": (f"from x ({V4}) {MX} (Mercury 1.44){D}", V4, "x"),
    "fetchmail": (f"from pop.example [{V4}] by localhost with POP3 (fetchmail-6.3){D}", V4, None),
    "capitals": (f"FROM x (rdns [{V4}]) BY mx.example.com WITH ESMTP{D}", V4, "x"),
    "helo-by": (f"from by (rdns [{V4}]) {MX} with ESMTP{D}", V4, "by"),
    "no-name": (f"from ({V4} [{V4}]) {MX} with ESMTP{D}", V4, None),
    # A name from DNS may read like an address.
    "rdns-address": (f"from x (203.0.113.9 [{V4}] (may be forged)) {MX} (8.18.1){D}", V4, "x"),
}


@pytest.mark.parametrize("case", FORMATS)
def test_the_address_that_the_server_saw(case: str) -> None:
    text, ip, helo = FORMATS[case]
    received = read(text)
    assert (received.ip, received.reason) == (ip, FieldReason.ADDRESS)
    if helo is not None:
        assert received.helo == helo
    # However it is folded.
    for space in ("\r\n\t", "\n ", "  "):
        assert read(text.replace(" ", space)).ip == ip
    # Nothing behind the from clause counts.
    assert read(text + " (host [203.0.113.77])").ip == ip


NONE = {
    "gmail-inside": ("by 2002:a17:902:4a:: with SMTP id a9" + D, FieldReason.NO_FROM),
    "by-address": (f"{MX} ([{V4}]) with ESMTP" + D, FieldReason.NO_FROM),
    "empty": ("", FieldReason.NO_FROM),
    "blank": (" \r\n\t ", FieldReason.NO_FROM),
    "text": ("apparently", FieldReason.NO_FROM),
    "postfix-local": ("by mx (Postfix, from userid 1000) id D3" + D, FieldReason.LOCAL),
    "sendmail-local": (f"(from root@localhost) {MX} (8.18.1) id q" + D, FieldReason.LOCAL),
    "sendmail-unix": (f"from a (a [[UNIX: localhost]]) {MX}" + D, FieldReason.LOCAL),
    "cyrus": (f"from a ([unix socket]) {MX} (Cyrus v2.2.12) with LMTPA" + D, FieldReason.LOCAL),
    "opensmtpd": ("from a (a [local]) by a (OpenSMTPD) with ESMTPA id 9" + D, FieldReason.LOCAL),
    "exim-local": (f"from root {MX} with local (Exim 4.96) id 1" + D, FieldReason.LOCAL),
    "exim-local-smtp": (
        f"from a (helo=x) {MX} with local-esmtp (Exim 4.96)" + D,
        FieldReason.LOCAL,
    ),
    "iis-pickup": (f"from mail pickup service {MX} with Microsoft SMTPSVC" + D, FieldReason.LOCAL),
    "qmail-uid": ("(qmail 5162 invoked by uid 500); 1 Jan 2024 0:0:0 -0000", FieldReason.LOCAL),
    "qmail-bounce": ("(qmail 5162 invoked for bounce); 1 Jan 2024", FieldReason.LOCAL),
    "nullmailer": ("(nullmailer pid 3 invoked by uid 0)" + D, FieldReason.LOCAL),
    "qmail-network": ("(qmail 5162 invoked from network); 1 Jan 2024", FieldReason.HANDOVER),
    "postfix-lost": (f"from x (unknown [unknown]) {MX} (Postfix)" + D, FieldReason.NO_ADDRESS),
    "empty-literal": (f"from x (x []) {MX} (Postfix)" + D, FieldReason.NO_ADDRESS),
    "no-such-address": (f"from x (x [300.1.2.3]) {MX} (Postfix)" + D, FieldReason.NO_ADDRESS),
    "names-only": (f"from x (actually y) {MX} with SMTP" + D, FieldReason.NO_ADDRESS),
    "groupwise-inside": (f"from MTA-GW {MX} with Novell_GroupWise" + D, FieldReason.NO_ADDRESS),
    "helo-literal": (f"from [{V4}] {MX} with SMTP" + D, FieldReason.CLAIMED),
    "helo-bare": (f"from {V4} {MX} with SMTP" + D, FieldReason.CLAIMED),
    "helo-pair": (f"from x [{V4}] {MX} with SMTP" + D, FieldReason.CLAIMED),
    "helo-comment": (f"from x (HELO {V4}) {MX} with SMTP" + D, FieldReason.NO_ADDRESS),
    "certificate": (f'from x (unknown) (Client CN "[{V4}]") {MX}' + D, FieldReason.NO_ADDRESS),
    "user-name": (f"from x (Authenticated sender: [{V4}]) {MX}" + D, FieldReason.NO_ADDRESS),
    # What becomes of fields when a server lets HELO names with spaces and parentheses through.
    "forged-comment": (f"from x (y [203.0.113.9]) (r [{V4}]) {MX}" + D, FieldReason.AMBIGUOUS),
    "forged-by": (f"from x (y [203.0.113.9]) by z (r [{V4}]) {MX}" + D, FieldReason.AMBIGUOUS),
    "forged-field": (
        f"from x (y [203.0.113.9]) by z with SMTP; Mon (r [{V4}]) {MX}" + D,
        FieldReason.AMBIGUOUS,
    ),
    "forged-unclosed": (f"from x (y [203.0.113.9] (r [{V4}]) {MX}" + D, FieldReason.AMBIGUOUS),
    "forged-unclosed-exim": (f"from x ([203.0.113.9] helo= (r [{V4}]) {MX}" + D, None),
    "forged-closed-later": (
        f"from x (y [203.0.113.9] (r [{V4}]) {MX} for <a)b@c>" + D,
        FieldReason.AMBIGUOUS,
    ),
    "forged-claim": (f"from [203.0.113.9] (helo= (r [{V4}]) {MX} for <a)@c>" + D, None),
    "forged-bare": (f"from x (203.0.113.9 ({V4}) {MX} for <a)@c>" + D, FieldReason.AMBIGUOUS),
    "forged-ident": (f"from x ([203.0.113.9] y@r [{V4}]) {MX} (8.9.3)" + D, FieldReason.AMBIGUOUS),
    "forged-rdns": (f"from x ([203.0.113.9] [{V4}]) {MX}" + D, FieldReason.AMBIGUOUS),
    "forged-quote": (f'from "x (unknown [{V4}]) {MX} for <"a"@b>' + D, None),
}


@pytest.mark.parametrize("case", NONE)
def test_no_address_and_why(case: str) -> None:
    text, reason = NONE[case]
    received = read(text)
    assert received.ip is None
    assert received.reason is not FieldReason.ADDRESS
    if reason is not None:
        assert received.reason is reason


def test_the_clauses() -> None:
    received = read(
        f"from x.example (y [{V4}]) by mx.example.com. (Postfix) via TCP with ESMTPS\r\n\tid"
        ' 4F@mx for <"a b"@example.com> (comment); Mon, 1 Jan 2024 00:00:00 +0000 (UTC)'
    )
    assert received == Received(
        ip=V4,
        reason=FieldReason.ADDRESS,
        helo="x.example",
        from_name="x.example",
        by="mx.example.com.",
        via="TCP",
        with_protocol="ESMTPS",
        id="4F@mx",
        for_path='<"a b"@example.com>',
        date="Mon, 1 Jan 2024 00:00:00 +0000 (UTC)",
    )
    assert read(f"from a ({V4}) by b with Microsoft SMTP Server id 1").with_protocol == (
        "Microsoft SMTP Server"
    )
    assert read("by a for <multiple recipients>; x").for_path == "<multiple recipients>"
    assert read('by a for "u"@b c; x').for_path == '"u"@b'
    assert read("by a for <u; x").for_path == "<u"


@pytest.mark.parametrize(
    ("clause", "smtp"),
    [
        ("with ESMTPSA", True),
        ("with Microsoft SMTP Server", True),
        ("via smtpd", True),
        ("id 1", True),
        ("with HTTPS", False),
        ("with mapi", False),
        ("with IMAP (fetchmail-6.3)", False),
        ("via HTTP", False),
    ],
)
def test_other_protocols_than_smtp(clause: str, smtp: bool) -> None:
    assert read(f"from a ([{V4}]) by b {clause}{D}").smtp is smtp


def test_octets_that_are_not_text() -> None:
    received = parse_received(b"from x\xff\x00 (y\xc3 [192.0.2.1]) by \xe2\x82 with SMTP; \x80")
    assert received.ip == V4
    assert received.helo == "x\ufffd\x00"
    assert read(f"from müller.example (y [{V4}]) by b").helo == "müller.example"  # RFC 6531


def test_the_length_is_bounded() -> None:
    head = f"from x (y [{V4}]) by b; ".encode()
    assert parse_received(head.ljust(MAX_BODY)).ip == V4
    assert parse_received(head.ljust(MAX_BODY + 1)).reason is FieldReason.TOO_LONG


@pytest.mark.parametrize(
    "piece",
    ["(", ")", "()", '"', '"\\', '\\"', "[", "[]", "[(", "<", ";", "a ", " ", "\\", "by ", "HELO "],
)
@pytest.mark.parametrize(
    "start", ["", "from x ", "from x (", "from x (HELO ", "from x ([192.0.2.1] "]
)
def test_the_time_is_bounded(start: str, piece: str) -> None:
    body = (start + piece * MAX_BODY)[:MAX_BODY].encode()
    begun = time.process_time()
    parse_received(body)
    assert time.process_time() - begun < 1  # some 20 ms; with work by the square it is seconds


WORDS = """from by via with id for ; ( ) [ ] " \\ < > @ : % = , [192.0.2.1] 192.0.2.1 2001:db8::1
    ([192.0.2.1]) [IPv6:2001:db8::1] (HELO helo= ident= account EHLO ESMTP local x.example (Postfix)
    (fetchmail- (Exim unknown [unknown] ü"""
PIECES = st.sampled_from([*WORDS.split(), " ", "\r\n\t", "\x00", "(Exim 4) ", "HELO x"])


@given(st.lists(PIECES, max_size=30).map(" ".join) | st.lists(PIECES, max_size=30).map("".join))
def test_pieces_in_any_order(text: str) -> None:
    check(text.encode())


@given(st.binary(max_size=200))
def test_any_octets(body: bytes) -> None:
    check(body)
    check(b"from " + body + b" by mx.example.com; date")


def check(body: bytes) -> None:
    received = parse_received(body)
    assert (received.ip is None) == (received.reason is not FieldReason.ADDRESS)
    if received.ip is not None:
        assert parse_address(received.ip) == received.ip
    assert isinstance(received.smtp, bool)


@given(st.text(st.characters(exclude_characters='()"\\[]; \t\r\n', codec="utf-8"), min_size=1))
def test_no_helo_without_specials_changes_the_address(helo: str) -> None:
    """A server that keeps specials out of HELO (Postfix writes "?") cannot be misled."""
    for shape in (
        f"from {helo} (rdns [{V4}]) {MX} (Postfix) with ESMTP id 1{D}",
        f"from rdns ([{V4}] helo={helo}) {MX} with esmtp (Exim 4.96) id 1{D}",
        f"from [{V4}] (helo={helo}) {MX} with esmtp (Exim 4.96) id 1{D}",
        f"from unknown (HELO {helo}) ({V4}) {MX} with SMTP{D}",
    ):
        assert read(shape).ip == V4
