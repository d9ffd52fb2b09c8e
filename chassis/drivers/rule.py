"""One allowance at brokers that refuse all else: the value in which rules are worded, set and compared.

Which rules there are is nothing it knows; this module must never import more than the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Rule:
    """One allowance at a broker that refuses all else. Whoever may read or write a topic may also describe it."""

    principal: str
    operation: str
    resource: str
    name: str

    def words(self) -> str:
        """As `kafka-acls.sh --add` takes it."""
        return f"--allow-principal {self.principal} --operation {self.operation} --{self.resource} {self.name}"
