"""E-mail over SMTP: one message per errand, and what each answer of the mail server proves.

It unseals an address only to send; it must never log, keep or return it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Any, Final

import aiosmtplib

from chassis.clock import Clock
from chassis.decision import Lost, Reject, Retry, Unknown
from chassis.sealing import Keyring
from contracts.event import SHANGHAI
from services.notify.errands import SendMail
from services.notify.settings import Relay, Settings

BEFORE: Final = 5.0
"""Seconds until the server wants the message: connection, TLS, login, sender and recipient."""
AFTER: Final = 60.0
"""Seconds for its answer to the message; RFC 5321 (4.5.3.2.6) has ten minutes, but an errand's time ends sooner."""
IDLE: Final = 4
"""Most connections that are kept for the next message."""
LATER: Final = 30.0
"""Seconds before another try where the server said "not now" (4xx)."""
MOST_UNSENT: Final = 1000
GO, GOODBYE = 354, 421
ADDRESS: Final = re.compile(r"[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
LOCAL: Final = ("127.0.0.1", "localhost")


class Mail:
    """Runs SendMail errands. SMTP has no way to ask about a message: once its last byte is on the way and no answer
    comes, it is lost to us. Only what this process knows to have been cut off before may be made again."""

    patient = False

    def __init__(self, settings: Settings, keyring: Keyring, clock: Clock) -> None:
        self.settings, self.keyring, self.clock = settings, keyring, clock
        self.relay, self.before = settings.relay, BEFORE
        self.domain = settings.mail_from.rpartition("@")[2]
        self._idle: list[aiosmtplib.SMTP] = []
        self._unsent: dict[str, None] = {}

    async def make(self, id: str, errand: SendMail) -> Mapping[str, Any]:
        """`{}`. Raises Retry (not taken: 4xx, no connection), Reject `mail_refused` (5xx) or Unknown (no answer to the
        whole message)."""
        address = self.keyring.open(errand.email, f"{errand.case}:email")
        if self.relay is None or not ADDRESS.fullmatch(address):
            raise _no()
        message = self.written(id, address, errand)
        try:
            async with asyncio.timeout(self.before):
                server = await self._announced(self.relay, address)
        except TimeoutError:
            raise Retry("mail server is slow") from None
        except asyncio.CancelledError:
            self._remember(id)
            raise
        try:
            code = await _handed(server, message)
        except Retry:
            server.close()
            raise
        except BaseException:  # no answer, or cut off while waiting for it
            self._unsent.pop(id, None)
            server.close()
            raise
        if code >= 400:
            server.close()
            raise _refusal(code)
        self._unsent.pop(id, None)
        if len(self._idle) < IDLE:
            self._idle.append(server)
        else:
            server.close()
        return {}

    async def ask(self, id: str, errand: SendMail) -> None:
        """None for what was certainly not sent, else raises Lost."""
        if id not in self._unsent:
            raise Lost

    def written(self, id: str, address: str, errand: SendMail) -> bytes:
        """The message as it travels, with the final dot (RFC 5322, RFC 2047, RFC 3834)."""
        message = EmailMessage(WIRE)
        message["From"] = Address(self.settings.mail_name, addr_spec=self.settings.mail_from)
        message["To"] = Address(addr_spec=address)
        message["Subject"] = " ".join(errand.subject.split())
        message["Date"] = datetime.fromtimestamp(self.clock.system(), SHANGHAI)
        message["Message-ID"] = f"<{id}@{self.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        # In Base64, so that no line is too long, and none begins with a dot.
        message.set_content(errand.text, charset="utf-8", cte="base64")
        return message.as_bytes() + b".\r\n"

    async def _announced(self, relay: Relay, address: str) -> aiosmtplib.SMTP:
        """A connection on which the server waits for the message. One that was kept may have ended meanwhile."""
        while True:
            kept = self._kept()
            server = kept or await self._connected(relay)
            try:
                await server.mail(self.settings.mail_from)
                await server.rcpt(address)
                code, _ = await server.execute_command(b"DATA")
                if code == GO:
                    return server
            except aiosmtplib.SMTPResponseException as answer:
                code = answer.code
            except aiosmtplib.SMTPException:
                code = GOODBYE
            except BaseException:
                server.close()
                raise
            server.close()
            if not (kept and code == GOODBYE):
                raise _refusal(code)

    def _kept(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            server = self._idle.pop()
            if server.is_connected:
                return server
        return None

    async def _connected(self, relay: Relay) -> aiosmtplib.SMTP:
        """Raises Retry: a server that will not have us says nothing about the message. TLS is used where it is offered;
        a password leaves this machine with TLS only."""
        needed = True if relay.user is not None and relay.host not in LOCAL else None
        server = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=relay.password,
            local_hostname=self.domain,
            use_tls=relay.tls,
            start_tls=False if relay.tls else needed,
            timeout=None,
        )
        try:
            await server.connect()
        except aiosmtplib.SMTPResponseException as answer:
            raise Retry(f"mail server: {answer.code}", LATER) from None
        except (aiosmtplib.SMTPException, OSError):
            raise Retry("mail server unreachable") from None
        return server

    def _remember(self, id: str) -> None:
        """Whoever cut it off cannot know that nothing was sent."""
        self._unsent[id] = None
        if len(self._unsent) > MOST_UNSENT:
            del self._unsent[next(iter(self._unsent))]

    async def close(self) -> None:
        for server in self._idle:
            with contextlib.suppress(aiosmtplib.SMTPException):
                await server.quit(timeout=1.0)
        self._idle.clear()


async def _handed(server: aiosmtplib.SMTP, message: bytes) -> int:
    """The server's word on the whole message. Raises Retry when none of it was sent, Unknown when there is no word."""
    protocol = server.protocol
    try:
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("gone")
        protocol.write(message)
    except aiosmtplib.SMTPServerDisconnected:
        raise Retry("connection cut") from None
    try:
        code, _ = await protocol.read_response(AFTER)
    except aiosmtplib.SMTPException:
        raise Unknown("no answer to the message") from None
    if not (200 <= code < 300 or 400 <= code < 600):
        raise Unknown(f"mail server: {code}")
    return code


def _refusal(code: int) -> Retry | Reject:
    """What an answer that is not yes means: 5xx never, anything else not now."""
    return _no() if 500 <= code < 600 else Retry(f"mail server: {code}", LATER)


def _no() -> Reject:
    return Reject("mail_refused", "邮件服务器拒收")
