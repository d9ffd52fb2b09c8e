"""Rows for the tests of the stores.

Shapes only; it must never open a store.
"""

from __future__ import annotations

from msgspec.structs import replace

from chassis.store import Row

ALL = range(8)


def row(id: str = "a", version: int = 1, **changes: object) -> Row:
    base = Row("case", id, version, shard=1, body=f"{id}{version}".encode(), owner="me", batch=version)
    return replace(base, **changes)  # type: ignore[arg-type]
