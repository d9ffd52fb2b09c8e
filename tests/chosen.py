"""What a run of the tests was asked for on its command line, for helpers that no fixture reaches.

Set once before the first test; this module must never import anything.
"""

from __future__ import annotations

replicas = 1
"""Processes of each suite that capability tests stand before, behind a balancer where there are several."""
