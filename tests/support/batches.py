"""What check_batch must give for a row, worked out from single checks."""

from __future__ import annotations

from typing import Any

import senderid_fast as sf

__all__ = ["NO_DOMAIN", "expected_row", "row_of"]

NO_DOMAIN = {sf.Reason.NO_IDENTITY, sf.Reason.INVALID_DOMAIN}


def is_null_path(mail_from: str | bytes | None) -> bool:
    return mail_from in (None, "", b"", "<>", b"<>")


def expected_row(
    engine: sf.Engine,
    ip: str | bytes,
    helo: str | None,
    mail_from: str | None,
    headers: bytes | None = None,
) -> dict[str, Any]:
    """Every column of a row, from check_mail_from, check_helo and check_pra."""
    spf = engine.check_mail_from(ip, mail_from or "", helo)
    by_helo = engine.check_helo(ip, helo)
    pra = engine.check_pra(ip, headers or b"", helo)
    return {
        "spf_result": str(spf.result),
        "spf_scope": "helo" if is_null_path(mail_from) else "mfrom",
        "spf_reason": str(spf.reason),
        "spf_domain": None if spf.reason in NO_DOMAIN else spf.domain,
        "spf_mechanism": spf.mechanism,
        "spf_lookups": spf.lookups,
        "spf_void_lookups": spf.void_lookups,
        "spf_explanation": spf.explanation,
        "helo_result": str(by_helo.result),
        "helo_reason": str(by_helo.reason),
        "helo_mechanism": by_helo.mechanism,
        "pra_result": str(pra.result),
        "pra_domain": pra.domain or None,
        "pra_header": None if pra.pra is None else pra.pra.header,
        "pra_reason": str(pra.reason),
        "pra_failure": None if pra.pra_failure is None else str(pra.pra_failure),
        "pra_mechanism": pra.mechanism,
    }


def row_of(table: Any, row: int) -> dict[str, Any]:
    """The results of a row of what check_batch gave."""
    return {
        name: table.column(name)[row].as_py()
        for name in table.schema.names
        if name.startswith(("spf_", "helo_", "pra_"))
    }
