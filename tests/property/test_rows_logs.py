"""Logs and mail that are not what they should be: rows or a RowsError, nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rowlogs import assert_resumes

from senderid_fast.errors import RowsError
from senderid_fast.rows.logs.exchange import open_exchange
from senderid_fast.rows.logs.exim import open_exim
from senderid_fast.rows.logs.postfix import open_postfix
from senderid_fast.rows.logs.sendmail import open_sendmail
from senderid_fast.rows.mail import open_eml, open_mbox

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLES: list[tuple[Callable[..., object], Path]] = [
    (open_postfix, EXAMPLES / "logs" / "postfix.log"),
    (open_exim, EXAMPLES / "logs" / "exim.log"),
    (open_sendmail, EXAMPLES / "logs" / "sendmail.log"),
    (open_exchange, EXAMPLES / "logs" / "exchange-tracking.csv"),
    (open_exchange, EXAMPLES / "logs" / "exchange-receive.csv"),
    (open_mbox, EXAMPLES / "messages" / "several.mbox"),
    (open_eml, EXAMPLES / "messages" / "honest.eml"),
]
PIECES = [
    *(
        b"\n",
        b"\r\n",
        b"\0",
        b"\xff",
        b'"',
        b"\\",
        b"<",
        b">",
        b"[",
        b"]",
        b"(",
        b")",
        b", ",
        b"; ",
    ),
    *(b": from=<", b": client=", b" proto=SMTP", b" rejected ", b" <= ", b" H=", b", relay="),
    *(b"#Fields:", b"RECEIVE", b",<,", b"\nFrom x\n", b"\n\n", b"192.0.2.1", b" " * 99),
    *(b"\x1f\x8b", b"(\xb5/\xfd"),
]

# Where, how many octets go, and what comes in their place.
CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 200),
        st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)),
    ),
    max_size=8,
)


def check(opened: Callable[..., object], octets: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(octets)
        with contextlib.suppress(RowsError):
            assert_resumes(opened, path, 2)


@pytest.mark.parametrize(("opened", "sample"), SAMPLES, ids=lambda each: getattr(each, "name", ""))
@given(changes=CHANGES)
@settings(max_examples=60, deadline=None)
def test_changed_samples(
    opened: Callable[..., object], sample: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    octets = sample.read_bytes()
    for where, gone, new in changes:
        at = int(where * len(octets))
        octets = octets[:at] + new + octets[at + gone :]
    check(opened, octets)


@pytest.mark.parametrize(("opened", "sample"), SAMPLES, ids=lambda each: getattr(each, "name", ""))
@given(octets=st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_octets(opened: Callable[..., object], sample: Path, octets: bytes) -> None:
    check(opened, octets)
    first = sample.read_bytes().split(b"\n", 6)[:6]
    check(opened, b"\n".join([*first, octets]))
