"""Evidence that leaves the house: one archive with facts, proofs, checkpoints, texts and how to verify them, byte for byte again.

What goes in follows from the facts and the checkpoints on record at an instant, so the same question as of the same instant
gives the same bytes, whoever asks and however often.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import bailiwick_contracts
from bailiwick_contracts.registry import AuthorityMatrixAdopted, LegalPolicyAdopted
from pydantic_core import from_json

from services.audit.evidence import paper

SCHEMAS = Path(bailiwick_contracts.__file__).parent / "schemas"
HERE = Path(__file__).parent
ADOPTIONS = (AuthorityMatrixAdopted.wire(), LegalPolicyAdopted.wire())
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass
class Bundle:
    """What a bundle is made of."""

    about: dict[str, Any]
    """What was asked for, and as of when."""
    as_of: datetime
    raws: dict[str, bytes] = field(default_factory=dict)
    """Fact id to its stored bytes."""
    proofs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fact id to what `audit.prove_decision.v1` answered."""
    logs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Property to what `audit.list_logs.v1` answered."""
    histories: list[Mapping[str, Any]] = field(default_factory=list)

    def documents(self, fonts: Path = paper.FONTS_DIRECTORY) -> dict[str, bytes]:
        """Every file of the archive by its path."""
        files: dict[str, bytes] = {"README.md": (HERE / "for_strangers.md").read_bytes()}
        files["verify_with_tlog_scales.py"] = (HERE / "verify_with_tlog_scales.py").read_bytes()
        order = sorted(self.raws, key=lambda one: (from_json(self.raws[one])["recordedat"], one))
        for event_id in order:
            files[f"events/{event_id}.json"] = self.raws[event_id]
            if event_id in self.proofs:
                files[f"proofs/{event_id}.tlog-proof"] = str(self.proofs[event_id]["proof"]).encode()
                files[f"entries/{event_id}.entry"] = str(self.proofs[event_id]["entry"]).encode()
        for property_id, log in self.logs.items():
            files[f"logs/{property_id}/checkpoint"] = str(log["note"]).encode()
            files[f"logs/{property_id}/policy"] = str(log["policy"]).encode()
        types = sorted({str(from_json(raw)["type"]) for raw in self.raws.values()})
        for wire in types:
            schema = SCHEMAS / f"{wire}.json"
            if schema.exists():
                files[f"schemas/{wire}.json"] = schema.read_bytes()
        for raw in self.raws.values():
            document = from_json(raw)
            if document["type"] in ADOPTIONS:
                kind = "matrix" if document["type"] == ADOPTIONS[0] else "policy"
                text = document["data"][kind]
                files[f"versions/{kind}-{text['version']}.json"] = _pretty(text)
        for history in self.histories:
            files[f"histories/{history['decision']['id']}.json"] = _pretty(_lasting(history))
        family = paper.family_in(fonts)
        about = self.about | {
            "as_of": self.as_of.isoformat(),
            "facts": len(self.raws),
            "proved": len(self.proofs),
            "not_proved": sorted(set(self.raws) - set(self.proofs)),
            "histories": {"told": len(self.histories), "rulings": self._rulings()},
            "chains": self._chains(),
            "checkpoints": {owner: int(log["size"]) for owner, log in sorted(self.logs.items())},
            "font": family,
        }
        files["about.json"] = _pretty(about)
        files["report.pdf"] = paper.pdf(self._told(order, about, chinese=family is not None), self.as_of, fonts, family)
        return files

    def _rulings(self) -> int:
        return sum("ruling" in from_json(raw)["data"] for raw in self.raws.values())

    def _chains(self) -> dict[str, int]:
        reached: dict[str, int] = {}
        for raw in self.raws.values():
            document = from_json(raw)
            _, _, owner, service = document["source"].split("/")
            chain = f"{service}/{document['log']}/{owner}"
            reached[chain] = max(reached.get(chain, 0), document["chainnumber"])
        return dict(sorted(reached.items()))

    def _told(self, order: Sequence[str], about: Mapping[str, Any], *, chinese: bool) -> dict[str, Any]:
        languages = ("en", "zh-Hant") if chinese else ("en",)
        lines = [f"As of {about['as_of']}. {about['facts']} facts, {about['proved']} of them proved."]
        lines += [f"Log of {owner}: {size} entries." for owner, size in about["checkpoints"].items()]
        if not chinese:
            lines.append("No font with Chinese was found: the Chinese words stand in histories/ alone.")
        decisions = [
            {
                "title": f"{history['decision']['type']}  {history['decision']['id']}",
                "lines": [
                    line for language in languages for line in history["words"][language] if chinese or line.isascii()
                ],
            }
            for history in self.histories
        ]
        rows = []
        for event_id in order:
            document = from_json(self.raws[event_id])
            entry = str(self.proofs[event_id]["index"]) if event_id in self.proofs else ""
            rows.append([document["recordedat"][:19], f"{document['type']} {event_id}", document["actor"], entry])
        return {
            "title": "Evidence 證據" if chinese else "Evidence",
            "about": lines,
            "decisions": decisions,
            "facts_title": "Facts 事實" if chinese else "Facts",
            "facts": rows,
        }

    def write(self, path: Path, fonts: Path = paper.FONTS_DIRECTORY) -> int:
        """Write the archive, whole or not at all; answers its size in bytes."""
        data = archived(self.documents(fonts))
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        part.replace(path)
        return len(data)


def archived(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive that is the same for the same files: in order, all of one time, none compressed differently."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return held.getvalue()


def of_interest(history: Mapping[str, Any]) -> set[str]:
    """The facts that a decision's bundle holds: itself, its evidence, its causes and effects, what adopted its versions."""
    facts = {history["decision"]["id"]}
    for group in ("came_from", "led_to", "same_command"):
        facts.update(one["id"] for one in history[group])
    facts.update(one["id"] for evidence in history["evidence"] for one in evidence["facts"])
    versions = history["versions"]
    facts.update(one["adopted_by"] for one in versions.values() if isinstance(one, dict) and one.get("adopted_by"))
    return facts


def adopted_for(rulings: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(wire type, version) of every matrix and policy that rulings were given under."""
    wanted: set[tuple[str, str]] = set()
    for ruling in rulings:
        for wire, name in zip(ADOPTIONS, ("matrix_version", "legal_policy_version"), strict=True):
            if ruling.get(name):
                wanted.add((wire, str(ruling[name])))
    return wanted


def _lasting(history: Mapping[str, Any]) -> dict[str, Any]:
    """A history without what later facts add to it."""
    return {name: value for name, value in history.items() if name != "led_to"}


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
