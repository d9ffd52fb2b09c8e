"""顺丰 RoutePushService: at most ten new routes a push, answered by return code (showdoc hnqiao 9157102515696868).

It verifies and reads; this module must never decide what a scan means for a parcel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from chassis.decision import Reject
from chassis.pushing import JSON, Push
from chassis.secret import Secrets
from chassis.web.reading import decoded, mended
from contracts.codes import SCAN_SF
from services.courier.partners.port import Read, Row, meaning, scanned_at, unsigned

MOST: Final = 10


class Route(msgspec.Struct, rename="camel"):
    mailno: Annotated[str, msgspec.Meta(examples=["SF1440011223344"])]
    accept_time: Annotated[str, msgspec.Meta(examples=["2026-02-27 16:02:11"])]
    op_code: Annotated[str, msgspec.Meta(examples=["50"])]


class Body(msgspec.Struct):
    routes: list[Route] = msgspec.field(name="WaybillRoute")


class Envelope(msgspec.Struct):
    body: Body = msgspec.field(name="Body")


class Parts(msgspec.Struct):
    """`Body` with its routes as they came."""

    routes: list[msgspec.Raw] = msgspec.field(name="WaybillRoute")


class Whole(msgspec.Struct):
    body: Parts = msgspec.field(name="Body")


ROUTE, WHOLE = msgspec.json.Decoder(Route), msgspec.json.Decoder(Whole)
LIST: Final = "Body.WaybillRoute"


class Sf:
    """The push carries no signature, so the address itself is the secret."""

    name, shape, media = "sf", Envelope, JSON
    signs: Mapping[str, str] = {}

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets

    def verify(self, push: Push) -> None:
        if not self.secrets.accepts(push.secret):
            raise unsigned("secret")

    def parse(self, push: Push) -> Read:
        parts = decoded(WHOLE, mended(push.body)).body.routes
        if len(parts) > MOST:
            raise Reject("too_many", f"最多 {MOST} 条", LIST, 400)
        return Read().rows(parts, LIST, ROUTE, "mailno", routed)

    def status(self, broken: bool) -> int:
        """They read the words."""
        return 200

    def words(self, failed: list[str], problem: str = "") -> dict[str, Any]:
        if failed or problem:
            named = f"处理失败: {','.join(failed)}" if failed else ""
            return {"return_code": "1000", "return_msg": "; ".join(filter(None, (named, problem)))}
        return {"return_code": "0000", "return_msg": "成功"}


def routed(route: Route, at: str) -> Row:
    when = scanned_at(route.accept_time, f"{at}.acceptTime")
    return Row(route.mailno, (when, route.op_code, meaning(SCAN_SF, route.op_code)))
