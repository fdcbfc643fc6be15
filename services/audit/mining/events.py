"""Facts as process mining sees them: an event, and the objects it touches, found by the contracts' own naming of fields.

A field `<noun>_id` names an object of type `<noun>` (`into_ticket_id` a ticket); people are known by the fields that name staff
and by every value that was a person before. A ruling makes its fact a decision under a clause. No service is known by name but
where one word stands for two things.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from services.audit.log.leaf import people_of

PERSON, DECISION, CLAUSE, PROPERTY = "person", "decision", "clause", "property"
_NO_OBJECT = frozenset({"property_id", "event_id", "external_id", "command_id"})
_NOUNS = {
    "row": CLAUSE,
    "order": "work_order",
    "up": "follow_up",
    "to": "addressee",
    **dict.fromkeys(("accountable", "assignee", "auditor", "handler", "reader"), PERSON),
}
"""Last words of fields whose noun is another, or is longer."""
_OF_SERVICE = {("registry", "unit"): "department"}
"""One word for two things: a unit of the office's organisation is none that is billed or complains."""
_ATTRIBUTES = ("actor", "onbehalfof", "channel", "recordedat", "decidedat")


@dataclass(frozen=True)
class Touched:
    """An object that an event touches, and how."""

    type: str
    id: str
    qualifier: str

    @property
    def key(self) -> str:
        """Unique among all objects, whatever their type."""
        return f"{self.type}:{self.id}"


@dataclass(frozen=True)
class MinedEvent:
    """One fact."""

    id: str
    type: str
    time: str
    """When it happened, RFC 3339 in UTC."""
    stream: str
    attributes: dict[str, str]
    objects: tuple[Touched, ...]

    @property
    def activity(self) -> str:
        """What happened: what another system called it where the fact was taken over from there, else the fact's type."""
        return self.attributes.get("activity", self.type)

    def case(self, notion: str) -> tuple[str, ...]:
        """The cases it belongs to: its stream, or every object of a type."""
        if notion == "stream":
            return (self.stream,)
        return tuple(dict.fromkeys(touched.id for touched in self.objects if touched.type == notion))


def mined(documents: Iterable[dict[str, Any]]) -> Iterator[MinedEvent]:
    """Stored facts, parsed, in the order recorded, as events."""
    people: set[str] = set()
    decisions: set[str] = set()
    for document in documents:
        _, _, property_id, service = document["source"].split("/")
        data = document.get("data") or {}
        touched = {Touched(PERSON, person, path.rpartition(".")[2]) for path, person in people_of(document)}
        people.update(one.id for one in touched)
        touched |= {_object(service, name, value, people) for name, value in _named(data)}
        # Readers of OCEL leave out an event that touches nothing: each touches its property.
        touched.add(Touched(PROPERTY, property_id, PROPERTY))
        ruling = data.get("ruling")
        told = {name: str(document[name]) for name in _ATTRIBUTES if document.get(name)}
        if isinstance(ruling, dict) and "row_id" in ruling:
            decisions.add(document["id"])
            touched |= {
                Touched(DECISION, document["id"], "decides"),
                Touched(CLAUSE, str(ruling["row_id"]), str(ruling.get("outcome", ""))),
            }
            told |= {
                name: str(ruling[name])
                for name in ("row_id", "outcome", "reason", "matrix_version")
                if ruling.get(name)
            }
        elif isinstance(data.get("reason"), str):
            told["reason"] = data["reason"]
        if isinstance(data.get("activity"), str):
            told["activity"] = data["activity"]
        if document.get("causationid") in decisions:
            touched.add(Touched(DECISION, document["causationid"], "follows from"))
        yield MinedEvent(
            id=document["id"],
            type=document["type"],
            time=document["time"],
            stream=document["subject"],
            attributes=told | {"property": property_id, "service": service},
            objects=tuple(sorted(touched, key=lambda one: (one.type, one.id, one.qualifier))),
        )


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Every `<noun>_id` in a fact's data outside its ruling, whose inputs name facts and not things."""
    if isinstance(value, dict):
        for name, inside in value.items():
            if name == "ruling":
                continue
            if name.endswith("_id") and isinstance(inside, str):
                if name not in _NO_OBJECT and not name.endswith("fact_id"):
                    yield name, inside
            elif name.endswith("_ids") and isinstance(inside, list) and not name.endswith(("fact_ids", "external_ids")):
                yield from ((name[:-1], one) for one in inside if isinstance(one, str))
            else:
                yield from _named(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _named(inside)


def _object(service: str, name: str, value: str, people: set[str]) -> Touched:
    noun = name.removesuffix("_id")
    if value in people or noun.endswith("staff"):
        return Touched(PERSON, value, name)
    last = noun.rpartition("_")[2]
    return Touched(_OF_SERVICE.get((service, last)) or _NOUNS.get(last, last), value, name)
