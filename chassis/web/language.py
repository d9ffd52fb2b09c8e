"""Which language a reader prefers, and what a Chinese sentence says in English.

Rules say sentences in Chinese and know no other language; this module must never know a rule, a request or a service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["zh", "en"]

RANGE: Final = re.compile(
    r"(\*|[a-zA-Z]{1,8})(?:-[a-zA-Z0-9]{1,8})*\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
MOST: Final = 50
"""Languages of a header that are looked at."""
HOLE: Final = re.compile(r"\{(\w+)\}")


def preferred(accepted: str | None) -> Language:
    """The language of ours that `Accept-Language` weighs highest (RFC 9110, 12.5.4; regions are left aside). Of equal
    weights the one named first; Chinese where nothing is said, or nothing of ours is wanted."""
    weights: dict[str, tuple[float, int]] = {}
    for place, part in enumerate((accepted or "").split(",", MOST)[:MOST]):
        found = RANGE.fullmatch(part.strip())
        if found is not None:
            weight = (float(found[2] or 1), -place)
            name = found[1].lower()
            weights[name] = max(weight, weights.get(name, weight))
    other = weights.get("*", (0.0, -MOST))
    english, chinese = weights.get("en", other), weights.get("zh", other)
    return "en" if english[0] > 0 and english > chinese else "zh"


class English:
    """Sentences by the Chinese in which they are said. `{name}` in both stands for a value, which is put into English
    too where it is a sentence of its own; names of items, departments and people stay as they are."""

    def __init__(self, *tables: Mapping[str, str]) -> None:
        self._plain = {chinese: english for table in tables for chinese, english in table.items()}
        holding = sorted(filter(HOLE.search, self._plain), key=lambda chinese: len(HOLE.sub("", chinese)), reverse=True)
        self._holding = [(pattern(chinese), self._plain[chinese]) for chinese in holding]

    def of(self, sentence: str) -> str:
        """The sentence in English; as it is where nobody has said it in English."""
        plain = self._plain.get(sentence)
        if plain is not None:
            return plain
        for said, english in self._holding:
            found = said.fullmatch(sentence)
            if found is not None:
                values = {name: self.of(value) for name, value in found.groupdict().items()}
                return english.format_map(values)
        return sentence


def pattern(chinese: str) -> re.Pattern[str]:
    """What matches a sentence whatever its holes hold. The longest literal text is tried first, so that a sentence with
    few words of its own does not take what belongs to another."""
    pieces = HOLE.split(chinese)
    texts = [f"(?P<{piece}>.+?)" if n % 2 else re.escape(piece) for n, piece in enumerate(pieces)]
    return re.compile("".join(texts), re.DOTALL)
