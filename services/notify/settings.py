"""Settings of notify.

It must never read anything but what it is given.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from chassis.settings import Section


class Settings(Section):
    """The SMS providers, their credentials, and when not to disturb."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_"

    sms_url: str = Field("http://127.0.0.1:9090/sms", description="Address of the SMS provider's API (Aliyun RPC).")
    sms_key: str = Field("sandbox", description="AccessKeyId at the SMS provider.")
    sms_secret: str = Field("sandbox", repr=False, description="AccessKeySecret at the SMS provider.")
    sms_sign: str = Field("亳州政务", description="Signature (签名) approved by the provider.")
    providers: tuple[Literal["aliyun", "tencent"], ...] = Field(
        ("aliyun",), min_length=1, description="SMS providers that share the messages: aliyun, tencent, or both."
    )
    tencent_url: str = Field("http://127.0.0.1:9090/tencent", description="Address of Tencent Cloud SMS (API v3).")
    tencent_key: str = Field("sandbox", description="SecretId at Tencent Cloud.")
    tencent_secret: str = Field("sandbox", repr=False, description="SecretKey at Tencent Cloud.")
    tencent_app: str = Field("1400000000", description="SmsSdkAppId at Tencent Cloud.")
    tencent_sign: str = Field("亳州政务", description="Signature (签名) approved by Tencent Cloud.")
    cap: int = Field(
        40, ge=1, description="Notices to one number in 24 hours, beyond which what can wait is held back."
    )
    mature_seconds: int = Field(
        600, ge=1, description="Seconds after which a provider without receipts counts as silent."
    )
    webhook_secret: str = Field("sandbox-sms", repr=False, description="Secret path segment of the provider's pushes.")
    quiet_from: int = Field(22, ge=0, le=23, description="Hour from which notices that can wait are held back.")
    quiet_to: int = Field(8, ge=0, le=23, description="Hour at which they are released.")
    receipt_hours: int = Field(72, ge=1, description="Hours without a receipt after which a notice has expired.")

    @field_validator("providers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
