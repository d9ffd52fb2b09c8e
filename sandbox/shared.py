"""What the pretend partners and the suite have agreed on: every secret between them, made at random for each run.

It makes values and names the settings that hold them; this module must never import a service, or keep anything.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, field
from typing import Final

from sandbox import hooks


def invented() -> str:
    return secrets.token_hex(16)


def sm4() -> str:
    """Base64 of 16 bytes."""
    return base64.b64encode(os.urandom(16)).decode()


def whsec() -> str:
    return hooks.secret_of(os.urandom(32))


@dataclass(frozen=True, slots=True, repr=False)
class Shared:
    """`pushes` is the path segment of text message providers' and WeChat's pushes, `officers` every pretend officer's
    password at the identity provider."""

    sms: str = field(default_factory=invented)
    tencent: str = field(default_factory=invented)
    huawei: str = field(default_factory=invented)
    pushes: str = field(default_factory=invented)
    ems: str = field(default_factory=sm4)
    ems_authorization: str = field(default_factory=invented)
    ems_pushes: str = field(default_factory=invented)
    kuaidi100: str = field(default_factory=invented)
    sf: str = field(default_factory=invented)
    wechat: str = field(default_factory=invented)
    wechat_pushes: str = field(default_factory=invented)
    portal: str = field(default_factory=whsec)
    standard: tuple[str, str] = field(default_factory=lambda: (whsec(), whsec()))
    officers: str = field(default_factory=invented)

    def settings(self) -> dict[str, str]:
        """The suite's settings that hold what its partners by text message and parcel know."""
        return {
            "TONGBAN_NOTIFY_SMS_SECRET": self.sms,
            "TONGBAN_NOTIFY_TENCENT_SECRET": self.tencent,
            "TONGBAN_NOTIFY_HUAWEI_SECRET": self.huawei,
            "TONGBAN_NOTIFY_WEBHOOK_SECRET": self.pushes,
            "TONGBAN_COURIER_EMS_SECRET": self.ems,
            "TONGBAN_COURIER_EMS_AUTHORIZATION": self.ems_authorization,
            "TONGBAN_COURIER_EMS_PUSH_KEY": self.ems_pushes,
            "TONGBAN_COURIER_KUAIDI100_SALT": self.kuaidi100,
            "TONGBAN_COURIER_SF_SECRET": self.sf,
        }


SHARED: Final = Shared()
"""Those of this run, for a city and whoever signs beside it in the same process."""
