"""A Kafka broker on which each process of the suite may do what its rules say and nothing else, for worlds of many and
for suites in one process.

The rules are set as an operator sets them, by `tongban topics --acl --apply`; this module must never word one itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chassis.drivers.kafka_access import access
from chassis.run.principals import SUITE
from chassis.settings import ChassisSettings
from sandbox.processes import SERVICES
from sandbox.world import PORTAL, ROOT
from tests.guarantees.harness import WITNESS
from tests.real.secure import WARDEN, GuardedKafkaBroker


class Guarded(GuardedKafkaBroker):
    """One login for each service and portal, and one for who holds all services; whoever watches comes as the
    warden."""

    def __init__(self, directory: Path, portals: Sequence[str] = (PORTAL,)) -> None:
        super().__init__(directory, [*SERVICES, SUITE, *(f"portal.{portal}" for portal in portals)])
        self.portals = portals

    def login(self, name: str) -> Mapping[str, str]:
        return self.settings(WARDEN if name == WITNESS else name)

    def entering(self, name: str) -> Mapping[str, Any]:
        """The options of an aiokafka client that comes under this name, without the address."""
        return access(ChassisSettings.read(self.login(name)))

    def command(self, name: str, *arguments: str) -> tuple[int, str, str]:
        """A `tongban` command under this name: exit code, stdout and stderr."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TONGBAN_")}
        said = {"TONGBAN_PORTALS": ",".join(self.portals), **self.settings(name)}
        env = {**kept, "PYTHONPATH": str(ROOT), **said}
        command = [sys.executable, "-m", "chassis.run.cli", *arguments]
        done = subprocess.run(command, cwd=self.directory, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def set_rules(self, *more: str) -> list[dict[str, str]]:
        code, out, err = self.command(WARDEN, "topics", "--acl", "--apply", "--json", *more)
        assert code == 0, err
        rows: list[dict[str, str]] = json.loads(out)
        return rows


@contextlib.contextmanager
def guarded(directory: Path, *more: str, portals: Sequence[str] = (PORTAL,)) -> Iterator[Guarded]:
    """A broker with its topics and rules, which runs while the block does; `more` may be `--together`, where one
    process holds all services."""
    with Guarded(directory, portals) as broker:
        broker.set_rules(*more)
        yield broker
