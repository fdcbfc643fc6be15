"""The team and temporary staff: each request to what it needs to know, and on to its decision."""

from collections.abc import Mapping
from typing import Any

from bailiwick_contracts.envelope import Command
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.team import (
    POWERS,
    AppointToTeam,
    DecideReward,
    DecideTransfer,
    DismissalRecommended,
    GetTeam,
    Matter,
    PayChangeRecommended,
    RecommendDismissal,
    RecommendPayChange,
    RewardDecided,
    Team,
    TeamMatterRecommended,
    TeamMatterRefused,
    TeamMemberAppointed,
    TransferDecided,
    pay_changes_in,
    team_stream,
)
from bailiwick_contracts.temporary import (
    EndTemp,
    GetTemporary,
    HireRefused,
    HireTemp,
    TempEnded,
    TempHired,
    temporary_stream,
)
from pydantic_core import to_jsonable_python

from services.attendance import asking, team, temporary
from services.attendance.question import Question
from services.attendance.team import TEAM
from services.attendance.temporary import TEMPORARY
from services.kernel.service import CommandHandler, QueryHandler, Reading, Unit


def _found(unit: Unit, command: Command[Any], matter: Matter) -> tuple[Question, str, list[Team]]:
    question = asking.question(unit, command, *POWERS[matter], command.data.staff_id)
    books = asking.states(unit, TEAM, team_stream, question.ids)
    return question, team_stream(question.ids[0]), books


def on_decide_reward(unit: Unit, command: Command[DecideReward]) -> None:
    """Reward (A1)."""
    question, stream, books = _found(unit, command, "reward")
    unit.append(stream, *team.reward(command.data, books, question, property_id=unit.property_id))


def on_decide_transfer(unit: Unit, command: Command[DecideTransfer]) -> None:
    """Re-post (A1)."""
    question, stream, books = _found(unit, command, "transfer")
    unit.append(stream, *team.transfer(command.data, books, question))


def on_appoint_to_team(unit: Unit, command: Command[AppointToTeam]) -> None:
    """Appoint (A1)."""
    question, stream, books = _found(unit, command, "appointment")
    unit.append(stream, *team.appoint(command.data, books, question))


def on_recommend_dismissal(unit: Unit, command: Command[RecommendDismissal]) -> None:
    """Recommend dismissal (A2)."""
    question, stream, books = _found(unit, command, "dismissal")
    unit.append(stream, *team.recommend_dismissal(command.data, books, question))


def on_recommend_pay_change(unit: Unit, command: Command[RecommendPayChange]) -> None:
    """Recommend a pay change (A4)."""
    question, stream, books = _found(unit, command, "pay_change")
    months = question.matrix.readings.pay_change_shown_months if question.matrix is not None else 12
    earlier = pay_changes_in(books, question.today, months, unit.keys)
    facts = team.recommend_pay_change(command.data, books, question, earlier=earlier, property_id=unit.property_id)
    unit.append(stream, *facts)


def on_hire_temp(unit: Unit, command: Command[HireTemp]) -> None:
    """Fill a temporary post (A3)."""
    question = asking.question(unit, command, *POWERS["temporary"])
    house = asking.house(unit, unit.property_id)
    approved = house.rules.approved(command.data.position) if house.rules is not None else 0
    stream = temporary_stream(unit.property_id)
    known = unit.state(TEMPORARY, stream)
    unit.append(stream, *temporary.hire(command.data, known, question, approved=approved, rules_fact=house.rules_fact))


def on_end_temp(unit: Unit, command: Command[EndTemp]) -> None:
    """Free a temporary post (A3)."""
    question = asking.question(unit, command, *POWERS["temporary"])
    house = asking.house(unit, unit.property_id)
    stream = temporary_stream(unit.property_id)
    known = unit.state(TEMPORARY, stream)
    position = known.hires[command.data.hire_id].position if command.data.hire_id in known.hires else ""
    approved = house.rules.approved(position) if house.rules is not None else 0
    unit.append(stream, *temporary.end(command.data, known, question, approved=approved, rules_fact=house.rules_fact))


def get_team(reading: Reading, command: Command[GetTeam]) -> Mapping[str, Any]:
    """`matters` of one person by id, each with its kind and what became of it."""
    ids = asking.ids_of(reading, command.data.staff_id)
    books = [reading.state(TEAM, team_stream(one)) for one in ids]
    matters = {key: matter for book in books for key, matter in book.matters.items()}
    return {"staff_id": command.data.staff_id, "matters": to_jsonable_python(matters)}


def get_temporary(reading: Reading, command: Command[GetTemporary]) -> Mapping[str, Any]:
    """`hires` by id, and `approved` posts by position."""
    rules = asking.rules(reading, command.property)
    return {
        "hires": to_jsonable_python(reading.state(TEMPORARY, temporary_stream(command.property)).hires),
        "approved": {one.position: one.approved for one in (rules.headcount if rules else ())},
    }


PUBLISHES: tuple[type[Fact], ...] = (
    RewardDecided,
    TransferDecided,
    TeamMemberAppointed,
    TeamMatterRecommended,
    TeamMatterRefused,
    DismissalRecommended,
    TempHired,
    TempEnded,
    HireRefused,
    PayChangeRecommended,
)
COMMANDS: Mapping[type[Request], CommandHandler] = {
    DecideReward: on_decide_reward,
    DecideTransfer: on_decide_transfer,
    AppointToTeam: on_appoint_to_team,
    RecommendDismissal: on_recommend_dismissal,
    RecommendPayChange: on_recommend_pay_change,
    HireTemp: on_hire_temp,
    EndTemp: on_end_temp,
}
QUERIES: Mapping[type[Request], QueryHandler] = {GetTeam: get_team, GetTemporary: get_temporary}
