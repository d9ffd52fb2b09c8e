"""Who may read a case of intake, and who may speak for an applicant: portals by key, officers by token.

It authenticates only; this module must never look at a document.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from chassis.auth import Forbidden
from chassis.decision import Caller


async def _reader(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> Caller:
    """A portal by its key, or any officer by token."""
    if x_api_key is not None:
        found: Caller = request.app.state.portals.caller(x_api_key, "read")
        return found
    known: Caller = await request.app.state.officers.caller(authorization)
    return known


READER: Any = Depends(_reader)


async def _speaker(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> Caller:
    """Who may speak for an applicant: a portal by its key, an officer at a window, an agent."""
    if x_api_key is not None:
        found: Caller = request.app.state.portals.caller(x_api_key, "submit")
        return found
    known: Caller = await request.app.state.officers.caller(authorization)
    if known.roles.isdisjoint(("window", "agent")):
        raise Forbidden("role_missing", "您的岗位没有此项权限")
    return known


SPEAKER: Any = Depends(_speaker)
