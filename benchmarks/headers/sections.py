"""Header sections to time with: the shapes of real mail, under reserved names and addresses.

The same count gives the same octets on every run. Names end in .example or .test (RFC 2606),
addresses are for documentation (RFC 5737, 3849). Each section comes with what RFC 4407 makes of
it, known from how it was put together and not from any parser.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Section", "from_corpus", "generate", "write"]

SEED = 4407
GIVEN = (
    "Ada",
    "Bo",
    "Chloé",
    "Dmitri",
    "Emre",
    "Fatima",
    "Grace",
    "Jürgen",
    "María",
    "Noël",
    "Åsa",
)
FAMILY = (
    "Archer",
    "Brontë",
    "Castro",
    "Dijkstra",
    "Ferreira",
    "Hopper",
    "Lindström",
    "Núñez",
    "Ray",
)
TEXT = (
    "agenda budget build change close draft final forum hotel invoice letter meeting minutes notes "
    "offer order paper parcel patch plan question receipt release reminder report review schedule "
    "summary ticket travel update version week"
)
WORDS = TEXT.split()
SELECTORS = ("2022", "2024", "default", "mail1")
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# What a section is, and how many of a hundred are.
KINDS = {"personal": 42, "bulk": 26, "list": 20, "resent": 6, "resent by another": 3, "odd": 3}


class Section(NamedTuple):
    """One header section, with the field and the mailbox that RFC 4407 2 gives, or None.

    kind  how it was made, or "corpus": then what is right is not known
    """

    octets: bytes
    kind: str
    field: str | None = None
    mailbox: str | None = None


class Composer:
    """Makes sections, drawing every choice from one random generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fields: list[str] = []

    def token(self, length: int, alphabet: str = BASE64[:62]) -> str:
        return "".join(self.random.choices(alphabet, k=length))

    def pick(self, choices: Iterable[str]) -> str:
        return self.random.choice(list(choices))

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def domain(self) -> str:
        end = self.pick(("example", "test", "example.com", "example.net", "example.org"))
        return f"{self.pick(WORDS)}{self.random.randrange(400)}.{end}"

    def ip(self) -> str:
        if self.chance(20):
            return (
                f"IPv6:2001:db8:{self.random.randrange(65536):x}::{self.random.randrange(65536):x}"
            )
        return (
            f"{self.pick(('192.0.2', '198.51.100', '203.0.113'))}.{self.random.randrange(1, 255)}"
        )

    def date(self) -> str:
        r = self.random
        clock = f"{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}"
        return (
            f"Tue, {r.randrange(1, 29)} Sep 2026 {clock} {self.pick(('+0000', '-0700', '+0200'))}"
        )

    def mailbox(self, domain: str | None = None) -> str:
        local = self.pick((*WORDS, "no-reply", "info", "m.muster", "bounces+4711", "o'brien"))
        return f"{local}@{domain or self.domain()}"

    def encoded(self, text: str) -> str:
        octets = text.encode()
        if self.chance(50):
            return f"=?UTF-8?B?{base64.b64encode(octets).decode()}?="
        # Letters stay, all else is written by its number (RFC 2047 4.2).
        letters = (
            c if c.isascii() and c.isalpha() else f"={ord(c):02X}" for c in octets.decode("latin-1")
        )
        return f"=?utf-8?q?{''.join(letters)}?="

    def address(self, mailbox: str) -> str:
        """The mailbox as address fields have it, with its name in one of the usual forms."""
        name = f"{self.pick(GIVEN)} {self.pick(FAMILY)}"
        given, family = name.split(" ")
        shape = self.random.randrange(100)
        if shape < 12:
            return mailbox
        if shape < 16:
            return f"<{mailbox}>"
        if shape < 50 and name.isascii():
            return f"{name} <{mailbox}>"
        if shape < 66:
            return f"{self.encoded(name)} <{mailbox}>"
        if shape < 78:
            return f'"{name} via {self.pick(WORDS).title()}" <{mailbox}>'
        if shape < 86:
            return f'"{family}, {given}" <{mailbox}>'
        if shape < 91:
            return f"{mailbox} ({name})"
        if shape < 94:
            return f"{self.encoded(name)}\n {self.encoded(' ' + self.pick(WORDS))}\n <{mailbox}>"
        if shape < 97:
            return f'"{given} \\"{self.pick(WORDS)}\\" {family}" <{mailbox}>'
        if shape < 99:
            return f"{name} <{mailbox}>"  # not ASCII and not encoded, as some programs send it
        return f"{self.pick(WORDS)} (the {self.pick(WORDS)} (of {family})) <{mailbox}>"

    def add(self, name: str, body: str) -> None:
        self.fields.append(f"{name}: {body}\n")

    def received(self, hops: int) -> None:
        for _ in range(hops):
            sender, receiver = (
                f"mx{self.random.randrange(9)}.{self.domain()}",
                f"mail.{self.domain()}",
            )
            tls = ""
            if self.chance(60):
                tls = "\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))"
            self.add(
                "Received",
                f"from {sender} ({sender} [{self.ip()}]){tls}\n\tby {receiver} with ESMTPS"
                f" id {self.token(11)}\n\tfor <{self.mailbox()}>; {self.date()}",
            )

    def base64_lines(self, length: int) -> str:
        text = self.token(length, BASE64)
        return "".join(f"\n\t {text[i : i + 64]}" for i in range(0, length, 64))

    def signature(self, name: str, domain: str, start: str = "v=1; ") -> None:
        names = self.pick(("from:to:subject:date", "from:reply-to:subject:date:message-id:to"))
        value = self.base64_lines(self.random.choice((86, 170, 342))).lstrip()
        self.add(
            name,
            f"{start}a=rsa-sha256; c=relaxed/relaxed; d={domain};\n\ts={self.pick(SELECTORS)};"
            f" t=17{self.token(8, '0123456789')};\n\tbh={self.token(43)}=;\n\th={names};"
            f"\n\tb={value}==",
        )

    def results(self, name: str, domain: str, start: str = "") -> None:
        sender = self.mailbox(domain)
        self.add(
            name,
            f"{start}mx.{self.domain()};\n\tdkim=pass header.i=@{domain} header.b={self.token(8)};"
            f"\n\tspf=pass (sender of {sender} designates {self.ip()} as permitted sender)"
            f" smtp.mailfrom={sender};\n\tdmarc=pass (p=NONE dis=NONE) header.from={domain}",
        )

    def arc(self, domain: str) -> None:
        for i in range(self.random.choice((1, 1, 1, 2)), 0, -1):
            self.add(
                "ARC-Seal",
                f"i={i}; a=rsa-sha256; t=17{self.token(8, '0123456789')}; cv=none;"
                f"\n\td={domain}; s=arc-2026;"
                f"\n\tb={self.base64_lines(342).lstrip()}==",
            )
            self.signature("ARC-Message-Signature", domain, f"i={i}; ")
            self.results("ARC-Authentication-Results", domain, f"i={i}; ")

    def top(self, domain: str, hops: int) -> None:
        """What receivers put above."""
        self.add("Return-Path", f"<{self.mailbox(domain)}>")
        if self.chance(50):
            self.add("Delivered-To", self.mailbox())
        self.received(hops)
        if self.chance(70):
            self.results("Authentication-Results", domain)
        if self.chance(40):
            self.add(
                "Received-SPF",
                f"pass (mx.{self.domain()}: {self.ip()} is authorized by\n\t{domain})"
                f" client-ip={self.ip()}; envelope-from={self.mailbox(domain)};",
            )

    def author(self, value: str) -> None:
        """What the author's program writes, with From somewhere in it."""
        subject = " ".join(self.random.choices(WORDS, k=self.random.randrange(3, 9))).capitalize()
        others = [
            (
                "To",
                ",\n ".join(
                    self.address(self.mailbox()) for _ in range(self.random.randrange(1, 4))
                ),
            ),
            ("Subject", self.encoded(subject) if self.chance(25) else subject),
            ("Date", self.date()),
            ("Message-ID", f"<{self.token(24)}@{self.domain()}>"),
            ("MIME-Version", "1.0"),
            ("Content-Type", f'multipart/alternative;\n boundary="{self.token(30)}"'),
        ]
        if self.chance(35):
            ids = (
                f"<{self.token(28)}@{self.domain()}>" for _ in range(self.random.randrange(1, 7))
            )
            others.append(("References", "\n ".join(ids)))
        if self.chance(30):
            others.append(("Reply-To", self.address(self.mailbox())))
        if self.chance(60):
            others.append(
                ("User-Agent", f"Mailer/{self.random.randrange(90, 140)}.0 (X11; Linux x86_64)")
            )
        if self.chance(40):
            others += [
                ("X-Spam-Status", f"No, score=-{self.random.randrange(50) / 10} {self.tests()}"),
                ("X-Originating-IP", f"[{self.ip()}]"),
            ]
        self.random.shuffle(others)
        at = self.random.randrange(4)
        for name, body in [*others[:at], ("From", value), *others[at:]]:
            self.add(name, body)

    def tests(self) -> str:
        names = (
            "DKIM_SIGNED",
            "DKIM_VALID",
            "HTML_MESSAGE",
            "SPF_PASS",
            "RCVD_IN_DNSWL_NONE",
            "TO_FIELDS",
        )
        return "required=5.0 tests=" + ",\n\t".join(self.random.sample(names, k=4))

    def list_fields(self, name: str, domain: str) -> None:
        for command in ("Unsubscribe", "Archive", "Help", "Subscribe"):
            self.add(
                f"List-{command}",
                f"<https://{domain}/list/{name}/{command.lower()}>,\n\t<mailto:{name}@{domain}>",
            )
        self.add("List-Id", f"The list of {name} <{name}.{domain}>")
        self.add("Precedence", "list")

    def personal(self, domain: str) -> tuple[str | None, str | None]:
        mailbox = self.mailbox(domain)
        self.top(domain, self.random.randrange(2, 6))
        self.signature("DKIM-Signature", domain)
        self.author(self.address(mailbox))
        if self.chance(5):
            self.add("Sender", "  ")  # empty: as if it were not there (RFC 4407 2)
        return "from", mailbox

    def bulk(self, domain: str) -> tuple[str | None, str | None]:
        mailbox, sender = self.mailbox(domain), self.mailbox()
        self.top(domain, self.random.randrange(1, 4))
        for signer in (domain, self.domain()):
            self.signature("DKIM-Signature", signer)
        self.add(
            "X-Report",
            "".join(f"\n\t{self.token(70)}" for _ in range(self.random.randrange(9))).lstrip()
            or "none",
        )
        if by_another := self.chance(30):
            self.add("Sender", self.address(sender))
        self.author(self.address(mailbox))
        self.add(
            "List-Unsubscribe",
            f"<https://{domain}/u/{self.token(90)}>,\n <mailto:u-{self.token(40)}@{domain}>",
        )
        self.add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
        self.add("Feedback-ID", f"{self.token(9)}:{self.token(9)}:{self.pick(WORDS)}")
        return ("sender", sender) if by_another else ("from", mailbox)

    def list(self, domain: str) -> tuple[str | None, str | None]:
        name = self.pick(WORDS)
        mailbox, sender = self.mailbox(), f"{name}-bounces@{domain}"
        self.top(domain, self.random.randrange(3, 8))
        self.arc(domain)
        for signer in (domain, mailbox.partition("@")[2]):
            self.signature("DKIM-Signature", signer)
        self.author(self.address(mailbox))
        self.list_fields(name, domain)
        if self.chance(80):
            self.add("Sender", sender if self.chance(70) else f'"{name}" <{sender}>')
            return "sender", sender
        return "from", mailbox

    def resent(self, domain: str, *, by_another: bool = False) -> tuple[str | None, str | None]:
        mailbox, secretary = self.mailbox(domain), self.mailbox(domain)
        self.top(domain, self.random.randrange(1, 3))
        self.add("Resent-From", self.address(mailbox))
        if by_another:
            self.add("Resent-Sender", self.address(secretary))
        self.add("Resent-To", self.mailbox())
        self.add("Resent-Date", self.date())
        self.add("Resent-Message-ID", f"<{self.token(24)}@{domain}>")
        self.received(self.random.randrange(1, 4))
        if self.chance(30):  # resent before, by others
            self.add("Resent-Sender", self.address(self.mailbox()))
            self.add("Resent-From", self.address(self.mailbox()))
            self.received(1)
        self.signature("DKIM-Signature", self.domain())
        self.author(self.address(self.mailbox()))
        return ("resent-sender", secretary) if by_another else ("resent-from", mailbox)

    def odd(self, domain: str) -> tuple[str | None, str | None]:
        """Without a PRA, or with one that is hard to read."""
        one, two = self.mailbox(domain), self.mailbox()
        local = self.pick(WORDS)
        value, field, mailbox = self.random.choice(
            (
                (f"{self.address(one)},\n {self.address(two)}", "from", None),
                (f"Undisclosed: {one}, {two};", "from", None),
                (f"{local.title()}, {self.pick(WORDS)} <{one}>", "from", None),
                (f"{one} <{two}>", "from", None),
                (f"{local.title()}", "from", None),
                (f"{local} <{local}>", "from", None),
                (f"{one}\nFrom: {two}", None, None),
                (f"{one}\nSender: {one}\nSender: {two}", None, None),
                (f'"{local} {local}"@{domain}', "from", f'"{local} {local}"@{domain}'),
                (f'"a\\"b"@{domain}', "from", f'"a\\"b"@{domain}'),
                (f"{local} (at work) @ {domain} (home)", "from", f"{local}@{domain}"),
                (f"{local} <@relay.example,@mx.example:{one}>", "from", one),
                (f"{local}@[192.0.2.1]", "from", None),
            )
        )
        self.top(domain, 2)
        self.author(value)
        return field, mailbox

    def section(self) -> Section:
        kind = self.random.choices(list(KINDS), weights=list(KINDS.values()))[0]
        domain, self.fields = self.domain(), []
        if kind == "resent by another":
            field, mailbox = self.resent(domain, by_another=True)
        else:
            makers = {
                "personal": self.personal,
                "bulk": self.bulk,
                "list": self.list,
                "odd": self.odd,
            }
            field, mailbox = makers.get(kind, self.resent)(domain)
        text = "".join(self.fields) + "\n"
        octets = text.encode()
        return Section(
            octets.replace(b"\n", b"\r\n") if self.chance(85) else octets, kind, field, mailbox
        )


def generate(count: int) -> list[Section]:
    composer = Composer(SEED)
    return [composer.section() for _ in range(count)]


def from_corpus(file: Path) -> list[Section]:
    """Sections of real messages: gzipped lines of JSON with the octets in base64 as "raw"."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [Section(base64.b64decode(json.loads(line)["raw"]), "corpus") for line in lines]


def write(sections: Iterable[Section], folder: Path) -> None:
    """What the drivers read (see drivers/__init__.py)."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = (len(s.octets).to_bytes(4, "little") + s.octets for s in sections)
    (folder / "sections.bin").write_bytes(b"".join(pieces))
