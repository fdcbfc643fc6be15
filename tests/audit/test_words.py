"""No code that a ruling may give is left without words, in either language."""

import re

import pytest
from bailiwick_contracts import authority, confirmation, penalty
from typer.testing import CliRunner

from services.audit.words import CLAMPS, KINDS, OUTCOMES, REASONS, SIDES, word
from services.cli.main import app


def documented(function: object) -> set[str]:
    return set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", getattr(function, "__doc__", "") or ""))


@pytest.mark.parametrize("function", [authority.rule, penalty.adjudicate_penalty, confirmation.adjudicate_confirmation])
def test_every_reason_has_words(function: object) -> None:
    parameters = {"selected_at", "legal_policy", "escalate_to", "recommend_only", "prior_written_notice"}
    assert documented(function) - parameters <= set(REASONS)
    assert len(documented(function)) > 5


def test_every_outcome_and_clamp_has_words() -> None:
    assert set(OUTCOMES) == set(authority.Outcome.__args__)  # type: ignore[attr-defined]
    assert set(CLAMPS) == set(authority.ClampKind.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", [OUTCOMES, REASONS, CLAMPS, KINDS, SIDES])
def test_both_languages_say_something_and_not_the_same(table: dict[str, tuple[str, str]]) -> None:
    for code, (english, chinese) in table.items():
        assert english.isascii(), code
        assert re.search(r"[\u4e00-\u9fff]", chinese), code


def test_a_code_without_words_is_shown_as_it_is() -> None:
    assert word(REASONS, "of_a_later_release", "zh-Hant") == "of_a_later_release"


@pytest.mark.parametrize("command", ["history", "replay", "person", "verify"])
def test_a_language_that_there_is_not_is_said_to_be_none(command: str) -> None:
    done = CliRunner().invoke(app, ["audit", command, "x", "--language", "fr"])
    assert (done.exit_code, "'fr' is none" in done.output) == (2, True)
