"""The route by which departmental systems share certificates.

One tell each; this module must never tell what others have shared.
"""

from __future__ import annotations

from fastapi import APIRouter

from chassis.decision import Caller, Decider
from chassis.law.rights import Over, Right, portals
from chassis.web.answers import Answer, Route, answer
from chassis.web.door import Asked, Door
from chassis.web.http import ASKED, may
from services.intake.case.founding import Founding
from services.intake.library import views
from services.intake.library.shapes import SharedLicences
from services.intake.library.state import Library, SharedLicence

SHARES = Right("Departmental systems say who holds which certificate.", portals("licences", Over.ALL))


def routes(libraries: Decider[Library], founding: Founding, door: Door) -> APIRouter:
    """`/intake/licences`."""
    router = APIRouter(route_class=Route)

    @router.put("/licences")
    async def share(shared: SharedLicence, by: Caller = may(SHARES), asked: Asked = ASKED) -> Answer[SharedLicences]:
        """共享证照 share a certificate

        A departmental system says what certificate somebody holds, or no longer holds. The answer repeats it, and tells
        nothing of what others have shared: no version either, which would count it.
        """
        # Nor may a key or a version meet those of another system.
        own = Asked(key=f"{by.name} {asked.key}" if asked.key is not None else None)
        await door.tell(libraries, founding.holder(shared.identity), shared.licence, by=by, asked=own)
        return answer(views.shared(shared.licence))

    return router
