"""What holds for every header section, and for every mailbox that is written by the grammar."""

from __future__ import annotations

import pickle
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.rfc4407 import Field, oracle_mailbox, select

import senderid_fast as sf

NAMES = [b"From", b"Sender", b"Resent-From", b"Resent-Sender", b"Received", b"Return-Path"]
OTHERS = [b"To", b"Subject", b"X-From", b"Fro", b"Resent-To", b"Delivered-To", b"X\xe9"]
BODIES = [
    *(b"", b" ", b"\t\r\n ", b" ann@one.example", b" Ben <ben@two.example>", b"carl@three.example"),
    *(b" a@one.example, b@two.example", b" Team: a@one.example;", b" root", b" (nobody)", b" <>"),
    *(
        b" ann@[192.0.2.1]",
        b' "a b"@one.example',
        b" ann@b\xc3\xbccher.example",
        b" x\r\n y",
        b" \0",
    ),
]
TEMPTING = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"<", b">", b"@", b".", b"(", b")"),
    *(b'"', b"\\", b"[", b"]", b"\0", b"\xff", b"\xc3\xbc", b"From ", b"From:", b"Sender:", b"a"),
    *(b"ann@one.example", b"Resent-From:", b"Resent-Sender:", b"Received:", b"=?utf-8?q?x?="),
]

field_names = st.sampled_from([*NAMES, *NAMES, *OTHERS])
fields = st.tuples(field_names, st.sampled_from(BODIES))
field_lists = st.lists(fields, max_size=10)
noise = st.one_of(
    st.binary(max_size=120), st.lists(st.sampled_from(TEMPTING), max_size=30).map(b"".join)
)
unrelated = st.lists(
    st.tuples(st.sampled_from(OTHERS), st.sampled_from([b" x", b"", b" a@b.example", b" \0\xff"])),
    max_size=5,
)


def _section(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(name + b":" + body + b"\r\n" for name, body in parts)


Outcome = tuple[str, str | None, int | None, str | None, str | None, str | None]


def _outcome(octets: bytes | bytearray | memoryview, above: int = 0) -> Outcome:
    """All that is known of the PRA; above is how many fields were put on top."""
    try:
        pra = sf.extract_pra(octets)
    except sf.NoPra as error:
        index = None if error.header_index is None else error.header_index - above
        return str(error.reason), error.header, index, None, None, None
    return "pra", pra.header, pra.header_index - above, pra.mailbox, pra.local_part, pra.domain


@given(st.one_of(noise, noise.map(lambda body: b"From:" + body), field_lists.map(_section)))
@example(b"From:")
@example(b"From:\r")
@example(b"From:a@b\r")
@example(b'From:"')
@example(b"From:\\")
@example(b"From:<@")
@example(b"From:<,")
@example(b"From:a@[")
def test_only_no_pra_is_ever_raised(octets: bytes) -> None:
    kind, header, index, *_ = _outcome(octets)
    for wrap in (bytearray, memoryview):
        assert _outcome(wrap(octets)) == _outcome(octets)
    if index is not None:
        assert sf.header_fields(octets)[index][0].lower() == header
    assert kind == "pra" or kind in [str(failure) for failure in sf.PraFailure]


@given(field_lists)
def test_the_choice_is_that_of_the_rfc(parts: list[tuple[bytes, bytes]]) -> None:
    """RFC 4407 2 steps 1 to 4, against the transcription in support/rfc4407.py."""
    chosen = select(
        [
            Field(name.lower().decode("latin-1"), str(body)[2:-1])
            for name, body in [(name, body.strip()) for name, body in parts]
        ]
    )
    kind, _, index, *_ = _outcome(_section(parts))
    if isinstance(chosen, str):
        assert (kind, index) == (chosen, None)
    else:
        assert index == chosen


@given(field_lists, unrelated, unrelated)
def test_unrelated_fields_change_nothing(
    parts: list[tuple[bytes, bytes]],
    above: list[tuple[bytes, bytes]],
    below: list[tuple[bytes, bytes]],
) -> None:
    plain = _outcome(_section(parts))
    assert _outcome(_section(parts + below)) == plain
    assert _outcome(_section(above + parts), len(above)) == plain


@given(field_lists, st.sampled_from([b"Received", b"Return-Path"]))
def test_a_trace_field_above_all_changes_nothing(
    parts: list[tuple[bytes, bytes]], name: bytes
) -> None:
    """RFC 4407 2 step 1: only what stands behind a Resent-From separates blocks."""
    section = name + b": from a by b\r\n" + _section(parts)
    assert _outcome(section, 1) == _outcome(_section(parts))


@given(field_lists, st.binary(max_size=60), st.sampled_from([b"\r\n", b"\n"]))
def test_the_body_changes_nothing(
    parts: list[tuple[bytes, bytes]], body: bytes, end: bytes
) -> None:
    assert _outcome(_section(parts) + end + body) == _outcome(_section(parts))


@given(field_lists, st.randoms(use_true_random=False))
def test_the_case_of_names_and_the_kind_of_line_ends_do_not_matter(
    parts: list[tuple[bytes, bytes]], random: Random
) -> None:
    section = _section(parts)
    swapped = [
        (random.choice([name.lower(), name.upper(), name.swapcase()]), body) for name, body in parts
    ]
    assert _outcome(_section(swapped)) == _outcome(section)
    assert _outcome(section.replace(b"\r\n", b"\n")) == _outcome(section)


@given(
    st.one_of(
        noise,
        field_lists.map(_section),
        st.tuples(field_lists, noise).map(lambda pair: _section(pair[0]) + pair[1]),
    )
)
def test_fields_are_the_octets_of_the_section(octets: bytes) -> None:
    """Field by field without a gap up to the end, but for a mailbox file's line and lines that
    continue nothing, which stand before the first."""
    found = sf.header_fields(octets)
    for (_, _, _, end), (_, _, start, _) in pairwise(found):
        assert start == end
    for name, body, start, end in found:
        written = octets[start:end]
        line_end = next(end for end in (b"\r\n", b"\n", b"") if written.endswith(end))
        assert written.startswith(name.encode("latin-1"))
        assert written[len(name) :].lstrip(b" \t") == b":" + body + line_end
        assert line_end or end == len(octets)
    if found:
        before, after = octets[: found[0][2]], octets[found[-1][3] :]
        *lines, rest = before.split(b"\n")
        assert rest == b""
        for number, line in enumerate(lines):
            file_line = number == 0 and line.startswith((b"From ", b">From "))
            assert file_line or line[:1] in (b" ", b"\t")
        joined = b"".join(octets[start:end] for _, _, start, end in found)
        assert before + joined + after == octets
        # And the fields alone are the same section.
        assert [field[:2] for field in sf.header_fields(joined)] == [field[:2] for field in found]


# RFC 5322 3.4, 4.4: mailboxes as they may be written.
ATEXT = "abyz09!#$%&'*+-/=?^_`{|}~\u00fc\u7528"
atoms = st.text(ATEXT, min_size=1, max_size=6)
dot_atoms = st.lists(atoms, min_size=1, max_size=3).map(".".join)
quoted_texts = st.text('ab.@,;:<>()[] \t"\\\u00fc', max_size=8)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join)
comments = st.recursive(
    st.text("ab@,;<> \u00fc", max_size=5).map("({})".format),
    lambda inner: st.lists(st.one_of(inner, st.sampled_from(["x", "\\)", "\\("])), max_size=3).map(
        lambda parts: f"({''.join(parts)})"
    ),
    max_leaves=4,
)
folds = st.sampled_from(["", "", " ", "\t", "\r\n ", "\n\t", " \r\n  "])
cfws = st.one_of(folds, st.tuples(folds, comments, folds).map("".join))
names = st.one_of(
    st.just(""),
    st.lists(atoms, min_size=1, max_size=3).map(" ".join),
    quoted_texts.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Encoded words are left out: the package decodes them in an addr-spec, too, against RFC 2047 5.
TOKENS = [
    *(
        "ann",
        "b",
        "one.example",
        "@",
        "@",
        ".",
        ",",
        ";",
        "<",
        ">",
        "(",
        ")",
        '"',
        "\\",
        " ",
        "\r\n ",
    ),
    *("[", "]", ":", "ann@one.example", "<ben@two.example>", '"x y"', "(c)", "Team:", "\u00fc"),
]


@st.composite
def _mailboxes(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """(as written in a field, mailbox, text of the local part, domain)."""
    if draw(st.booleans()):
        text = draw(dot_atoms)
        local, parts = text, text.replace(".", draw(cfws) + "." + draw(cfws))
    else:
        text = draw(quoted_texts)
        local = parts = _quoted(text)
    domain = draw(domains)
    written = (
        draw(cfws)
        + parts
        + draw(cfws)
        + "@"
        + draw(cfws)
        + domain.replace(".", draw(cfws) + "." + draw(cfws))
        + draw(cfws)
    )
    if draw(st.booleans()):
        route = draw(st.sampled_from(["", "", "@a.example:", "@a.example , ,@b.example:"]))
        written = f"{draw(cfws)}{draw(names)}{draw(cfws)}<{route}{written}>{draw(cfws)}"
    return written, f"{local}@{domain}", text, domain


mailboxes = _mailboxes()


@given(mailboxes, st.sampled_from(["From", "Sender", "Resent-From", "Resent-Sender"]))
def test_a_mailbox_is_read_as_it_was_written(
    mailbox: tuple[str, str, str, str], header: str
) -> None:
    written, text, local, domain = mailbox
    pra = sf.extract_pra(f"{header}: {written}\r\n\r\n".encode())
    assert (pra.mailbox, pra.local_part, pra.domain) == (text, local, domain)
    assert (pra.header, pra.header_index) == (header.lower(), 0)


@given(mailboxes)
def test_unfolding_changes_nothing(mailbox: tuple[str, str, str, str]) -> None:
    """RFC 5322 2.2.3: a fold means the white space behind it."""
    unfolded = mailbox[0].replace("\r\n", "").replace("\n", "")
    pra = sf.extract_pra(f"From: {unfolded}".encode())
    assert (pra.mailbox, pra.local_part, pra.domain) == mailbox[1:]


@given(mailboxes, mailboxes)
def test_two_mailboxes_are_never_one(
    first: tuple[str, str, str, str], second: tuple[str, str, str, str]
) -> None:
    for separator in (",", ";", ", ,"):
        with pytest.raises(sf.NoPra) as caught:
            sf.extract_pra(f"From: {first[0]}{separator}{second[0]}".encode())
        assert caught.value.reason is sf.PraFailure.MULTIPLE_MAILBOXES


@given(mailboxes, st.data())
def test_a_part_of_a_mailbox_gives_no_other_domain(
    mailbox: tuple[str, str, str, str], data: st.DataObject
) -> None:
    """RFC 4407 2: what is malformed may decide whether there is a PRA, never which. A field that
    ends too early gives none, or the domain as far as it goes."""
    written, _, _, domain = mailbox
    cut = written[: data.draw(st.integers(0, len(written)))]
    try:
        pra = sf.extract_pra(f"From: {cut}".encode())
    except sf.NoPra:
        return
    assert domain.startswith(pra.domain)


@st.composite
def _spoilt(draw: st.DrawFn) -> str:
    """A mailbox into which something was put, or from which something was taken."""
    written = draw(mailboxes)[0]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(written)))
        taken = draw(st.integers(0, 2))
        written = written[:at] + draw(st.sampled_from(["", *TOKENS])) + written[at + taken :]
    # What is left of a fold would end the field.
    return written.replace("\r", "").replace("\n", "")


@given(_spoilt())
@example("Ann, B <ann@one.example>")
@example("ann@one.example <ben@two.example>")
def test_never_another_mailbox_than_that_of_the_oracle(body: str) -> None:
    """RFC 4407 2: "Such local policy will never cause two implementations to return different
    PRAs." Python's package takes more for a mailbox; what both take is the same."""
    local_part, domain, problem = oracle_mailbox(body)
    if domain is None or problem:
        return
    try:
        pra = sf.extract_pra(f"From: {body}".encode())
    except sf.NoPra:
        return
    assert (pra.local_part, pra.domain) == (local_part, domain)


@given(mailboxes)
def test_a_pra_is_pickled_as_it_is(mailbox: tuple[str, str, str, str]) -> None:
    pra = sf.extract_pra(f"To: x\r\nFrom: {mailbox[0]}\r\n".encode())
    again = pickle.loads(pickle.dumps(pra))
    assert again == pra
    assert hash(again) == hash(pra)
    for name in ("header", "header_index", "mailbox", "local_part", "domain"):
        assert getattr(again, name) == getattr(pra, name)
