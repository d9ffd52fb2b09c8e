"""Departmental registers (人口库, 住房库…) over HTTP: a question by identity number, facts without identity as answer.

It unseals the number only to ask; it must never log, keep or return it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chassis.calling import JSON, Calls
from chassis.decision import Reject, Retry, Unknown, Unreached
from chassis.sealing import Keyring, SealError
from services.review.case.state import AskRegister
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
        self.calls = Calls(
            silence=Retry,
            seconds=settings.register_timeout,
            connect=settings.register_timeout,
            most=MOST_BYTES,
        )
        self._answers = msgspec.json.Decoder(Found)
        self._silent: dict[str, int] = {}

    async def make(self, id: str, errand: AskRegister) -> Mapping[str, Any]:
        """`{"facts": {…}}`; empty facts when nothing is known. Raises Retry, or Reject (register_silent,
        identity_unreadable)."""
        try:
            identity = self.keyring.open(errand.identity, f"{errand.case}:identity")
        except SealError:
            raise Reject("identity_unreadable", "证件号码无法解封") from None
        url = f"{self.settings.register_url}/registers/{errand.register}"
        try:
            answer = await self.calls.post(url, msgspec.json.encode({"id": id, "identity": identity}), JSON)
            if answer.status == 200:
                found = answer.read(self._answers)
                self._silent.pop(id, None)
                return {"facts": (found.facts or {}) if found.found else {}}
        except (Retry, Unknown):
            pass
        self._silent[id] = self._silent.get(id, 0) + 1
        if self._silent[id] >= self.settings.register_tries:
            del self._silent[id]
            raise Unreached("register_silent", "no answer")
        raise Retry("register silent", 0.2)

    async def ask(self, id: str, errand: AskRegister) -> Mapping[str, Any] | None:
        return None

    async def close(self) -> None:
        await self.calls.close()
