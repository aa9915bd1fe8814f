"""The policy service for Postfix: SPF for HELO and MAIL FROM, asked for each recipient.

What may live here: nothing but the public names, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.policyd.protocol import Request, RequestFault, RequestReader
    from senderid_fast.policyd.server import PolicyServer

__all__ = ["PolicyServer", "Request", "RequestFault", "RequestReader"]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "PolicyServer": "senderid_fast.policyd.server",
            "Request": "senderid_fast.policyd.protocol",
            "RequestFault": "senderid_fast.policyd.protocol",
            "RequestReader": "senderid_fast.policyd.protocol",
        },
    )
