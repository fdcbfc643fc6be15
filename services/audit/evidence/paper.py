"""The human-readable part of a bundle: one PDF/A, the same bytes for the same facts, fonts and date."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

FONTS_DIRECTORY = Path("/usr/share/fonts/opentype/noto")
"""Where Debian's fonts-noto-cjk puts them; `--fonts` names another directory."""
_FAMILIES = ("Noto Serif CJK TC", "Noto Sans CJK TC", "Noto Serif CJK SC", "Noto Sans CJK SC")
_SOURCE = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.title, author: "bailiwick", date: datetime(
  year: data.date.at(0), month: data.date.at(1), day: data.date.at(2)))
#set page(paper: "a4", margin: 2cm, numbering: "1 / 1")
#set text(font: (sys.inputs.font, "Libertinus Serif"), size: 9.5pt, lang: "zh", region: "TW")
#show heading: set block(above: 1.2em, below: 0.6em)
= #data.title
#for line in data.about [ #line \\ ]
#for one in data.decisions {
  heading(level: 2)[#one.title]
  for line in one.lines [ - #line ]
}
#heading(level: 2)[#data.facts_title]
#table(columns: (auto, 1fr, auto, auto), stroke: 0.4pt + gray,
  table.header([recorded], [type], [by], [entry]), ..data.facts.flatten())
"""


def family_in(directory: Path) -> str | None:
    """A family with Chinese in a directory of fonts, or None: then only what English can say is printed."""
    import typst  # noqa: PLC0415 - slow to load, and most commands print nothing

    if not directory.is_dir():
        return None
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(directory)])
    known = set(fonts.families())
    return next((one for one in _FAMILIES if one in known), None) or next(
        (o for o in sorted(known) if "CJK" in o), None
    )


def pdf(told: Mapping[str, Any], at: datetime, directory: Path, family: str | None) -> bytes:
    """A PDF/A-2b of `title`, `about` (lines), `decisions` (`title`, `lines`), `facts_title` and `facts` (rows of four)."""
    import typst  # noqa: PLC0415

    data = dict(told) | {"date": [at.year, at.month, at.day]}
    made: bytes = typst.compile(
        _SOURCE.encode(),
        format="pdf",
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(directory)] if family else []),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False, sort_keys=True), "font": family or "Libertinus Serif"},
        pdf_standards="a-2b",
        timestamp=int(at.timestamp()),
    )
    return made
