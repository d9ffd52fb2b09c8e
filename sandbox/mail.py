"""A pretend mail server that speaks SMTP, and its letter boxes: every message by its Message-ID, twice if twice.

It takes and keeps and never sends on; this module must never import the notify service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from typing import Any

import msgspec
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.faults import Faults, Ledger
from sandbox.serving import Partner, Paths, fields, reply

NOBODY = "nobody@"
"""An address that begins so does not exist."""

OK = "250 2.0.0 OK"
BUSY = "451 4.3.0 Local error in processing"
REFUSED = "550 5.7.1 Rejected by policy"
UNKNOWN = "550 5.1.1 No such mailbox"
HEADERS = BytesHeaderParser(policy=default)


class Letter(msgspec.Struct):
    """One accepted message as its bytes came, with the addresses of its envelope."""

    id: str
    sender: str
    to: tuple[str, ...]
    content: bytes


class Mail(Partner):
    """Faults strike the operations `RCPT` and `DATA`. `address` is host:port once it listens; `keep` bounds the letters
    that it remembers; `arrived` is told every one."""

    def __init__(self, faults: Faults, *, keep: int = 50_000) -> None:
        super().__init__("mail", faults, Ledger(("sent",)))
        self.address = ""
        self.keep = keep
        self._letters: deque[Letter] = deque(maxlen=keep)
        self._server: asyncio.Server | None = None
        self.arrived: Callable[[Letter], None] = lambda _: None

    async def listen(self, host: str, port: int) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(self, hostname="mail.sandbox", ident="sandbox", enable_SMTPUTF8=True, loop=loop)

        self._server = await loop.create_server(session, host, port)
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """May be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def paths(self, paths: Paths) -> None:
        paths.add("GET", "/mail/messages", self.messages)

    async def handle_RCPT(  # noqa: N802  (the server's own name for it)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One recipient."""

        def take(lying: bool) -> str:
            if address.lower().startswith(NOBODY):
                return UNKNOWN
            if not lying:
                envelope.rcpt_tos.append(address)
                envelope.rcpt_options.extend(options)
            return OK

        return await self._answer(server, "RCPT", take)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """One message to all its recipients."""

        def take(lying: bool) -> str:
            content = envelope.content
            assert isinstance(content, bytes)
            if not lying:
                id = str(HEADERS.parsebytes(content).get("Message-ID", "")).strip()
                self.ledger.effects["sent"].add(id)
                letter = Letter(id, envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
                self._letters.append(letter)
                self.arrived(letter)
            return OK

        return await self._answer(server, "DATA", take)

    async def _answer(self, server: SMTP, operation: str, act: Callable[[bool], str]) -> str:
        """As Partner.deal, in the words of SMTP: what is cut gets an answer that goes nowhere."""
        self.ledger.requests[operation] += 1
        fault = self.faults.draw(self.name, operation)
        if fault is None:
            return act(False)
        self.ledger.faults[fault.kind] += 1
        if fault.kind in ("error500", "refuse"):
            return BUSY if fault.kind == "error500" else REFUSED
        if fault.kind == "slow":
            await self.pause(fault.seconds)
        words = act(fault.kind == "lie")
        line = server.transport
        if fault.kind in ("silent", "slow_loris", "hang_up") and isinstance(line, asyncio.Transport):
            if fault.kind == "silent":
                await self.pause(fault.seconds)
            elif fault.kind == "slow_loris":
                await self.trickle(line, f"{words[:3]}-{words[4:]}\r\n".encode(), fault.seconds)
            line.abort()
        return words

    async def messages(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """What a letter box holds: `GET /mail/messages?to=…` or `?id=…`, oldest first, the newest 500."""
        asked = await fields(request)
        to, id = str(asked.get("to", "")), str(asked.get("id", ""))
        found = [m for m in self._letters if (not to or to in m.to) and (not id or m.id == id)]
        return reply({"messages": [shown(letter) for letter in found[-500:]]})

    def of(self, to: str) -> list[Letter]:
        """What a letter box holds, oldest first."""
        return [letter for letter in self._letters if to in letter.to]


def shown(letter: Letter) -> dict[str, Any]:
    """A letter as a reader sees it: `headers` by name, the text, and the HTML where there is one."""
    message = message_from_bytes(letter.content, EmailMessage, policy=default)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    return {
        "id": letter.id,
        "from": letter.sender,
        "to": letter.to,
        "subject": str(message.get("Subject", "")),
        "headers": {name: str(value) for name, value in message.items()},
        "text": text.get_content() if text else "",
        "html": html.get_content() if html else "",
    }
