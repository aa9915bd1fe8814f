"""What the documents about policies show is run, and gives what they say."""

from __future__ import annotations

import doctest
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from senderid_fast.receiver.exchange import ExchangeSenderId
from senderid_fast.receiver.overrides import CRITERIA
from senderid_fast.receiver.policy import Action, ReceiverPolicy
from senderid_fast.receiver.replies import FIELDS, ReplyTexts
from senderid_fast.receiver.submitter import SubmitterPolicy

DOCS = Path(__file__).parents[2] / "docs"
POLICY = (DOCS / "receiver-policy.md").read_text("utf-8")
EXCHANGE = (DOCS / "exchange.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "text"), [("receiver-policy", POLICY), ("exchange", EXCHANGE)], ids=lambda it: it[:12]
)
def test_examples(name: str, text: str) -> None:
    # Backslashes in a document are meant for Python, as in any example.
    examples = doctest.DocTestParser().get_doctest(text, {}, name, f"{name}.md", 0)
    told: list[str] = []
    assert len(examples.examples) >= 10
    assert not doctest.DocTestRunner().run(examples, out=told.append).failed, "".join(told)


def test_overrides_in_toml() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", POLICY, re.M | re.S)
    assert len(ReceiverPolicy.from_mapping(tomllib.loads(block)).overrides) == 2


def test_every_setting_is_told() -> None:
    plain = {"overrides": "override", "replies": "texts"}
    names = [plain.get(each.name, each.name) for each in fields(ReceiverPolicy) if each.init]
    names += [each.name for each in fields(ReplyTexts)]
    names += [each.name for each in fields(SubmitterPolicy)]
    names += [f"{{{name}}}" for name in FIELDS]
    names += [*Action, "codes", *CRITERIA]
    assert not [name for name in names if not re.search(rf"`{re.escape(name)}[`, =]", POLICY)]
    defaults = ExchangeSenderId().as_mapping()
    for name, value in defaults.items():
        shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
        assert f"| `{name}` | {shown or 'none'} |" in EXCHANGE
