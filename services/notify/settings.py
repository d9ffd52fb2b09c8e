"""Settings of notify.

It must never read anything but what it is given.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from chassis.settings import Section


class Settings(Section):
    """The SMS provider (Aliyun), its credentials, and when not to disturb."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_"

    sms_url: str = Field("http://127.0.0.1:9090/sms", description="Address of the SMS provider's API (Aliyun RPC).")
    sms_key: str = Field("sandbox", description="AccessKeyId at the SMS provider.")
    sms_secret: str = Field("sandbox", repr=False, description="AccessKeySecret at the SMS provider.")
    sms_sign: str = Field("亳州政务", description="Signature (签名) approved by the provider.")
    webhook_secret: str = Field("sandbox-sms", repr=False, description="Secret path segment of the provider's pushes.")
    quiet_from: int = Field(22, ge=0, le=23, description="Hour from which notices that can wait are held back.")
    quiet_to: int = Field(8, ge=0, le=23, description="Hour at which they are released.")
    receipt_hours: int = Field(72, ge=1, description="Hours without a receipt after which a notice has expired.")
