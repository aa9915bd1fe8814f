"""RFC 4405: the vectors of data/rfc4405-submitter.yml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.verdicts import verdict

from senderid_fast.identities import a_labels
from senderid_fast.receiver.policy import Action
from senderid_fast.receiver.submitter import (
    SubmitterPolicy,
    SubmitterSyntaxError,
    parse_submitter,
    submitter_of,
    xtext_encode,
)

DATA = yaml.safe_load((Path(__file__).parent / "data" / "rfc4405-submitter.yml").read_text("utf-8"))


@dataclass(frozen=True)
class Pra:
    local_part: str
    domain: str


def pra_of(mailbox: str | None) -> Pra | None:
    if mailbox is None:
        return None
    local, _, domain = a_labels(mailbox.encode()).decode().rpartition("@")
    return Pra(local, domain.lower())


def test_none_is_left_out() -> None:
    assert (len(DATA["parse"]), len(DATA["compare"])) == (27, 13)


@pytest.mark.parametrize("case", DATA["parse"], ids=lambda case: str(case["id"]))
def test_parse(case: dict[str, Any]) -> None:
    parameters = case["mail"].partition(">")[2].split()
    if case["result"] == "syntax-error":
        with pytest.raises(SubmitterSyntaxError) as caught:
            submitter_of(parameters)
        assert str(caught.value.reply).startswith("501 5.5.4 ")
        return
    found = submitter_of(parameters)
    if case["result"] == "absent":
        assert found is None
    else:
        assert found is not None
        assert found.mailbox == case["submitter"]


@pytest.mark.parametrize("case", DATA["compare"], ids=lambda case: str(case["id"]))
def test_compare(case: dict[str, Any]) -> None:
    submitter = case["submitter"] and parse_submitter(xtext_encode(case["submitter"]))
    domain = submitter.domain if submitter else "example.com"
    checked = verdict("host", case["check_host"], domain)
    either = case["action"] == "tempfail-or-accept"
    for temperror in (Action.ACCEPT, Action.DEFER):
        policy = SubmitterPolicy(temperror=temperror)
        decision = policy.at_mail(checked)
        if decision.action is Action.ACCEPT and case["pra"] != "(not read yet)":
            decision = policy.after_data(submitter, pra_of(case["pra"]))
        expected = temperror if either else Action(case["action"])
        assert decision.action is expected
        reply = None if expected is Action.ACCEPT else case["reply"]
        assert (str(decision.reply) if decision.reply else None) == reply
