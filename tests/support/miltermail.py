"""Mail for a milter behind a real mail server: who sends it, and what stands in it afterwards.

What may live here: that, for Postfix and Sendmail alike.
"""

from __future__ import annotations

from support.mailservers import Delivered

__all__ = ["BOB", "CLIENT", "EVE", "FORGED", "RELAY", "ZONE", "message", "ours"]

CLIENT, RELAY = "127.0.0.7", "127.0.0.9"
BOB, EVE = "bob@example.org", "eve@example.org"
ZONE = {
    "pass.example": [{"TXT": f"v=spf1 ip4:{CLIENT} ip4:192.0.2.1 -all"}],
    "mail.pass.example": [{"TXT": f"v=spf1 ip4:{CLIENT} -all"}],
    "fail.example": [{"TXT": "v=spf1 -all exp=why.fail.example"}],
    "why.fail.example": [{"TXT": "100%% of %{d} says no"}],
    "softfail.example": [{"TXT": "v=spf1 ~all"}],
    "permerror.example": [{"TXT": "v=spf1 ip4:nonsense -all"}],
    "temperror.example": ["TIMEOUT"],
    "plain.example": [{"A": "198.51.100.1"}],
}
FORGED = b"Authentication-Results: mx.example.org; spf=pass\n"


def message(sender: bytes = b"user@pass.example", more: bytes = b"") -> bytes:
    """Of a From, with further fields above its own."""
    return (
        more + b"Subject:  two spaces\nX-Folded: one\n\ttwo\nFrom: User <" + sender + b">\n"
        b"To: bob@example.org\nMessage-Id: <1@pass.example>\n"
        b"Date: Thu, 1 Jan 2026 00:00:00 +0000\n\nHello\n"
    )


def ours(one: Delivered) -> list[tuple[str, str]]:
    """The fields that stand above the mail server's own Received, without those of delivery."""
    of_delivery = ("return-path", "x-original-to", "delivered-to")
    fields = [each for each in one.fields if each[0].lower() not in of_delivery]
    (first, *_) = [at for at, (name, _) in enumerate(fields) if name == "Received"]
    return fields[:first]
