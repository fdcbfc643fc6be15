"""Holds today's messages against every release that was kept: what a subscriber reads, or a caller sends, goes on working.

`python -m bailiwick_contracts.compatibility released/` names each break and what to do instead. `--keep 0.2.0` keeps a release;
`--accept-wording` accepts that descriptions, of messages and of fields, say the same in other words.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bailiwick_contracts.envelope import read_event
from bailiwick_contracts.message import Fact, Request
from bailiwick_contracts.schema import EXAMPLES, drift, messages, rendered

Schema = Mapping[str, Any]
LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
SAME = ("pattern", "format", "multipleOf", "uniqueItems", "propertyNames", "patternProperties")
NEW_NAME = "give the changed message a new name or version and keep this one as it was"
ADD = "add an optional field beside it"
WORDING = "if it means the same, accept the wording (--accept-wording); if not, " + NEW_NAME


def breaks(released: Schema, today: Schema, *, request: bool) -> Iterator[tuple[str, str, str]]:
    """Each way in which `today` breaks who goes by `released`: where, what, and what to do.

    A fact is read: it loses no field, no value of old facts, and nothing that was always there. A request is sent: whatever
    was taken is taken. New optional fields pass in both.
    """
    yield from _Comparison(released, today, request=request).compare(released, today, "")


class _Comparison:
    def __init__(self, released: Schema, today: Schema, *, request: bool) -> None:
        self._old, self._new, self._request = released, today, request
        self._seen: set[tuple[str, str]] = set()

    def compare(self, old: Schema, new: Schema, at: str) -> Iterator[tuple[str, str, str]]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        old_text, new_text = old.get("description"), new.get("description")
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if (old_text or old.get("description")) != (new_text or new.get("description")) and (
            old_text or old.get("description")
        ):
            yield at or "/", "its description changed, so it may mean something else", WORDING
        if "default" in old and not _kept(old["default"], new.get("default")):
            yield at or "/", f"left out it meant {old['default']!r}, now {new.get('default')!r}", NEW_NAME
        # What two fields are alike is compared once; what each says of itself, and is left out, was above.
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        yield from self._alternatives(_alternatives(old), _alternatives(new), at)

    def _alternatives(self, old: list[Schema], new: list[Schema], at: str) -> Iterator[tuple[str, str, str]]:
        if len(old) == len(new) == 1:
            yield from self._one(old[0], new[0], at)
            return
        left, changed = list(new), list[Schema]()
        for one in old:
            found = next((other for other in left if not list(self._fresh().compare(one, other, at))), None)
            if found is None:
                changed.append(one)
            else:
                left.remove(found)
        for one in changed:
            found = next((other for other in left if _named(other) == _named(one)), None)
            if found is None:
                yield at or "/", f"{_named(one)} is no longer one of its forms", NEW_NAME
            else:
                left.remove(found)
                yield from self.compare(one, found, f"{at}/{_named(one)}")
        if left and not self._request:
            yield at or "/", f"it may now also be {', '.join(map(_named, left))}, which old readers refuse", ADD

    def _fresh(self) -> "_Comparison":
        made = _Comparison(self._old, self._new, request=self._request)
        made._seen = set(self._seen)
        return made

    def _one(self, old: Schema, new: Schema, at: str) -> Iterator[tuple[str, str, str]]:
        where = at or "/"
        if old.get("type") != new.get("type"):
            yield where, f"its type was {old.get('type')}, now {new.get('type')}", NEW_NAME
            return
        was, now = _values(old), _values(new)
        if was is not None and now is not None and not was <= now:
            yield where, f"{', '.join(sorted(was - now))} is no longer one of its values", NEW_NAME
        if was is None and now is not None:
            yield where, "it takes only some values now", NEW_NAME
        if was is not None and not self._request and (now is None or not now <= was):
            yield (
                where,
                "it has values now that old readers refuse",
                "put what is new into " + "an optional field beside it",
            )
        for name in LOWER:
            was_at, is_at = old.get(name, float("-inf")), new.get(name, float("-inf"))
            if is_at > was_at:
                yield where, f"{name} rose from {old.get(name)} to {new[name]}", NEW_NAME
            elif is_at < was_at and not self._request:
                yield where, f"{name} fell from {old[name]} to {new.get(name)}, which old readers refuse", ADD
        for name in UPPER:
            was_at, is_at = old.get(name, float("inf")), new.get(name, float("inf"))
            if is_at < was_at:
                yield where, f"{name} fell from {old.get(name)} to {new[name]}", NEW_NAME
            elif is_at > was_at and not self._request:
                yield where, f"{name} rose from {old[name]} to {new.get(name)}, which old readers refuse", ADD
        for name in SAME:
            if new.get(name) != old.get(name) and (name in new or not self._request):
                yield where, f"{name} was {old.get(name)}, now {new.get(name)}", NEW_NAME
        yield from self._properties(old, new, at)
        for index, (one, other) in enumerate(zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)):
            yield from self.compare(one, other, f"{at}/{index}")
        if "items" in old or "items" in new:
            yield from self.compare(old.get("items", {}), new.get("items", {}), f"{at}/items")
        yield from self._others(old.get("additionalProperties", True), new.get("additionalProperties", True), at)

    def _others(self, old: Any, new: Any, at: str) -> Iterator[tuple[str, str, str]]:
        """What stands under names that are not fixed: anything (True), nothing (False), or what has a schema."""
        if new is False and old is not False:
            yield at or "/", "it takes no other members now", NEW_NAME
        elif isinstance(new, dict) and old is not False:
            yield from self.compare(old if isinstance(old, dict) else {}, new, f"{at}/*")
        elif new is True and isinstance(old, dict) and not self._request:
            yield at or "/", "its members may be anything now", NEW_NAME

    def _properties(self, old: Schema, new: Schema, at: str) -> Iterator[tuple[str, str, str]]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for name, field in was.items():
            if name not in now:
                yield f"{at}/{name}", "the field is gone", "keep it; " + ADD
            else:
                yield from self.compare(field, now[name], f"{at}/{name}")
        must_was, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(must_now - must_was):
            what = "it has to be there now, and old messages do not have it"
            yield f"{at}/{name}", what, "give it a default, so that it is optional"
        if not self._request:
            for name in sorted((must_was - must_now) & set(now)):
                yield f"{at}/{name}", "it was always there and may now be missing", NEW_NAME


def _kept(old: Any, new: Any) -> bool:
    """Whether what was filled in is filled in still; a part of it may have gained fields."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and _kept(value, new[name]) for name, value in old.items())
    return bool(old == new)


def _resolved(schema: Schema, root: Schema) -> dict[str, Any]:
    while "$ref" in schema:
        found = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
    return dict(schema)


def _alternatives(schema: Schema) -> list[Schema]:
    parts = schema.get("anyOf") or schema.get("oneOf")
    return list(parts) if parts else [schema]


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(one) for one in schema["enum"]} if "enum" in schema else None


def _named(schema: Schema) -> str:
    return str(schema.get("$ref", schema.get("const", schema.get("type", "something else")))).rsplit("/", 1)[-1]


def check(folder: Path) -> Iterator[str]:
    """Every break of every release kept in `folder`, as a line that says what to do."""
    accepted = _accepted(folder)
    today = _today()
    known = messages()
    for release in sorted(path for path in folder.iterdir() if path.is_dir()):
        for wire, schema in json.loads((release / "schemas.json").read_text(encoding="utf-8")).items():
            if wire not in today:
                yield f"{release.name} {wire}: the message is gone; keep it, for its facts are stored and its callers are there"
                continue
            request = wire == "command" or (wire in known and issubclass(known[wire], Request))
            for at, what, instead in breaks(schema, today[wire], request=request):
                if instead is not WORDING or accepted.get(f"{wire}{at}") != _description(today[wire], at):
                    yield f"{release.name} {wire} {at}: {what}; {instead}"
        for line in (release / "examples.ndjson").read_text(encoding="utf-8").splitlines():
            yield from _unread(release.name, line.encode())


def _unread(release: str, raw: bytes) -> Iterator[str]:
    document = json.loads(raw)
    wire = document["type"]
    try:
        if "specversion" in document:
            data = read_event(raw).data
            if not isinstance(data, Fact) or type(data).__name__ == "Unknown":
                yield f"{release} {wire}: its example is read as an unknown message; keep its class under this name"
        else:
            kind = messages()[wire]
            kind.model_validate_json(raw, strict=True)
    except (ValueError, KeyError) as error:
        yield f"{release} {wire}: its example is no longer read ({' '.join(str(error).split())[:200]}); {NEW_NAME}"


def _description(schema: Schema, at: str) -> str | None:
    here: dict[str, Any] = dict(schema)
    for step in [step for step in at.split("/") if step]:
        here = _resolved(here, schema)
        form = next((one for one in here.get("anyOf") or here.get("oneOf") or () if _named(one) == step), None)
        inside = here.get("properties", {}).get(step, {})
        if form is not None:
            inside = form
        elif step == "items" and "items" in here:
            inside = here["items"]
        elif step == "*":
            inside = here.get("additionalProperties", {})
        here = dict(inside)
    found = here.get("description") or _resolved(here, schema).get("description")
    return str(found) if found is not None else None


def _today() -> dict[str, Any]:
    """The schemas of today's classes, written down or not."""
    return {name.removesuffix(".json"): json.loads(text) for name, text in rendered()}


def _accepted(folder: Path) -> dict[str, str | None]:
    path = folder / "wording.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def accept_wording(folder: Path) -> int:
    """Accept every description as it is today; answers how many differ from a release."""
    today = _today()
    found: dict[str, str | None] = {}
    for release in sorted(path for path in folder.iterdir() if path.is_dir()):
        for wire, schema in json.loads((release / "schemas.json").read_text(encoding="utf-8")).items():
            if wire in today:
                for at, _, instead in breaks(schema, today[wire], request=False):
                    if instead is WORDING:
                        found[f"{wire}{at}"] = _description(today[wire], at)
    (folder / "wording.json").write_text(
        json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    return len(found)


def keep(folder: Path, release: str) -> Path:
    """Keep today's schemas and examples as a release."""
    made = folder / release
    made.mkdir(parents=True)
    lines = [f"{json.dumps(wire)}: {json.dumps(schema, ensure_ascii=False)}" for wire, schema in _today().items()]
    (made / "schemas.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    examples = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob("*.v*.json"))]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in examples)
    (made / "examples.ndjson").write_text(text, encoding="utf-8")
    return made


def main(arguments: list[str] | None = None) -> int:
    """0 when every kept release goes on working, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bailiwick_contracts.compatibility", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", metavar="RELEASE")
    parser.add_argument("--accept-wording", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.keep:
        sys.stdout.write(f"kept {keep(chosen.folder, chosen.keep)}\n")
        return 0
    if not any(chosen.folder.glob("*/schemas.json")):
        parser.error(f"{chosen.folder}: no release is kept there; name the folder that holds them, contracts/released")
    if chosen.accept_wording:
        sys.stdout.write(f"{accept_wording(chosen.folder)} descriptions differ from a release and are accepted\n")
    found = [*check(chosen.folder), *(f"schemas/{line}; run python -m bailiwick_contracts.schema" for line in drift())]
    for line in found:
        sys.stderr.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
