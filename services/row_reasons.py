"""Why a row of a bulk request was not taken, in words: the answer to the row holds the reason alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Words(NamedTuple):
    """What a reason means: the member it is about, the rule, and the way out."""

    field: str
    rule: str
    remedy: str


REASONS: Mapping[str, Words] = {
    "unknown_staff": Words("staff_id", "a person who was registered, or an id that is mapped to one",
                           "register the person, or map the id, and send the row again"),
    "person_erased": Words("staff_id", "a person who was not erased", "nothing is recorded about an erased person"),
    "clock_in_future": Words("at", "at most 5 minutes ahead of our clock", "set the device's clock and export again"),
    "punch_id_reused": Words("punch_id", "one id, one punch", "send it under a new id; from a file, export it anew"),
    "unknown_unit": Words("unit_id", "a unit that was registered", "register it first, as bailiwick import units does"),
    "receipt_id_reused": Words("receipt_id", "one id, one receipt", "post it under a new id"),
    "fee_beyond_amount": Words("fee", "less than the amount", "correct the fee"),
    "received_in_future": Words("received_on", "today at the property, or earlier", "correct the date, or post it once it came in"),
    "unknown_meter": Words("meter_id", "a meter that was registered", "register it first, as bailiwick import meters does"),
    "below_last": Words("value", "not below the last reading", "mark it rollover or replacement, or read the meter again"),
    "beyond_counter": Words("value", "within the digits of the meter", "correct the reading"),
    "implausible": Words("value", "within the meter's usage limit", "read the meter again"),
    "before_last": Words("read_on", "not before the last reading", "take the later reading back first"),
    "day_already_read": Words("read_on", "one reading a meter and day", "take the other reading back first"),
    "start_missing": Words("start", "what the new meter shows", "give it in start"),
    "reading_was_reversed": Words("reading_id", "an id that was not taken back", "give it another id"),
}  # fmt: skip
_TOLD = frozenset({"staff_id", "external_id", "at", "punch_id", "unit_id", "receipt_id", "meter_id", "read_on", "reading_id"})  # fmt: skip
"""Ids and times are told back, amounts and what a meter shows are not."""


def words_of(reason: str) -> Words:
    """What a reason means; a new one that has no words yet says its name."""
    return REASONS.get(reason, Words("row", reason, "see the rule"))


def told(reason: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """`field`, `value`, `rule` and `remedy` of a row as it was given."""
    words = words_of(reason)
    field = words.field
    if field == "staff_id" and row.get("staff_id") is None and row.get("external_id") is not None:
        field = "external_id"
    value = {"value": row[field]} if field in _TOLD and row.get(field) is not None else {}
    return {"field": field} | value | {"rule": words.rule, "remedy": words.remedy}
