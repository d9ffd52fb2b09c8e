"""Pretend departmental registers behind HTTP: 人口库 and 住房, whose answers follow from the identity number alone.

So a test can choose a person whom a register knows as dead, elsewhere or not at all; this module must never keep
anything about a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from contracts.numbers import IDENTITY_CHECKS, IDENTITY_WEIGHTS
from sandbox.faults import Faults, Ledger
from sandbox.serving import BadRequest, Partner, Paths, fields, reply

Facts = Mapping[str, Any]

DEAD, UNKNOWN, ELSEWHERE = "994", "995", "996"
"""Places 15 to 17 of an identity number choose: dead, known to no register, registered outside the city."""

CITY = "3416"
OTHER_CITY = "341202"

ISSUED: dict[str, tuple[tuple[int, str], ...]] = {
    "341602": ((1986, "342126"), (1996, "342102"), (2000, "341281"), (9999, "341602")),
    "341621": ((1996, "342124"), (2000, "341223"), (9999, "341621")),
    "341622": ((1996, "342125"), (2000, "341224"), (9999, "341622")),
    "341623": ((1996, "342130"), (2000, "341227"), (9999, "341623")),
}
"""Which place code an identity number begins with, up to and including a year of birth, for each county of today:
亳州 belonged to 阜阳 until 2000, so the numbers of the old name places that no longer exist."""

TODAY = {code: area for area, codes in ISSUED.items() for _, code in codes}
"""The county of today behind a place code."""


def population(identity: str) -> Facts | None:
    """人口库: whether alive, and the area of the 户籍; None when the number is unknown or no identity number."""
    if not well_formed(identity) or identity[14:17] == UNKNOWN:
        return None
    hukou = OTHER_CITY if identity[14:17] == ELSEWHERE else TODAY.get(identity[:6], identity[:6])
    return {"alive": identity[14:17] != DEAD, "hukou_area": hukou, "hukou_in_city": hukou.startswith(CITY)}


def housing(identity: str) -> Facts | None:
    """住房: `housing` is `none` or `has`, as likely as not, and the number of homes."""
    if not well_formed(identity) or identity[14:17] == UNKNOWN:
        return None
    homes = hashlib.sha256(identity.encode()).digest()[0] % 4
    homes = 0 if homes < 2 else homes - 1
    return {"housing": "has" if homes else "none", "homes": homes}


REGISTERS: dict[str, Callable[[str], Facts | None]] = {"population": population, "housing": housing}


def well_formed(identity: str) -> bool:
    """18 characters with the right check character (GB 11643)."""
    body = identity[:17]
    if len(identity) != 18 or not (body.isascii() and body.isdecimal()):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(IDENTITY_WEIGHTS, body, strict=True))
    return IDENTITY_CHECKS[total % 11] == identity[17]


class Registers(Partner):
    """`POST /registers/{name}` {"id", "identity"} → {"found", "facts"}; `id` is the errand's."""

    def __init__(self, faults: Faults) -> None:
        super().__init__("registers", faults, Ledger(("looked_up",)))

    def paths(self, paths: Paths) -> None:
        paths.add("POST", "/registers/*", self.look)

    async def look(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        register = REGISTERS.get(rest)
        if register is None:
            return reply({"error": "no such register"}, 404)
        asked = await fields(request)
        identity, reference = asked.get("identity"), asked.get("id")
        if not isinstance(identity, str) or not isinstance(reference, str) or not reference:
            raise BadRequest("id and identity are needed")

        def act(lying: bool) -> web.Response:
            self.ledger.effects["looked_up"].add(reference)
            facts = register(identity)
            if lying:
                facts = contrary(facts)
            if facts is None:
                return reply({"id": reference, "found": False, "facts": {}})
            return reply({"id": reference, "found": True, "facts": facts})

        return await self.deal(request, rest, act, lambda: reply({"error": "not allowed"}, 403))


def contrary(facts: Facts | None) -> Facts | None:
    """What a lying register says: yes for no, none for has, nobody for somebody whom it has no facts to twist of."""
    if facts is None:
        return None
    twisted: dict[str, Any] = {name: not value if isinstance(value, bool) else value for name, value in facts.items()}
    if "housing" in twisted:
        twisted |= {"housing": "none", "homes": 0} if facts["homes"] else {"housing": "has", "homes": 1}
    return twisted
