"""How a command of the command line asks: what fails for a moment is asked again, and never taken for an answer."""

from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest
from bailiwick_contracts.envelope import Answer
from bailiwick_contracts.registry import ListStaff

from services.cli.given import SETUP
from services.kernel.doors import Door
from services.run import desk

DONE = Answer(commandid="asked", outcome="done")


def failing(code: str) -> Answer:
    return Answer(commandid="asked", outcome="rejected", error={"code": code, "message": "not now"})


@pytest.mark.parametrize(("code", "said"), [("unknown", "its database failed"), ("busy", "its service is busy")])
async def test_a_query_whose_service_is_busy_or_whose_database_failed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.setattr("asyncio.sleep", AsyncMock())
    asked = desk.Desk(Mock(), Door(tmp_path))
    monkeypatch.setattr(desk, "ask", AsyncMock(side_effect=[failing(code), failing(code), DONE]))
    assert await asked.query(ListStaff(), SETUP, "company") == DONE
    monkeypatch.setattr(desk, "ask", AsyncMock(return_value=failing(code)))
    with pytest.raises(TimeoutError, match=said):
        await asked.query(ListStaff(), SETUP, "company")
