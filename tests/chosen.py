"""What a run of the tests was asked for on its command line, for helpers that no fixture reaches.

Set once before the first test; this module must never import anything of ours.
"""

from __future__ import annotations

from typing import Literal

replicas = 1
"""Processes of each suite that capability tests stand before, behind a balancer where there are several."""


def mode() -> Literal["one", "pair"]:
    """Which sandbox world that is."""
    return "pair" if replicas > 1 else "one"
