"""Whether an amount of money stands in something where none may: alone, not as four digits of a hash or an id."""

from __future__ import annotations

import re


def shows_amount(content: str | bytes, whole: str) -> bool:
    """Whether the whole units of an amount ("4360") stand in the content as a number of their own.

    A chain's hash is 64 hexadecimal digits and an id 32, so that any four digits come up in them by chance.
    """
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    return re.search(rf"(?<![0-9A-Za-z+/_-]){whole}(?![0-9A-Za-z+/_-])", text) is not None
