"""The state that a fold makes of another."""

from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from services.kernel.decision import evolved


@dataclass(frozen=True)
class Counted:
    count: int = 0
    names: tuple[str, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)


def test_an_evolved_state_is_what_replacing_fields_makes_and_leaves_the_other_alone() -> None:
    before = Counted(1, ("ann",), {"a": 1})
    after = evolved(before, count=2, names=("ann", "ben"))
    assert after == replace(before, count=2, names=("ann", "ben"))
    assert before == Counted(1, ("ann",), {"a": 1})
    with pytest.raises(FrozenInstanceError):
        after.count = 3  # type: ignore[misc]
