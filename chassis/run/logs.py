"""The log of a process: one line per record on stderr, as text or as JSON, with what clients repeat told once.

It is set up by commands only; this module must never be imported by what logs.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from typing import Final

from contracts.event import SHANGHAI

CLIENTS: Final = ("aiokafka", "motor", "pymongo")
"""Libraries that log every one of their own tries."""
AGAIN: Final = 600.0
"""Seconds after which the same complaint of a client is told again."""


class Clients(logging.Filter):
    """Holds back what clients say while the suite starts, when brokers elect and topics are new; if the start fails, we
    say so ourselves. Afterwards each kind of complaint passes once in ten minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(CLIENTS):
            return True
        kind = record.name, str(record.msg)
        last = self._told.get(kind)
        if not self.ready or (last is not None and record.created - last < AGAIN):
            return False
        self._told[kind] = record.created
        return True


class Lines(logging.Formatter):
    """`2026-02-12T08:30:00.123+08:00 INFO notify: …`, or the same as a JSON object."""

    def __init__(self, as_json: bool) -> None:
        super().__init__("%(message)s")
        self.as_json = as_json
        self.service = ""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, SHANGHAI).isoformat(timespec="milliseconds")
        service = getattr(record, "service", self.service or record.name)
        message = super().format(record)
        if not self.as_json:
            return f"{at} {record.levelname} {service}: {message}"
        row = {"at": at, "level": record.levelname, "service": service, "logger": record.name, "message": message}
        return json.dumps(row, ensure_ascii=False)


def to_stderr(level: str, as_json: bool = False) -> Clients:
    """Sets the process's log up; whoever starts the suite sets `ready` of what is returned."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json))
    clients = Clients()
    handler.addFilter(clients)
    logging.basicConfig(level=level, handlers=[handler])
    return clients


def name(service: str) -> None:
    """From now on lines that name no service are of this one: the process serves nothing else."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Lines):
            handler.formatter.service = service
