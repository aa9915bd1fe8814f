from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, final

from senderid_fast._core.answers import AnswerStore
from senderid_fast._core.cachereader import CacheReader
from senderid_fast._core.verdict import Verdict
from senderid_fast.questions import Answer, Question

_Address = str | bytes | IPv4Address | IPv6Address
_Text = str | bytes

@final
class Check:
    @property
    def question(self) -> Question | None: ...
    @property
    def verdict(self) -> Verdict | None: ...
    def answer(
        self, answer: Answer, expires: int, failure_expires: int, now: int
    ) -> Question | None: ...
    def ahead(self, most: int) -> list[Question]: ...
    def supply(
        self, get: Callable[[bytes], Any], reader: CacheReader, unix: float, now: int
    ) -> int: ...
    def begin_again(self, now: int) -> Question | None: ...
    def expire(self) -> Verdict: ...
    def steps(self) -> list[dict[str, Any]]: ...

@final
class Evaluator:
    epoch: int
    @property
    def store(self) -> AnswerStore: ...
    @property
    def limits(self) -> tuple[Any, ...]: ...
    def __init__(
        self,
        store: AnswerStore,
        limits: tuple[Any, ...],
        receiver: bytes,
        plain_for_pra: bool,
        epoch: int,
        a_labels: Callable[[bytes], bytes],
    ) -> None: ...
    def check_host(
        self,
        ip: _Address,
        domain: _Text,
        sender: _Text | None,
        helo: _Text | None,
        scope: int,
        now: int,
        traced: bool = False,
    ) -> Verdict | Check: ...
    def check_helo(
        self, ip: _Address, helo: _Text | None, now: int, traced: bool = False
    ) -> Verdict | Check: ...
    def check_mail_from(
        self, ip: _Address, mail_from: _Text, helo: _Text | None, now: int, traced: bool = False
    ) -> Verdict | Check: ...
    def check_pra(
        self,
        ip: _Address,
        headers: bytes | bytearray | memoryview,
        helo: _Text | None,
        submitter: _Text | None,
        now: int,
        traced: bool = False,
    ) -> Verdict | Check: ...
    def check_message(
        self,
        ip: _Address,
        helo: _Text | None,
        mail_from: _Text | None,
        headers: bytes | bytearray | memoryview,
        submitter: _Text | None,
        now: int,
    ) -> tuple[Verdict | Check, Verdict | Check | None, Verdict | Check]: ...
    def rehearse(
        self, ip: _Address, mail_from: _Text, helo: _Text | None, now: int, count: int
    ) -> int: ...
