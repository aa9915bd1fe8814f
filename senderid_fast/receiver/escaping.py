"""What may stand in a header field, and how: the face of the core's escaping.pyx.

What may live here: these names. The rules are in src/escaping.pyx, those of folding in
src/fields.pyx.
"""

from __future__ import annotations

from senderid_fast._core import escaping as _core
from senderid_fast._core.escaping import (
    MARK,
    comment,
    dot_atom_or_quoted,
    quoted_string,
    token_or_quoted,
    unquoted,
    value_in_bounds,
    visible,
)
from senderid_fast._core.fields import fold
from senderid_fast.identities import a_labels

__all__ = [
    "MARK",
    "comment",
    "dot_atom_or_quoted",
    "fold",
    "mailbox_or_quoted",
    "quoted_string",
    "token_or_quoted",
    "unquoted",
    "value_in_bounds",
    "visible",
]


def mailbox_or_quoted(value: str | bytes, limit: int, *, eai: bool = False) -> str:
    """A pvalue (RFC 8601 2.2): [ [ local-part ] "@" ] domain-name, else a quoted-string.

    The value is as the stranger gave it, with or without a local part. Unless ``eai``, U-labels
    become A-labels: a name that everybody can look up, rather than escapes.
    """
    return _core.mailbox_or_quoted(value, limit, eai, a_labels)
