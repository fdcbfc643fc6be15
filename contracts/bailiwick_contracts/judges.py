"""Re-adjudication in several processes: each judges its share of the people and streams of one history (`shares`).

What comes out is what one process finds; a fact whose bytes say twice whose it is, is a finding besides. The history stands in
a temporary file meanwhile, as large as the history; what a process reads of it, it keeps in memory.
"""

import gc
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple, Self

from bailiwick_contracts.finding import Finding
from bailiwick_contracts.readjudicate import Chosen, Summary
from bailiwick_contracts.sealed import Keys
from bailiwick_contracts.shares import Batch, History, Share

_AT_ONCE = 500
"""Facts that are handed over together."""


_Part = tuple[Summary, list[Finding]]
"""What a share came to."""


class JudgingError(RuntimeError):
    """A history was not judged; the message says why and what can be done."""


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
        with ExitStack() as held:
            self._file = held.enter_context(NamedTemporaryFile(prefix="bailiwick-", delete=False))
            try:
                for _ in range(self._shares):
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_serve, args=(theirs, self._file.name), daemon=True)
                    process.start()
                    theirs.close()
                    self._judges.append(_Judge(process, ours))
                    held.callback(_end, self._judges[-1])
                for judge in self._judges:
                    self._answer(judge)  # that it has the file open
            finally:
                Path(self._file.name).unlink()  # it is gone with the last of them, however they end
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

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
            JudgingError: a process ended before it had judged, or there is no room for the file.
        """
        history, facts = self._emptied(), iter(raws)
        for share, judge in enumerate(self._judges):
            self._tell(judge, (keys, Chosen(since, until, property_id, under, share, self._shares)))
        while batch := list(islice(facts, _AT_ONCE)):
            told = self._written(history, batch)
            for judge in self._judges:
                self._tell(judge, told)
        for judge in self._judges:
            self._tell(judge, None)
        said: list[_Part | Exception] = [self._answer(judge) for judge in self._judges]
        failed = next((one for one in said if isinstance(one, Exception)), None)
        if failed is not None:
            raise JudgingError(f"a process that judged failed: {failed!r}") from failed
        parts = [part for part in said if not isinstance(part, Exception)]
        _add_up([part for part, _ in parts], summary if summary is not None else Summary())
        found = [finding for _, findings in parts for finding in findings]
        yield from sorted(found, key=lambda finding: (finding.recorded_at, finding.fact_id))

    def _emptied(self) -> History:
        self._file.seek(0)
        self._file.truncate()
        return History(self._file)

    def _written(self, history: History, batch: list[bytes]) -> Batch:
        try:
            return history.add(batch)
        except OSError as error:
            raise JudgingError(
                f"{Path(self._file.name).parent}: no room for a copy of the history ({error.strerror}); make room there, "
                "name another directory in TMPDIR, or judge in one process"
            ) from error

    def _tell(self, judge: _Judge, what: object) -> None:
        try:
            judge.line.send(what)
        except OSError:
            raise self._ended(judge) from None

    def _answer(self, judge: _Judge) -> Any:
        try:
            return judge.line.recv()
        except (EOFError, OSError):
            raise self._ended(judge) from None

    def _ended(self, judge: _Judge) -> JudgingError:
        judge.process.join(1)
        return JudgingError(
            f"a process that judged ended with exit code {judge.process.exitcode}; judge again with fewer processes"
        )


def _end(judge: _Judge) -> None:
    judge.line.close()
    judge.process.terminate()
    judge.process.join()


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


def _serve(line: Connection, name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked is told, and ends this process
    gc.disable()  # what is read here holds no cycles, and is let go with the process
    with closing(line), Path(name).open("rb", buffering=0) as file:
        try:
            line.send(True)
            while True:
                keys, chosen = line.recv()
                line.send(_judged(line, Share(file, keys, chosen)))
        except EOFError:
            return


def _judged(line: Connection, share: Share) -> _Part | Exception:
    found, failed = list[Finding](), None
    while (batch := line.recv()) is not None:
        try:
            if failed is None:
                found += share.take(batch)
        except Exception as error:  # noqa: BLE001 - told to whoever asked, once everything was heard
            failed = error
    try:
        found += share.finish()
    except Exception as error:  # noqa: BLE001
        failed = failed or error
    return failed or (share.summary, found)
