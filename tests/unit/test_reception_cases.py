"""The cases of kind "service" in the log of public reports, as far as reception decides them.

Those that give a zone and a session are run as they are. The others tell a story in words: each has
a test here whose name holds its id, or one in the tests of the protocols, the configuration or the
service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.receptions import HEADERS, ZONE, envelope, receive, stamps
from support.shared import shared_file

import senderid_fast as sf
from senderid_fast.errors import InputError
from senderid_fast.receiver import Action, Networks, ReceiverPolicy
from senderid_fast.reception import Envelope, Receiver

HERE = "mx.here.example"
PLAIN = Receiver(HERE)


def reported() -> list[dict[str, Any]]:
    text = shared_file("cases/public-reports.yml").read_text("utf-8")
    return [
        case for case in yaml.safe_load(text) if case["kind"] == "service" and case["try"] == "io"
    ]


def session(case: dict[str, Any], **others: Any) -> Envelope:
    return Envelope(
        ip=case["ip"],
        helo=case["helo"].encode(),
        mail_from=f"<{case['mailfrom']}>".encode(),
        eai=not case["mailfrom"].isascii(),
        **others,
    )


def test_cases_of_the_log() -> None:
    cases = reported()
    assert len(cases) >= 6
    for case in cases:
        engine = sf.AsyncEngine(sf.ZoneResolver(case["zone"]))
        outcome = receive(PLAIN, session(case), HEADERS, engine)
        assert outcome.verdicts is not None
        assert outcome.verdicts.mail_from is not None, case["id"]
        result = str(outcome.verdicts.mail_from.result)
        assert result in case["expect"], case["id"]
        # The results are those that are told, and none of them is a reason to refuse by default.
        assert stamps(outcome)[0].startswith(f"Received-SPF: {result} "), case["id"]
        assert outcome.decision.action in (Action.ACCEPT, Action.MARK), case["id"]
        assert outcome.trouble is None, case["id"]


def with_policy(**tables: Any) -> Receiver:
    return Receiver(HERE, policy=ReceiverPolicy.from_mapping(tables))


def test_svc_skip_authenticated() -> None:
    given = envelope(b"<x@bad.example>", authenticated=True)
    rejecting = {"mailfrom": {"fail": "reject"}}
    assert receive(with_policy(**rejecting), given).skipped == "authenticated"
    outcome = receive(with_policy(**rejecting, check_authenticated=True), given)
    assert (outcome.skipped, outcome.decision.action) == (None, Action.REJECT)


@pytest.mark.parametrize(
    ("listed", "ip"),
    [
        ("192.0.2.25", "192.0.2.25"),
        ("192.0.2.25", "::ffff:192.0.2.25"),
        ("::ffff:192.0.2.25", "192.0.2.25"),
        ("192.0.2.0/27", "192.0.2.25"),
        ("::ffff:192.0.2.0/123", "192.0.2.25"),
        ("2001:db8:1::/48", "2001:db8:1::25"),
    ],
)
def test_svc_skip_relay(listed: str, ip: str) -> None:
    tables = {"override": [{"name": "backup MX", "client": listed, "skip": True}]}
    outcome = receive(with_policy(**tables), envelope(b"<x@bad.example>", ip=ip))
    assert outcome.decision.action is Action.ACCEPT
    assert outcome.verdicts is None
    assert "(not checked: override 'backup MX')" in stamps(outcome)[0]
    assert receive(Receiver(HERE, internal=Networks(listed)), envelope(ip=ip)).skipped
    with pytest.raises(InputError, match="is no address or network"):
        Networks(f"{listed}, 192.0.2.x")


def test_svc_whitelist_and_helo() -> None:
    tables = {
        "mailfrom": {"fail": "reject"},
        "override": [{"helo_name": "mta.good.example", "skip": True}],
    }
    receiver, forwarded = with_policy(**tables), b"<x@bad.example>"
    assert receive(receiver, envelope(forwarded)).decision.action is Action.ACCEPT
    # The same name from an address that may not use it.
    outcome = receive(receiver, envelope(forwarded, ip="198.51.100.1"))
    assert outcome.decision.action is Action.REJECT


@pytest.mark.parametrize("helo", [b"[192.0.2.1]", b"localhost", b"a..b", b"", None])
def test_svc_none_is_not_451(helo: bytes | None) -> None:
    class Silent:
        def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
            raise AssertionError(question)

    receiver = Receiver(HERE, checks=("helo", "mailfrom"))
    outcome = receive(receiver, envelope(b"", helo=helo), engine=sf.AsyncEngine(Silent()))
    assert outcome.verdicts is not None
    assert outcome.verdicts.mail_from is not None
    assert outcome.verdicts.mail_from.result is sf.Result.NONE
    assert (outcome.decision.action, outcome.decision.reply) == (Action.ACCEPT, None)


@pytest.mark.parametrize(
    ("domain", "setting", "reply"),
    [
        ("bad", {"fail": "reject"}, "550 5.7.23 "),
        ("slow", {"temperror": "defer"}, "451 4.7.24 "),
        ("broken", {"permerror": "reject"}, "550 5.7.24 "),
        ("bad", {"fail": "defer"}, "451 4.7.1 "),
    ],
)
def test_svc_reply_code_class(domain: str, setting: dict[str, str], reply: str) -> None:
    given = envelope(f"<x@{domain}.example>".encode())
    outcome = receive(with_policy(mailfrom=setting), given)
    assert str(outcome.decision.reply).startswith(reply)
    old = receive(with_policy(mailfrom=setting, codes="rfc7208"), given).decision.reply
    assert old is not None
    assert old.enhanced[0] == str(old.code)[0] == reply[0]


def test_svc_no_third_party_url() -> None:
    outcome = receive(with_policy(mailfrom={"fail": "reject"}), envelope(b"<x@bad.example>"))
    text = str(outcome.decision.reply)
    assert "://" not in text
    assert "www." not in text
    assert all(word in text for word in ("bad.example", "192.0.2.1", "failed"))


def test_svc_permerror_default() -> None:
    given = envelope(b"<x@broken.example>")
    outcome = receive(PLAIN, given)
    assert outcome.decision.action is Action.MARK
    assert "spf=permerror" in stamps(outcome)[1]
    for action in ("accept", "defer", "reject"):
        outcome = receive(with_policy(mailfrom={"permerror": action}), given)
        assert outcome.decision.action == action
    by_domain = {"sender": "broken.example", "mailfrom": {"permerror": "accept"}}
    tables = {"mailfrom": {"permerror": "reject"}, "override": [by_domain]}
    assert receive(with_policy(**tables), given).decision.action is Action.ACCEPT


def test_svc_temperror_action() -> None:
    given = envelope(b"<x@slow.example>")
    outcome = receive(PLAIN, given)
    assert outcome.decision.action is Action.MARK
    assert "spf=temperror" in stamps(outcome)[1]
    outcome = receive(with_policy(mailfrom={"temperror": "defer"}), given)
    assert str(outcome.decision.reply).startswith("451 4.7.24 ")
    with pytest.raises(InputError, match="must be one of accept, mark, defer"):
        with_policy(mailfrom={"temperror": "reject"})


def test_svc_reject_none_option() -> None:
    receiver = with_policy(mailfrom={"none": "reject"})
    assert receive(receiver, envelope(b"<x@silent.example>")).decision.action is Action.REJECT
    for given in (envelope(b"<>", helo=b"silent.example"), envelope(helo=b"silent.example")):
        assert receive(receiver, given).decision.action is Action.ACCEPT
    outcome = receive(with_policy(null_sender={"none": "reject"}), envelope(b"", helo=b"a.example"))
    assert outcome.decision.action is Action.REJECT
    assert receive(PLAIN, envelope(b"<x@silent.example>")).decision.action is Action.ACCEPT


def test_svc_multi_rcpt_one_header() -> None:
    outcome = receive(PLAIN, envelope(), recipients=[b"<a@h>", b"<b@h>", b"<c@h>"])
    names = [field.name for field in outcome.add]
    assert names == ["Received-SPF", "Authentication-Results"]


def test_svc_hide_receiver() -> None:
    given = envelope(recipients=(b"<hidden@example.net>",))
    for outcome in (receive(PLAIN, given), receive(PLAIN, envelope(b"<x@bad.example>"))):
        assert "receiver=mx.here.example; " in stamps(outcome)[0]
        assert not any("hidden" in stamp for stamp in stamps(outcome))


@pytest.mark.parametrize("helo", ["silent", "neutral", "soft", "broken", "slow", "bad"])
def test_svc_helo_none_does_not_mask(helo: str) -> None:
    outcome = receive(PLAIN, envelope(helo=f"{helo}.example".encode()))
    assert outcome.verdicts is not None
    assert outcome.verdicts.helo is not None
    assert outcome.verdicts.helo.result is not sf.Result.PASS
    assert outcome.verdicts.mail_from is not None
    assert outcome.verdicts.mail_from.result is sf.Result.PASS
    spf, results = stamps(outcome)
    assert spf.startswith("Received-SPF: pass ")
    assert "identity=mailfrom" in spf
    assert "; spf=pass smtp.mailfrom=good.example; " in results
    assert "smtp.helo" not in results


def test_each_case_has_a_test() -> None:
    """By its id, here or in the tests of the protocols, the commands, the services."""
    here = Path(__file__)
    files = [each for each in here.parents[1].rglob("test_*.py") if each != here]
    text = "\n".join(each.read_text("utf-8") for each in files).replace("_", "-")
    own = {name.removeprefix("test_").replace("_", "-") for name in globals()}
    cases = yaml.safe_load(shared_file("cases/public-reports.yml").read_text("utf-8"))
    told = [case["id"] for case in cases if case["kind"] == "service" and case["try"] != "io"]
    assert len(told) >= 19
    assert [each for each in told if each not in text and each not in own] == []


def test_the_zone_gives_all_results() -> None:
    """So that the cases above say what they seem to say."""
    wanted = {"silent": "none", "neutral": "neutral", "good": "pass", "bad": "fail"}
    wanted |= {"soft": "softfail", "slow": "temperror", "broken": "permerror"}
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    for domain, result in wanted.items():
        assert engine.check_mail_from("192.0.2.1", f"x@{domain}.example").result == result
