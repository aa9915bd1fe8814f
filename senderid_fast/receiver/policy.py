"""ReceiverPolicy, and decide(): from verdicts to what is done with a message.

What may live here: the policy of a receiver and its application. No message and no connection is
known here, and no check is made. Sender ID as Exchange Server has it is in exchange.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple, Self, cast

from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.receiver.actions import (
    Action,
    Actions,
    action_of,
    flag,
    known_keys,
    mapping_of,
    under,
)
from senderid_fast.receiver.decisions import Decision, Judgement, MessageLike
from senderid_fast.receiver.escaping import visible
from senderid_fast.receiver.overrides import TABLES, Cell, Cells, Override, Overrides, cells_of
from senderid_fast.receiver.replies import Codes, Replies, Reply, ReplyTexts
from senderid_fast.results import Reason, Result, Scope

__all__ = [
    "Action",
    "Actions",
    "Decision",
    "Judgement",
    "MessageLike",
    "Override",
    "ReceiverPolicy",
    "decide",
]

# Nothing is refused unless the policy says so: RFC 7208 8 leaves it to the receiver, and a record
# with an error, or a forwarder, is no reason to lose mail.
_DEFAULTS = Actions(
    none=Action.ACCEPT,
    neutral=Action.ACCEPT,
    pass_=Action.ACCEPT,
    fail=Action.MARK,
    softfail=Action.MARK,
    temperror=Action.MARK,
    permerror=Action.MARK,
)
_SEVERITY = {action: number for number, action in enumerate(Action)}
# Of verdicts with equal consequences, that of MAIL FROM is the one to tell (RFC 7208 2.4).
_ORDER = {"mailfrom": 0, "pra": 1, "helo": 2}
_PASSING = (Action.ACCEPT, Action.MARK)
_DECIDED_MOST = 1_024  # there are no more results of three identities that are seen together
_FAILURES = (Result.FAIL, Result.SOFTFAIL, Result.PERMERROR)


@dataclass(frozen=True, slots=True)
class ReceiverPolicy:
    """What a receiver does about results. Nothing is refused by default.

    helo, mailfrom, pra   Actions for each identity; what they leave out is accept for none,
                          neutral and pass, and mark for fail, softfail, temperror and permerror
    null_sender           Actions for the MAIL FROM identity of the null reverse-path, which is
                          postmaster at the HELO name; what it leaves out is as in helo
    no_pra                for a message without a Purported Responsible Address (RFC 4406 4)
    overrides             Override for some clients, recipients or senders
    check_authenticated   whether the policy is for clients that have authenticated themselves, too
    test_only             decide, and say what would be done, but accept
    replies               Replies: codes and texts

    Raises InputError, which names the setting.
    """

    helo: Actions = field(default_factory=Actions)
    mailfrom: Actions = field(default_factory=Actions)
    pra: Actions = field(default_factory=Actions)
    null_sender: Actions = field(default_factory=Actions)
    no_pra: Action = Action.MARK
    overrides: tuple[Override, ...] = ()
    check_authenticated: bool = False
    test_only: bool = False
    replies: Replies = field(default_factory=Replies)
    _cells: dict[Cell, Action] = field(init=False, repr=False, compare=False)
    _overrides: Overrides = field(init=False, repr=False, compare=False)
    _decided: dict[tuple[object, ...], Decision] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for table in TABLES:
            if not isinstance(getattr(self, table), Actions):
                raise InputError(table, f"must be Actions, is {getattr(self, table)!r}")
        object.__setattr__(self, "no_pra", action_of("no_pra", self.no_pra))
        flag("check_authenticated", self.check_authenticated)
        flag("test_only", self.test_only)
        if not isinstance(self.replies, Replies):
            raise InputError("replies", f"must be Replies, is {type(self.replies).__name__}")
        overrides = tuple(self.overrides)
        for at, override in enumerate(overrides):
            if not isinstance(override, Override):
                raise InputError(f"override[{at}]", f"must be an Override, is {override!r}")
            if override.authenticated and not self.check_authenticated:
                raise InputError(
                    f"override[{at}].authenticated", "has no effect without check_authenticated"
                )
        # null_sender takes from helo what it leaves out, before the defaults take the rest.
        filled = {"helo": self.helo.over(_DEFAULTS)}
        filled["null_sender"] = self.null_sender.over(filled["helo"])
        filled["mailfrom"] = self.mailfrom.over(_DEFAULTS)
        filled["pra"] = self.pra.over(_DEFAULTS)
        object.__setattr__(self, "overrides", overrides)
        for table, actions in filled.items():
            object.__setattr__(self, table, actions)
        object.__setattr__(self, "_cells", cells_of(self))
        object.__setattr__(self, "_overrides", Overrides(overrides))
        object.__setattr__(self, "_decided", {})

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """The policy as a mapping, such as TOML is read into.

        Its keys are the fields above, with ``override`` for the list of overrides, and ``codes``
        and ``texts`` in place of replies. Raises InputError, which names the key with its path,
        such as "override[2].mailfrom.fail", and what it may be.
        """
        plain = ("no_pra", "check_authenticated", "test_only")
        mapping = mapping_of("policy", mapping)
        known_keys(mapping, (*TABLES, *plain, "codes", "texts", "override"))
        values: dict[str, object] = {key: mapping[key] for key in plain if key in mapping}
        for table in TABLES:
            if table in mapping:
                inner = mapping_of(table, mapping[table])
                with under(table):
                    values[table] = Actions.from_mapping(inner)
        found = mapping.get("override", [])
        if not isinstance(found, Sequence) or isinstance(found, (str, bytes)):
            raise InputError("override", f"must be a list of tables, is {found!r}")
        overrides = []
        for at, entry in enumerate(found):
            inner = mapping_of(f"override[{at}]", entry)
            with under(f"override[{at}]"):
                overrides.append(Override.from_mapping(inner))
        texts = mapping_of("texts", mapping.get("texts", {}))
        with under("texts"):
            known_keys(texts, (each.name for each in fields(ReplyTexts)))
            made = ReplyTexts(**texts)  # type: ignore[arg-type]
        replies = Replies(cast(Codes, mapping.get("codes", Codes.RFC7372)), made)
        return cls(overrides=tuple(overrides), replies=replies, **values)  # type: ignore[arg-type]

    def skipped(self, ip: object, *, authenticated: bool = False) -> str | None:
        """What exempts a session from every part of the policy, so that no check is needed; None if
        nothing does. ip is the client's address."""
        if authenticated and not self.check_authenticated:
            return "authenticated"
        if not self.overrides:
            return None
        # An override that skips sets every result, so if it comes first, no other counts.
        for cells in self._overrides.of_client(ip, authenticated):
            return next((each.name for _, each in cells.values() if each.skip), None)
        return None

    def cautions(self) -> tuple[str, ...]:
        """Settings that an RFC advises against, one sentence each, for whoever sets up a policy."""
        found = []
        tables = [("", cells_of(self))]
        tables += [(f" (override {each.name!r})", cells_of(each)) for each in self.overrides]
        for where, cells in tables:
            for (table, result), action in cells.items():
                if result is not None and action in (Action.REJECT, Action.DISCARD):
                    advice = _advice(table, result)
                    if advice:
                        found.append(f"{table}.{result} is {action}{where}: {advice}")
        return tuple(dict.fromkeys(found))


def _advice(table: str, result: Result) -> str | None:
    if result is Result.SOFTFAIL:
        return "softfail alone should not be a reason to reject (RFC 7208 8.5, RFC 4406 5.1)"
    if table == "pra" and result in (Result.NONE, Result.NEUTRAL, Result.PERMERROR):
        return f"{result} alone should not be a reason to reject (RFC 4406 5.1)"
    return None


def _verdicts(found: MessageLike | Verdict | Iterable[Verdict | None]) -> list[Verdict]:
    several: Iterable[Verdict | None]
    if hasattr(found, "mail_from"):
        message = cast(MessageLike, found)
        several = (message.mail_from, message.pra, message.helo)  # as _ORDER has them
        return [verdict for verdict in several if verdict is not None]
    if hasattr(found, "result"):
        return [cast(Verdict, found)]
    verdicts = [verdict for verdict in found if verdict is not None]
    return sorted(verdicts, key=lambda verdict: _ORDER[_identity(verdict)])


def _identity(verdict: Verdict) -> str:
    """The identity that a verdict is about; a plain check_host() is taken by its scope."""
    identity = verdict.identity
    if identity == "host":
        return "pra" if verdict.scope is Scope.PRA else "mailfrom"
    if identity not in _ORDER:
        raise InputError("verdicts", f"unknown identity {identity!r}")
    return identity


class _Ruling(NamedTuple):
    """What one verdict comes to: the action for a cell, and the override that it is from, if any.
    The words for people are made of those alone that count: most messages are accepted."""

    verdict: Verdict
    cell: Cell
    action: Action
    override: Override | None

    def judgement(self) -> Judgement:
        table, result = self.cell
        setting = "no_pra" if result is None else f"{table}.{result}"
        rule = f"{setting} = {self.action}"
        if self.override is not None:
            rule += f" (override {self.override.name!r})"
        return Judgement(_identity(self.verdict), self.verdict.result, self.action, rule)


def _ruling(
    policy: ReceiverPolicy, verdict: Verdict, layers: Sequence[Cells], null: bool
) -> _Ruling:
    identity = _identity(verdict)
    table = "null_sender" if null and identity == "mailfrom" else identity
    cell: Cell = (table, None if verdict.reason is Reason.NO_PRA else verdict.result)
    if policy.overrides:
        for cells in (*layers, *policy._overrides.of_sender(verdict.domain)):
            if cell in cells:
                return _Ruling(verdict, cell, *cells[cell])
    return _Ruling(verdict, cell, policy._cells[cell], None)


def _severity(ruling: _Ruling) -> int:
    return _SEVERITY[ruling.action]


def decide(
    policy: ReceiverPolicy,
    verdicts: MessageLike | Verdict | Iterable[Verdict | None],
    recipients: Iterable[str] = (),
    ip: object = "",
    *,
    mail_from: str | bytes | None = None,
    authenticated: bool = False,
) -> Decision:
    """What the policy has for a message, or for a part of its session.

    verdicts       those that are known: of a message, or one, or several
    recipients     addresses that it is for; a decision at RCPT time is for one
    ip             the client's address, for overrides and replies
    mail_from      the reverse-path as given: "" or "<>" makes null_sender apply
    authenticated  whether the client has authenticated itself

    Each verdict is judged by itself: a result for HELO, whatever it is, does not keep the one for
    MAIL FROM from being judged (RFC 7208 2.3, 2.4). The strictest action counts, in the order
    accept, mark, defer, discard, reject. Of several recipients, the strictest counts too, but for
    discard: a message that some are to get is dropped for the others alone.
    """
    skipped = policy.skipped(ip, authenticated=authenticated)
    if skipped is not None:
        return Decision(
            Action.ACCEPT, None, None, None, f"skipped: {skipped}", Action.ACCEPT, skipped=skipped
        )
    found = _verdicts(verdicts)
    if not found:
        return Decision(Action.ACCEPT, None, None, None, "nothing was checked", Action.ACCEPT)
    null = mail_from is not None and mail_from in ("", "<>", b"", b"<>")
    if policy.overrides or len(found) > len(_ORDER):
        return _strictest(policy, found, recipients, ip, authenticated, null)
    # Nobody is an exception: unless something is refused, all that is said is said of the results.
    key = (
        null,
        *[(each.identity, each.scope, each.result, each.reason is Reason.NO_PRA) for each in found],
    )
    decision = policy._decided.get(key)
    if decision is None:
        decision = _strictest(policy, found, recipients, ip, authenticated, null)
        if decision.would_be in _PASSING:
            if len(policy._decided) >= _DECIDED_MOST:
                policy._decided.clear()
            policy._decided[key] = decision
    return decision


def _strictest(
    policy: ReceiverPolicy,
    found: list[Verdict],
    recipients: Iterable[str],
    ip: object,
    authenticated: bool,
    null: bool,
) -> Decision:
    """As decide(), of one verdict or more."""
    if isinstance(recipients, str):
        recipients = (recipients,)
    by_recipient = _by_recipient(policy, found, recipients, ip, authenticated, null)
    # Of equals the first: of recipients, and of identities in the order of _ORDER.
    strictest = {each: max(of, key=_severity) for each, of in by_recipient.items()}
    dropped = [each for each, best in strictest.items() if best.action is Action.DISCARD]
    counting = [each for each in strictest if each not in dropped] if dropped else [*strictest]
    leader = max(counting or strictest, key=lambda each: _severity(strictest[each]))
    rulings, best = by_recipient[leader], strictest[leader]
    judgement = best.judgement()
    reply = _reply(policy, rulings, best, ip)
    real = dropped if counting and best.action in _PASSING else []
    reason = judgement.rule
    if real:
        reason += f"; dropped for {visible(', '.join(real), 500)}"
    if policy.test_only:
        reason = f"test only: {reason}"
    return Decision(
        action=Action.ACCEPT if policy.test_only else best.action,
        reply=None if policy.test_only else reply,
        identity=judgement.identity,
        result=judgement.result,
        reason=reason,
        would_be=best.action,
        would_reply=reply,
        marks=tuple(each.judgement() for each in rulings if each.action is not Action.ACCEPT),
        skipped=_exempt(rulings),
        dropped=() if policy.test_only else tuple(real),
    )


def _by_recipient(
    policy: ReceiverPolicy,
    verdicts: list[Verdict],
    recipients: Iterable[str],
    ip: object,
    authenticated: bool,
    null: bool,
) -> dict[str, list[_Ruling]]:
    """What each verdict comes to, for each recipient; "" if there is none."""
    if not policy.overrides:  # nobody is an exception
        rulings = [_ruling(policy, verdict, (), null) for verdict in verdicts]
        return dict.fromkeys(recipients, rulings) or {"": rulings}
    session = list(policy._overrides.of_client(ip, authenticated))
    for verdict in verdicts:
        if _identity(verdict) == "helo" and verdict.result is Result.PASS:
            session += policy._overrides.of_helo(verdict.domain)
    by_recipient = {}
    for recipient in dict.fromkeys(recipients) or {"": None}:
        layers = [*session, *policy._overrides.of_recipient(recipient)]
        by_recipient[recipient] = [_ruling(policy, each, layers, null) for each in verdicts]
    return by_recipient


def _exempt(rulings: list[_Ruling]) -> str | None:
    """The override that exempts all of them, if one does."""
    names = [each.override and each.override.skip and each.override.name for each in rulings]
    return names[0] or None if all(names) else None


def _reply(
    policy: ReceiverPolicy, rulings: list[_Ruling], best: _Ruling, ip: object
) -> Reply | None:
    if best.action is Action.DEFER:
        return policy.replies.refusal(best.verdict, ip, permanent=False)
    if best.action is not Action.REJECT:
        return None
    # RFC 7372 4: more than one check failed, "thus warranting rejection". HELO and the null
    # reverse-path are one identity, checked once or twice.
    failed = {
        (verdict.scope, verdict.domain, verdict.sender): verdict
        for verdict, _, action, _ in reversed(rulings)
        if action is Action.REJECT
        and (verdict.result in _FAILURES or verdict.reason is Reason.NO_PRA)
    }
    if len(failed) > 1:
        return policy.replies.several(list(reversed(failed.values())), ip)
    return policy.replies.refusal(best.verdict, ip, permanent=True)
