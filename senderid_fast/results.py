"""The words of an outcome: Result, Scope, Reason.

What may live here: enumerations that every layer shares. Nothing of ours is imported.
The numbers that the compiled core uses for them are their positions here (see ``_core/words.pxd``);
a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PraFailure", "Reason", "Result", "Scope"]


class Result(StrEnum):
    """The result of check_host() (RFC 7208 2.6), spelled as RFC 7208 9.1 wants it in a header."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Scope(StrEnum):
    """Which records apply: plain SPF (RFC 7208 4.5), or a scope of Sender ID (RFC 4406 3.1)."""

    SPF = "spf"
    MFROM = "mfrom"
    PRA = "pra"


class PraFailure(StrEnum):
    """Why a message has no Purported Responsible Address (RFC 4407 2, step 6)."""

    NO_HEADER = "no-header"  #: no Resent-Sender, Resent-From, Sender or From that is not empty
    MULTIPLE_SENDER = "multiple-sender"  #: more than one Sender field (step 3)
    MULTIPLE_FROM = "multiple-from"  #: more than one From field (step 4)
    MULTIPLE_MAILBOXES = "multiple-mailboxes"  #: the field that counts holds more than one (step 5)
    NO_DOMAIN = "no-domain"  #: its mailbox has no domain name (step 5)
    GROUP = "group"  #: it holds a group (step 5)
    MALFORMED = "malformed"  #: it cannot be read as a mailbox (step 5)


class Reason(StrEnum):
    """Why check_host() ended as it did; each result has at least one.

    The value is stable and fit for logs and tables.
    """

    # pass, fail, softfail, neutral
    MATCHED = "matched"  #: a mechanism matched (RFC 7208 4.6.2)
    DEFAULT = "default"  #: nothing matched and there is no redirect (4.7)
    # none
    NO_IDENTITY = "no-identity"  #: the session gave no domain to check (2.3, 2.4, 4.3)
    INVALID_DOMAIN = "invalid-domain"  #: the domain is malformed or has one label (4.3)
    NO_DOMAIN = "no-such-domain"  #: NXDOMAIN (4.3); under scope pra this is fail (RFC 4406 4.3)
    NO_RECORD = "no-record"  #: the domain has no record for this scope (4.5)
    # temperror
    DNS_ERROR = "dns-error"  #: RCODE other than 0 and 3, or an answer that cannot be read (4.4, 5)
    DNS_TIMEOUT = "dns-timeout"  #: no answer came (4.4, 5)
    TIME_LIMIT = "time-limit"  #: the whole check took too long (4.6.4)
    RESOLVER_FAILED = "resolver-failed"  #: the resolver raised an exception
    # permerror
    MULTIPLE_RECORDS = "multiple-records"  #: more than one record applies (4.5)
    SYNTAX_ERROR = "syntax-error"  #: somewhere in a record (4.6)
    LOOKUP_LIMIT = "lookup-limit"  #: more terms that ask DNS than allowed (4.6.4)
    VOID_LOOKUP_LIMIT = "void-lookup-limit"  #: more terms without an answer than allowed (4.6.4)
    MX_LIMIT = "mx-limit"  #: an mx term has more exchanges than allowed (4.6.4)
    INCLUDE_NONE = "include-without-record"  #: the included domain has no record (5.2)
    REDIRECT_NONE = "redirect-without-record"  #: the redirect's domain has no record (6.1)
    INVALID_TARGET = "invalid-target-name"  #: redirect to a malformed name (6.1)
    # none, of the PRA
    NO_PRA = "no-pra"  #: the message has no Purported Responsible Address (RFC 4407 2)
    # fail, of the PRA
    SUBMITTER_MISMATCH = "submitter-mismatch"  #: SUBMITTER is not the PRA (RFC 4405 4.2)
    # none, of a row of a batch
    INVALID_IP = "invalid-ip"  #: the row gives no IP address (4.1)
    # temperror, of a message
    CHECK_FAILED = "check-failed"  #: the check itself failed: an error that should not be (2.6.6)
