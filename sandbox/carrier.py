"""What the couriers that only push have in common: parcels started on demand, scans pushed when due, all of it counted.

A partner adds its bytes and its word for success; this module must never import the courier service.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.citytime import CityTime, stamp
from sandbox.faults import Faults, Ledger
from sandbox.push import RETRIES, Pusher
from sandbox.scans import SCRIPTS, Parcel
from sandbox.serving import BadRequest, Partner, Paths, fields, reply

Place = tuple[Parcel, int]
"""A parcel and the place of a scan in its script."""


class Carrier(Partner):
    """`retracts` says whether the format can take a scan back; `keep` bounds the parcels it remembers."""

    retracts = False

    def __init__(
        self,
        name: str,
        channel: str,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        retries: Sequence[float] = RETRIES,
        most: int = 1,
        lanes: int = 1,
        timeout: float = 10.0,
        keep: int = 200_000,
    ) -> None:
        super().__init__(name, faults, Ledger(("parcels", "accepted"), (channel,)))
        self.time = time
        self.keep = keep
        self._parcels: dict[str, Parcel] = {}
        self.pushes: Pusher[Place] = Pusher(
            name, channel, time=time, session=session, faults=faults, ledger=self.ledger,
            pack=self.pack, failed=self._failed, bends=("duplicate",),
            retries=retries, most=most, lanes=lanes, timeout=timeout,
        )  # fmt: skip

    @abstractmethod
    def pack(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        """Body and headers of one push."""

    @abstractmethod
    def took(self, status: int, body: bytes) -> bool:
        """Whether an answer means success."""

    def paths(self, paths: Paths) -> None:
        paths.add("POST", f"/{self.name}/parcels", self._start)
        paths.add("GET", f"/{self.name}/parcels", self._show)

    def start(self, waybill: str, script: str = "default") -> Parcel:
        """A parcel has been given to this courier. Raises BadRequest for a waybill that it has, or a wrong script."""
        if script not in self.scripts():
            raise BadRequest(f"script is one of {', '.join(self.scripts())}")
        if waybill in self._parcels:
            raise BadRequest("this waybill is under way")
        parcel = Parcel(waybill, self._bent(script), self.time.now())
        self._parcels[waybill] = parcel
        if len(self._parcels) > self.keep:
            del self._parcels[next(iter(self._parcels))]
        self.ledger.effects["parcels"].add(waybill)
        for index in sorted(range(len(parcel.scans)), key=lambda n: parcel.scans[n].told):
            self.plan(parcel, index, parcel.scans[index].told)
        return parcel

    def scripts(self) -> list[str]:
        return [name for name in SCRIPTS if self.retracts or name != "retract"]

    def plan(self, parcel: Parcel, index: int, minutes: float) -> None:
        self.pushes.put((parcel, index), parcel.given + self.time.delay(minutes * 60.0))

    def _bent(self, script: str) -> str:
        """The ordinary script, or what a push fault makes of it."""
        kinds = ("out_of_order", "retract") if self.retracts else ("out_of_order",)
        if script != "default":
            return script
        fault = self.faults.draw(self.name, self.pushes.channel, kinds)
        if fault is None:
            return script
        self.ledger.faults[fault.kind] += 1
        return fault.kind

    def _failed(self, status: int, body: bytes, items: Sequence[Place]) -> Collection[int]:
        if not self.took(status, body):
            return range(len(items))
        for parcel, index in items:
            self.ledger.effects["accepted"].add(f"{parcel.waybill}/{index}")
        return ()

    async def _start(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """{"waybill", "script"?}."""
        given = await fields(request)
        waybill, script = given.get("waybill"), given.get("script", "default")
        if not isinstance(waybill, str) or not 0 < len(waybill) <= 64:
            raise BadRequest("waybill is needed")
        self.ledger.requests["parcels"] += 1
        await self.time.fresh()
        return reply(self._shown(self.start(waybill, str(script))), 201)

    async def _show(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """`?waybill=…`, or the newest 500."""
        asked = (await fields(request)).get("waybill")
        found = [parcel for parcel in [self._parcels.get(str(asked))] if parcel]
        return reply({"parcels": [self._shown(p) for p in (found if asked else [*self._parcels.values()][-500:])]})

    def _shown(self, parcel: Parcel) -> dict[str, Any]:
        """A parcel with the scans that have happened."""
        minutes = (self.time.now() - parcel.given) / 60.0
        done = [n for n, scan in enumerate(parcel.scans) if self.time.delay(scan.happens) <= minutes]
        scans = [{"word": parcel.scans[n].word, "at": stamp(parcel.at(n, self.time))} for n in done]
        return {"waybill": parcel.waybill, "script": parcel.script, "scans": scans}
