"""Who may speak for the addressee of a parcel: the portal of the case by its key, an officer at a window.

It authenticates only, and reads what is not to enter a command in plain; this module must never look at a document.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.auth import Forbidden
from chassis.decision import Caller, Reject
from chassis.sealing import Keyring
from contracts.numbers import check_mobile
from services.courier.domain.parcel import Readdress

ROLES = ("window", "issuer")


async def _speaker(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> Caller:
    """A portal by its key; whether the case is its own, the rules say."""
    if x_api_key is not None:
        found: Caller = request.app.state.portals.caller(x_api_key, "submit")
        return found
    known: Caller = await request.app.state.officers.caller(authorization)
    if known.roles.isdisjoint(ROLES):
        raise Forbidden("role_missing", "您的岗位没有此项权限")
    return known


SPEAKER: Any = Depends(_speaker)


class NewAddress(BaseModel):
    """改址 as it comes, in plain; nothing of it is ever shown, logged or kept so."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=200)] = Field(repr=False)
    phone: str | None = Field(None, max_length=20, repr=False)

    def sealed(self, keyring: Keyring, case: str) -> Readdress:
        """Under the names under which the order opens it. Raises Reject `mobile_format`."""
        wrong = check_mobile(self.phone, "phone") if self.phone is not None else None
        if wrong is not None:
            raise Reject.of((wrong,))
        return Readdress(
            mark=keyring.tag(f"{case}:address/{self.address}/{self.phone}"),
            address=keyring.seal(self.address, f"{case}:address"),
            phone=keyring.seal(self.phone, f"{case}:phone") if self.phone else None,
        )
