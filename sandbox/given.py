"""The settings of a suite that works with the pretend city: its partners' addresses, secrets and callbacks.

Names of settings and nothing else bind it to the suite; it must never import a service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sandbox import command, wechat
from sandbox.shared import Shared


class Receiver(Protocol):
    path: str


class Chosen(Protocol):
    @property
    def shared(self) -> Shared: ...

    @property
    def suite(self) -> str: ...


class Started(Protocol):
    """What is asked of a city that has started."""

    @property
    def url(self) -> str: ...

    @property
    def mail(self) -> str: ...

    @property
    def options(self) -> Chosen: ...

    @property
    def portal(self) -> Receiver: ...

    @property
    def portal_other(self) -> Receiver: ...


def partners(city: Started, portal_name: str) -> dict[str, str]:
    """What a started city is to the suite; this portal receives webhooks there, and so does one named `other`."""
    url, known = city.url, city.options.shared
    # Told with each message; a suite whose address nobody has said yet is told by its own tests.
    suite = city.options.suite.rstrip("/")
    receivers = ((portal_name, city.portal.path), ("other", city.portal_other.path))
    return {
        **known.settings(),
        "TONGBAN_OIDC_ISSUER": url,
        "TONGBAN_NOTIFY_SMS_URL": f"{url}/sms",
        "TONGBAN_NOTIFY_PROVIDERS": "aliyun,tencent",
        "TONGBAN_NOTIFY_TENCENT_URL": f"{url}/tencent",
        "TONGBAN_NOTIFY_HUAWEI_URL": f"{url}/huawei",
        "TONGBAN_NOTIFY_HUAWEI_CALLBACK": suite and f"{suite}/notify/webhooks/huawei/{known.pushes}/reports",
        "TONGBAN_NOTIFY_ALIYUN_ACCOUNT_URL": f"{url}/bss",
        "TONGBAN_NOTIFY_SMTP": f"smtp://{city.mail}",
        "TONGBAN_NOTIFY_WECHAT_URL": f"{url}/wechat",
        "TONGBAN_NOTIFY_WECHAT_APP": wechat.APP,
        "TONGBAN_NOTIFY_WECHAT_SECRET": known.wechat,
        "TONGBAN_NOTIFY_WECHAT_TOKEN": known.wechat_pushes,
        "TONGBAN_NOTIFY_WEBHOOKS": ",".join(f"{name}={url}{path}|{known.portal}" for name, path in receivers),
        "TONGBAN_COURIER_EMS_URL": f"{url}/amp-prod-api/f/amp/api/open",
        "TONGBAN_COURIER_STANDARD_WEBHOOKS": f"sandbox={'+'.join(known.standard)}",
        "TONGBAN_REVIEW_REGISTER_URL": url,
    }


def written(file: Path, city: Started, portal_name: str) -> None:
    """The same as a file of settings that its owner alone can read. Raises command.Refused."""
    command.private(file)
    file.write_text("".join(f"{name}={value}\n" for name, value in partners(city, portal_name).items()), "utf-8")
