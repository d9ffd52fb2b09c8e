"""Puts described services onto bus, store, clock and HTTP, in one process; discovers them under `services/`.

The composition root: it alone knows everything, and no service or port may ever import it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from typing_extensions import TypedDict

from chassis.bus import BusDown, NoRight
from chassis.cityfile import CityError
from chassis.cityfile import load as load_city
from chassis.clock import Clock
from chassis.decision import Reject
from chassis.discovery import modules
from chassis.drivers.backends import open_bus, open_store
from chassis.english import ENGLISH
from chassis.law.city import City
from chassis.law.rights import ANYBODY, Right
from chassis.law.workdays import Calendar, CalendarError
from chassis.run import operators
from chassis.run.engine import Engine
from chassis.run.holding import BACKLOG, doors, listening
from chassis.run.keyring import load_keyring
from chassis.run.topics import spoken
from chassis.run.welcome import entry, welcome
from chassis.sealing import Keyring
from chassis.service import Parts, Service
from chassis.settings import ChassisSettings, plain, together
from chassis.shapes import Moment
from chassis.store import StoreDown
from chassis.web.answers import Answer, answer
from chassis.web.auth import Portals
from chassis.web.deputies import Deputies
from chassis.web.described import refusals
from chassis.web.http import Live, Ready, application, entitled, new_work_at
from chassis.web.language import English
from chassis.web.oidc import Officers
from chassis.web.pressure import Pressure
from contracts import english as contracts_english
from contracts.event import SHANGHAI, SHARED

Build = Callable[[Parts], Service]


def discover() -> dict[str, Build]:
    """Every folder under `services/` that has an `app.py` with `build(parts)`. A new one needs no change here."""
    return {name: module.build for name, module in modules("app").items()}


def describe_services(settings: ChassisSettings, env: Mapping[str, str], names: Iterable[str] = ()) -> list[Service]:
    """The descriptions of the named services, or of all, for tools that look without running; keys are throw-away
    ones. Raises KeyError with the names there are."""
    parts = Parts(Clock(), calendar(settings), Keyring.generate(), city(settings), env, settings.dir)
    return described(chosen(discover(), names), parts)


def describe_unaddressed(settings: ChassisSettings, env: Mapping[str, str]) -> list[Service]:
    """Every service's description, for tools that ask what it says and hears: whoever administers the brokers knows
    their address, and nothing of what a service must have besides where several processes share it."""
    addresses = {ChassisSettings.variable(name) for name in ("bus", "store")}
    return describe_services(settings, {name: value for name, value in env.items() if name not in addresses})


def described(builds: Mapping[str, Build], parts: Parts) -> list[Service]:
    """Raises SettingsError with the problems of all."""
    return together(partial(build, parts) for build in builds.values())


def calendar(settings: ChassisSettings) -> Calendar:
    """The working-day calendar with the override file of the settings. Raises SettingsError."""
    try:
        return Calendar.load(settings.calendar)
    except CalendarError as error:
        raise settings.wrong("calendar", f"a sound override file ({error})") from None


def city(settings: ChassisSettings) -> City:
    """The city of the settings. Raises SettingsError."""
    try:
        return load_city(settings.city)
    except CityError as error:
        raise settings.wrong("city", f"a sound city ({error})") from None


class Unopened(Exception):
    """A bus or store that does not answer at the start; the text is a sentence for the operator."""


CLOCK: Final = Right("The time is no secret; only in the sandbox it can be moved.", ANYBODY)


class Move(BaseModel):
    """Where the legal clock shall stand."""

    to: Annotated[AwareDatetime, Field(examples=["2026-02-12T09:30:00+08:00"])]


class Moved(TypedDict):
    """Where the legal clock stands."""

    legal: Moment


class Reading(Moved):
    """Both clocks: `system` in seconds since 1970, `next` when the next alarm rings, `idle` whether nothing is under
    way."""

    system: float
    next: Moment | None
    idle: bool


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: the suite drains in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Suite:
    """Some or all services in one process. `run` serves until `stop` is set, then drains."""

    def __init__(
        self, settings: ChassisSettings, env: Mapping[str, str], builds: Mapping[str, Build], port: int | None = None
    ) -> None:
        self.settings = settings
        self.port = settings.port if port is None else port
        settings.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = Clock(settings.dir / "clock" if settings.sandbox else None)
        self.bus = open_bus(settings, self.clock)
        keyring = load_keyring(settings)
        self.city = city(settings)
        parts = Parts(self.clock, calendar(settings), keyring, self.city, env, settings.dir)
        services = described(builds, parts)
        self.engines = [
            Engine(s, open_store(settings, s.name, self.clock), self.bus, self.clock, settings, keyring.tag)
            for s in services
        ]
        self.officers = Officers(settings, self.clock)
        self.pressure = Pressure({engine.name: engine.pipeline for engine in self.engines}, settings.inbox, self.clock)
        self.app = self._application()
        self.started = asyncio.Event()
        self._listening: Callable[[], bool] = lambda: False

    def _application(self) -> FastAPI:
        app = application(
            frozenset(engine.name for engine in self.engines),
            self.clock,
            body_limit=self.settings.body_limit,
            live=self.live,
            ready=self.ready,
            english=English(contracts_english.ENGLISH, ENGLISH, *(engine.service.english for engine in self.engines)),
            pressure=self.pressure,
        )
        app.state.officers = self.officers
        app.state.deputies = {engine.name: engine.service.deputies or Deputies(self.city) for engine in self.engines}
        app.state.portals = Portals(self.settings.portal_keys)
        for engine in self.engines:
            for routes in engine.service.routes:
                app.include_router(routes(engine.door), prefix=f"/{engine.name}", tags=[engine.name])
            app.include_router(operators.router(engine), prefix=f"/{engine.name}", tags=["operators"])
        self.pressure.new_work = new_work_at(app)
        self._clock_routes(app)
        entries = [entry(engine.service) for engine in self.engines]

        async def home(request: Request) -> Response:
            body, headers = welcome(request.headers.get("Accept", ""), entries)
            return Response(body, headers=headers)

        app.add_route("/", home, ["GET"], include_in_schema=False)
        return app

    def _clock_routes(self, app: FastAPI) -> None:
        @app.get("/clock", name="read_clock", tags=["suite"])
        @entitled(CLOCK)
        async def read() -> Answer[Reading]:
            """时钟 the clocks

            The legal clock, by which limits are counted, and the system's own.
            """
            dues = [due for engine in self.engines if (due := await engine.store.next_due()) is not None]
            reading: Reading = {
                "legal": self.clock.legal(),
                "system": self.clock.system(),
                "next": datetime.fromtimestamp(min(dues), SHANGHAI) if dues else None,
                "idle": all([await engine.idle() for engine in self.engines]),
            }
            return answer(reading)

        @app.put("/clock", name="move_clock", tags=["suite"], responses=refusals("400", "403", "409", "413"))
        @entitled(CLOCK)
        async def move(body: Move) -> Answer[Moved]:
            """拨动时钟 move the legal clock

            Forwards only, and only in the sandbox.
            """
            try:
                self.clock.move(body.to)
            except PermissionError:
                raise Reject("clock_fixed", "法定时钟只能在沙箱模式下移动", status=403) from None
            except ValueError:
                raise Reject("clock_back", "法定时钟不能后退", "to", 409) from None
            moved: Moved = {"legal": self.clock.legal()}
            return answer(moved)

    async def live(self) -> Live:
        return {"ok": all(engine.live() for engine in self.engines)}

    async def ready(self) -> Ready:
        states = {engine.name: await engine.ready() for engine in self.engines}
        return {"ok": self._listening() and all(state["ok"] for state in states.values()), "services": states}

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`; raises what ended a loop early, Taken when another program listens on the port."""
        door = listening(self.settings, self.port)
        try:
            await self._open()
        except BaseException:
            door.close()
            await self._close()
            raise
        config = uvicorn.Config(
            self.app, log_level="warning", access_log=False,
            lifespan="off", http="httptools", ws="none", timeout_graceful_shutdown=5, backlog=BACKLOG,
        )  # fmt: skip
        server = Server(config)
        self._listening = lambda: server.started
        serving = asyncio.ensure_future(server.serve(doors(door)))
        watching = asyncio.ensure_future(self.officers.watch())
        running = [serving, watching, *(asyncio.ensure_future(engine.run()) for engine in self.engines)]
        ending = asyncio.ensure_future(stop.wait())
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        self.started.set()
        await asyncio.wait([*running, ending], return_when=asyncio.FIRST_COMPLETED)
        failed = [task.exception() for task in running if task.done() and not task.cancelled()]
        try:
            # Whoever is being answered still needs pipeline and store, so the server ends before them.
            server.should_exit = True
            await asyncio.wait([serving])
            if not any(failed):
                await self._drain()
        finally:
            for task in (*running, ending):
                task.cancel()
            await asyncio.gather(*running, ending, return_exceptions=True)
            await self._close()
        for error in failed:
            if error is not None:
                raise error

    async def _open(self) -> None:
        """Raises Unopened naming what does not answer, and its variable."""
        try:
            await self._open_bus()
        except NoRight as error:
            raise Unopened(f"TONGBAN_BUS is {self.settings.bus}, and it does not let us: {error}.") from None
        except BusDown as error:
            where = f"TONGBAN_BUS is {self.settings.bus}" if self.settings.bus else self.bus.name
            raise Unopened(f"{where}, but it cannot be reached: {error}.") from None
        for engine in self.engines:
            try:
                await engine.open()
            except StoreDown as error:
                where = f"TONGBAN_STORE is {plain(self.settings.store)}" if self.settings.store else engine.store.name
                raise Unopened(f"{where}, but it cannot be reached: {error}.") from None

    async def _open_bus(self) -> None:
        await self.bus.open()
        portals = {*self.settings.portals, *self.app.state.portals.applying}
        names = {topic for engine in self.engines for topic in (*engine.topics, *spoken(engine.service, portals))}
        try:
            await self.bus.ensure(dict.fromkeys(sorted(names), self.settings.partitions))
        except ValueError as error:
            raise self.settings.wrong("partitions", f"what the bus already has ({error})") from None
        if SHARED in await self.bus.topics():
            for engine in self.engines:
                engine.topics.append(SHARED)

    async def _drain(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(engine.drain() for engine in self.engines))

    async def _close(self) -> None:
        for engine in self.engines:
            await engine.close()
        await self.officers.close()
        await self.bus.close()


def chosen(builds: Mapping[str, Build], names: Iterable[str]) -> dict[str, Build]:
    """The named services, or all. Raises KeyError with the names there are."""
    wanted = list(names) or list(builds)
    for name in wanted:
        if name not in builds:
            raise KeyError(f"no service {name}; there are: {', '.join(builds)}")
    return {name: builds[name] for name in wanted}
