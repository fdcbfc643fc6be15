"""Numbers of a process for Prometheus, read from its parts when they are asked for, so that no command pays for them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from services.kernel.health import Health

REGISTRY = CollectorRegistry()
DECISION_SECONDS = Histogram(
    "bailiwick_batch_seconds", "Seconds from taking up a batch to its commit.", ["service"], registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)  # fmt: skip
BATCH_SIZE = Histogram(
    "bailiwick_batch_size", "Commands, intakes and timers of one transaction.", ["service"], registry=REGISTRY,
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)  # fmt: skip


class Numbers:
    """The metrics of the services of one process."""

    def __init__(self, runtimes: Callable[[], Iterable[Any]], healths: Callable[[], Iterable[Health]]) -> None:
        """`runtimes` answers what runs now, `healths` how each service is, also of one that does not start."""
        self._runtimes, self._healths = runtimes, healths

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        commands = CounterMetricFamily(
            "bailiwick_commands", "Commands answered, by type and outcome.", labels=["service", "type", "outcome"]
        )
        gauges = {
            name: GaugeMetricFamily(f"bailiwick_{name}", text, labels=["service"])
            for name, text in (
                ("ready", "Whether it takes commands."),
                ("problems", "What is wrong, by the health of the service."),
                ("relay_lag_facts", "Stored and not published."),
                ("relay_lag_seconds", "Age of the oldest fact that is not published."),
                ("dead_letters", "Facts and timers that were given up on."),
                ("parked_facts", "Facts that wait to be handled again, or behind one that does."),
                ("timers_overdue", "Timers that were due more than a minute ago."),
                ("drift", "Settings in JetStream that are not as described."),
                ("rebuild_facts_done", "Facts folded by the rebuild of a view, the one in progress or the last one."),
                ("rebuild_facts_total", "Facts that this rebuild is to fold."),
            )
        }
        reactor_facts = GaugeMetricFamily("bailiwick_reactor_lag_facts", "Not taken in.", labels=["service", "source"])
        reactor_age = GaugeMetricFamily(
            "bailiwick_reactor_lag_seconds",
            "Age of the oldest fact that is not taken in.",
            labels=["service", "source"],
        )
        heals = CounterMetricFamily("bailiwick_heals", "Times the stream was behind and refilled.", labels=["service"])
        gaps = CounterMetricFamily("bailiwick_gaps", "Holes that were read from a feed.", labels=["service"])
        for runtime in self._runtimes():
            name = runtime.service.name
            for (kind, outcome), count in list(runtime.writer.outcomes.items()):
                commands.add_metric([name, kind, outcome], count)
            done, total = runtime.rebuilding.progress if runtime.rebuilding is not None else (0, 0)
            for gauge, value in (("rebuild_facts_done", done), ("rebuild_facts_total", total)):
                gauges[gauge].add_metric([name], float(value))
        for health in self._healths():
            name = health.service
            for gauge, value in (
                ("ready", health.ready), ("problems", len(health.problems)), ("relay_lag_facts", health.unpublished.waiting),
                ("relay_lag_seconds", health.unpublished.oldest_seconds), ("dead_letters", health.dead_letters),
                ("parked_facts", health.parked), ("timers_overdue", health.timers_overdue), ("drift", len(health.drift)),
            ):  # fmt: skip
                gauges[gauge].add_metric([name], float(value))
            for source, lag in health.untaken.items():
                reactor_facts.add_metric([name, source], lag.waiting)
                reactor_age.add_metric([name, source], lag.oldest_seconds)
            heals.add_metric([name], health.heals)
            gaps.add_metric([name], health.gaps)
        yield from (commands, *gauges.values(), reactor_facts, reactor_age, heals, gaps)


def exposition(numbers: Numbers) -> bytes:
    """Everything in the text format of Prometheus."""
    own = CollectorRegistry()
    own.register(numbers)
    return generate_latest(own) + generate_latest(REGISTRY)
