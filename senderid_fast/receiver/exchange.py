"""ExchangeSenderId: the Sender ID agent of Exchange Server, its settings by their own names.

What may live here: those settings, the decision that follows from them, and Test-SenderId. Points
that Microsoft's documents leave open are decided here and listed in docs/exchange.md. Header fields
that Exchange stamps are not written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self, TypeVar

from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.receiver.actions import Action, flag, mapping_of
from senderid_fast.receiver.networks import Networks, listed
from senderid_fast.receiver.patterns import address_keys, domain_of, parse_address, parse_domain
from senderid_fast.receiver.replies import SUBMITTER_MISMATCH, Replies, Reply
from senderid_fast.receiver.stamps import SenderIdStatus, sender_id_status
from senderid_fast.results import Reason, Result, Scope

__all__ = [
    "ExchangeAction",
    "ExchangeDecision",
    "ExchangeSenderId",
    "FailReason",
    "SenderIdTest",
    "test_sender_id",
]

LIST_MOST = 100  # entries of BypassedRecipients and BypassedSenderDomains


class ExchangeAction(StrEnum):
    """A value of SpoofedDomainAction and TempErrorAction."""

    STAMP_STATUS = "StampStatus"  #: write the status into the message's metadata, and go on
    REJECT = "Reject"  #: answer 5xx
    DELETE = "Delete"  #: answer OK, and drop the message


class FailReason(StrEnum):
    """Why Test-SenderId says Fail."""

    NOT_PERMITTED = "NotPermitted"
    DOMAIN_DOES_NOT_EXIST = "DomainDoesNotExist"


def _fail_reason(verdict: Verdict) -> FailReason | None:
    if verdict.reason is Reason.NO_DOMAIN:
        return FailReason.DOMAIN_DOES_NOT_EXIST
    # Not that of a message without a PRA, or with another one than SUBMITTER said.
    if verdict.result is Result.FAIL and verdict.reason is not Reason.SUBMITTER_MISMATCH:
        return FailReason.NOT_PERMITTED
    return None


@dataclass(frozen=True, slots=True)
class ExchangeDecision:
    """What Exchange would do with a message.

    action       Action: mark (stamp the status), reject, discard (Delete), or accept if no status
                 is set
    reply        Reply for reject, else None
    status       SenderIdStatus to be stamped; None if the message is not checked
    fail_reason  FailReason; None for other statuses, and if no address was checked
    prd          the purported responsible domain to be stamped, or None
    bypassed     why the message is not checked, or None
    reason       one sentence for people
    """

    action: Action
    reply: Reply | None
    status: SenderIdStatus | None
    fail_reason: FailReason | None
    prd: str | None
    bypassed: str | None
    reason: str


_Word = TypeVar("_Word", bound=StrEnum)


def _word(name: str, value: object, words: type[_Word]) -> _Word:
    for word in words:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise InputError(name, f"must be one of {', '.join(words)}, is {value!r}")


@dataclass(frozen=True, slots=True)
class ExchangeSenderId:
    """The settings of Set-SenderIdConfig, and InternalSMTPServers of Set-TransportConfig.

    enabled                  check at all
    external_mail_enabled    check mail from unauthenticated connections
    internal_mail_enabled    check mail of authenticated senders in own authoritative domains
    spoofed_domain_action    for the status Fail
    temp_error_action        for the status TempError
    bypassed_recipients      addresses whose mail is not checked, at most 100
    bypassed_sender_domains  domains whose mail is not checked, at most 100
    internal_smtp_servers    own servers: addresses, networks and ranges, as Networks takes them
    replies                  Replies: ``explained`` is the text around a domain's explanation

    from_mapping() takes them by Exchange's names. Raises InputError, which names the setting.
    """

    enabled: bool = True
    external_mail_enabled: bool = True
    internal_mail_enabled: bool = False
    spoofed_domain_action: ExchangeAction = ExchangeAction.STAMP_STATUS
    temp_error_action: ExchangeAction = ExchangeAction.STAMP_STATUS
    bypassed_recipients: tuple[str, ...] = ()
    bypassed_sender_domains: tuple[str, ...] = ()
    internal_smtp_servers: Networks = field(default_factory=Networks)
    replies: Replies = field(default_factory=Replies)

    def __post_init__(self) -> None:
        def put(attribute: str, value: object) -> None:
            object.__setattr__(self, attribute, value)

        for attribute in ("enabled", "external_mail_enabled", "internal_mail_enabled"):
            flag(_NAMES[attribute], getattr(self, attribute))
        for attribute in ("spoofed_domain_action", "temp_error_action"):
            value = getattr(self, attribute)
            put(attribute, _word(_NAMES[attribute], value, ExchangeAction))
        for attribute in ("bypassed_recipients", "bypassed_sender_domains"):
            name = _NAMES[attribute]
            entries = listed(name, getattr(self, attribute))
            if len(entries) > LIST_MOST:
                raise InputError(name, f"may hold {LIST_MOST} entries, has {len(entries)}")
            put(attribute, tuple(_entry(name, attribute, entry) for entry in entries))
        servers = self.internal_smtp_servers
        if not isinstance(servers, Networks):
            put("internal_smtp_servers", Networks(servers, _NAMES["internal_smtp_servers"]))
        if not isinstance(self.replies, Replies):
            raise InputError("replies", f"must be Replies, is {type(self.replies).__name__}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """The settings by Exchange's names, in any case, such as TOML is read into."""
        attributes = {name.lower(): attribute for attribute, name in _NAMES.items()}
        values: dict[str, object] = {}
        for key, value in mapping_of("settings", mapping).items():
            attribute = attributes.get(str(key).lower())
            if attribute is None:
                raise InputError(str(key), f"unknown; must be one of {', '.join(_NAMES.values())}")
            if attribute in values:
                raise InputError(str(key), "is there twice, in different case")
            values[attribute] = value
        return cls(**values)  # type: ignore[arg-type]

    def as_mapping(self) -> dict[str, object]:
        """The settings by Exchange's names, as Get-SenderIdConfig shows them; fit for JSON."""
        shown: dict[str, object] = {}
        for attribute, name in _NAMES.items():
            value = getattr(self, attribute)
            shown[name] = list(value) if isinstance(value, (tuple, Networks)) else value
        return shown

    def bypassed(
        self,
        ip: object,
        recipients: Iterable[str] = (),
        *,
        internal: bool = False,
        domain: str | None = None,
    ) -> str | None:
        """Why a message is not checked; None if it is.

        ip        the source address; None if none was found
        internal  the session is authenticated, and its sender in an own authoritative domain
        domain    the purported responsible domain, if it is known
        """
        if not self.enabled:
            return "Enabled is false"
        if internal and not self.internal_mail_enabled:
            return "InternalMailEnabled is false"
        if not internal and not self.external_mail_enabled:
            return "ExternalMailEnabled is false"
        if ip is None:
            return "the message has no source address"
        if ip in self.internal_smtp_servers:
            return "the source address is in InternalSMTPServers"
        if isinstance(recipients, str):
            recipients = (recipients,)
        everyone = list(recipients)
        # A bypass for some would let anybody through who adds one of them to the recipients.
        if everyone and all(
            next(address_keys(each), "") in self.bypassed_recipients for each in everyone
        ):
            return "every recipient is in BypassedRecipients"
        if domain and domain_of(domain) in self.bypassed_sender_domains:
            return f"{domain_of(domain)} is in BypassedSenderDomains"
        return None

    def decide(
        self,
        verdict: Verdict | None,
        recipients: Iterable[str],
        ip: object,
        *,
        internal: bool = False,
    ) -> ExchangeDecision:
        """What Exchange does with a message, by the verdict about its PRA.

        verdict   the one about the PRA; None if there was no check, as bypassed() said
        recipients, ip, internal   as in bypassed()
        """
        prd = verdict.domain or None if verdict is not None else None
        bypass = self.bypassed(ip, recipients, internal=internal, domain=prd)
        if bypass is not None or verdict is None:
            bypass = bypass or "there was no check"
            return ExchangeDecision(
                Action.ACCEPT, None, None, None, prd, bypass, f"not checked: {bypass}"
            )
        status = sender_id_status(verdict)
        setting, action = "no setting", ExchangeAction.STAMP_STATUS
        if status is SenderIdStatus.FAIL:
            setting, action = "SpoofedDomainAction", self.spoofed_domain_action
        elif status is SenderIdStatus.TEMPERROR:
            setting, action = "TempErrorAction", self.temp_error_action
        reply = self._reply(verdict, status) if action is ExchangeAction.REJECT else None
        return ExchangeDecision(
            action=_ACTIONS[action],
            reply=reply,
            status=status,
            fail_reason=_fail_reason(verdict),
            prd=prd,
            bypassed=None,
            reason=f"{status}: {setting} = {action}",
        )

    def _reply(self, verdict: Verdict, status: SenderIdStatus) -> Reply:
        # Reject is documented as 5xx for either status: even a TempError is for good.
        if verdict.reason is Reason.NO_PRA:
            return Reply(550, "5.7.1", ("Missing Purported Responsible Address",))  # RFC 4406 4
        if verdict.reason is Reason.SUBMITTER_MISMATCH:
            return SUBMITTER_MISMATCH
        if status is SenderIdStatus.TEMPERROR:
            return Reply(550, "5.7.1", ("Sender ID (PRA) Temporary Error",))
        words = (
            "Domain Does Not Exist"
            if _fail_reason(verdict) is FailReason.DOMAIN_DOES_NOT_EXIST
            else "Not Permitted"
        )
        explained = self.replies.explained(verdict)
        text = f"Sender ID (PRA) {words}" + (f" - {explained}" if explained else "")
        return Reply(550, "5.7.1", (text,))  # RFC 4406 5.3


_NAMES = {
    "enabled": "Enabled",
    "external_mail_enabled": "ExternalMailEnabled",
    "internal_mail_enabled": "InternalMailEnabled",
    "spoofed_domain_action": "SpoofedDomainAction",
    "temp_error_action": "TempErrorAction",
    "bypassed_recipients": "BypassedRecipients",
    "bypassed_sender_domains": "BypassedSenderDomains",
    "internal_smtp_servers": "InternalSMTPServers",
}
_ACTIONS = {
    ExchangeAction.STAMP_STATUS: Action.MARK,
    ExchangeAction.REJECT: Action.REJECT,
    ExchangeAction.DELETE: Action.DISCARD,
}


def _entry(name: str, attribute: str, entry: str) -> str:
    try:
        if attribute == "bypassed_recipients":
            return parse_address(entry, domains=False)
        return parse_domain(entry, subdomains=False)
    except ValueError as error:
        raise InputError(name, f"{entry!r} {error}") from None


class HostChecker(Protocol):
    """An engine, as far as test_sender_id() needs it; sf.Engine is one."""

    def check_host(
        self, ip: str, domain: str, sender: str | None, helo: str | None, scope: Scope
    ) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class SenderIdTest:
    """The outcome of Test-SenderId.

    status       SenderIdStatus
    fail_reason  FailReason for the status Fail, else None
    verdict      the verdict, with its detail and explanation
    """

    status: SenderIdStatus
    fail_reason: FailReason | None
    verdict: Verdict

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The outcome for a verdict of check_host() under the scope pra."""
        return cls(sender_id_status(verdict), _fail_reason(verdict), verdict)


def test_sender_id(
    engine: HostChecker,
    ip: str,
    domain: str,
    helo: str | None = None,  # noqa: PT028 - no test of pytest's
) -> SenderIdTest:
    """Test-SenderId: the Sender ID status of an address and a purported responsible domain.

    engine  an Engine; with an AsyncEngine, await its check_host() and use SenderIdTest.of()
    ip      -IPAddress
    domain  -PurportedResponsibleDomain
    helo    -HelloDomain
    """
    return SenderIdTest.of(engine.check_host(ip, domain, None, helo, Scope.PRA))
