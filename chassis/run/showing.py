"""How commands print what they have found: rows as lines for people, or as JSON for programs.

It writes to stdout; this module must never know what a row means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def show(rows: Sequence[Mapping[str, Any]], as_json: bool, line: Callable[[Any], str]) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2, default=str))
    elif rows:
        print("\n".join(line(row) for row in rows))
