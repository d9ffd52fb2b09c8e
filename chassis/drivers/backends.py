"""Which bus and which store an address means; drivers are imported only when they are asked for.

Adding a backend is adding a line here; this module must never be imported by a service.
"""

from __future__ import annotations

from chassis.bus import Bus
from chassis.clock import Clock
from chassis.settings import ChassisSettings, SettingsError
from chassis.store import Store


def database(service: str) -> str:
    """The database of a service at MongoDB."""
    return f"tongban_{service}"


def open_bus(settings: ChassisSettings, clock: Clock) -> Bus:
    """Raises SettingsError for an address of no known kind."""
    if not settings.bus:
        from chassis.drivers.log import LogBus

        path = settings.dir / "bus.db"
        return LogBus(path, settings.partitions, clock, settings.record_limit, settings.room)
    if settings.bus.startswith("kafka://"):
        from chassis.drivers.kafka import KafkaBus
        from chassis.drivers.kafka_access import access

        return KafkaBus(
            settings.bus,
            partitions=settings.partitions,
            replication=settings.replication,
            clock=clock,
            limit=settings.record_limit,
            access=access(settings),
        )
    raise SettingsError("TONGBAN_BUS: expected nothing or kafka://…")


def open_store(settings: ChassisSettings, service: str, clock: Clock) -> Store:
    """The store of one service. Raises SettingsError for an address of no known kind."""
    if not settings.store:
        from chassis.drivers.sqlite import SqliteStore

        return SqliteStore(settings.dir / f"{service}.db", settings.room)
    if settings.store.startswith("mongodb://"):
        from chassis.drivers.mongo import MongoStore, access

        return MongoStore(settings.store, database(service), driver=settings.mongo_driver, access=access(settings))
    raise SettingsError("TONGBAN_STORE: expected nothing or mongodb://…")
