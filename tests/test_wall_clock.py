"""Times as other systems write them: each comes to one instant, and what is none is named."""

from datetime import UTC, datetime

import pytest
from bailiwick_contracts.registry import OffsetChange

from services.wall_clock import BadCell, instant_of

HONG_KONG = (OffsetChange(at=datetime(1990, 1, 1, tzinfo=UTC), offset_seconds=8 * 3600),)


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2026-03-02T09:31:00", "2026-03-02T01:31:00"),
        ("2026/3/2 9:31", "2026-03-02T01:31:00"),
        ("2026.03.02 09:31", "2026-03-02T01:31:00"),
        ("2026年3月2日 9:31", "2026-03-02T01:31:00"),
        ("2026年3月2日", "2026-03-01T16:00:00"),
        ("20260302T093100", "2026-03-02T01:31:00"),
        ("20260302", "2026-03-01T16:00:00"),
        ("2026-03-02T09:31:00Z", "2026-03-02T09:31:00"),
        ("2026-03-02T09:31:00.250+02:00", "2026-03-02T07:31:00.250000"),
        ("2026-03-02T09:31:00,5+0200", "2026-03-02T07:31:00.500000"),
        ("2026-03-02 09:31:00 +02", "2026-03-02T07:31:00"),
        ("2026-03-02T09:31:00.123456789Z", "2026-03-02T09:31:00.123456"),
    ],
)
def test_a_time_is_read_to_the_microsecond_by_its_offset_or_by_the_zone(cell: str, instant: str) -> None:
    assert instant_of("at", cell, HONG_KONG) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "cell", ["", "02/03/2026 09:31", "2026-02-30", "2026-03-02 24:01", "1899-12-31", "soon", "1772414400"]
)
def test_what_is_no_time_is_named_with_the_rule_and_the_way_out(cell: str) -> None:
    with pytest.raises(BadCell) as caught:
        instant_of("at", cell, HONG_KONG)
    bad = caught.value.of(7)
    assert (bad.row, bad.field) == (7, "at")
    assert bad.rule
    assert bad.remedy
