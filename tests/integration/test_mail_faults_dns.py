"""The services beside a real Postfix while DNS is away, slow, or lies.

What may live here: faults of DNS. A message gets the result that is true, or temperror; never
another one.
"""

from __future__ import annotations

import pytest
from support.mailsite import Kind, site
from support.services import eventually

EACH = 24


@pytest.mark.parametrize("kind", ["milter", "policyd"])
def test_whatever_dns_does(kind: Kind) -> None:
    troubled: set[int] = set()
    with site(kind) as here:
        here.start()
        sendings = [here.send(EACH)]
        for way in ("garbage", "silent", "wrong-id", "wrong-question", "noise", "servfail", "slow"):
            here.dns.way = way
            sendings.append(here.send(EACH // 2))
            troubled.update(sendings[-1].accepted)
            here.dns.way = "good"
            sendings.append(here.send(EACH // 4))
        here.dns.stop()
        sendings.append(here.send(EACH))
        troubled.update(sendings[-1].accepted)
        here.dns.start()
        here.dns.way = "lying"
        sendings.append(here.send(EACH))
        here.dns.way = "truncated"
        sendings.append(here.send(EACH))
        errors = here.check(*sendings, troubled=troubled.__contains__)
        assert errors >= EACH
        assert here.service.stop() == 0


@pytest.mark.parametrize("kind", ["milter", "policyd"])
def test_what_cannot_be_checked_is_put_off_by_policy(kind: Kind) -> None:
    with site(kind) as here:
        here.configure(more='[policy]\nmailfrom.temperror = "defer"\npra.temperror = "defer"')
        here.start()
        here.dns.stop()
        sending = here.sending(EACH)
        eventually(lambda: sending.put_off >= EACH)
        assert sending.accepted == []
        here.dns.start()
        sending.join()
        assert not sending.refused
        assert here.check(sending) == 0
