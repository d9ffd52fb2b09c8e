"""Which bus and which store an address means; drivers are imported only when they are asked for.

Adding a backend is adding a line here; this module must never be imported by a service.
"""

from __future__ import annotations

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.settings import ChassisSettings, SettingsError
from chassis.store import Store


def open_bus(settings: ChassisSettings, clock: Clock) -> Bus:
    """Raises SettingsError for an address of no known kind."""
    if not settings.bus:
        from chassis.bus.log import LogBus

        return LogBus(settings.dir / "bus.db", partitions=settings.partitions, clock=clock, room=settings.room)
    if settings.bus.startswith("kafka://"):
        from chassis.bus.kafka import KafkaBus

        return KafkaBus(settings.bus, partitions=settings.partitions, replication=settings.replication, clock=clock)
    raise SettingsError("TONGBAN_BUS: expected nothing or kafka://…")


def open_store(settings: ChassisSettings, service: str, clock: Clock) -> Store:
    """The store of one service. Raises SettingsError for an address of no known kind."""
    if not settings.store:
        from chassis.store.sqlite import SqliteStore

        return SqliteStore(settings.dir / f"{service}.db", settings.room)
    if settings.store.startswith("mongodb://"):
        from chassis.store.mongo import MongoStore

        return MongoStore(settings.store, database=f"tongban_{service}", driver=settings.mongo_driver)
    raise SettingsError("TONGBAN_STORE: expected nothing or mongodb://…")
