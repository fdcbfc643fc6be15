"""The judges of discipline and of the team: the ladder climbed again, posts and pay changes counted again, and ruled again."""

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick_contracts import breach as breaches
from bailiwick_contracts import team as teams
from bailiwick_contracts import temporary as temps
from bailiwick_contracts.breach import (
    AppealDecided,
    CaseDecided,
    CaseForwarded,
    CaseNoticeGiven,
    CaseOpened,
    CaseRefused,
    StatementRecorded,
)
from bailiwick_contracts.finding import Finding, Skipped, compared
from bailiwick_contracts.house_rules import Offence
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.power import BEYOND, GRANTED, OPENED, Case, Power, nobody
from bailiwick_contracts.quota import Amount
from bailiwick_contracts.sealed import open_record
from bailiwick_contracts.showing import Showing
from bailiwick_contracts.team import (
    DismissalRecommended,
    PayChangeFigures,
    PayChangeRecommended,
    RewardDecided,
    TeamMatterRecommended,
    TeamMatterRefused,
    TeamMemberAppointed,
    TransferDecided,
)
from bailiwick_contracts.temporary import HireRefused, TempEnded, TempHired

# -- discipline -------------------------------------------------------------------------------------------------------


def _case(case: Case) -> tuple[breaches.Case | None, list[breaches.Conduct]]:
    streams = [breaches.conduct_stream(one) for one in case.ground.ids]
    books = case.evidence.office.folds(breaches.evolve, breaches.Conduct(), streams, case.sees)
    return next((book.cases[case.fact.case_id] for book in books if case.fact.case_id in book.cases), None), books


def _case_power(case: Case) -> tuple[str, Verb]:
    return breaches.case_power(case.ground.matrix, case.ground.asked.actor_position)


def _ladder(case: Case) -> tuple[breaches.Case, list[tuple[str, breaches.Case]], Offence, list[breaches.Conduct]]:
    known, books = _case(case)
    rules = case.evidence.office.rules(case.event.property_id, case.sees)
    offence = rules.offence(known.code) if rules is not None and known is not None else None
    if known is None or offence is None:
        raise Skipped("evidence_missing")
    matrix = case.ground.matrix
    by_incident = matrix is None or matrix.readings.offence_window_from == "incident"
    anchor = known.incident_on if by_incident else case.ground.asked.decided_on
    earlier = breaches.standing_before(case.fact.case_id, known.code, books, anchor, offence.window_days)
    return known, earlier, offence, books


def _decided(case: Case) -> Showing:
    known, earlier, offence, _ = _ladder(case)
    step = offence.ladder[breaches.level_of(offence, len(earlier)) - 1]
    return breaches.case_shown(known, earlier, sanction=step.sanction if case.fact.finding == "breach" else "")


def _sanction(case: Case) -> Iterator[Finding]:
    known, earlier, offence, books = _ladder(case)
    fact, level = case.fact, breaches.level_of(offence, len(earlier))
    if isinstance(fact, CaseDecided) and fact.finding == "no_breach":
        return
    yield from compared(case.event, "level", "ruling", fact.level, level)
    yield from compared(case.event, "sanction", "ruling", fact.sanction, offence.ladder[level - 1].sanction)
    if isinstance(fact, CaseDecided):
        rules = case.evidence.office.rules(case.event.property_id, case.sees)
        days = rules.repeat_days if rules is not None else offence.window_days
        repeats = breaches.standing_before(fact.case_id, known.code, books, known.incident_on, days)
        yield from compared(case.event, "repeated", "input", fact.repeated, bool(repeats))


def _case_refused(case: Case) -> Showing:
    known, _ = _case(case)
    asked_for = case.fact.asked_for
    if asked_for == "decide":
        return _decided(case)
    if asked_for == "decide_appeal" and known is not None:
        return breaches.appeal_shown(known, case.ground.events, case.ground.asked)
    return breaches.case_shown(known if asked_for == "statement" else None)


def _case_refused_power(case: Case) -> tuple[str, Verb]:
    asked_for = case.fact.asked_for
    if asked_for in ("open", "statement"):
        return breaches.CLAUSE, "inspect"
    return (breaches.ABOVE, "decide") if asked_for == "decide_appeal" else _case_power(case)


def _appeal(case: Case) -> Showing:
    known, _ = _case(case)
    if known is None:
        raise Skipped("evidence_missing")
    return breaches.appeal_shown(known, case.ground.events, case.ground.asked)


# -- the team ---------------------------------------------------------------------------------------------------------


def _hire(case: Case) -> Showing:
    fact = case.fact
    house = case.evidence.office.house(case.event.property_id, case.sees)
    approved = house.rules.approved(fact.position) if house.rules is not None else 0
    stream = temps.temporary_stream(case.event.property_id)
    known = case.evidence.office.fold(temps.evolve, temps.Temporary(), stream, case.sees)
    if isinstance(fact, TempEnded) or getattr(fact, "held", 0) < 0:
        return temps.hire_shown(-1, (), approved, house.rules_fact)
    held, hires = temps.held_at_most(known, fact.position, fact.first_on, fact.last_on)
    return temps.hire_shown(held, hires, approved, house.rules_fact)


def _pay_figures(case: Case) -> tuple[PayChangeFigures, tuple[Amount, ...], int]:
    fact, event, keys = case.fact, case.event, case.evidence.keys
    figures = open_record(fact.figures, PayChangeFigures, event_id=event.id, path="figures", keys=keys)
    streams = [teams.team_stream(one) for one in case.ground.ids]
    books = case.evidence.office.folds(teams.evolve, teams.Team(), streams, case.sees)
    matrix = case.ground.matrix
    months = matrix.readings.pay_change_shown_months if matrix is not None else figures.shown_months
    return figures, teams.pay_changes_in(books, case.ground.asked.decided_on, months, keys), months


def _pay(case: Case) -> Showing:
    if getattr(case.fact, "figures", None) is None:
        return Showing()
    figures, earlier, _ = _pay_figures(case)
    matrix = case.ground.matrix
    needed = matrix is None or matrix.readings.pay_cut_needs_consent
    return teams.pay_shown(figures.amount, case.fact.direction, case.fact.consent, earlier, consent_needed=needed)


def _pay_sum(case: Case) -> Iterator[Finding]:
    figures, earlier, months = _pay_figures(case)
    yield from compared(case.event, "figures", "figures", figures, teams.pay_figures(figures.amount, earlier, months))


POWERS: Mapping[type[Any], Power] = {
    CaseOpened: Power("G4", "inspect", expects=GRANTED),
    StatementRecorded: Power("G4", "inspect", lambda case: breaches.case_shown(_case(case)[0]), expects=GRANTED),
    CaseDecided: Power(_case_power, shows=_decided, expects=GRANTED, also=_sanction),
    CaseForwarded: Power(_case_power, shows=_decided, expects=BEYOND, also=_sanction),
    CaseNoticeGiven: Power(_case_power, expects=GRANTED),
    AppealDecided: Power("S3", shows=_appeal, expects=GRANTED),
    CaseRefused: Power(_case_refused_power, shows=_case_refused),
    RewardDecided: Power("A1", expects=GRANTED),
    TransferDecided: Power("A1", expects=GRANTED),
    TeamMemberAppointed: Power("A1", expects=GRANTED),
    TeamMatterRecommended: Power(lambda case: teams.POWERS[case.fact.matter], expects=BEYOND),
    DismissalRecommended: Power("A2", "recommend", expects=OPENED),
    TempHired: Power("A3", shows=_hire, subject=nobody, expects=GRANTED),
    TempEnded: Power("A3", shows=_hire, subject=nobody, expects=GRANTED),
    HireRefused: Power("A3", shows=_hire, subject=nobody),
    PayChangeRecommended: Power("A4", "recommend", _pay, expects=OPENED, also=_pay_sum),
    TeamMatterRefused: Power(lambda case: teams.POWERS[case.fact.matter], shows=_pay),
}
