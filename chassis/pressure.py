"""Whom a process has no time for: new work goes first, so that what was begun is ended, and it is told at once.

It weighs how full the lines are; this module must never know a path's meaning, a store or a bus.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chassis.pipeline import Pipeline

READS = frozenset({"GET", "HEAD", "OPTIONS"})
SOON = 0.5
"""Seconds that the oldest command may have waited, or that reading may have been at its limit, before nothing new is
begun: what is accepted then is answered within two seconds."""
LATE = 1.0
"""Seconds that the oldest command may have waited before no command is taken at all."""
AGAIN = 2
"""Seconds after which whoever was refused may try again (Retry-After)."""


class Pressure:
    """One process's lines. `begins` are the paths at which new work begins; at most `most` commands wait in a line."""

    def __init__(self, pipelines: Mapping[str, Pipeline], most: int) -> None:
        self.pipelines, self.most = pipelines, most
        self.begins: Collection[str] = frozenset()

    def refuses(self, service: str, method: str, path: str) -> bool:
        """Whether this request is to come again later. Reads are never refused."""
        pipeline = self.pipelines.get(service)
        if method in READS or pipeline is None:
            return False
        inbox = pipeline.inbox
        if inbox.asks >= self.most or inbox.age > LATE:
            return True
        if path not in self.begins:
            return False
        return inbox.age > SOON or any(each.pressed > SOON for each in self.pipelines.values())
