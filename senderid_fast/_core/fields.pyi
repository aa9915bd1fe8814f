import ipaddress
from collections.abc import Callable, Iterable

from senderid_fast._core.pra import Pra
from senderid_fast._core.verdict import Verdict

def received_spf(
    verdict: Verdict,
    ip: str | bytes | ipaddress.IPv4Address | ipaddress.IPv6Address,
    helo: str | bytes | None,
    mail_from: str | bytes | None,
    receiver: str,
    eai: bool,
) -> str: ...
def authentication_results(
    authserv_id: str,
    verdicts: tuple[Verdict, ...],
    version: int | None,
    with_helo: bool,
    local_parts: bool,
    reasons: bool,
    eai: bool,
    a_labels: Callable[[bytes], bytes],
) -> str: ...
def domain_of(pra: Pra) -> str: ...
def fold(name: str, body: str, line_end: str) -> str: ...
def of_kinds(
    fields: Iterable[tuple[str, str | bytes]], kinds: dict[str, int], note: Callable[[str], int]
) -> list[tuple[int, int, str | bytes]]: ...
