"""How Kafka lets us in: TLS, our own certificate, SASL; the same for producer, consumer and topics.

It reads settings and files; this module must never connect or log what it reads.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from chassis.settings import ChassisSettings, SettingsError


class FileToken(AbstractTokenProvider):  # type: ignore[misc]
    """The bearer token that a file holds at the moment of a login: whoever issues it renews the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    async def token(self) -> str:
        return self.file.read_text("ascii").strip()


def access(settings: ChassisSettings) -> dict[str, Any]:
    """The options of every aiokafka client. Raises SettingsError for what does not go together or cannot be read."""
    protocol = ("" if settings.kafka_login == "none" else "SASL_") + ("SSL" if settings.kafka_tls else "PLAINTEXT")
    options: dict[str, Any] = {"security_protocol": protocol}
    if settings.kafka_tls:
        options["ssl_context"] = _tls(settings)
    elif settings.kafka_ca or settings.kafka_cert:
        raise SettingsError("TONGBAN_KAFKA_TLS is not set; it must be true where certificates are given.")
    if settings.kafka_login == "none":
        return options
    options["sasl_mechanism"] = settings.kafka_login
    if settings.kafka_login == "OAUTHBEARER":
        if settings.kafka_token is None:
            raise SettingsError("TONGBAN_KAFKA_TOKEN is not set; OAUTHBEARER needs the file with the token.")
        return {**options, "sasl_oauth_token_provider": FileToken(settings.kafka_token)}
    if not (settings.kafka_user and settings.kafka_password):
        raise SettingsError("TONGBAN_KAFKA_USER and TONGBAN_KAFKA_PASSWORD are not both set; a login needs them.")
    return {
        **options,
        "sasl_plain_username": settings.kafka_user,
        "sasl_plain_password": settings.kafka_password,
    }


def _tls(settings: ChassisSettings) -> ssl.SSLContext:
    """Certificates and names are always checked."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
    except (OSError, ssl.SSLError):
        raise SettingsError("TONGBAN_KAFKA_CA must name a file of certificates in PEM form.") from None
    if settings.kafka_cert is not None:
        try:
            # A password is given even where there is none, as it would be asked for at the terminal.
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key, settings.kafka_key_password)
        except (OSError, ssl.SSLError):
            raise SettingsError(
                "TONGBAN_KAFKA_CERT and TONGBAN_KAFKA_KEY must be a certificate and its key in PEM form, and "
                "TONGBAN_KAFKA_KEY_PASSWORD the password of the key, where it has one."
            ) from None
    return context
