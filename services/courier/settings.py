"""Settings of courier.

It must never read anything but what it is given.
"""

from __future__ import annotations

import base64
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from chassis.kinds import Address
from chassis.secret import CLOSED, Opens, Secrets, Way
from chassis.settings import Section
from chassis.webhooks import secrets_of
from services.courier.parcel.slots import hours_of


class Settings(Section):
    """EMS: address, contract, secrets; the window on labels; the promise, pick-up slots, and when EMS is asked."""

    prefix: ClassVar[str] = "TONGBAN_COURIER_"

    ems_url: Address = Field(
        "http://127.0.0.1:9090/amp-prod-api/f/amp/api/open", description="Address of the EMS open platform."
    )
    ems_sender: str = Field("1100000000000", description="EMS agreement customer number (senderNo).")
    ems_authorization: Annotated[str, Opens("orders at EMS", Way.SHOWN, needed=True)] = Field(
        "", repr=False, description="EMS authorization code."
    )
    ems_secret: Annotated[str, Opens("orders at EMS", Way.SHOWN, needed=True)] = Field(
        "", repr=False, description="EMS secret: Base64 of 16 bytes (SM4)."
    )
    ems_query: str = Field("020010", description="EMS apiCode of the order query.")
    ems_intercept: str = Field("020007", description="EMS apiCode of an interception (拦截退回); to be checked.")
    ems_push_key: Annotated[Secrets, Opens("scans pushed by EMS", Way.THEIRS)] = Field(
        CLOSED, repr=False, description="Key of EMS pushes (header authenticate); new,old while it is exchanged."
    )
    kuaidi100_salt: Annotated[Secrets, Opens("scans pushed by 快递100", Way.OURS)] = Field(
        CLOSED, repr=False, description="Salt of 快递100 subscriptions; new,old while it is exchanged."
    )
    sf_secret: Annotated[Secrets, Opens("scans pushed by 顺丰", Way.OURS)] = Field(
        CLOSED, repr=False, description="Secret path segment of 顺丰's pushes; new,old while it is exchanged."
    )
    standard_webhooks: Annotated[str, Opens("scans pushed by Standard Webhooks", Way.NAMED)] = Field(
        "",
        repr=False,
        description="Partners by Standard Webhooks: name=whsec_base64[+whsec_base64],… (two live secrets).",
    )
    push_seconds: float = Field(
        15.0,
        gt=0,
        le=60,
        description="Seconds after which a push that could not be stored is answered as failed (快递100: 20).",
    )
    sender_name: str = Field(
        "亳州市政务服务中心", description="The window on labels: sender of results, receiver of originals."
    )
    sender_phone: str = Field("05580000000", description="The window's telephone.")
    sender_address: str = Field("安徽省亳州市谯城区希夷大道", description="The window's address.")
    same_city_hours: int = Field(24, ge=1, le=1000, description="Hours promised from the first scan, same city.")
    elsewhere_hours: int = Field(48, ge=1, le=1000, description="Hours promised from the first scan, elsewhere.")
    patience_minutes: int = Field(
        120, ge=1, le=10_000, description="Minutes to wait for a missing first scan (收寄) that later scans prove."
    )

    cutoff_hour: int = Field(
        16,
        ge=1,
        le=23,
        description="Hour of the daily hand-over to EMS; what is ordered later joins the next working day.",
    )
    price_same_city: int = Field(
        1200, ge=0, le=1_000_000, description="Fen per parcel within the city (demonstration value)."
    )
    price_elsewhere: int = Field(
        2000, ge=0, le=1_000_000, description="Fen per parcel to elsewhere (demonstration value)."
    )
    price_return: int = Field(1200, ge=0, le=1_000_000, description="Fen per original sent back (demonstration value).")
    pickup_slots: str = Field(
        "09:00-12:00,14:00-17:00", description="Pick-up slots of every working day (HH:MM-HH:MM,…)."
    )
    pickup_lead_minutes: int = Field(
        60, ge=0, le=10_000, description="Minutes that a pick-up slot is named before it begins."
    )
    pickup_grace_minutes: int = Field(
        60,
        ge=0,
        le=10_000,
        description="Minutes after a slot without any scan until EMS is asked, and it counts as missed.",
    )
    pull_hour: int = Field(
        23, ge=0, le=23, description="Hour within which EMS is asked every day for scans that it never pushed."
    )

    @field_validator("ems_secret")
    @classmethod
    def _sm4(cls, value: str) -> str:
        try:
            fits = not value or len(base64.b64decode(value, validate=True)) == 16
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("Base64 of 16 bytes")
        return value

    @field_validator("pickup_slots")
    @classmethod
    def _slots(cls, value: str) -> str:
        hours_of(value)
        return value

    @field_validator("standard_webhooks")
    @classmethod
    def _secrets(cls, value: str) -> str:
        secrets_of(value)
        return value

    @property
    def webhook_secrets(self) -> dict[str, list[bytes]]:
        return secrets_of(self.standard_webhooks)
