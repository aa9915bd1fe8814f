"""Report: everything that a receiver finds out about one message, for senderid-fast verify.

What may live here: putting together what the engine and senderid_fast.reception say of a message.
Nothing is decided here, nothing is read from files and nothing is printed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.errors import InputError, NoPra
from senderid_fast.identities import extract_pra
from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver.exchange import ExchangeDecision
from senderid_fast.receiver.fields import Field
from senderid_fast.receiver.networks import listed, parse_range
from senderid_fast.receiver.policy import Decision, ReceiverPolicy
from senderid_fast.receiver.relays import Client, TrustedRelays
from senderid_fast.reception.judging import Judged, judge, not_checked
from senderid_fast.reception.stamping import fields_of, fields_of_unchecked, removable
from senderid_fast.results import PraFailure
from senderid_fast.rows.mailfiles import return_path

if TYPE_CHECKING:
    from senderid_fast import Engine, Pra
    from senderid_fast.reception.receiver import Receiver
    from senderid_fast.rows.mailfiles import Found

__all__ = ["Report", "Reporter", "policy_of", "relays_of"]

# By RFC 4407 2; {} is the field that counts.
_WHY_NO_PRA = {
    PraFailure.NO_HEADER: "there is no Resent-Sender, Resent-From, Sender or From with text",
    PraFailure.MULTIPLE_SENDER: "there is more than one Sender field",
    PraFailure.MULTIPLE_FROM: "there is more than one From field",
    PraFailure.MULTIPLE_MAILBOXES: "{} has more than one mailbox",
    PraFailure.NO_DOMAIN: "{} has a mailbox without a domain name",
    PraFailure.GROUP: "{} has a group in place of a mailbox",
    PraFailure.MALFORMED: "{} cannot be read as a mailbox",
}


class Report(NamedTuple):
    """What was found out about a message.

    client     how the client was found; client.ip is None if there is none to be believed
    helo       its HELO name, or None
    mail_from  the reverse-path, or None if it is not known
    path_at    the position of the Return-Path field that it is from; None if it is from elsewhere
    verdicts   of the three identities; None for those that were not checked
    pra        the PRA, whether it was checked or not; None if the message has none
    no_pra     why it has none, as a sentence; None if it has one
    decision   what is to be done
    add        the fields to be added, the topmost first
    remove     the positions of fields that claim to be ours, lowest first
    """

    client: Client
    helo: str | bytes | None
    mail_from: bytes | None
    path_at: int | None
    verdicts: MessageVerdict
    pra: Pra | None
    no_pra: str | None
    decision: Decision | ExchangeDecision
    add: tuple[Field, ...]
    remove: tuple[int, ...]

    def as_dict(self, found: Found) -> dict[str, Any]:
        """The report as plain values, fit for JSON."""
        of_mail_from = self.verdicts.mail_from
        return {
            "file": found.file,
            "message": found.number,
            "junk_at": found.junk_at,
            "client": {**asdict(self.client), "helo": _text(self.helo)},
            "mail_from": _text(self.mail_from),
            "return_path_field": self.path_at,
            "checks": {
                "helo": self.verdicts.helo.as_dict() if self.verdicts.helo else None,
                "mail_from": of_mail_from.as_dict() if of_mail_from else None,
                "pra": self.verdicts.pra.as_dict() if self.verdicts.pra else None,
            },
            "pra": None if self.pra is None else _pra_values(self.pra),
            "no_pra": self.no_pra,
            "decision": asdict(self.decision),
            "add": [{"name": field.name, "body": field.body} for field in self.add],
            "remove": [{"field": at, "name": found.fields[at][0]} for at in self.remove],
        }


def _pra_values(pra: Pra) -> dict[str, Any]:
    return {
        "mailbox": pra.mailbox,
        "domain": pra.domain,
        "header": pra.header,
        "field": pra.header_index,
    }


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who verifies. Raises InputError for what cannot be used.

    ip, helo, mail_from   of the session, if they were given
    """

    engine: Engine
    receiver: Receiver
    ip: str | None = None
    helo: bytes | None = None
    mail_from: bytes | None = None

    def __post_init__(self) -> None:
        # What the operator gave is found wrong now, and not once for each message.
        self.receiver.all_relays.client_of(self.ip, ())

    def report(self, found: Found) -> Report:
        """Check a message, decide, and write its fields."""
        receiver = self.receiver
        fields = [(name, body) for name, body, _, _ in found.fields]
        client = receiver.all_relays.client_of(self.ip, fields)
        # The name that was given is that of the connection (see TrustedRelays).
        connected = self.ip is not None and client.ip == self.ip
        helo = self.helo if connected else client.helo
        mail_from, path_at = self.mail_from, None
        if mail_from is None:
            mail_from, path_at = return_path(fields)
        verdicts = self._verdicts(client, helo, mail_from, found.headers)
        judged = judge(receiver, verdicts, mail_from=mail_from)
        if client.ip is None:
            if judged.exchange is None:
                judged = Judged(not_checked(client.detail))
            add = fields_of_unchecked(receiver, client.detail)
        else:
            add = fields_of(receiver, verdicts, judged, helo=helo, mail_from=mail_from)
        pra, no_pra = _pra(found.headers)
        return Report(
            client=client,
            helo=helo,
            mail_from=mail_from,
            path_at=path_at,
            verdicts=verdicts,
            pra=pra,
            no_pra=no_pra,
            decision=judged.decision,
            add=add,
            remove=removable(receiver, fields),
        )

    def _verdicts(
        self, client: Client, helo: str | bytes | None, mail_from: bytes | None, headers: bytes
    ) -> MessageVerdict:
        if client.ip is None:
            return MessageVerdict(None, None, None, None, client)
        # A reverse-path that is not known is not the null reverse-path.
        found = self.engine.check_message(client.ip, helo, mail_from, headers)
        return found._replace(client=client)


def _pra(headers: bytes) -> tuple[Pra | None, str | None]:
    """The PRA, or a sentence on why there is none."""
    try:
        return extract_pra(headers), None
    except NoPra as error:
        field = f"{(error.header or '').title()} (field {error.header_index})"
        return None, _WHY_NO_PRA[PraFailure(error.reason)].format(field)


def relays_of(entries: list[str]) -> TrustedRelays:
    """Relays from addresses, networks, ranges, and names that stand in their by clauses."""
    networks, names = [], []
    for entry in listed("--trusted", ",".join(entries)):
        try:
            parse_range(entry)
        except ValueError as error:
            # No name has a colon or a slash, or is without a letter.
            if set(entry) & set(":/") or not any(map(str.isalpha, entry)):
                problem = f"{entry!r} is no address or network: {error}"
                raise InputError("--trusted", problem) from None
            names.append(entry)
        else:
            networks.append(entry)
    try:
        return TrustedRelays(networks, names)
    except InputError as error:
        raise InputError("--trusted", error.problem) from None


def policy_of(name: str, octets: bytes) -> ReceiverPolicy:
    """The policy of a TOML file. Raises InputError, which names the file and the key."""
    import tomllib

    try:
        mapping = tomllib.loads(octets.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError("--policy", f"{name}: is no TOML: {error}") from None
    try:
        return ReceiverPolicy.from_mapping(mapping)
    except InputError as error:
        raise InputError("--policy", f"{name}: {error.field}: {error.problem}") from None
