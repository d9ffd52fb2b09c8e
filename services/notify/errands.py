"""What notify asks of the outside: a text message, an e-mail, a WeChat template message, a portal's webhook.

Shapes only, personal fields sealed; this module must never hold a rule or know a wire format.
"""

from __future__ import annotations

from typing import Final

from chassis.decision import Errand, Lane

DOWN, REFUSED = "provider_down", "provider_refused"
"""Problems of an errand that certainly was not sent: another provider may take the message."""

BULK: Final = 20
"""What can wait goes by a lane of its own, so many at once, so that it never delays what is urgent."""


class SendSms(Errand, frozen=True, kw_only=True):
    """One text message, for one provider. `phone` is sealed under `<case>:phone`; `out_id` is the reference
    at the provider, `day` the legal date on which it was planned, from which on the provider may know it; `listed` says
    that this provider lists all it has taken, so that one it does not know was never sent."""

    case: str
    key: str
    out_id: str
    phone: str
    template: str
    params: dict[str, str]
    day: str = ""
    provider: str = "aliyun"
    urgent: bool = True
    listed: bool = False

    def lane(self) -> Lane:
        """Each provider's own: one that is slow, or that may be asked little at once, holds up nothing of the other."""
        return Lane(f"sms:{self.provider}") if self.urgent else Lane(f"sms:{self.provider}:bulk", BULK)

    def partner(self) -> str:
        return f"SMS provider {self.provider}"

    def careful(self) -> bool:
        return not self.listed


class SendMail(Errand, frozen=True, kw_only=True):
    """One e-mail. `email` is sealed under `<case>:email`; the errand's id makes the Message-ID."""

    case: str
    key: str
    email: str
    subject: str
    text: str

    def lane(self) -> Lane:
        return Lane("email", 10)

    def partner(self) -> str:
        return "mail server"

    def careful(self) -> bool:
        """A mail server tells nothing of earlier mails."""
        return True


class SendWechat(Errand, frozen=True, kw_only=True):
    """One template message 模板消息. `openid` is sealed under `<case>:wechat`; the errand's id is the client_msg_id.
    `planned` is the legal moment of planning (ISO 8601), before which it cannot have been sent; "" = not known."""

    case: str
    key: str
    openid: str
    template: str
    params: dict[str, str]
    planned: str = ""

    def lane(self) -> Lane:
        return Lane("wechat", 20)

    def partner(self) -> str:
        return "WeChat"

    def careful(self) -> bool:
        return False


class PostHook(Errand, frozen=True, kw_only=True):
    """One notice for the webhook of the case's portal. `case`, `notice`, `at` (ISO 8601) and `key` make the webhook-id,
    which is the same for every call. No personal data: `text` is what the citizen reads. Portals have a lane each."""

    case: str
    portal: str
    submission: str
    number: str
    notice: str
    at: str
    text: str
    key: str = ""

    def lane(self) -> Lane:
        return Lane(f"webhook:{self.portal}", 4)

    def partner(self) -> str:
        return f"webhook of portal {self.portal}"

    def careful(self) -> bool:
        """A repeated webhook-id does no harm."""
        return False
