"""Audit: what may be asked of it, and the findings it publishes about everyone's history, its own included."""

from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts import consultation, oversight, transparency  # noqa: F401 - the other parts of this service's messages register with this one
from bailiwick_contracts.message import Fact, Identifier, Instant, Label, PropertyId, Record, Request
from bailiwick_contracts.part import whole

NAMED_LIMIT = 100
"""How many findings one fact names; what is beyond is counted and can be found again by asking."""


class HistoryOfDecision(Request):
    """Who decided, on whose behalf, under which clause, on what evidence, and what it led to.

    Answers the members of `services/audit/history.py`, `decision` first; rejected with `unknown_decision` when the ledger
    holds neither a fact nor a command of that id.
    """

    type: Literal["audit.history_of_decision.v1"] = "audit.history_of_decision.v1"
    decision_id: Identifier
    """The id of the fact, or of the command that led to it."""


class HistoryOfPerson(Request):
    """Every fact that names a person, as subject or as the one who acted, oldest first, a page at a time."""

    type: Literal["audit.history_of_person.v1"] = "audit.history_of_person.v1"
    staff_id: Identifier
    about: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")] | None = None
    """Only facts whose name begins so, e.g. `penalty` for `attendance.penalty_decided.v1`."""
    after: Label | None = None
    """The `next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class Readjudicate(Request):
    """Derive every input of every ruling again, run each again, and list the differences."""

    type: Literal["audit.readjudicate.v1"] = "audit.readjudicate.v1"
    since: Instant | None = None
    """Rulings recorded at or after this instant; earlier facts are still evidence."""
    until: Instant | None = None
    """Rulings recorded before this instant."""
    property_id: PropertyId | None = None
    under: Identifier | None = None
    """A version of the authority matrix to judge under, whenever a ruling was given; none: the version of its time."""


class CompletenessCheck(Request):
    """Check every chain of the ledger: numbers, hashes, and the heads remembered apart from the facts."""

    type: Literal["audit.completeness_check.v1"] = "audit.completeness_check.v1"
    property_id: PropertyId | None = None


class ListChains(Request):
    """Every chain the ledger holds, with how far it reaches and the hash of its last fact."""

    type: Literal["audit.list_chains.v1"] = "audit.list_chains.v1"


class ReadLedger(Request):
    """The stored bytes of the ledger, base64, a page at a time: of one chain, or of all in the order they were recorded."""

    type: Literal["audit.read_ledger.v1"] = "audit.read_ledger.v1"
    chain: Label | None = None
    """`<service>/<log>/<property>`."""
    after: Label | None = None
    """The `next` of the page before."""


class ChainDifference(Record):
    """One fact that is not where, or what, its chain says."""

    kind: Literal["deleted", "altered", "inserted", "reordered", "truncated", "unreadable", "behind"]
    side: Literal["store", "ledger", "both", "unknown"]
    """The copy that is wrong, as far as the neighbours in the chain and the heads vouch for one."""
    number: int
    event_id: Identifier | None = None
    fact_type: Label | None = None


class RulingDifference(Record):
    """One field of one ruling that does not come out again as it was recorded. Amounts are not repeated here."""

    fact_id: Identifier
    clause: Label
    field: Label


class ReportCompleteness(Request):
    """Put on record what a comparison of the ledger with the services' stores found in one chain."""

    type: Literal["audit.report_completeness.v1"] = "audit.report_completeness.v1"
    chain: Label
    agreeing: Annotated[int, Field(ge=0)]
    store_reaches: Annotated[int, Field(ge=0)]
    ledger_reaches: Annotated[int, Field(ge=0)]
    differences: Annotated[
        tuple[Annotated[ChainDifference, whole(ChainDifference)], ...], Field(max_length=NAMED_LIMIT)
    ] = ()
    not_named: Annotated[int, Field(ge=0)] = 0


class ReportReadjudication(Request):
    """Put on record what a re-adjudication found."""

    type: Literal["audit.report_readjudication.v1"] = "audit.report_readjudication.v1"
    since: Instant | None = None
    until: Instant | None = None
    under: Identifier | None = None
    judged: Annotated[int, Field(ge=0)]
    equal: Annotated[int, Field(ge=0)]
    differing: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]
    differences: Annotated[
        tuple[Annotated[RulingDifference, whole(RulingDifference)], ...], Field(max_length=NAMED_LIMIT)
    ] = ()
    not_named: Annotated[int, Field(ge=0)] = 0


class ChainVerified(Fact):
    """A chain of a service's store and its copy in the ledger agree, as far as both reach."""

    type: Literal["audit.chain_verified.v1"] = "audit.chain_verified.v1"
    chain: Label
    agreeing: int
    store_reaches: int
    ledger_reaches: int


class ChainBroken(Fact):
    """A chain does not hold: facts were deleted, altered, inserted, moved or cut off, and here they are named."""

    type: Literal["audit.chain_broken.v1"] = "audit.chain_broken.v1"
    chain: Label
    agreeing: int
    store_reaches: int
    ledger_reaches: int
    differences: tuple[ChainDifference, ...]
    not_named: int = 0
    """Differences beyond those named."""


class ReadjudicationReported(Fact):
    """Every ruling of a period was derived and given again; `differing` did not come out as recorded."""

    type: Literal["audit.readjudication_reported.v1"] = "audit.readjudication_reported.v1"
    since: Instant | None = None
    until: Instant | None = None
    under: Identifier | None = None
    judged: int
    equal: int
    differing: int
    skipped: int
    differences: tuple[RulingDifference, ...] = ()
    not_named: int = 0
