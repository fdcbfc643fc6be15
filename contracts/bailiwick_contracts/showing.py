"""What is shown beside who asks: the conditions, measures and facts that complete a question before it is ruled on."""

from bailiwick_contracts.authority import Asked, Input, Measured
from bailiwick_contracts.matrix import Verb
from bailiwick_contracts.message import Identifier, Label, Record


class Showing(Record):
    """What a decision shows for itself. The service gathers it, re-adjudication derives it again, both by the same functions."""

    conditions: tuple[Identifier, ...] = ()
    measures: tuple[Measured, ...] = ()
    inputs: tuple[Input, ...] = ()
    kind: Label | None = None
    requested_by_id: Identifier | None = None
    """Who opened the request that is decided on."""


def shown(asked: Asked, row_id: str, verb: Verb, showing: Showing) -> Asked:
    """The question, complete."""
    return asked.model_copy(
        update={
            "row_id": row_id,
            "verb": verb,
            "kind": showing.kind,
            "requested_by_id": showing.requested_by_id,
            "conditions": (*asked.conditions, *showing.conditions),
            "measures": showing.measures,
            "inputs": (*asked.inputs, *(item for item in showing.inputs if item.facts)),
        }
    )


def named(**facts: tuple[str, ...]) -> tuple[Input, ...]:
    """Inputs by name; those that rest on no fact are left out."""
    return tuple(Input(name=name, facts=ids) for name, ids in facts.items() if ids)
