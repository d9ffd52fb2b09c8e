"""A pretend courier that speaks Standard Webhooks: one signed message per scan, its id the same on every attempt.

It has two secrets and signs with either or both, as while they are rotated; this module must never import the courier
service.
"""

from __future__ import annotations

import hashlib
import time as system
from collections.abc import Callable, Sequence

import aiohttp
from aiohttp import web

from sandbox import hooks
from sandbox.carrier import Carrier, Place
from sandbox.citytime import CityTime
from sandbox.faults import Faults
from sandbox.serving import BadRequest, Paths, encode, fields, reply


class Standard(Carrier):
    """`signing` are those of its two secrets that are in use. Time stamps are real, whatever the legal clock shows."""

    retracts = True

    def __init__(
        self,
        time: CityTime,
        session: Callable[[], aiohttp.ClientSession],
        faults: Faults,
        *,
        secrets: tuple[str, str],
    ) -> None:
        super().__init__("standard", "scans", time, session, faults, retries=hooks.RETRIES)
        self.rotation = {"first": secrets[:1], "second": secrets[1:], "both": secrets}
        self.signing: Sequence[str] = self.rotation["first"]

    def paths(self, paths: Paths) -> None:
        super().paths(paths)
        paths.add("POST", "/standard/secrets", self._rotate)

    def pack(self, items: Sequence[Place]) -> tuple[bytes, dict[str, str]]:
        (parcel, index), *_ = items
        at, scan = parcel.at(index, self.time), parcel.scans[index]
        word = str(scan.word)
        data = {"waybill": parcel.waybill, "at": at.isoformat(), "meaning": word, "code": word.upper()}
        shown = data if scan.retracts is None else {**data, "retracts": True}
        body = encode({"type": "parcel.scanned", "timestamp": at.isoformat(), "data": [shown]})
        digest = hashlib.sha256(f"{parcel.waybill}/{index}".encode()).hexdigest()
        return body, hooks.headers(self.signing, f"msg_{digest[:27]}", int(system.time()), body)

    def took(self, status: int, body: bytes) -> bool:
        """Any 2xx, by the specification; the body says nothing."""
        return 200 <= status < 300

    async def _rotate(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """{"sign": "first" | "second" | "both"}: which secrets sign from now on."""
        chosen = str((await fields(request)).get("sign"))
        if chosen not in self.rotation:
            raise BadRequest(f"sign is one of {', '.join(self.rotation)}")
        self.signing = self.rotation[chosen]
        return reply({"sign": chosen})
