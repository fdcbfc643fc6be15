"""The director's own team (A1–A4): rewards, re-posting, appointment; dismissal and pay only recommended; temporary staff by headcount."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from bailiwick_contracts.authority import Measured, Ruling
from bailiwick_contracts.envelope import Event
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import Fact, Identifier, Label, Record, Refusal, Request, Text
from bailiwick_contracts.money import Money
from bailiwick_contracts.part import whole
from bailiwick_contracts.quota import Amount, sum_of
from bailiwick_contracts.sealed import Confidential, Keys, Personal, open_record
from bailiwick_contracts.showing import Showing, named

Matter = Literal["reward", "transfer", "appointment", "dismissal", "temporary", "pay_change"]
POWERS: dict[Matter, tuple[str, Verb]] = {
    "reward": ("A1", "decide"),
    "transfer": ("A1", "decide"),
    "appointment": ("A1", "decide"),
    "dismissal": ("A2", "recommend"),
    "temporary": ("A3", "decide"),
    "pay_change": ("A4", "recommend"),
}
"""Under which row each matter is asked."""


def team_stream(staff_id: str) -> str:
    """The stream of what was decided about one person's place in the team."""
    return f"team-{staff_id}"


class DecideReward(Request):
    """Reward somebody of the team (A1)."""

    type: Literal["attendance.decide_reward.v1"] = "attendance.decide_reward.v1"
    matter_id: Identifier
    staff_id: Identifier
    reward: Literal["praise", "merit", "bonus"]
    amount: Annotated[Money, whole(Money)] | None = None
    """Of a bonus."""
    grounds: Text


class RewardFigures(Record):
    """What `RewardDecided.figures` holds."""

    amount: Money


class RewardDecided(Fact):
    """A reward is given. `figures` opens to `RewardFigures`."""

    type: Literal["attendance.reward_decided.v1"] = "attendance.reward_decided.v1"
    matter_id: Identifier
    staff_id: Identifier
    reward: Literal["praise", "merit", "bonus"]
    decided_on: date
    figures: Confidential | None = None
    ruling: Ruling
    grounds: Personal


class DecideTransfer(Request):
    """Re-post somebody of the team within the office (A1); a change of shift is A5, a roster."""

    type: Literal["attendance.decide_transfer.v1"] = "attendance.decide_transfer.v1"
    matter_id: Identifier
    staff_id: Identifier
    position: Label
    effective_on: date
    grounds: Text


class TransferDecided(Fact):
    """Somebody is re-posted; the registry records the position held."""

    type: Literal["attendance.transfer_decided.v1"] = "attendance.transfer_decided.v1"
    matter_id: Identifier
    staff_id: Identifier
    position: Label
    effective_on: date
    ruling: Ruling
    grounds: Personal


class AppointToTeam(Request):
    """Choose somebody for the team (A1)."""

    type: Literal["attendance.appoint_to_team.v1"] = "attendance.appoint_to_team.v1"
    matter_id: Identifier
    staff_id: Identifier
    position: Label
    effective_on: date
    grounds: Text


class TeamMemberAppointed(Fact):
    """Somebody is chosen for the team."""

    type: Literal["attendance.team_member_appointed.v1"] = "attendance.team_member_appointed.v1"
    matter_id: Identifier
    staff_id: Identifier
    position: Label
    effective_on: date
    ruling: Ruling
    grounds: Personal


class TeamMatterRecommended(Fact):
    """A reward, re-posting or appointment above the actor's grade: recommended to the next in line (A1)."""

    type: Literal["attendance.team_matter_recommended.v1"] = "attendance.team_matter_recommended.v1"
    matter: Matter
    matter_id: Identifier
    staff_id: Identifier
    recommended_to: Label
    ruling: Ruling
    grounds: Personal


class RecommendDismissal(Request):
    """Recommend that somebody is dismissed (A2); the manager and HR decide, this system never executes it."""

    type: Literal["attendance.recommend_dismissal.v1"] = "attendance.recommend_dismissal.v1"
    matter_id: Identifier
    staff_id: Identifier
    cases: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    """Cases of discipline it rests on."""
    grounds: Text


class DismissalRecommended(Fact):
    """A dismissal is recommended; employment goes on."""

    type: Literal["attendance.dismissal_recommended.v1"] = "attendance.dismissal_recommended.v1"
    matter_id: Identifier
    staff_id: Identifier
    recommended_to: Label
    cases: tuple[Identifier, ...] = ()
    ruling: Ruling
    grounds: Personal


class RecommendPayChange(Request):
    """Recommend that somebody's pay is changed by at most 200 (A4, T15); a cut needs the person's consent (T9)."""

    type: Literal["attendance.recommend_pay_change.v1"] = "attendance.recommend_pay_change.v1"
    matter_id: Identifier
    staff_id: Identifier
    direction: Literal["raise", "cut"]
    amount: Annotated[Money, whole(Money)]
    """Its absolute value (T9)."""
    consent: Label | None = None
    """Where the person's written consent to a cut is kept."""
    grounds: Text


class PayChangeFigures(Record):
    """What `figures` of a recommended or refused pay change holds."""

    amount: Money
    shown_months: int
    sum_in_months: Money
    """Of the absolute values recommended in the months before, this one included (T15)."""


class PayChangeRecommended(Fact):
    """A pay change is recommended. `figures` opens to `PayChangeFigures`."""

    type: Literal["attendance.pay_change_recommended.v1"] = "attendance.pay_change_recommended.v1"
    matter_id: Identifier
    staff_id: Identifier
    direction: Literal["raise", "cut"]
    recommended_on: date
    recommended_to: Label
    consent: Label | None = None
    figures: Confidential
    ruling: Ruling
    grounds: Personal


class TeamMatterRefused(Refusal):
    """Something asked about the team was turned down by the matrix."""

    type: Literal["attendance.team_matter_refused.v1"] = "attendance.team_matter_refused.v1"
    matter: Matter
    matter_id: Identifier
    staff_id: Identifier
    direction: Literal["raise", "cut"] | None = None
    consent: Label | None = None
    figures: Confidential | None = None
    ruling: Ruling


class GetTeam(Request):
    """What was decided and recommended about one person's place in the team. Figures stay sealed."""

    type: Literal["attendance.get_team.v1"] = "attendance.get_team.v1"
    staff_id: Identifier


@dataclass(frozen=True)
class Team:
    """What is remembered about one person's place in the team."""

    matters: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By matter id: what kind, and what became of it."""
    pay_changes: tuple[Event[Any], ...] = ()


_KINDS: dict[type[Any], tuple[str, str]] = {
    RewardDecided: ("reward", "decided"),
    TransferDecided: ("transfer", "decided"),
    TeamMemberAppointed: ("appointment", "decided"),
    DismissalRecommended: ("dismissal", "recommended"),
    PayChangeRecommended: ("pay_change", "recommended"),
}


def evolve(team: Team, event: Event[Any]) -> Team:
    """The team matter after one more fact; what says nothing of it changes nothing."""
    fact = event.data
    kind = _KINDS.get(type(fact))
    if kind is not None:
        team = replace(team, matters={**team.matters, fact.matter_id: kind})
        return replace(team, pay_changes=(*team.pay_changes, event)) if kind[0] == "pay_change" else team
    if isinstance(fact, TeamMatterRecommended):
        return replace(team, matters={**team.matters, fact.matter_id: (fact.matter, "recommended")})
    if isinstance(fact, TeamMatterRefused):
        return replace(team, matters={**team.matters, fact.matter_id: (fact.matter, "refused")})
    return team


def months_before(day: date, months: int) -> date:
    """The same day so many months before; the last of the month where it has no such day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    return date(year, month + 1, 28)


def pay_changes_in(books: Iterable[Team], today: date, months: int, keys: Keys) -> tuple[Amount, ...]:
    """What was recommended of a person's pay within so many months before today, opened. Raises SealingError."""
    since = months_before(today, months)
    return tuple(
        Amount(
            amount=open_record(
                event.data.figures, PayChangeFigures, event_id=event.id, path="figures", keys=keys
            ).amount,
            fact_id=event.id,
        )
        for book in books
        for event in book.pay_changes
        if since < event.data.recommended_on <= today
    )


def pay_figures(amount: Money, earlier: Iterable[Amount], months: int) -> PayChangeFigures:
    """The figures that are shown beside a pay change: the rolling sum, so that nothing is split (T15)."""
    same = [one for one in earlier if one.amount.currency == amount.currency]
    total = sum_of(same, amount.currency).total + amount
    return PayChangeFigures(amount=amount, shown_months=months, sum_in_months=total)


def pay_shown(
    amount: Money, direction: str, consent: str | None, earlier: Iterable[Amount], *, consent_needed: bool
) -> Showing:
    """What a pay change shows: its absolute value (T9), the person's consent to a cut, and what was recommended before."""
    consented = direction == "raise" or consent is not None or not consent_needed
    return Showing(
        conditions=("raise_or_consented_cut",) if consented else (),
        measures=(Measured(measure="amount", value=amount, confidential=True),),
        inputs=named(pay_changes=tuple(sorted(one.fact_id for one in earlier))),
    )
