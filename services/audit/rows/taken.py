"""Does tracking name how far other services' facts were taken in? Its hash is that of the fact there, and the copies hold no more."""

from collections.abc import Mapping, Sequence

from services.audit.rows.finding import RowFinding
from services.kernel.parked import service_of


def tracking_findings(
    rows: Mapping[str, tuple[int, str | None]],
    there: Mapping[str, tuple[str, int, str] | None],
    consumes: Sequence[str],
    beyond: Mapping[str, int],
) -> list[RowFinding]:
    """Every row of `tracking` that does not hold, and every source that was taken in and has none.

    Args:
        rows: source to the position and hash that the table names.
        there: source to the log, number and hash of the fact that its chain holds at that position; None where it ends before.
        consumes: the services that are taken in.
        beyond: source to the highest number of which a row or a fact of the service shows that it was taken in.
    """
    found = []
    for source, (position, link) in sorted(rows.items()):
        key, fact = {"source": source}, there.get(source)
        if service_of(source) not in consumes:
            found.append(RowFinding("tracking", "extra", key, (), "nothing is taken in from there"))
        elif fact is None:
            found.append(RowFinding("tracking", "altered", key, ("position",), f"that chain has no number {position}"))
        elif fact[0] != source.partition(":")[0]:
            found.append(RowFinding("tracking", "altered", key, ("source",), f"that chain is of {fact[0]}"))
        elif fact[2] != link:
            said = f"the fact of number {position} has another hash"
            found.append(RowFinding("tracking", "altered", key, ("position", "hash"), said))
        elif beyond.get(source, 0) > position:
            said = f"number {beyond[source]} was taken in"
            found.append(RowFinding("tracking", "altered", key, ("position", "hash"), said))
    for source, number in sorted(beyond.items()):
        if source not in rows:
            found.append(RowFinding("tracking", "missing", {"source": source}, (), f"number {number} was taken in"))
    return found
