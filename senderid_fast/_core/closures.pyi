from senderid_fast._core.answers import AnswerStore
from senderid_fast.questions import Question

def closure(
    store: AnswerStore,
    limits: tuple[int | float, ...],
    plain_for_pra: bool,
    domain: bytes,
    scope: int,
    ip4: bool,
    ip6: bool,
    explanations: bool,
    now: int,
) -> tuple[tuple[Question, ...], tuple[tuple[str, str], ...], bool]: ...
