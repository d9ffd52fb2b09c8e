"""Settings of courier.

It must never read anything but what it is given.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from chassis.settings import Section
from chassis.webhooks import secrets_of


class Settings(Section):
    """EMS: address, contract, secrets, sender, and the promise."""

    prefix: ClassVar[str] = "TONGBAN_COURIER_"

    ems_url: str = Field(
        "http://127.0.0.1:9090/amp-prod-api/f/amp/api/open", description="Address of the EMS open platform."
    )
    ems_sender: str = Field("1100000000000", description="EMS agreement customer number (senderNo).")
    ems_authorization: str = Field("sandbox", repr=False, description="EMS authorization code.")
    ems_secret: str = Field("TvaBgrhE46sft3nZlfe7xw==", repr=False, description="EMS secret: Base64 of 16 bytes (SM4).")
    ems_query: str = Field("020010", description="EMS apiCode of the order query.")
    ems_push_key: str = Field("sandbox-ems-push", repr=False, description="Key of EMS pushes (header authenticate).")
    kuaidi100_salt: str = Field("sandbox-kuaidi100", repr=False, description="Salt of 快递100 subscriptions.")
    sf_secret: str = Field("sandbox-sf", repr=False, description="Secret path segment of 顺丰's pushes.")
    standard_webhooks: str = Field(
        "",
        repr=False,
        description="Partners by Standard Webhooks: name=whsec_base64[+whsec_base64],… (two live secrets).",
    )
    sender_name: str = Field("亳州市政务服务中心", description="Sender on the label.")
    sender_phone: str = Field("05580000000", description="Sender's telephone.")
    sender_address: str = Field("安徽省亳州市谯城区希夷大道", description="Sender's address.")
    same_city_hours: int = Field(24, ge=1, description="Hours promised from the first scan, same city.")
    elsewhere_hours: int = Field(48, ge=1, description="Hours promised from the first scan, elsewhere.")
    patience_minutes: int = Field(
        120, ge=1, description="Minutes to wait for a missing first scan (收寄) that later scans prove."
    )

    @field_validator("standard_webhooks")
    @classmethod
    def _secrets(cls, value: str) -> str:
        secrets_of(value)
        return value

    @property
    def webhook_secrets(self) -> dict[str, list[bytes]]:
        return secrets_of(self.standard_webhooks)
