"""Whom the policy service checks, and as whom, with the reports of users as cases (svc-*, id-*)."""

from __future__ import annotations

import pytest
from support.policyd import MX, REJECT, ask, one, recorded, result_of

from senderid_fast.receiver import ExchangeSenderId, TrustedRelays

# ---- who is not checked ----------------------------------------------------------------------


def test_svc_skip_authenticated() -> None:
    application = recorded(policy=REJECT)
    (answer,) = ask(application, {"sasl_username": "grace"})
    assert answer == f"PREPEND Authentication-Results: {MX}; none (not checked: authenticated)"
    assert application.lines[0].outcome.skipped == "authenticated"
    assert application.resolver.questions == []
    policy = REJECT | {"check_authenticated": True}
    assert one(settings={"policy": policy}, sasl_username="grace").startswith("550")


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "unknown", ""])
def test_internal_and_unknown_clients(client: str) -> None:
    assert one(settings={"policy": REJECT}, client_address=client) == "DUNNO"


@pytest.mark.parametrize("client", ["192.0.2.25", "::ffff:192.0.2.25", "2001:db8::1"])
def test_svc_skip_relay(client: str) -> None:
    override = {"client": ["192.0.2.25", "2001:db8::/32"], "skip": True, "name": "backup MX"}
    settings = {"policy": REJECT | {"override": [override]}}
    answer = one(settings=settings, client_address=client)
    assert answer.endswith("none (not checked: override 'backup MX')")


def test_a_client_behind_a_relay_is_unknown_without_a_header() -> None:
    application = recorded(policy=REJECT, relays=TrustedRelays(["203.0.113.0/24"]))
    (answer,) = ask(application, {})
    assert answer.startswith(f"PREPEND Authentication-Results: {MX}; none (not checked: ")
    assert application.resolver.questions == []


def test_the_pra_is_not_decided_about() -> None:
    settings = {"policy": {"no_pra": "reject", "pra": {"none": "reject"}}}
    application = recorded(
        **settings, exchange=ExchangeSenderId.from_mapping({"SpoofedDomainAction": "Reject"})
    )
    (answer,) = ask(application, {})
    assert result_of(answer) == "fail"
    assert application.lines[0].outcome.verdicts is not None
    assert application.lines[0].outcome.verdicts.pra is None
    assert one(settings={"checks": ("pra",)}) == "DUNNO"


# ---- null-sender-and-identity ----------------------------------------------------------------


def test_id_null_sender() -> None:
    answer = one(sender="", helo_name="mail.example.org", client_address="192.0.2.1")
    assert result_of(answer) == "fail"
    assert "postmaster@mail.example.org" in answer


def test_id_null_helo_literal() -> None:
    assert result_of(one(sender="", helo_name="[192.0.2.1]")) == "none"


def test_id_empty_local_part() -> None:
    zone = {
        "example.com": [{"TXT": "v=spf1 exists:%{l}.users.example.net -all"}],
        "postmaster.users.example.net": [{"A": "127.0.0.2"}],
    }
    assert result_of(one(zone, sender="@example.com")) == "pass"


def test_id_no_domain() -> None:
    assert result_of(one(sender="root")) == "none"


@pytest.mark.parametrize("sender", ['"a@b"@strict.example', "a@b@strict.example"])
def test_id_quoted_at(sender: str) -> None:
    """Postfix tells addresses without their quotes."""
    assert result_of(one(sender=sender, client_address="192.0.2.1")) == "pass"


def test_id_idn_sender() -> None:
    zone = {"xn--bcher-kva.example": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}
    answer = one(zone, sender="user@b\xfccher.example", client_address="192.0.2.1")
    assert result_of(answer) == "pass"
    assert answer.isascii()


def test_svc_non_utf8_sender() -> None:
    zone = {
        "example.com": [{"TXT": "v=spf1 exists:%{l}.users.example.net -all"}],
        "us\\233r.users.example.net": [{"A": "127.0.0.2"}],
    }
    application = recorded(zone)
    (answer,) = ask(application, {"sender": b"us\xe9r@example.com", "recipient": b"\xff@\xfe"})
    assert result_of(answer) in ("pass", "fail")
    assert "us\\\\xe9r@example.com" in answer
    assert application.lines[0].envelope.mail_from == b"<us\xe9r@example.com>"


def test_svc_hide_receiver() -> None:
    answer = one(recipient="hidden@example.net")
    assert f"receiver={MX};" in answer
    assert "hidden" not in answer
    assert "hidden" not in one(settings={"policy": REJECT}, recipient="hidden@example.net")
