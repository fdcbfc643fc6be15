"""Logs: one JSON object a line on stderr, without personal data: ids, and of an error its kind and its place."""

import logging
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog

from services.kernel.failure import frames_of


def _place(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of an exception its kind and where it came from; its text may hold what nobody should read."""
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event.update(error=type(error).__name__, frames=frames_of(error))
    return event


def _first_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of what a library says its first line: what follows may show the values at hand."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


_STAMPED: Sequence[Any] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _place,
)
_WRITTEN = structlog.processors.JSONRenderer(ensure_ascii=True)


def configure(level: str = "INFO") -> None:
    """Set up structlog, and have the libraries say what they say, where it matters, in the same way."""
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_STAMPED, _first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _WRITTEN],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[libraries], force=True)
    for noisy in ("nats", "faststream"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    structlog.configure(
        processors=[*_STAMPED, _WRITTEN],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,  # stderr may be another one by then, as it is from test to test
    )
