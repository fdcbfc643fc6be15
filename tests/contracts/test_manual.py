"""The shipped matrix against the document it was made from."""

from pathlib import Path

import pytest
from bailiwick_contracts.manual import manual_matrix
from bailiwick_contracts.matrix import AuthorityMatrix
from bailiwick_contracts.readings import Readings

MANUAL = Path(__file__).parents[3] / "shared" / "domain" / "job-manual.txt"
MATRIX = manual_matrix()
VERBS = {
    "A1": {"decide"}, "A2": {"recommend"}, "A3": {"decide"}, "A4": {"recommend"}, "A5": {"decide"}, "A6": {"recommend"},
    "A7": {"confirm"}, "A8": {"appraise"}, "A9": {"confirm"}, "A10": {"confirm"}, "A11": {"submit", "confirm"},
    "A12": {"approve"}, "A13": {"penalise"}, "A14": {"penalise"}, "A15": {"penalise"}, "A16": {"demand"},
    "F1": {"apply"}, "F2": {"apply"}, "F3": {"use"}, "F4": {"demand"},
    "G1": {"decide"}, "G2": {"co_approve"}, "G3": {"recommend"}, "G4": {"inspect", "decide", "demand"},
    "G5": {"decide", "report"}, "G6": {"submit"}, "G7": {"submit"},
    "P1": {"apply"}, "P2": {"apply"}, "P3": {"apply"}, "P4": {"apply"}, "P5": {"apply"}, "P6": {"request"},
}  # fmt: skip


def test_every_power_of_the_manual_is_a_row_with_its_verb() -> None:
    found: dict[str, set[str]] = {}
    for row in MATRIX.rows:
        if row.source == "job-manual":
            found.setdefault(row.row_id, set()).add(row.verb)
    assert found == VERBS


def test_every_power_of_the_manual_is_the_directors() -> None:
    assert {row.holders for row in MATRIX.rows if row.source == "job-manual"} == {("office_director",)}


def test_every_sentence_stands_in_the_manual_word_for_word() -> None:
    if not MANUAL.is_file():
        pytest.skip(f"the manual does not lie at {MANUAL}")
    text = MANUAL.read_text(encoding="utf-8")
    assert [row.row_id for row in MATRIX.rows if row.source == "job-manual" and row.sentence not in text] == []


def test_each_reading_from_t1_to_t15_is_a_field_and_so_is_that_an_unconfirmed_month_blocks() -> None:
    assert set(Readings.cited()) == {*(f"T{number}" for number in range(1, 16)), "A7"}
    assert MATRIX.readings.unconfirmed_month == "blocks_deductions"
    assert Readings().unconfirmed_month is None


def test_only_the_three_penalties_take_from_a_wage() -> None:
    assert {row.row_id for row in MATRIX.rows if row.deducts} == {"A13", "A14", "A15"}


def test_the_matrix_survives_its_own_json() -> None:
    assert AuthorityMatrix.model_validate_json(MATRIX.model_dump_json(exclude_none=True)) == MATRIX
