"""An examination put on record: what a comparison of chains, or a re-adjudication, found. Recorded as reported, never judged again."""

import hashlib
import re

from bailiwick_contracts.audit import (
    ChainBroken,
    ChainVerified,
    ReadjudicationReported,
    ReportCompleteness,
    ReportReadjudication,
)

_NOT_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


def completeness_facts(asked: ReportCompleteness) -> tuple[ChainVerified | ChainBroken, ...]:
    """A chain is broken by any difference but facts that the ledger has yet to take in."""
    stands = all(difference.kind == "behind" for difference in asked.differences) and not asked.not_named
    if stands:
        return (
            ChainVerified(
                chain=asked.chain,
                agreeing=asked.agreeing,
                store_reaches=asked.store_reaches,
                ledger_reaches=asked.ledger_reaches,
            ),
        )
    return (
        ChainBroken(
            chain=asked.chain,
            agreeing=asked.agreeing,
            store_reaches=asked.store_reaches,
            ledger_reaches=asked.ledger_reaches,
            differences=asked.differences,
            not_named=asked.not_named,
        ),
    )


def completeness_stream(chain: str) -> str:
    """The history of one chain's examinations."""
    readable = _NOT_AN_ID.sub("-", chain)
    return f"chain-{readable}"[:47] + "-" + hashlib.sha256(chain.encode()).hexdigest()[:12]


def readjudication_facts(asked: ReportReadjudication) -> tuple[ReadjudicationReported, ...]:
    """The report, word for word."""
    return (ReadjudicationReported.model_validate(asked.model_dump(exclude={"type"})),)


def readjudication_stream(property_id: str) -> str:
    """The history of a property's re-adjudications, or of the company's."""
    return f"readjudication-{property_id}"
