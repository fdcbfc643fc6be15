"""What days came to, counted in person-days: present, absent, late and early up to and beyond thirty minutes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from bailiwick_contracts.lateness import DayStatus, DerivedDay

SHOWN_MINUTES = 30
"""By which a report splits lateness; the limit that rules is the matrix's own."""


@dataclass
class Figures:
    """Person-days over the working days that were counted."""

    present: int = 0
    absent: int = 0
    late_up_to_30: int = 0
    late_over_30: int = 0
    early_up_to_30: int = 0
    early_over_30: int = 0

    def count(self, status: DayStatus, late_seconds: int, early_seconds: int) -> None:
        """Count one person's day."""
        self.present += status in ("present", "incomplete")
        self.absent += status == "absent"
        if late_seconds:
            within = late_seconds <= SHOWN_MINUTES * 60
            self.late_up_to_30 += within
            self.late_over_30 += not within
        if early_seconds:
            within = early_seconds <= SHOWN_MINUTES * 60
            self.early_up_to_30 += within
            self.early_over_30 += not within

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


def figures_of(days: Iterable[DerivedDay]) -> Figures:
    """The figures of derived days."""
    found = Figures()
    for day in days:
        found.count(day.status, day.seconds_of("late"), day.seconds_of("early"))
    return found
