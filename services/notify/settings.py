"""Settings of notify.

It must never read anything but what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from chassis.kinds import Address, YamlFile, among, split
from chassis.secret import CLOSED, Opens, Secrets, Way
from chassis.settings import Section
from chassis.webhooks import Endpoint, endpoints_of
from services.notify.providers import KNOWN

PORTS: Final = {"smtp": 25, "smtps": 465}
"""Schemes of a mail server, and the port where none is given."""
RELAY: Final = "smtp://[user:password@]host:port or smtps://…, user and password percent-encoded"


class Relay(NamedTuple):
    """The mail server that takes our e-mail; `tls` from the first byte on (smtps)."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return "<Relay>"


class Settings(Section):
    """The SMS providers that are used, the other channels' servers and credentials, and when not to disturb."""

    prefix: ClassVar[str] = "TONGBAN_NOTIFY_"
    parts: ClassVar[Mapping[str, type[Section]]] = {name: provider.settings for name, provider in KNOWN.items()}

    providers: Annotated[tuple[str, ...], BeforeValidator(split), among(KNOWN)] = Field(
        ("aliyun",), min_length=1, description=f"SMS providers that share the messages: {', '.join(KNOWN)}."
    )
    cap: int = Field(
        40, ge=1, le=10_000, description="Notices to one number in 24 hours, beyond which what can wait is held back."
    )
    rates: str = Field(
        ",".join(f"{provider.name}={provider.rate}" for provider in KNOWN.values()),
        description="Messages a second to each provider, of each process: name=number,…; 0 = any.",
    )
    account_seconds: float = Field(
        300, gt=0, le=86_400, description="Seconds between two looks at the providers' accounts."
    )
    officers: YamlFile | None = Field(
        None, description="Phone book of officers (YAML), who are told of 提醒, 预警, 超时."
    )
    mature_seconds: int = Field(
        600, ge=1, le=86_400, description="Seconds after which a provider without receipts counts as silent."
    )
    webhook_secret: Annotated[Secrets, Opens("receipts and replies pushed by SMS providers and WeChat", Way.OURS)] = (
        Field(
            CLOSED, repr=False, description="Secret path segment of providers' pushes; new,old while it is exchanged."
        )
    )
    quiet_from: int = Field(22, ge=0, le=23, description="Hour from which notices that can wait are held back.")
    quiet_to: int = Field(8, ge=0, le=23, description="Hour at which they are released.")
    receipt_hours: int = Field(
        72, ge=1, le=1000, description="Hours without a receipt after which a notice has expired."
    )
    smtp: Annotated[str, Opens("e-mail", Way.SHOWN)] = Field(
        "", repr=False, description="Mail server: smtp://[user:password@]host:port or smtps://…; empty = no e-mail."
    )
    mail_from: str = Field("notice@tongban.example", description="Sender's address of e-mails.")
    mail_name: str = Field("亳州政务", description="Sender's name of e-mails.")
    wechat_url: Address = Field(
        "https://api.weixin.qq.com", description="Address of WeChat's API for official accounts."
    )
    wechat_app: str = Field("", description="AppID of the city's official account (公众号); empty = no WeChat.")
    wechat_secret: Annotated[str, Opens("messages by WeChat", Way.SHOWN)] = Field(
        "", repr=False, description="AppSecret of the official account."
    )
    wechat_token: Annotated[Secrets, Opens("receipts signed by WeChat", Way.OURS)] = Field(
        CLOSED,
        repr=False,
        validate_default=True,
        description="Token with which WeChat signs what it pushes; new,old while it is exchanged.",
    )
    webhooks: Annotated[str, Opens("webhooks to portals", Way.NAMED)] = Field(
        "",
        repr=False,
        description="Webhooks of portals: name=https://…|whsec_base64[+whsec_base64],… (two live secrets).",
    )

    @field_validator("rates")
    @classmethod
    def _rates(cls, value: str) -> str:
        rates_of(value)
        return value

    @field_validator("smtp")
    @classmethod
    def _smtp(cls, value: str) -> str:
        relay_of(value)
        return value

    @field_validator("wechat_token")
    @classmethod
    def _whole_account(cls, value: Secrets, info: ValidationInfo) -> Secrets:
        """Without its token every receipt would be refused, and every message expire."""
        if len({bool(part) for part in (info.data.get("wechat_app"), info.data.get("wechat_secret"), value)}) > 1:
            raise ValueError(
                "set together with TONGBAN_NOTIFY_WECHAT_APP and TONGBAN_NOTIFY_WECHAT_SECRET, or none of them"
            )
        return value

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, value: str) -> str:
        local, _, domain = value.partition("@")
        if not (value.isascii() and value.isprintable() and local and "." in domain) or "@" in domain or " " in value:
            raise ValueError("an e-mail address")
        return value

    @field_validator("webhooks")
    @classmethod
    def _webhooks(cls, value: str) -> str:
        endpoints_of(value)
        return value

    @property
    def relay(self) -> Relay | None:
        return relay_of(self.smtp)

    @property
    def hooked(self) -> dict[str, Endpoint]:
        """Portals that are told by webhook."""
        return endpoints_of(self.webhooks)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that are set up beside text messages."""
        set_up = {"email": self.smtp, "wechat": self.wechat_app}
        return tuple(name for name, value in set_up.items() if value)

    def uses(self, part: str) -> bool:
        """Of SMS providers only those that are named."""
        return part in self.providers

    def outside(self) -> dict[str, str]:
        """As every section; WeChat if it is used, and servers named otherwise."""
        unused = {self.variable("wechat_url")} if not self.wechat_app else set()
        found = {name: value for name, value in super().outside().items() if name not in unused}
        if relay := self.relay:
            found[self.variable("smtp")] = f"{relay.host}:{relay.port}"
        return found | {f"webhook of portal {name}": endpoint.url for name, endpoint in self.hooked.items()}

    @property
    def rate(self) -> dict[str, float]:
        return rates_of(self.rates)


def relay_of(url: str) -> Relay | None:
    """`smtp://[user:password@]host[:port]` or `smtps://…`, user and password percent-encoded; None for "". Raises
    ValueError, which repeats nothing."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(RELAY) from None
    if parts.scheme not in PORTS or not parts.hostname or (parts.username is None) != (parts.password is None):
        raise ValueError(RELAY)
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    return Relay(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "smtps", user, password)


def rates_of(text: str) -> dict[str, float]:
    """`name=number,…`, of providers that there are. Raises ValueError."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        found = {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        found = {"": 0.0}
    if found.keys() - KNOWN.keys() or not all(0 <= rate < 1e6 for rate in found.values()):
        raise ValueError(f"{','.join(f'{name}=number' for name in KNOWN)}, with numbers from 0 to 1000000")
    return found
