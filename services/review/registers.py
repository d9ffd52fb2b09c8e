"""Departmental registers (人口库, 住房库…) over HTTP: a question by identity number, facts without identity as answer.

It unseals the number only to ask; it must never log, keep or return it.
"""

from __future__ import annotations

from asyncio import IncompleteReadError
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from chassis.decision import Reject, Retry, Unreached
from chassis.sealing import Keyring, SealError
from services.review.domain.case import AskRegister
from services.review.settings import Settings

MOST_BYTES = 65_536
"""Longest answer that is read."""

Scalar = str | int | float | bool | None


class Found(msgspec.Struct):
    """What a register answers: facts are plain values or lists of them; anything else is no answer."""

    found: bool
    facts: dict[str, Scalar | list[Scalar]] | None = None


class Registers:
    """Runner of AskRegister: `POST {url}/registers/{name}` with `{id, identity}` → `{found, facts}`. Asking
    harms nothing, so an uncertain question is asked again; one that stays silent, or answers what was not agreed,
    leaves the case to a person."""

    patient = False

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings, self.keyring = settings, keyring
        self._session: aiohttp.ClientSession | None = None
        self._answers = msgspec.json.Decoder(Found)
        self._silent: dict[str, int] = {}

    async def make(self, id: str, errand: AskRegister) -> Mapping[str, Any]:
        """`{"facts": {…}}`; empty facts when nothing is known. Raises Retry, or Reject (register_silent,
        identity_unreadable)."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self.settings.register_timeout)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            identity = self.keyring.open(errand.identity, f"{errand.case}:identity")
        except SealError:
            raise Reject("identity_unreadable", "证件号码无法解封") from None
        url = f"{self.settings.register_url}/registers/{errand.register}"
        try:
            async with self._session.post(url, json={"id": id, "identity": identity}) as answer:
                if answer.status == 200:
                    found = self._answers.decode(await _body(answer))
                    self._silent.pop(id, None)
                    return {"facts": (found.facts or {}) if found.found else {}}
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
            pass
        self._silent[id] = self._silent.get(id, 0) + 1
        if self._silent[id] >= self.settings.register_tries:
            del self._silent[id]
            raise Unreached("register_silent", "no answer")
        raise Retry("register silent", 0.2)

    async def ask(self, id: str, errand: AskRegister) -> Mapping[str, Any] | None:
        return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole answer. Raises ClientPayloadError for one that is too long."""
    try:
        await answer.content.readexactly(MOST_BYTES)
    except IncompleteReadError as end:
        return end.partial
    raise aiohttp.ClientPayloadError("answer too long")
