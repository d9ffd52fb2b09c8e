"""What evaluation's refusals say in English, by the Chinese sentence in which a rule says them.

Words only; this module must never import the rules that say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "评价邀请已过期": "The invitation has expired",
    "已经评价并追评, 不能再次评价": "Rated and followed up already; no further rating is possible",
}
