"""Subjects are made and taken apart in one place, and never on a guess."""

from itertools import product

import pytest
from bailiwick_contracts.asyncapi import PARAMETERS, choices, document
from bailiwick_contracts.subjects import events_of, feed_of, parse, stream_of, subject_of


def test_a_subject_taken_apart_gives_the_parts_it_was_made_of() -> None:
    made = subject_of("attendance.penalty_decided.v1", "north-court", "event")
    assert made == "bailiwick.north-court.attendance.event.penalty_decided.v1"
    found = parse(made)
    assert (found.property_id, found.service, found.kind, found.name, found.version) == (
        "north-court",
        "attendance",
        "event",
        "penalty_decided",
        1,
    )
    assert found.wire == "attendance.penalty_decided.v1"


def test_every_property_is_asked_for_with_a_star() -> None:
    assert subject_of("registry.staff_joined.v12", "*", "event") == "bailiwick.*.registry.event.staff_joined.v12"
    assert events_of("attendance") == "bailiwick.*.attendance.event.>"
    assert events_of("attendance", "north-court") == "bailiwick.north-court.attendance.event.>"


def test_streams_and_feeds_have_one_name_per_service() -> None:
    assert (stream_of("registry"), feed_of("registry")) == ("BAILIWICK_REGISTRY", "bailiwick.feed.registry")


@pytest.mark.parametrize("property_id", ["", "a.b", ">", "a*", "North", "a b", "a\r\nb", "-a", "x" * 33, "北苑", "a\n"])
def test_a_property_that_would_land_under_another_token_is_never_published(property_id: str) -> None:
    with pytest.raises(ValueError, match="property"):
        subject_of("attendance.penalty_decided.v1", property_id, "event")


@pytest.mark.parametrize(
    "wire",
    ["", "attendance", "attendance.penalty_decided", "attendance.penalty_decided.1", "attendance.PenaltyDecided.v1",
     "attendance.penalty_decided.v0", "attendance.a.b.v1", "attendance.*.v1", "attendance.>.v1", "attendance.a.v1\n"],
)  # fmt: skip
def test_a_type_without_service_name_and_version_has_no_subject(wire: str) -> None:
    with pytest.raises(ValueError, match="type"):
        subject_of(wire, "north-court", "event")


@pytest.mark.parametrize(
    "subject",
    ["", "bailiwick", "other.north-court.attendance.event.penalty_decided.v1",
     "bailiwick.north-court.attendance.fact.penalty_decided.v1", "bailiwick.NORTH.attendance.event.penalty_decided.v1",
     "bailiwick.north-court.attendance.event.penalty_decided", "bailiwick.a.b.attendance.event.penalty_decided.v1",
     "bailiwick.north-court.attendance.event.penalty_decided.v1\n"],
)  # fmt: skip
def test_a_subject_that_is_not_ours_is_not_taken_apart(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        parse(subject)


def test_every_fact_travels_where_the_asyncapi_document_says_and_nothing_else_is_said_to() -> None:
    told = set()
    for channel in document()["channels"].values():
        parameters = {name: PARAMETERS[name].get("enum", ["north-court"]) for name in channel["parameters"]}
        for values in product(*parameters.values()):
            told.add(parse(channel["address"].format(**dict(zip(parameters, values, strict=True)))).wire)
    assert told == {one for one in choices() if not one.endswith("*")}
    assert "attendance.dead_letter_raised.v1" in told
