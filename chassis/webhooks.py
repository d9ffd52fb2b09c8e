"""Standard Webhooks (standardwebhooks.com, version 1) in both directions: the signature, and live secrets in settings.

It turns text and bytes into signatures; this module must never send, receive or log anything.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

SECRET_LEAST: Final = 24
"""Bytes of a secret, at least (the specification's recommendation)."""
SECRETS: Final = f"entries whose secrets are whsec_ and base64 of at least {SECRET_LEAST} bytes"
LOCAL: Final = ("127.0.0.1", "localhost")
"""Hosts that may be spoken to without TLS."""


class Endpoint(NamedTuple):
    """Where to post, and with which live secrets, the newest first."""

    url: str
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "<Endpoint>"


def signature(secret: bytes, id: str, timestamp: str, body: bytes) -> bytes:
    """`v1,<base64>`: HMAC-SHA256 over `id.timestamp.body`."""
    content = f"{id}.{timestamp}.".encode("utf-8", "replace") + body
    return b"v1," + base64.b64encode(hmac.digest(secret, content, "sha256"))


def headers(secrets: tuple[bytes, ...], id: str, timestamp: str, body: bytes) -> dict[str, str]:
    """The three headers of a message; it is signed with every live secret, so that a receiver may know either."""
    signed = b" ".join(signature(secret, id, timestamp, body) for secret in secrets)
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signed.decode()}


def secrets_of(text: str) -> dict[str, list[bytes]]:
    """`name=whsec_<base64>+whsec_<base64>,…`: live secrets by partner. Raises ValueError, which repeats nothing."""
    return {name: _secrets(rest) for name, rest in _entries(text, "name=whsec_…+whsec_…")}


def endpoints_of(text: str) -> dict[str, Endpoint]:
    """`name=https://…|whsec_<base64>+whsec_<base64>,…`: endpoints by name. Raises ValueError, which repeats nothing."""
    found = {}
    form = "name=https://…|whsec_…+whsec_…"
    for name, rest in _entries(text, form):
        url, _, secrets = rest.rpartition("|")
        if not _reachable(url):
            raise ValueError(f"{form}, with an https address")
        found[name] = Endpoint(url, tuple(_secrets(secrets)))
    return found


def _reachable(url: str) -> bool:
    """Whether it is an https address, or an http one of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOCAL))


def _entries(text: str, form: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, rest = entry.partition("=")
        if not equals or not name.replace("-", "").isalnum() or not rest:
            raise ValueError(form)
        yield name, rest


def _secrets(text: str) -> list[bytes]:
    try:
        keys = [base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in text.split("+whsec_")]
    except (binascii.Error, ValueError):
        raise ValueError(SECRETS) from None
    if any(len(key) < SECRET_LEAST for key in keys):
        raise ValueError(SECRETS)
    return keys
