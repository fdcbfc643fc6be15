"""What a measure answers, the bars it is held against, and how both are shown."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = dict[str, float]
"""A figure's name to its value in one run."""
DATABASES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach, per database; `at_most` where less is better."""

    sqlite: float
    postgresql: float
    at_most: bool = False

    def of(self, database: str) -> float:
        """The bar for one database."""
        return self.sqlite if database == "SQLite" else self.postgresql

    def reached(self, database: str, value: float) -> bool:
        """Whether a value reaches it."""
        return value <= self.of(database) if self.at_most else value >= self.of(database)


BARS: Mapping[str, Bar] = {
    "lone command to its answer, p50 ms": Bar(5, 5, at_most=True),
    "lone command to its answer, p99 ms": Bar(20, 20, at_most=True),
    "lone command to recorded by a second service, p50 ms": Bar(8, 12, at_most=True),
    "200 callers, commands/s": Bar(2_000, 2_000),
    "200 callers / one at a time": Bar(6, 6),
    "end to end, events/s": Bar(6_000, 4_000),
    "end to end / held to one message": Bar(8, 8),
    "relay / gather(js.publish) of 500": Bar(1.3, 1.3),
    "reactor / fetch(500) + ack": Bar(0.35, 0.35),
    "fold of 1,000 stored facts / eventsourcing as shipped": Bar(2.5, 2.5),
    "re-adjudication, decisions/s": Bar(15_000, 15_000),
    "re-adjudication of a quarter with a penalty for every fifth day, decisions/s": Bar(15_000, 15_000),
    "append one / Emmett": Bar(1.3, 1.3),
    "append one and read back / Emmett": Bar(1.2, 1.2),
    "bulk append / Emmett": Bar(1.5, 1.5),
    "rebuild of 1,000 facts / Emmett": Bar(0.7, 0.7),
    "bulk command at 1,000,000 / at 10,000": Bar(0.8, 0.8),
    "command alone at 1,000,000 / at 10,000": Bar(0.8, 0.8),
    "taking in at 1,000,000 / at 10,000": Bar(0.8, 0.8),
    "reading the log at 1,000,000 / at 10,000": Bar(0.8, 0.8),
    "state of 100 facts at 1,000,000 / at 10,000": Bar(0.8, 0.8),
    "wiped stream of 100,000 facts refilled, facts/s": Bar(5_000, 5_000),
    "second effects of the refill": Bar(0, 0, at_most=True),
    "real punches imported, punches/s": Bar(3_000, 3_000),
    "5,000 timers due at once, seconds to the last": Bar(60, 60, at_most=True),
}


@dataclass(frozen=True)
class Summary:
    """One figure over the runs of one database."""

    name: str
    database: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """`ok` or `below` against the bar; empty where there is none."""
        bar = BARS.get(self.name)
        return "" if bar is None else "ok" if bar.reached(self.database, self.median) else "below"


def shown(value: float) -> str:
    """A value with as many digits as it deserves."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _bar(summary: Summary) -> str:
    bar = BARS.get(summary.name)
    return "" if bar is None else f"{'≤' if bar.at_most else '≥'} {shown(bar.of(summary.database))}"


def table(summaries: Sequence[Summary]) -> str:
    """For a terminal: one line per figure and database."""
    lines = []
    for summary in summaries:
        spread = f"{shown(min(summary.values))}..{shown(max(summary.values))}"
        lines.append(
            f"{summary.database:<11} {summary.name:<58} {shown(summary.median):>9}  {spread:<17} {len(summary.values)} "
            f"{_bar(summary):>9} {summary.verdict}"
        )
    return "\n".join(lines)


def markdown(summaries: Sequence[Summary]) -> str:
    """For the README: one row per figure, medians with their range, the bar and whether it was reached."""
    by_name: dict[str, dict[str, Summary]] = {}
    for summary in summaries:
        by_name.setdefault(summary.name, {})[summary.database] = summary
    rows = ["| figure | SQLite | PostgreSQL | bar |", "|---|---|---|---|"]
    for name, found in by_name.items():
        bars = list(dict.fromkeys(_bar(one) for one in found.values()))
        rows.append(
            f"| {name} | {' | '.join(_cell(found.get(database)) for database in DATABASES)} | {'; '.join(bars)} |"
        )
    return "\n".join(rows)


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return ""
    below = " (below)" if summary.verdict == "below" else ""
    spread = f" ({shown(min(summary.values))}–{shown(max(summary.values))})" if len(summary.values) > 1 else ""
    return f"{shown(summary.median)}{spread}{below}"
