"""Tests that share a system run in one process: what `pytest-xdist` is asked for, it does."""

import os

import pytest


@pytest.mark.xdist_group("groups")
def test_a_group_is_known_to_who_hands_out_the_tests(request: pytest.FixtureRequest) -> None:
    """By the names of the tests, and a release of pytest that keeps them as they were hands out a group's one by one."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process runs everything")
    assert request.node.nodeid.endswith("@groups")
