"""The verdict of a check that could not be made: temperror (RFC 7208 2.6.6).

What may live here: making such verdicts. No engine is asked: it may be what failed.
"""

from __future__ import annotations

from senderid_fast._core.pra import Pra
from senderid_fast._core.verdict import Verdict, restore
from senderid_fast.errors import NoPra
from senderid_fast.identities import extract_pra
from senderid_fast.results import Reason, Result, Scope

__all__ = ["pra_of", "temperror"]

# By their position in Verdict.identity. What SUBMITTER names is checked as a PRA would be.
_KINDS = {"helo": 1, "mailfrom": 2, "pra": 3, "submitter": 3}


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
    if _KINDS[identity] == 3:
        domain, sender = (pra.domain, pra.mailbox) if pra is not None else ("", "")
    else:
        path = mail_from.strip(b"<>") if identity == "mailfrom" else b""
        # RFC 7208 2.4: the null reverse-path is postmaster at the HELO name.
        local, _, name = (path or helo or b"").rpartition(b"@")
        domain = name.decode("utf-8", "surrogateescape").lower()
        sender = f"{(local or b'postmaster').decode('utf-8', 'surrogateescape')}@{domain}"
    scope = Scope.PRA if _KINDS[identity] == 3 else Scope.SPF
    return restore(
        (
            list(Result).index(Result.TEMPERROR),
            list(Reason).index(reason),
            list(Scope).index(scope),
            _KINDS[identity],
            0,
            0,
            None,
            (domain, sender, None, detail, pra, None),
        )
    )


def pra_of(headers: bytes) -> Pra | None:
    """The PRA of a header section, or None."""
    try:
        return extract_pra(headers)
    except NoPra:
        return None
