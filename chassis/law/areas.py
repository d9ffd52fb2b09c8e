"""Administrative codes 行政区划代码: city and county have 6 digits, a town 9, a village 12, each inside the one above.

Pure text; this module must never know a city, an officer or a document.
"""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 6
"""Digits of a city's or a county's code; the last two of a city's are zeros."""


def plain(code: str) -> str:
    """The shortest writing of a code: national registers fill 341602 up to 341602000000."""
    while len(code) > SHORTEST and code.endswith("000"):
        code = code[:-3]
    return code


def within(place: str, area: str) -> bool:
    """Whether a place lies in an area or is it: 341602101 in 341602, all of them in 341600 and in 340000, never the
    other way round. Nothing lies in no area."""
    area = plain(area)
    while len(area) <= SHORTEST and area.endswith("00"):
        area = area[:-2]
    return bool(area) and place.startswith(area)


def whole(area: str) -> bool:
    """Whether it is the code of a whole city."""
    return len(area) == SHORTEST and area.endswith("00")


def county(place: str) -> str:
    """The first six digits: the county in which a town or village lies, the code itself of a county or a city."""
    return place[:SHORTEST]


def words(word: str, place: str) -> tuple[str, ...]:
    """The look-ups under which every area that a place lies in finds it: the plain word for the city, one more for each
    unit below."""
    lengths = () if whole(place) else range(SHORTEST, len(place) + 1, 3)
    return (word, *(f"{word}@{place[:length]}" for length in lengths))


def word(text: str, area: str) -> str:
    """The look-up by which an area finds what lies in it."""
    area = plain(area)
    return text if whole(area) else f"{text}@{area}"
