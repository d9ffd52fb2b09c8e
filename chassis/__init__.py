"""How Tongban's services travel and are kept: decisions, bus, store, errands, alarms, HTTP, clock.

Services import from here; this package must never import a service or the sandbox.
"""

from chassis.decision import (
    Alarm,
    Answer,
    Caller,
    Command,
    Decider,
    Decision,
    Errand,
    Lane,
    Lost,
    Malformed,
    Reject,
    Retry,
    State,
    Unknown,
)
from chassis.service import Parts, Service

__all__ = [
    "Alarm",
    "Answer",
    "Caller",
    "Command",
    "Decider",
    "Decision",
    "Errand",
    "Lane",
    "Lost",
    "Malformed",
    "Parts",
    "Reject",
    "Retry",
    "Service",
    "State",
    "Unknown",
]
