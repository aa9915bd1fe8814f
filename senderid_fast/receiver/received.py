"""One Received field, read for the address that a server saw (RFC 5321 4.4).

What may live here: the text of a field and what it says, nothing of whether to believe it (see
relays.py). Nothing of ours but the core is imported.

Servers write their fields in many ways; what all have in common decides:

- Only the from clause counts. Addresses behind "by" are the server's own.
- What the client said (HELO, ident, names in its certificate) is never taken for what the server
  saw. The server's word stands in a comment behind the name, or outside of it where the comment
  holds the claim ("from [192.0.2.1] (helo=x)").
- Where a field can be read in two ways, it has no address. A missing verdict can be seen; a verdict
  on the wrong address cannot.

The work is linear in the length of the field, which is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from senderid_fast._core.cidr import parse_address

__all__ = ["MAX_BODY", "FieldReason", "Received", "parse_received"]

MAX_BODY = 16_384  #: octets of a body that are read; a field of no server comes near


class FieldReason(StrEnum):
    """What a field says of the client's address."""

    ADDRESS = "address"  #: the address that the server saw
    NO_FROM = "no-from-clause"  #: there is no from clause (RFC 5321 4.4 wants one)
    LOCAL = "local-submission"  #: submitted on the host itself; no client connected
    HANDOVER = "handover"  #: between parts of one server; the field below has the from clause
    NO_ADDRESS = "no-address"  #: the from clause has no address, or none that can be read
    CLAIMED = "claimed-address"  #: there is an address, but the client may merely have said it
    AMBIGUOUS = "ambiguous"  #: it has two addresses or by clauses, or comments out of balance
    TOO_LONG = "too-long"  #: longer than MAX_BODY


@dataclass(frozen=True, slots=True)
class Received:
    """What a Received field says, in the terms of RFC 5321 4.4. Texts are unfolded.

    ip             the address that the server saw, in its shortest form, or None
    reason         why there is one or not
    helo           what the client gave in HELO, EHLO or LHLO, or None
    from_name      the name behind "from": by the format HELO, or the name of the address in DNS
    by             the name that the server gives itself
    via, with_protocol, id, for_path   the clauses of these names
    date           what follows the last semicolon
    """

    ip: str | None
    reason: FieldReason
    helo: str | None = None
    from_name: str | None = None
    by: str | None = None
    via: str | None = None
    with_protocol: str | None = None
    id: str | None = None
    for_path: str | None = None
    date: str | None = None

    @property
    def smtp(self) -> bool:
        """Whether it came by SMTP. If not, ip is of a browser, or of a mailbox it was fetched from.

        True of protocols that are not known, and where the field names none.
        """
        protocol, via = (self.with_protocol or "").lower(), (self.via or "").lower()
        return not (protocol.startswith(_OTHER_PROTOCOLS) or via.startswith(_OTHER_PROTOCOLS))


# ---- Tokens (RFC 5322 3.2: comments nest and have quoted pairs, a quoted-string is one) ----

# Kinds of tokens. Plain strings: a field has dozens of tokens.
_WORD = "word"
_QUOTED = "quoted"  # text: with its quotes
_COMMENT = "comment"  # text: without the outer parentheses
_LITERAL = "literal"  # text: without the brackets
_SEMICOLON = "semicolon"
_UNCLOSED = "unclosed"  # a comment that never ends, and with it the rest of the text


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


# None of these can match in two ways, so none goes back over an octet to try another. A quote or
# bracket that never closes is a character of a word.
_TOKEN = r"""
    (?P<space>[ ])
  | (?P<comment>\()
  | (?P<semicolon>;)
  | \[(?P<literal>[^\[\]()]*+)\]
  {quoted}
  | (?P<word>.[^ ()\[";]*+)"""
_WITH_QUOTES, _WITHOUT_QUOTES = (
    re.compile(_TOKEN.replace("{quoted}", quoted), re.DOTALL | re.VERBOSE)
    for quoted in (r'| (?P<quoted>"(?:[^"\\]|\\.)*+")', "")
)
_FOLDING = re.compile(r"[ \t\r\n]+")
_PARENS = re.compile(r"[()]|\\.", re.DOTALL)


def _comment_end(text: str, start: int) -> int:
    """The position behind the comment that opens at start; 0 if it never closes."""
    depth = 0
    for found in _PARENS.finditer(text, start):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
            if depth == 0:
                return found.end()
    return 0


def _tokens(text: str) -> Iterator[_Token]:
    position, pattern = 0, _WITH_QUOTES
    while found := pattern.match(text, position):  # to the end: a word may begin with anything
        kind = found.lastgroup or ""
        end = found.end()
        if kind == _COMMENT:
            end = _comment_end(text, position)
            if not end:
                yield _Token(_UNCLOSED, "", position, len(text))
                return
            yield _Token(kind, text[position + 1 : end - 1], position, end)
        elif kind != "space":
            if kind == _WORD and text[position] == '"':
                pattern = _WITHOUT_QUOTES  # it was looked for to the end of the text: once will do
            yield _Token(kind, found[kind], position, end)
        position = end


# ---- Clauses (RFC 5321 4.4: Stamp = From-domain By-domain Opt-info [CFWS] ";" FWS date-time) ----

_CLAUSES = frozenset({"by", "via", "with", "id", "for"})


class _Clauses:
    """The tokens of a field by the keyword that they follow; "" for those before any keyword."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: dict[str, list[_Token]] = {"": []}
        self.date: str | None = None
        self.by_clauses = 0
        self.unclosed = False
        current = self.tokens[""]
        name_due = False  # what follows "from" or "by" is a name, even if it reads "by"
        for token in _tokens(text):
            keyword = "" if token.kind != _WORD or name_due else token.text.lower()
            name_due = False
            if token.kind == _UNCLOSED:
                self.unclosed = True
            elif token.kind == _SEMICOLON:
                self.date = text[token.end :].strip(" ")
                current = []
            elif keyword == "from" and len(self.tokens) == 1 and not _words(current):
                current = self.tokens["from"] = []
                name_due = True
            elif keyword in _CLAUSES:
                # Of clauses that come twice the first counts. Behind the date are none, except
                # where a server let a HELO through that imitates a whole field.
                name_due = keyword == "by"
                self.by_clauses += keyword == "by"
                current = []
                if self.date is None:
                    current = self.tokens.setdefault(keyword, current)
            else:
                current.append(token)

    def of(self, keyword: str) -> list[_Token]:
        return self.tokens.get(keyword, [])

    def first(self, keyword: str) -> str | None:
        """The first item of a clause, comments left out."""
        tokens = [token for token in self.of(keyword) if token.kind != _COMMENT]
        return self._joined(tokens) if tokens else None

    def name(self, keyword: str) -> str | None:
        """All words before the first comment: names with spaces, "Microsoft SMTP Server"."""
        tokens = _before_comment(self.of(keyword))
        return self.text[tokens[0].start : tokens[-1].end] if tokens else None

    def path(self) -> str | None:
        """The path of the for clause; one in angle brackets goes to the closing one."""
        tokens = [token for token in self.of("for") if token.kind != _COMMENT]
        if not tokens or not tokens[0].text.startswith("<"):
            return self._joined(tokens) if tokens else None
        start = tokens[0].start
        end = self.text.find(">", start, tokens[-1].end) + 1
        return self.text[start : end or tokens[-1].end]

    def comments(self, keyword: str) -> list[str]:
        return [token.text for token in self.of(keyword) if token.kind == _COMMENT]

    def _joined(self, tokens: list[_Token]) -> str:
        """The first token, with those that follow it without space: "user"@host."""
        end = tokens[0].end
        for token in tokens[1:]:
            if token.start != end:
                break
            end = token.end
        return self.text[tokens[0].start : end]


def _words(tokens: list[_Token]) -> list[_Token]:
    return [token for token in tokens if token.kind != _COMMENT]


def _before_comment(tokens: list[_Token]) -> list[_Token]:
    for place, token in enumerate(tokens):
        if token.kind == _COMMENT:
            return tokens[:place]
    return tokens


# ---- The from clause ----

# Comments that hold what the client said. Exim, CommuniGate and qmail write them.
_CLAIM = re.compile(r"(?:(?:HELO|EHLO|LHLO)(?![^ ])|(?:helo|ident|port)=|account )", re.I)
_HELO_WORD = re.compile(r"(?:^| )(?:(?:HELO|EHLO|LHLO) |helo=)([^ ]+)", re.I)
# Comments behind TCP-info that say how, not from where. They may quote the client (its
# certificate, its user name, the envelope), so nothing in them is looked at.
_ASIDE = re.compile(
    r"using |(no )?client |authenticated|auth[:=]|envelope-|version=|cipher|may be forged",
    re.IGNORECASE,
)
_LOCAL_LITERALS = ("unix", "local")  # [UNIX: localhost], [unix socket], [local]
# Webmail and Exchange's mailbox servers; fetchmail. "with local", "with local-esmtp" are Exim's.
_OTHER_PROTOCOLS = ("http", "dav", "mapi", "imap", "pop")
# Programs that write "from name [address]" without a comment, the address being the peer's.
_BARE_PAIR = re.compile(r"fetchmail-|SMTPD|IMail|Exim ")


def _address(text: str) -> str | None:
    """An address literal without its brackets (RFC 5321 4.1.3), or an address without "IPv6:"."""
    # RFC 4007 11: a zone ("fe80::1%9") means something on its own host only.
    text = text.strip(" ").partition("%")[0]
    return parse_address(text[5:] if text[:5].lower() == "ipv6:" else text)


def _bare_address(word: str) -> str | None:
    """An address that stands without brackets, perhaps as "user@address" or "address:port"."""
    word = word.rpartition("@")[2]
    if (ip := _address(word)) is None and word.count(":") == 1:
        ip = _address(word.partition(":")[0])
    return ip


class _Seen:
    """What the comments of a from clause say, one after the other."""

    def __init__(self) -> None:
        self.addresses: set[str] = set()
        self.claim = False  # there was a comment with what the client said
        self.helo: str | None = None
        self.local = False
        self.odd = False  # a comment nests as no server writes it
        self.closed = False  # TCP-info was there, without an address: no later comment can be it

    def comment(self, text: str) -> None:
        if _CLAIM.match(text):
            self.claim = True
            self.odd |= "(" in text
            self._take_helo(text)
        elif not self.closed and not _ASIDE.match(text):
            self._tcp_info(text)

    def _take_helo(self, text: str) -> None:
        if self.helo is None and (found := _HELO_WORD.search(text)):
            self.helo = found[1].rstrip(",;")

    # RFC 5321 4.4: TCP-info = address-literal / ( Domain FWS address-literal )
    #                          ; Information derived by server from TCP connection
    def _tcp_info(self, text: str) -> None:
        tokens = list(_tokens(text))
        found: set[str | None] = set()
        literals = claims = nested = False
        for token in tokens:
            if token.kind == _LITERAL and not claims:
                literals = True
                found.add(_address(token.text))
                self.local |= token.text.strip().lower().startswith(_LOCAL_LITERALS)
            elif token.kind == _QUOTED:
                self._take_helo(token.text.strip('"'))  # ZMailer: ([192.0.2.1]:25 "EHLO x")
            elif token.kind == _COMMENT:
                # Sendmail: (host [192.0.2.1] (may be forged)). Any other may be the server's own
                # comment, in one that a HELO opened.
                nested |= claims or not _ASIDE.match(token.text)
            elif literals and not claims and _CLAIM.match(token.text):
                # Exim: ([192.0.2.1] helo=[203.0.113.1] ident=...), the claims at the end.
                claims = True
                self._take_helo(text[token.start :])
        # A name that reads like an address, from DNS, does not count beside a literal.
        if not literals and tokens and tokens[0].kind == _WORD:
            found.add(_bare_address(tokens[0].text))
        addresses = {ip for ip in found if ip is not None}
        self.addresses |= addresses
        self.odd |= bool(addresses) and nested
        self.closed |= literals and not self.addresses


def _outside(clauses: _Clauses, claim: bool) -> tuple[str | None, bool]:
    """The address outside of comments, and whether it is what the server saw."""
    name = _before_comment(clauses.of("from"))
    comments = clauses.comments("by") + clauses.comments("with") + clauses.comments("id")
    if len(name) == 2 and name[1].kind == _LITERAL and name[0].kind == _WORD:
        return _address(name[1].text), any(map(_BARE_PAIR.match, comments))
    # Without brackets it may be a name from DNS that reads like an address.
    literal = bool(name) and name[0].kind == _LITERAL
    if not literal or (name[1:] and not (len(name) == 2 and name[1].text.startswith(":"))):
        return _bare_address(name[0].text) if name else None, False
    # Exim and CommuniGate write "from [address] (helo=x)", Exim without "(helo=x)" if none came.
    exim = any(text.startswith("Exim ") for text in comments)
    return _address(name[0].text), claim or exim


def _no_from(clauses: _Clauses) -> FieldReason:
    """Why a field has no from clause."""
    for text in clauses.comments("") + clauses.comments("by"):
        # qmail-queue's own field. The program that called it, qmail-smtpd, has one below.
        if text.startswith("qmail ") and text.endswith("invoked from network"):
            return FieldReason.HANDOVER
        # (qmail 1 invoked by uid 2), (from user@host), (Postfix, from userid 3)
        if " invoked " in text or text.startswith("from ") or ", from userid " in text:
            return FieldReason.LOCAL
    return FieldReason.NO_FROM


def _client(clauses: _Clauses, seen: _Seen) -> tuple[str | None, FieldReason]:
    if "from" not in clauses.tokens:
        return None, _no_from(clauses)
    # What becomes of a field when a HELO with spaces and parentheses is let into it.
    if clauses.by_clauses > 1 or clauses.unclosed or seen.odd:
        return None, FieldReason.AMBIGUOUS
    protocol = (clauses.name("with") or "").lower()
    pickup = (clauses.name("from") or "").lower() == "mail pickup service"  # Microsoft SMTPSVC
    if seen.local or pickup or protocol.startswith("local"):
        return None, FieldReason.LOCAL
    if len(seen.addresses) > 1:
        return None, FieldReason.AMBIGUOUS
    if seen.addresses:
        return next(iter(seen.addresses)), FieldReason.ADDRESS
    if seen.closed:
        return None, FieldReason.NO_ADDRESS
    ip, verified = _outside(clauses, seen.claim)
    if ip is None:
        return None, FieldReason.NO_ADDRESS
    return (ip, FieldReason.ADDRESS) if verified else (None, FieldReason.CLAIMED)


def parse_received(body: bytes) -> Received:
    """Reads the body of a Received field: what follows the colon, folded or not.

    Never raises on what a stranger wrote. Octets that are not UTF-8 become U+FFFD.
    """
    if len(body) > MAX_BODY:
        return Received(None, FieldReason.TOO_LONG)
    # RFC 5322 3.2.2: folding white space means no more than a space.
    text = _FOLDING.sub(" ", body.decode("utf-8", "replace"))
    clauses = _Clauses(text)
    seen = _Seen()
    for comment in clauses.comments("from"):
        seen.comment(comment.strip(" "))
    ip, reason = _client(clauses, seen)
    from_name = clauses.name("from")
    helo = seen.helo
    if helo is None and not seen.claim:
        # The name behind "from" is HELO (RFC 5321 4.4, From-domain), or the two are equal: Exim and
        # qmail leave the claim out then.
        helo = from_name
        if ip is not None and not seen.addresses:
            # "from [address]" of Exim: no HELO came. "from name [address]": it is the name.
            helo = None if clauses.of("from")[0].kind == _LITERAL else clauses.first("from")
    return Received(
        ip=ip,
        reason=reason,
        helo=helo,
        from_name=from_name,
        by=clauses.first("by"),
        via=clauses.first("via"),
        with_protocol=clauses.name("with"),
        id=clauses.first("id"),
        for_path=clauses.path(),
        date=clauses.date,
    )
