"""Re-adjudication in several processes: each is given every fact, and judges its share of the people and streams.

Of what is about one person alone, which most of a history is, each reads what is about its own people, and about others once
it must. What comes out is what one process finds; a fact whose bytes say twice whose it is, is a finding besides. Each needs
the memory of one alone: it keeps what it does not read.
"""

import gc
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Self

from bailiwick_contracts.finding import Finding
from bailiwick_contracts.readjudicate import Bench, Chosen, Summary
from bailiwick_contracts.sealed import Keys

_AT_ONCE = 500
"""Facts that are handed over together."""


_Part = tuple[Summary, list[Finding]]
"""What a share came to."""


class _Judge(NamedTuple):
    process: BaseProcess
    line: Connection


class Judges:
    """Processes that stand ready to judge; to be used in a `with`, which ends them.

    They judge one history after another. Once the reading of one broke off, begin with new ones.
    """

    def __init__(self, processes: int) -> None:
        """`processes`: how many, at least one; as many as there are processors is fastest."""
        self._shares = processes
        self._judges: list[_Judge] = []

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for _ in range(self._shares):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._judges.append(_Judge(process, ours))
        return self

    def __exit__(self, *_: object) -> None:
        for judge in self._judges:
            judge.line.close()
            judge.process.terminate()
            judge.process.join()

    def readjudicate(
        self,
        raws: Iterable[bytes],
        keys: Keys,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        property_id: str | None = None,
        under: str | None = None,
        summary: Summary | None = None,
    ) -> Iterator[Finding]:
        """As `readjudicate.readjudicate`; the findings come at the end, by the recording of their facts.

        Args:
            raws: the stored facts, as there.
            keys: the payroll keys; they are handed to every process, so they are to be picklable (`keys_from` is).
            since: as there.
            until: as there.
            property_id: as there.
            under: as there.
            summary: as there.

        Raises:
            RuntimeError: a process ended before it had judged.
        """
        for share, judge in enumerate(self._judges):
            self._tell(judge, (keys, Chosen(since, until, property_id, under, share, self._shares)))
        facts = iter(raws)
        while batch := list(islice(facts, _AT_ONCE)):
            for judge in self._judges:
                self._tell(judge, batch)
        for judge in self._judges:
            self._tell(judge, None)
        said = [self._answer(judge) for judge in self._judges]
        failed = next((one for one in said if isinstance(one, Exception)), None)
        if failed is not None:
            raise RuntimeError(f"a process that judged failed: {failed!r}") from failed
        parts = [part for part in said if not isinstance(part, Exception)]
        _add_up([part for part, _ in parts], summary if summary is not None else Summary())
        found = [finding for _, findings in parts for finding in findings]
        yield from sorted(found, key=lambda finding: (finding.recorded_at, finding.fact_id))

    def _tell(self, judge: _Judge, what: object) -> None:
        try:
            judge.line.send(what)
        except OSError:
            raise self._ended(judge) from None

    def _answer(self, judge: _Judge) -> _Part | Exception:
        try:
            said: _Part | Exception = judge.line.recv()
        except (EOFError, OSError):
            raise self._ended(judge) from None
        return said

    def _ended(self, judge: _Judge) -> RuntimeError:
        judge.process.join(1)
        return RuntimeError(
            f"a process that judged ended with exit code {judge.process.exitcode}; judge again with fewer processes"
        )


def _add_up(parts: list[Summary], summary: Summary) -> None:
    """What was judged is the sum of the shares; what was read is what each of them read."""
    summary.read = parts[0].read
    summary.retracted_since = sorted({ruled for part in parts for ruled in part.retracted_since})
    for part in parts:
        summary.unreadable += part.unreadable
        summary.judged += part.judged
        summary.equal += part.equal
        summary.differing += part.differing
        summary.derivations += part.derivations
        summary.derivations_differing += part.derivations_differing
        summary.skipped += part.skipped


def _serve(line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked is told, and ends this process
    gc.disable()  # what is read here holds no cycles, and is let go with the process
    with closing(line):
        try:
            while True:
                keys, chosen = line.recv()
                line.send(_judged(line, keys, chosen))
        except EOFError:
            return


def _judged(line: Connection, keys: Keys, chosen: Chosen) -> _Part | Exception:
    bench, found, failed = Bench(keys, chosen, Summary()), list[Finding](), None
    while (batch := line.recv()) is not None:
        try:
            for raw in batch if failed is None else ():
                found += bench.read(raw)
        except Exception as error:  # noqa: BLE001 - told to whoever asked, once everything was heard
            failed = error
    try:
        found += bench.finish()
    except Exception as error:  # noqa: BLE001
        failed = failed or error
    return failed or (bench.summary, found)
