"""Sets what `chassis.run.principals` words at a Kafka cluster, with the login of whoever administers it.

It makes topics and rules that are missing; this module must never take a rule away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chassis.clock import Clock
from chassis.drivers.kafka import KafkaBus
from chassis.drivers.kafka_access import access
from chassis.drivers.kafka_rules import apply
from chassis.drivers.rule import Rule
from chassis.settings import ChassisSettings


def granted(settings: ChassisSettings, wanted: Sequence[Rule]) -> list[dict[str, str]]:
    """A row per rule, as `kafka_rules.apply` gives them. Raises SettingsError without a Kafka to set them at, BusDown
    with a sentence."""
    if not settings.bus:
        raise settings.wrong("bus", "kafka://… where rules are to be set")
    return asyncio.run(_granted(settings, wanted))


async def _granted(settings: ChassisSettings, wanted: Sequence[Rule]) -> list[dict[str, str]]:
    entering = access(settings)
    bus = KafkaBus(settings.bus, settings.partitions, settings.replication, Clock(), access=entering)
    names = sorted({rule.name for rule in wanted if rule.resource == "topic"})
    await bus.ensure(dict.fromkeys(names, settings.partitions))
    return await apply(bus.servers, entering, wanted)
