"""What a mail receiver does with verdicts: the client behind relays, decisions, header fields.

What may live here: the public names, and nothing else. Each module can be imported by itself.
"""

from senderid_fast.receiver.actions import Action, Actions
from senderid_fast.receiver.exchange import (
    ExchangeAction,
    ExchangeDecision,
    ExchangeSenderId,
    FailReason,
    SenderIdTest,
    test_sender_id,
)
from senderid_fast.receiver.fields import Field, authentication_results, received_spf
from senderid_fast.receiver.networks import Networks
from senderid_fast.receiver.overrides import Override
from senderid_fast.receiver.policy import Decision, ReceiverPolicy, decide
from senderid_fast.receiver.reading import (
    AuthenticationResults,
    ReceivedSPF,
    read_authentication_results,
    read_received_spf,
)
from senderid_fast.receiver.received import FieldReason, Received, parse_received
from senderid_fast.receiver.relays import Client, RelayReason, TrustedRelays
from senderid_fast.receiver.removal import forged_fields
from senderid_fast.receiver.replies import Codes, Replies, Reply, ReplyTexts
from senderid_fast.receiver.stamps import (
    SenderIdStatus,
    antispam_report,
    exchange_fields,
    mapi_number,
    sender_id_status,
    sid_fields,
    status_of_mapi_number,
)
from senderid_fast.receiver.submitter import (
    Submitter,
    SubmitterPolicy,
    SubmitterSyntaxError,
    parse_submitter,
    submitter_matches,
    submitter_of,
    submitter_parameter,
    xtext_decode,
    xtext_encode,
)

__all__ = [
    "Action",
    "Actions",
    "AuthenticationResults",
    "Client",
    "Codes",
    "Decision",
    "ExchangeAction",
    "ExchangeDecision",
    "ExchangeSenderId",
    "FailReason",
    "Field",
    "FieldReason",
    "Networks",
    "Override",
    "Received",
    "ReceivedSPF",
    "ReceiverPolicy",
    "RelayReason",
    "Replies",
    "Reply",
    "ReplyTexts",
    "SenderIdStatus",
    "SenderIdTest",
    "Submitter",
    "SubmitterPolicy",
    "SubmitterSyntaxError",
    "TrustedRelays",
    "antispam_report",
    "authentication_results",
    "decide",
    "exchange_fields",
    "forged_fields",
    "mapi_number",
    "parse_received",
    "parse_submitter",
    "read_authentication_results",
    "read_received_spf",
    "received_spf",
    "sender_id_status",
    "sid_fields",
    "status_of_mapi_number",
    "submitter_matches",
    "submitter_of",
    "submitter_parameter",
    "test_sender_id",
    "xtext_decode",
    "xtext_encode",
]
