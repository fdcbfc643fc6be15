"""A race: two requests of one moment on one stream, what the second is answered, and what holds for that; and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from bailiwick_contracts.attendance import DeriveDays, RecordPunches
from bailiwick_contracts.breach import AppealCase
from bailiwick_contracts.conduct import ImportPenalty
from bailiwick_contracts.leave import RequestLeave
from bailiwick_contracts.message import Request

from tests.attendance.office import DIRECTOR, Office

DAY = date(2026, 6, 1)
"""A Monday; the office of the races lives in July."""


@dataclass
class Scene:
    """One person of the office to whom this happens, and what was asked before."""

    office: Office
    who: str
    number: int

    @property
    def months(self) -> str:
        """A month of its own, long over."""
        return f"20{25 - self.number // 12:02d}-{self.number % 12 + 1:02d}"

    def made(self, kind: type[Request], /, **more: Any) -> Request:
        """A request about the person, read as from the wire."""
        given: dict[str, Any] = {"grounds": "Sample."} | {"staff_id": self.who} | more
        known = {name: value for name, value in given.items() if name in kind.model_fields}
        return kind.model_validate(known, strict=False)

    def ask(self, kind: type[Request], by: str = DIRECTOR, /, **more: Any) -> None:
        """What stands before the race."""
        answer = self.office.ask(self.made(kind, **more), by=by)
        assert answer.outcome == "done", answer

    def named(self, what: str) -> str:
        """An id that no other race uses."""
        return f"{what}-{self.number}"


@dataclass(frozen=True)
class Race:
    """Two requests of one moment, by whom, and what follows."""

    first: Request
    second: Request
    by: str = DIRECTOR
    channel: str = "live"


@dataclass(frozen=True)
class Case:
    """What is tested of one command."""

    request: type[Request]
    invariant: str
    fact: str
    """Of which exactly one more is stored, whoever of the two is first."""
    second: str
    """What the later of the two is answered."""
    make: Callable[[Scene], Race]
    not_allowed: str | None = None
    """Who is refused by a recorded fact; None where nobody is, and why in `REFUSED_OTHERWISE`."""


CASES: dict[type[Request], Case] = {}
REFUSED_OTHERWISE: dict[type[Request], str] = {
    RecordPunches: "a device's rows are turned down one by one, each with its reason",
    DeriveDays: "deriving what is over decides nothing",
    ImportPenalty: "by hand it makes no sense, and is rejected",
    RequestLeave: "anybody may ask; a balance that is used up refuses",
    AppealCase: "only the person appeals; by another it is rejected, too late it is refused",
}
EMPLOYEE = "colleague-sample"


def case(
    request: type[Request], invariant: str, fact: str, second: str = "ignored", not_allowed: str | None = EMPLOYEE
) -> Callable[[Callable[[Scene], Race]], Callable[[Scene], Race]]:
    """Enter what follows in the table."""

    def enter(make: Callable[[Scene], Race]) -> Callable[[Scene], Race]:
        refused = None if request in REFUSED_OTHERWISE else not_allowed
        CASES[request] = Case(request, invariant, fact, second, make, refused)
        return make

    return enter


def twice(scene: Scene, kind: type[Request], by: str = DIRECTOR, channel: str = "live", /, **more: Any) -> Race:
    """The same request by two callers."""
    made = scene.made(kind, **more)
    return Race(made, made, by, channel)
