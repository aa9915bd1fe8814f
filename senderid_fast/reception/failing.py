"""The verdict of a check that could not be made: temperror (RFC 7208 2.6.6).

What may live here: making such verdicts. No engine is asked: it may be what failed.
"""

from __future__ import annotations

from senderid_fast._core.pra import Pra
from senderid_fast._core.verdict import Verdict, unmade
from senderid_fast.errors import NoPra
from senderid_fast.identities import extract_pra
from senderid_fast.results import Reason

__all__ = ["pra_of", "temperror"]


def temperror(
    identity: str,
    reason: Reason,
    detail: str,
    *,
    helo: bytes | None = None,
    mail_from: bytes = b"",
    pra: Pra | None = None,
) -> Verdict:
    """The verdict of "helo", "mailfrom", "pra" or "submitter" of which nothing was found out."""
    # What SUBMITTER names is checked as a PRA would be.
    kind = "pra" if identity == "submitter" else identity
    if kind == "pra":
        domain, sender = (pra.domain, pra.mailbox) if pra is not None else ("", "")
    else:
        path = mail_from.strip(b"<>") if identity == "mailfrom" else b""
        # RFC 7208 2.4: the null reverse-path is postmaster at the HELO name.
        local, _, name = (path or helo or b"").rpartition(b"@")
        domain = name.decode("utf-8", "surrogateescape").lower()
        sender = f"{(local or b'postmaster').decode('utf-8', 'surrogateescape')}@{domain}"
    return unmade(kind, reason, domain, sender, detail, pra)


def pra_of(headers: bytes) -> Pra | None:
    """The PRA of a header section, or None."""
    try:
        return extract_pra(headers)
    except NoPra:
        return None
