"""Two mail servers for tests: aiosmtpd's, which keeps what it takes, and one that answers line by line as told.

Both are real servers on free ports of 127.0.0.1; this module must never import a service.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Post:
    """aiosmtpd with letters kept. `says` is what it answers at MAIL, RCPT or DATA (the whole message) instead of yes;
    a Future there holds the answer back (`waited`), and `cut` ends the connection when the message has come."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.sessions: set[Session] = set()
        self.servers: list[SMTP] = []
        self.logins: list[LoginPassword] = []
        self.says: dict[str, str | asyncio.Future[str]] = {}
        self.cut = False
        self.waited = asyncio.Event()
        self.port = 0

    async def _word(self, verb: str) -> str | None:
        told = self.says.get(verb)
        if isinstance(told, asyncio.Future):
            self.waited.set()
            return await told
        return told

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.sessions.add(session)
        if (told := await self._word("MAIL")) is not None:
            return told
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (told := await self._word("RCPT")) is not None:
            return told
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(envelope)
        if self.cut:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return await self._word("DATA") or "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, given: Any) -> AuthResult:
        self.logins.append(given)
        return AuthResult(success=given.password == b"right p@ss")

    def hang_up(self) -> None:
        """Ends every connection, as servers do with idle ones."""
        for server in self.servers:
            if server.transport is not None:
                server.transport.close()


@asynccontextmanager
async def post(tls: ssl.SSLContext | None = None, at_once: bool = False, auth: bool = False) -> AsyncIterator[Post]:
    """`tls` by STARTTLS, or `at_once` (smtps)."""
    kept = Post()
    loop = asyncio.get_running_loop()

    def made() -> SMTP:
        offered = None if at_once else tls
        # With TLS from the first byte on aiosmtpd does not see that there is any.
        more: dict[str, Any] = {"authenticator": kept.authenticate, "auth_require_tls": not at_once} if auth else {}
        server = SMTP(kept, hostname="mail.test", loop=loop, tls_context=offered, **more)
        kept.servers.append(server)
        return server

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if at_once else None)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        kept.hang_up()
        server.close()
        await server.wait_closed()


class Script:
    """Answers each verb as told, "." being the whole message: a line, None to cut the connection, "" for silence."""

    def __init__(self, answers: Mapping[str, str | None]) -> None:
        self.answers = {"": "220 ready", "EHLO": "250 mail.test", "MAIL": "250 OK", "RCPT": "250 OK", "DATA": "354 go"}
        self.told: Mapping[str, str | None] = {**self.answers, ".": "250 OK", **answers}
        self.verbs: list[str] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb = ""
        try:
            while (answer := self.told.get(verb, "250 OK")) is not None:
                if answer:
                    writer.write(f"{answer}\r\n".encode())
                line = await (reader.readuntil(b"\r\n.\r\n") if answer == "354 go" else reader.readline())
                if not line:
                    break
                verb = "." if answer == "354 go" else line.split()[0].decode().upper()
                self.verbs.append(verb)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def script(**answers: str | None) -> AsyncIterator[Script]:
    """`dot` is the whole message, `greeting` what comes first."""
    names = {"dot": ".", "greeting": ""}
    told = Script({names.get(name, name): answer for name, answer in answers.items()})
    server = await asyncio.start_server(told.talk, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        await server.wait_closed()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that signs itself: its file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(LONG_AGO)
        .not_valid_after(LONG_AGO + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "mail.pem", folder / "mail.key"
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return file, context
